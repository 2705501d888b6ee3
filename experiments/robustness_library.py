"""Repeat attacks of `experiments.robustness` with Foolbox on the same networks, and note how far the accuracies differ.

python -m experiments.robustness_library     with what experiments/robustness_requirements.txt lists installed as well

Foolbox attacks the networks as PyTorch computes them, from the same stored weights. It draws random starts of its own.
"""

import importlib.metadata

import keras
import numpy as np

from experiments import robustness
from experiments.harness import record
from helpers import datasets

# What is attacked, ε, and restarts; None for FGSM
ROWS = [("plain", 0.05, 1), ("behind", 0.1, 1), ("behind", 0.2, 1), ("hardened", 0.2, 3), ("hardened", 0.3, 1)]
ROWS += [("plain", 0.1, None), ("hardened", 0.2, None)]


def torch_network(*networks):
    """Return what chained Keras networks compute, in PyTorch, with the channels first: (n, 1, 28, 28) -> logits."""
    import torch
    from torch.nn import functional

    known = {"relu": torch.relu, "silu": functional.silu, "sigmoid": torch.sigmoid, "linear": lambda values: values}

    def apply(layer, values):
        """Return what a layer does, with channels before rows and columns."""
        weights = [torch.tensor(array) for array in layer.get_weights()]
        if isinstance(layer, keras.layers.Conv2D):
            stride, edge, side = layer.strides[0], layer.kernel_size[0], values.shape[-1]
            missing = max((-(-side // stride) - 1) * stride + edge - side, 0)
            values = functional.pad(values, 2 * (missing // 2, missing - missing // 2))
            values = functional.conv2d(values, weights[0].permute(3, 2, 0, 1), weights[1], stride)
        elif isinstance(layer, keras.layers.Dense):
            values = values @ weights[0] + weights[1]
        elif isinstance(layer, keras.layers.Flatten):
            return values.permute(0, 2, 3, 1).flatten(1)
        elif isinstance(layer, keras.layers.Reshape):
            return values.reshape(-1, *layer.target_shape).permute(0, 3, 1, 2)
        elif not isinstance(layer, keras.layers.InputLayer | keras.layers.Dropout):
            raise TypeError(f"layer: got {layer.name}, expected a dense layer or a convolution")
        return known[getattr(layer.activation, "__name__", "linear")](values) if weights else values

    class Chain(torch.nn.Module):
        """The layers, one after the other."""

        def forward(self, values):
            """Return logits."""
            for network in networks:
                for layer in network.layers:
                    values = apply(layer, values)
            return values

    return Chain().eval()


def accuracy(target, images, labels, epsilon, restarts):
    """Return the share of images that are read right after Foolbox's attack."""
    import foolbox
    import torch

    model = foolbox.PyTorchModel(torch_network(*target.networks), bounds=(0, 1), device="cpu")
    moved, digits = torch.tensor(images).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels).long()
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    if restarts:
        steps = robustness.ATTACK["steps"]
        attack = foolbox.attacks.LinfPGD(rel_stepsize=robustness.ATTACK["size"] / steps, steps=steps, random_start=True)
    fooled = np.zeros(len(images), bool)
    for _ in range(restarts or 1):
        fooled |= attack(model, moved, digits, epsilons=epsilon)[2].numpy()
    return float((~fooled).mean())


def ours(target, images, labels, epsilon, restarts):
    """Return the same share after the book's attack."""
    if restarts:
        return float(robustness.survivors(target, images, labels, epsilon, restarts).mean())
    moved = robustness.fgsm(target, target.weights, images, labels, np.float32(epsilon))
    return float((target.predict(np.asarray(moved)) == labels).mean())


def main():
    """Attack each network with both, and add the table to the stored result."""
    known, (images, labels) = robustness.targets(), robustness.test_set(datasets.load_mnist())
    versions = {package: importlib.metadata.version(package) for package in ("foolbox", "torch")}
    table = []
    for name, epsilon, restarts in ROWS:
        each = {way.__name__: way(known[name], images, labels, epsilon, restarts) for way in (ours, accuracy)}
        table.append({"target": name, "epsilon": epsilon, "restarts": restarts, **each})
        print(table[-1], flush=True)
        kept = record.read(robustness.NAME)
        record.rewrite(robustness.NAME, {**kept, "library": {"versions": versions, "rows": table}})


if __name__ == "__main__":
    main()
