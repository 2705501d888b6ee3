"""Train GANs of many kinds on the ring of 8 and the grid of 25 modes, ten seeds each, and count what they cover.

python -m experiments.mixtures                      makes the runs that are missing, then writes the result
python -m experiments.mixtures hinge R1             makes those of some kinds only, as for one process per core
python -m experiments.mixtures --tune [hinge R1]    tries learning rates on seeds that the result does not use
"""

import argparse
import dataclasses
import time

import jax
import keras
import numpy as np
from sklearn.neighbors import NearestNeighbors
from tqdm import tqdm

from experiments.harness import record, training
from helpers import datasets, gans, metrics, storage

NAME = "mixtures"
MIXTURES = {"ring": datasets.ring().standardised(), "grid": datasets.grid().standardised()}
SEEDS = tuple(range(10))  # of weights, noise and training points; fixed before the runs
TUNING_SEEDS = (100, 101)
RATES = (3e-3, 1e-3, 3e-4, 1e-4)
TUNING_LOG = training.RUNS / f"{NAME}_tuning.jsonl"
TRAINING_POINTS, SAMPLES, SAMPLE_SEED = 100_000, 2_500, 12345  # the numbers of PacGAN's protocol
BATCH = 128
COMMON = {
    "batch": BATCH,
    "training_points": TRAINING_POINTS,
    "samples": SAMPLES,
    "sample_seed": SAMPLE_SEED,
}
KEPT = 400  # points of the first seed on the grid that are stored for the picture
STORED_SEEDS = SEEDS[:1]  # whose generators are kept; those of all seeds are measured as they are stored
schedules = keras.optimizers.schedules


@dataclasses.dataclass(frozen=True)
class Kind:
    """Networks, game and length of one way to train."""

    loss: str
    rate: float
    networks: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)
    gamma: tuple = ()  # γ of R1 and R2 at the start and at the end
    decay: bool = False  # cosine decay of the learning rate to 0, otherwise it is constant
    steps: int = 8_000

    def build(self, seed):
        """Return the compiled, untrained GAN."""
        keras.utils.set_random_seed(seed)
        gan = gans.GAN(*gans.point_networks(**self.networks), seed=seed)
        rate = schedules.CosineDecay(self.rate, self.steps) if self.decay else self.rate
        adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        settings = dict(self.settings)
        if self.gamma:
            first, last = self.gamma
            settings["r1"] = settings["r2"] = schedules.ExponentialDecay(first, self.steps, last / first)
        gan.compile(*adams, loss=self.loss, ema=0.999, **settings)
        return gan


BITS = {"bits": 8}
BEST = {"frequencies": (1, 2)}
LONG = {"units": (128,) * 6, **BEST}
KINDS = {
    "minimax": Kind("minimax", 1e-3),
    "non-saturating": Kind("non_saturating", 1e-3),
    "hinge": Kind("hinge", 1e-3),
    "WGAN-GP": Kind("wasserstein", 3e-3, settings={"gradient_penalty": 10.0}),
    "spectral": Kind("hinge", 3e-4, networks={"spectral": True}),
    "packing": Kind("non_saturating", 3e-3, networks={"pack": 2}),
    "R1": Kind("non_saturating", 1e-3, settings={"r1": 0.1}),
    "RpGAN + R1 + R2": Kind("relativistic", 1e-3, settings={"r1": 0.1, "r2": 0.1}),
    "schedules, Fourier": Kind("relativistic", 1e-3, networks=BEST, gamma=(0.1, 0.001), decay=True),
    "long, Gaussian latent": Kind("relativistic", 1e-3, networks=LONG, gamma=(0.1, 0.001), decay=True, steps=40_000),
}
TUNED = tuple(name for name, kind in KINDS.items() if not kind.decay)  # the others keep the rate of what they extend
LONG_KINDS = ("long, Gaussian latent",)  # on the grid only, without bits


def kind_of(name, bits):
    """Return a kind, on request with eight random bits beside the two normal numbers of the latent."""
    kind = KINDS[name]
    return dataclasses.replace(kind, networks={**kind.networks, **BITS}) if bits else kind


def jobs():
    """Return (kind, bits, mixture) of all runs of a seed."""
    short = [(name, bits, mixture) for mixture in MIXTURES for bits in (False, True) for name in KINDS]
    return [(name, bits, mixture) for name, bits, mixture in short if name not in LONG_KINDS] + [
        (name, False, "grid") for name in LONG_KINDS
    ]


def stored(name, bits):
    """Return whether these runs are measured as they are stored, for the claims made about them."""
    return (name == "schedules, Fourier" and bits) or name in LONG_KINDS


def weights_path(name, mixture, seed):
    """Return where the trained generator's weights are stored."""
    short = "long" if name in LONG_KINDS else "bits"
    return record.RESULTS / f"{NAME}_{short}_{mixture}_{seed}.npz"


def drawer(mixture):
    """Return the function that draws a batch from the training points, which all seeds share."""
    data = jax.numpy.asarray(MIXTURES[mixture].sample(TRAINING_POINTS, np.random.default_rng(0)))
    return lambda key: data[jax.random.randint(key, (BATCH,), 0, len(data))]


def sample(gan, average=False, count=SAMPLES):
    """Return generated points (count, 2); those of the averaged generator on request."""
    return gan.sample(count, seed=SAMPLE_SEED, average=average)


def train(kind, mixture, seeds):
    """Train one GAN a seed; return each with its measurements. What is compiled for the first serves all."""
    models = [kind.build(seed) for seed in seeds]
    start = time.process_time()
    logs = gans.train_scanned(models, drawer(mixture), kind.steps, points=8)
    seconds = round((time.process_time() - start) / len(models), 1)
    return [
        (gan, {**measure(gan, mixture, log), "cpu_seconds": seconds}) for gan, log in zip(models, logs, strict=True)
    ]


def measure(gan, mixture, log):
    """Return the coverage of the trained and of the averaged generator, and the losses over eight stretches."""
    averaged = coverage(sample(gan, average=True), mixture)
    losses = {name: log[name].round(4).tolist() for name in ("d_loss", "g_loss")}
    return {**coverage(sample(gan), mixture), "averaged": averaged, **losses}


def coverage(generated, mixture):
    """Return how points cover a mixture; what is not defined without a high-quality point becomes None, for JSON."""
    found = metrics.mode_coverage(generated, MIXTURES[mixture])
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def try_each(kind, mixture, seeds):
    """Do the same, with None for the GAN of a seed on which a loss stopped being finite: it covers nothing."""
    try:
        return train(kind, mixture, seeds)
    except RuntimeError as error:
        nothing = {"modes": 0, "high_quality": 0.0, "reverse_kl": None, "spread": None, "ended": str(error)}
        if len(seeds) == 1:
            return [(None, {**nothing, "averaged": nothing})]
    return [pair for seed in seeds for pair in try_each(kind, mixture, [seed])]


def log_of(name, bits, mixture):
    """Return the log of the finished runs of one kind on one set; it is not committed."""
    settings = {**COMMON, **dataclasses.asdict(kind_of(name, bits))}
    return record.Log(training.RUNS / NAME / f"{name}, {mixture}{', bits' * bits}.jsonl", settings)


def make(name, bits, mixture):
    """Make the missing runs of one kind and write them down."""
    key, log = dict(kind=name, bits=bits, mixture=mixture), log_of(name, bits, mixture)
    seeds = [seed for seed in SEEDS if log.find(**key, seed=seed) is None]
    pairs = try_each(kind_of(name, bits), mixture, seeds) if seeds else []
    for seed, (gan, measured) in zip(seeds, pairs, strict=True):
        if stored(name, bits) and gan:
            storage.save_weights(weights_path(name, mixture, seed), gan.generator.get_weights())
            measured["as_stored"] = measure_stored(name, bits, mixture, seed)
            if seed not in STORED_SEEDS:
                weights_path(name, mixture, seed).unlink()
        if gan and (seed, mixture, bits) == (SEEDS[0], "grid", False):
            measured["points"] = np.round(sample(gan, count=KEPT).astype(float), 3).tolist()
        log.add(measured, **key, seed=seed)


def load(name, bits, mixture, seed):
    """Return the trained generator, its weights as they are stored: float16."""
    generator, _ = gans.point_networks(**kind_of(name, bits).networks)
    generator.set_weights(storage.load_weights(weights_path(name, mixture, seed)))
    return generator


def measure_stored(name, bits, mixture, seed):
    """Return the coverage of a stored generator, and how near its points lie to each other."""
    generator = load(name, bits, mixture, seed)
    latents = keras.random.normal((SAMPLES, generator.input_shape[-1]), seed=SAMPLE_SEED)
    generated = generator.predict(latents, batch_size=1000, verbose=0)
    return {**coverage(generated, mixture), "gap": gap(generated)}


def gap(points):
    """Return the median distance of points (n, 2) to the nearest other one."""
    distances, _ = NearestNeighbors(n_neighbors=2).fit(points).kneighbors(points)
    return float(np.median(distances[:, 1]))  # (n, 2), itself first -> (n,)


def settings():
    """Return all settings as JSON can hold them."""
    kinds = {name: dataclasses.asdict(kind) for name, kind in KINDS.items()}
    return {"kinds": kinds, **COMMON, **BITS, "stored_seeds": STORED_SEEDS}


def tune(names):
    """Try each learning rate on the tuning seeds, without bits, and write down what it gives."""
    log = record.Log(TUNING_LOG, {"seeds": TUNING_SEEDS, "rates": RATES})
    for key in tqdm([(name, mixture, rate) for name in names for mixture in MIXTURES for rate in RATES], desc="tuning"):
        key = dict(zip(("kind", "mixture", "rate"), key, strict=True))
        if log.find(**key) is None:
            log.add(
                {"seeds": attempt(dataclasses.replace(KINDS[key["kind"]], rate=key["rate"]), key["mixture"])}, **key
            )
    record.write(f"{NAME}_tuning", seeds=TUNING_SEEDS, rates=RATES, runs=log.runs)


def attempt(kind, mixture):
    """Return what each tuning seed covers; a run that a loss ended, which is no longer finite, covers nothing."""
    try:
        rows = [measured for _, measured in train(kind, mixture, TUNING_SEEDS)]
    except RuntimeError:
        return [{"modes": 0, "high_quality": 0.0} for _ in TUNING_SEEDS]
    return [{"modes": row["modes"], "high_quality": round(row["high_quality"], 3)} for row in rows]


def best_rate(runs, kind):
    """Return the learning rate with the largest mean, over sets and seeds, of share of modes × high quality."""

    def score(rate):
        """Return this mean."""
        found = [run for run in runs if (run["kind"], run["rate"]) == (kind, rate)]
        parts = [
            seed["modes"] / len(MIXTURES[run["mixture"]].centers) * seed["high_quality"]
            for run in found
            for seed in run["seeds"]
        ]
        return float(np.mean(parts))

    return max(RATES, key=score)


def write():
    """Write the result, of the runs that there are."""
    runs = [run for job in jobs() for run in sorted(log_of(*job).runs, key=lambda run: run["seed"])]
    record.write(NAME, settings=settings(), runs=runs)


def main():
    """Make the runs that are missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", help=f"all by default: {', '.join(KINDS)}")
    parser.add_argument("--tune", action="store_true", help=f"try learning rates; by default of {', '.join(TUNED)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - KINDS.keys():
        parser.error(f"kinds: got {', '.join(unknown)}, expected some of {', '.join(KINDS)}")
    if arguments.tune:
        tune(arguments.kinds or TUNED)
        return
    for job in tqdm([job for job in jobs() if job[0] in (arguments.kinds or KINDS)], desc=NAME, unit="kind"):
        make(*job)
        write()


if __name__ == "__main__":
    main()
