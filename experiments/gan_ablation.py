"""Take the improved GAN recipe apart: leave each of its changes out, add each alone to the source's recipe.

python -m experiments.gan_ablation                  makes the missing rows, then writes the result
python -m experiments.gan_ablation --part 0 4       makes every fourth row only, for processes side by side
python -m experiments.gan_ablation --candidates     compares recipes that could replace the improved one
python -m experiments.gan_ablation --long           trains the rows at their best rates four times as long
python -m experiments.gan_ablation --rehearse       makes one row in small and writes nothing

Every row is trained at each of three learning rates on five seeds, side by side; its rate is the one with the smallest
mean distance from the *validation* digits. The average of the weights is no row of its own: every run is measured with
and without it.
"""

import argparse
import dataclasses

import keras
import numpy as np

from experiments import record, training
from experiments.stacked import Stack
from helpers import datasets, gans, metrics

NAME = "gan_ablation"
SEEDS, CANDIDATE_SEEDS = (0, 1, 2, 3, 4), (100, 101, 102)
RATES = (2e-4, 7e-4, 2e-3)
CANDIDATE_RATES = (1e-3, 2e-3, 4e-3)
SAMPLES, SAMPLE_SEED = 10_000, 12345
EPOCHS, LONG = 8, 32  # 8 epochs of the improved recipe: about a minute of two cores
LOOKS = (1, 2, 4, 8, 16, 32)  # after which epochs the averaged generators are held to the validation digits


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
    generator_units: tuple = (256, 512)
    last: float = 1.0  # the learning rate at the end over that at the start; 1 is constant
    epochs: int = EPOCHS

    def build(self, seed, rate):
        """Return the compiled, untrained GAN."""
        keras.utils.set_random_seed(seed)
        sizes = (self.latent_dim, self.generator_units, self.discriminator_units)
        networks = gans.dense_networks(*sizes, self.activation, normalise=self.normalise)
        gan = gans.GAN(*networks, seed=seed)
        beta_1, beta_2 = self.betas
        adams = [keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2) for _ in range(2)]
        gan.compile(*adams, loss=self.loss, r1=self.gamma, r2=self.gamma, penalty_batch=8, ema=0.999)
        return gan


SOURCE = Parts()
IMPROVED = Parts("leaky_relu", "relativistic", 0.3, True, (0.0, 0.99), (512, 256), 64, 16)
CHANGES = {
    "leaky ReLU": ("activation",),
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
    "improved": IMPROVED,
    **{f"without {name}": mix(IMPROVED, SOURCE, fields) for name, fields in CHANGES.items()},
    "source": SOURCE,
    **{f"only {name}": mix(SOURCE, IMPROVED, fields) for name, fields in CHANGES.items()},
}
RELU = dataclasses.replace(IMPROVED, activation="relu")
FALLING = dataclasses.replace(RELU, last=0.05)
CANDIDATES = {
    "ReLU": RELU,
    "ReLU, falling rate": FALLING,
    "ReLU, falling rate, non-saturating": dataclasses.replace(FALLING, loss="non_saturating"),
    "ReLU, falling rate, gamma 0.1": dataclasses.replace(FALLING, gamma=0.1),
    "ReLU, falling rate, gamma 1": dataclasses.replace(FALLING, gamma=1.0),
    "ReLU, falling rate, no normalisation": dataclasses.replace(FALLING, normalise=False),
    "ReLU, falling rate, 32 latents": dataclasses.replace(FALLING, latent_dim=32),
    "leaky ReLU, falling rate": dataclasses.replace(FALLING, activation="leaky_relu"),
}


class Judge:
    """Measures stacked generators on 10,000 samples each, against validation and test digits."""

    def __init__(self, mnist):
        self.real = {split: metrics.features(getattr(mnist, f"{split}_images")) for split in ("validation", "test")}

    def distances(self, stack, network, splits=("validation", "test")):
        """Return for each copy the distance to each split and the share of the rarest class."""
        latents = keras.random.normal((SAMPLES, network.input_shape[-1]), seed=SAMPLE_SEED)
        return [self.row(digits, splits) for digits in stack.apply(network, latents)]

    def row(self, digits, splits):
        """Return the measurements of one copy; None where it became NaN."""
        if not np.isfinite(digits).all():
            return dict.fromkeys((*splits, "smallest_class_share"))
        features, logits = metrics.load_classifier().predict(digits, batch_size=500, verbose=0)
        shares = np.bincount(logits.argmax(axis=1), minlength=10) / len(digits)
        distances = {split: metrics.frechet_distance(features, self.real[split]) for split in splits}
        return {**distances, "smallest_class_share": float(shares.min())}


def train(parts, rates, seeds, images, judge, title):
    """Train one row at all rates and seeds side by side; return one measured run each."""
    keys = [(rate, seed) for rate in rates for seed in seeds]
    stack = Stack([parts.build(seed, rate) for rate, seed in keys])
    curves = {}

    def watch(epoch):
        """Look at the averaged generators now and then."""
        if epoch in LOOKS:
            rows = judge.distances(stack, stack.model.ema_generator, ("validation",))
            curves[epoch] = [row["validation"] for row in rows]

    stack.fit(images, parts.batch_size, parts.epochs, last=parts.last, watch=watch, title=title)
    averaged = judge.distances(stack, stack.model.ema_generator)
    last = judge.distances(stack, stack.model.generator)
    return [
        {
            "rate": rate,
            "seed": seed,
            "averaged": averaged[i],
            "last": last[i],
            "curve": {str(epoch): values[i] for epoch, values in curves.items()},
        }
        for i, (rate, seed) in enumerate(keys)
    ]


def log_of(name, parts):
    """Return the log of one row; it is not committed."""
    return record.Log(training.RUNS / NAME / f"{name}.jsonl", dataclasses.asdict(parts))


def make(name, parts, rates, seeds, mnist, judge):
    """Make a row that is missing and write it down; return its runs."""
    log = log_of(name, parts)
    if len(log.runs) < len(rates) * len(seeds):
        for run in train(parts, rates, seeds, mnist.train_images, judge, name):
            if log.find(rate=run["rate"], seed=run["seed"]) is None:
                log.add(run)
    return log.runs


def best_rate(runs, weights="averaged"):
    """Return the learning rate with the smallest mean distance from the validation digits; a NaN loses."""

    def score(rate):
        """Return this mean."""
        values = [run[weights]["validation"] for run in runs if run["rate"] == rate]
        return np.inf if None in values else np.mean(values)

    return min({run["rate"] for run in runs}, key=score)


def long_rows():
    """Return the rows that are trained longer: those that were made, four times as long."""
    return {f"{name}, long": dataclasses.replace(parts, epochs=LONG) for name, parts in ROWS.items()}


def jobs(which):
    """Return (name, parts, rates, seeds) of all rows to make."""
    if which == "candidates":
        return [(name, parts, CANDIDATE_RATES, CANDIDATE_SEEDS) for name, parts in CANDIDATES.items()]
    if which == "long":
        made = {name: log_of(name, parts).runs for name, parts in ROWS.items()}
        rows = zip(long_rows().items(), made.values(), strict=True)
        return [(name, parts, (best_rate(runs),), SEEDS) for (name, parts), runs in rows if runs]
    return [(name, parts, RATES, SEEDS) for name, parts in ROWS.items()]


def rehearse(mnist):
    """Make one row in small."""
    few = mnist.train_images[:1_280]
    small = dataclasses.replace(IMPROVED, epochs=2)
    print(train(small, RATES[:2], SEEDS[:1], few, Judge(mnist), "rehearsal"))


def write():
    """Write the result, of the rows that there are."""
    groups = {"rows": ROWS, "long": long_rows(), "candidates": CANDIDATES}
    rows = {
        group: {
            name: {"parts": dataclasses.asdict(parts), "runs": runs}
            for name, parts in members.items()
            if (runs := log_of(name, parts).runs)
        }
        for group, members in groups.items()
    }
    record.write(NAME, **rows, samples=SAMPLES, sample_seed=SAMPLE_SEED)


def main():
    """Make what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs=2, type=int, default=(0, 1), metavar=("K", "N"), help="rows K, K + N, ...")
    parser.add_argument("--candidates", action="store_const", const="candidates", dest="which")
    parser.add_argument("--long", action="store_const", const="long", dest="which")
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    mnist = datasets.load_mnist()
    if arguments.rehearse:
        rehearse(mnist)
        return
    judge = Judge(mnist)
    first, step = arguments.part
    for job in jobs(arguments.which)[first::step]:
        make(*job, mnist, judge)
    if step == 1:
        write()


if __name__ == "__main__":
    main()
