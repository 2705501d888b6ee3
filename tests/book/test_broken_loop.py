"""Defects D1 to D15 of the source's GAN loop and D22 of its usual mend: caught, and absent in `helpers.gans.GAN`."""

import inspect
import json
import re
import subprocess
import sys
import textwrap
import warnings
from collections import Counter
from types import SimpleNamespace

import jax
import jupytext
import keras
import numpy as np
import pytest

from helpers import gans
from tests.book import source_loop
from tools.pages import ROOT

CHAPTER = ROOT / "book" / "gans" / "broken_loop.md"
IMAGES = np.random.default_rng(0).uniform(size=(32, 4, 4, 1)).astype("float32")
REAL = np.random.default_rng(1).uniform(size=(60, 28, 28)).astype("float32")  # stands for MNIST in the source's loop
BATCH = 8


def cells(tag):
    """Join the chapter's code cells that carry a tag."""
    found = jupytext.read(CHAPTER, fmt="md:myst").cells
    return "\n\n".join(cell.source for cell in found if tag in cell.metadata.get("tags", []))


@pytest.fixture(scope="module")
def checks():
    """The chapter's own checks, so that what is taught is what is tested."""
    names = {}
    exec("import numpy as np\n" + cells("check"), names)
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def broken(checks):
    """The source's loop after its crashes are mended, spied on."""
    return SimpleNamespace(**source_loop.run(*source_loop.CRASHES, spy=checks.Spy, X_train=REAL))


class Recorder(keras.layers.Layer):
    """Notes what the discriminator is handed, also inside gradients."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, inputs):
        jax.debug.callback(lambda values: self.seen.append(np.array(values)), inputs)
        return inputs


def make_gan(recorder=None, **zeros):
    """Return a small GAN; ``zeros`` go to the discriminator's last layer."""
    dense, layers = keras.layers.Dense, keras.layers
    generator = keras.Sequential(
        [keras.Input((3,)), dense(16, activation="relu"), dense(16, activation="sigmoid"), layers.Reshape((4, 4, 1))]
    )
    first = [recorder] if recorder else []
    discriminator = keras.Sequential(
        [keras.Input((4, 4, 1)), *first, layers.Flatten(), dense(16, activation="relu"), dense(1, **zeros)]
    )
    return gans.GAN(generator, discriminator)


def train(gan, *, generator_rate=0.01, discriminator_rate=0.01, eagerly=True):
    """Train one epoch; return the history and the weights of G and D before."""
    initial = gan.generator.get_weights(), gan.discriminator.get_weights()
    optimizers = keras.optimizers.SGD(generator_rate), keras.optimizers.SGD(discriminator_rate)
    gan.compile(*optimizers, run_eagerly=eagerly)
    return gan.fit(IMAGES, batch_size=BATCH, verbose=0).history, initial


def score_gap(gan):
    """Return by how much D scores real images over fakes."""
    fakes = gan.generator(np.random.default_rng(0).normal(size=(32, 3)))
    return float(np.mean(gan.discriminator(IMAGES)) - np.mean(gan.discriminator(fakes)))


@pytest.fixture(scope="module")
def corrected():
    """One epoch of `GAN.fit`, with every batch that D was handed: real and fake in D's step, then in G's."""
    keras.utils.set_random_seed(0)
    recorder = Recorder()
    gan = make_gan(recorder)
    kinds = dict(vars(gan))
    history, initial = train(gan)
    jax.effects_barrier()
    real, fake = recorder.seen[0::4], recorder.seen[1::4]
    labels = [np.ones((BATCH, 1)), np.zeros((BATCH, 1))] * len(real)
    batches = [batch for pair in zip(real, fake, strict=True) for batch in pair]
    return SimpleNamespace(
        gan=gan, kinds=kinds, history=history, initial=initial, real=real, fake=fake, batches=batches, labels=labels
    )


def test_the_program_here_is_the_chapters():
    names = {}
    exec(cells("program"), names)
    assert {name: names[name.lower()] for name in source_loop.PARTS} == source_loop.PARTS


def compiles(program):
    """Say whether a program is Python at all; nothing is run."""
    try:
        compile(program, "program", "exec")
    except SyntaxError:
        return False
    return True


def test_d01_lost_indentation():
    assert not compiles(source_loop.LOOP)
    assert compiles(source_loop.program("D1")["LOOP"])
    assert compiles(inspect.getsource(gans))


def test_d02_reshape_that_does_not_fit():
    with pytest.raises(ValueError, match="total size"):
        source_loop.run("D1", "D3", "D9", X_train=REAL)
    reshape = make_gan().generator.layers[-1]
    assert np.prod(reshape.input.shape[1:]) == np.prod(reshape.output.shape[1:])


def test_d03_flatten_not_imported():
    with pytest.raises(NameError, match="Flatten"):
        source_loop.run("D1", "D2", "D9", X_train=REAL)
    parts = source_loop.program("D1")
    found = ruff(parts["IMPORTS"] + parts["DATA"] + parts["NETWORKS"])
    assert [message for code, _, message in found if code == "F821"] == ["Undefined name `Flatten`"]
    assert [code for code, *_ in ruff(inspect.getsource(gans)) if code == "F821"] == []


def test_d04_generator_ends_in_the_discriminator(broken, corrected):
    assert isinstance(broken.generator.layers[-1], keras.layers.Flatten)
    assert broken.generator.output_shape[1:] == (784,)
    assert corrected.gan.generator.output_shape[1:] == IMAGES.shape[1:]


def test_d05_no_model_reaches_the_generator(checks, broken, corrected):
    assert [type(layer).__name__ for layer in broken.network.layers] == ["InputLayer", "Dense", "Dense", "Dense"]
    assert not checks.trains(broken.network, broken.generator)
    assert checks.trains(corrected.gan, corrected.gan.generator)
    assert checks.trains(corrected.gan, corrected.gan.discriminator)


def changed_kind(before, after):
    """List the names that stand for another kind of thing than they did before."""
    both = before.keys() & after.keys()
    return sorted(name for name in both if type(after[name]) is not type(before[name]))


def test_d06_labels_overwritten(broken, corrected):
    assert changed_kind({"y": np.zeros(3)}, vars(broken)) == ["y"]
    own = ("generator", "discriminator", "ema_generator", "latent_dim", "noise", "seed")
    assert changed_kind({name: corrected.kinds[name] for name in own}, vars(corrected.gan)) == []


def test_d07_data_set_overwritten_and_loaded_twice(monkeypatch):
    loads = []
    bundle = SimpleNamespace(train_images=REAL[..., None], train_labels=np.zeros(len(REAL)))
    monkeypatch.setattr("helpers.datasets.load_mnist", lambda: loads.append(1) or bundle)
    names = {}
    exec(source_loop.IMPORTS + source_loop.DATA, names)
    before = dict(names)
    exec(source_loop.DATA_AGAIN, names)
    assert len(loads) == 2
    assert changed_kind(before, names) == ["mnist"]
    mine = IMAGES.copy()
    train(make_gan())
    np.testing.assert_array_equal(IMAGES, mine)  # fit neither loads data of its own nor changes what it is given
    assert len(loads) == 2


def test_d08_no_real_image_reaches_the_discriminator(checks, broken, corrected):
    flat = REAL.reshape(len(REAL), -1)
    assert not checks.sees_real_images(broken.discriminator.batches, flat)
    blank = source_loop.run(*source_loop.CRASHES, X_train=0 * REAL)
    for mine, theirs in zip(blank["network"].get_weights(), broken.network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    mended = source_loop.run(*source_loop.CRASHES, "D8", spy=checks.Spy, X_train=REAL)
    assert checks.sees_real_images(mended["discriminator"].batches, flat)
    assert checks.sees_real_images(corrected.real, IMAGES)
    assert not checks.sees_real_images(corrected.fake, IMAGES)
    assert sum(map(len, corrected.real)) == sum(map(len, corrected.fake))


def test_d09_a_label_per_pixel(broken):
    with pytest.raises(ValueError, match="same shape"):
        source_loop.run("D1", "D2", "D3", X_train=REAL)
    assert np.zeros_like(broken.fakes).shape[1:] != broken.network.output_shape[1:] == (1,)
    # One label an image and no other weight: a D that answers 1/2 has a loss of log 2 on each pile.
    history, _ = train(make_gan(kernel_initializer="zeros"), generator_rate=0.0, discriminator_rate=0.0)
    np.testing.assert_allclose(history["d_loss"], 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(history["g_loss"], np.log(2), rtol=1e-6)


def test_d10_cast_to_bytes_blackens_the_images(checks, broken, corrected):
    assert all(checks.grey_levels(batch) == 1 for batch in broken.discriminator.batches)
    mended = source_loop.run(*source_loop.CRASHES, "D10", spy=checks.Spy, X_train=REAL)
    assert all(checks.grey_levels(batch) > 2 for batch in mended["discriminator"].batches)
    assert all(checks.grey_levels(batch) > 2 for batch in corrected.fake)
    assert checks.grey_levels(corrected.gan.sample(4, seed=0)) > 2


def test_d11_generator_step_trains_the_discriminator(checks, broken):
    before = broken.generator.get_weights(), broken.network.get_weights()
    broken.network.train_on_batch(broken.fakes, np.ones((len(broken.fakes), 1)))
    assert max(checks.change(before[0], broken.generator.get_weights())) == 0
    assert max(checks.change(before[1], broken.network.get_weights())) > 0
    for rates, still, moving in (
        ({"discriminator_rate": 0.0}, "discriminator", "generator"),
        ({"generator_rate": 0.0}, "generator", "discriminator"),
    ):
        gan = make_gan()
        _, initial = train(gan, **rates)
        initial = dict(zip(("generator", "discriminator"), initial, strict=True))
        assert max(checks.change(initial[still], getattr(gan, still).get_weights())) == 0
        assert max(checks.change(initial[moving], getattr(gan, moving).get_weights())) > 0


def test_d12_generator_never_trained(checks, broken, corrected):
    assert max(checks.change(broken.initial[0], broken.generator.get_weights())) == 0
    assert isinstance(broken.fakes, np.ndarray)
    assert max(checks.change(corrected.initial[0], corrected.gan.generator.get_weights())) > 0


def test_d13_log_2_without_learning(checks, broken, corrected):
    assert np.abs(np.array(broken.losses) - np.log(2)).max() < 0.001
    assert checks.contradicts(broken.discriminator.batches, broken.discriminator.labels)
    assert checks.spread(broken.fakes) == 0
    assert not checks.contradicts(corrected.batches, corrected.labels)
    # Those labels are what the loss means: D's steps alone raise real scores over fake ones.
    gan = make_gan()
    before = score_gap(gan)
    train(gan, generator_rate=0.0, discriminator_rate=0.1)
    assert score_gap(gan) > before
    assert checks.spread(corrected.gan.sample(16, seed=0)) > 0


def test_d14_zero_input_freezes_the_weights(checks, broken, corrected):
    assert checks.frozen(broken.initial[1], broken.network.get_weights()) == 5
    assert checks.frozen(corrected.initial[1], corrected.gan.discriminator.get_weights()) == 0
    assert checks.frozen(corrected.initial[0], corrected.gan.generator.get_weights()) == 0


def visits(batches, images):
    """Count how often each image was handed over."""
    counts = Counter(image.tobytes() for batch in batches for image in np.float32(batch))
    return [counts[image.tobytes()] for image in np.float32(images)]


def test_d15_epochs_that_visit_no_image(broken, corrected):
    assert set(visits(broken.discriminator.batches, REAL.reshape(len(REAL), -1))) == {0}
    assert set(visits(corrected.real, IMAGES)) == {1}
    assert len(corrected.real) == len(IMAGES) // BATCH


def frozen_pair(*, trained):
    """Return small networks and their joined model in the usual order: compile D, freeze it, join, compile."""
    keras.utils.set_random_seed(0)
    dense, settings = keras.layers.Dense, dict(loss="binary_crossentropy", optimizer="sgd")
    generator = keras.Sequential([keras.Input((3,)), dense(8, activation="relu"), dense(4)])
    discriminator = keras.Sequential([keras.Input((4,)), dense(8), dense(1, activation="sigmoid")])
    discriminator.compile(**settings)
    if trained:
        discriminator.train_on_batch(np.ones((8, 4)), np.ones((8, 1)))
    discriminator.trainable = False
    noise = keras.Input((3,))
    gan = keras.Model(noise, discriminator(generator(noise)))
    gan.compile(**settings)
    return generator, discriminator, gan


def alternate(checks, generator, discriminator, gan, thaw=False):
    """Train D and G in turns; return how far D moved in its own steps, and D and G in those of G."""
    moves = []
    for seed in range(5):
        real, noise = np.split(np.random.default_rng(seed).normal(size=(8, 7)), [4], axis=1)
        start = discriminator.get_weights(), generator.get_weights()
        discriminator.trainable = thaw
        discriminator.train_on_batch(real, np.ones((8, 1)))
        discriminator.train_on_batch(generator.predict(noise, verbose=0), np.zeros((8, 1)))
        between = discriminator.get_weights()
        discriminator.trainable = False
        gan.train_on_batch(noise, np.ones((8, 1)))
        pairs = (start[0], between), (between, discriminator.get_weights()), (start[1], generator.get_weights())
        moves.append([max(checks.change(*pair)) for pair in pairs])
    return np.max(moves, axis=0)


def test_d22_a_discriminator_frozen_in_its_own_steps(checks, corrected):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        by_d, by_g, generator = alternate(checks, *frozen_pair(trained=False))
    assert (by_d, by_g) == (0, 0)
    assert generator > 0
    by_d, by_g, generator = alternate(checks, *frozen_pair(trained=False), thaw=True)
    assert min(by_d, generator) > 0
    assert by_g == 0
    assert max(checks.change(corrected.initial[1], corrected.gan.discriminator.get_weights())) > 0


def test_d22_a_discriminator_frozen_after_a_step_is_refused(checks):
    with pytest.raises(ValueError, match="optimizer was built with 4 variables"):
        alternate(checks, *frozen_pair(trained=True))


@pytest.mark.parametrize("method", ["train_on_batch", "fit"])
def test_a_failed_first_step_leaves_the_weights(checks, method):
    _, discriminator, _ = frozen_pair(trained=False)
    discriminator.trainable = True
    before = discriminator.get_weights()
    with pytest.raises(ValueError, match="same shape"):
        getattr(discriminator, method)(np.ones((8, 4)), np.zeros((8, 4)))
    assert max(checks.change(before, discriminator.get_weights())) == 0
    discriminator.train_on_batch(np.ones((8, 4)), np.ones((8, 1)))
    assert max(checks.change(before, discriminator.get_weights())) > 0


def test_a_fit_that_fails_after_another_loses_the_weights():
    _, discriminator, _ = frozen_pair(trained=False)
    discriminator.trainable = True
    discriminator.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    with pytest.raises(ValueError, match="same shape"):
        discriminator.fit(np.ones((8, 4)), np.zeros((8, 4)), verbose=0)
    with pytest.raises(TypeError, match="NoneType"):
        discriminator.get_weights()


RULES = ("B007", "E112", "E402", "F821", "F841", "NPY002")  # those of the chapter's table


def ruff(program):
    """Return what Ruff finds in a program by these rules: (code, page, message) for each."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--preview", "--output-format=json"]
    command += [f"--select={','.join(RULES)}", "--stdin-filename=program.py", "-"]
    found = subprocess.run(command, input=program, capture_output=True, text=True, check=False).stdout
    return [(finding["code"], finding["url"], finding["message"]) for finding in json.loads(found)]


def rules_of(program):
    """Return the rules that find something; what the chapter's own last line uses, `losses`, is no finding."""
    return {(code, page) for code, page, message in ruff(program) if "`losses`" not in message}


def test_ruff_finds_what_the_table_says():
    parts = source_loop.program("D1")
    before = "".join(parts[name] for name in ("DATA", "NETWORKS", "DATA_AGAIN"))
    printed = source_loop.IMPORTS + before + source_loop.LOOP
    indented = source_loop.IMPORTS + before + parts["LOOP"]
    inside = source_loop.IMPORTS + "\n\ndef main(losses):\n" + textwrap.indent(before + parts["LOOP"], "    ")
    assert {code for code, _ in rules_of(printed)} >= {"E112"}
    assert {code for code, _ in rules_of(indented)} == {"E402", "F821", "B007", "NPY002"}
    unused = [message for code, _, message in ruff(inside) if code == "F841"]
    assert [re.search("`(.+?)`", message)[1] for message in unused] == ["X", "X_train"]
    linked = set(re.findall(r"\[([A-Z]+\d+)\]\((https://docs\.astral\.sh/ruff/rules/[\w-]+)\)", CHAPTER.read_text()))
    found = rules_of(printed) | rules_of(indented) | rules_of(inside)
    assert linked == {(code, page) for code, page in found if code in RULES}
