"""Train an autoencoder, a variational and an adversarial one, a VAE-GAN and a GAN for equal measured times.

python -m experiments.connections --jobs 10    makes the runs that are missing, ten at a time, one core each
python -m experiments.connections --collect    only writes the result, from the runs that there are
python -m experiments.connections --rehearse   makes a tiny run of each model and writes nothing into results

Each model gets six settings, tried for a third of the budget on the validation digits; the best is trained for the
whole budget on each seed, and the plain autoencoder on one seed for three budgets. A budget is seconds of training on
one core: the clock stands while JAX compiles and while the model is measured, and the learning rate falls with the
share that is spent.
"""

import argparse
import concurrent.futures
import itertools
import json
import os
import queue
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from experiments.harness import record, rounding, training
from helpers import autoencoders, claims, datasets, gans, metrics, storage
from helpers.gans import hybrids
from helpers.training import Values

NAME = "connections"
SEEDS = (0, 1, 2)  # fixed before the runs
TUNING_SEED = 100  # settings are compared with this one, on the validation digits
BUDGET = 60.0  # seconds of one core a run
LENGTHS = {"tune": 1 / 3, "final": 1.0, "long": 3.0}  # in budgets
LONG = ("autoencoder",)
POINTS = 6  # of the curve of a run
SAMPLES, CURVE_SAMPLES, SAMPLE_SEED, NEIGHBOURS = 10_000, 5_000, 12345, 5
STORED_AS, ROUNDED_ON = "int6", 20_000  # latents of each origin on which the rounding costs little
PROBED = 10_000  # training digits whose codes the linear classifier sees
LIKELIHOOD = {"images": 1_000, "samples": 500}
IMAGE, PIXELS, BATCH_SIZE = (28, 28, 1), 784, 64
NETWORKS = {"code_dim": 16, "decoder": (256, 512), "encoder": (512, 256), "activation": "relu"}
GAME = {"loss": "relativistic", "penalty_batch": 8}
SIX_RATES = [{"rate": rate} for rate in (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3)]
CANDIDATES = {
    "autoencoder": SIX_RATES,
    "variational": SIX_RATES,
    "adversarial": [{"rate": rate, "weight": weight} for rate in (1e-3, 2e-3, 4e-3) for weight in (10.0, 30.0)],
    "vae_gan": [{"rate": rate, "kl_weight": weight} for rate in (1e-3, 2e-3, 4e-3) for weight in (0.1, 0.3)],
    "gan": [{"rate": rate, "gamma": gamma} for rate in (1e-3, 2e-3, 4e-3) for gamma in (0.1, 0.3)],
}


class Kind:
    """How one kind of model is built, and asked for images and codes; these are the adversarial ones' ways."""

    betas = (0.0, 0.99)  # of Adam

    def adams(self, rate, count):
        """Return optimizers with a constant rate; the training makes it fall."""
        first, second = self.betas
        return [keras.optimizers.Adam(rate, beta_1=first, beta_2=second) for _ in range(count)]

    def batches(self, images, seed):
        """Return the mini-batches of images (n, 28, 28, 1)."""
        return datasets.ShuffledBatches(images, BATCH_SIZE, seed)

    def decoder(self, model):
        """Return the network that makes images (n, 28, 28, 1) of latents (n, 16)."""
        return model.decoder

    def encode(self, model, images):
        """Return codes (n, 16) of images (n, 28, 28, 1), or None where nothing encodes."""
        return model.encode(images)

    def origins(self, codes):
        """Return, for each way to draw latents, mean (16,) and matrix (16, 16): a latent is mean + matrix · normal."""
        return {"samples": (np.zeros(NETWORKS["code_dim"]), np.eye(NETWORKS["code_dim"]))}

    def likelihood(self, model, images):
        """Return the mean log-likelihood of images in nats, or None where the model defines none."""
        return None


class PlainAutoencoder(Kind):
    """It has no prior: latents are drawn as the training digits' codes are spread, at best."""

    betas = (0.9, 0.999)

    def build(self, seed, rate):
        """Return the compiled model."""
        model = keras.Sequential([keras.Input(IMAGE), encoder(NETWORKS["code_dim"]), pair()[0]])
        model.compile(*self.adams(rate, 1), hybrids.squared_error)
        return model

    def batches(self, images, seed):
        """Return mini-batches whose targets are the images."""
        return datasets.ShuffledBatches(images, BATCH_SIZE, seed, labels=images)

    def decoder(self, model):
        """Return the second half."""
        return model.layers[1]

    def encode(self, model, images):
        """Return what the first half makes of images."""
        return model.layers[0].predict(images, batch_size=1000, verbose=0)

    def origins(self, codes):
        """Return the codes' mean with their deviations alone, and with their whole covariance."""
        mean, covariance = codes.mean(axis=0), np.cov(codes, rowvar=False)
        return {"samples": (mean, np.diag(codes.std(axis=0))), "fitted": (mean, np.linalg.cholesky(covariance))}


class Variational(Kind):
    """It sees digits binarised anew each epoch, so that its likelihood is one of black and white pixels."""

    betas = (0.9, 0.999)

    def build(self, seed, rate):
        """Return the compiled model."""
        code_dim, units = NETWORKS["code_dim"], NETWORKS["decoder"]
        decoder = gans.dense_network((code_dim,), units, PIXELS, NETWORKS["activation"], normalise=True)
        model = autoencoders.VariationalAutoencoder(encoder(2 * code_dim, (PIXELS,)), decoder, seed=seed)
        model.compile(*self.adams(rate, 1))
        return model

    def batches(self, images, seed):
        """Return mini-batches of rows of black and white pixels."""
        rows = images.reshape(-1, PIXELS)
        return datasets.ShuffledBatches(rows, BATCH_SIZE, seed, transform=datasets.binarise)

    def decoder(self, model):
        """Return the decoder with the sigmoid at its end: it gives the pixels' probabilities."""
        decoder, _ = pair()
        decoder.set_weights(model.decoder.get_weights())
        return decoder

    def encode(self, model, images):
        """Return the means of q(z|x), for grey images."""
        encoded = model.encoder.predict(images.reshape(-1, PIXELS), batch_size=1000, verbose=0)
        return encoded[:, : NETWORKS["code_dim"]]

    def likelihood(self, model, images):
        """Return the importance-sampled likelihood of the first images, binarised."""
        binary = datasets.binarise(images[: LIKELIHOOD["images"]].reshape(-1, PIXELS), np.random.default_rng(0))
        return float(metrics.importance_log_likelihood(model, binary, LIKELIHOOD["samples"]).mean())


class Adversarial(Kind):
    """The adversarial autoencoder."""

    betas = (0.5, 0.99)

    def build(self, seed, rate, weight):
        """Return the compiled model."""
        code_dim = NETWORKS["code_dim"]
        judge = gans.dense_network((code_dim,), NETWORKS["encoder"], 1, NETWORKS["activation"])
        model = hybrids.AdversarialAutoencoder(encoder(code_dim), pair()[0], judge, seed=seed)
        model.compile(*self.adams(rate, 2), adversarial_weight=weight, r1=0.1, r2=0.1, **GAME)
        return model


class VaeGan(Kind):
    """The VAE-GAN."""

    def build(self, seed, rate, kl_weight):
        """Return the compiled model."""
        model = hybrids.VAEGAN(encoder(2 * NETWORKS["code_dim"]), *pair(), seed=seed)
        weights = dict(reconstruction_weight=0.1, kl_weight=kl_weight)
        model.compile(*self.adams(rate, 3), r1=0.3, r2=0.3, **weights, **GAME)
        return model


class Gan(Kind):
    """The GAN, whose averaged generator is measured."""

    def build(self, seed, rate, gamma):
        """Return the compiled model."""
        model = gans.GAN(*pair(), seed=seed)
        model.compile(*self.adams(rate, 2), r1=gamma, r2=gamma, ema=0.999, **GAME)
        return model

    def decoder(self, model):
        """Return the averaged generator."""
        return model.ema_generator

    def encode(self, model, images):
        """Return None: nothing encodes."""


KINDS = {
    "autoencoder": PlainAutoencoder(),
    "variational": Variational(),
    "adversarial": Adversarial(),
    "vae_gan": VaeGan(),
    "gan": Gan(),
}


def encoder(outputs, shape=IMAGE):
    """Return an untrained encoder 784-512-256-outputs."""
    return gans.dense_network(shape, NETWORKS["encoder"], outputs, NETWORKS["activation"], name="encoder")


def pair():
    """Return an untrained decoder, 16-256-512-784 with layer normalisation, and a discriminator of images."""
    units = NETWORKS["decoder"], NETWORKS["encoder"]
    return gans.dense_networks(NETWORKS["code_dim"], *units, NETWORKS["activation"], normalise=True)


# --- Training for a time ---------------------------------------------------------------------------------------------


class Timed:
    """A model that trains for a given time: the clock stands while something else is done.

    Parameters
    ----------
    model : keras.Model
        Compiled, with constant learning rates.
    batches : helpers.datasets.ShuffledBatches
        Its data.
    budget : float
        Seconds of training.
    """

    def __init__(self, model, batches, budget):
        self.model, self.batches, self.budget = model, batches, budget
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        names = [variable.name for variable in model.optimizer.variables]
        self.state = tuple(map(list, _copies(Values.of(model).state())))
        self.rates = {i: float(self.state[2][i]) for i, name in enumerate(names) if name == "learning_rate"}
        self.steps, self.spent = 0, 0.0
        self.step = jax.jit(self._step, donate_argnums=0)
        state = _copies(self.state)
        for _ in range(2):  # compiles, for the state as it is made and as a step returns it
            state, logs = self.step(state, np.float32(1), batches[0])
        jax.block_until_ready(logs)

    def _step(self, state, factor, batch):
        """Make one step at the given share of the learning rates."""
        slots = list(state[2])
        for index, rate in self.rates.items():
            slots[index] = rate * factor
        logs, state = self.model.train_step((state[0], state[1], slots, state[3]), batch)
        return tuple(map(list, state)), logs

    def train(self, share):
        """Train until this share of the budget is spent; write what was learned into the model."""
        last = time.perf_counter()
        while self.spent < share * self.budget:
            factor = np.float32(0.5 + 0.5 * np.cos(np.pi * min(self.spent / self.budget, 1)))
            for _ in range(10):
                epoch, index = divmod(self.steps, len(self.batches))
                if index == 0:
                    self.batches.set_epoch(epoch)
                self.state, logs = self.step(self.state, factor, self.batches[index])
                self.steps += 1
            jax.block_until_ready(logs)
            now = time.perf_counter()
            self.spent, last = self.spent + now - last, now
        Values(self.model, _copies(self.state)).assign()


def _copies(state):
    """Return copies of all arrays: a step may write into those that it is given."""
    return jax.tree.map(jnp.array, state)


def train(name, seed, settings, budget, mnist):
    """Train one model; return it and what the run cost, with the curve of its samples on the validation digits."""
    keras.utils.set_random_seed(seed)
    kind = KINDS[name]
    run = Timed(kind.build(seed, **settings), kind.batches(mnist.train_images, seed), budget)
    goal, curve = metrics.features(mnist.validation_images), []
    for share in np.linspace(0, 1, POINTS + 1)[1:]:
        run.train(share)
        digits = samples(kind.decoder(run.model), *origins(kind, run.model, mnist)["samples"], CURVE_SAMPLES)
        fdd = metrics.frechet_distance(metrics.features(digits), goal)
        curve.append({"seconds": round(run.spent, 2), "steps": run.steps, "validation_fdd": fdd})
    steps = {"steps": run.steps, "epochs": run.steps / len(run.batches)}
    return run.model, {"seconds": round(run.spent, 2), **steps, "curve": curve}


def origins(kind, model, mnist):
    """Return the ways to draw latents, from the codes of the training digits where there are any."""
    return kind.origins(kind.encode(model, mnist.train_images))


# --- Measuring -------------------------------------------------------------------------------------------------------


def paint(decoder, latents):
    """Return images (n, 28, 28, 1) of latents (n, 16), with 0 < pixel < 1."""
    return decoder.predict(latents, batch_size=1000, verbose=0)


def samples(decoder, mean, matrix, count=None):
    """Return images of latents mean + matrix · normal, from the first normal numbers of every measurement."""
    normal = np.asarray(keras.random.normal((SAMPLES, NETWORKS["code_dim"]), seed=SAMPLE_SEED))[:count]
    return paint(decoder, (np.asarray(mean) + normal @ np.asarray(matrix).T).astype("float32"))


def compare(digits, real, real_features):
    """Return distance, overlap and sharpness of digits beside real ones."""
    features = metrics.features(digits)
    return {
        "fdd": metrics.frechet_distance(features, real_features),
        **metrics.neighbour_metrics(real_features, features, NEIGHBOURS),
        "sharpness_over_real": metrics.sharpness(digits) / metrics.sharpness(real),
    }


def probe(train_codes, train_labels, codes, labels):
    """Return the accuracy of a linear classifier of codes, trained on others."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(classifier.fit(train_codes, train_labels).score(codes, labels))


def measure_encoder(kind, model, decoder, mnist, real_features):
    """Return what codes and reconstructions of the test digits are worth."""
    codes = kind.encode(model, mnist.test_images)
    redrawn = paint(decoder, codes)
    train_codes = kind.encode(model, mnist.train_images[:PROBED])
    return {
        "squared_error": float(metrics.squared_error(mnist.test_images, redrawn).mean()),
        "reconstruction_fdd": metrics.frechet_distance(metrics.features(redrawn), real_features),
        "probe_accuracy": probe(train_codes, mnist.train_labels[:PROBED], codes, mnist.test_labels),
    }


def measure(name, model, path, mnist):
    """Store the decoder in 8 bits in `path`, put that one back, and return all measurements against the test digits."""
    kind, real_features = KINDS[name], metrics.features(mnist.test_images)
    decoder = kind.decoder(model)
    nats = kind.likelihood(model, mnist.test_images)
    storage.save_weights(path, decoder.get_weights(), "int8")
    decoder.set_weights(storage.load_weights(path))
    ways = origins(kind, model, mnist)
    rows = {origin: compare(samples(decoder, *how), mnist.test_images, real_features) for origin, how in ways.items()}
    encodes = kind.encode(model, mnist.test_images[:1]) is not None
    return {
        **rows,
        **(measure_encoder(kind, model, decoder, mnist, real_features) if encodes else {}),
        "log_likelihood": nats,
        "origins": {origin: [array.tolist() for array in how] for origin, how in ways.items()},
        "weights": int(sum(np.prod(variable.shape) for variable in model.trainable_variables)),
    }


def store(name, decoder, ways):
    """Round the weights of a first seed's decoder to 6 bits, in place, for latents of these origins, and store them."""
    normal = np.random.default_rng(0).standard_normal((ROUNDED_ON, NETWORKS["code_dim"]), dtype="float32")
    latents = [np.float32(mean) + normal @ np.float32(matrix).T for mean, matrix in ways.values()]
    rounding.round_network(decoder, np.concatenate(latents), STORED_AS)
    storage.save_weights(record.weights_path(NAME, name, SEEDS[0]), decoder.get_weights(), STORED_AS)


def measure_stored(name, ways, real, real_features):
    """Return distance and sharpness of the digits of a stored decoder, for latents of each origin."""
    drawn = {origin: samples(load(name), *how) for origin, how in ways.items()}
    return {
        origin: {
            "fdd": metrics.frechet_distance(metrics.features(digits), real_features),
            "sharpness_over_real": metrics.sharpness(digits) / metrics.sharpness(real),
        }
        for origin, digits in drawn.items()
    }


def load(name):
    """Return the decoder of a model's first seed, its weights as they are stored: 6-bit integers."""
    decoder, _ = pair()
    decoder.set_weights(storage.load_weights(record.weights_path(NAME, name, SEEDS[0])))
    return decoder


# --- The runs --------------------------------------------------------------------------------------------------------


def folder():
    """Return where the finished runs are; it is not committed."""
    return training.RUNS / NAME


def file_of(phase, name, seed, number):
    """Return the file of one run, that of candidate `number` of a model."""
    return folder() / f"{phase}_{name}_{seed}_{number}.json"


def make(phase, name, seed, number):
    """Train and measure one model and write it down; nothing is done where that is done already."""
    path = file_of(phase, name, seed, number)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mnist, settings = datasets.load_mnist(), CANDIDATES[name][number]
    model, log = train(name, seed, settings, LENGTHS[phase] * BUDGET, mnist)
    row = {"model": name, "seed": seed, "settings": settings, "conditions": claims.run_record(), **log}
    if phase != "tune":
        row |= measure(name, model, path.with_suffix(".npz"), mnist)
    if phase == "final" and seed == SEEDS[0]:
        store(name, KINDS[name].decoder(model), row["origins"])
        row["as_stored"] = measure_stored(name, row["origins"], mnist.test_images, metrics.features(mnist.test_images))
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(row), encoding="utf-8")
    partial.replace(path)


def tuned(name):
    """Return the runs of a model's candidates."""
    return [record.read_json(file_of("tune", name, TUNING_SEED, i)) for i in range(len(CANDIDATES[name]))]


def best(name):
    """Return the number of the candidate whose samples were nearest to the validation digits."""
    return int(np.argmin([run["curve"][-1]["validation_fdd"] for run in tuned(name)]))


def tuning_jobs():
    """Return phase, model, seed and candidate of all trials."""
    return [("tune", name, TUNING_SEED, i) for name in KINDS for i in range(len(CANDIDATES[name]))]


def final_jobs():
    """Return the same of the runs with the best settings."""
    chosen = {name: best(name) for name in KINDS}
    final = [("final", name, seed, chosen[name]) for seed in SEEDS for name in KINDS]
    return final + [("long", name, SEEDS[0], chosen[name]) for name in LONG]


def run_all(jobs, at_once, title):
    """Make the missing ones of these runs, each in a process of its own on a core of its own."""
    missing = [job for job in jobs if not file_of(*job).exists()]
    cores = queue.SimpleQueue()
    for core in record.cores()[:at_once]:
        cores.put(core)

    def run(job):
        """Run one of them on the next free core."""
        core = cores.get()
        # Before JAX counts the cores; only Linux can.
        pinned = f"import os; hasattr(os, 'sched_setaffinity') and os.sched_setaffinity(0, {{{core}}})"
        pinned += f"; from experiments import {NAME}; {NAME}.make{job}"
        done = subprocess.run([sys.executable, "-c", pinned], env={**os.environ, "JAX_PLATFORMS": "cpu"}, check=False)
        cores.put(core)
        return done.returncode

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        failed = sum(map(bool, tqdm(pool.map(run, missing), total=len(missing), desc=title, unit="run")))
    if failed:
        print(f"{failed} of {len(missing)} runs failed", flush=True)


def settings():
    """Return all settings as JSON can hold them."""
    sizes = dict(samples=SAMPLES, sample_seed=SAMPLE_SEED, neighbours=NEIGHBOURS, likelihood=LIKELIHOOD)
    return dict(budget=BUDGET, lengths=LENGTHS, networks=NETWORKS, candidates=CANDIDATES, **sizes)


def collect():
    """Write the result, of the runs that there are, with the conditions of the last."""
    rows = {job: record.read_json(file_of(*job)) for job in final_jobs() if file_of(*job).exists()}
    tuning = {name: tuned(name) for name in KINDS}
    for row in [*itertools.chain(*tuning.values()), *rows.values()]:
        conditions = row.pop("conditions")
    for (phase, _, seed, _), row in rows.items():
        if phase == "long" or seed != SEEDS[0]:
            del row["origins"]  # those of the stored decoders are enough
    runs, long = ([row for job, row in rows.items() if job[0] == phase] for phase in ("final", "long"))
    found = {"runs": runs, "long": long, "tuning": tuning}
    record.rewrite(NAME, {"experiment": NAME, "conditions": {**conditions, "cpus": 1}, **found, **settings()})


def rehearse():
    """Make a tiny run of each model, and return its row."""
    small = dict(BUDGET=0.3, SAMPLES=300, CURVE_SAMPLES=200, PROBED=300, POINTS=2)
    globals().update(small, LIKELIHOOD={"images": 20, "samples": 10})
    mnist = datasets.load_mnist()
    few = mnist._replace(**{name: getattr(mnist, name)[:640] for name in mnist._fields})
    rows = {}
    for name in tqdm(KINDS, desc="rehearsal", unit="model"):
        model, log = train(name, TUNING_SEED, CANDIDATES[name][0], BUDGET, few)
        path = folder() / "rehearsal.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows[name] = {**log, **measure(name, model, path, few)}
    return rows


def main():
    """Make what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, one core each")
    parser.add_argument("--collect", action="store_true", help="only write the result")
    parser.add_argument("--rehearse", action="store_true", help="make tiny runs, write no result")
    arguments = parser.parse_args()
    if arguments.rehearse:
        for name, row in rehearse().items():
            print(name, row["steps"], "steps,", row["seconds"], "s,", row["curve"][-1])
    else:
        if not arguments.collect:
            run_all(tuning_jobs(), arguments.jobs, "settings")
            run_all(final_jobs(), arguments.jobs, "models")
        collect()


if __name__ == "__main__":
    main()
