"""Adversarial training on JAX: losses as plain functions of logits, networks, and Keras models that play the game."""

from helpers.gans import conditional, hybrids, style
from helpers.gans.losses import (
    LOSSES,
    AdversarialLoss,
    cross_entropy_discriminator_loss,
    feature_matching_loss,
    gradient_penalty,
    hinge_discriminator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
    zero_centered_penalty,
)
from helpers.gans.model import GAN, AdversarialModel
from helpers.gans.networks import dense_networks, improved_networks, point_networks, source_networks
from helpers.layers import dense_network
from helpers.training import SampleFilm, train_scanned

__all__ = [
    "GAN",
    "LOSSES",
    "AdversarialLoss",
    "AdversarialModel",
    "SampleFilm",
    "conditional",
    "cross_entropy_discriminator_loss",
    "dense_network",
    "dense_networks",
    "feature_matching_loss",
    "gradient_penalty",
    "hinge_discriminator_loss",
    "hybrids",
    "improved_networks",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "point_networks",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
    "source_networks",
    "style",
    "train_scanned",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
    "zero_centered_penalty",
]
