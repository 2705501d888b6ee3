"""Denoising diffusion: a denoiser for every strength of noise, and the walk from noise to data that it guides."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from helpers.checks import (
    check_array,
    check_choice,
    check_each,
    check_integer,
    check_kind,
    check_number,
    check_shape,
    check_shapes,
)
from helpers.datasets import Mixture
from helpers.guards import OwnLoss, check_unregularised, copy_network, only_inputs
from helpers.layers import FourierFeatures, StandardNormal
from helpers.training import Values

# --- Noise -----------------------------------------------------------------------------------------------------------


class _Schedule(NamedTuple):
    """The fields of `Schedule`."""

    power: float
    least_signal: float


class Schedule(_Schedule):
    """What a noisy sample consists of at a time from 0 (data) to 1 (noise): signal_rate · data + noise_rate · noise.

    The rates are the cosine and the sine of one angle, so their squares add up to 1, and data of mean square 1 keep it.

    Parameters
    ----------
    power : float, default=1.0
        The angle grows like time to this power. 1 is the cosine schedule; 2 spends more of the time on little noise,
        which data with fine detail need.
    least_signal : float, default=0.01
        Signal rate at time 1, in [0, 1). At 0 the noise alone would not determine the data that a network's output
        implies.

    References
    ----------
    Nichol and Dhariwal (2021), "Improved Denoising Diffusion Probabilistic Models", for the cosine.
    """

    __slots__ = ()

    def __new__(cls, power=1.0, least_signal=0.01):
        power = check_number("power", power, above=0)
        return super().__new__(cls, power, check_number("least_signal", least_signal, low=0, below=1))

    def rates(self, times):
        """Return the signal rates and the noise rates at times in [0, 1], in the shape of `times`."""
        angles = np.arccos(self.least_signal) * ops.power(check_shape("times", times, (...,)), self.power)
        return ops.cos(angles), ops.sin(angles)


# What a network may be trained to predict from a noisy sample. All three are equivalent: the noisy sample and one of
# the three determine the other two. What differs is where the network's errors matter.
KINDS = ("image", "noise", "velocity")


def target(kind, images, noise, signal_rate, noise_rate):
    """Return what the network should predict.

    Parameters
    ----------
    kind : {"image", "noise", "velocity"}
        The clean data, the noise in the sample, or signal_rate · noise − noise_rate · data, the derivative of the
        noisy sample with respect to the angle.
    images, noise : array of shape (n, d)
        Clean data, and standard normal noise.
    signal_rate, noise_rate : number or array of shape (n, 1)
        As in `Schedule`.

    Returns
    -------
    array of shape (n, d)

    References
    ----------
    Salimans and Ho (2022), "Progressive Distillation for Fast Sampling of Diffusion Models", for the velocity.
    """
    check_choice("kind", kind, KINDS)
    images, noise = check_shapes(images=images, noise=noise)
    signal_rate, noise_rate = _check_rates(images, signal_rate=signal_rate, noise_rate=noise_rate)
    return {"image": images, "noise": noise, "velocity": signal_rate * noise - noise_rate * images}[kind]


def clean_image(kind, output, noisy, signal_rate, noise_rate):
    """Return the clean data (n, d) that a network's output (n, d) of this kind implies; the rates as in `target`."""
    check_choice("kind", kind, KINDS)
    noisy, output = check_shapes(noisy=noisy, output=output)
    signal_rate, noise_rate = _check_rates(noisy, signal_rate=signal_rate, noise_rate=noise_rate)
    if kind == "image":
        return output
    if kind == "noise":
        return (noisy - noise_rate * output) / signal_rate
    return signal_rate * noisy - noise_rate * output


def _check_rates(samples, **rates):
    """Return rates, or raise a ValueError unless each is one number for all samples (n, d) or one per sample (n, 1)."""
    rates, full = {name: check_shape(name, rate, (...,)) for name, rate in rates.items()}, np.shape(samples)
    for name, shape in ((name, np.shape(rate)) for name, rate in rates.items()):
        fits = all(size in (1, most) for size, most in zip(shape, full, strict=False))
        if len(shape) not in (0, len(full)) or not fits:
            raise ValueError(f"{name}: got shape {shape}, expected a number or a column for samples {full}.")
    return rates.values()


def loss_weight(prediction, weighting, signal_rate, noise_rate):
    """Return the factor that turns the squared error of one kind of output into that of another.

    An error of size 1 in an output moves the clean data by 1 (image), noise/signal (noise) or noise (velocity).

    Parameters
    ----------
    prediction, weighting : {"image", "noise", "velocity"}
        What the network predicts, and for which of the three its squared error is computed.
    signal_rate, noise_rate : array
        As in `Schedule`.

    Returns
    -------
    array of the rates' shape
        At most 400, the weight of a clean image's error in the velocity at a noise rate of 0.05: with hardly any
        noise the factor has no bound, and a few samples of a batch would outweigh all the others.
    """
    check_choice("prediction", prediction, KINDS)
    check_choice("weighting", weighting, KINDS)
    signal_rate, noise_rate = check_shapes(signal_rate=signal_rate, noise_rate=noise_rate)
    moves = {"image": ops.ones_like(noise_rate), "noise": noise_rate / signal_rate, "velocity": noise_rate}
    if prediction == weighting:
        return moves["image"]
    return ops.minimum((moves[prediction] / moves[weighting]) ** 2, 400.0)


def exact_denoiser(mixture, schedule):
    """Return the best denoiser of a known mixture: the mean of all data that a noisy sample could come from.

    Parameters
    ----------
    mixture : helpers.datasets.Mixture
        Equally likely normal modes; with a spread of 0, points.
    schedule : Schedule
        The noise.

    Returns
    -------
    callable
        ``denoise(noisy, times)`` → E[data | noisy] (n, d), for noisy samples (n, d) at times (n,).
    """
    check_kind("mixture", mixture, Mixture, "a Mixture, such as helpers.datasets.ring()")
    check_kind("schedule", schedule, Schedule, "a Schedule, such as Schedule()")
    centers, variance = jnp.asarray(mixture.centers, "float32"), float(mixture.std) ** 2

    @jax.jit  # operation by operation it would be compiled thirty times for each shape
    def weigh(noisy, times):
        """Weigh the modes by their probability given the sample, and average their own posterior means."""
        signal, noise = (rate[:, None] for rate in schedule.rates(times))  # (n, 1)
        total = signal**2 * variance + noise**2
        gaps = noisy[:, None] - signal[..., None] * centers  # (n, modes, d)
        shares = jax.nn.softmax(-jnp.sum(gaps**2, axis=-1) / (2 * total), axis=1)  # (n, modes)
        return shares @ centers + signal * variance / total * jnp.einsum("nk,nkd->nd", shares, gaps)

    def denoise(noisy, times):
        """Return the mean of all data behind each sample."""
        noisy = check_shape("noisy", noisy, (None, centers.shape[1]))
        return weigh(noisy, check_shape("times", times, noisy.shape[:1]))

    return denoise


# --- The walk from noise to data -------------------------------------------------------------------------------------


def step(noisy, clean, rates, next_rates, scatter=0.0, fresh=0.0):
    """Move noisy samples to the next, lower noise level.

    The clean data and the noise of which the samples seem to consist are mixed again at the next rates. With a scatter
    of 1, a part of that noise is replaced by fresh noise.

    Parameters
    ----------
    noisy : array of shape (n, d)
        The samples.
    clean : array of shape (n, d)
        The denoiser's estimate of the data in them.
    rates, next_rates : tuple of scalar arrays
        Signal and noise rate now and next; the noise rate now is positive.
    scatter : float, default=0.0
        0: no fresh noise, the walk is a function of its start (DDIM). 1: the fresh noise of DDPM.
    fresh : array of shape (n, d)
        Standard normal noise; without scatter none is needed.

    Returns
    -------
    array of shape (n, d)

    References
    ----------
    Song, Meng and Ermon (2021), "Denoising Diffusion Implicit Models".
    """
    noisy, clean = check_shapes(noisy=noisy, clean=clean)
    signal, noise = _pair("rates", rates, noisy)
    next_signal, next_noise = _pair("next_rates", next_rates, noisy)
    if scatter := check_number("scatter", scatter, low=0, high=1):
        noisy, fresh = check_shapes(noisy=noisy, fresh=fresh)
    seeming_noise = (noisy - signal * clean) / noise
    # 1 − (signal / next_signal)² of the paper, as a difference that rounding does not spoil where both are near 1
    drawn = scatter * next_noise / noise * jnp.sqrt(noise**2 - next_noise**2) / next_signal
    kept = jnp.sqrt(jnp.maximum(next_noise**2 - drawn**2, 0.0))
    return next_signal * clean + kept * seeming_noise + drawn * fresh


def _pair(name, rates, samples):
    """Return a signal rate and a noise rate, or raise a ValueError."""
    if not isinstance(rates, (tuple, list)) or len(rates) != 2:
        raise ValueError(f"{name}: got {type(rates).__name__}, expected the pair that Schedule.rates returns.")
    return [rate for part in rates for rate in _check_rates(samples, **{name: part})]


def walk(denoise, noise, schedule, steps, key, scatter=0.0):
    """Walk from noise to data in steps of equal time.

    Parameters
    ----------
    denoise : callable
        ``denoise(noisy, times)`` → clean data (n, d), for noisy samples (n, d) at times (n,), of JAX operations only.
    noise : array of shape (n, d)
        Standard normal: where the walk starts.
    schedule : Schedule
        The noise.
    steps : int
        How many; the denoiser is called once per step.
    key : jax random key
        Source of the fresh noise.
    scatter : float, default=0.0
        As in `step`.

    Returns
    -------
    array of shape (n, d)
        With one step, the denoiser's estimate from noise alone.
    """
    check_kind("denoise", denoise, Callable, "a function denoise(noisy, times)")
    noise = 1.0 * jnp.asarray(check_shape("noise", noise, (None, None)))  # integers become floats, as what comes out
    check_kind("schedule", schedule, Schedule, "a Schedule, such as Schedule()")
    scatter = check_number("scatter", scatter, low=0, high=1)
    if not jnp.issubdtype(getattr(key, "dtype", None), jax.dtypes.prng_key):
        raise ValueError(f"key: got {type(key).__name__}, expected a key of JAX, such as jax.random.key(seed).")
    times = np.linspace(1, 0, check_integer("steps", steps, low=1) + 1, dtype="float32")

    def move(noisy, now):
        """Make one step."""
        time, next_time, key = now
        clean = denoise(noisy, jnp.full(len(noisy), time))
        check_shapes(noise=noise, denoise=clean)
        fresh = jax.random.normal(key, noisy.shape) if scatter else 0.0
        return step(noisy, clean, schedule.rates(time), schedule.rates(next_time), scatter, fresh), None

    if isinstance(noise, jax.core.Tracer):  # in a function that is being compiled
        return jax.lax.scan(move, noise, (times[:-1], times[1:], jax.random.split(key, steps)))[0]
    # One step is compiled, the same for any number of them: JAX's cache on disk has it for the next walk.
    compiled = jax.jit(move)
    keys = jax.random.split(key, steps) if scatter else [key] * steps
    for now in zip(times[:-1], times[1:], keys, strict=True):
        noise, _ = compiled(noise, now)
    return noise


# --- The network -----------------------------------------------------------------------------------------------------

_CLOCK = (0.5, 1, 2, 4, 8)  # half-turns over the whole time
_CLOCK_WIDTH = 32


def denoising_network(dimension, width=128, blocks=3, frequencies=()):
    """Return a network of residual blocks that also receives the time, and thereby the strength of the noise.

    Every block adds a correction to what came in: layer normalisation, a scale and a shift that depend on the time,
    dense, SiLU, dense. The output starts at 0.

    Parameters
    ----------
    dimension : int
        Dimensions of a sample.
    width : int, default=128
        Units of every layer.
    blocks : int, default=3
        How many.
    frequencies : sequence of float
        Of the `FourierFeatures` of the sample, for data with fine detail; none by default.

    Returns
    -------
    keras.Model
        [noisy samples (n, dimension), times (n,)] → (n, dimension).

    References
    ----------
    Peebles and Xie (2023), "Scalable Diffusion Models with Transformers", for the scale and shift.
    """
    layers, width = keras.layers, check_integer("width", width, low=1)
    dimension = check_integer("dimension", dimension, low=1)
    frequencies = check_each("frequencies", frequencies, check_number)
    noisy = keras.Input((dimension,), name="noisy")
    times = keras.Input((), name="times")
    clock = FourierFeatures(_CLOCK)(layers.Reshape((1,))(times))
    clock = layers.Dense(_CLOCK_WIDTH, activation="silu")(clock)
    x = layers.Dense(width)(FourierFeatures(frequencies)(noisy) if frequencies else noisy)
    for _ in range(check_integer("blocks", blocks, low=1)):
        h = layers.LayerNormalization(center=False, scale=False)(x)
        scale, shift = layers.Dense(width)(clock), layers.Dense(width)(clock)
        h = layers.Add()([h, layers.Multiply()([h, scale]), shift])
        x = layers.Add()([x, layers.Dense(width)(layers.Dense(width, activation="silu")(h))])
    outputs = layers.Dense(dimension, kernel_initializer="zeros")(layers.LayerNormalization()(x))
    return keras.Model([noisy, times], outputs, name="denoiser")


# --- The model -------------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("helpers")
class Diffusion(OwnLoss, keras.Model):
    """A denoising autoencoder for all strengths of noise, trained by ``fit``, from which new data can be drawn.

    Parameters
    ----------
    network : keras.Model
        [noisy samples (n, d), times (n,)] → (n, d); no layer in it keeps statistics, as batch normalisation does.
    prediction : {"image", "noise", "velocity"}, default="velocity"
        What the network's output stands for; see `target`.
    weighting : {"image", "noise", "velocity"}, optional
        In which of the three the squared error is counted; by default in what the network says.
    schedule : Schedule, default=Schedule()
        The noise.
    bounds : tuple of float, optional
        Smallest and largest number in the data: while it draws, the model clips what it takes for clean.
    ema : float, default=0.999
        Share of the old average of the weights kept at each step, in [0, 1). Early on it is less, (1 + t) / (10 + t)
        in step t, so that the average of a short run is not made of its beginning.
    seed : int, default=0
        Seed of the noise in training.

    Attributes
    ----------
    average : keras.Model
        Exponential moving average of the network, which starts as its copy; all that is drawn comes from it.

    Examples
    --------
    >>> model = Diffusion(denoising_network(2))
    >>> model.compile(keras.optimizers.Adam(1e-3))
    >>> model.fit(points, batch_size=256, epochs=10)  # of mean square about 1
    >>> new = model.sample(1000, seed=1)

    References
    ----------
    Ho, Jain and Abbeel (2020), "Denoising Diffusion Probabilistic Models".
    """

    def __init__(
        self,
        network,
        prediction="velocity",
        weighting=None,
        schedule=Schedule(),  # noqa: B008  immutable
        bounds=None,
        ema=0.999,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dimension = _check_network(network)
        self.prediction = check_choice("prediction", prediction, KINDS)
        self.weighting = check_choice("weighting", prediction if weighting is None else weighting, KINDS)
        self.schedule = check_kind("schedule", schedule, Schedule, "a Schedule, such as Schedule()")
        self.bounds, self.ema = _check_bounds(bounds), check_number("ema", ema, low=0, below=1)
        self.seed = check_integer("seed", seed, low=0)
        self.network, self.average = network, copy_network("network", network)
        self.average.trainable = False
        self.noise = StandardNormal(self.seed)
        self._jitted_draw = jax.jit(self._draw, static_argnames=("count", "steps", "scatter"))
        self._jitted_clean = jax.jit(self._clean)
        self.built = True

    # -- training --

    def compile(self, optimizer="rmsprop", **kwargs):
        """Choose the optimizer, as for the other models, for a network none of whose layers was frozen meanwhile."""
        _check_network(self.network)
        super().compile(optimizer, **kwargs)

    def check_inputs(self, x):
        """Return data as float32, or raise a ValueError that names ``x``."""
        low, high = self.bounds or (None, None)
        return check_array("x", x, shape=(None, self.dimension), low=low, high=high, least=1)

    def check_targets(self, x, y):
        """Raise a ValueError for targets other than the data themselves."""
        return only_inputs(x, y)

    def call(self, images, training=False):
        """Return a dictionary: ``times`` (n,), the ``noise`` (n, d) drawn, and the network's ``output`` (n, d)."""
        noise, times = self.noise(images)[0], self._draw_times(ops.shape(images)[0])
        signal_rate, noise_rate = self._columns(times)
        output = self.network([signal_rate * images + noise_rate * noise, times], training=training)
        return {"times": times, "noise": noise, "output": output}

    def _draw_times(self, count):
        """Return times (count,), each uniform on [0, 1], one in each of `count` equal parts: fewer draws by chance."""
        start = keras.random.uniform((), seed=self.noise.generator)
        return (start + ops.arange(count, dtype="float32") / count) % 1.0

    def _columns(self, times):
        """Return the rates at times (n,) as two columns (n, 1)."""
        return (ops.expand_dims(rate, -1) for rate in self.schedule.rates(times))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the mean squared error of what the network says about the noisy samples; the data are x itself."""
        rates = tuple(self._columns(y_pred["times"]))
        errors = ops.square(y_pred["output"] - target(self.prediction, x, y_pred["noise"], *rates))
        return ops.mean(loss_weight(self.prediction, self.weighting, *rates) * errors)

    def train_step(self, state, data):
        """Run Keras's own step, then move the average; a pure function of the state, so that Keras can compile it."""
        logs, state = super().train_step(state, data)
        values = Values(self, state)
        done = values[self.optimizer.iterations]
        values.average(self.average, self.network, ops.minimum(self.ema, (1 + done) / (10 + done)))
        return logs, values.state()

    # -- drawing --

    def denoise(self, noisy, times):
        """Return the clean data (n, d) that the averaged network sees behind noisy samples (n, d) at times (n,)."""
        noisy = check_shape("noisy", noisy, (None, self.dimension))
        times = check_shape("times", times, noisy.shape[:1])
        return self._jitted_clean([variable.value for variable in self.average.weights], noisy, times)

    def _clean(self, weights, noisy, times):
        """Do the same with the weights given, as a pure function."""
        output, _ = self.average.stateless_call([], weights, [noisy, times])
        clean = clean_image(self.prediction, output, noisy, *self._columns(times))
        return clean if self.bounds is None else jnp.clip(clean, *self.bounds)

    def sample(self, count, seed, steps=50, scatter=0.0):
        """Return new data, drawn up to 1,000 at a time.

        Parameters
        ----------
        count : int
            How many.
        seed : int
            Seed of the noise that the walks start from, and of the fresh noise.
        steps : int, default=50
            Steps of each walk.
        scatter : float, default=0.0
            From 0 (DDIM: every walk is a function of its start) to 1 (DDPM: fresh noise in every step).

        Returns
        -------
        ndarray of shape (count, d)
        """
        count, steps = check_integer("count", count, low=1), check_integer("steps", steps, low=1)
        scatter = check_number("scatter", scatter, low=0, high=1)
        weights = [variable.value for variable in self.average.weights]
        blocks = -(-count // 1000)
        keys = jax.random.split(jax.random.key(check_integer("seed", seed, low=0)), blocks)
        # Blocks of one size, so that there is one program to compile; the last may be cut.
        options = dict(count=-(-count // blocks), steps=steps, scatter=scatter)
        return np.concatenate([self._jitted_draw(weights, key, **options) for key in keys])[:count]

    def _draw(self, weights, key, count, steps, scatter):
        """Return `count` new samples as a pure function of the weights and the key."""
        start, rest = jax.random.split(key)
        noise = jax.random.normal(start, (count, self.dimension))
        return walk(lambda *noisy: self._clean(weights, *noisy), noise, self.schedule, steps, rest, scatter)

    # -- .keras files --

    def get_config(self):
        """Return the network and the settings."""
        names = ("prediction", "weighting", "schedule", "bounds", "ema", "seed")
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config):
        """Build the model from what `get_config` returned."""
        config["schedule"] = Schedule(*config["schedule"])
        return cls(keras.saving.deserialize_keras_object(config.pop("network")), **config)


def _check_bounds(bounds):
    """Return the bounds as a pair of floats or None, or raise a ValueError."""
    if bounds is None:
        return None
    bounds = tuple(check_each("bounds", bounds, check_number))
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise ValueError(f"bounds: got {bounds}, expected the smallest and the largest number in the data.")
    return bounds


def _check_network(network):
    """Return the numbers in a sample, or raise a ValueError when the network does not fit."""
    check_kind("network", network, keras.Model, "a keras.Model, such as denoising_network(dimension)")
    inputs, output = (getattr(network, name, None) for name in ("input_shape", "output_shape"))
    if not isinstance(output, tuple) or inputs != [output, (None,)] or len(output) != 2:
        raise ValueError(f"network: maps {inputs} to {output}, expected [(None, d), (None,)] to (None, d).")
    if network.non_trainable_variables:
        raise ValueError(
            "network: got layers that keep statistics or noise, or that are not trainable, expected none of them."
        )
    check_unregularised("network", network)
    return output[-1]
