"""Play the GAN of letters of the chapter on images of your own with two losses.

python -m experiments.letters              every run that is missing, then the result
python -m experiments.letters ROW          the runs of one row only
python -m experiments.letters write        the result, from the runs that are done
python -m experiments.letters --rehearse   few letters, two epochs; no result is written

The letters are those of the chapter, made anew in a temporary folder, and so are all settings. The rows differ in the
loss alone and make the same number of steps, with three seeds each. Which loss to take is decided by distances from the
*validation* letters; test letters are read when the result is written, once.
"""

import argparse
import dataclasses
import functools
import tempfile
from pathlib import Path

import keras
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from experiments.harness import record
from experiments.harness.stacked import Stack
from helpers import folders, gans, metrics

NAME = "letters"
RUNS = record.RESULTS.parent / "runs"
SEEDS, RATE = (0, 1, 2), 2e-3
EPOCHS, BATCH, LOOKS = 45, 64, (15, 30)
SAMPLES, SAMPLE_SEED, HALF, DRAWS = 1_350, 12345, 675, 10


# --- Letters, as the chapter makes them ------------------------------------------------------------------------------

LETTERS = "acdenortu"
FACES = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono"
font_files = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@functools.cache
def face(name, size):
    """Return a font at a size in pixels."""
    return ImageFont.truetype(str(font_files / f"{name}.ttf"), size)


def upright(name, rng):
    """Return a letter in a random font, white on black, 56 × 56 pixels."""
    image = Image.new("L", (56, 56))
    font = face(str(rng.choice(FACES)), int(rng.integers(40, 53)))
    weight = int(rng.integers(2))
    style = dict(font=font, fill=255, anchor="mm", stroke_width=weight)
    ImageDraw.Draw(image).text((28, 27), name, **style)
    return image


def letter(name, rng):
    """Return such a letter, turned, slanted and moved a little."""
    angle, slant = rng.normal(0, (0.12, 0.15))
    turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    matrix = np.array(turn) @ [[1, slant], [0, 1]]
    shift = 28 - matrix @ [28, 28] + rng.normal(0, 1, 2)
    numbers = np.column_stack([matrix, shift]).ravel().tolist()  # (2, 3) -> (6,)
    affine, smooth = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    return upright(name, rng).transform((56, 56), affine, numbers, smooth)


def load_parts(count=4_500):
    """Return training, validation and test letters, each (n, 28, 28, 1)."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            name = LETTERS[number % 9]
            (Path(folder) / name).mkdir(exist_ok=True)
            letter(name, rng).save(Path(folder) / name / f"{number:04}.png")
        images = folders.load_folder(folder, size=28)
    mix = np.random.default_rng(0).permutation
    return [images[mix(rows)] for rows in folders.split(images, fractions=(0.6, 0.1, 0.3), seed=0)]


# --- Rows and runs ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Row:
    """The settings of a game: the loss, and what both have alike."""

    loss: str
    units: tuple = (256, 128)  # hidden units of D; those of G are the reverse
    ema: float = 0.998
    last: float = 0.05  # the learning rate at the end, over that at the start

    def build(self, seed):
        """Return the compiled, untrained GAN."""
        keras.utils.set_random_seed(seed)
        networks = gans.dense_networks(16, self.units[::-1], self.units, "relu", normalise=True)
        gan = gans.GAN(*networks, seed=seed)
        adams = [keras.optimizers.Adam(RATE, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        gan.compile(*adams, loss=self.loss, r1=0.3, r2=0.3, penalty_batch=8, ema=self.ema)
        return gan


ROWS = {
    "relativistic": Row("relativistic"),
    "non-saturating": Row("non_saturating"),
}


class Judge:
    """Measures averaged generators by Fréchet distances, in features fitted to the training letters and in others."""

    def __init__(self, train, validation, test):
        rows = train.reshape(len(train), -1)
        self.mean = rows.mean(axis=0)
        self.directions = np.linalg.svd(rows - self.mean, full_matrices=False)[2][:32]
        self.validation, self.test = self.features(validation), self.features(test)

    def features(self, images):
        """Return the 32 leading components and the features of the classifier of digits."""
        components = (images.reshape(len(images), -1) - self.mean) @ self.directions.T
        return {"components": components, "classifier": metrics.features(images)}

    def distances(self, images, real):
        """Return the distance in each kind of features, all images of both sides."""
        found = self.features(images)
        return {name: float(metrics.frechet_distance(found[name], rows)) for name, rows in real.items()}


def drawn_distance(made, real, count=HALF):
    """Return the distance of `count` made rows from as many real ones, the mean of several draws."""
    mix = np.random.default_rng(7).permutation
    pairs = [(mix(made)[:count], mix(real)[:count]) for _ in range(DRAWS)]
    return float(np.mean([metrics.frechet_distance(*pair) for pair in pairs]))


def floor_distance(real, count=HALF):
    """Return the distance of real rows from others, the mean of several halvings."""
    mix = np.random.default_rng(7).permutation
    orders = [mix(real) for _ in range(DRAWS)]
    return float(np.mean([metrics.frechet_distance(rows[:count], rows[-count:]) for rows in orders]))


def sample(stack):
    """Return samples of the averaged generator of every copy."""
    network = stack.model.ema_generator
    latents = keras.random.normal((SAMPLES, network.input_shape[-1]), seed=SAMPLE_SEED)
    return stack.apply(network, latents)


def train(row, images, judge, title, epochs=EPOCHS):
    """Play one row with all seeds side by side; return their curves and samples."""
    stack, curves = Stack([row.build(seed) for seed in SEEDS]), [{} for _ in SEEDS]

    def watch(epoch):
        if epoch in LOOKS or epoch == epochs:
            for curve, drawn in zip(curves, sample(stack), strict=True):
                curve[str(epoch)] = judge.distances(drawn, judge.validation)

    stack.fit(images, BATCH, epochs, last=row.last, watch=watch, title=title)
    return curves, sample(stack)


def log_of(name):
    """Return the log of one row; it is not committed."""
    settings = {**dataclasses.asdict(ROWS[name]), "rate": RATE, "epochs": EPOCHS}
    return record.Log(RUNS / NAME / f"{name}.jsonl", settings)


def samples_file(name):
    """Return where the samples of a row's seeds lie until they are measured."""
    return RUNS / NAME / f"{name}.npz"


def make(name, images, judge, epochs=EPOCHS):
    """Make the runs of a row unless its log has them."""
    log = log_of(name)
    if not log.runs:
        curves, drawn = train(ROWS[name], images, judge, name, epochs)
        np.savez(samples_file(name), samples=drawn)
        log.add({"runs": [{"seed": seed, "curve": curve} for seed, curve in zip(SEEDS, curves, strict=True)]})


def write(judge):
    """Write the result of the rows that are whole."""
    rows = {}
    for name in ROWS:
        if not (done := log_of(name).runs):
            continue
        runs = done[0]["runs"]
        with np.load(samples_file(name)) as arrays:
            for run, drawn in zip(runs, arrays["samples"], strict=True):
                found = judge.features(drawn)
                run["test"] = {kind: drawn_distance(found[kind], real) for kind, real in judge.test.items()}
        rows[name] = {**dataclasses.asdict(ROWS[name]), "runs": runs}
    floors = {kind: floor_distance(real) for kind, real in judge.test.items()}
    settings = {"rate": RATE, "epochs": EPOCHS, "batch_size": BATCH, "samples": SAMPLES, "compared": HALF}
    record.write(NAME, rows=rows, floors=floors, **settings)


def rehearse():
    """Play every row for two epochs on few letters, in a folder that is thrown away."""
    global RUNS  # so that nothing of a rehearsal is found later
    with tempfile.TemporaryDirectory() as folder:
        RUNS = Path(folder)
        parts = load_parts(450)
        judge = Judge(*parts)
        for name in ROWS:
            make(name, parts[0], judge, epochs=2)
            print(name, [run["curve"] for run in log_of(name).runs[0]["runs"]])


def main():
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=[*ROWS, "write"], help="one row, or only the result")
    parser.add_argument("--rehearse", action="store_true", help="few letters, and no result")
    arguments = parser.parse_args()
    if arguments.rehearse:
        rehearse()
        return
    parts = load_parts()
    judge = Judge(*parts)
    for name in ROWS:
        if arguments.part in (None, name):
            make(name, parts[0], judge)
    if arguments.part in (None, "write"):
        write(judge)


if __name__ == "__main__":
    main()
