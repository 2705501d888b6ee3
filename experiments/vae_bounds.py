"""Train a variational autoencoder on the evidence lower bound and on the importance-weighted one, and measure both.

python -m experiments.vae_bounds                 trains what is missing, then measures and writes the result
python -m experiments.vae_bounds vae             trains one of them only
python -m experiments.vae_bounds vae --validate  trains on 50,000 digits and prints the likelihood of the others
"""

import argparse

import keras
import numpy as np
from tqdm import tqdm

from experiments.harness import record, rounding, training
from helpers import autoencoders, datasets, metrics, storage

NAME = "vae_bounds"
SAMPLES = {"vae": 1, "iwae5": 5}  # latent samples an image in the training bound
EPOCHS, BATCH_SIZE, LEARNING_RATE = 800, 100, 2e-3
STORED_AS, ROUNDED_ON = "int8", 20_000  # training digits on which the rounding costs little
FIRST = 200  # test images that the tests and the chapter measure again
RECIPE = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE, "latent_dim": 50, "width": 200}


def build(name, images=None):
    """Return an untrained model; `images` (n, 784) set the decoder's output biases."""
    keras.utils.set_random_seed(0)
    encoder, decoder = autoencoders.vae_networks(RECIPE["latent_dim"], RECIPE["width"], images)
    return autoencoders.VariationalAutoencoder(encoder, decoder, SAMPLES[name])


def train(name, images, run, epochs=EPOCHS):
    """Train on grey images (n, 784), binarised anew every epoch; return the model, seconds and history."""
    model = build(name, images)
    batches = datasets.ShuffledBatches(images, BATCH_SIZE, transform=datasets.binarise)
    steps = len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.01 * LEARNING_RATE, steps * (epochs - 1), warmup_target=LEARNING_RATE, warmup_steps=steps
    )
    model.compile(keras.optimizers.Adam(schedule))
    recipe = {**RECIPE, "samples": SAMPLES[name], "images": len(images), "epochs": epochs}
    return model, training.fit(run, model, batches, epochs, recipe)


def store(name, model, images):
    """Round the weights to 8 bits, in place, and store them; images (n, 784) are grey training digits."""
    rng = np.random.default_rng(0)
    binary = datasets.binarise(images[:ROUNDED_ON], rng)
    rounding.round_network(model.encoder, binary, STORED_AS)
    mean, log_variance = np.split(model.encoder.predict(binary, batch_size=1000, verbose=0), 2, axis=1)
    latents = mean + np.exp(0.5 * log_variance) * rng.standard_normal(mean.shape, dtype="float32")
    rounding.round_network(model.decoder, latents, STORED_AS)
    storage.save_weights(record.weights_path(NAME, name), model.get_weights(), STORED_AS)


def load(name):
    """Return the trained model, its weights as they are stored: 8-bit integers."""
    model = build(name)
    model.set_weights(storage.load_weights(record.weights_path(NAME, name)))
    return model


def binary_test_images():
    """Return the test digits (10000, 784), binarised once, with a seed of their own."""
    images = datasets.load_mnist().test_images.reshape(-1, 784)
    return datasets.binarise(images, np.random.default_rng(0))


def measure(model):
    """Return the test likelihood of a model by 5,000-sample importance sampling, and its active units."""
    images = binary_test_images()
    values = metrics.importance_log_likelihood(model, images, progress=tqdm)
    return {
        "nll": float(-values.mean()),
        "standard_error": float(values.std() / len(values) ** 0.5),
        "first_nll": float(-values[:FIRST].mean()),
        "active_units": int(metrics.active_units(model, images).sum()),
    }


def measure_stored(name):
    """Return the likelihood of the first test digits under a model as it is stored, and its active units."""
    model, images = load(name), binary_test_images()
    values = metrics.importance_log_likelihood(model, images[:FIRST])
    return {"first_nll": float(-values.mean()), "active_units": int(metrics.active_units(model, images).sum())}


def validate(name, epochs):
    """Train on 50,000 digits and print the likelihood of 500 of the other 10,000."""
    mnist = datasets.load_mnist()
    images = mnist.train_images.reshape(-1, 784)
    model, run = train(name, images, f"{NAME}_{name}_validate_{epochs}", epochs)
    held_out = datasets.binarise(mnist.validation_images[:500].reshape(-1, 784), np.random.default_rng(0))
    print(name, epochs, "epochs:", metrics.importance_log_likelihood(model, held_out).mean(), run["seconds"], "s")


def recorded():
    """Return the recorded runs."""
    return record.runs(NAME, {}, recipe=RECIPE)


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(SAMPLES), help="vae, iwae5; both by default")
    parser.add_argument("--validate", type=int, metavar="EPOCHS", help="train for so long on 50,000 digits only")
    arguments = parser.parse_args()
    if arguments.validate:
        for name in arguments.names:
            validate(name, arguments.validate)
        return
    runs = recorded()
    images = datasets.load_mnist(validation_size=0).train_images.reshape(-1, 784)
    for name in (name for name in arguments.names if name not in runs):
        model, run = train(name, images, f"{NAME}_{name}")
        measured = measure(model)
        store(name, model, images)
        measured["as_stored"] = measure_stored(name)
        # Read again: the other model may have been recorded meanwhile.
        runs = {**recorded(), name: {**measured, "epochs": EPOCHS, **run}}
        record.write(NAME, runs=runs, recipe=RECIPE, first=FIRST, samples=5000)
        print(name, runs[name]["nll"])


if __name__ == "__main__":
    main()
