"""Keras models that train networks against a discriminator on JAX, and the GAN of a generator and a discriminator."""

import functools
import itertools

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helpers.checks import check_array, check_choice, check_integer, check_number, is_array
from helpers.datasets import ShuffledBatches
from helpers.gans.losses import LOSSES, gradient_penalty, zero_centered_penalty
from helpers.guards import (
    CheckedBatches,
    CheckedPredictions,
    check_fit,
    check_float32,
    check_latents,
    check_logits,
    check_network,
    check_optimizer,
    check_separate,
    check_trained,
    check_unregularised,
    copy_network,
    predict,
    trained_by,
)
from helpers.ranges import output_range
from helpers.training import StopOnNaN, Values, add_callbacks, noise_states, spread

_SCHEDULE = keras.optimizers.schedules.LearningRateSchedule
# What ``compile`` and ``fit`` hand on to Keras; anything else they would leave unused.
_COMPILE_OPTIONS = ("auto_scale_loss", "jit_compile", "run_eagerly", "steps_per_execution")
_FIT_OPTIONS = ("initial_epoch", "steps_per_epoch", "verbose")
_NO_LOSS = (
    "{name}: is not used by a model that plays a game: its losses say how the players stand, not how good the images "
    "are. Measure samples instead, for example with helpers.metrics, in a callback or after training."
)


class AdversarialModel(CheckedPredictions, keras.Model):
    """A discriminator and other networks that train against each other by ``fit``: what all such models share.

    All that changes, the weights and BatchNorm statistics of the networks, the optimizers and the state of the noise,
    travels in the trainer's state, so ``fit``, callbacks, ``BackupAndRestore`` and ``.keras`` files work as for any
    model. A subclass sets the four names below, calls `_set_up` in ``compile`` and writes ``train_step``.

    Parameters
    ----------
    *networks : keras.Model
        Those of `network_names`, in that order.
    seed : int, default=0
        Seed of the noise and of the order of the data.

    Attributes
    ----------
    network_names : tuple of str
        The constructor's first arguments, kept as attributes; one of them is "discriminator".
    generative_name : str
        Which of them makes images from latents.
    optimizer_names : tuple of str
        The first arguments of ``compile``, kept as attributes: the name of what each trains, and "_optimizer"; the last
        is "discriminator_optimizer".
    log_names : tuple of str
        The quantities whose means a step returns.
    latent_dim : int
        Size of a latent vector, read off the generative network.
    bounds : tuple of float
        The range of its images, which the real ones have to keep; see `helpers.ranges.output_range`.
    """

    network_names = generative_name = optimizer_names = log_names = ()

    def __init__(self, *networks, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.seed = check_integer("seed", seed, low=0)
        for name, network in zip(self.network_names, networks, strict=True):
            setattr(self, name, network)
        self.latent_dim, self.bounds = self.generative.input_shape[-1], output_range(self.generative)
        self.noise = keras.random.SeedGenerator(self.seed)
        self.trackers = [keras.metrics.Mean(name=name) for name in self.log_names]
        self.trained = None  # ids of the weights to train, once compiled
        self.built = True

    @property
    def generative(self):
        """The network that makes images from latents."""
        return getattr(self, self.generative_name)

    def _set_up(
        self,
        players,
        loss,
        r1=0.0,
        r2=0.0,
        gradient_penalty=0.0,
        penalty_batch=None,
        discriminator_steps=1,
        compiled=None,
        **weights,
    ):
        """Check the settings and keep them; give each optimizer the variables of its network.

        Parameters
        ----------
        players : list of (keras.optimizers.Optimizer, keras.Model)
            In the order of `optimizer_names`.
        loss : str
            A key of `LOSSES`.
        r1, r2, gradient_penalty, penalty_batch
            The regularisers of D, as `GAN.compile` says.
        discriminator_steps : int
            Steps of D, each on a batch of its own, before each step of the others.
        compiled : dict, optional
            Further arguments of ``keras.Model.compile``.
        **weights : float
            Further settings, numbers >= 0.
        """
        check_choice("loss", loss, LOSSES)
        weights = dict(r1=r1, r2=r2, gradient_penalty=gradient_penalty, **weights)
        for name, value in weights.items():
            if not (isinstance(value, _SCHEDULE) and name in ("r1", "r2")):
                check_number(name, value, low=0)
        if penalty_batch is not None:
            check_integer("penalty_batch", penalty_batch, low=1)
        steps = check_integer("discriminator_steps", discriminator_steps, low=1)
        self._share_out(players, _allowed(compiled or {}, _COMPILE_OPTIONS))
        self.game = LOSSES[loss]
        self.settings = dict(loss=loss, penalty_batch=penalty_batch, discriminator_steps=steps, **weights)

    def _share_out(self, players, options):
        """Compile with the optimizers of the players, joined to one."""
        optimizers = {
            name: _check_optimizer(name, optimizer)
            for name, (optimizer, _) in zip(self.optimizer_names, players, strict=True)
        }
        for (first, one), (second, other) in itertools.combinations(optimizers.items(), 2):
            if one is other:
                raise ValueError(f"{second}: got the {_player(first)}'s optimizer, expected one of its own.")
        for name, (_, network) in zip(optimizers, players, strict=True):
            if not network.trainable_variables:
                raise ValueError(
                    f"{_player(name)}: has no weights to train, expected some. Each player moves in its turn without "
                    f"any flag: set {_player(name)}.trainable = True."
                )
        trained = trained_by(self)
        for name, optimizer in optimizers.items():
            # An optimizer keeps its first variables and cannot work with others.
            if optimizer.built and (optimizer is not getattr(self, name, None) or trained != self.trained):
                raise ValueError(f"{name}: got one that has trained other weights, expected a new one.")
            setattr(self, name, optimizer)
        # Identity, not the path, decides whose variable it is: paths change when a saved model is loaded.
        owner = {
            id(variable): optimizers[name]
            for name, (_, network) in zip(optimizers, players, strict=True)
            for variable in network.trainable_variables
        }
        super().compile(optimizer=keras.optimizers.MultiOptimizer(lambda variable: owner[id(variable)]), **options)
        self.optimizer.build(self.trainable_variables)
        self.trained, self.options = trained, options

    def check_ready(self):
        """Raise a ValueError unless the weights to train are those that ``compile`` gave to the optimizers."""
        check_trained(self, "Each player moves in its turn without any flag. ")

    # -- parts of a training step --

    def _lead(self, values, images):
        """Move D one step on each of its batches; return what to log of it, and the last batch, which the others get.

        A subclass writes ``_train_discriminator(values, batch)``, which returns D's loss and its two kinds of logits.
        """
        steps = self.settings["discriminator_steps"]
        batches = jnp.split(images, steps) if steps > 1 else [images]
        seen = [self._train_discriminator(values, batch) for batch in batches]
        return seen[0] if steps == 1 else [jnp.stack(parts) for parts in zip(*seen, strict=True)], batches[-1]

    def _descend_discriminator(self, values, real, fake):
        """Move D one step; each real row meets one fake row, or several in turn when there are more of them."""
        copies = len(fake) // len(real)
        few = slice(self.settings["penalty_batch"] or len(real))
        between = self._interpolation_weights(values, len(real[few]))

        def loss(weights):
            """Return D's loss, and beside it what to log and the variables that change."""
            real_logits, updates = values.call(self.discriminator, real, weights)
            fake_logits, updates = values.call(self.discriminator, fake, weights, updates)
            adversarial = self.game.discriminator(jnp.repeat(real_logits, copies, axis=0), fake_logits)
            score = functools.partial(self._score, values, weights)
            penalty = self._penalty(values, score, real[few], fake[few], between)
            return adversarial + penalty, ((adversarial, real_logits, fake_logits), updates)

        seen, updates = values.descend(self.discriminator, self.discriminator_optimizer, loss)
        values.put(self.discriminator.non_trainable_variables, updates)
        return seen

    def _latents(self, values, count):
        """Draw fresh latents (count, latent_dim) from the noise state in `values`."""
        return spread(values.draw(self.noise, lambda seed: keras.random.normal((count, self.latent_dim), seed=seed)))

    def _interpolation_weights(self, values, count):
        """Draw uniform weights (count,) for the gradient penalty; without it the noise state stays where it is."""
        if not self.settings["gradient_penalty"]:
            return None
        return values.draw(self.noise, lambda seed: keras.random.uniform((count,), seed=seed))

    def _score(self, values, weights, images):
        """Return D's logits, for the penalties' gradients with respect to the images."""
        return values.call(self.discriminator, images, weights)[0]

    def _penalty(self, values, score, real, fake, between):
        """Return the sum of D's regularisers that were switched on in ``compile``."""
        penalty = 0.0
        if self.settings["r1"]:
            penalty += self._gamma(values, "r1") / 2 * zero_centered_penalty(score, real)
        if self.settings["r2"]:
            penalty += self._gamma(values, "r2") / 2 * zero_centered_penalty(score, fake)
        if self.settings["gradient_penalty"]:
            penalty += self.settings["gradient_penalty"] * gradient_penalty(score, real, fake, between)
        return penalty

    def _gamma(self, values, name):
        """Return the weight of a penalty at this step."""
        gamma = self.settings[name]
        return gamma(values[self.discriminator_optimizer.iterations]) if isinstance(gamma, _SCHEDULE) else gamma

    def _track(self, values, seen):
        """Update the running means shown in the progress bar and return them as logs."""
        with keras.StatelessScope(values.items(self.metrics_variables)) as scope:
            for tracker, value in zip(self.trackers, seen, strict=True):
                tracker.update_state(value)
            logs = {tracker.name: tracker.result() for tracker in self.trackers}
        values.put(self.metrics_variables, [scope.get_current_value(v) for v in self.metrics_variables])
        return logs

    # -- the rest of a Keras model --

    @property
    def metrics(self):
        """Means over the epoch of what `log_names` says; ``d_real``, ``d_fake``: the probability that D calls real."""
        return self.trackers

    def fit(self, images, batch_size=64, epochs=1, callbacks=None, **kwargs):
        """Train for `epochs` passes over `images`, in an order that depends on the seed and the epoch alone.

        Parameters
        ----------
        images : ndarray of shape (n, ...), the generative network's output shape
            Real images, in the range that the generative network's outputs can have. Or a ``keras.utils.PyDataset`` of
            batches of them, which has its own size and order.
        batch_size : int, default=64
            Images per step of D. With `discriminator_steps` k a step of the model takes k batches, one for each step of
            D, so that an epoch still shows D each image once; what does not fill k batches at its end is left out.
        epochs, callbacks, **kwargs
            As for ``keras.Model.fit``; of its further arguments ``initial_epoch``, ``steps_per_epoch``, ``verbose``.

        Returns
        -------
        keras.callbacks.History
            Per epoch the means of what `log_names` says.

        Raises
        ------
        ValueError
            If the images have the wrong shape or range, hold NaN, or are fewer than a batch; if ``trainable`` was
            changed after ``compile``; for arguments that the model would not use, such as validation data.
        RuntimeError
            If a loss stops being finite; the message names the step.
        """
        self.check_ready()
        kwargs = _allowed(kwargs, _FIT_OPTIONS)
        check_fit(epochs=epochs, **kwargs)
        if kwargs.get("steps_per_epoch") is not None and is_array(images):  # an epoch would begin in another's order
            raise ValueError("steps_per_epoch: got a number with an array, expected it with a keras.utils.PyDataset.")
        batches, own = self._batches(images, batch_size)
        callbacks = add_callbacks(callbacks, [*own, StopOnNaN()])
        return super().fit(batches, epochs=epochs, shuffle=False, callbacks=callbacks, **kwargs)

    def _batches(self, images, batch_size):
        """Return checked batches of real images, and the callbacks that go with them."""
        if isinstance(images, keras.utils.PyDataset):
            own = [images.follow_epochs()] if hasattr(images, "follow_epochs") else []
            return CheckedBatches(images, self.check_batch), own
        if not is_array(images):
            raise ValueError(
                f"images: got {type(images).__name__}, expected an array or a keras.utils.PyDataset, whose epochs "
                "have an order that a resumed run finds again."
            )
        images, steps = self.check_images(images), self.settings["discriminator_steps"]
        size = steps * check_integer("batch_size", batch_size, low=1)
        if steps > 1 and size > len(images):
            raise ValueError(
                f"batch_size: got {batch_size}, {steps} times as many for {steps} steps of D, but there are only "
                f"{len(images)} images; expected that these batches are no larger than the data."
            )
        batches = ShuffledBatches(images, size, seed=self.seed)
        return batches, [batches.follow_epochs()]

    def check_images(self, images):
        """Return real images as float32, or raise a ValueError."""
        low, high = self.bounds
        shape = (None, *self.generative.output_shape[1:])
        return check_array("images", images, shape=shape, low=low, high=high, least=1)

    def check_batch(self, batch):
        """Return a batch (images,), or raise a ValueError, also for labels and weights, which would not be used."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        for name, extra in (("labels", labels), ("sample_weight", weights)):
            if extra is not None:
                raise ValueError(f"{name}: got some in a batch, expected images alone: this model would not use them.")
        images, steps = self.check_images(images), self.settings["discriminator_steps"]
        if len(images) % steps:
            raise ValueError(
                f"images: got a batch of {len(images)}, expected a multiple of discriminator_steps, {steps}."
            )
        return (images,)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **kwargs):
        """Make a step as ``keras.Model.train_on_batch`` does, on checked images."""
        self.check_ready()
        if class_weight is not None:
            raise ValueError("class_weight: got one, expected none: all images count alike.")
        (x,) = self.check_batch((x, y, sample_weight))
        return super().train_on_batch(x, **kwargs)

    def check_inputs(self, x):
        """Return what the model is called with as float32, here images, or raise a ValueError."""
        return self.check_images(x)

    def evaluate(self, *args, **kwargs):
        """Raise a ValueError: the losses of this game say nothing about how good the images are."""
        raise ValueError(_NO_LOSS.format(name="evaluate"))

    def test_on_batch(self, *args, **kwargs):
        """Raise a ValueError, as `evaluate` does."""
        raise ValueError(_NO_LOSS.format(name="test_on_batch"))

    def _generate(self, network, count, seed):
        """Return `count` images that a network makes from latents drawn with `seed`."""
        count = check_integer("count", count, low=1)
        latents = keras.random.normal((count, self.latent_dim), seed=check_integer("seed", seed, low=0))
        return predict(network, np.asarray(latents))

    def save_own_variables(self, store):
        """Store the noise states, which Keras's weight files leave out: a resumed run would repeat old noise."""
        for index, variable in enumerate(noise_states(self)):
            store[f"noise_{index}"] = variable.numpy()

    def load_own_variables(self, store):
        """Restore what `save_own_variables` stored."""
        for index, variable in enumerate(noise_states(self)):
            variable.assign(store[f"noise_{index}"][()])

    def get_config(self):
        """Return the networks and the seed, for ``.keras`` files."""
        serialize = keras.saving.serialize_keras_object
        networks = {name: serialize(getattr(self, name)) for name in self.network_names}
        return {**super().get_config(), **networks, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        """Build the model from what `get_config` returned."""
        networks = [keras.saving.deserialize_keras_object(config.pop(name)) for name in cls.network_names]
        return cls(*networks, **config)

    def get_compile_config(self):
        """Return the optimizers and settings of ``compile``, for ``.keras`` files."""
        serialize = keras.saving.serialize_keras_object
        optimizers = [serialize(getattr(self, name)) for name in self.optimizer_names]
        settings = {**self.settings, **self.options}
        return {"optimizers": optimizers, **{name: serialize(value) for name, value in settings.items()}}

    def compile_from_config(self, config):
        """Compile from what `get_compile_config` returned."""
        deserialize = keras.saving.deserialize_keras_object
        optimizers = [deserialize(entry) for entry in config["optimizers"]]
        self.compile(
            *optimizers, **{name: deserialize(value) for name, value in config.items() if name != "optimizers"}
        )


@keras.saving.register_keras_serializable("helpers")
class GAN(AdversarialModel):
    """A generator and a discriminator trained against each other by ``fit``, on Keras's JAX backend.

    One step trains D on a real batch and fresh fakes, once or more, each time on batches of its own, then G, through
    the D just trained, on fresh noise again.

    Parameters
    ----------
    generator : keras.Model
        Maps latents (n, latent_dim) to images (n, ...).
    discriminator : keras.Model
        Maps images (n, ...) to logits (n, 1): no sigmoid at its end.
    seed : int, default=0
        Seed of the noise and of the order of the data.

    Attributes
    ----------
    ema_generator : keras.Model
        Exponential moving average of the generator, which starts as its copy; ``sample`` and calling the model use it.
    latent_dim : int
        Size of a latent vector, read off the generator.

    Examples
    --------
    >>> gan = GAN(generator, discriminator)
    >>> gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), loss="relativistic", r1=0.3, r2=0.3)
    >>> gan.fit(images, batch_size=64, epochs=10)
    >>> digits = gan.sample(16, seed=1)
    """

    generator: keras.Model
    discriminator: keras.Model
    generator_optimizer: keras.optimizers.Optimizer
    discriminator_optimizer: keras.optimizers.Optimizer
    network_names = ("generator", "discriminator")
    generative_name = "generator"
    optimizer_names = ("generator_optimizer", "discriminator_optimizer")
    log_names = ("d_loss", "g_loss", "d_real", "d_fake")

    def __init__(self, generator, discriminator, seed=0, **kwargs):
        check_latents("generator", generator)
        check_pair("generator", generator, discriminator)
        super().__init__(generator, discriminator, seed=seed, **kwargs)
        self.ema_generator = copy_network("generator", generator)
        self.ema_generator.trainable = False

    def call(self, latents, training=False):
        """Return the averaged generator's images (n, ...) for latents of shape (n, latent_dim)."""
        return self.ema_generator(latents, training=False)

    def check_inputs(self, x):
        """Return latents as float32, or raise a ValueError that names them."""
        return check_array("latents", x, shape=(None, self.latent_dim), least=1)

    def compile(
        self,
        generator_optimizer,
        discriminator_optimizer,
        loss="non_saturating",
        r1=0.0,
        r2=0.0,
        gradient_penalty=0.0,
        penalty_batch=None,
        ema=0.999,
        discriminator_steps=1,
        **kwargs,
    ):
        """Choose the optimizers, the game and its regularisers.

        Parameters
        ----------
        generator_optimizer, discriminator_optimizer : keras.optimizers.Optimizer
            Two separate optimizers.
        loss : str, default="non_saturating"
            A key of `LOSSES`.
        r1, r2 : float or keras.optimizers.schedules.LearningRateSchedule, default=0
            γ of the penalties (γ/2) E‖∇D‖² on real images and on fakes; a schedule makes it a function of D's step.
        gradient_penalty : float, default=0
            Factor of `gradient_penalty` (10 in the paper on WGAN-GP).
        penalty_batch : int, optional
            How many images of the batch the penalties are averaged over; all by default. Fewer estimate the same
            objective, more noisily, at less cost.
        ema : float, default=0.999
            Share of the old average kept at each step of G, in [0, 1); 0 makes the average a copy of the generator.
        discriminator_steps : int, default=1
            Steps of D for each step of G (5 in the papers on Wasserstein GANs), each on real images and noise of its
            own: ``fit`` takes that many batches for a step, and an epoch, one pass of D over the images, has fewer
            steps of G. The step is compiled with all of them, so many take long to compile.
        **kwargs
            Passed to ``keras.Model.compile``, such as ``run_eagerly``.
        """
        check_number("ema", ema, low=0, below=1)
        players = [(generator_optimizer, self.generator), (discriminator_optimizer, self.discriminator)]
        penalties = dict(r1=r1, r2=r2, gradient_penalty=gradient_penalty, penalty_batch=penalty_batch)
        self._set_up(players, loss, **penalties, discriminator_steps=discriminator_steps, compiled=kwargs, ema=ema)

    # -- one training step --

    def train_step(self, state, data):
        """Run D's step or steps and one of G; a pure function of the state, so that Keras can compile it."""
        values = Values(self, state)
        images = data[0] if isinstance(data, tuple) else data
        (d_loss, real_logits, fake_logits), real = self._lead(values, images)
        g_loss = self._train_generator(values, real)
        values.average(self.ema_generator, self.generator, self.settings["ema"])
        seen = (d_loss, g_loss, jax.nn.sigmoid(real_logits), jax.nn.sigmoid(fake_logits))
        return self._track(values, seen), values.state()

    def _train_discriminator(self, values, real):
        """Move D one step; G makes the fakes but is not changed."""
        fake, updates = values.call(self.generator, self._latents(values, len(real)))
        values.put_noise(self.generator, updates)
        return self._descend_discriminator(values, real, fake)

    def _train_generator(self, values, real):
        """Move G one step on fresh noise, through a D that is not changed."""
        latents = self._latents(values, len(real))
        # Only a relativistic loss of G reads the real logits; XLA drops this call for the others.
        real_logits, d_updates = values.call(self.discriminator, real)

        def loss(weights):
            """Return G's loss, and beside it what to log and the variables that change."""
            fake, g_updates = values.call(self.generator, latents, weights)
            fake_logits, updates = values.call(self.discriminator, fake, updates=d_updates)
            value = self.game.generator(real_logits, fake_logits)
            return value, (value, (g_updates, updates))

        value, (g_updates, d_updates) = values.descend(self.generator, self.generator_optimizer, loss)
        values.put(self.generator.non_trainable_variables, g_updates)
        values.put_noise(self.discriminator, d_updates)
        return value

    # -- the rest of a Keras model --

    def sample(self, count, seed, average=True):
        """Return `count` generated images for latents drawn with `seed`.

        Parameters
        ----------
        count : int
            How many.
        seed : int
            Seed of the latents.
        average : bool, default=True
            Use the averaged generator; False uses the one being trained.

        Returns
        -------
        ndarray of shape (count, ...)
        """
        average = check_choice("average", average, (False, True))
        return self._generate(self.ema_generator if average else self.generator, count, seed)


def check_pair(name, maker, discriminator):
    """Raise a ValueError unless the discriminator judges what the maker, a network called `name`, makes."""
    for role, network in ((name, maker), ("discriminator", discriminator)):
        check_network(role, network)
        check_float32(role, network)
        check_unregularised(role, network)
    if maker.output_shape[1:] != discriminator.input_shape[1:]:
        raise ValueError(
            f"discriminator: its input shape is {discriminator.input_shape[1:]}, "
            f"but the {name} makes {maker.output_shape[1:]}; expected the same."
        )
    if discriminator.output_shape[1:] != (1,):
        raise ValueError(f"discriminator: got output shape {discriminator.output_shape}, expected (None, 1).")
    check_logits("discriminator", discriminator)
    check_separate(**{name: maker, "discriminator": discriminator})


def _player(optimizer_name):
    """Return the name of what an optimizer of this name trains."""
    return optimizer_name.removesuffix("_optimizer")


def _check_optimizer(name, given):
    """Return an optimizer that fits one player of a game, or raise a ValueError."""
    optimizer = check_optimizer(name, given)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or optimizer.loss_scale_factor:
        raise ValueError(f"{name}: got one that scales losses, expected one that does not: here it would shrink steps.")
    if optimizer.use_ema:
        raise ValueError(f"{name}: got one with use_ema, which would stay unused, expected none: give compile ema=.")
    return optimizer


def _allowed(options, known):
    """Return further arguments for Keras, or raise a ValueError for one that would not be used."""
    for name in options:
        if name.startswith("validation") or name == "metrics":
            raise ValueError(_NO_LOSS.format(name=name))
        if name not in known:
            why = ": all images count alike, in an order of seed and epoch" if known == _FIT_OPTIONS else ""
            raise ValueError(f"{name}: is not used by this model{why}, expected one of {', '.join(known)}.")
    return options
