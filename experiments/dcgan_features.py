"""Train linear classifiers on what the DCGAN's discriminator computes of 1,000 labelled digits.

python -m experiments.dcgan_features     measures and writes the result, about two minutes of one core

The probes are those of `experiments.variants`: the same draws of labelled digits, the same strengths to choose from, on
validation digits. So the accuracies stand beside those that it stored for raw pixels and for the codes of autoencoders.
"""

import keras
import numpy as np

from experiments import dcgan, variants
from experiments.harness import record

NAME = "dcgan_features"
LABELS, SEEDS = 1_000, (0, 1, 2, 3, 4)  # of the draws, and of the untrained discriminators


def grids(judge):
    """Return a model of what both convolutions of D compute, each max-pooled to 4 × 4 places, as in the paper."""
    layers = [layer for layer in judge.layers if isinstance(layer, keras.layers.Conv2D)]
    parts = []
    for layer in layers:
        side = -(-layer.output.shape[1] // 4)  # 14 -> 4, 7 -> 2
        parts.append(keras.layers.Flatten()(keras.layers.MaxPooling2D(side, padding="same")(layer.output)))
    return keras.Model(judge.inputs, keras.layers.Concatenate()(parts))


def untrained(seed):
    """Return the same of a discriminator before its first step."""
    keras.utils.set_random_seed(seed)
    return grids(dcgan.convolutional("relu")[1])


def reader(network):
    """Return a network as a function of rows of 784."""
    shape = network.input_shape[1:]
    return lambda rows: variants.run(network, np.reshape(rows, (-1, *shape)))


def candidates():
    """Return name → what is read from the digits, one function a draw of labels."""
    trained = reader(grids(dcgan.load_discriminator()))
    return {
        "discriminator": [trained] * len(SEEDS),
        "untrained discriminator": [reader(untrained(seed)) for seed in SEEDS],
    }


def probe(encoders, digits):
    """Return the strength that validation digits chose, and the accuracy on test digits for each draw of labels."""
    tuning = variants.probe_jobs(encoders[0], digits, "validation", variants.TUNING_DRAWS, {LABELS: variants.STRENGTHS})
    found = np.reshape(variants.accuracies(tuning), (-1, len(variants.STRENGTHS))).mean(axis=0)
    strength = variants.STRENGTHS[found.argmax()]
    jobs = [
        job
        for seed, encode in zip(SEEDS, encoders, strict=True)
        for job in variants.probe_jobs(encode, digits, "test", [seed], {LABELS: (strength,)})
    ]
    return {"C": strength, "validation": found.tolist(), "accuracies": variants.accuracies(jobs)}


def main():
    """Measure and write the result."""
    digits = variants.Digits.load()
    runs = [{"features": name, **probe(encoders, digits)} for name, encoders in candidates().items()]
    record.write(NAME, runs=runs, labels=LABELS, strengths=variants.STRENGTHS)


if __name__ == "__main__":
    main()
