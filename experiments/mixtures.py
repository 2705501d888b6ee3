"""Train GANs of many kinds on the ring of 8 and the grid of 25 modes, ten seeds each, and count what they cover.

python -m experiments.mixtures              makes the runs that are missing, then writes the result
python -m experiments.mixtures --part 0/2   makes only every second of them, for one process per core
python -m experiments.mixtures --tune       tries learning rates on seeds that the result does not use
"""

import argparse
import dataclasses
import time

import jax
import keras
import numpy as np
from tqdm import tqdm

from experiments import record
from helpers import datasets, gans, metrics, points, storage

NAME = "mixtures"
LOG = record.RESULTS.parent / "runs" / f"{NAME}.jsonl"  # one line a finished run; not committed
MIXTURES = {"ring": datasets.ring().standardised(), "grid": datasets.grid().standardised()}
SEEDS = tuple(range(10))  # of weights, noise and training points; fixed before the runs
TUNING_SEEDS = (100, 101)
RATES = (3e-3, 1e-3, 3e-4, 1e-4)
TRAINING_POINTS, SAMPLES, SAMPLE_SEED = 100_000, 2_500, 12345  # the numbers of PacGAN's protocol
BATCH = 128
KEPT = 600  # points of the first seed that are stored for the pictures
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
        gan = gans.GAN(*points.point_networks(**self.networks), seed=seed)
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
    "WGAN-GP": Kind("wasserstein", 1e-3, settings={"gradient_penalty": 10.0}),
    "spectral": Kind("hinge", 1e-3, networks={"spectral": True}),
    "packing": Kind("non_saturating", 1e-3, networks={"pack": 2}),
    "R1": Kind("non_saturating", 1e-3, settings={"r1": 0.1}),
    "RpGAN + R1 + R2": Kind("relativistic", 1e-3, settings={"r1": 0.1, "r2": 0.1}),
    "schedules, Fourier": Kind("relativistic", 1e-3, networks=BEST, gamma=(0.1, 0.001), decay=True),
    "long, Gaussian latent": Kind("relativistic", 1e-3, networks=LONG, gamma=(0.1, 0.001), decay=True, steps=40_000),
}
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
    """Return whether the weights of these runs are kept, for the claims made about them."""
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
    averaged = metrics.mode_coverage(sample(gan, average=True), MIXTURES[mixture])
    losses = {name: log[name].round(4).tolist() for name in ("d_loss", "g_loss")}
    return {**metrics.mode_coverage(sample(gan), MIXTURES[mixture]), "averaged": averaged, **losses}


def make(log, name, bits, mixture):
    """Make the missing runs of one kind and write them down."""
    key = dict(kind=name, bits=bits, mixture=mixture)
    seeds = [seed for seed in SEEDS if log.find(**key, seed=seed) is None]
    for seed, (gan, measured) in zip(seeds, train(kind_of(name, bits), mixture, seeds) if seeds else [], strict=True):
        if stored(name, bits):
            storage.save_weights(weights_path(name, mixture, seed), gan.generator.get_weights())
            measured["as_stored"] = measure_stored(name, bits, mixture, seed)
        if seed == SEEDS[0]:
            measured["points"] = np.round(sample(gan, count=KEPT).astype(float), 3).tolist()
        log.add(measured, **key, seed=seed)


def load(name, bits, mixture, seed):
    """Return the trained generator, its weights as they are stored: float16."""
    generator, _ = points.point_networks(**kind_of(name, bits).networks)
    generator.set_weights(storage.load_weights(weights_path(name, mixture, seed)))
    return generator


def measure_stored(name, bits, mixture, seed):
    """Return the coverage of a stored generator."""
    generator = load(name, bits, mixture, seed)
    latents = keras.random.normal((SAMPLES, generator.input_shape[-1]), seed=SAMPLE_SEED)
    return metrics.mode_coverage(generator.predict(latents, batch_size=1000, verbose=0), MIXTURES[mixture])


def settings():
    """Return all settings as JSON can hold them."""
    kinds = {name: dataclasses.asdict(kind) for name, kind in KINDS.items()}
    return {"kinds": kinds, "batch": BATCH, "training_points": TRAINING_POINTS, "samples": SAMPLES, **BITS}


def tune(names):
    """Print what each learning rate gives on the tuning seeds."""
    for name in names:
        for mixture in MIXTURES:
            for rate in RATES:
                print(name, mixture, rate, attempt(dataclasses.replace(KINDS[name], rate=rate), mixture), flush=True)


def attempt(kind, mixture):
    """Return modes and high quality of the tuning seeds, or the error that ended a run."""
    try:
        rows = [measured for _, measured in train(kind, mixture, TUNING_SEEDS)]
    except RuntimeError as error:
        return str(error)
    return [(row["modes"], round(row["high_quality"], 3), round(row["reverse_kl"], 2)) for row in rows]


def write(runs):
    """Write the result."""
    order = [(*job, seed) for job in jobs() for seed in SEEDS]
    found = {(run["kind"], run["bits"], run["mixture"], run["seed"]): run for run in runs}
    record.write(NAME, settings=settings(), runs=[found[key] for key in order if key in found])


def main():
    """Make the runs that are missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", default="0/1", help="which share of the runs to make, as in 0/2")
    parser.add_argument("--tune", nargs="*", help="try learning rates of these kinds, all by default")
    arguments = parser.parse_args()
    if arguments.tune is not None:
        tune(arguments.tune or KINDS)
        return
    part, parts = map(int, arguments.part.split("/"))
    for job in tqdm(jobs()[part::parts], desc=NAME, unit="kind"):
        make(record.Log(LOG, settings()), *job)
    write(record.Log(LOG, settings()).runs)


if __name__ == "__main__":
    main()
