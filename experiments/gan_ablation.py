"""Take the improved GAN recipe apart: leave each of its changes out, add each alone to the source's recipe.

The recipe is the one with relativistic pairing; without it, it is that of `experiments.gan_recipes`.

python -m experiments.gan_ablation                          makes what is missing, then writes the result
python -m experiments.gan_ablation --only "without R1 and R2" --rates 0.002 --seeds 0 1 2     a part of it
python -m experiments.gan_ablation --write                  only writes the result, of the rows that are whole
python -m experiments.gan_ablation --rehearse               makes one run in small and writes nothing

The first seed of a row tries learning rates from the middle outwards, until the best has a worse one on both sides; the
other seeds then run at the best. "Best" is the smallest distance from the *validation* digits, over the seeds that all
rates of a row share. A run takes about two minutes of one core. The average of the weights is no row of its own: every
run is measured with and without it.
"""

import argparse
import dataclasses

import keras
import numpy as np

from experiments.harness import record, training
from experiments.harness.stacked import Stack
from helpers import claims, datasets, gans, metrics

NAME = "gan_ablation"
SEEDS = (0, 1, 2, 3, 4)
RATES = (7e-5, 2e-4, 7e-4, 2e-3, 4e-3, 8e-3, 1.6e-2)
FIRST_RATES = (7e-4, 2e-3)
SAMPLES, SAMPLE_SEED = 10_000, 12345
LOOKS = (1, 2, 4)  # after which epochs, beside the last, the averaged generators are held to the validation digits


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the two recipes differ in."""

    activation: str = "relu"
    loss: str = "non_saturating"
    gamma: float = 0.0  # of R1 and R2, over 8 images of a batch
    normalise: bool = False
    betas: tuple = (0.5, 0.999)
    discriminator_units: tuple = (1024, 512)
    batch_size: int = 128
    latent_dim: int = 100
    epochs: int = 8

    def build(self, seed, rate):
        """Return the compiled, untrained GAN."""
        keras.utils.set_random_seed(seed)
        sizes = (self.latent_dim, (256, 512), self.discriminator_units)
        networks = gans.dense_networks(*sizes, self.activation, normalise=self.normalise)
        gan = gans.GAN(*networks, seed=seed)
        beta_1, beta_2 = self.betas
        adams = [keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2) for _ in range(2)]
        gan.compile(*adams, loss=self.loss, r1=self.gamma, r2=self.gamma, penalty_batch=8, ema=0.999)
        return gan


SOURCE = Parts()
RECIPE = Parts("relu", "relativistic", 0.3, True, (0.0, 0.99), (512, 256), 64, 16)
CHANGES = {
    "relativistic pairing": ("loss",),
    "R1 and R2": ("gamma",),
    "layer normalisation": ("normalise",),
    "Adam's betas": ("betas",),
    "small D and batch": ("discriminator_units", "batch_size"),
    "16 latents": ("latent_dim",),
}


def mix(base, other, fields):
    """Return `base` with some fields of `other`."""
    return dataclasses.replace(base, **{field: getattr(other, field) for field in fields})


ROWS = {
    "recipe": RECIPE,
    "with leaky ReLU": dataclasses.replace(RECIPE, activation="leaky_relu"),
    **{f"without {name}": mix(RECIPE, SOURCE, fields) for name, fields in CHANGES.items()},
    "source": SOURCE,
    **{f"only {name}": mix(SOURCE, RECIPE, fields) for name, fields in CHANGES.items()},
}


class Judge:
    """Measures stacked generators on 10,000 samples each, against validation and test digits."""

    def __init__(self, mnist):
        self.real = {split: metrics.features(getattr(mnist, f"{split}_images")) for split in ("validation", "test")}

    def distances(self, stack, network):
        """Return for each copy the distance to both splits and the share of the rarest class."""
        latents = keras.random.normal((SAMPLES, network.input_shape[-1]), seed=SAMPLE_SEED)
        return [self.row(digits) for digits in stack.apply(network, latents)]

    def row(self, digits):
        """Return the measurements of one copy; None where it became NaN."""
        if not np.isfinite(digits).all():
            return dict.fromkeys((*self.real, "smallest_class_share"))
        features, logits = metrics.load_classifier().predict(digits, batch_size=500, verbose=0)
        shares = np.bincount(logits.argmax(axis=1), minlength=10) / len(digits)
        distances = {split: metrics.frechet_distance(features, real) for split, real in self.real.items()}
        return {**distances, "smallest_class_share": float(shares.min())}


def train(parts, keys, images, judge, title):
    """Train one row at these pairs (rate, seed) side by side; return one measured run each."""
    stack = Stack([parts.build(seed, rate) for rate, seed in keys])
    curves = [{} for _ in keys]

    def watch(epoch):
        """Look at the averaged generators now and then."""
        if epoch in LOOKS:
            for curve, row in zip(curves, judge.distances(stack, stack.model.ema_generator), strict=True):
                curve[str(epoch)] = row["validation"]

    stack.fit(images, parts.batch_size, parts.epochs, last=1.0, watch=watch, title=title)
    averaged = judge.distances(stack, stack.model.ema_generator)
    last = judge.distances(stack, stack.model.generator)
    for curve, row in zip(curves, averaged, strict=True):
        curve[str(parts.epochs)] = row["validation"]
    parts_of_run = zip(keys, averaged, last, curves, strict=True)
    return [
        {"rate": rate, "seed": seed, "averaged": mean, "last": end, "curve": curve}
        for (rate, seed), mean, end, curve in parts_of_run
    ]


def log_of(name):
    """Return the log of one row; it is not committed."""
    return record.Log(training.RUNS / NAME / f"{name}.jsonl", dataclasses.asdict(ROWS[name]))


def make(name, rates, seeds, mnist, judge):
    """Make the runs of a row that are missing and write them down."""
    log = log_of(name)
    keys = [(rate, seed) for rate in rates for seed in seeds if log.find(rate=rate, seed=seed) is None]
    conditions = {key: claims.run_record()[key] for key in ("device", "versions")}
    for run in train(ROWS[name], keys, mnist.train_images, judge, name) if keys else []:
        log.add({**run, **conditions})


def best_rate(runs):
    """Return the learning rate with the smallest mean distance from the validation digits; a NaN loses."""
    seeds = {rate: {run["seed"] for run in runs if run["rate"] == rate} for rate in {run["rate"] for run in runs}}
    # The recipe's rates were tried with two groups of seeds: where no seed is shared, each rate's own count.
    shared = set.intersection(*seeds.values()) or set.union(*seeds.values())

    def score(rate):
        """Return this mean over the seeds that ran at every rate."""
        values = [run["averaged"]["validation"] for run in runs if run["rate"] == rate and run["seed"] in shared]
        return np.inf if None in values else np.mean(values)

    return min(seeds, key=score)


def untried_neighbour(runs):
    """Return the rate next to the best one that has not been tried yet; None where both have."""
    place = RATES.index(best_rate(runs))
    tried = {run["rate"] for run in runs}
    beside = RATES[max(place - 1, 0) : place + 2]
    return next((rate for rate in reversed(beside) if rate not in tried), None)


def search(name, mnist, judge):
    """Make a row whole: the first seed finds the rate, the others follow at it."""
    make(name, FIRST_RATES, SEEDS[:1], mnist, judge)
    while (rate := untried_neighbour(log_of(name).runs)) is not None:
        make(name, [rate], SEEDS[:1], mnist, judge)
    make(name, [best_rate(log_of(name).runs)], SEEDS[1:], mnist, judge)


def rehearse(mnist):
    """Make one run in small."""
    small = dataclasses.replace(RECIPE, epochs=2)
    print(train(small, [(RATES[0], 0)], mnist.train_images[:1_280], Judge(mnist), "rehearsal"))


def is_whole(runs):
    """Return whether a row has all seeds at its best rate, and a worse rate on both sides of it."""
    if not runs:
        return False
    best, rates = best_rate(runs), {run["rate"] for run in runs}
    seeds = {run["seed"] for run in runs if run["rate"] == best}
    return min(rates) < best < max(rates) and seeds >= set(SEEDS)


def write():
    """Write the result, of the rows that are whole."""
    made = {name: sorted(log_of(name).runs, key=lambda run: (run["rate"], run["seed"])) for name in ROWS}
    rows = {
        name: {"parts": dataclasses.asdict(ROWS[name]), "best_rate": best_rate(runs), "runs": runs}
        for name, runs in made.items()
        if is_whole(runs)
    }
    record.write(NAME, rows=rows, samples=SAMPLES, sample_seed=SAMPLE_SEED)


def main():
    """Make what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help="these rows")
    parser.add_argument("--rates", nargs="+", type=float, help="only these learning rates, without a search")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="seeds at these rates")
    parser.add_argument("--write", action="store_true", help="only write the result")
    parser.add_argument("--rehearse", action="store_true", help="do it in small and write nothing")
    arguments = parser.parse_args()
    if arguments.write:
        write()
        return
    mnist = datasets.load_mnist()
    if arguments.rehearse:
        rehearse(mnist)
        return
    judge = Judge(mnist)
    for name in arguments.only:
        if arguments.rates:
            make(name, arguments.rates, arguments.seeds, mnist, judge)
        else:
            search(name, mnist, judge)
    write()


if __name__ == "__main__":
    main()
