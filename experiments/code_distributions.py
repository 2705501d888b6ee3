"""Train plain and variational autoencoders alike and sample their decoders from several distributions of codes.

python -m experiments.code_distributions               trains, measures and writes the result, in 15 minutes of one core
python -m experiments.code_distributions --rehearse    the same with few digits, epochs and seeds, and writes nothing

All networks are equal, and so are the digits, the epochs and the search for a learning rate. A plain autoencoder is a
variational one without noise and without the KL divergence, so copies of both are trained as one program. The weight β
of the divergence is a variable of each copy; the runs with β = 0.25, 4 and 16 have the rate that was found for β = 1.
"""

import argparse
import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

from helpers import autoencoders, datasets, metrics, storage  # isort: skip  selects the backend
import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops
from sklearn.mixture import GaussianMixture

from experiments.harness import record
from experiments.harness.stacked import Stack

NAME = "code_distributions"
# kind: (weight of the KL divergence, scale of the noise)
KINDS = {"plain": (0, 0), "vae": (1, 1), "beta-0.25": (0.25, 1), "beta-4": (4, 1), "beta-16": (16, 1)}
PAIR = ("plain", "vae")  # those that are tuned and sampled
LATENT_DIM, WIDTH, SAMPLES, ROUNDS = 50, 200, 10_000, 40
EXAMPLES = 10  # digits, one of each class, whose reconstructions are stored
USED = 0.1  # nats: a latent with a larger mean KL divergence counts as used


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is trained, and for how long."""

    rates: tuple = (2e-3, 4e-3, 8e-3)
    tuning_seed: int = 100
    tuning_epochs: int = 4
    epochs: int = 12
    batch_size: int = 100
    seeds: tuple = (0, 1, 2)
    components: tuple = (10, 30, 100)
    fixed_components: int = 10
    codes: int = 10_000  # training codes that a distribution is fitted to
    digits: int = 25_000
    watched: int = 2_000  # validation digits of the curves


REHEARSAL = Settings(
    rates=(2e-3, 4e-3), tuning_epochs=1, epochs=2, seeds=(0, 1), components=(1, 3), fixed_components=2, codes=1_000,
    digits=2_000,
)  # fmt: skip


class Model(autoencoders.VariationalAutoencoder):
    """A variational autoencoder whose weight of the KL divergence and scale of the noise are part of its state."""

    def __init__(self, encoder, decoder, kl_weight, noise_scale, seed):
        super().__init__(encoder, decoder, seed=seed)
        self.kl_weight = keras.Variable(float(kl_weight), trainable=False, name="kl_weight")
        self.noise_scale = keras.Variable(float(noise_scale), trainable=False, name="noise_scale")

    def draw(self, mean, log_variance):
        """Return latents (1, n, latent_dim): with scale 0 the mean itself, as a plain autoencoder has it."""
        return mean + self.noise_scale * ops.exp(0.5 * log_variance) * self.noise(mean, samples=1)


def build(kind, seed, rate, images):
    """Return a compiled model of one kind; `images` (n, 784) set the decoder's output biases."""
    keras.utils.set_random_seed(seed)
    encoder, decoder = autoencoders.vae_networks(LATENT_DIM, WIDTH, images)
    model = Model(encoder, decoder, *KINDS[kind], seed)
    model.compile(keras.optimizers.Adam(rate))
    model.optimizer.build(model.trainable_variables)
    return model


class Copies(Stack):
    """A stack of such models that are told apart by (kind, seed, rate), with a validation curve for each."""

    def __init__(self, keys, images):
        super().__init__([build(*key, images) for key in keys])
        self.keys, self.curves = keys, [[] for _ in keys]
        self.weights = np.array([KINDS[kind][0] for kind, _, _ in keys])
        self.terms = jax.jit(jax.vmap(self._terms, in_axes=(0, 0, None)))

    def train(self, images, held_out, epochs, batch_size, title):
        """Train all on grey digits (n, 784), binarised anew at each step; watch the loss on binary held-out digits."""

        def watch(epoch):
            for curve, value in zip(self.curves, self.losses(held_out), strict=True):
                curve.append(round(float(value), 3))

        return self.fit(images, batch_size, epochs, watch=watch, title=title, prepare=flip)

    def measure(self, images):
        """Return the mean log-likelihood, (copies,), and the KL divergence of each latent, (copies, latent_dim)."""
        blocks = jnp.asarray(images).reshape(-1, min(len(images), 1_000), images.shape[1])
        return jax.tree.map(np.asarray, self.terms(*self._weights(self.model), blocks))

    def losses(self, images):
        """Return the loss of each copy in nats, each with its own weight of the KL divergence."""
        likelihood, kl = self.measure(images)
        return self.weights * kl.sum(axis=1) - likelihood

    def _terms(self, trainable, other, blocks):
        """Return the two terms of one copy, over all blocks (m, n, 784)."""

        def of_block(images):
            outputs, _ = self.model.stateless_call(trainable, other, images, training=True)
            kl = 0.5 * (
                outputs["mean"] ** 2 + jnp.exp(outputs["log_variance"]) - 1 - outputs["log_variance"]
            )  # (n, latent_dim)
            return autoencoders.bernoulli_log_likelihood(images, outputs["logits"]).mean(), kl.mean(axis=0)

        return jax.tree.map(lambda values: values.mean(axis=0), jax.lax.map(of_block, blocks))


def flip(key, images):
    """Return fresh coin flips, with the grey levels as probabilities."""
    return jax.random.bernoulli(key, images).astype("float32")


class Networks:
    """The encoder and decoder of one copy, with what is measured of them."""

    def __init__(self):
        self.encoder, self.decoder = autoencoders.vae_networks(LATENT_DIM, WIDTH)
        self._encode = jax.jit(lambda weights, x: self.encoder.stateless_call(weights, [], x)[0])
        self._decode = jax.jit(lambda weights, z: jax.nn.sigmoid(self.decoder.stateless_call(weights, [], z)[0]))

    def encode(self, weights, images):
        """Return means and log-variances, each (n, 50)."""
        return np.split(np.asarray(self._encode(weights[: len(self.encoder.weights)], images)), 2, axis=1)

    def decode(self, weights, codes):
        """Return pixel probabilities (n, 784)."""
        return np.asarray(self._decode(weights[len(self.encoder.weights) :], np.asarray(codes, "float32")))


def copy(stack, index):
    """Return the weights of one copy: the encoder's, then the decoder's."""
    return [array for part in (stack.model.encoder, stack.model.decoder) for array in stack.copy_weights(part, index)]


def codes_of(networks, kind, weights, images):
    """Return a code of each image: of a plain autoencoder its code, of a variational one a draw from q(z|x)."""
    mean, log_variance = networks.encode(weights, images)
    noise = np.random.default_rng(0).standard_normal(mean.shape, dtype="float32")
    return mean + KINDS[kind][1] * np.exp(0.5 * log_variance) * noise


class Mixture(NamedTuple):
    """Weights (k,), means (k, d) and covariances (k, d, d) of Gaussian components."""

    weights: jax.Array
    means: jax.Array
    covariances: jax.Array

    def draw(self, count):
        """Return `count` codes, float32, from a fixed seed."""
        random = np.random.default_rng(0)
        weights = np.asarray(self.weights, float)
        chosen = random.choice(len(weights), count, p=weights / weights.sum())
        roots = np.linalg.cholesky(np.asarray(self.covariances, float))
        noise = random.standard_normal((count, self.means.shape[1]))
        return (self.means[chosen] + np.einsum("nij,nj->ni", roots[chosen], noise)).astype("float32")


@functools.partial(jax.jit, static_argnames=("components", "rounds"))
@functools.partial(jax.vmap, in_axes=(0, None, None))
def fit_mixtures(codes, components, rounds):
    """Fit a mixture to each set of codes (sets, n, d) by expectation maximisation, as scikit-learn does on one core.

    It starts from random codes as means and makes a fixed number of rounds. One component is one Gaussian.
    """
    count, size = codes.shape
    block = min(components, 10)  # components at a time
    ridge = 1e-5 * codes.var(axis=0).mean() * jnp.eye(size)
    chosen = codes[jax.random.permutation(jax.random.key(0), count)[:components]]
    nearest = jnp.argmin(jnp.sum(chosen**2, axis=1) - 2 * codes @ chosen.T, axis=1)

    def maximise(shares):
        """Return the mixture that fits best, given each code's shares (n, k) in the components."""

        def component(share):
            total = share.sum() + 1e-6
            mean = share @ codes / total
            return total, mean, (codes - mean).T @ ((codes - mean) * share[:, None]) / total + ridge

        totals, means, covariances = jax.lax.map(component, shares.T, batch_size=block)
        return Mixture(totals / totals.sum(), means, covariances)

    def log_density(component):
        """Return the log of weight times density of one component at every code, without the constant."""
        weight, mean, covariance = component
        root = jnp.linalg.cholesky(covariance)
        inverse = jax.scipy.linalg.solve_triangular(root, jnp.eye(size), lower=True)
        scaled = (codes - mean) @ inverse.T  # (n, d)
        return jnp.log(weight) - jnp.log(jnp.diag(root)).sum() - 0.5 * jnp.sum(scaled**2, axis=1)

    def one_round(_, mixture):
        """Return the mixture after one expectation and one maximisation."""
        return maximise(jax.nn.softmax(jax.lax.map(log_density, mixture, batch_size=block).T, axis=1))

    return jax.lax.fori_loop(0, rounds, one_round, maximise(jax.nn.one_hot(nearest, components)))


def mixtures_of(codes, components):
    """Return a fitted `Mixture` for each set of codes."""
    fitted = jax.tree.map(np.asarray, fit_mixtures(jnp.stack(codes), components, ROUNDS))
    if not all(np.isfinite(array).all() for array in fitted):
        raise RuntimeError(f"components: a mixture of {components} did not stay finite.")
    return [Mixture(*(array[index] for array in fitted)) for index in range(len(codes))]


def mixture_codes(codes, components=10):
    """Return 10,000 codes of a mixture that scikit-learn fits, as a chapter does."""
    mixture = GaussianMixture(components, random_state=0).fit(codes.astype(float))
    return mixture.sample(SAMPLES)[0].astype("float32")


def standard_normal():
    """Return 10,000 standard normal codes, the same for every copy."""
    return np.random.default_rng(0).standard_normal((SAMPLES, LATENT_DIM), dtype="float32")


class Study:
    """The digits, the settings and the steps of the experiment, each of which is logged when it is done."""

    def __init__(self, settings, log=None, steps=-1):
        self.settings, self.log, self.left = settings, log, steps
        self.mnist = datasets.load_mnist()
        train, validation, test = (
            images.reshape(-1, 784)
            for images in (self.mnist.train_images, self.mnist.validation_images, self.mnist.test_images)
        )
        self.train, self.validation, self.test = train[: settings.digits], validation, test
        self.held_out = datasets.binarise(validation[: settings.watched], np.random.default_rng(1))
        self.networks = Networks()
        self.references = {}

    def step(self, name, work):
        """Return the logged result of a step, or do it and log it; stop when enough new ones were done."""
        if self.log.find(step=name) is None:
            if self.left == 0:
                raise SystemExit(f"{name}: not done yet; the same command goes on from here.")
            self.left -= 1
            self.log.add({"result": work()}, step=name)
        return self.log.find(step=name)["result"]

    def stack(self, keys, title, epochs):
        """Return trained copies."""
        copies = Copies(keys, self.train)
        return copies.train(self.train, self.held_out, epochs, self.settings.batch_size, title)

    def distance(self, images, split):
        """Return the Fréchet digit distance to the digits of a split."""
        if split not in self.references:
            self.references[split] = metrics.features(getattr(self, split))
        return metrics.frechet_distance(metrics.features(images), self.references[split])

    # --- the steps ---

    def tune(self):
        """Try every rate for both kinds; then the number of components with the best rate, on validation digits."""
        keys = [(kind, self.settings.tuning_seed, rate) for kind in PAIR for rate in self.settings.rates]
        stack = self.stack(keys, "rates", self.settings.tuning_epochs)
        tried = [
            {"kind": kind, "rate": rate, "curve": curve}
            for (kind, _, rate), curve in zip(keys, stack.curves, strict=True)
        ]
        best = {kind: min((run for run in tried if run["kind"] == kind), key=last_loss) for kind in PAIR}
        sampled = {kind: copy(stack, tried.index(run)) for kind, run in best.items()}
        rates = {kind: run["rate"] for kind, run in best.items()}
        return {"tried": tried, "rates": rates, "sampled": self.tune_components(sampled)}

    def tune_components(self, sampled):
        """Return kind → what was measured on validation digits for each number of components."""
        images = self.train[: self.settings.codes]
        codes = [codes_of(self.networks, kind, weights, images) for kind, weights in sampled.items()]
        normal = standard_normal()
        found = {kind: {"normal": self.sample(weights, normal, "validation")} for kind, weights in sampled.items()}
        for count in self.settings.components:
            for (kind, weights), mixture in zip(sampled.items(), mixtures_of(codes, count), strict=True):
                found[kind][str(count)] = self.sample(weights, mixture.draw(SAMPLES), "validation")
        return found

    def sample(self, weights, codes, split):
        """Return the distance of the decoded codes."""
        return self.distance(self.networks.decode(weights, codes), split)

    def pair(self, tuned, seed):
        """Train both kinds with one seed and measure them on the test digits."""
        keys = [(kind, seed, tuned["rates"][kind]) for kind in PAIR]
        stack = self.stack(keys, f"plain and variational, seed {seed}", self.settings.epochs)
        runs = self.sample_runs(stack, {kind: best_components(tuned["sampled"][kind]) for kind in PAIR})
        if seed == self.settings.seeds[0]:
            self.redraw(stack)
            self.store(stack)
        return self.add_terms(stack, runs)

    def weights(self, tuned, seed):
        """Train the other weights of the KL divergence with one seed and measure them on the test digits."""
        keys = [(kind, seed, tuned["rates"]["vae"]) for kind in KINDS if kind not in PAIR]
        stack = self.stack(keys, f"other weights, seed {seed}", self.settings.epochs)
        if seed == self.settings.seeds[0]:
            self.redraw(stack)
        return self.add_terms(stack, started(stack))

    def add_terms(self, stack, runs):
        """Add what is measured on binary test digits: the terms of the bound and the latents in use."""
        likelihood, kl = stack.measure(datasets.binarise(self.test, np.random.default_rng(0)))
        for index, run in enumerate(runs):
            run["log_likelihood"] = float(likelihood[index])
            if run["kind"] != "plain":
                mean, _ = self.networks.encode(copy(stack, index), self.test)
                run["kl"] = np.sort(kl[index])[::-1].round(4).tolist()
                run["used"], run["active"] = int((kl[index] > USED).sum()), int((mean.var(axis=0) > 0.01).sum())
        return runs

    def sample_runs(self, stack, chosen):
        """Return an entry a copy, with the distances of the decoder for every distribution of codes."""
        runs, images = started(stack), self.train[: self.settings.codes]
        for index, run in enumerate(runs):
            weights = copy(stack, index)
            redrawn = self.networks.decode(weights, self.networks.encode(weights, self.test)[0])
            run["squared_error"] = float(metrics.squared_error(self.test, redrawn).mean())
            run["fdd"] = {"reconstructions": self.distance(redrawn, "test")}
            run["fdd"]["normal"] = self.sample(weights, standard_normal(), "test")
            codes = codes_of(self.networks, run["kind"], weights, images)
            for count in sorted({1, self.settings.fixed_components, chosen[run["kind"]]}):
                (mixture,) = mixtures_of([codes], count)
                run["fdd"][str(count)] = self.sample(weights, mixture.draw(SAMPLES), "test")
        return runs

    def redraw(self, stack):
        """Store one reconstruction of each class of digit by every kind, beside those of other stacks."""
        digits = self.test[[np.flatnonzero(self.mnist.test_labels == digit)[0] for digit in range(EXAMPLES)]]
        rows = dict(np.load(self.path("redrawn"))) if self.path("redrawn").exists() else {}
        for index, (kind, _, _) in enumerate(stack.keys):
            weights = copy(stack, index)
            means, _ = self.networks.encode(weights, digits)
            rows[kind] = np.round(255 * self.networks.decode(weights, means)).astype("uint8")
        np.savez_compressed(self.path("redrawn"), **rows)

    def store(self, stack):
        """Write the plain autoencoder and the variational decoder of a stack of both."""
        kept = {"plain": copy(stack, 0), "vae": copy(stack, 1)[len(self.networks.encoder.weights) :]}
        for kind, weights in kept.items():
            storage.save_weights(self.weights_path(kind), weights, "int8")

    def measure_stored(self):
        """Return the distances of the stored decoders: the plain one with a mixture that scikit-learn fits anew."""
        plain, decoder = (storage.load_weights(self.weights_path(kind)) for kind in PAIR)
        codes = mixture_codes(codes_of(self.networks, "plain", plain, self.train[:SAMPLES]))
        weights = [*plain[: len(self.networks.encoder.weights)], *decoder]  # its encoder is not needed
        return {"plain": self.sample(plain, codes, "test"), "vae": self.sample(weights, standard_normal(), "test")}

    def weights_path(self, kind):
        """Return where weights are stored that are only measured: beside the log, which is not committed."""
        return self.log.path.with_name(f"{self.log.path.stem}_{kind}.npz")

    def path(self, which):
        """Return where something is stored; a rehearsal stores beside its log."""
        rehearsed = self.settings == REHEARSAL
        return self.log.path.with_name(f"{NAME}_{which}.npz") if rehearsed else record.weights_path(NAME, which)


def started(stack):
    """Return an entry a copy of a stack, with its validation curve."""
    return [
        {"kind": kind, "seed": seed, "rate": rate, "curve": curve}
        for (kind, seed, rate), curve in zip(stack.keys, stack.curves, strict=True)
    ]


def last_loss(run):
    """Return the validation loss at the end of a run; one that failed is the last choice."""
    return np.nan_to_num(run["curve"][-1], nan=np.inf)


def best_components(sampled):
    """Return the number of components with the smallest distance on validation digits."""
    return int(min((count for count in sampled if count.isdigit()), key=sampled.get))


def main(arguments=None):
    """Tune, train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="few digits, epochs and seeds; writes no result")
    parser.add_argument("--steps", type=int, default=-1, help="stop after so many new steps; all by default")
    options = parser.parse_args(arguments)
    rehearse = options.rehearse
    settings = REHEARSAL if rehearse else Settings()
    path = Path(__file__).with_name("runs") / f"{NAME}{'_rehearsal' if rehearse else ''}.jsonl"
    if rehearse:
        path.unlink(missing_ok=True)
    study = Study(settings, record.Log(path, dataclasses.asdict(settings)), options.steps)
    tuned = study.step("tune", study.tune)
    runs = [
        run
        for work in (study.pair, study.weights)
        for seed in settings.seeds
        for run in study.step(f"{work.__name__} {seed}", functools.partial(work, tuned, seed))
    ]
    results = {
        "settings": dataclasses.asdict(settings),
        "kinds": {kind: {"kl_weight": weight, "noise": noise} for kind, (weight, noise) in KINDS.items()},
        "used_above": USED,
        "tuning": tuned,
        "components": {kind: best_components(tuned["sampled"][kind]) for kind in PAIR},
        "stored_fdd": study.measure_stored(),
        "runs": runs,
    }
    print(tuned["rates"], tuned["sampled"], results["stored_fdd"])
    for run in runs:
        print({name: value for name, value in run.items() if name not in ("curve", "kl")}, run["curve"][-1])
    if not rehearse:
        record.write(NAME, **results)


if __name__ == "__main__":
    main()
