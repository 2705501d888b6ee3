"""The source's GAN program written anew, broken in the same ways, one switch a repair; see book/gans/broken_loop."""

import textwrap

import keras

IMPORTS = """
import numpy as np
from helpers.datasets import load_mnist
from keras import Input, Model
from keras.layers import Dense, Reshape
from keras.optimizers import Adam
"""
DATA = """
mnist = load_mnist()
X, y = mnist.train_images.reshape(-1, 784), mnist.train_labels
"""
NETWORKS = """
latent = Input((100,))
x = Dense(256, activation="relu")(latent)
x = Dense(512, activation="relu")(x)
x = Dense(784, activation="sigmoid")(x)
x = Reshape((7, 7, 4))(x)

x = Flatten()(x)
y = Dense(1024, activation="relu")(x)
y = Dense(512, activation="relu")(y)
y = Dense(1, activation="sigmoid")(y)

discriminator, generator = Model(x, y), Model(latent, x)
for network in (discriminator, generator):
    network.compile(loss="binary_crossentropy", optimizer=Adam(2e-4, 0.5))
"""
DATA_AGAIN = """
from helpers import datasets as mnist
X_train = mnist.load_mnist().train_images[..., 0]
"""
LOOP = """
for epoch in range(100):
noise = np.random.normal(size=(10000, 100))
fakes = generator.predict(noise, verbose=0)
fakes = fakes.reshape(10000, 784)
fakes = fakes.astype("uint8")
fakes = np.clip(fakes, 0, 1)
loss_0 = discriminator.train_on_batch(fakes, np.zeros_like(fakes))
loss_1 = discriminator.train_on_batch(fakes, np.ones_like(fakes))
losses.append((loss_0, loss_1))
"""
PARTS = {"IMPORTS": IMPORTS, "DATA": DATA, "NETWORKS": NETWORKS, "DATA_AGAIN": DATA_AGAIN, "LOOP": LOOP}

# Defect -> the part it is in, the broken piece of text, the mended one. `program` mends D1, the lost indentation.
REPAIRS = {
    "D2": ("NETWORKS", "(7, 7, 4)", "(28, 28, 1)"),
    "D3": ("IMPORTS", "Dense, Reshape", "Dense, Flatten, Reshape"),
    "D8": ("LOOP", "(fakes, np.ones", "(X_train.reshape(-1, 784)[: len(fakes)], np.ones"),
    "D9": ("LOOP", "_like(fakes)", "((len(fakes), 1))"),
    "D10": ("LOOP", 'fakes = fakes.astype("uint8")\n', ""),
}
SMALL = {"256": "16", "512": "16", "1024": "16", "10000": "8", "(100):": "(4):"}  # widths, batch and iterations
CRASHES = ("D1", "D2", "D3", "D9")  # what stops the program; with these mended it runs to its end


def program(*repairs):
    """Return the five parts as a dictionary of text, with the named defects mended."""
    parts = dict(PARTS)
    for repair in sorted(set(repairs) - {"D1"}):
        part, broken, mended = REPAIRS[repair]
        assert broken in parts[part], f"{repair}: {broken!r} is not in {part}"
        parts[part] = parts[part].replace(broken, mended)
    if "D1" in repairs:
        head, body = parts["LOOP"].split(":\n")
        parts["LOOP"] = head + ":\n" + textwrap.indent(body, "    ")
    return parts


def shrink(text):
    """Return the program with narrow layers, a small batch and few iterations, so that it runs in a second."""
    for size, small in SMALL.items():
        text = text.replace(size, small)
    return text


def run(*repairs, spy=None, **names):
    """Run the program with the named repairs and small sizes; return every name it left.

    Parameters
    ----------
    *repairs : str
        Defects to mend, such as "D2".
    spy : callable, optional
        Wraps the discriminator before the loop starts.
    **names : object
        What the program finds already defined; with ``X_train`` here, nothing is loaded.

    Returns
    -------
    dict
        Also ``losses``, and ``initial``: the weights of G and D before the loop.
    """
    keras.utils.set_random_seed(0)  # the source sets none
    parts = {name: shrink(part) for name, part in program(*repairs).items()}
    exec(parts["IMPORTS"] + parts["NETWORKS"], names)
    if "X_train" not in names:
        exec(parts["DATA_AGAIN"], names)
    names["losses"] = []
    names["initial"] = [names[name].get_weights() for name in ("generator", "discriminator")]
    names["network"] = names["discriminator"]
    if spy is not None:
        names["discriminator"] = spy(names["network"])
    exec(parts["LOOP"], names)
    return names
