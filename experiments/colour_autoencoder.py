"""Train convolutional autoencoders of emoji in colour on several seeds, and a VAE; measure them beside PCA.

python -m experiments.colour_autoencoder               trains and measures what is missing, and writes the result
python -m experiments.colour_autoencoder --minutes 10  the same, but begins nothing new after ten minutes; call it again

Trained are three seeds with 64 numbers in a code, one seed each with 16 and 256, and one of the VAE. Test images
are read once, after the last epoch of a run.

The settings were chosen by the squared error of the autoencoder with 64 numbers on the validation images, in single
runs with seed 0. Adam at 2e-3 or 3e-3, channels permuted in half of the images, with 16, 24 and 48 filters left 33.7,
32.0 and 31.3 after about 50 epochs. With 16 filters and 32 epochs of Adam, channels permuted in half of the images left
35.8 and in 15% of them 35.5; with Muon at 3e-3 it was 34.3, and 35.0 after 28 epochs if a hidden layer of 256 units
came before the code. Residual blocks on both sides of the code left 39.0 after 24 epochs of Adam, and a third halving,
with 24 filters, 43.5. Muon at 6e-3 with 24 filters left 32.3 after 28 epochs, as much as Adam after 56, and was taken,
with more epochs. The code sizes 16 and 256 and the VAE were not tuned.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from experiments.harness import record, training
from helpers import augment, convolutional, datasets, metrics, storage

NAME = "colour_autoencoder"
RUNS = [("autoencoder", 64, 0), ("vae", 64, 0), ("autoencoder", 64, 1), ("autoencoder", 64, 2)]
RUNS += [("autoencoder", 16, 0), ("autoencoder", 256, 0)]  # kind, code, seed
RECIPE = {"width": 24, "rate": 6e-3, "batch_size": 64, "reach": 2, "rolled": 0.4}
EPOCHS = {"autoencoder": 44, "vae": 24}
STEPS = 4  # of Gauss and Newton, that make the codes better
AUGMENTED = ("none", "flip", "flip, roll")  # for PCA


def images_of(part):
    """Return the images of both styles, one after the other, (n, 32, 32, 3)."""
    return np.concatenate([part.noto, part.twemoji])


def squared_error(images, outputs):
    """Return the squared error of each image, summed over its pixels and colours."""
    return ops.sum(ops.square(images - outputs), axis=(1, 2, 3))


# --- Training --------------------------------------------------------------------------------------------------------


@jax.jit
def change(key, images):
    """Mirror half of the images, move all by up to two pixels, roll the channels of some."""
    keys = jax.random.split(key, 3)
    images = augment.translate(keys[1], augment.flip(keys[0], images), reach=RECIPE["reach"])
    return augment.roll_channels(keys[2], images, RECIPE["rolled"])


class Batches(datasets.ShuffledBatches):
    """Changed images, which are their own targets where there are targets."""

    def __init__(self, images, seed, targets):
        super().__init__(images, RECIPE["batch_size"], seed, transform=self._change)
        self.targets = targets

    def _change(self, images, rng):
        """Return the images changed at random."""
        return np.asarray(change(jax.random.key(int(rng.integers(2**31))), images))

    def __getitem__(self, index):
        """Return a batch."""
        (images,) = super().__getitem__(index)
        return (images, images) if self.targets else (images,)


class Course(keras.callbacks.Callback):
    """Writes the loss on the validation images after each epoch into the run's log."""

    def __init__(self, loss, images):
        super().__init__()
        self.loss, self.images = loss, images

    def on_epoch_end(self, epoch, logs=None):
        """Measure and note."""
        logs["validation"] = self.loss(self.images)


class Plain:
    """An autoencoder with a code of so many numbers."""

    def __init__(self, code):
        self.encoder, self.decoder, self.model = convolutional.autoencoder(code_dim=code, width=RECIPE["width"])
        self.loss = squared_error

    def codes(self, images):
        """Return codes (n, k)."""
        return self.encoder.predict(images, batch_size=500, verbose=0)

    def reconstruct(self, images):
        """Return reconstructions."""
        return self.decoder.predict(self.codes(images), batch_size=500, verbose=0)

    def validate(self, images):
        """Return the squared error of an image, on average."""
        return float(metrics.squared_error(images, self.reconstruct(images)).mean())


class Variational:
    """A variational autoencoder with so many latents."""

    def __init__(self, code):
        networks = convolutional.vae_networks(latent_dim=code, width=RECIPE["width"])
        self.encoder, self.decoder = networks
        self.model, self.code, self.loss = convolutional.ColourVAE(*networks), code, None

    def codes(self, images):
        """Return the means of the latents (n, k)."""
        return self.encoder.predict(images, batch_size=500, verbose=0)[:, : self.code]

    def reconstruct(self, images):
        """Return reconstructions from the means."""
        return self.model.reconstruct(images)

    def validate(self, images):
        """Return minus the bound, in nats an image, estimated with one latent sample for each."""
        return self.bound(images)["loss"]

    def bound(self, images):
        """Return minus the bound and its divergence."""
        measured = self.model.evaluate(images, batch_size=len(images), verbose=0, return_dict=True)
        return {name: float(measured[name]) for name in ("loss", "kl")}


KINDS = {"autoencoder": Plain, "vae": Variational}


def train(kind, code, seed, emoji):
    """Train one model; return it, its seconds and its losses."""
    keras.utils.set_random_seed(seed)
    model, images, epochs = KINDS[kind](code), images_of(emoji.train), EPOCHS[kind]
    steps = epochs * (len(images) // RECIPE["batch_size"])
    schedule = keras.optimizers.schedules.CosineDecay(RECIPE["rate"], steps)
    muon = keras.optimizers.Muon(schedule, weight_decay=0, adam_weight_decay=0)
    model.model.compile(muon, **({"loss": model.loss} if model.loss else {}))
    batches = Batches(images, seed, targets=kind == "autoencoder")
    settings = {**RECIPE, "kind": kind, "code": code, "seed": seed}
    course = Course(model.validate, images_of(emoji.validation))
    done = training.fit(f"{NAME}_{kind}_{code}_{seed}", model.model, batches, epochs, settings, [course])
    curves = {name: [round(value, 2) for value in done["history"][name]] for name in ("loss", "validation")}
    return model, {"seconds": done["seconds"], **curves}


# --- Better codes ----------------------------------------------------------------------------------------------------


def refine(decoder, images, codes, steps=STEPS):
    """Make codes better by damped Gauss–Newton steps; return them, and the mean squared error after each step."""
    weights, parts, left = [variable.value for variable in decoder.variables], [], []

    def draw(codes):
        """Return what the decoder draws, as rows."""
        return decoder.stateless_call(weights, [], codes)[0].reshape(len(codes), -1)

    step = jax.jit(lambda codes, rows: newton(draw, codes, rows))
    for start in range(0, len(images), 50):
        rows, part, course = images[start : start + 50].reshape(-1, images[0].size), codes[start : start + 50], []
        for _ in range(steps):
            part, error = step(part, rows)
            course.append(error)
        parts.append(part)
        left.append(np.array(course))
    return np.concatenate(parts), np.concatenate(left, axis=1).mean(axis=1).tolist()


def newton(draw, codes, rows):
    """Make one step for each code (n, k); of four lengths, 0 among them, take the best. Return codes and errors."""
    jacobians = jax.vmap(jax.jacfwd(lambda code: draw(code[None])[0]))(codes)  # (n, d, k)
    products = jnp.einsum("ndk,ndl->nkl", jacobians, jacobians)
    damping = 1e-3 * jnp.trace(products, axis1=1, axis2=2)[:, None, None] / codes.shape[1]
    slopes = jnp.einsum("ndk,nd->nk", jacobians, rows - draw(codes))
    steps = jnp.linalg.solve(products + damping * jnp.eye(codes.shape[1]), slopes[..., None])[..., 0]
    lengths = jnp.array([0, 0.25, 0.5, 1])
    errors = jnp.stack([jnp.square(draw(codes + length * steps) - rows).sum(axis=1) for length in lengths])
    return codes + lengths[errors.argmin(axis=0)][:, None] * steps, errors.min(axis=0)


# --- Measuring -------------------------------------------------------------------------------------------------------


def found(codes, others):
    """Return the share of codes whose partner is the nearest of the others, and the share where it is among five."""
    distances = np.square(codes[:, None] - others[None]).sum(axis=-1)
    rank = (distances < np.diag(distances)[:, None]).sum(axis=1)
    return [float((rank < most).mean()) for most in (1, 5)]


def read_category(codes, categories, train_codes, train_categories, k=5):
    """Return the share of codes whose category most of the k nearest training codes have; draws go to the nearest."""
    distances = (codes**2).sum(axis=1)[:, None] + (train_codes**2).sum(axis=1) - 2 * codes @ train_codes.T
    near = train_categories[np.argsort(distances, axis=1)[:, :k]]  # (n, k)
    votes = (near[:, :, None] == near[:, None, :]).sum(axis=2)
    return float((near[np.arange(len(near)), votes.argmax(axis=1)] == categories).mean())


def search(encode, emoji):
    """Return how well codes find the same emoji in the other style, and the category."""
    test, train = emoji.test, emoji.train
    noto, twemoji = encode(test.noto), encode(test.twemoji)
    ways = np.mean([found(noto, twemoji), found(twemoji, noto)], axis=0)
    labels, known = np.tile(test.category, 2), np.tile(train.category, 2)
    category = read_category(np.concatenate([noto, twemoji]), labels, encode(images_of(train)), known)
    return {"top_1": float(ways[0]), "top_5": float(ways[1]), "category": category}


def errors(images, drawn):
    """Return the squared error of an image in all, in each channel, and in the mean of the channels alone."""
    off = np.float64(images) - drawn
    channels = np.square(off).sum(axis=(1, 2)).mean(axis=0)
    luma = np.square(off.sum(axis=-1) / np.sqrt(3)).sum(axis=(1, 2)).mean()
    return {"sse": float(channels.sum()), "channels": channels.tolist(), "luma": float(luma)}


def measure(model, emoji):
    """Return everything that is measured of one trained model on the test images."""
    test, train = images_of(emoji.test), images_of(emoji.train)
    measured = {"test": errors(test, model.reconstruct(test)), "train": model.validate(train)}
    if isinstance(model, Variational):
        measured |= {"bound": model.bound(test), "sigma": model.model.sigma}
    elif model.encoder.output_shape[1] == 64:
        measured["refined"] = refine(model.decoder, test, model.codes(test))[1]
    return {**measured, "search": search(model.codes, emoji)}


def components(emoji, changes, count=256):
    """Return mean and components of the training images, of which three changed copies may be added."""
    images, rng = images_of(emoji.train), np.random.default_rng(0)
    copies = [images]
    for number in range(3 if changes != "none" else 0):
        key = jax.random.key(number)
        copies.append(np.asarray(augment.flip(key, images)))
        if "roll" in changes:
            copies[-1] = np.asarray(augment.roll_channels(jax.random.fold_in(key, 1), copies[-1], RECIPE["rolled"]))
    rows = rng.permutation(np.concatenate(copies)).reshape(-1, images[0].size)
    mean = rows.mean(axis=0)
    return mean, np.linalg.eigh(np.cov(rows - mean, rowvar=False))[1][:, ::-1][:, :count].astype("float32")


def compress(mean, vectors, images):
    """Return what is left of images in some components, clipped to levels that a pixel can have."""
    rows = images.reshape(len(images), -1)
    return np.clip((rows - mean) @ vectors @ vectors.T + mean, 0, 1).reshape(images.shape)


def baselines(emoji):
    """Return the errors of PCA with 64 components, clipped, for each kind of added images."""
    table, parts = {}, {"validation": images_of(emoji.validation), "test": images_of(emoji.test)}
    for changes in AUGMENTED:
        mean, vectors = components(emoji, changes, 64)
        table[changes] = {part: errors(x, compress(mean, vectors, x))["sse"] for part, x in parts.items()}
    return table


# --- The result ------------------------------------------------------------------------------------------------------


def keep(kind, model):
    """Store the weights of an autoencoder, or samples of a variational one, as bytes."""
    if kind == "autoencoder":
        return storage.save_weights(record.weights_path(NAME), model.model.get_weights(), "int6")
    samples = np.round(255 * model.model.sample(12, seed=1)).astype("uint8")
    return np.savez_compressed(record.weights_path(NAME, kind), samples=samples)


def main():
    """Train and measure what is missing, and write the result after each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    limit = time.monotonic() + 60 * parser.parse_args().minutes
    emoji, settings = datasets.load_emoji(), {"recipe": RECIPE, "epochs": EPOCHS}
    runs = record.runs(NAME, [], **settings)
    table = record.read(NAME)["pca"] if runs else baselines(emoji)
    for kind, code, seed in RUNS:
        key = {"kind": kind, "code": code, "seed": seed}
        if any(key.items() <= run.items() for run in runs) or time.monotonic() > limit:
            continue
        model, done = train(kind, code, seed, emoji)
        if seed == 0 and code == 64:
            keep(kind, model)
        runs.append({**key, **done, **measure(model, emoji)})
        record.write(NAME, runs=runs, pca=table, **settings)
        print({name: value for name, value in runs[-1].items() if name not in ("loss", "validation")}, flush=True)


if __name__ == "__main__":
    main()
