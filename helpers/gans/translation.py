"""Image to image: generators that redraw images and learn from pairs (pix2pix) or without them (CycleGAN)."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from helpers.checks import check_array, check_choice
from helpers.gans.model import AdversarialModel
from helpers.guards import check_float32, check_logits, check_network, check_separate, check_unregularised
from helpers.training import Values


class _Joined(keras.Model):
    """Networks that are one player of a game, and what they make of rows of two images together."""

    def __init__(self, networks, function):
        super().__init__()
        self.networks, self.function, self.built = list(networks), function, True

    def call(self, rows, training=False):
        """Return what the networks make."""
        return self.function(rows)


class _Translation(AdversarialModel):
    """What both have in common: rows of two images stacked by their channels, and a network that makes such rows."""

    discriminator: keras.Model
    discriminator_optimizer: keras.optimizers.Optimizer
    generator_optimizer: keras.optimizers.Optimizer
    optimizer_names = ("generator_optimizer", "discriminator_optimizer")
    log_names = ("d_loss", "g_loss", "error", "d_real", "d_fake")

    def compile(
        self,
        generator_optimizer,
        discriminator_optimizer,
        loss="non_saturating",
        error_weight=100.0,
        adversarial_weight=1.0,
        r1=0.0,
        r2=0.0,
        gradient_penalty=0.0,
        penalty_batch=None,
        discriminator_steps=1,
        **kwargs,
    ):
        """Choose the optimizers, the game and the weights of the two parts of the generator's loss.

        Parameters
        ----------
        generator_optimizer, discriminator_optimizer : keras.optimizers.Optimizer
            Two separate optimizers.
        error_weight : float, default=100.0
            Factor of the mean absolute difference, from the partner or of the cycle; 0 leaves the game alone.
        adversarial_weight : float, default=1.0
            Factor of the generator's loss in the game; with 0 the discriminator is left as it is.
        loss, r1, r2, gradient_penalty, penalty_batch, **kwargs
            As for `helpers.gans.GAN.compile`; of a discriminator of patches the penalties take the mean logit.
        discriminator_steps : int, default=1
            Steps of D, each on a batch of its own, for one of the generator, on the last of these batches.
        """
        players = [(generator_optimizer, self.maker), (discriminator_optimizer, self.discriminator)]
        penalties = dict(r1=r1, r2=r2, gradient_penalty=gradient_penalty, penalty_batch=penalty_batch)
        weights = dict(error_weight=error_weight, adversarial_weight=adversarial_weight)
        self._set_up(players, loss, **penalties, discriminator_steps=discriminator_steps, compiled=kwargs, **weights)

    def train_step(self, state, data):
        """Run D's step or steps and one of the generator; a pure function of the state."""
        values = Values(self, state)
        rows = data[0] if isinstance(data, tuple) else data
        d_loss = real_logits = fake_logits = jnp.zeros(())
        if self.settings["adversarial_weight"]:
            (d_loss, real_logits, fake_logits), rows = self._lead(values, rows)
        g_loss, error = self._train_maker(values, rows)
        seen = (d_loss, g_loss, error, jax.nn.sigmoid(real_logits), jax.nn.sigmoid(fake_logits))
        return self._track(values, seen), values.state()

    def _train_discriminator(self, values, rows):
        """Move D one step, on real rows and on those made of them."""
        made, updates = values.call(self.maker, rows)
        values.put_noise(self.maker, updates)
        return self._descend_discriminator(values, rows, made)

    def _train_maker(self, values, rows):
        """Move the generator one step, through a D that is not changed; return its loss in the game and the error."""
        settings, judge = self.settings, self.settings["adversarial_weight"]
        real_logits, d_updates = values.call(self.discriminator, rows) if judge else (None, None)

        def loss(weights):
            """Return the loss, and beside it what to log and the variables that change."""
            made, updates = values.call(self.maker, rows, weights)
            error, updates = self._error(values, rows, made, weights, updates)
            adversarial, judged = jnp.zeros(()), None
            if judge:
                fake_logits, judged = values.call(self.discriminator, made, updates=d_updates)
                adversarial = self.game.generator(real_logits, fake_logits)
            total = judge * adversarial + settings["error_weight"] * error
            return total, ((adversarial, error), updates, judged)

        seen, updates, judged = values.descend(self.maker, self.generator_optimizer, loss)
        values.put(self.maker.non_trainable_variables, updates)
        if judge:
            values.put_noise(self.discriminator, judged)
        return seen

    def _score(self, values, weights, images):
        """Return the mean of D's logits over the patches, (n,)."""
        logits = values.call(self.discriminator, images, weights)[0]
        return jnp.mean(logits.reshape(len(logits), -1), axis=1)

    def _halves(self, rows):
        """Return the two images of each row."""
        return rows[..., : self.channels[0]], rows[..., self.channels[0] :]

    def check_images(self, images):
        """Return rows of two images each as float32, or raise a ValueError."""
        (low, high), size = self.bounds, self.generative.input_shape[1:3]
        return check_array("images", images, shape=(None, *size, sum(self.channels)), low=low, high=high, least=1)

    def check_inputs(self, x):
        """Return images to redraw as float32, or raise a ValueError."""
        return self._check_stack("images", x, 0)

    def _check_stack(self, name, images, place):
        """Return images of the first or of the second kind as float32, or raise a ValueError."""
        low, high = self.bounds
        shape = (None, *self.generative.input_shape[1:3], self.channels[place])
        return check_array(name, images, shape=shape, low=low, high=high, least=1)


@keras.saving.register_keras_serializable("helpers")
class Pix2Pix(_Translation):
    """A generator that learns from pairs to redraw an image as its partner, against a discriminator of such pairs.

    One step trains D on pairs of an image and its partner, and on pairs of the image and what the generator makes of
    it; then the generator on adversarial_weight · L + error_weight · E|y − G(x)|, with L its loss of the game.

    Parameters
    ----------
    generator : keras.Model
        Maps images (n, height, width, channels) to images of the same height and width: `helpers.convolutional.unet`.
    discriminator : keras.Model
        Maps image and partner, stacked by their channels, to logits (n, 1), or to one for each patch, (n, h, w, 1).
    seed : int, default=0
        Seed of the order of the data.

    References
    ----------
    Isola et al. (2017), "Image-to-Image Translation with Conditional Adversarial Networks".

    Examples
    --------
    >>> model = Pix2Pix(convolutional.unet(), convolutional.patch_discriminator())
    >>> model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), r1=1.0)
    >>> model.fit(images, partners, batch_size=32, epochs=10)
    >>> redrawn = model.translate(images)
    """

    network_names = ("generator", "discriminator")
    generative_name = "generator"

    def __init__(self, generator, discriminator, seed=0, **kwargs):
        _check_generator("generator", generator)
        channels = generator.input_shape[-1], generator.output_shape[-1]
        _check_discriminator("discriminator", discriminator, (*generator.input_shape[1:3], sum(channels)))
        check_separate(generator=generator, discriminator=discriminator)
        super().__init__(generator, discriminator, seed=seed, **kwargs)
        self.channels = channels
        self.maker = _Joined([generator], self._redrawn)

    def call(self, images, training=False):
        """Return the images redrawn."""
        return self.generator(images, training=training)

    def fit(self, images, partners=None, **kwargs):
        """Train on images and their partners.

        Parameters
        ----------
        images, partners : ndarray of shape (n, height, width, channels)
            Row i of both is one pair, levels in the range of the generator's outputs. Or ``images`` alone: rows as
            `pair` stacks them, or a ``keras.utils.PyDataset`` of batches of such rows.
        **kwargs
            As for `helpers.gans.GAN.fit`.

        Returns
        -------
        keras.callbacks.History
        """
        return super().fit(images if partners is None else self.pair(images, partners), **kwargs)

    def pair(self, images, partners):
        """Return images and their partners stacked by channels, or raise a ValueError unless there are as many."""
        images, partners = self._check_stack("images", images, 0), self._check_stack("partners", partners, 1)
        if len(images) != len(partners):
            raise ValueError(f"partners: got {len(partners)}, expected one for each of the {len(images)} images.")
        return np.concatenate([images, partners], axis=-1)

    def translate(self, images):
        """Return images (n, height, width, channels) redrawn, an ndarray."""
        return self.generator.predict(self.check_inputs(images), batch_size=500, verbose=0)

    def _redrawn(self, rows):
        """Return pairs of the images in rows and what is made of them."""
        images, _ = self._halves(rows)
        return ops.concatenate([images, self.generator(images)], axis=-1)

    def _error(self, values, rows, made, weights, updates):
        """Return the mean absolute difference from the partners."""
        return jnp.mean(jnp.abs(self._halves(rows)[1] - self._halves(made)[1])), updates


@keras.saving.register_keras_serializable("helpers")
class CycleGAN(_Translation):
    """Two generators that redraw images of two kinds as each other's without pairs, each against a discriminator.

    With x of the first kind and y of the second, the generators F and B minimise adversarial_weight · L +
    error_weight · C, where L is the mean of their losses of the game and C the mean of E|x − B(F(x))| and
    E|y − F(B(y))|.

    Parameters
    ----------
    forth, back : keras.Model
        Map images of the first kind to the second, and of the second to the first.
    forth_discriminator, back_discriminator : keras.Model
        Map images of the second kind, which `forth` makes, and of the first, which `back` makes, to logits (n, 1), or
        to one for each patch, (n, h, w, 1).
    seed : int, default=0
        Seed of the order of the data.

    References
    ----------
    Zhu et al. (2017), "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks".
    """

    network_names = ("forth", "back", "forth_discriminator", "back_discriminator")
    generative_name = "forth"

    def __init__(self, forth, back, forth_discriminator, back_discriminator, seed=0, **kwargs):
        _check_generator("forth", forth)
        _check_generator("back", back, forth.output_shape[1:], forth.input_shape[1:])
        _check_discriminator("forth_discriminator", forth_discriminator, forth.output_shape[1:])
        _check_discriminator("back_discriminator", back_discriminator, back.output_shape[1:])
        networks = (forth, back, forth_discriminator, back_discriminator)
        check_separate(**dict(zip(self.network_names, networks, strict=True)))
        super().__init__(*networks, seed=seed, **kwargs)
        self.channels = forth.input_shape[-1], forth.output_shape[-1]
        self.maker = _Joined([forth, back], self._redrawn)
        self.discriminator = _Joined([back_discriminator, forth_discriminator], self._judged)

    def call(self, images, training=False):
        """Return images of the first kind redrawn as the second."""
        return self.forth(images, training=training)

    def fit(self, images, others=None, **kwargs):
        """Train on images of two kinds, in any two orders.

        Parameters
        ----------
        images, others : ndarray of shape (n, height, width, channels) and (m, height, width, channels)
            Levels in the range of the generators' outputs. Of the kind with fewer images some are used more than once.
            Or ``images`` alone: rows as `mix` stacks them, or a ``keras.utils.PyDataset`` of batches of such rows.
        **kwargs
            As for `helpers.gans.GAN.fit`.

        Returns
        -------
        keras.callbacks.History
        """
        return super().fit(images if others is None else self.mix(images, others), **kwargs)

    def mix(self, images, others):
        """Return images of both kinds stacked by channels, each kind in an order of its own."""
        stacks = self._check_stack("images", images, 0), self._check_stack("others", others, 1)
        rng, most = np.random.default_rng(self.seed), max(map(len, stacks))
        return np.concatenate([stack[rng.permutation(most) % len(stack)] for stack in stacks], axis=-1)

    def translate(self, images, way="forth"):
        """Return images redrawn, an ndarray: "forth", as the second kind, or "back", as the first."""
        place = ("forth", "back").index(check_choice("way", way, ("forth", "back")))
        return getattr(self, way).predict(self._check_stack("images", images, place), batch_size=500, verbose=0)

    def _redrawn(self, rows):
        """Return (B(y), F(x)) for rows (x, y): rows again, of which the same makes the cycle."""
        images, others = self._halves(rows)
        return ops.concatenate([self.back(others), self.forth(images)], axis=-1)

    def _judged(self, rows):
        """Return the logits of both discriminators, (n, patches)."""
        judges = self.back_discriminator, self.forth_discriminator
        logits = [judge(half) for judge, half in zip(judges, self._halves(rows), strict=True)]
        return ops.concatenate([ops.reshape(each, (len(each), -1)) for each in logits], axis=1)

    def _error(self, values, rows, made, weights, updates):
        """Return the mean absolute difference of images from themselves, redrawn twice."""
        again, updates = values.call(self.maker, made, weights, updates)
        return jnp.mean(jnp.abs(rows - again)), updates


def _check_generator(name, network, inputs=None, outputs=None):
    """Raise a ValueError unless a network maps images to images of the same height and width."""
    check_network(name, network, inputs, outputs)
    check_float32(name, network)
    check_unregularised(name, network)
    shapes = network.input_shape, network.output_shape
    if len(shapes[0]) != 4 or None in shapes[0][1:] or shapes[0][1:3] != shapes[1][1:3]:
        raise ValueError(f"{name}: got {shapes[0][1:]} → {shapes[1][1:]}, expected images of one height and width.")


def _check_discriminator(name, network, inputs):
    """Raise a ValueError unless a network maps images to one logit, or to one for each patch."""
    check_network(name, network, inputs)
    check_float32(name, network)
    check_unregularised(name, network)
    if network.output_shape[-1] != 1:
        raise ValueError(f"{name}: got output shape {network.output_shape}, expected (None, 1) or (None, h, w, 1).")
    check_logits(name, network)
