"""Train the digit classifier that the book's metrics look through, and measure it once on the test digits."""

import functools
import zipfile

import keras

from experiments.harness import record
from helpers import datasets, metrics, storage

EPOCHS, BATCH_SIZE, SEED = 30, 128, 0
layers = keras.layers


def build():
    """Return the network: two strided convolutions, 128 features, 10 logits."""
    convolution = functools.partial(layers.Conv2D, kernel_size=5, strides=2, padding="same", activation="silu")
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            convolution(16),  # (28, 28, 1) -> (14, 14, 16)
            convolution(32),  # (14, 14, 16) -> (7, 7, 32)
            layers.Flatten(),
            layers.Dropout(0.3, seed=SEED),
            layers.Dense(128, activation="silu", name="features"),
            layers.Dropout(0.3, seed=SEED + 1),
            layers.Dense(10),
        ]
    )


def repack(path):
    """Compress what a ``.keras`` file holds, which Keras stores as it is and reads either way."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with storage.replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_LZMA) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_LZMA)


def main():
    """Train on 50,000 digits shifted by up to two pixels, save the network and record its accuracy."""
    mnist = datasets.load_mnist()
    keras.utils.set_random_seed(SEED)
    network = build()
    shift = functools.partial(datasets.shift_images, reach=2)
    batches = datasets.ShuffledBatches(mnist.train_images, BATCH_SIZE, SEED, mnist.train_labels, shift)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * len(batches))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    network.fit(batches, epochs=EPOCHS, shuffle=False, callbacks=[batches.follow_epochs()], verbose=2)
    outputs = [network.get_layer("features").output, network.outputs[0]]
    keras.Model(network.inputs, outputs).save(metrics.CLASSIFIER_PATH)  # a new model: without the optimizer's state
    repack(metrics.CLASSIFIER_PATH)
    accuracy = {
        "validation_accuracy": network.evaluate(mnist.validation_images, mnist.validation_labels, verbose=0)[1],
        "test_accuracy": network.evaluate(mnist.test_images, mnist.test_labels, verbose=0)[1],
    }
    record.write("digit_classifier", **accuracy, epochs=EPOCHS, batch_size=BATCH_SIZE, seed=SEED)
    print(accuracy)


if __name__ == "__main__":
    main()
