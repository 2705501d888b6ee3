"""Train plain and variational autoencoders alike and sample their decoders from several distributions of codes.

python -m experiments.code_distributions               trains, measures and writes the result; on a CPU, some hours
python -m experiments.code_distributions --peeking     adds decoders that also see the pixels before
python -m experiments.code_distributions --rehearse    all of it with few digits, epochs and seeds, and writes nothing

All networks are equal, and so are the digits, the epochs and the search for a learning rate. A plain autoencoder is a
variational one without noise and without the KL divergence, so all copies are trained as one program. The weight β of
the divergence is a variable of each copy: the runs with β = 0.25, 4 and 16 are part of the same stack.
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

from experiments import record
from experiments.stacked import Stack

NAME = "code_distributions"
# kind: (weight of the KL divergence, scale of the noise)
KINDS = {"plain": (0, 0), "vae": (1, 1), "beta-0.25": (0.25, 1), "beta-4": (4, 1), "beta-16": (16, 1)}
KINDS |= {"peeking": (1, 1), "warmed-up": (1, 1)}
PAIR = ("plain", "vae")  # those that are sampled
PEEKING = ("peeking", "warmed-up")  # trained by themselves: their networks are others
LATENT_DIM, WIDTH, SAMPLES, ROUNDS = 50, 200, 10_000, 100
EXAMPLES = 10  # digits, one of each class, whose reconstructions are stored
USED = 0.1  # nats: a latent with a larger mean KL divergence counts as used


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is trained, and for how long."""

    rates: tuple = (1e-3, 2e-3, 4e-3, 8e-3)
    tuning_seed: int = 100
    warm_up: int = 20  # epochs in which the weight of the KL divergence rises from 0 to 1
    tuning_epochs: int = 100
    epochs: int = 200
    batch_size: int = 200
    seeds: tuple = (0, 1, 2, 3, 4)
    beta_seeds: tuple = (0, 1, 2)
    components: tuple = (1, 3, 10, 30, 100, 300)
    fixed_components: int = 10
    codes: int = 50_000  # training codes that a distribution is fitted to
    digits: int = 50_000
    # the chapter's own budget
    short_digits: int = 25_000
    short_epochs: int = 5
    short_batch_size: int = 100
    short_rate: float = 4e-3


REHEARSAL = Settings(
    rates=(2e-3, 4e-3), tuning_epochs=1, warm_up=1, epochs=2, seeds=(0, 1), beta_seeds=(0,), components=(1, 3),
    fixed_components=2, codes=1_000, digits=2_000, short_digits=1_000, short_epochs=1,
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


class PeekingModel(Model):
    """One whose decoder also sees the pixels before the one it draws, in reading order."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.peek = keras.layers.Dense(
            784, use_bias=False, kernel_initializer="zeros", kernel_constraint=lambda kernel: ops.triu(kernel, 1)
        )
        self.peek.build((None, 784))

    def call(self, images, training=False):
        """Return the same dictionary, its logits raised by a weighted sum of the pixels before."""
        outputs = super().call(images, training)
        return {**outputs, "logits": outputs["logits"] + self.peek(images)}


def build(kind, seed, rate, images):
    """Return a compiled model of one kind; `images` (n, 784) set the decoder's output biases."""
    keras.utils.set_random_seed(seed)
    encoder, decoder = autoencoders.vae_networks(LATENT_DIM, WIDTH, images)
    make = PeekingModel if kind in PEEKING else Model
    model = make(encoder, decoder, *KINDS[kind], seed)
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

    def train(self, images, held_out, epochs, batch_size, title, warm_up=0):
        """Train all on grey digits (n, 784), binarised anew at each step; watch the loss on binary held-out digits.

        The weight of the KL divergence of copies of the kind ``warmed-up`` rises from 0 in the first epochs.
        """
        warmed = np.array([kind == "warmed-up" for kind, _, _ in self.keys])

        def watch(epoch):
            for curve, value in zip(self.curves, self.losses(held_out), strict=True):
                curve.append(round(float(value), 3))
            if warmed.any():
                self.set_kl_weights(np.where(warmed, min(epoch / max(warm_up, 1), 1), self.weights))

        self.set_kl_weights(np.where(warmed, 0, self.weights))
        return self.fit(images, batch_size, epochs, watch=watch, title=title, prepare=flip)

    def set_kl_weights(self, weights):
        """Set the weight of the KL divergence of each copy, (copies,)."""
        variables = self.model.non_trainable_variables
        place = next(index for index, variable in enumerate(variables) if variable is self.model.kl_weight)
        self.states[1][place] = jnp.asarray(weights, "float32")

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

    def __init__(self, settings, log):
        self.settings, self.log = settings, log
        self.mnist = datasets.load_mnist()
        train, validation, test = (
            images.reshape(-1, 784)
            for images in (self.mnist.train_images, self.mnist.validation_images, self.mnist.test_images)
        )
        self.train, self.validation, self.test = train[: settings.digits], validation, test
        self.held_out = datasets.binarise(validation, np.random.default_rng(1))
        self.networks = Networks()
        self.references = {}

    def step(self, name, work):
        """Return the logged result of a step, or do it and log it."""
        done = self.log.find(step=name)
        if done is None:
            self.log.add({"result": work()}, step=name)
            done = self.log.find(step=name)
        return done["result"]

    def stack(self, keys, title, *, images=None, **budget):
        """Return trained copies."""
        images = self.train if images is None else images
        return Copies(keys, images).train(images, self.held_out, title=title, **budget)

    def distance(self, images, split):
        """Return the Fréchet digit distance to the digits of a split."""
        if split not in self.references:
            self.references[split] = metrics.features(getattr(self, split))
        return metrics.frechet_distance(metrics.features(images), self.references[split])

    # --- the steps ---

    def tune(self):
        """Try every rate for every kind; then the number of components with the best rate, on validation digits."""
        kinds = [kind for kind in KINDS if kind not in PEEKING]
        keys = [(kind, self.settings.tuning_seed, rate) for kind in kinds for rate in self.settings.rates]
        stack = self.stack(keys, "rates", epochs=self.settings.tuning_epochs, batch_size=self.settings.batch_size)
        tried = [
            {"kind": kind, "rate": rate, "curve": curve}
            for (kind, _, rate), curve in zip(keys, stack.curves, strict=True)
        ]
        losses = np.array([run["curve"][-1] for run in tried]).reshape(len(kinds), -1)
        best = np.nanargmin(losses, axis=1)
        rates = {kind: self.settings.rates[place] for kind, place in zip(kinds, best, strict=True)}
        sampled = {kind: copy(stack, keys.index((kind, self.settings.tuning_seed, rates[kind]))) for kind in PAIR}
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

    def short(self):
        """Train and sample five seeds of both kinds for as long as the chapter does."""
        keys = [(kind, seed, self.settings.short_rate) for kind in PAIR for seed in self.settings.seeds]
        images = self.train[: self.settings.short_digits]
        budget = dict(epochs=self.settings.short_epochs, batch_size=self.settings.short_batch_size)
        stack = self.stack(keys, "short", images=images, **budget)
        return self.runs(stack, [1, self.settings.fixed_components])

    def long(self, tuned):
        """Train the final seeds, measure all of them on the test digits, and store the first copies' weights."""
        seeds = {kind: self.settings.seeds if kind in PAIR else self.settings.beta_seeds for kind in tuned["rates"]}
        keys = [(kind, seed, rate) for kind, rate in tuned["rates"].items() for seed in seeds[kind]]
        stack = self.stack(keys, "final", epochs=self.settings.epochs, batch_size=self.settings.batch_size)
        counts = {kind: best_components(tuned["sampled"][kind]) for kind in PAIR}
        runs = self.runs(stack, [1, self.settings.fixed_components, *counts.values()])
        return {"runs": self.add_terms(stack, runs), "components": counts, **self.store(stack)}

    def peeking(self, tuned):
        """Train decoders that see the pixels before, with and without warm-up, at the rate of the variational kind."""
        keys = [(kind, seed, tuned["rates"]["vae"]) for kind in PEEKING for seed in self.settings.seeds]
        budget = dict(epochs=self.settings.epochs, batch_size=self.settings.batch_size, warm_up=self.settings.warm_up)
        stack = self.stack(keys, "peeking", **budget)
        return self.add_terms(stack, self.runs(stack, []))

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

    def runs(self, stack, counts):
        """Return an entry a copy: its validation curve and, for the plain and the variational ones, distances."""
        runs = [
            {"kind": kind, "seed": seed, "rate": rate, "curve": curve}
            for (kind, seed, rate), curve in zip(stack.keys, stack.curves, strict=True)
        ]
        sampled = {index: copy(stack, index) for index, run in enumerate(runs) if run["kind"] in PAIR}
        images, normal = self.train[: self.settings.codes], standard_normal()
        codes = [codes_of(self.networks, runs[index]["kind"], weights, images) for index, weights in sampled.items()]
        for index, weights in sampled.items():
            redrawn = self.networks.decode(weights, self.networks.encode(weights, self.test)[0])
            runs[index]["squared_error"] = float(metrics.squared_error(self.test, redrawn).mean())
            distances = {"reconstructions": redrawn, "normal": self.networks.decode(weights, normal)}
            runs[index]["fdd"] = {name: self.distance(images, "test") for name, images in distances.items()}
        for count in sorted(set(counts)):
            for (index, weights), mixture in zip(sampled.items(), mixtures_of(codes, count), strict=True):
                runs[index]["fdd"][str(count)] = self.sample(weights, mixture.draw(SAMPLES), "test")
        return runs

    def store(self, stack):
        """Write the first seed's plain autoencoder, variational decoder and, of every β, one reconstruction a digit."""
        places = {key[0]: index for index, key in reversed(list(enumerate(stack.keys)))}
        encoder_size = len(self.networks.encoder.weights)
        kept = {"plain": copy(stack, places["plain"]), "vae": copy(stack, places["vae"])[encoder_size:]}
        for kind, weights in kept.items():
            storage.save_weights(self.path(kind), weights, "int8")
        digits = self.test[[np.flatnonzero(self.mnist.test_labels == digit)[0] for digit in range(EXAMPLES)]]
        redrawn = {}
        for kind, index in places.items():
            weights = copy(stack, index)
            redrawn[kind] = np.round(255 * self.networks.decode(weights, self.networks.encode(weights, digits)[0]))
        np.savez_compressed(self.path("redrawn"), **{kind: rows.astype("uint8") for kind, rows in redrawn.items()})
        return {"stored_fdd": self.measure_stored()}

    def measure_stored(self):
        """Return the distances of the stored decoders: the plain one with a mixture that scikit-learn fits anew."""
        plain, decoder = (storage.load_weights(self.path(kind)) for kind in PAIR)
        codes = mixture_codes(codes_of(self.networks, "plain", plain, self.train[:SAMPLES]))
        weights = [*plain[: len(self.networks.encoder.weights)], *decoder]  # its encoder is not needed
        return {"plain": self.sample(plain, codes, "test"), "vae": self.sample(weights, standard_normal(), "test")}

    def path(self, which):
        """Return where something is stored; a rehearsal stores beside its log."""
        rehearsed = self.settings == REHEARSAL
        return self.log.path.with_name(f"{NAME}_{which}.npz") if rehearsed else record.weights_path(NAME, which)


def best_components(sampled):
    """Return the number of components with the smallest distance on validation digits."""
    return int(min((count for count in sampled if count.isdigit()), key=sampled.get))


def main(arguments=None):
    """Tune, train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="few digits, epochs and seeds; writes no result")
    parser.add_argument("--peeking", action="store_true", help="add the decoders that see the pixels before")
    rehearse, peeking = (options := parser.parse_args(arguments)).rehearse, options.peeking or options.rehearse
    settings = REHEARSAL if rehearse else Settings()
    path = Path(__file__).with_name("runs") / f"{NAME}{'_rehearsal' if rehearse else ''}.jsonl"
    if rehearse:
        path.unlink(missing_ok=True)
    study = Study(settings, record.Log(path, dataclasses.asdict(settings)))
    tuned = study.step("tune", study.tune)
    short = study.step("short", study.short)
    final = study.step("long", lambda: study.long(tuned))
    if peeking:
        final["peeking"] = study.step("peeking", lambda: study.peeking(tuned))
    print(tuned["rates"], tuned["sampled"], final["components"])
    for run in (*short, *final["runs"], *final.get("peeking", [])):
        print({name: value for name, value in run.items() if name not in ("curve", "kl")}, run["curve"][-1])
    if not rehearse:
        kinds = {kind: {"kl_weight": weight, "noise": noise} for kind, (weight, noise) in KINDS.items()}
        given = {"settings": dataclasses.asdict(settings), "kinds": kinds, "used_above": USED}
        record.write(NAME, **given, tuning=tuned, short=short, **final)


if __name__ == "__main__":
    main()
