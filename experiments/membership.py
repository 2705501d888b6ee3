"""Ask which images were in a model's training set: membership inference on a GAN, a VAE and a diffusion model.

python -m experiments.membership                    trains what is missing of the first two kinds, and writes the result
python -m experiments.membership --minutes 8        begins nothing new after so many minutes
python -m experiments.membership --only diffusion   does so for other kinds
python -m experiments.membership --tries            tries the recipes of the GAN in `TRIES` that have not been tried

Each kind is trained on 500 images, and on all 60,000 that are no test images. The 500 are repeated 120 times, so that
an epoch has as many steps either way. The images outside are the 10,000 test images. As a control, the members of the
small set are replaced by 500 other images of the same 60,000, which the model has not seen: a score that tells these
from the test images would see how the two sets were collected, and no membership.

The scores are those that each model offers: the discriminator's logit, and the distance from the nearest of 10,000
samples for an attacker who has samples alone; the bound of the VAE; the error of the denoiser.

Nothing is tuned but which GAN is called "gan". It is the book's, with the penalties R1 and R2. A first run without
them, at the rate 2e-4 of "gan, plain", had an area of 0.53 after 2,800 steps on 500 images, where the discriminator
told nearly all samples from images. Then `TRIES` were tried, with a seed of their own and validation images as others,
for 1,500 steps. The result holds what `--tries` found when it made them again.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np

from experiments.harness import record, training
from helpers import autoencoders, datasets, diffusion, gans, metrics, storage
from helpers.likelihoods import bernoulli_log_likelihood, gaussian_kl

NAME = "membership"
SEEDS = (0, 1, 2)  # fixed before the runs
ALL, FEW = 60_000, 500
LEAVES = 2_000  # test images whose scores are stored, of seed 0
KINDS = ("gan", "vae", "diffusion", "gan, plain")
EPOCHS = {"gan": 2, "gan, plain": 2, "vae": 4, "diffusion": 4}
RECIPE = {
    "gan": {"rate": 2e-3, "beta_1": 0.0, "beta_2": 0.99, "batch_size": 64, "gamma": 0.3},
    "gan, plain": {"rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999, "batch_size": 64, "gamma": 0.0},
    "vae": {"rate": 1e-3, "batch_size": 100, "width": 200, "latent_dim": 20},
    "diffusion": {"rate": 1e-3, "batch_size": 128, "width": 256, "blocks": 2},
}
SAMPLES, SAMPLE_SEED = 10_000, 12345
TRY_SEED, TRY_EPOCHS = 100, 3  # of 500 steps
TRIES = (
    {},
    {"gamma": 0.03},
    {"gamma": 0.03, "loss": "relativistic"},
    {"rate": 1e-3, "gamma": 0.0, "loss": "relativistic"},
)
DRAWS = 8  # of the noise, for each score of the VAE and of the diffusion model
TIMES = (0.1, 0.2, 0.3, 0.4)  # of the noise in the diffusion model's score


# --- The two measures ------------------------------------------------------------------------------------------------


def area(members, others):
    """Return how often a member's score is above that of another image, where a tie counts as half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, "left") + np.searchsorted(ordered, members, "right")
    return float(below.mean() / (2 * len(others)))


def found_at(members, others, share=0.01):
    """Return the share of members above the score that only this share of the other images exceeds."""
    return float((members > np.quantile(others, 1 - share, method="higher")).mean())


# --- Models and their scores -----------------------------------------------------------------------------------------


class Gan:
    """A dense GAN, with or without the penalties R1 and R2."""

    def __init__(self, recipe, seed):
        self.recipe = recipe
        self.model = gans.GAN(*gans.improved_networks(), seed=seed)
        betas = {name: recipe[name] for name in ("beta_1", "beta_2")}
        adams = [keras.optimizers.Adam(recipe["rate"], **betas) for _ in range(2)]
        penalties = dict(r1=recipe["gamma"], r2=recipe["gamma"], penalty_batch=8) if recipe["gamma"] else {}
        loss = recipe.get("loss", "non_saturating")
        self.model.compile(*adams, loss=loss, ema=0.0, steps_per_execution=25, **penalties)

    def fit(self, run, images, epochs, settings):
        """Train."""
        return training.fit_gan(run, self.model, images, self.recipe["batch_size"], epochs, settings)

    def scores(self, images):
        """Return the discriminator's logits."""
        return {"white box": self.model.discriminator.predict(images, batch_size=1000, verbose=0)[:, 0]}

    def samples(self):
        """Return samples, by which an attacker judges who has nothing else."""
        return self.model.sample(SAMPLES, SAMPLE_SEED)


class Vae:
    """A variational autoencoder of grey levels, which it takes for probabilities of white."""

    def __init__(self, recipe, seed):
        self.recipe, self.seed = recipe, seed
        networks = autoencoders.vae_networks(recipe["latent_dim"], recipe["width"])
        self.model = autoencoders.VariationalAutoencoder(*networks, seed=seed)
        self.model.compile(keras.optimizers.Adam(recipe["rate"]), steps_per_execution=25)

    def fit(self, run, images, epochs, settings):
        """Train."""
        batches = datasets.ShuffledBatches(images.reshape(-1, 784), self.recipe["batch_size"], self.seed)
        return training.fit(run, self.model, batches, epochs, settings)

    def scores(self, images):
        """Return the bound of each image's log-likelihood, a mean over some latents."""
        encoder, decoder = ([each.value for each in net.variables] for net in (self.model.encoder, self.model.decoder))

        @jax.jit
        def bound(rows, key):
            """Return the bound (n,)."""
            encoded = self.model.encoder.stateless_call(encoder, [], rows)[0]
            mean, log_variance = jnp.split(encoded, 2, axis=1)
            noise = jax.random.normal(key, (DRAWS, *mean.shape))
            latents = (mean + jnp.exp(log_variance / 2) * noise).reshape(-1, mean.shape[1])
            logits = self.model.decoder.stateless_call(decoder, [], latents)[0].reshape(DRAWS, *rows.shape)
            return bernoulli_log_likelihood(rows, logits).mean(axis=0) - gaussian_kl(mean, log_variance)

        return {"white box": in_parts(bound, images.reshape(-1, 784))}

    def samples(self):
        """Return samples."""
        return self.model.sample(SAMPLES, SAMPLE_SEED)


class Diffusion:
    """A diffusion model of pixels from −1 to 1."""

    def __init__(self, recipe, seed):
        self.recipe, self.seed = recipe, seed
        network = diffusion.denoising_network(784, recipe["width"], recipe["blocks"])
        options = dict(prediction="image", weighting="velocity", bounds=(-1.0, 1.0), ema=0.99, seed=seed)
        self.model = diffusion.Diffusion(network, **options)
        self.model.compile(keras.optimizers.Adam(recipe["rate"]), steps_per_execution=25)

    def fit(self, run, images, epochs, settings):
        """Train."""
        rows = 2 * images.reshape(-1, 784) - 1
        batches = datasets.ShuffledBatches(rows, self.recipe["batch_size"], self.seed)
        return training.fit(run, self.model, batches, epochs, settings)

    def scores(self, images):
        """Return minus the squared error of the guess behind noisy images, a mean over times and noise."""

        def error(rows, key):
            """Return the errors (n,)."""
            total = 0.0
            for number, moment in enumerate(np.repeat(TIMES, DRAWS // len(TIMES))):
                signal, noise = self.model.schedule.rates(np.float32(moment))
                noisy = signal * rows + noise * jax.random.normal(jax.random.fold_in(key, number), rows.shape)
                clean = self.model.denoise(noisy, jnp.full(len(rows), moment, "float32"))
                total += jnp.square(clean - rows).sum(axis=1)
            return -total / DRAWS

        return {"white box": in_parts(error, 2 * images.reshape(-1, 784) - 1)}

    def samples(self):
        """Return samples, as pixels from 0 to 1."""
        return (self.model.sample(SAMPLES, SAMPLE_SEED, steps=25, scatter=1.0) + 1) / 2


def in_parts(function, rows, size=500):
    """Return ``function(rows, key)`` of all rows, part by part; len(rows) is a multiple of the size."""
    keys = jax.random.split(jax.random.key(0), len(rows) // size)
    return np.concatenate(
        [np.asarray(function(part, key)) for part, key in zip(rows.reshape(len(keys), size, -1), keys, strict=True)]
    )


MODELS = {"gan": Gan, "gan, plain": Gan, "vae": Vae, "diffusion": Diffusion}


# --- One run ---------------------------------------------------------------------------------------------------------


def split(images, size, seed):
    """Return the members, as many as `size` or 10,000 of them to look at, all to train on, and 500 for the control."""
    order = np.random.default_rng([seed, 21]).permutation(len(images))
    inside = order[:size]
    return images[inside[:10_000]], images[inside], images[order[size : size + FEW]]


def look(model, sets):
    """Return kind of score → set → scores."""
    samples, scores = model.samples().reshape(-1, 784), {}
    for name, each in sets.items():
        found = dict(model.scores(each))
        distances = [
            metrics.nearest_neighbours(rows, samples)[1]
            for rows in np.split(each.reshape(len(each), -1), len(each) // FEW)
        ]
        found["samples"] = -np.concatenate(distances)
        for kind, values in found.items():
            scores.setdefault(kind, {})[name] = np.asarray(values)
    return scores


def measure(scores):
    """Return for each kind of score the area and the share found, of members and of the control's images."""
    rows = {}
    for kind, of in scores.items():
        for name in ("members", "control"):
            if name in of:
                values = of[name], of["test"]
                rows.setdefault(kind, {})[name] = {"auc": area(*values), "found": found_at(*values)}
    return rows


def train(kind, size, seed, images, test):
    """Train one model and attack it; return its numbers and its scores."""
    keras.utils.set_random_seed(seed)
    recipe = RECIPE[kind]
    model = MODELS[kind](recipe, seed)
    members, inside, control = split(images, size, seed)
    repeated = np.tile(inside, (ALL // size, 1, 1, 1))
    settings = {**recipe, "kind": kind, "size": size, "seed": seed}
    done = model.fit(f"{NAME}_{kind}_{size}_{seed}".replace(", ", "_"), repeated, EPOCHS[kind], settings)
    sets = {"members": members, "test": test, **({"control": control} if size < ALL else {})}
    scores = look(model, sets)
    curves = {name: [round(value, 4) for value in values] for name, values in done["history"].items()}
    return {"seconds": done["seconds"], "curves": curves, "attacks": measure(scores)}, scores


def attempt(change, mnist):
    """Train a GAN on 500 training images with another recipe; return how well it tells them from validation images."""
    keras.utils.set_random_seed(TRY_SEED)
    gan = Gan({**RECIPE["gan"], **change}, TRY_SEED)
    members = mnist.train_images[np.random.default_rng(TRY_SEED).permutation(len(mnist.train_images))[:FEW]]
    gan.model.fit(np.tile(members, (64, 1, 1, 1)), batch_size=64, epochs=TRY_EPOCHS, verbose=0)
    values = [gan.scores(images)["white box"] for images in (members, mnist.validation_images[:4000])]
    return {"auc": area(*values), "found": found_at(*values)}


def keep(scores):
    """Store the scores of the GANs of seed 0 for a chapter, as 16-bit numbers: one array for each set."""
    path = record.weights_path(NAME, "scores")
    kept = dict(np.load(path)) if path.exists() else {}
    for name, values in scores.items():
        kept[name] = values[:LEAVES].astype("float16")
    with storage.replacing(path) as partial:
        np.savez_compressed(partial, **kept)


def main():
    """Train and attack what is missing, and write the result after each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    parser.add_argument("--only", nargs="*", choices=KINDS, default=KINDS[:3], help="kinds of model")
    parser.add_argument("--tries", action="store_true", help="try recipes of the GAN instead")
    arguments = parser.parse_args()
    limit = time.monotonic() + 60 * arguments.minutes
    mnist, settings = datasets.load_mnist(), {"recipe": RECIPE, "epochs": EPOCHS, "samples": SAMPLES}
    images = np.concatenate([mnist.train_images, mnist.validation_images])
    runs = record.runs(NAME, [], **settings)
    tries = record.read(NAME).get("tries", []) if runs else []
    for change in TRIES if arguments.tries else ():
        if time.monotonic() < limit and not any(run["change"] == change for run in tries):
            tries.append({"change": change, **attempt(change, mnist)})
            record.write(NAME, runs=runs, tries=tries, **settings)
            print(tries[-1], flush=True)
    for kind in () if arguments.tries else arguments.only:
        for seed in SEEDS:
            for size in (FEW, ALL):
                key = {"kind": kind, "size": size, "seed": seed}
                if any(key.items() <= run.items() for run in runs) or time.monotonic() > limit:
                    continue
                measured, scores = train(kind, size, seed, images, mnist.test_images)
                if kind == "gan" and seed == 0:
                    keep({f"{name}_{size}": values for name, values in scores["white box"].items()})
                runs.append({**key, **measured})
                record.write(NAME, runs=runs, tries=tries, **settings)
                print(key, measured["seconds"], measured["attacks"], flush=True)


if __name__ == "__main__":
    main()
