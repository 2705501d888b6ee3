"""Whatever one argument of a public function is, the function works, or says in one error which argument is wrong."""

import fnmatch
import functools
import importlib
import inspect
import math
import pkgutil
import signal
import tempfile
import traceback
from contextlib import contextmanager
from numbers import Number
from pathlib import Path
from typing import NamedTuple

import jax
import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.figure import Figure

import helpers
from experiments import conditional_forms
from helpers import autoencoders, convolutional, datasets, diffusion, gans, metrics, results, storage, training
from helpers.gans import conditional, hybrids, translation

pytestmark = pytest.mark.slow

FOLDER = Path(helpers.__file__).parent
LONGEST = 20  # seconds that one call may take
DRAWS = 3  # random values of each argument, beside the pool

# --- What is public --------------------------------------------------------------------------------------------------


def public():
    """Return by its name what a reader may call: what `members` finds, less what other code alone calls."""
    return {path: function for path, function in members().items() if not of(INTERNAL, path)}


def members():
    """Return by its name every function and class of helpers, and each method, that takes arguments and has no _."""
    found = {}
    for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
        for name, member in vars(importlib.import_module(module.name)).items():
            path = f"{module.name.removeprefix('helpers.')}.{name}"
            raised = inspect.isclass(member) and issubclass(member, BaseException)
            if not (name.startswith("_") or raised) and callable(member) and member.__module__ == module.name:
                found[path] = member
                if inspect.isclass(member):
                    found |= {f"{path}.{method}": function for method, function in methods(member)}
    return {path: function for path, function in found.items() if parameters(path, function)}


def of(patterns, path):
    """Return the first of some patterns that a name is like, or None."""
    return next((pattern for pattern in patterns if fnmatch.fnmatchcase(path, pattern)), None)


def methods(kind):
    """Yield name and function of the public methods of a class, those of its private bases included."""
    for base in kind.__mro__:
        if base is kind or (base.__module__ == kind.__module__ and base.__name__.startswith("_")):
            for name, member in vars(base).items():
                function = getattr(member, "__func__", member)
                if not name.startswith("_") and inspect.isfunction(function):
                    yield name, function


def parameters(path, function):
    """Return the parameters that a caller may set, by name; not those that go on to Keras."""
    found = dict(inspect.signature(function).parameters)
    if path.count(".") >= 2 and path.split(".")[-2][0].isupper():
        found.pop(next(iter(found)))  # self
    return {name: parameter for name, parameter in found.items() if parameter.kind is not parameter.VAR_KEYWORD}


# No reader calls these: patterns of names → who does.
INTERNAL = {
    "*.call": "Keras, with tensors; the layers' own tests give wrong ones",
    "*.build": "Keras, with a shape",
    "*.compute_loss": "Keras, with what call returned",
    "*.train_step": "Keras, with the trainer's state",
    "*.compute_output_spec": "Keras, with a symbol of its own",
    "*.from_config": "Keras, with what get_config returned",
    "*.compile_from_config": "Keras, with what it noted of compile",
    "*_own_variables": "Keras, with an open weight file",
    "*.on_*": "Keras, as a callback",
    "*.check_inputs": "fit, predict and the like, with what they were given",
    "*.check_targets": "fit, evaluate and the like, with what they were given",
    "gans.model.*.check_images": "fit, with what it was given",
    "gans.translation.*.check_images": "fit, with what it was given",
    "autoencoders.Autoencoder": "the functions that return such a container",
    "autoencoders.Reconstructor": "the functions that build autoencoders, with networks of theirs",
    "exercises.comparing.*": "checks of exercises, with answers; tests/helpers/test_exercises.py",
    "checks.is_array": "models and callbacks, with what they were given",
    "storage.column_scale": "figures, with a stored matrix",
    "checks.check_broadcast": "functions of tensors, with numbers or tensors; tests/helpers/test_checks.py",
    "gans.conditional.OneHotOfLargest": "Keras, with arguments that go on to its own layer",
    "gans.style.Normalise": "Keras, with arguments that go on to its own layer",
    "gans.style.ScaledNoise": "Keras, with arguments that go on to its own layer",
    "datasets.Mnist": "load_mnist, which returns such a container",
    "emoji.Emoji*": "load_emoji, which returns such containers",
    "emoji.checksum": "load_emoji, with what it read",
    "gans.losses.AdversarialLoss": "the table of losses, of which each entry is such a container",
    "gans.model.AdversarialModel": "its subclasses, which are tried",
    "storage.unreadable": "the readers of files, for an error message",
    "guards.CheckedBatches": "fit, with a data set that it was given",
    "guards.Guarded*": "its subclasses, which are tried",
    "training.Values*": "training steps, with Keras's state",
    "guards.[a-z]*": "models, with what they were given",
    "training.add_callbacks": "fit, with what it was given",
    "training.spread": "training steps, with an array that they made",
    "training.noise_states": "training steps, with a network",
    "layers.hidden_layers": "the functions that build dense networks, with sizes they were given",
    "*.check_batch": "fit, train_on_batch and train_scanned, with what they were given",
    "widgets.base.Figure": "its subclasses; traitlets checks their traits",
    "widgets.base.script": "figures, with the names of their files",
    "widgets.latent_explorer.small_decoder": "the figure, with the name of a network that stored.load_decoder checks",
    "widgets.learn_a_curve.LearnACurve": "a reader, without arguments; traitlets checks the traits",
    "widgets.optimal_discriminator.OptimalDiscriminator": "a reader, without arguments; traitlets checks the traits",
    "widgets.point_gan.PointGAN": "a reader, without arguments; traitlets checks the traits",
    "widgets.point_replay.name_of": "the figure, with an entry of a stored result",
}
# Tried in tests/helpers/test_fuzz_training.py, on small models of every kind.
TRAINING = ("*.fit", "*.evaluate", "*.predict", "*_on_batch")

# Name of an argument → why nothing wrong is given to it here.
LEFT_OUT = {
    "results.*.which": "numbers and texts; tests/helpers/test_results.py",
    "plots.show_images.titles": "Matplotlib writes whatever it is given",
    "gans.losses.zero_centered_penalty.images": "goes on to the caller's own function, which knows what it takes",
    "gans.model.check_pair.name": "the name of an argument, which only code sets",
    "checks.*.name": "the name of an argument, which only code sets",
    "checks.*.low": "a bound that only code sets",
    "checks.*.high": "a bound that only code sets",
    "checks.*.above": "a bound that only code sets",
    "checks.*.below": "a bound that only code sets",
    "checks.*.least": "a bound that only code sets",
    "checks.*.count": "a bound that only code sets",
    "checks.*.shape": "a shape that only code sets",
    "checks.*.choices": "a list that only code sets",
    "checks.*.kinds": "a class that only code sets",
    "checks.*.expected": "a sentence of an error message",
    "exercises.check.answer": "a reader's answer, which may be anything; tests/helpers/test_exercises.py",
    "claims.glue.value": "takes texts and numbers; tests/helpers/test_claims.py",
    "checks.check_each.check": "a check that only code sets",
    "storage.*.mend": "a sentence of an error message",
}

# --- Small calls that are right --------------------------------------------------------------------------------------


def fixed(array):
    """Return an array that nobody can change."""
    array.setflags(write=False)
    return array


RNG = np.random.default_rng(0)
DIGITS, OTHERS = fixed(RNG.random((2, 4, 28, 28, 1), dtype="float32"))
GREY, REDRAWN = fixed(RNG.random((2, 6, 12), dtype="float32"))
BINARY = fixed((GREY > 0.5).astype("float32"))
BYTES = fixed(RNG.integers(0, 256, (3, 4, 5), "uint8"))
ROWS, MORE = fixed(RNG.normal(size=(2, 7, 2)).astype("float32"))
COLUMN, LOGITS, LOWER = fixed(RNG.random((3, 7, 1), dtype="float32"))
TIMES = fixed(np.linspace(0.1, 0.9, 7, dtype="float32"))
LABELS = fixed(np.arange(6) % 3)
LARGE = fixed(RNG.random((2, 12, 12, 3), dtype="float32"))
COLOURS = fixed(RNG.random((4, 8, 8, 3), dtype="float32"))
RING, SCHEDULE = datasets.ring(), diffusion.Schedule()
NEXT = np.random.default_rng(1)
KEEP = tempfile.TemporaryDirectory(prefix="fuzz-")


def dense(*sizes):
    """Return a network of dense layers."""
    return keras.Sequential([keras.Input((sizes[0],)), *[keras.layers.Dense(size) for size in sizes[1:]]])


def built_quantiser():
    """Return a layer with a codebook of three rows of two numbers."""
    quantiser = helpers.layers.VectorQuantiser(3)
    quantiser.build((None, 2))
    return quantiser


def images_in_a_folder():
    """Return a folder with two grey images."""
    for index in range(2):
        plt.imsave(Path(KEEP.name) / f"{index}.png", RNG.random((6, 6)), cmap="gray")
    return Path(KEEP.name)


def images_of_a_class():
    """Return a folder whose one subfolder has an image."""
    folder = Path(KEEP.name) / "classes"
    (folder / "one").mkdir(parents=True, exist_ok=True)
    plt.imsave(folder / "one" / "0.png", RNG.random((6, 6)), cmap="gray")
    return folder


def stored_weights():
    """Return a file of weights."""
    path = Path(KEEP.name) / "widgets.stored.npz"
    storage.save_weights(path, [ROWS])
    return path


def compiled_game():
    """Return a small GAN that is compiled."""
    game = gans.GAN(dense(2, 12), dense(12, 1))
    game.compile("adam", "adam")
    return game


# What takes a while to make, and the objects whose methods are called; each is made once.
MAKERS = {
    "autoencoders.Reconstructor": lambda: autoencoders.dense_autoencoder(2, 12).autoencoder,
    "guards.OwnLoss": lambda: autoencoders.VariationalAutoencoder(*autoencoders.vae_networks(2, 4, input_dim=12)),
    "autoencoders.SupervisedAutoencoder": lambda: autoencoders.SupervisedAutoencoder(
        dense(12, 2), dense(2, 12), dense(2, 3)
    ),
    "autoencoders.VariationalAutoencoder": lambda: autoencoders.VariationalAutoencoder(
        *autoencoders.vae_networks(2, 4, input_dim=12)
    ),
    "convolutional.ColourVAE": lambda: convolutional.ColourVAE(made("colour_encoder"), made("colour_decoder")),
    "datasets.Mixture": lambda: RING,
    "datasets.ShuffledBatches": lambda: datasets.ShuffledBatches(GREY, 2),
    "diffusion.Diffusion": lambda: diffusion.Diffusion(made("denoiser")),
    "diffusion.Schedule": lambda: SCHEDULE,
    "gans.model.GAN": lambda: gans.GAN(dense(2, 12), dense(12, 1)),
    "gans.hybrids.AdversarialAutoencoder": lambda: hybrids.AdversarialAutoencoder(
        dense(12, 2), dense(2, 12), dense(2, 1)
    ),
    "gans.hybrids.VAEGAN": lambda: hybrids.VAEGAN(dense(12, 4), dense(2, 12), dense(12, 3, 1)),
    "gans.conditional.ConditionalGAN": lambda: conditional.ConditionalGAN(
        made("pair_maker"), made("pair_judge"), (2, 2, 1)
    ),
    "gans.translation.CycleGAN": lambda: translation.CycleGAN(
        *(convolutional.unet((8, 8, 3), width=2) for _ in range(2)),
        *(convolutional.patch_discriminator((8, 8, 3), width=2) for _ in range(2)),
    ),
    "gans.translation.Pix2Pix": lambda: translation.Pix2Pix(
        convolutional.unet((8, 8, 3), width=2), convolutional.patch_discriminator((8, 8, 6), width=2)
    ),
    "patches": lambda: convolutional.patch_discriminator((8, 8, 3), width=2),
    "other_patches": lambda: convolutional.patch_discriminator((8, 8, 3), width=2),
    "patches_of_pairs": lambda: convolutional.patch_discriminator((8, 8, 6), width=2),
    "other_unet": lambda: convolutional.unet((8, 8, 3), width=2),
    "pair_maker": lambda: small_pair()[0],
    "pair_judge": lambda: small_pair()[1],
    "two_maker": lambda: small_two()[0],
    "layers.VectorQuantiser": lambda: built_quantiser(),
    "colour_encoder": lambda: convolutional.encoder((8, 8, 3), outputs=4, width=2),
    "colour_decoder": lambda: convolutional.decoder((8, 8, 3), inputs=2, width=2, activation="linear"),
    "two_judge": lambda: small_two()[1],
    "small_unet": lambda: convolutional.unet((8, 8, 3), width=2),
    "training.Line": lambda: training.Line("step 0"),
    "denoiser": lambda: diffusion.denoising_network(2, width=4, blocks=1),
    "figure": lambda: Figure().subplots().figure,  # not pyplot's, in which others would draw too
    "folder": images_in_a_folder,
    "folder of classes": images_of_a_class,
    "key": lambda: jax.random.key(0),
    "game": compiled_game,
    "to_code": lambda: dense(12, 2),
    "to_two_codes": lambda: dense(12, 4),
    "to_pixels": lambda: dense(2, 12),
    "to_classes": lambda: dense(2, 3),
    "judge": lambda: dense(12, 1),
    "styled": lambda: dense(26, 4),
    "deep_judge": lambda: dense(12, 3, 1),
    "code_judge": lambda: dense(2, 1),
    "weights": stored_weights,
}


@functools.cache
def small_pair():
    """Return networks of pairs: four pixels and three classes."""
    return conditional.conditional_networks(2, (3,), (3,), classes=3, image_shape=(2, 2, 1))


@functools.cache
def small_two():
    """Return networks of two inputs, four pixels and one of three classes."""
    sizes = dict(style_dim=2, generator_units=(3,), discriminator_units=(3,), classes=3, image_shape=(2, 2, 1))
    return conditional_forms.two_input_networks("concatenation", "projection", **sizes)


@functools.cache
def made(name):
    """Return what `MAKERS` makes."""
    return MAKERS[name]()


def adam():
    """Return an optimizer that no model has yet."""
    return keras.optimizers.Adam(1e-3)


def penalties():
    """Return the settings that all games have."""
    return dict(loss="hinge", r1=0.1, r2=0.1, gradient_penalty=0.1, penalty_batch=2, discriminator_steps=2)


def logits():
    """Return two batches of logits."""
    return dict(real_logits=LOGITS, fake_logits=LOWER)


def rates():
    """Return one signal rate and one noise rate a sample."""
    return dict(signal_rate=np.cos(COLUMN), noise_rate=np.sin(COLUMN))


def convolution():
    """Return the arguments of a convolution."""
    return dict(filters=2, kernel_size=2, strides=1, activation="relu", use_bias=True)


# Name → the arguments of a small call that is right.
CASES = {
    "augment.Augment": lambda: dict(kinds=["flip"], p=0.5, seed=0),
    "augment.augment": lambda: dict(key=made("key"), images=COLOURS, p=0.5, kinds=["flip", "cutout"]),
    "augment.cutout": lambda: dict(key=made("key"), images=COLOURS, p=0.5, part=0.5, fill=0.5),
    "augment.flip": lambda: dict(key=made("key"), images=COLOURS, p=0.5),
    "augment.recolour": lambda: dict(key=made("key"), images=COLOURS, p=0.5),
    "augment.roll_channels": lambda: dict(key=made("key"), images=COLOURS, p=0.5),
    "augment.translate": lambda: dict(key=made("key"), images=COLOURS, p=0.5, reach=2, fill=1.0),
    "autoencoders.Reconstructor.compile": lambda: dict(optimizer=adam(), loss="mse"),
    "autoencoders.SupervisedAutoencoder": lambda: dict(
        encoder=made("to_code"),
        decoder=made("to_pixels"),
        classifier=made("to_classes"),
        reconstruction_weight=1.0,
        prediction_weight=1.0,
    ),
    "autoencoders.SupervisedAutoencoder.predict_labels": lambda: dict(images=GREY),
    "autoencoders.VariationalAutoencoder": lambda: dict(
        encoder=made("to_two_codes"), decoder=made("to_pixels"), samples=1, kl_weight=0.5, seed=0
    ),
    "autoencoders.VariationalAutoencoder.decode": lambda: dict(latents=ROWS),
    "autoencoders.VariationalAutoencoder.draw": lambda: dict(mean=ROWS, log_variance=MORE),
    "autoencoders.VariationalAutoencoder.encode": lambda: dict(images=GREY),
    "autoencoders.VariationalAutoencoder.sample": lambda: dict(count=2, seed=0),
    "likelihoods.bernoulli_log_likelihood": lambda: dict(x=BINARY, logits=GREY),
    "autoencoders.deep_autoencoder": lambda: dict(widths=(3,), code_dim=2, input_dim=4),
    "autoencoders.dense_autoencoder": lambda: dict(code_dim=2, input_dim=4),
    "likelihoods.gaussian_kl": lambda: dict(mean=ROWS, log_variance=MORE),
    "likelihoods.log_mean_exp": lambda: dict(values=ROWS),
    "likelihoods.normal_log_density": lambda: dict(z=ROWS, mean=MORE, log_variance=MORE),
    "autoencoders.residual_autoencoder": lambda: dict(width=3, blocks=1, code_dim=2, input_dim=4),
    "autoencoders.vae_networks": lambda: dict(latent_dim=2, width=3, images=GREY, input_dim=12),
    "convolutional.ColourVAE": lambda: dict(
        encoder=made("colour_encoder"), decoder=made("colour_decoder"), kl_weight=0.5, seed=0
    ),
    "convolutional.ColourVAE.reconstruct": lambda: dict(images=COLOURS),
    "convolutional.ColourVAE.sample": lambda: dict(count=2, seed=0),
    "convolutional.autoencoder": lambda: dict(shape=(8, 8, 3), code_dim=2, width=2),
    "convolutional.decoder": lambda: dict(shape=(8, 8, 3), inputs=2, width=2, activation="sigmoid"),
    "convolutional.encoder": lambda: dict(shape=(8, 8, 3), outputs=2, width=2),
    "convolutional.grid_networks": lambda: dict(shape=(8, 8, 3), code_dim=2, width=2),
    "convolutional.patch_discriminator": lambda: dict(shape=(8, 8, 3), width=2),
    "convolutional.unet": lambda: dict(shape=(8, 8, 3), width=2, activation="sigmoid", skips=True),
    "convolutional.vae_networks": lambda: dict(shape=(8, 8, 3), latent_dim=2, width=2),
    "emoji.load_emoji": lambda: dict(path=helpers.emoji.EMOJI_PATH),
    "emoji.look_alikes": lambda: dict(
        drawings=[COLOURS, COLOURS], names=["a", "b", "c", "d"], codepoints=["1", "2", "3", "4"], threshold=0.8
    ),
    "emoji.outlines": lambda: dict(images=COLOURS),
    "emoji.places": lambda: dict(group=LABELS, largest=30, seed=0),
    "checks.check_activation": lambda: dict(name="activation", activation="relu"),
    "checks.check_array": lambda: dict(name="array", array=ROWS, shape=(None, 2)),
    "checks.check_choice": lambda: dict(name="value", value="a", choices=("a", "b")),
    "checks.check_each": lambda: dict(name="values", values=[1, 2], check=helpers.checks.check_integer, low=1),
    "checks.check_images": lambda: dict(name="images", images=DIGITS),
    "checks.check_integer": lambda: dict(name="value", value=1, low=0),
    "checks.check_kind": lambda: dict(name="value", value=Path("a"), kinds=Path, expected="a path"),
    "checks.check_labels": lambda: dict(name="labels", labels=LABELS),
    "checks.check_number": lambda: dict(name="value", value=1.0),
    "checks.check_pictures": lambda: dict(name="images", images=DIGITS),
    "checks.check_shape": lambda: dict(name="tensor", tensor=ROWS, shape=(None, 2)),
    "claims.check": lambda: dict(
        name="claim", value=0.5, at_most=1.0, at_least=0.1, unit="nats", source="key", met=True, comparison=None
    ),
    "claims.compare": lambda: dict(
        name="claim", ours=TIMES, theirs=TIMES + 2, curve="runs", ratio=True, paired=False, at_most=1.0
    ),
    "claims.glue": lambda: dict(name="claim", value=0.5),
    "exercises.check": lambda: dict(name="math-tied-gradient", answer=...),
    "gans.conditional.ConditionalGAN": lambda: dict(
        generator=made("pair_maker"), discriminator=made("pair_judge"), image_shape=(2, 2, 1), seed=0
    ),
    "gans.conditional.ConditionalGAN.sample": lambda: dict(count=2, seed=0, labels=[0, 1], average=True),
    "gans.conditional.ask": lambda: dict(labels=LABELS, latent_dim=12, seed=0, classes=10),
    "gans.conditional.conditional_networks": lambda: dict(
        style_dim=2,
        generator_units=(3,),
        discriminator_units=(3,),
        activation="relu",
        classes=3,
        image_shape=(2, 2, 1),
    ),
    "gans.conditional.one_hot": lambda: dict(labels=LABELS, count=6, classes=10),
    "gans.conditional.side_by_side": lambda: dict(
        generator=made("two_maker"), discriminator=made("two_judge"), classes=3
    ),
    "gans.conditional.pair": lambda: dict(images=DIGITS, labels=LABELS[:4], classes=10, image_shape=(28, 28, 1)),
    "gans.style.LearnedConstant": lambda: dict(units=3),
    "gans.style.MixStyles": lambda: dict(layers=4, share=0.5),
    "gans.style.ModulatedDense": lambda: dict(units=3),
    "gans.style.ModulatedUpsampling": lambda: dict(filters=2),
    "gans.style.mix": lambda: dict(first=ROWS, second=ROWS, crossing=2),
    "gans.style.rows": lambda: dict(latents=ROWS, noise=np.zeros((len(ROWS), 980)), second=ROWS, normal=0.5),
    "gans.style.style_networks": lambda: dict(
        latent_dim=3,
        style_dim=2,
        mapping_units=(3,),
        units=(3, 3),
        channels=(1, 1),
        discriminator_units=(3,),
        share=0.5,
    ),
    "gans.conditional.split": lambda: dict(rows=conditional.pair(DIGITS, LABELS[:4]), image_shape=(28, 28, 1)),
    "datasets.first_of_each": lambda: dict(labels=LABELS),
    "datasets.Mixture": lambda: dict(centers=ROWS, std=0.5),
    "datasets.Mixture.density": lambda: dict(points=ROWS),
    "datasets.Mixture.sample": lambda: dict(count=3, rng=NEXT),
    "datasets.SemiSupervisedBatches": lambda: dict(
        images=GREY, labels=LABELS, unlabelled=REDRAWN, labelled_size=2, unlabelled_size=3, seed=0
    ),
    "datasets.ShuffledBatches": lambda: dict(
        images=GREY, batch_size=2, seed=0, labels=LABELS, transform=datasets.binarise
    ),
    "datasets.ShuffledBatches.set_epoch": lambda: dict(epoch=1),
    "datasets.balanced_subset": lambda: dict(labels=LABELS, count=3, rng=NEXT),
    "datasets.binarise": lambda: dict(images=GREY, rng=NEXT),
    "datasets.grid": lambda: dict(side=2, spacing=1.0, std=0.1),
    "datasets.idx_md5": lambda: dict(array=BYTES),
    "datasets.load_mnist": lambda: dict(validation_size=10, path=datasets.MNIST_PATH),
    "datasets.load_mnist_bytes": lambda: dict(split="test", path=datasets.MNIST_PATH),
    "datasets.ring": lambda: dict(modes=3, radius=1.0, std=0.1),
    "datasets.scale_pixels": lambda: dict(pixels=BYTES),
    "datasets.shift_images": lambda: dict(images=DIGITS, rng=NEXT, reach=1),
    "diffusion.Diffusion": lambda: dict(
        network=made("denoiser"),
        prediction="image",
        weighting="noise",
        schedule=SCHEDULE,
        bounds=(-1.0, 1.0),
        ema=0.9,
        seed=0,
    ),
    "diffusion.Diffusion.compile": lambda: dict(optimizer=adam()),
    "diffusion.Diffusion.denoise": lambda: dict(noisy=ROWS, times=TIMES),
    "diffusion.Diffusion.sample": lambda: dict(count=2, seed=0, steps=1, scatter=0.5),
    "diffusion.Schedule": lambda: dict(power=1.0, least_signal=0.01),
    "diffusion.Schedule.rates": lambda: dict(times=TIMES),
    "diffusion.clean_image": lambda: dict(kind="noise", output=ROWS, noisy=MORE, **rates()),
    "diffusion.denoising_network": lambda: dict(dimension=2, width=4, blocks=1, frequencies=(1.0,)),
    "diffusion.exact_denoiser": lambda: dict(mixture=RING, schedule=SCHEDULE),
    "diffusion.loss_weight": lambda: dict(prediction="image", weighting="noise", **rates()),
    "diffusion.step": lambda: dict(
        noisy=ROWS, clean=MORE, rates=(0.6, 0.8), next_rates=(0.8, 0.6), scatter=0.5, fresh=MORE
    ),
    "diffusion.target": lambda: dict(kind="velocity", images=ROWS, noise=MORE, **rates()),
    "diffusion.walk": lambda: dict(
        denoise=diffusion.exact_denoiser(RING, SCHEDULE),
        noise=ROWS,
        schedule=SCHEDULE,
        steps=2,
        key=made("key"),
        scatter=0.5,
    ),
    "widgets.stored.decoder": lambda: dict(activation="sigmoid"),
    "widgets.stored.load_decoder": lambda: dict(name="vae"),
    "folders.class_labels": lambda: dict(path=made("folder of classes")),
    "folders.duplicates": lambda: dict(images=DIGITS),
    "folders.image_files": lambda: dict(path=made("folder")),
    "folders.load_folder": lambda: dict(
        path=made("folder"),
        size=3,
        grey=True,
        convert=False,
        fit="crop",
        background=0.5,
        least=1,
        progress=list,
    ),
    "folders.split": lambda: dict(images=DIGITS, fractions=(0.5, 0.5), seed=0, groups=LABELS[:4]),
    "formats.as_png": lambda: dict(figure=made("figure")),
    "formats.as_svg": lambda: dict(figure=made("figure")),
    "formats.lighter": lambda: dict(figure=made("figure")),
    "formats.with_palette": lambda: dict(png=(made("folder") / "0.png").read_bytes()),
    "storage.replacing": lambda: dict(path=Path(KEEP.name) / "whole.npz"),
    "gans.model.GAN": lambda: dict(generator=made("to_pixels"), discriminator=made("judge"), seed=0),
    "gans.model.GAN.compile": lambda: dict(
        generator_optimizer=adam(), discriminator_optimizer=adam(), ema=0.9, **penalties()
    ),
    "gans.model.GAN.sample": lambda: dict(count=2, seed=0, average=True),
    "gans.model.check_pair": lambda: dict(name="maker", maker=made("to_pixels"), discriminator=made("judge")),
    "gans.losses.cross_entropy_discriminator_loss": logits,
    "layers.dense_network": lambda: dict(
        input_shape=(4,), units=(3,), outputs=2, activation="relu", normalise=True, name="network"
    ),
    "gans.networks.dense_networks": lambda: dict(
        latent_dim=2,
        generator_units=(3,),
        discriminator_units=(3,),
        activation="relu",
        normalise=True,
        image_shape=(2, 2, 1),
    ),
    "gans.losses.feature_matching_loss": lambda: dict(real_features=ROWS, fake_features=MORE),
    "gans.losses.gradient_penalty": lambda: dict(score=made("code_judge"), real=ROWS, fake=MORE, weights=TIMES),
    "gans.losses.hinge_discriminator_loss": logits,
    "gans.losses.least_squares_discriminator_loss": logits,
    "gans.losses.least_squares_generator_loss": logits,
    "gans.losses.minimax_generator_loss": logits,
    "gans.losses.non_saturating_generator_loss": logits,
    "gans.losses.relativistic_discriminator_loss": logits,
    "gans.losses.relativistic_generator_loss": logits,
    "gans.losses.wasserstein_discriminator_loss": logits,
    "gans.losses.wasserstein_generator_loss": logits,
    "gans.losses.zero_centered_penalty": lambda: dict(score=made("code_judge"), images=ROWS),
    "training.train_scanned": lambda: dict(
        models=[made("game")], draw=lambda key: GREY, steps=1, points=1, watch=lambda model, step: None
    ),
    "gans.hybrids.AdversarialAutoencoder": lambda: dict(
        encoder=made("to_code"), decoder=made("to_pixels"), discriminator=made("code_judge"), seed=0
    ),
    "gans.hybrids.AdversarialAutoencoder.compile": lambda: dict(
        autoencoder_optimizer=adam(), discriminator_optimizer=adam(), adversarial_weight=1.0, **penalties()
    ),
    "gans.hybrids.AdversarialAutoencoder.encode": lambda: dict(images=GREY),
    "gans.hybrids.AdversarialAutoencoder.sample": lambda: dict(count=2, seed=0),
    "gans.hybrids.VAEGAN": lambda: dict(
        encoder=made("to_two_codes"), decoder=made("to_pixels"), discriminator=made("deep_judge"), layer=-2, seed=0
    ),
    "gans.hybrids.VAEGAN.compile": lambda: dict(
        encoder_optimizer=adam(),
        decoder_optimizer=adam(),
        discriminator_optimizer=adam(),
        reconstruction_weight=1.0,
        kl_weight=1.0,
        **penalties(),
    ),
    "gans.hybrids.VAEGAN.encode": lambda: dict(images=GREY),
    "gans.hybrids.VAEGAN.sample": lambda: dict(count=2, seed=0),
    "gans.hybrids.draw_latents": lambda: dict(encoded=np.hstack([ROWS, MORE]), noise=ROWS),
    "gans.hybrids.feature_error": lambda: dict(real=ROWS, reconstructed=MORE),
    "gans.hybrids.squared_error": lambda: dict(images=ROWS, reconstructions=MORE),
    "gans.translation.CycleGAN": lambda: dict(
        forth=made("small_unet"),
        back=made("other_unet"),
        forth_discriminator=made("patches"),
        back_discriminator=made("other_patches"),
        seed=0,
    ),
    "gans.translation.CycleGAN.compile": lambda: dict(
        generator_optimizer=adam(),
        discriminator_optimizer=adam(),
        error_weight=10.0,
        adversarial_weight=1.0,
        **penalties(),
    ),
    "gans.translation.CycleGAN.mix": lambda: dict(images=COLOURS, others=COLOURS),
    "gans.translation.CycleGAN.translate": lambda: dict(images=COLOURS, way="back"),
    "gans.translation.Pix2Pix": lambda: dict(
        generator=made("small_unet"), discriminator=made("patches_of_pairs"), seed=0
    ),
    "gans.translation.Pix2Pix.compile": lambda: dict(
        generator_optimizer=adam(),
        discriminator_optimizer=adam(),
        error_weight=10.0,
        adversarial_weight=1.0,
        **penalties(),
    ),
    "gans.translation.Pix2Pix.pair": lambda: dict(images=COLOURS, partners=COLOURS),
    "gans.translation.Pix2Pix.translate": lambda: dict(images=COLOURS),
    "layers.MatmulConv2D": convolution,
    "layers.MatmulConv2DTranspose": convolution,
    "layers.StandardNormal": lambda: dict(seed=0),
    "layers.VectorQuantiser": lambda: dict(codes=3, update="loss", unit=False, commitment=0.25),
    "layers.VectorQuantiser.look_up": lambda: dict(tokens=LABELS),
    "layers.VectorQuantiser.tokens": lambda: dict(vectors=ROWS),
    "layers.TiedDense": lambda: dict(dense=made("to_code").layers[0], activation="relu"),
    "metrics.active_units": lambda: dict(
        vae=made("autoencoders.VariationalAutoencoder"), images=BINARY, threshold=0.01
    ),
    "metrics.class_shares": lambda: dict(images=DIGITS),
    "metrics.expected_coverage": lambda: dict(real_count=9, fake_count=8, k=2),
    "metrics.features": lambda: dict(images=DIGITS),
    "metrics.frechet_digit_distance": lambda: dict(images_a=DIGITS, images_b=OTHERS),
    "metrics.frechet_distance": lambda: dict(features_a=ROWS, features_b=MORE),
    "metrics.importance_log_likelihood": lambda: dict(
        vae=made("autoencoders.VariationalAutoencoder"), images=BINARY, samples=2, seed=0, pairs=20, progress=list
    ),
    "metrics.inception_score": lambda: dict(probabilities=np.full((4, 5), 0.2)),
    "metrics.kernel_distance": lambda: dict(features_a=ROWS, features_b=MORE),
    "metrics.look": lambda: dict(images=DIGITS),
    "metrics.load_classifier": lambda: dict(path=metrics.CLASSIFIER_PATH),
    "metrics.mode_coverage": lambda: dict(points=RING.centers, mixture=RING),
    "metrics.nearest_neighbours": lambda: dict(rows=ROWS, others=MORE),
    "metrics.neighbour_metrics": lambda: dict(real=ROWS, fake=MORE, k=2, inclusive=False),
    "metrics.parzen_log_likelihood": lambda: dict(samples=ROWS, points=MORE, sigma=0.5),
    "metrics.predict_labels": lambda: dict(images=DIGITS),
    "metrics.ssim": lambda: dict(images=LARGE, others=LARGE[::-1]),
    "metrics.psnr": lambda: dict(images=GREY, reconstructions=REDRAWN),
    "metrics.sharpness": lambda: dict(images=DIGITS),
    "metrics.squared_error": lambda: dict(images=GREY, reconstructions=REDRAWN),
    "plots.diagram": lambda: dict(
        places={"a": (0, 0), "b": (1, 0.5)}, arrows=[("a", "b")], colors={"a": "C1"}, ax=plt.gca()
    ),
    "plots.film": lambda: dict(frames={0: DIGITS[0, :, :, 0]}, alt="A digit.", unit="step"),
    "plots.show_history": lambda: dict(
        series={"loss": [1.0, 0.5]}, xlabel="step", ylabel="loss", references={"best": 0.4}, ax=plt.gca()
    ),
    "plots.show_images": lambda: dict(images=DIGITS, columns=2, titles=["a", "b"], ax=plt.gca()),
    "plots.table": lambda: dict(head=["name", "value"], rows=[["a", "1"], ["b", "2"]]),
    "plots.tile": lambda: dict(images=DIGITS, columns=2),
    "layers.FourierFeatures": lambda: dict(frequencies=(1.0, 2.0)),
    "layers.MinibatchDeviation": lambda: dict(size=2),
    "layers.Pack": lambda: dict(size=2),
    "layers.RandomBits": lambda: dict(bits=2),
    "gans.networks.point_networks": lambda: dict(
        normals=2, bits=1, units=(3,), frequencies=(1.0,), pack=1, spectral=False, dimension=2, group=1
    ),
    "ranges.output_range": lambda: dict(network=helpers.widgets.stored.decoder()),
    "ranges.saturates": lambda: dict(network=helpers.widgets.stored.decoder()),
    "results.arrays": lambda: dict(name="ladder", which=[0], keys=("0_scale",)),
    "results.path": lambda: dict(name="ladder", which=[0]),
    "results.read": lambda: dict(name="ladder", folder=results.RESULTS),
    "results.rows": lambda: dict(record=results.read("ladder")),
    "results.weights": lambda: dict(name="ladder", which=[0]),
    "widgets.stored.load_network": lambda: dict(name="classes"),
    "widgets.stored.load_translation": lambda: dict(name="to_noto"),
    "widgets.stored.principal_components": lambda: dict(rows=ROWS, count=1),
    "widgets.stored.sketch_classifier": lambda: dict(width=3),
    "storage.load_weights": lambda: dict(path=made("weights")),
    "storage.read_arrays": lambda: dict(path=made("weights")),
    "storage.save_weights": lambda: dict(path=Path(KEEP.name) / "new.npz", weights=[ROWS], stored_as="int8"),
    "training.Line": lambda: dict(text="step 1"),
    "training.Line.say": lambda: dict(text="step 2"),
    "training.Progress": lambda: dict(text="epoch {epoch}: loss {loss:.2f}"),
    "training.Backup": lambda: dict(folder=Path(KEEP.name) / "states"),
    "guards.OwnLoss.compile": lambda: dict(
        optimizer=adam(), loss=None, loss_weights=None, metrics=None, weighted_metrics=None
    ),
    "training.SampleFilm": lambda: dict(steps=[0, 2], count=2, seed=0, average=True),
    "widgets.digits_on_request.strongest_directions": lambda: dict(network=made("styled"), step=0.1),
    "widgets.packing.narrow": lambda: dict(
        inputs=ROWS, kernel=fixed(np.eye(2, 3)), bias=fixed(np.ones(3)), rank=1, weights=fixed(np.ones(3))
    ),
    "widgets.packing.pack": lambda: dict(network=made("judge"), stored_as="float32"),
    "widgets.packing.pack_chain": lambda: dict(networks=[made("to_code"), made("to_pixels")], stored_as="float32"),
    "widgets.packing.pack_unet": lambda: dict(network=made("small_unet")),
    "widgets.which_is_real.draw": lambda: dict(name="improved GAN", count=2),
    "widgets.which_is_real.pack_images": lambda: dict(images=np.zeros((1, 784))),
}

# These take tensors, also inside a compiled function, where no value can be looked at: NaN in, NaN out.
TENSORS = (
    "augment.[a-z]*",
    "autoencoders.VariationalAutoencoder.d*",
    "autoencoders.VariationalAutoencoder.encode",
    "likelihoods.*",
    "checks.check_shape",
    "diffusion.Diffusion.denoise",
    "diffusion.Schedule.rates",
    "diffusion.[clstw]*",
    "gans.losses.*_loss",
    "gans.losses.*_penalty",
    "gans.hybrids.[dfs]*",
)

# These say in their docstrings where they return NaN.
NOT_FINITE = ("metrics.mode_coverage",)

# --- Wrong values ----------------------------------------------------------------------------------------------------


class Wrong(NamedTuple):
    """A value that is not the right one; `never` says that no function may take it."""

    value: object
    never: bool


def pool(right, optional, tensor):
    """Return what is tried in the place of a right value; None may come where it is optional, NaN in tensors."""
    never, maybe = wrong_kinds(right, tensor)
    (maybe if optional else never).append(None)
    return [Wrong(value, True) for value in never] + [Wrong(value, False) for value in maybe]


def wrong_kinds(right, tensor):
    """Return two lists: what may never come in the place of a right value, and what may or may not."""
    thing = object()
    if isinstance(right, bool):
        return ["no", 2, np.array([True, False]), thing], [1]
    if isinstance(right, int):
        never = ["3", 1.5, math.nan, True, np.zeros(3), [], thing, 2**62]
        return never, [-7, 0, np.int64(right)]
    if isinstance(right, float):
        return ["0.5", math.nan, math.inf, np.zeros(3), True, thing], [-1.5, 0, 1, 1e300, np.float32(right)]
    if isinstance(right, str):
        return [3, 1.5, np.zeros(2), ["relu"], thing], ["zzz", ""]
    if isinstance(right, np.ndarray):
        return wrong_arrays(right, tensor)
    if isinstance(right, np.random.Generator):
        return [0, 1.5, "rng", np.random.RandomState(0), thing], []
    if isinstance(right, (list, tuple)) and not hasattr(right, "_fields") and isinstance(right[0], Number):
        return wrong_sequences(right)
    if isinstance(right, (Path, bytes)):
        return [3, 1.5, np.zeros(2), [], thing], ["no such file", ""]
    return [3, 1.5, np.zeros(3), thing, (1, 2)], ["abc", [], {}]


def wrong_sequences(right):
    """Return the two lists for a sequence of numbers."""
    never = [3, 1.5, "abc", [None], ["a"], [math.nan], [math.inf], [[1, 2], [3]], object()]
    maybe = [[], [-1], [0], [*right, right[0]], list(right[:-1]), np.array(right)]
    return never + ([[1.5], [2**62], [True]] if isinstance(right[0], int) else []), maybe


def wrong_arrays(right, tensor):
    """Return the two lists for an array."""
    nan, huge = np.full(right.shape, np.nan), np.broadcast_to(right.ravel()[0], (2**50, *right.shape[1:]))
    never = ["abc", [[1, 2], [3]], object(), np.full(right.shape, None), np.full(right.shape, "a"), right + 1j]
    never += [] if tensor else [nan, nan - np.inf, np.where(right == right.max(), np.inf, right)]
    maybe = [right[..., None, None], right[:0], right[:1], right[0], np.float32(0.5), right.tolist()]
    maybe += [-1.0 - right, np.resize(np.arange(255, 0, -1, "uint8"), right.shape)]
    return never, maybe + ([] if tensor else [huge, right[:-1], right.astype("float64")])


def random_values(right, tensor):
    """Return a strategy for further values that may or may not be right."""
    if isinstance(right, int) and not isinstance(right, bool):
        return st.integers(-(2**70), -1) | st.integers(2**32) | st.floats()
    if isinstance(right, float):
        return st.floats() | st.integers(-(2**70), 2**70)
    if isinstance(right, np.ndarray) and not tensor:  # each new shape of a tensor would be compiled
        kinds = st.sampled_from(["float32", "float16", "int64", "uint8"])
        return hnp.arrays(kinds, hnp.array_shapes(min_side=0, max_side=3))
    return st.text() if isinstance(right, str) else st.text("abc", min_size=1)  # no path to the root of all files


# --- The tests -------------------------------------------------------------------------------------------------------

PUBLIC = public()


def call(path, arguments):
    """Call a public function or a method of a made object; arguments that are spread come first."""
    owner, _, name = path.rpartition(".")
    function = getattr(made(owner), name) if owner in MAKERS else PUBLIC[path]
    arguments, spread = dict(arguments), []
    for parameter in parameters(path, PUBLIC[path]).values():
        if any(other.kind is other.VAR_POSITIONAL for other in parameters(path, PUBLIC[path]).values()):
            if parameter.kind is parameter.VAR_POSITIONAL:
                spread += arguments.pop(parameter.name)
            elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                spread.append(arguments.pop(parameter.name))
    with limited(path):
        return function(*spread, **arguments)


@contextmanager
def limited(path):
    """Raise a TimeoutError when what is inside takes too long."""

    def stop(*_):
        raise TimeoutError(f"{path} took longer than {LONGEST} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def finite(result):
    """Return whether no number in a result is NaN or infinite."""
    if isinstance(result, dict):
        return all(map(finite, result.values()))
    if isinstance(result, (list, tuple)):
        return all(map(finite, result))
    if isinstance(result, (float, np.ndarray, np.generic, jax.Array)) and np.asarray(result).dtype.kind == "f":
        return bool(np.isfinite(np.asarray(result)).all())
    return True


def try_out(path, argument, wrong):
    """Give one wrong value to a function, and assert that it works or names the argument."""
    arguments = CASES[path]()
    value = [wrong.value] if PUBLIC[path] and is_spread(path, argument) else wrong.value
    try:
        result = call(path, {**arguments, argument: value})
    except Exception as error:
        if not isinstance(error, MemoryError):  # NumPy's own says what does not fit
            assert_named(path, {**arguments, argument: wrong.value}, error)
        return
    assert not wrong.never, f"{path} took {argument} = {wrong.value!r:.200}"
    assert finite(result) or is_tensor(path) or path in NOT_FINITE, (
        f"{argument} = {wrong.value!r:.200}: {result!r:.200}"
    )
    assert type(result) is type(right_result(path))


def is_spread(path, argument):
    """Return whether an argument stands for any number of them."""
    kind = parameters(path, PUBLIC[path])[argument].kind
    return kind is inspect.Parameter.VAR_POSITIONAL


def is_tensor(path):
    """Return whether a function takes tensors."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in TENSORS)


@functools.cache
def right_result(path):
    """Return what the right call returns."""
    return call(path, CASES[path]())


def assert_named(path, arguments, error):
    """Assert that an error comes from helpers, is of a documented kind, and names an argument, a file or the claim."""
    assert isinstance(error, (ValueError, RuntimeError, TypeError, OSError, AssertionError)), repr(error)
    assert len(str(error)) < 500, error
    last = traceback.extract_tb(error.__traceback__)[-1]
    assert Path(last.filename).is_relative_to(FOLDER), f"raised in {last.filename}: {error}"
    owner = PUBLIC.get(path.rpartition(".")[0])
    names = {*inspect.signature(PUBLIC[path]).parameters, *(inspect.signature(owner).parameters if owner else ())}
    names |= {str(value) for value in arguments.values() if isinstance(value, (str, Path))}
    starts = [f"{name}{end}" for name in names for end in ":[/."]
    assert str(error).startswith((*starts, str(results.RESULTS))), f"names nothing: {error}"


TRIED = [
    (path, argument)
    for path in CASES
    for argument in parameters(path, PUBLIC[path])
    if not of(LEFT_OUT, f"{path}.{argument}")
]


def right_value(path, argument):
    """Return the right value of an argument, of one that is spread the first."""
    value = CASES[path]()[argument]
    return value[0] if is_spread(path, argument) else value


def test_every_public_function_is_tried():
    elsewhere = {path for path in PUBLIC if of(TRAINING, path)}
    assert CASES.keys() | elsewhere == PUBLIC.keys()
    assert not CASES.keys() & elsewhere
    print(f"{len(PUBLIC)} public functions, {len(elsewhere)} of them in training; {len(TRIED)} arguments of the others")


def test_nothing_is_left_out_that_is_not_there():
    arguments = [f"{path}.{name}" for path, function in PUBLIC.items() for name in parameters(path, function)]
    assert [pattern for pattern in LEFT_OUT if not fnmatch.filter(arguments, pattern)] == []
    assert [pattern for pattern in TRAINING if not fnmatch.filter(PUBLIC, pattern)] == []
    assert [pattern for pattern in INTERNAL if not fnmatch.filter(members(), pattern)] == []


@pytest.mark.parametrize("path", CASES)
def test_the_right_call_works(path):
    wanted = {name for name in parameters(path, PUBLIC[path]) if not of(LEFT_OUT, f"{path}.{name}")}
    assert wanted <= CASES[path]().keys()
    assert finite(right_result(path))


@pytest.mark.parametrize(("path", "argument"), TRIED)
def test_wrong_values_are_named_or_harmless(path, argument):
    # None is Keras's word for the activation that does nothing.
    optional = parameters(path, PUBLIC[path])[argument].default is None or argument == "activation"
    for wrong in pool(right_value(path, argument), optional, is_tensor(path)):
        try_out(path, argument, wrong)


@pytest.mark.parametrize(("path", "argument"), TRIED)
@settings(max_examples=DRAWS)
@given(data=st.data())
def test_random_values_are_named_or_harmless(path, argument, data):
    values = random_values(right_value(path, argument), is_tensor(path))
    try_out(path, argument, Wrong(data.draw(values), False))
