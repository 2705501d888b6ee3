"""Make `fidelity.json`: what torch-fidelity measures on the feature sets that the tests of `metrics` use too.

Not part of the book's environments. In an environment of its own:

    pip install torch-fidelity==0.4.0
    python tests/fidelity.py
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np

VALUES = Path(__file__).with_suffix(".json")
COUNT, NEIGHBOURS = 400, 3


def sets(kind):
    """Return real and fake features (400, d): "shifted", "narrow", "alike" or, with repeated rows, "copies"."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 12))
    real, fake = rng.normal(size=(2, COUNT, 12)) @ mix
    if kind == "shifted":
        fake = fake + 1
    elif kind == "narrow":
        fake = 0.5 * fake
    elif kind == "copies":
        fake[:200] = real[:200]
        real[200:300] = real[300:400]
    return real, fake


KINDS = ("alike", "shifted", "narrow", "copies")


def measure(real, fake):
    """Return Fréchet distance, kernel distance, precision and recall."""
    import torch
    from torch_fidelity import metric_fid, metric_kid, metric_prc

    real, fake = torch.from_numpy(real), torch.from_numpy(fake)
    statistics = [metric_fid.fid_features_to_statistics(rows) for rows in (real, fake)]
    frechet = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    one = dict(kid_subsets=1, kid_subset_size=COUNT, rng_seed=0, verbose=False)
    kernel = metric_kid.kid_features_to_metric(real, fake, **one)
    settings = dict(prc_neighborhood=NEIGHBOURS, prc_batch_size=1000, save_cpu_ram=False, verbose=False)
    overlap = metric_prc.prc_features_to_metric(fake, real, **settings)
    return {
        "frechet_distance": frechet["frechet_inception_distance"],
        "kernel_distance": kernel["kernel_inception_distance_mean"],
        "precision": overlap["precision"],
        "recall": overlap["recall"],
    }


def main():
    """Write the values and the versions they were made with."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "torch-fidelity", "numpy")}
    values = {kind: measure(*sets(kind)) for kind in KINDS}
    VALUES.write_text(json.dumps({"versions": versions, "values": values}, indent=1) + "\n")


if __name__ == "__main__":
    main()
