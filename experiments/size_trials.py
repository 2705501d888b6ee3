"""Train one autoencoder or GAN of given settings for a fixed processor time, as a trial of `experiments.size_study`.

A trial first measures what a step costs and then makes as many steps as its time pays for, so that a large network gets
few steps and a small one many. Measuring, compiling and evaluating are not part of that time. All learning rates and
weights of the loss are inputs of the compiled loop: trials of the same networks and batch share it.
"""

import functools
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helpers import autoencoders, gans, metrics
from helpers.training import Values

RUNGS = 4  # how often a trial is measured, the last time at its end
CLOCK = 0.2  # seconds for which steps are timed before a trial
# Of a list a trial takes one value; of a pair any number between the two, each order of magnitude alike.
AUTOENCODER_SPACE = {
    "depth": [0, 1, 2],
    "width": [64, 128, 256],
    "rate": (3e-4, 3e-2),
    "batch": [64, 128, 256],
    "decay": ["none", "cosine"],
    "loss": ["cross-entropy", "squared error"],
}
FIRST_AUTOENCODER = {
    "depth": 0,
    "width": 64,  # plays no part
    "rate": 3e-3,
    "batch": 256,
    "decay": "none",
    "loss": "cross-entropy",
}
GAN_SPACE = {
    "g width": [64, 128, 256],
    "d width": [64, 128, 256],
    "latents": [8, 16, 64],
    "rate": (3e-4, 1e-2),
    "penalty": (0.03, 3.0),
    "forgets": (3e-4, 3e-2),  # share of the moving average that a step replaces
}
IMPROVED_GAN = {"g width": 256, "d width": 256, "latents": 16, "rate": 2e-3, "penalty": 0.3, "forgets": 1e-3}


class Weight(keras.optimizers.schedules.LearningRateSchedule):
    """A weight of a loss that the compiled loop gets as an input: `value` is set while the loop is traced."""

    value = 0.0

    def __call__(self, step):
        """Return the weight, whatever the step."""
        return self.value


class Loop:
    """A compiled loop over training steps of one network, for any number of steps, rate, penalty and average.

    Parameters
    ----------
    make : callable
        ``make(seed)`` returns a compiled Keras model; all are alike but for their first weights.
    draw : callable
        ``draw(key, data)`` returns what a step is made on.
    averaged : callable, optional
        ``averaged(model)`` returns the variables of which a moving average is kept.
    weight : Weight
        The weight that the models were compiled with.
    """

    def __init__(self, make, draw, weight, averaged=lambda model: []):
        self.make, self.draw, self.weight = make, draw, weight
        self.model = make(0)
        places = {id(variable): place for place, variable in enumerate(self.model.trainable_variables)}
        self.averaged = [places[id(variable)] for variable in averaged(self.model)]
        names = [variable.name for variable in self.model.optimizer.variables]
        self.rates = [place for place, name in enumerate(names) if name == "learning_rate"]
        self.run = jax.jit(self._run)

    def start(self, seed):
        """Return the state of an untrained model, and the average of its weights."""
        state = tuple(map(list, Values.of(self.make(seed)).state()))
        return state, [state[0][place] for place in self.averaged]

    def _run(self, carried, knobs, data, key, begin, end, total):
        """Make the steps from `begin` to `end` of `total`."""
        self.weight.value = knobs["weight"]

        def step(number, carried):
            """Make one step."""
            state, average = carried
            fallen = (1 + jnp.cos(jnp.pi * number / total)) / 2
            slots = list(state[2])
            for place in self.rates:
                slots[place] = jnp.float32(knobs["rate"] * jnp.where(knobs["cosine"], fallen, 1))
            batch = self.draw(jax.random.fold_in(key, number), data)
            _, state = self.model.train_step((state[0], state[1], slots, state[3]), batch)
            keep = knobs["ema"]
            new = [keep * mean + (1 - keep) * state[0][at] for mean, at in zip(average, self.averaged, strict=True)]
            return tuple(map(list, state)), new

        carried = jax.lax.fori_loop(begin, end, step, carried)
        self.weight.value = 0.0  # a number again, for whoever uses the model by itself
        return carried

    def afford(self, seconds, carried, knobs, data, key):
        """Return how many steps cost so many seconds of processor time; the state stays as it was."""
        steps, spent = 1, 0.0
        jax.block_until_ready(self.run(carried, knobs, data, key, 0, steps, steps))  # compiles
        while spent < CLOCK:
            steps = 2 * steps if spent < CLOCK / 4 else int(1.2 * steps * CLOCK / spent) + 1
            before = time.process_time()
            jax.block_until_ready(self.run(carried, knobs, data, key, 0, steps, steps))
            spent = time.process_time() - before
        return max(RUNGS, round(steps * seconds / spent))


# --- Autoencoders ----------------------------------------------------------------------------------------------------


class Autoencoders:
    """Trials of autoencoders of digits.

    Depth 0 is the book's first autoencoder, whose width plays no part; from depth 1 on it is `deep_autoencoder`.
    """

    code = 32
    seconds = 3.0
    space, default = AUTOENCODER_SPACE, FIRST_AUTOENCODER
    networks = ("depth", "width")  # the knobs that change the number of weights
    few = 2_000  # validation images at all rungs but the last

    def __init__(self, mnist, code=None):
        self.code = code or self.code
        self.data = jnp.asarray(to_bytes(mnist.train_images).reshape(-1, 784))
        parts = {"validation": mnist.validation_images, "test": mnist.test_images}
        self.parts = {name: jnp.asarray(images.reshape(-1, 784)) for name, images in parts.items()}

    def knobs(self, setting):
        """Return what the compiled loop gets of a setting."""
        squares = float(setting["loss"] == "squared error")
        return {"rate": setting["rate"], "cosine": setting["decay"] == "cosine", "ema": 0.0, "weight": squares}

    def loop(self, setting):
        """Return the loop for a setting, compiled once for all that differ only in their rates."""
        width = setting["width"] if setting["depth"] else 0
        return self._loop(setting["depth"], width, setting["batch"])

    @functools.cache  # noqa: B019  one lives as long as its process
    def _loop(self, depth, width, batch):
        """Return the loop for these sizes."""
        weight = Weight()

        def loss(rows, drawn):
            """Return the squared error or the cross-entropy, both averaged over pixels."""
            squares = keras.losses.mean_squared_error(rows, drawn)
            return jnp.where(weight.value, squares, keras.losses.binary_crossentropy(rows, drawn))

        def make(seed):
            """Return an untrained model."""
            keras.utils.set_random_seed(seed)
            if depth:
                model = autoencoders.deep_autoencoder([width] * depth, self.code).autoencoder
            else:
                model = autoencoders.dense_autoencoder(self.code).autoencoder
            model.compile(keras.optimizers.Adam(), loss)
            model.optimizer.build(model.trainable_variables)
            return model

        loop = Loop(make, lambda key, data: 2 * (take(key, data, batch),), weight)
        loop.reconstruct = jax.jit(lambda state, rows: loop.model.stateless_call(state[0], state[1], rows)[0])
        return loop

    def error(self, loop, carried, part="validation", few=False):
        """Return the squared error of a digit, summed over its pixels, on average."""
        rows = self.parts[part][: self.few if few else None]
        blocks = [loop.reconstruct(carried[0], rows[start : start + 1000]) for start in range(0, len(rows), 1000)]
        return float(metrics.squared_error(np.asarray(rows), np.concatenate(blocks)).mean())


# --- GANs ------------------------------------------------------------------------------------------------------------


class Gans:
    """Trials of dense GANs of digits, of the kind of `gans.improved_networks`."""

    seconds = 5.0
    space, default = GAN_SPACE, IMPROVED_GAN
    networks = ("g width", "d width", "latents")
    batch, penalty_batch = 64, 8
    few = 2_500
    latent_seed = 12345

    def __init__(self, mnist):
        self.data = jnp.asarray(to_bytes(mnist.train_images))
        self.real = {
            "validation": metrics.features(mnist.validation_images),
            "test": metrics.features(mnist.test_images),
        }

    def knobs(self, setting):
        """Return what the compiled loop gets of a setting."""
        return {"rate": setting["rate"], "cosine": False, "ema": 1 - setting["forgets"], "weight": setting["penalty"]}

    def loop(self, setting):
        """Return the loop for a setting, compiled once for all of the same networks."""
        return self._loop(*(setting[knob] for knob in self.networks))

    @functools.cache  # noqa: B019  one lives as long as its process
    def _loop(self, g_width, d_width, latents):
        """Return the loop for these networks."""
        weight = Weight()

        def make(seed):
            """Return an untrained GAN; the loop itself keeps the average, so the GAN's own is a copy."""
            keras.utils.set_random_seed(seed)
            units = (g_width, 2 * g_width), (2 * d_width, d_width)
            gan = gans.GAN(*gans.dense_networks(latents, *units, "relu", normalise=True), seed=seed)
            adams = [keras.optimizers.Adam(beta_1=0.0, beta_2=0.99) for _ in range(2)]
            penalties = dict(r1=weight, r2=weight, penalty_batch=self.penalty_batch)
            gan.compile(*adams, loss="non_saturating", ema=0.0, **penalties)
            return gan

        def draw(key, data):
            """Return a batch."""
            return take(key, data, self.batch)

        loop = Loop(make, draw, weight, lambda gan: gan.generator.trainable_variables)
        generator = loop.model.generator
        loop.generate = jax.jit(lambda weights, noise: generator.stateless_call(weights, [], noise)[0])
        return loop

    def error(self, loop, carried, part="validation", few=False):
        """Return the Fréchet distance of generated digits from the real ones of a part, on the book's features."""
        count = self.few if few else len(self.real[part])
        noise = keras.random.normal((count, loop.model.latent_dim), seed=self.latent_seed)
        parts = [loop.generate(carried[1], noise[start : start + 500]) for start in range(0, count, 500)]
        digits = np.concatenate(parts)
        if not np.isfinite(digits).all():
            return float("nan")
        return metrics.frechet_distance(metrics.features(digits), self.real[part][:count])


KINDS = {"autoencoder": Autoencoders, "gan": Gans}


# --- A trial ---------------------------------------------------------------------------------------------------------


def to_bytes(images):
    """Return grey levels as bytes, a quarter of the memory."""
    return np.round(255 * images).astype("uint8")


def take(key, data, batch):
    """Return a batch of training digits, drawn with replacement."""
    return data[jax.random.randint(key, (batch,), 0, len(data))].astype("float32") / 255


def train(kind, setting, seed, watch=None, parts=("validation",), longer=1):
    """Train with one setting for the kind's time, measuring it on the way.

    Parameters
    ----------
    kind : Autoencoders or Gans
        What is trained.
    setting : dict
        A value for each knob of its space.
    seed : int
        Of the first weights and of the order of the data.
    watch : callable, optional
        ``watch(rung, error)`` gets the validation error at each rung but the last; if it returns True, training stops.
    parts : sequence of str
        On which images the trained model is measured.
    longer : int, default=1
        How many times the kind's time.

    Returns
    -------
    dict
        ``curve``, the errors on few validation images at all rungs but the last; one error for each of `parts`, unless
        training was stopped; ``steps``, how many the time pays for; ``weights``, how many numbers are trained;
        ``seconds`` of processor time for training, and ``overhead`` for the rest.
    """
    begun, spent, curve, done = time.process_time(), 0.0, [], 0
    loop, knobs, key = kind.loop(setting), kind.knobs(setting), jax.random.key(seed)
    carried = loop.start(seed)
    steps = loop.afford(longer * kind.seconds, carried, knobs, kind.data, key)
    measured = {"weights": loop.model.count_params() if len(loop.averaged) == 0 else counted(loop.model)}
    for rung in range(RUNGS):
        end, before = round(steps * (rung + 1) / RUNGS), time.process_time()
        carried = jax.block_until_ready(loop.run(carried, knobs, kind.data, key, done, end, steps))
        spent, done = spent + time.process_time() - before, end
        if rung < RUNGS - 1:
            curve.append(round(kind.error(loop, carried, few=True), 2))
            if watch and watch(rung, curve[-1]):
                break
    else:
        measured |= {part: round(kind.error(loop, carried, part), 4) for part in parts}
    rest = time.process_time() - begun - spent
    return {"curve": curve, "steps": steps, **measured, "seconds": round(spent, 2), "overhead": round(rest, 2)}


def counted(gan):
    """Return the weights of both networks of a GAN."""
    return gan.generator.count_params() + gan.discriminator.count_params()
