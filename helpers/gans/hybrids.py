"""Autoencoders with a discriminator: one that judges codes (adversarial autoencoder), one that judges images."""

import jax
import jax.numpy as jnp
import keras

from helpers.checks import check_array, check_integer, check_shape, check_shapes
from helpers.gans.model import AdversarialModel, check_pair
from helpers.guards import check_float32, check_latents, check_network, check_separate, check_unregularised
from helpers.likelihoods import gaussian_kl
from helpers.training import Values


def squared_error(images, reconstructions):
    """Return E‖x − x̂‖², summed over the pixels and averaged over the batch.

    Parameters
    ----------
    images, reconstructions : array of shape (n, ...)
        Grey levels.

    Returns
    -------
    scalar array
    """
    check_shapes(images=images, reconstructions=reconstructions)
    return jnp.sum((images - reconstructions) ** 2) / len(images)


def feature_error(real, reconstructed):
    """Return ½ E‖D_l(x) − D_l(x̂)‖²: −log N(D_l(x); D_l(x̂), 1), up to a constant.

    Parameters
    ----------
    real, reconstructed : array of shape (n, ...)
        A hidden layer's outputs in D, for images and for their reconstructions.

    Returns
    -------
    scalar array, in nats

    References
    ----------
    Larsen et al. (2016), "Autoencoding beyond pixels using a learned similarity metric", section 2.3.
    """
    check_shapes(real=real, reconstructed=reconstructed)
    return squared_error(real, reconstructed) / 2


def draw_latents(encoded, noise):
    """Return latents drawn from q(z|x), mean + deviation · noise.

    Parameters
    ----------
    encoded : array of shape (n, 2·latent_dim)
        Mean and log-variance of q(z|x), side by side.
    noise : array of shape (n, latent_dim)
        Standard normal numbers.

    Returns
    -------
    array of shape (n, latent_dim)
    """
    noise = check_shape("noise", noise, (None, None))
    encoded = jnp.asarray(check_shape("encoded", encoded, (noise.shape[0], 2 * noise.shape[1])))
    mean, log_variance = jnp.split(encoded, 2, axis=-1)
    return mean + jnp.exp(0.5 * log_variance) * noise


class _Hybrid(AdversarialModel):
    """What both have in common: an encoder, a decoder that generates, and a discriminator."""

    encoder: keras.Model
    decoder: keras.Model
    discriminator: keras.Model
    discriminator_optimizer: keras.optimizers.Optimizer
    network_names = ("encoder", "decoder", "discriminator")
    generative_name = "decoder"

    def __init__(self, encoder, decoder, discriminator, seed=0, **kwargs):
        check_network("encoder", encoder)
        check_network("decoder", decoder, outputs=encoder.input_shape[1:])
        check_network("encoder", encoder, outputs=(self.numbers_a_latent * check_latents("decoder", decoder),))
        for name, network in (("encoder", encoder), ("decoder", decoder)):
            check_float32(name, network)
            check_unregularised(name, network)
        check_separate(encoder=encoder, decoder=decoder, discriminator=discriminator)
        super().__init__(encoder, decoder, discriminator, seed=seed, **kwargs)

    def call(self, images, training=False):
        """Return the reconstructions of images (n, ...), in the same shape."""
        return self.decoder(self.encoder(images)[:, : self.latent_dim])

    def encode(self, images):
        """Return the codes of images (n, ...), of a VAE-GAN the means of q(z|x): ndarray of shape (n, latent_dim)."""
        images = check_array("images", images, shape=(None, *self.encoder.input_shape[1:]), least=1)
        return self.encoder.predict(images, batch_size=1000, verbose=0)[:, : self.latent_dim]

    def sample(self, count, seed):
        """Return `count` images (count, ...) for latents drawn from the prior with `seed`."""
        return self._generate(self.decoder, count, seed)

    def _keep(self, values, trained, updates):
        """Keep the statistics of the network that was trained; of the others only dropout's noise moves on."""
        for network, arrays in updates:
            if network is trained:
                values.put(network.non_trainable_variables, arrays)
            else:
                values.put_noise(network, arrays)


@keras.saving.register_keras_serializable("helpers")
class AdversarialAutoencoder(_Hybrid):
    """An autoencoder whose codes a discriminator cannot tell from samples of N(0, I), trained by ``fit``.

    One step trains D on samples of the prior, its "real" ones, and on codes; then encoder and decoder together on
    E‖x − x̂‖² + adversarial_weight · L, where L is the generator's loss of the game, with the encoder as generator.

    Parameters
    ----------
    encoder : keras.Model
        Maps images (n, ...) to codes (n, latent_dim).
    decoder : keras.Model
        Maps codes to images.
    discriminator : keras.Model
        Maps codes to logits (n, 1): no sigmoid at its end.
    seed : int, default=0
        Seed of the samples and of the order of the data.

    Notes
    -----
    The paper takes turns: a step on the reconstruction, then one of D, then one of the encoder against D.

    References
    ----------
    Makhzani et al. (2015), "Adversarial Autoencoders".
    """

    numbers_a_latent = 1
    autoencoder_optimizer: keras.optimizers.Optimizer
    optimizer_names = ("autoencoder_optimizer", "discriminator_optimizer")
    log_names = ("d_loss", "g_loss", "squared_error", "d_real", "d_fake")

    def __init__(self, encoder, decoder, discriminator, seed=0, **kwargs):
        check_pair("encoder", encoder, discriminator)
        super().__init__(encoder, decoder, discriminator, seed=seed, **kwargs)
        images = keras.Input(encoder.input_shape[1:])
        codes = encoder(images)
        self.autoencoder = keras.Model(images, [codes, decoder(codes)], name="autoencoder")

    def compile(
        self,
        autoencoder_optimizer,
        discriminator_optimizer,
        loss="non_saturating",
        adversarial_weight=1.0,
        r1=0.0,
        r2=0.0,
        gradient_penalty=0.0,
        penalty_batch=None,
        discriminator_steps=1,
        **kwargs,
    ):
        """Choose the optimizers, the game and its weight.

        Parameters
        ----------
        autoencoder_optimizer, discriminator_optimizer : keras.optimizers.Optimizer
            Two separate optimizers.
        adversarial_weight : float, default=1.0
            Factor of the encoder's loss in the game; with 0 this is a plain autoencoder whose codes D only watches.
        loss, r1, r2, gradient_penalty, penalty_batch, **kwargs
            As for `helpers.gans.GAN.compile`; here D's gradient is taken with respect to the code.
        discriminator_steps : int, default=1
            Steps of D, each on a batch of its own, for one of the autoencoder, on the last of these batches.
        """
        players = [(autoencoder_optimizer, self.autoencoder), (discriminator_optimizer, self.discriminator)]
        penalties = dict(r1=r1, r2=r2, gradient_penalty=gradient_penalty, penalty_batch=penalty_batch)
        weights = dict(discriminator_steps=discriminator_steps, adversarial_weight=adversarial_weight)
        self._set_up(players, loss, **penalties, compiled=kwargs, **weights)

    def train_step(self, state, data):
        """Run D's step or steps and one of the autoencoder; a pure function of the state."""
        values = Values(self, state)
        images = data[0] if isinstance(data, tuple) else data
        (d_loss, real_logits, fake_logits), images = self._lead(values, images)
        error, g_loss = self._train_autoencoder(values, images)
        seen = (d_loss, g_loss, error, jax.nn.sigmoid(real_logits), jax.nn.sigmoid(fake_logits))
        return self._track(values, seen), values.state()

    def _train_discriminator(self, values, images):
        """Move D one step, on codes and as many samples of the prior."""
        codes, updates = values.call(self.encoder, images)
        values.put_noise(self.encoder, updates)
        return self._descend_discriminator(values, self._latents(values, len(images)), codes)

    def _train_autoencoder(self, values, images):
        """Move encoder and decoder one step, through a D that is not changed."""
        real_logits, d_updates = values.call(self.discriminator, self._latents(values, len(images)))

        def loss(weights):
            """Return the loss, and beside it what to log and the variables that change."""
            (codes, reconstructions), updates = values.call(self.autoencoder, images, weights)
            fake_logits, judged = values.call(self.discriminator, codes, updates=d_updates)
            error = squared_error(images, reconstructions)
            adversarial = self.game.generator(real_logits, fake_logits)
            changed = [(self.autoencoder, updates), (self.discriminator, judged)]
            return error + self.settings["adversarial_weight"] * adversarial, ((error, adversarial), changed)

        seen, updates = values.descend(self.autoencoder, self.autoencoder_optimizer, loss)
        self._keep(values, self.autoencoder, updates)
        return seen


@keras.saving.register_keras_serializable("helpers")
class VAEGAN(_Hybrid):
    """A variational autoencoder that measures reconstructions with a hidden layer of a GAN's discriminator.

    One step trains D on real images, and on reconstructions and samples of the prior, which alternate; then the encoder
    on kl_weight · KL(q(z|x) ‖ N(0, I)) + E; then the decoder on reconstruction_weight · E + L, where E is
    `feature_error` and L the generator's loss of the game. D learns from the game alone, and the encoder never sees L.

    Parameters
    ----------
    encoder : keras.Model
        Maps images (n, ...) to mean and log-variance of q(z|x), joined as (n, 2·latent_dim).
    decoder : keras.Model
        Maps latents (n, latent_dim) to images: the generator of the game.
    discriminator : keras.Sequential
        Maps images to logits (n, 1): no sigmoid at its end.
    layer : int, default=-2
        Which of the discriminator's layers E compares; −2 is the last before the logits.
    seed : int, default=0
        Seed of the noise and of the order of the data.

    References
    ----------
    Larsen et al. (2016), "Autoencoding beyond pixels using a learned similarity metric", algorithm 1.
    """

    numbers_a_latent = 2
    encoder_optimizer: keras.optimizers.Optimizer
    decoder_optimizer: keras.optimizers.Optimizer
    optimizer_names = ("encoder_optimizer", "decoder_optimizer", "discriminator_optimizer")
    log_names = ("d_loss", "g_loss", "kl", "feature_error", "d_real", "d_fake")

    def __init__(self, encoder, decoder, discriminator, layer=-2, seed=0, **kwargs):
        check_pair("decoder", decoder, discriminator)
        if not isinstance(discriminator, keras.Sequential):
            raise ValueError(f"discriminator: got {type(discriminator).__name__}, expected keras.Sequential.")
        super().__init__(encoder, decoder, discriminator, seed=seed, **kwargs)
        count = len(discriminator.layers)
        self.layer = check_integer("layer", layer, low=-count, high=count - 1)
        self.open_discriminator = _open(discriminator, self.layer)

    def compile(
        self,
        encoder_optimizer,
        decoder_optimizer,
        discriminator_optimizer,
        loss="non_saturating",
        reconstruction_weight=1.0,
        kl_weight=1.0,
        r1=0.0,
        r2=0.0,
        gradient_penalty=0.0,
        penalty_batch=None,
        discriminator_steps=1,
        **kwargs,
    ):
        """Choose the optimizers, the game and the weights.

        Parameters
        ----------
        encoder_optimizer, decoder_optimizer, discriminator_optimizer : keras.optimizers.Optimizer
            Three separate optimizers.
        reconstruction_weight : float, default=1.0
            γ: the weight of the decoder's reconstructions relative to the game.
        kl_weight : float, default=1.0
            The weight of the KL divergence relative to E, whose scale D's hidden layer sets.
        loss, r1, r2, gradient_penalty, penalty_batch, **kwargs
            As for `helpers.gans.GAN.compile`.
        discriminator_steps : int, default=1
            Steps of D, each on a batch of its own, for one of encoder and decoder, on the last of these batches.
        """
        networks = (self.encoder, self.decoder, self.discriminator)
        players = list(zip((encoder_optimizer, decoder_optimizer, discriminator_optimizer), networks, strict=True))
        weights = dict(reconstruction_weight=reconstruction_weight, kl_weight=kl_weight)
        penalties = dict(r1=r1, r2=r2, gradient_penalty=gradient_penalty, penalty_batch=penalty_batch)
        self._set_up(players, loss, **penalties, discriminator_steps=discriminator_steps, compiled=kwargs, **weights)

    def train_step(self, state, data):
        """Run D's step or steps, one of the encoder and one of the decoder; a pure function of the state."""
        values = Values(self, state)
        images = data[0] if isinstance(data, tuple) else data
        (d_loss, real_logits, fake_logits), images = self._lead(values, images)
        kl, error, latents = self._train_encoder(values, images)
        g_loss = self._train_decoder(values, images, latents)
        seen = (d_loss, g_loss, kl, error, jax.nn.sigmoid(real_logits), jax.nn.sigmoid(fake_logits))
        return self._track(values, seen), values.state()

    def _train_discriminator(self, values, images):
        """Move D one step, on images, reconstructions and samples."""
        encoded, updates = values.call(self.encoder, images)
        values.put_noise(self.encoder, updates)
        latents = draw_latents(encoded, self._latents(values, len(images)))
        fake, updates = values.call(self.decoder, self._beside_prior(values, latents))
        values.put_noise(self.decoder, updates)
        return self._descend_discriminator(values, images, fake)

    def _beside_prior(self, values, latents):
        """Return latents (n, d) and as many samples of the prior, row by row in turn: (2n, d)."""
        return jnp.stack([latents, self._latents(values, len(latents))], axis=1).reshape(-1, self.latent_dim)

    def _train_encoder(self, values, images):
        """Move the encoder one step, through a decoder and a D that are not changed."""
        noise = self._latents(values, len(images))
        (target, _), seen_updates = values.call(self.open_discriminator, images)

        def loss(weights):
            """Return the loss, and beside it what to log, the latents and the variables that change."""
            encoded, updates = values.call(self.encoder, images, weights)
            latents = draw_latents(encoded, noise)
            reconstructions, painted = values.call(self.decoder, latents)
            (hidden, _), judged = values.call(self.open_discriminator, reconstructions, updates=seen_updates)
            kl = jnp.mean(gaussian_kl(*jnp.split(encoded, 2, axis=-1)))
            error = feature_error(target, hidden)
            changed = [(self.encoder, updates), (self.decoder, painted), (self.open_discriminator, judged)]
            return self.settings["kl_weight"] * kl + error, ((kl, error, latents), changed)

        seen, updates = values.descend(self.encoder, self.encoder_optimizer, loss)
        self._keep(values, self.encoder, updates)
        return seen

    def _train_decoder(self, values, images, latents):
        """Move the decoder one step on reconstructions and samples, through a D that is not changed."""
        (target, real_logits), d_updates = values.call(self.open_discriminator, images)
        both = self._beside_prior(values, latents)

        def loss(weights):
            """Return the loss, and beside it what to log and the variables that change."""
            fake, updates = values.call(self.decoder, both, weights)
            (hidden, fake_logits), judged = values.call(self.open_discriminator, fake, updates=d_updates)
            error = feature_error(target, hidden[::2])
            adversarial = self.game.generator(jnp.repeat(real_logits, 2, axis=0), fake_logits)
            changed = [(self.decoder, updates), (self.open_discriminator, judged)]
            return self.settings["reconstruction_weight"] * error + adversarial, (adversarial, changed)

        adversarial, updates = values.descend(self.decoder, self.decoder_optimizer, loss)
        self._keep(values, self.decoder, updates)
        return adversarial

    def get_config(self):
        """Return the networks, the layer and the seed, for ``.keras`` files."""
        return {**super().get_config(), "layer": self.layer}


def _open(discriminator, layer):
    """Return a model of the same layers that returns the outputs of one of them and the logits."""
    images = keras.Input(discriminator.input_shape[1:])
    outputs = [images]
    # Called anew: a layer's own ``output`` is that of its first call, which a loaded network no longer runs through.
    for part in discriminator.layers:
        outputs.append(part(outputs[-1]))
    return keras.Model(images, [outputs[1:][layer], outputs[-1]], name="open_discriminator")
