"""Kill training runs at random moments and see whether each, started again, ends like one that nothing interrupted.

python -m experiments.kills                              kills 20 runs of each kind and writes the result
python -m experiments.kills --count 2 --only gan         only prints

The runs go through `experiments.training` and `experiments.stacked`, as the book's long runs do. A run is killed by
SIGKILL, which no program can catch, at a moment drawn evenly between its first epoch and its end.
"""

import argparse
import hashlib
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import jax
import keras
import numpy as np
from tqdm import tqdm

from experiments.harness import record, stacked, training
from helpers import autoencoders, datasets, gans

NAME = "kills"
COUNT = 20  # kills of each kind
EPOCHS = 40
FORKS = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")
if FORKS:
    CONTEXT.set_forkserver_preload(["experiments.harness.stacked"])  # so that its children need not import Keras anew


def images():
    """Return 200 images of 12 pixels."""
    return np.random.default_rng(0).random((200, 12), dtype="float32")


def gan(seed=0):
    """Return a compiled GAN with an average, penalties and dropout, whose noise must go on too."""
    keras.utils.set_random_seed(seed)
    generator, discriminator = gans.dense_networks(4, (16,), (16,), "relu", image_shape=(12,))
    discriminator = keras.Sequential(
        [*discriminator.layers[:-1], keras.layers.Dropout(0.2, seed=1), keras.layers.Dense(1)]
    )
    discriminator.build((None, 12))
    model = gans.GAN(generator, discriminator, seed=seed)
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), r1=0.1, gradient_penalty=0.1)
    return model


def train_gan():
    """Train a GAN and return its weights."""
    model = gan()
    training.fit_gan("run", model, images(), 8, EPOCHS, {})
    return model.get_weights()


def train_vae():
    """Train a variational autoencoder on coin flips that are fresh every epoch and return its weights."""
    keras.utils.set_random_seed(0)
    model = autoencoders.VariationalAutoencoder(*autoencoders.vae_networks(2, 16, input_dim=12))
    batches = datasets.ShuffledBatches(images(), 8, transform=datasets.binarise)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, EPOCHS * len(batches))))
    training.fit("run", model, batches, EPOCHS, {})
    return model.get_weights()


def train_stack():
    """Train two GANs side by side, as experiments do, and return the weights of both."""
    stacked.SAVE_AFTER = 0
    copies = stacked.Stack([gan(0), gan(1)]).fit(images(), 8, EPOCHS, name="run").assign()
    return [weight for model in copies for weight in model.get_weights()]


KINDS = {"gan": train_gan, "vae": train_vae, "stack": train_stack}


def child(kind, folder):
    """Go on with the run in a folder, and leave a hash of the weights at the end."""
    training.RUNS = Path(folder)
    # What one run has compiled the next need not: the moments of the kills then lie in the training.
    jax.config.update("jax_compilation_cache_dir", str(Path(tempfile.gettempdir()) / "compiled_kills"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # progress bars
    weights = KINDS[kind]()
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(weight).tobytes() for weight in weights)).hexdigest()
    Path(folder, "finished").write_text(digest, encoding="utf-8")


def live(kind, folder, seconds=None):
    """Let a run live to its end, or kill it so many seconds after its first epoch; return how long it lived since."""
    process = CONTEXT.Process(target=child, args=(kind, folder))
    process.start()
    while (
        process.is_alive() and not any(Path(folder).rglob("run*/log.json")) and not any(Path(folder).rglob("run.npz"))
    ):
        time.sleep(0.002)
    start = time.perf_counter()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    return time.perf_counter() - start


def result(folder):
    """Return the hash that a finished run left, or None."""
    path = Path(folder, "finished")
    return path.read_text(encoding="utf-8") if path.exists() else None


def kill(kind, count, seed=0):
    """Kill `count` runs of a kind; return how many of them then ended like the whole one."""
    rng, killed, equal = np.random.default_rng(seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        length = live(kind, folder)
        whole = result(folder)
    bar = tqdm(total=count, desc=kind, unit="kill")
    while killed < count:
        with tempfile.TemporaryDirectory() as folder:
            live(kind, folder, rng.uniform(0, length))
            if result(folder) is None:  # else it was done before its time had come
                killed += 1
                live(kind, folder)
                equal += result(folder) == whole
                bar.update()
    return {"killed": killed, "equal": equal, "seconds_of_a_run": round(length, 2)}


def main():
    """Print a line for each kind of run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=COUNT, help="kills of each kind")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="these kinds")
    arguments = parser.parse_args()
    runs = {}
    for kind in arguments.only:
        runs[kind] = kill(kind, arguments.count)
        print(f"{kind}: {runs[kind]['killed']} killed, {runs[kind]['equal']} then equal to the last bit")
    if list(runs) == list(KINDS) and arguments.count == COUNT:
        record.write(NAME, runs=runs, count=COUNT)


if __name__ == "__main__":
    main()
