"""The ladder network: a classifier that denoises each of its own layers, and so learns from unlabelled images too."""

import itertools

import keras
import numpy as np
from keras import ops

from helpers.checks import (
    check_array,
    check_each,
    check_integer,
    check_labels,
    check_number,
    check_shape,
    check_shapes,
)
from helpers.guards import OwnLoss, gives_batches
from helpers.layers import StandardNormal, dense_network

EPSILON = 1e-6  # added to variances


@keras.saving.register_keras_serializable("helpers")
class LadderNetwork(OwnLoss, keras.Model):
    """A ladder network with dense ReLU layers.

    The encoder runs twice with the same weights, once clean and once with Gaussian noise added to every layer. A
    decoder goes down from the noisy class probabilities and, layer by layer, guesses the clean values z from the noisy
    ones beside it and from what comes from above. The loss is the cross-entropy of the noisy class probabilities of
    the labelled images plus, for each layer, `denoising_weights` × the mean squared error of the guess.

    Parameters
    ----------
    widths : sequence of int
        Numbers in the input, in the hidden layers and classes, such as (784, 1000, 500, 250, 250, 250, 10).
    denoising_weights : sequence of float
        One a layer, the input first: ``len(widths)`` of them.
    labelled : int
        How many images of each batch have a label; they come first. The statistics of the two kinds are kept apart.
    noise : float, default=0.3
        Standard deviation of the noise.
    seed : int, default=0
        Seed of the noise.

    References
    ----------
    Rasmus et al. (2015), "Semi-Supervised Learning with Ladder Networks", algorithm 1.
    """

    def __init__(self, widths, denoising_weights, labelled, noise=0.3, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.widths = check_each("widths", widths, check_integer, least=2, low=1)
        self.denoising_weights = check_each("denoising_weights", denoising_weights, check_number, low=0)
        layers, weights = len(self.widths), len(self.denoising_weights)
        if weights != layers:
            raise ValueError(f"denoising_weights: got {weights}, expected {layers}: one a layer, input included.")
        self.labelled = check_integer("labelled", labelled, low=1)
        self.seed, self.noise = check_integer("seed", seed, low=0), check_number("noise", noise, low=0)
        self.normal = StandardNormal(self.seed)
        pairs = list(itertools.pairwise(self.widths))
        self.up = [self.add_weight(shape=pair, initializer="he_normal", name=f"up_{i}") for i, pair in enumerate(pairs)]
        self.down = [
            self.add_weight(shape=pair[::-1], initializer="glorot_normal", name=f"down_{i}")
            for i, pair in enumerate(pairs)
        ]
        self.shifts = [self.add_weight(shape=(w,), initializer="zeros", name=f"shift_{w}") for w in self.widths[1:]]
        self.scale = self.add_weight(shape=(self.widths[-1],), initializer="ones", name="scale")
        self.combinators = [
            self.add_weight(shape=(10, width), initializer=_start_combinator, name=f"combinator_{i}")
            for i, width in enumerate(self.widths)
        ]
        self.trackers = [keras.metrics.Mean(name=name) for name in ("cross_entropy", "denoising", "accuracy")]
        self.built = True

    def fit(self, x=None, *args, validation_data=None, **kwargs):
        """Train as ``keras.Model.fit`` does, on batches that begin with labelled images."""
        _check_batches("x", x)
        _check_batches("validation_data", validation_data)
        return super().fit(x, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        """Measure as ``keras.Model.evaluate`` does, on batches that begin with labelled images."""
        _check_batches("x", x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, *args, **kwargs):
        """Raise a ValueError: the network draws noise and wants labelled images first, even where it only looks."""
        raise ValueError("predict: is not for noisy paths: make a network of the clean one, classifier(train_images).")

    def predict_on_batch(self, x):
        """Raise a ValueError, as `predict` does."""
        self.predict(x)

    def check_inputs(self, x):
        """Return images as float32, or raise a ValueError that names ``x``."""
        return check_array("x", x, shape=(None, self.widths[0]), least=1)

    def check_targets(self, x, y):
        """Return the labels of a batch, of which the first count, or raise a ValueError that names ``y``."""
        y = check_labels("y", y, count=len(x), low=-1, high=self.widths[-1] - 1)
        known = (y[: self.labelled] >= 0).sum()
        if len(y) <= self.labelled or known < self.labelled:
            raise ValueError(
                f"y: got {len(y)} labels, the first {known} known, expected {self.labelled} known ones in each batch "
                "and some without: see helpers.datasets.SemiSupervisedBatches."
            )
        return y

    def get_config(self):
        """Return the constructor's arguments, for ``.keras`` files."""
        sizes = dict(widths=list(self.widths), denoising_weights=list(self.denoising_weights))
        return {**super().get_config(), **sizes, "labelled": self.labelled, "noise": self.noise, "seed": self.seed}

    def call(self, images, training=False):
        """Return a dictionary: noisy ``logits`` of the labelled images and ``errors``, one denoising error a layer."""
        if images.shape[0] is not None and images.shape[0] <= self.labelled:  # means over no image would be NaN
            raise ValueError(
                f"images: got {images.shape[0]} in a batch, expected more than the {self.labelled} labelled."
            )
        unlabelled = images[self.labelled :]
        clean = self.encode(unlabelled, noise=0.0)
        noisy = self.encode(unlabelled, noise=self.noise)
        labelled = self.encode(images[: self.labelled], noise=self.noise)
        return {"logits": labelled["logits"], "errors": self.denoise(clean, noisy)}

    def encode(self, images, noise):
        """Return values z, means and deviations of all layers, and logits, for one batch and one kind of path."""
        images, noise = check_shape("images", images, (None, self.widths[0])), check_number("noise", noise, low=0)
        z = images + noise * self.normal(images)[0] if noise else images
        values, means, deviations, h = [z], [0.0], [1.0], z
        for index, (kernel, shift) in enumerate(zip(self.up, self.shifts, strict=True)):
            z, mean, deviation = normalise(ops.matmul(h, kernel))
            z = z + noise * self.normal(z)[0] if noise else z
            last = index == len(self.up) - 1
            h = self.scale * (z + shift) if last else ops.relu(z + shift)
            values, means, deviations = [*values, z], [*means, mean], [*deviations, deviation]
        return {"z": values, "mean": means, "deviation": deviations, "logits": h}

    def denoise(self, clean, noisy):
        """Return the mean squared error of the guess of each layer's clean values, the input's first."""
        signal, errors = ops.softmax(noisy["logits"]), []
        for layer in reversed(range(len(self.widths))):
            guess = combine(noisy["z"][layer], normalise(signal)[0], self.combinators[layer])
            scaled = (guess - clean["mean"][layer]) / clean["deviation"][layer]
            errors.append(ops.mean(ops.square(scaled - clean["z"][layer])))
            if layer:
                signal = ops.matmul(guess, self.down[layer - 1])
        return ops.stack(errors[::-1])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return cross-entropy plus weighted denoising errors; y (n,) holds classes, of which the first count."""
        labels, logits = y[: self.labelled], y_pred["logits"]
        cross_entropy = ops.mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
        denoising = ops.sum(ops.convert_to_tensor(self.denoising_weights) * y_pred["errors"])
        accuracy = ops.mean(ops.cast(ops.argmax(logits, axis=-1) == labels, "float32"))
        for tracker, value in zip(self.trackers, (cross_entropy, denoising, accuracy), strict=True):
            tracker.update_state(value)
        return cross_entropy + denoising

    def classifier(self, images):
        """Return the clean path as an ordinary network, its batch statistics replaced by those of `images`.

        Parameters
        ----------
        images : array_like of shape (n, input_dim)
            The training images, labelled or not, n >= 2.

        Returns
        -------
        keras.Sequential
            Images (n, input_dim) → logits (n, classes); dense layers only.
        """
        pixels, *units, classes = self.widths
        network = dense_network((pixels,), units, classes, activation="relu")
        h, weights = check_array("images", images, shape=(None, self.widths[0]), least=2), []
        for index, (kernel, shift) in enumerate(zip(self.up, self.shifts, strict=True)):
            z = h @ np.asarray(kernel)  # (n, width)
            deviation = np.sqrt(z.var(axis=0) + EPSILON)
            scale = np.asarray(self.scale) if index == len(self.up) - 1 else np.float32(1)
            bias = (np.asarray(shift) - z.mean(axis=0) / deviation) * scale
            weights += [np.asarray(kernel) / deviation * scale, bias]
            h = np.maximum(z / deviation * scale + bias, 0)
        network.set_weights(weights)
        return network


def _check_batches(name, data):
    """Raise a ValueError for what gives no batches: Keras would cut arrays into batches without labelled images."""
    if data is not None and not gives_batches(data):
        kind = type(data).__name__
        raise ValueError(
            f"{name}: got {kind}, expected helpers.datasets.SemiSupervisedBatches: Keras would mix an array's rows."
        )


def normalise(z):
    """Return z (n, width) with mean 0 and variance 1 over the batch, and the mean and deviation that it had."""
    z = check_shape("z", z, (None, None))
    mean = ops.mean(z, axis=0)
    deviation = ops.sqrt(ops.var(z, axis=0) + EPSILON)
    return (z - mean) / deviation, mean, deviation


def combine(z, u, weights):
    """Guess a layer's clean values from its noisy ones and from the layer above, unit by unit.

    The guess is linear in z, with a centre and a slope that depend on u: the best there is for a Gaussian z.

    Parameters
    ----------
    z, u : tensors of shape (n, width)
        Noisy values of the layer; normalised signal from above.
    weights : tensor of shape (10, width)
        a₁ to a₁₀ of each unit.

    Returns
    -------
    tensor of shape (n, width)
        (z − m)·v + m with m = a₁σ(a₂u + a₃) + a₄u + a₅ and v = a₆σ(a₇u + a₈) + a₉u + a₁₀.
    """
    z, u = check_shapes(z=check_shape("z", z, (None, None)), u=u)
    a = check_shape("weights", weights, (10, z.shape[1]))
    centre = a[0] * ops.sigmoid(a[1] * u + a[2]) + a[3] * u + a[4]
    slope = a[5] * ops.sigmoid(a[6] * u + a[7]) + a[8] * u + a[9]
    return (z - centre) * slope + centre


def _start_combinator(shape, dtype=None):
    """Return the combinator's first weights: a₂ = a₇ = 1, all others 0."""
    start = np.zeros(shape, "float32")
    start[[1, 6]] = 1
    return ops.convert_to_tensor(start, dtype=dtype)
