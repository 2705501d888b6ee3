"""Measure real training digits against test digits and validation digits: the floor that generators are held to.

python -m experiments.real_digits    measures and writes the result, in about four minutes of two cores

A generator that has learned the training digits perfectly gives a fresh draw of them. So the floor is the mean over
random draws, with its spread. The digits in the order of the file are measured beside it: they are no random draw.
"""

import numpy as np
from tqdm import tqdm

from experiments.harness import record
from helpers import datasets, metrics

NAME = "real_digits"
DRAWS, SAMPLES, SEED, NEIGHBOURS = 8, 10_000, 0, 5
FDD_DRAWS = 100  # of the distance alone, which costs little


def random_rows(count, draws):
    """Yield the rows of each random draw of 10,000 from `count` digits."""
    random = np.random.default_rng(SEED)
    for _ in range(draws):
        yield random.permutation(count)[:SAMPLES]


def compare(features, reference):
    """Return distances and overlap of one set of features with those of reference digits."""
    return {
        "fdd": metrics.frechet_distance(features, reference),
        "kid": metrics.kernel_distance(features, reference),
        **metrics.neighbour_metrics(reference, features, NEIGHBOURS),
    }


def summary(rows):
    """Return name → mean and standard deviation (n − 1) over the draws."""
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {name: {"mean": float(row.mean()), "std": float(row.std(ddof=1))} for name, row in values.items()}


def against(reference, train, held_out):
    """Return the random draws, their summary, the blocks of the file in its order and the held-out digits."""
    blocks = [train[start : start + SAMPLES] for start in range(0, len(train), SAMPLES)]
    draws = [compare(train[rows], reference) for rows in tqdm(random_rows(len(train), DRAWS), desc="draws")]
    more = [metrics.frechet_distance(train[rows], reference) for rows in random_rows(len(train), FDD_DRAWS)]
    return {
        "draws": draws,
        "fdd_draws": more,
        "floor": {**summary(draws), **summary([{"fdd": value} for value in more])},
        "file_order_fdd": [metrics.frechet_distance(block, reference) for block in blocks],
        "held_out": compare(held_out, reference),
    }


def main():
    """Measure and write."""
    mnist = datasets.load_mnist()
    train, validation, test = (
        metrics.features(images) for images in (mnist.train_images, mnist.validation_images, mnist.test_images)
    )
    results = {"test": against(test, train, validation), "validation": against(validation, train, test)}
    record.write(NAME, **results, samples=SAMPLES, neighbours=NEIGHBOURS, seed=SEED)
    for name, result in results.items():
        print(name, result["floor"], result["file_order_fdd"], result["held_out"])


if __name__ == "__main__":
    main()
