"""Autoencoders: an encoder and a decoder, joined by a model that says what the pair is trained for."""

from typing import NamedTuple

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
from helpers.guards import (
    Guarded,
    OwnLoss,
    check_latents,
    check_logits,
    check_loss,
    check_network,
    check_optimizer,
    check_unregularised,
    deserialize_each,
    only_inputs,
    predict,
    serialize_each,
)
from helpers.layers import StandardNormal
from helpers.likelihoods import bernoulli_log_likelihood, gaussian_kl, log_mean_exp, normal_log_density
from helpers.ranges import output_range


class Autoencoder(NamedTuple):
    """An encoder x → code, a decoder code → x̂, and the model x → x̂ that shares their weights."""

    encoder: keras.Model
    decoder: keras.Model
    autoencoder: keras.Model


@keras.saving.register_keras_serializable("helpers")
class Reconstructor(Guarded, keras.Model):
    """The model x → x̂ of an autoencoder, built like any functional model; data are checked when they are passed in.

    ``fit(images, images)`` trains it to reconstruct its inputs, ``fit(noisy, images)`` to restore the clean images.
    Inputs may be any finite numbers, targets those that the outputs can reach.
    """

    # By these argument names, in this order, Keras recognises a model that is built like a functional one.
    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        self.bounds = output_range(self)

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        """Choose optimizer and loss as ``keras.Model.compile`` does; without a loss nothing would be trained."""
        super().compile(optimizer=check_optimizer("optimizer", optimizer), loss=check_loss("loss", loss), **kwargs)

    def check_inputs(self, x):
        """Return inputs as float32, or raise a ValueError that names ``x``."""
        return check_array("x", x, shape=(None, *self.input_shape[1:]), least=1)

    def check_targets(self, x, y):
        """Return targets as float32, or raise a ValueError that names ``y``."""
        if y is None:
            raise ValueError("y: got None, expected the images again: an autoencoder's targets are its inputs.")
        low, high = self.bounds
        return check_array("y", y, shape=(len(x), *self.output_shape[1:]), low=low, high=high)


def dense_autoencoder(code_dim=32, input_dim=784):
    """Build the book's first autoencoder: dense ReLU encoder, dense sigmoid decoder, weights not tied.

    Parameters
    ----------
    code_dim : int, default=32
        Dimensions of a code.
    input_dim : int, default=784
        Dimensions of an input: 28 × 28 grey levels in [0, 1].

    Returns
    -------
    Autoencoder
        Three models; ``autoencoder`` maps (n, input_dim) to (n, input_dim), ``encoder`` stops at (n, code_dim).
        Together they have 2·input_dim·code_dim + code_dim + input_dim weights: 50,992 with the defaults.

    References
    ----------
    Chollet (2016), "Building Autoencoders in Keras", the Keras blog.
    """
    code_dim = check_integer("code_dim", code_dim, low=1)
    input_dim = check_integer("input_dim", input_dim, low=1)
    encoder = keras.Sequential(
        [keras.Input((input_dim,)), keras.layers.Dense(code_dim, activation="relu")], name="encoder"
    )
    decoder = keras.Sequential(
        [keras.Input((code_dim,)), keras.layers.Dense(input_dim, activation="sigmoid")], name="decoder"
    )
    return _join(encoder, decoder)


def deep_autoencoder(widths=(1000, 500, 250), code_dim=30, input_dim=784):
    """Build an autoencoder with several hidden layers on each side of its code.

    Every hidden layer is a dense layer, layer normalisation and SiLU; the code is linear, the output a sigmoid.

    Parameters
    ----------
    widths : sequence of int, default=(1000, 500, 250)
        Units of the encoder's hidden layers; the decoder's are the same in reverse.
    code_dim : int, default=30
        Dimensions of a code.
    input_dim : int, default=784
        Dimensions of an input.

    Returns
    -------
    Autoencoder
        2,844,314 weights with the defaults, of which 2,837,314 in the dense layers.

    References
    ----------
    Hinton and Salakhutdinov (2006), "Reducing the Dimensionality of Data with Neural Networks", for the widths.
    """
    widths = check_each("widths", widths, check_integer, low=1)
    code_dim = check_integer("code_dim", code_dim, low=1)
    input_dim = check_integer("input_dim", input_dim, low=1)
    encoder = _stack([input_dim, *widths], _normalised_dense, code_dim, "encoder")
    decoder = _stack([code_dim, *reversed(widths)], _normalised_dense, input_dim, "decoder", "sigmoid")
    return _join(encoder, decoder)


def residual_autoencoder(width=512, blocks=2, code_dim=30, input_dim=784):
    """Build an autoencoder whose encoder and decoder are chains of residual blocks of one width.

    A dense layer brings the input to `width`; each block then adds a correction to what came in: layer normalisation,
    dense, SiLU, dense. The sums give the gradient a path around every block.

    Parameters
    ----------
    width : int, default=512
        Units of every layer.
    blocks : int, default=2
        Residual blocks on each side of the code.
    code_dim : int, default=30
        Dimensions of a code.
    input_dim : int, default=784
        Dimensions of an input.

    Returns
    -------
    Autoencoder

    References
    ----------
    He et al. (2016), "Deep Residual Learning for Image Recognition".
    """
    width = check_integer("width", width, low=1)
    sizes = [width] * check_integer("blocks", blocks, low=1)
    code_dim = check_integer("code_dim", code_dim, low=1)
    input_dim = check_integer("input_dim", input_dim, low=1)
    encoder = _stack([input_dim, width, *sizes], _residual_chain, code_dim, "encoder")
    decoder = _stack([code_dim, width, *sizes], _residual_chain, input_dim, "decoder", "sigmoid")
    return _join(encoder, decoder)


def _stack(sizes, hidden, output_dim, name, activation=None):
    """Return a model: inputs of ``sizes[0]`` numbers, `hidden` over the other sizes, a dense output layer."""
    inputs = keras.Input((sizes[0],))
    outputs = keras.layers.Dense(output_dim, activation=activation)(hidden(inputs, sizes[1:]))
    return keras.Model(inputs, outputs, name=name)


def _normalised_dense(x, widths):
    """Apply dense, layer normalisation and SiLU, once for each width."""
    for width in widths:
        x = keras.layers.Activation("silu")(keras.layers.LayerNormalization()(keras.layers.Dense(width)(x)))
    return x


def _residual_chain(x, widths):
    """Bring the input to the common width, then apply one residual block for each further width."""
    x = keras.layers.Dense(widths[0])(x)
    for width in widths[1:]:
        correction = keras.layers.Dense(width, activation="silu")(keras.layers.LayerNormalization()(x))
        x = keras.layers.Add()([x, keras.layers.Dense(width)(correction)])
    return keras.layers.LayerNormalization()(x)


def _join(encoder, decoder):
    """Return the two with the model that joins them."""
    inputs = keras.Input(encoder.input_shape[1:])
    return Autoencoder(encoder, decoder, Reconstructor(inputs, decoder(encoder(inputs)), name="autoencoder"))


@keras.saving.register_keras_serializable("helpers")
class SupervisedAutoencoder(OwnLoss, keras.Model):
    """One encoder with two heads: a decoder that reconstructs the input and a classifier that predicts its label.

    The loss is ``prediction_weight · cross-entropy + reconstruction_weight · squared error``: the cross-entropy is the
    mean over the batch's labelled images, the squared error is summed over pixels and averaged over all its images.

    Parameters
    ----------
    encoder, decoder : keras.Model
        x (n, input_dim) → code (n, code_dim) → reconstruction (n, input_dim).
    classifier : keras.Model
        Code (n, code_dim) → logits (n, classes).
    reconstruction_weight : float, default=1.0
        λ ≥ 0. With 0 this is the classifier alone.
    prediction_weight : float, default=1.0
        With 0 this is the plain autoencoder.

    Examples
    --------
    >>> model = SupervisedAutoencoder(encoder, decoder, classifier, reconstruction_weight=0.1)
    >>> model.compile("adam")
    >>> model.fit(images, labels)  # a label of −1 means unknown: the image is only reconstructed

    References
    ----------
    Le, Patterson and White (2018), "Supervised autoencoders: Improving generalization performance with unsupervised
    regularizers".
    """

    def __init__(self, encoder, decoder, classifier, reconstruction_weight=1.0, prediction_weight=1.0, **kwargs):
        super().__init__(**kwargs)
        check_network("encoder", encoder)
        check_network("decoder", decoder, encoder.output_shape[1:], encoder.input_shape[1:])
        check_network("classifier", classifier, encoder.output_shape[1:])
        check_logits("classifier", classifier)
        for name, network in dict(encoder=encoder, decoder=decoder, classifier=classifier).items():
            check_unregularised(name, network)
        self.bounds = output_range(decoder)
        self.encoder, self.decoder, self.classifier = encoder, decoder, classifier
        self.reconstruction_weight = check_number("reconstruction_weight", reconstruction_weight, low=0)
        self.prediction_weight = check_number("prediction_weight", prediction_weight, low=0)
        self.trackers = [keras.metrics.Mean(name=name) for name in ("cross_entropy", "squared_error", "accuracy")]
        self.built = True

    def call(self, images, training=False):
        """Return a dictionary: ``logits`` (n, classes) and ``reconstruction`` (n, input_dim)."""
        code = self.encoder(images, training=training)  # (n, input_dim) -> (n, code_dim)
        return {
            "logits": self.classifier(code, training=training),
            "reconstruction": self.decoder(code, training=training),
        }

    def check_inputs(self, x):
        """Return images as float32, or raise a ValueError that names ``x``."""
        low, high = self.bounds
        return check_array("x", x, shape=(None, *self.encoder.input_shape[1:]), low=low, high=high, least=1)

    def check_targets(self, x, y):
        """Return class numbers (n,), −1 where there is none, or raise a ValueError that names ``y``."""
        if y is None:
            raise ValueError("y: got None, expected a class number for each image, -1 where it is not known.")
        return check_labels("y", y, count=len(x), low=-1, high=self.classifier.output_shape[-1] - 1)

    def get_config(self):
        """Return the networks and the weights of the losses, for ``.keras`` files."""
        networks = serialize_each(encoder=self.encoder, decoder=self.decoder, classifier=self.classifier)
        weights = dict(reconstruction_weight=self.reconstruction_weight, prediction_weight=self.prediction_weight)
        return {**super().get_config(), **networks, **weights}

    @classmethod
    def from_config(cls, config):
        """Build the model from what `get_config` returned."""
        return cls(**deserialize_each(config))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the weighted sum of both heads' losses; y (n,) holds class numbers, −1 where there is none."""
        labelled = ops.cast(y >= 0, "float32")
        count = ops.maximum(ops.sum(labelled), 1.0)
        entropies = keras.losses.sparse_categorical_crossentropy(ops.maximum(y, 0), y_pred["logits"], from_logits=True)
        cross_entropy = ops.sum(labelled * entropies) / count
        squared_error = ops.mean(ops.sum(ops.square(_rows(x - y_pred["reconstruction"])), axis=-1))
        hits = labelled * ops.cast(ops.argmax(y_pred["logits"], axis=-1) == y, "float32")
        values = (cross_entropy, squared_error, ops.sum(hits) / count)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return self.prediction_weight * cross_entropy + self.reconstruction_weight * squared_error

    def predict_labels(self, images):
        """Return the most probable class of each image, int array of shape (n,)."""
        images = check_array("images", images, shape=(None, *self.encoder.input_shape[1:]), least=1)
        return self.predict(images, batch_size=1000, verbose=0)["logits"].argmax(axis=-1)


def vae_networks(latent_dim=50, width=200, images=None, input_dim=784):
    """Build the encoder and the decoder of a variational autoencoder with two tanh layers each.

    Parameters
    ----------
    latent_dim : int, default=50
        Dimensions of a latent vector.
    width : int, default=200
        Units of each hidden layer.
    images : ndarray of shape (n, input_dim), optional
        Training images; the output biases start at the log-odds of their mean pixels.
    input_dim : int, default=784
        Dimensions of an input.

    Returns
    -------
    encoder : keras.Model
        x (n, input_dim) → mean and log-variance of q(z|x), joined as (n, 2·latent_dim).
    decoder : keras.Model
        z (..., latent_dim) → logits of p(x|z), (..., input_dim).

    References
    ----------
    Burda, Grosse and Salakhutdinov (2016), "Importance Weighted Autoencoders", for the sizes.
    """
    latent_dim, width = check_integer("latent_dim", latent_dim, low=1), check_integer("width", width, low=1)
    input_dim = check_integer("input_dim", input_dim, low=1)
    dense = keras.layers.Dense
    hidden = [dense(width, activation="tanh"), dense(width, activation="tanh")]
    encoder = keras.Sequential([keras.Input((input_dim,)), *hidden, dense(2 * latent_dim)], name="encoder")
    hidden = [dense(width, activation="tanh"), dense(width, activation="tanh")]
    decoder = keras.Sequential([keras.Input((latent_dim,)), *hidden, dense(input_dim)], name="decoder")
    if images is not None:
        images = check_array("images", images, shape=(None, input_dim), low=0, high=1, least=1)
        # A share of half an image in white: no pixel's log-odds are infinite.
        white = (images.sum(axis=0) + 0.5) / (len(images) + 1)
        decoder.layers[-1].bias.assign(np.log(white / (1 - white)))
    return encoder, decoder


@keras.saving.register_keras_serializable("helpers")
class VariationalAutoencoder(OwnLoss, keras.Model):
    """A variational autoencoder for binary images, with a standard normal prior, trained by ``fit``.

    With ``samples=1`` the loss is minus the evidence lower bound, its KL divergence in closed form. With more samples
    it is minus the importance-weighted bound of that many samples, which is tighter.

    Parameters
    ----------
    encoder : keras.Model
        x (n, input_dim) → mean and log-variance of q(z|x), joined as (n, 2·latent_dim).
    decoder : keras.Model
        z (n, latent_dim) → logits of p(x|z), (n, input_dim).
    samples : int, default=1
        Latent samples per image in the training bound.
    kl_weight : float, default=1.0
        Weight β of the KL divergence; 1 is the bound. Used with ``samples=1`` only.
    seed : int, default=0
        Seed of the latent noise.

    References
    ----------
    Kingma and Welling (2014), "Auto-Encoding Variational Bayes"; Burda, Grosse and Salakhutdinov (2016), "Importance
    Weighted Autoencoders".
    """

    decoder_returns = "logits"  # of binary pixels; a subclass may give it another meaning

    def __init__(self, encoder, decoder, samples=1, kl_weight=1.0, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = check_latents("decoder", decoder)
        check_network("encoder", encoder, decoder.output_shape[1:], (2 * self.latent_dim,))
        check_logits("decoder", decoder)
        for name, network in dict(encoder=encoder, decoder=decoder).items():
            check_unregularised(name, network)
        self.encoder, self.decoder = encoder, decoder
        self.samples = check_integer("samples", samples, low=1)
        self.kl_weight = check_number("kl_weight", kl_weight, low=0)
        if self.samples > 1 and self.kl_weight != 1:
            raise ValueError(f"kl_weight: got {kl_weight!r} with {samples} samples, expected 1: that bound has no KL.")
        self.seed, self.noise = seed, StandardNormal(seed)
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.built = True

    def call(self, images, training=False):
        """Return a dictionary: ``mean`` and ``log_variance`` (n, latent_dim), ``latents`` and ``logits``.

        In training the last two are (samples, n, latent_dim) and (samples, n, input_dim). Otherwise the latents are the
        means, (n, latent_dim), and the logits (n, input_dim), so that ``predict`` can join batches.
        """
        mean, log_variance = self.encode(images)
        latents = self.draw(mean, log_variance) if training else mean
        return {"mean": mean, "log_variance": log_variance, "latents": latents, "logits": self.decode(latents)}

    def draw(self, mean, log_variance):
        """Return latents (samples, n, latent_dim) drawn from q(z|x)."""
        mean, log_variance = check_shapes(mean=mean, log_variance=log_variance)
        return mean + ops.exp(0.5 * log_variance) * self.noise(mean, samples=self.samples)

    def encode(self, images):
        """Return mean and log-variance of q(z|x), each (n, latent_dim)."""
        images = check_shape("images", images, (None, *self.encoder.input_shape[1:]))
        return ops.split(self.encoder(images), 2, axis=-1)

    def decode(self, latents):
        """Return logits (..., input_dim) for latents (..., latent_dim); the decoder may also make images."""
        latents = check_shape("latents", latents, (..., self.latent_dim))
        rows = self.decoder(ops.reshape(latents, (-1, self.latent_dim)))
        return ops.reshape(rows, (*ops.shape(latents)[:-1], *rows.shape[1:]))

    def check_inputs(self, x):
        """Return images as float32, or raise a ValueError that names ``x``."""
        return check_array("x", x, shape=(None, *self.encoder.input_shape[1:]), low=0, high=1, least=1)

    def check_targets(self, x, y):
        """Raise a ValueError for targets other than the images themselves."""
        return only_inputs(x, y)

    def get_config(self):
        """Return the networks and the settings, for ``.keras`` files."""
        networks = serialize_each(encoder=self.encoder, decoder=self.decoder)
        settings = dict(samples=self.samples, kl_weight=float(self.kl_weight), seed=self.seed)
        return {**super().get_config(), **networks, **settings}

    @classmethod
    def from_config(cls, config):
        """Build the model from what `get_config` returned."""
        return cls(**deserialize_each(config))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return minus the bound, in nats, averaged over the batch; the target is x itself."""
        mean, log_variance = y_pred["mean"], y_pred["log_variance"]
        if not training:  # what is evaluated is the bound too, not the decoded mean
            latents = self.draw(mean, log_variance)
            y_pred = {"latents": latents, "logits": self.decode(latents)}
        kl = gaussian_kl(mean, log_variance)
        self.kl_tracker.update_state(kl)
        logits = ops.reshape(y_pred["logits"], (-1, *ops.shape(_rows(x))))
        reconstruction = bernoulli_log_likelihood(_rows(x), logits)  # (samples, n)
        if self.samples == 1:
            return ops.mean(self.kl_weight * kl - ops.mean(reconstruction, axis=0))
        prior = normal_log_density(y_pred["latents"])
        posterior = normal_log_density(y_pred["latents"], mean, log_variance)
        return -ops.mean(log_mean_exp(reconstruction + prior - posterior))

    def sample(self, count, seed=0):
        """Return the pixel probabilities (count, input_dim) of `count` latents drawn from the prior."""
        count, seed = check_integer("count", count, low=1), check_integer("seed", seed, low=0)
        latents = keras.random.normal((count, self.latent_dim), seed=seed)
        alone = keras.distribution.distribution()  # then each process by itself
        return np.asarray(ops.sigmoid(predict(self.decoder, latents) if alone else self.decode(latents)))


def _rows(images):
    """Return images (n, ...) as rows (n, pixels)."""
    return ops.reshape(images, (ops.shape(images)[0], int(np.prod(images.shape[1:]))))
