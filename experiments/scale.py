"""Train on one device, on two simulated ones and as two processes, and compare what comes out; then lose a process.

python -m experiments.scale                    runs every form on the CPU, one after another, and writes the result
python -m experiments.scale --models gan_sgd   compares some models only, and puts them into the result that is there

Each form is the same script, `work`, started anew: by itself, with XLA told to show one CPU as two devices, or twice,
the two joined by ``jax.distributed``. On several devices ``keras.distribution.DataParallel`` shares out each batch.
"""

import argparse
import functools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import keras
import numpy as np
from tqdm import tqdm

from experiments.harness import record
from helpers import autoencoders, datasets, gans, training

NAME = "scale"
FORMS = {"one device": (1, 1), "two devices": (1, 2), "two processes": (2, 1)}  # processes, and devices of each
BATCH, EPOCHS, SEED = 64, 2, 0
SAMPLES = 7  # no multiple of the devices
HEARTBEAT = 10  # seconds without a sign of life after which a process counts as lost; JAX's own default is 100
LIMIT = 30  # seconds within which the other process must have ended with an error
LONG = 1000  # epochs of the run in which a process is lost: more than it gets to make
DEVICES = "--xla_force_host_platform_device_count="


# --- What is trained --------------------------------------------------------------------------------------------------


class Recorded(datasets.ShuffledBatches):
    """Batches that note by epoch and index which rows this process got."""

    def __init__(self, images, **settings):
        super().__init__(images, BATCH, seed=SEED, **settings)
        self.numbers = {image.tobytes(): number for number, image in enumerate(images)}
        self.given = {}

    def __getitem__(self, index):
        """Return a batch, its rows written down."""
        batch = super().__getitem__(index)
        self.given[f"{self.epoch}, {index}"] = [self.numbers[image.tobytes()] for image in batch[0]]
        return batch


def autoencoder(images, width):
    """Return the book's first autoencoder, compiled, and its batches: each image is its own target."""
    rows = images.reshape(len(images), -1)
    model = autoencoders.dense_autoencoder(width, rows.shape[1]).autoencoder
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model, Recorded(rows, labels=rows)


def vae(images, width):
    """Return a variational autoencoder, whose step draws noise, and its batches."""
    rows = images.reshape(len(images), -1)
    networks = autoencoders.vae_networks(width, 2 * width, input_dim=rows.shape[1])
    model = autoencoders.VariationalAutoencoder(*networks, seed=SEED)
    model.compile(keras.optimizers.Adam(1e-3))
    return model, Recorded(rows)


def adam():
    """Return the optimiser of a player."""
    return keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99)


def descent():
    """Return the optimiser of a player that takes the gradient as it is, where Adam divides it by its usual size."""
    return keras.optimizers.SGD(0.3)


def gan(images, width, optimizer=adam):
    """Return a GAN with R1 and its batches."""
    units = (8 * width, 16 * width)
    networks = gans.dense_networks(width, units, units[::-1], "relu", image_shape=images.shape[1:])
    model = gans.GAN(*networks, seed=SEED)
    model.compile(optimizer(), optimizer(), r1=0.1)
    return model, Recorded(images)


gan_sgd = functools.partial(gan, optimizer=descent)
BUILD = {"autoencoder": autoencoder, "vae": vae, "gan": gan, "gan_sgd": gan_sgd, "scanned": gan}


def build(name, images, width):
    """Return an untrained model, whose weights depend on the seed alone, and its batches."""
    keras.utils.set_random_seed(SEED)
    return BUILD[name](images, width)


def data(count):
    """Return `count` digits."""
    return datasets.load_mnist().train_images[:count]


# --- One process ------------------------------------------------------------------------------------------------------


def join(processes, rank, port):
    """Join the processes, if there are several, and let Keras share every batch out to all devices."""
    if processes > 1:
        limits = dict(heartbeat_timeout_seconds=HEARTBEAT, shutdown_timeout_seconds=HEARTBEAT)
        jax.distributed.initialize(f"localhost:{port}", processes, rank, **limits)
    if jax.device_count() > 1:
        # The batches below bring each process its own rows; Keras itself could only split a tf.data.Dataset.
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def train(name, images, width, folder, epochs=EPOCHS, callbacks=()):
    """Train a model, its state kept in a folder; return it, its batches and its losses."""
    model, batches = build(name, images, width)
    if name == "scanned":
        return model, batches, scanned(model, images)
    backup = training.Backup(folder / name)
    order = {} if name.startswith("gan") else {"shuffle": False}  # that of the batches, which a GAN always keeps
    history = model.fit(batches, epochs=epochs, verbose=0, callbacks=[*callbacks, backup], **order)
    return model, batches, history.history


def scanned(model, images):
    """Train a GAN in the compiled loop, which draws its batches itself, as often as in an epoch; return its losses."""
    steps, rows = len(images) // BATCH, jax.numpy.asarray(images)
    draw = lambda key: rows[jax.random.randint(key, (BATCH,), 0, len(rows))]  # noqa: E731
    (log,) = gans.train_scanned([model], draw, steps)
    return {key: values.tolist() for key, values in log.items()}


def examine(name, model, batches, losses, folder, images, width):
    """Return as arrays what a process has at the end: weights, losses, outputs, and how its stored state differs."""
    found = {f"weight {i:03}": variable.numpy() for i, variable in enumerate(model.variables)}
    found |= {f"loss {key}": np.array(values) for key, values in losses.items()}
    found["outputs"] = outputs(name, model, images)
    if name != "scanned":
        other, _ = build(name, images, width)
        other.optimizer.build(other.trainable_variables)
        other.load_weights(sorted((folder / name).glob("epoch_*.h5"))[-1])
        pairs = zip(model.variables, other.variables, strict=True)
        found["state"] = max(np.abs(np.float64(a.numpy()) - b.numpy()).max() for a, b in pairs)
    return found


def outputs(name, model, images):
    """Return samples, or the reconstructions of some images."""
    if name == "autoencoder":
        return model.predict(images[:SAMPLES].reshape(SAMPLES, -1), verbose=0)
    return model.sample(SAMPLES, seed=SEED)


def share_of_work(model, images):
    """Return how many operations XLA counts for one device in a step of a GAN."""
    batch = images[:BATCH]
    distribution, shardings = keras.distribution.distribution(), None
    if distribution:
        layout = distribution.get_data_layout(batch.shape).backend_layout
        batch = jax.make_array_from_callback(batch.shape, layout, lambda index: images[:BATCH][index])
        state = training.Values.of(model).state()
        shardings = (None, jax.tree.map(lambda array: array.sharding, state))
    step = jax.jit(model.train_step, out_shardings=shardings)
    return step.lower(training.Values.of(model).state(), batch).compile().cost_analysis()["flops"]


def work(options):
    """Be one process of a form: train every model and write down what came of it."""
    join(options.processes, options.rank, options.port)
    images, report = data(options.images), {}
    for name in options.models:
        model, batches, losses = train(name, images, options.width, options.folder, options.epochs, [Told()])
        found = examine(name, model, batches, losses, options.folder, images, options.width)
        np.savez(options.folder / f"{name}_{options.rank}.npz", **found)
        report[name] = {"rows": batches.given}
        if name == "gan":
            report[name]["operations"] = share_of_work(model, images)
    (options.folder / f"report_{options.rank}.json").write_text(json.dumps(report), encoding="utf-8")


class Told(keras.callbacks.Callback):
    """Tells whoever started the process when an epoch has ended and its state is kept."""

    def on_epoch_begin(self, epoch, logs=None):
        """Print the number of whole epochs."""
        print(f"epochs: {epoch}", flush=True)


# --- All processes ----------------------------------------------------------------------------------------------------


class Processes:
    """The processes of a form, at work in a folder.

    Parameters
    ----------
    form : str
        A key of `FORMS`.
    folder : pathlib.Path
        Where they write.
    **options
        Further ones of `work`.
    """

    def __init__(self, form, folder, **options):
        count, devices = FORMS[form]
        options = {"processes": count, "port": free_port(), "folder": folder, **options}
        words = [word for name, value in options.items() for word in (f"--{name}", *map(str, listed(value)))]
        flags = f"{os.environ.get('XLA_FLAGS', '')} {DEVICES}{devices}"
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
        folder.mkdir(parents=True, exist_ok=True)
        start = functools.partial(subprocess.Popen, env=environment, cwd=record.RESULTS.parents[1], text=True)
        self.logs = [(folder / f"log_{rank}.txt").open("w", encoding="utf-8") for rank in range(count)]
        command = [sys.executable, "-m", "experiments.scale", *words, "--rank"]
        self.each = [start([*command, str(i)], stdout=log, stderr=log) for i, log in enumerate(self.logs)]

    def log(self, rank):
        """Return what a process has printed."""
        return Path(self.logs[rank].name).read_text(encoding="utf-8")

    def wait(self, seconds):
        """Return the exit codes, or raise a TimeoutError; then none is left running."""
        try:
            end = time.monotonic() + seconds
            return [process.wait(max(end - time.monotonic(), 0.01)) for process in self.each]
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"seconds: a process still runs after {seconds}:\n{self.log(0)[-2000:]}") from None
        finally:
            self.end()

    def end(self):
        """Kill what still runs."""
        for process, log in zip(self.each, self.logs, strict=True):
            process.kill()
            process.wait()
            log.close()

    def whole_epochs(self, rank):
        """Return how many epochs a process has finished."""
        return max(map(int, re.findall(r"epochs: (\d+)", self.log(rank))), default=0)


def listed(value):
    """Return the words of an option."""
    return value if isinstance(value, (list, tuple)) else [value]


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as door:
        door.bind(("localhost", 0))
        return door.getsockname()[1]


def run(form, folder, seconds=300, **options):
    """Run a form to its end; return the reports of its processes, their arrays included."""
    processes = Processes(form, folder, **options)
    codes = processes.wait(seconds)
    if any(codes):
        raise RuntimeError(f"{form}: exit codes {codes}:\n{processes.log(codes.index(max(codes, key=abs)))[-2000:]}")
    reports = []
    for rank in range(len(codes)):
        report = json.loads((folder / f"report_{rank}.json").read_text(encoding="utf-8"))
        for name in report:
            with np.load(folder / f"{name}_{rank}.npz") as file:
                report[name]["arrays"] = dict(file)
        reports.append(report)
    return reports


def lose(folder, after=2, victim=1, **options):
    """Start two processes and kill one; return the exit code, the seconds and the words with which the other ends."""
    processes = Processes("two processes", folder, epochs=LONG, models=["gan"], **options)
    try:
        while processes.whole_epochs(victim) < after and processes.each[victim].poll() is None:
            time.sleep(0.05)
        processes.each[victim].kill()
        start = time.monotonic()
        code = processes.each[1 - victim].wait(LIMIT)
        return {"code": code, "seconds": round(time.monotonic() - start, 2), "error": reason(processes.log(1 - victim))}
    finally:
        processes.end()


def reason(log):
    """Return the line of a log that says why a process ended."""
    lines = [line for line in log.splitlines() if re.search(r"Gloo .*failed|unhealthy|heartbeat", line)]
    return lines[0][:200] if lines else log[-200:]


# --- What is compared -------------------------------------------------------------------------------------------------


def difference(arrays, others, kind):
    """Return the largest difference of two processes' arrays of one kind, such as "weight"."""
    names = [name for name in arrays if name.startswith(kind)]
    return max(float(np.abs(np.float64(arrays[name]) - others[name]).max()) for name in names)


def compare(alone, reports):
    """Return by model how far the processes of a form are from one device: weights, losses, outputs and states."""
    found = {}
    for name, report in alone.items():
        others = [other[name]["arrays"] for other in reports]
        found[name] = {
            kind: max(difference(report["arrays"], arrays, kind) for arrays in others)
            for kind in ("weight", "loss", "outputs")
        }
        found[name]["state"] = max((float(arrays["state"]) for arrays in others if "state" in arrays), default=None)
    return found


def rows_fed(alone, reports, name="gan"):
    """Return how many rows a step of one device has that no process fed, and how many more than one fed."""
    missing = twice = 0
    for step, rows in alone[name]["rows"].items():
        fed = [row for report in reports for row in report[name]["rows"][step]]
        missing, twice = missing + len(set(rows) - set(fed)), twice + len(fed) - len(set(fed))
    return {"missing": missing, "twice": twice}


def measure(folder, **options):
    """Run all forms, lose a process and resume; return all that is compared."""
    reports = {form: run(form, folder / form, **options) for form in tqdm(FORMS, desc="forms")}
    (alone,) = reports.pop("one device")
    found = {form: compare(alone, others) for form, others in reports.items()}
    rows = rows_fed(alone, reports["two processes"])
    operations = {form: others[0]["gan"]["operations"] / alone["gan"]["operations"] for form, others in reports.items()}
    return {"differences": found, "rows": rows, "operations": operations, "lost": lose_and_resume(folder, **options)}


def add(folder, models, **options):
    """Compare some models and put them into the stored result."""
    reports = {form: run(form, folder / form, models=models, **options) for form in tqdm(FORMS, desc="forms")}
    (alone,) = reports.pop("one device")
    result = record.read(NAME)
    for form, others in reports.items():
        result["differences"][form] |= compare(alone, others)
    record.rewrite(NAME, result)


def lose_and_resume(folder, epochs=EPOCHS, models=None, **options):
    """Lose a process, resume the run for one epoch more than it had, and compare it with a run in one go."""
    lost = lose(folder / "lost", **options)
    (state,) = (folder / "lost" / "gan").glob("epoch_*.h5")
    epochs = int(state.name.split("_")[1]) + 1
    options |= dict(epochs=epochs, models=["gan"])
    resumed, _ = run("two processes", folder / "lost", **options)
    whole, _ = run("two processes", folder / "whole", **options)
    return {**lost, "epochs": epochs, "resumed": compare(whole, [resumed])["gan"]["weight"]}


def main():
    """Run all and write the result, or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in dict(processes=1, port=0, rank=0, images=512, width=32, epochs=EPOCHS).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--models", nargs="+", choices=BUILD, default=list(BUILD))
    options = parser.parse_args()
    if options.folder:
        return work(options)
    settings = dict(images=options.images, width=options.width, epochs=options.epochs)
    with tempfile.TemporaryDirectory() as folder:
        if options.models != list(BUILD):
            return add(Path(folder), options.models, **settings)
        record.write(NAME, batch=BATCH, heartbeat=HEARTBEAT, **settings, **measure(Path(folder), **settings))


if __name__ == "__main__":
    main()
