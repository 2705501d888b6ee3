"""Train vector-quantised autoencoders of emoji with four codebooks, priors over their tokens, and a VAE beside.

python -m experiments.discrete_codes               does all that is missing, in this order
python -m experiments.discrete_codes --minutes 10  the same, but begins nothing new after ten minutes; call it again

1. Four codebooks, five learning rates each, with a seed that no run has, for fewer epochs: the rate with the least
   squared error on the validation images is kept. (Three were planned; the largest was the best of most forms, so two
   larger ones were added for all.) Then three seeds each. Test images are read once, after the last epoch.
2. A prior over the tokens of the three networks whose codebook had the least squared error on the validation images:
   the settings in PRIOR_TRIES were compared on the validation images of seed 0, then one prior a network was trained.
3. A variational autoencoder with as many filters, three rates tried, three seeds.
4. Samples of prior and VAE, and reconstructions, are compared with the test images by the same measures.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from experiments import few_pictures
from experiments.harness import record, training
from helpers import convolutional, datasets, layers, metrics, storage

NAME = "discrete_codes"
FORMS = {
    "loss": {"update": "loss", "unit": False, "code_dim": 16},
    "average": {"update": "average", "unit": False, "code_dim": 16},
    "restart": {"update": "restart", "unit": False, "code_dim": 16},
    "unit": {"update": "loss", "unit": True, "code_dim": 8},
}
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
SEEDS = (0, 1, 2)  # fixed before the runs
TUNING_SEED = 100
PLACES, LABELS = 64, 20
RECIPE = {"codes": 256, "width": 16, "batch_size": 64, "tuning_epochs": 10, "epochs": 16}
PRIOR = {"width": 64, "blocks": 2, "heads": 2, "batch_size": 64, "weight_decay": 0.05, "epochs": 10}
PRIOR_TRIES = [{"rate": rate, "dropout": 0.1, "epochs": 3} for rate in (4e-3, 8e-3, 1.6e-2)]
VAE = {"latent_dim": 64, "rates": [1e-3, 2e-3, 4e-3], "tuning_epochs": 5, "epochs": 16}
SAMPLES, COMPONENTS = 512, 64


# --- Autoencoders with a codebook ------------------------------------------------------------------------------------


def images_of(part):
    """Return the images of both styles, one after the other, and the labels 2·category + style."""
    labels = [2 * part.category + style for style in range(2)]
    return np.concatenate([part.noto, part.twemoji]), np.concatenate(labels).astype("int32")


def squared_error(images, outputs):
    """Return the squared error of each image, summed over its pixels and colours."""
    return ops.sum(ops.square(images - outputs), axis=(1, 2, 3))


class Codes:
    """Encoder, quantiser and decoder, and the model that joins them."""

    def __init__(self, form):
        settings = FORMS[form]
        networks = convolutional.grid_networks(code_dim=settings["code_dim"], width=RECIPE["width"])
        self.encoder, self.decoder = networks
        self.quantiser = layers.VectorQuantiser(RECIPE["codes"], settings["update"], settings["unit"])
        inputs = keras.Input(self.encoder.input_shape[1:])
        self.model = keras.Model(inputs, self.decoder(self.quantiser(self.encoder(inputs))))

    def tokens(self, images):
        """Return the tokens (n, 8, 8)."""
        return np.asarray(self.quantiser.tokens(self.encoder.predict(images, batch_size=500, verbose=0)))

    def draw(self, tokens):
        """Return the images of tokens."""
        return self.decoder.predict(np.asarray(self.quantiser.look_up(tokens)), batch_size=500, verbose=0)

    def measure(self, images):
        """Return squared error, codes in use and their perplexity on these images."""
        tokens = self.tokens(images)
        share = np.bincount(tokens.ravel(), minlength=RECIPE["codes"]) / tokens.size
        share = share[share > 0]
        sse = metrics.squared_error(images, self.draw(tokens)).mean()
        return {"sse": float(sse), "used": len(share), "perplexity": float(np.exp(-(share * np.log(share)).sum()))}


class Course(keras.callbacks.Callback):
    """Writes what is measured on the validation images after each epoch into the run's log."""

    def __init__(self, codes, images):
        super().__init__()
        self.codes, self.images = codes, images

    def on_epoch_end(self, epoch, logs=None):
        """Measure and note."""
        logs.update(self.codes.measure(self.images))


def train_codes(form, rate, seed, epochs, emoji):
    """Train one autoencoder; return it, its seconds and its curves on the validation images."""
    keras.utils.set_random_seed(seed)
    codes, images = Codes(form), images_of(emoji.train)[0]
    steps = epochs * (len(images) // RECIPE["batch_size"])
    codes.model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)), squared_error)
    batches = datasets.ShuffledBatches(images, RECIPE["batch_size"], seed, labels=images)
    settings = {**RECIPE, **FORMS[form], "rate": rate, "seed": seed}
    course = Course(codes, images_of(emoji.validation)[0])
    run = f"{NAME}_{form}_{rate:g}_{seed}_{epochs}"
    done = training.fit(run, codes.model, batches, epochs, settings, [course])
    curves = {name: [round(value, 2) for value in done["history"][name]] for name in ("sse", "used", "perplexity")}
    return codes, {"seconds": done["seconds"], "validation": curves}


# --- The prior -------------------------------------------------------------------------------------------------------


def prior_network(width, blocks, heads, dropout):
    """Return the network (tokens (n, 64), labels (n,)) → logits (n, 64, codes), each from the tokens before."""
    part, tokens, label = keras.layers, keras.Input((PLACES,), dtype="int32"), keras.Input((), dtype="int32")
    before = ops.pad(part.Embedding(RECIPE["codes"], width)(tokens)[:, :-1], [(0, 0), (1, 0), (0, 0)])
    place = part.Embedding(PLACES, width)(ops.cumsum(ops.ones_like(tokens), axis=1) - 1)
    x = part.Dropout(dropout)(before + place + part.Embedding(LABELS, width)(label)[:, None])
    for _ in range(blocks):
        seen = part.LayerNormalization()(x)
        seen = part.MultiHeadAttention(heads, width // heads)(seen, seen, use_causal_mask=True)
        x = x + part.Dropout(dropout)(seen)
        hidden = part.Dense(4 * width, activation="relu")(part.LayerNormalization()(x))
        x = x + part.Dropout(dropout)(part.Dense(width)(hidden))
    return keras.Model([tokens, label], part.Dense(RECIPE["codes"])(part.LayerNormalization()(x)))


def flat(tokens):
    """Return tokens as rows in reading order, int32."""
    return tokens.reshape(len(tokens), PLACES).astype("int32")


def shifted(images, steps=((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))):
    """Return the images moved by up to a pixel, (5, n, 32, 32, 3), white where nothing was."""
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)
    side = images.shape[1]
    return np.stack([wide[:, 1 + i : 1 + i + side, 1 + j : 1 + j + side] for i, j in steps])


def bits(network, tokens, labels):
    """Return the bits of each image's tokens, (n, 64) → (n,)."""
    logits = network.predict([tokens, labels], batch_size=191, verbose=0)
    log_shares = np.asarray(jax.nn.log_softmax(logits))
    return -np.take_along_axis(log_shares, tokens[..., None], axis=2)[..., 0].sum(axis=1) / np.log(2)


def train_prior(codes, settings, seed, emoji):
    """Train a prior on tokens of shifted images; return it with its best weights by validation images, and curves."""
    began = time.perf_counter()
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng([seed, 1])
    network = prior_network(PRIOR["width"], PRIOR["blocks"], PRIOR["heads"], settings["dropout"])
    images, labels = images_of(emoji.train)
    moved = np.stack([flat(codes.tokens(each)) for each in shifted(images)])
    seen, seen_labels = images_of(emoji.validation)
    seen = flat(codes.tokens(seen))
    size, epochs = PRIOR["batch_size"], settings["epochs"]
    count = len(images) // size * size
    rate = keras.optimizers.schedules.CosineDecay(settings["rate"], epochs * count // size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.AdamW(rate, weight_decay=PRIOR["weight_decay"]), loss)
    curves, best = {"train": [], "validation": []}, None
    for _ in range(epochs):
        order = rng.permutation(len(images))[:count]
        batch = moved[rng.integers(len(moved), size=count), order]
        done = network.fit([batch, labels[order]], batch, batch_size=size, shuffle=False, verbose=0)
        curves["train"].append(round(done.history["loss"][0] * PLACES / np.log(2), 2))
        curves["validation"].append(round(float(bits(network, seen, seen_labels).mean()), 2))
        if curves["validation"][-1] == min(curves["validation"]):
            best = network.get_weights()
    network.set_weights(best)
    return network, {"seconds": round(time.perf_counter() - began, 1), "bits": curves}


def counted_bits(tokens, validation, test):
    """Return the bits of test tokens under shares that were counted: in all places, in this one, after this token.

    The first shares are mixed with equal ones, the others with the first, as if as many examples of these had been seen
    as give the fewest bits on the validation tokens.
    """
    codes, found, base = RECIPE["codes"], {}, 1 / RECIPE["codes"]
    contexts = {
        "all places": np.zeros_like,
        "each place": lambda rows: np.broadcast_to(np.arange(PLACES), rows.shape),
        "token before": lambda rows: np.pad(rows, ((0, 0), (1, 0)), constant_values=codes)[:, :-1],
    }
    for name, context in contexts.items():
        counts, tries = np.zeros((codes + 1, codes)), []
        np.add.at(counts, (context(tokens), tokens), 1)
        for seen in (0.3, 1, 3, 10, 30, 100, 300):
            shares = (counts + seen * base) / (counts.sum(axis=1, keepdims=True) + seen)
            tries.append([-np.log2(shares[context(rows), rows]).sum(axis=1).mean() for rows in (validation, test)])
            tries[-1].append(shares[:1])
        best = min(tries, key=lambda one: one[0])
        found[name] = float(best[1])
        base = best[2] if name == "all places" else base
    return found


def sample_tokens(network, labels, seed):
    """Return tokens (n, 64) drawn one after the other."""
    weights = [variable.value for variable in network.trainable_variables]
    others = [variable.value for variable in network.non_trainable_variables]

    @jax.jit
    def draw(labels, key):
        """Fill the places in reading order."""

        def fill(place, tokens):
            """Draw the token of one place."""
            logits = network.stateless_call(weights, others, [tokens, labels], training=False)[0][:, place]
            drawn = jax.random.categorical(jax.random.fold_in(key, place), logits)
            return tokens.at[:, place].set(drawn)

        return jax.lax.fori_loop(0, PLACES, fill, jnp.zeros((len(labels), PLACES), "int32"))

    return np.asarray(draw(jnp.asarray(labels), jax.random.key(seed)))


# --- A variational autoencoder beside --------------------------------------------------------------------------------


def train_vae(rate, seed, epochs, emoji):
    """Train a variational autoencoder; return it with its best weights by the validation images, and curves."""
    began = time.perf_counter()
    keras.utils.set_random_seed(seed)
    networks = convolutional.vae_networks(latent_dim=VAE["latent_dim"], width=RECIPE["width"])
    vae, images = convolutional.ColourVAE(*networks, seed=seed), images_of(emoji.train)[0]
    seen = images_of(emoji.validation)[0]
    steps = epochs * (len(images) // RECIPE["batch_size"])
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)))
    batches = datasets.ShuffledBatches(images, RECIPE["batch_size"], seed)
    curve, best = [], None
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        vae.fit(batches, shuffle=False, verbose=0)
        curve.append(round(float(vae.evaluate(seen, batch_size=191, verbose=0, return_dict=True)["loss"]), 1))
        if curve[-1] == min(curve):
            best = vae.get_weights()
    vae.set_weights(best)
    return vae, {"seconds": round(time.perf_counter() - began, 1), "validation": {"loss": curve}}


# --- Measures --------------------------------------------------------------------------------------------------------


def features_of(images):
    """Return a function images → name → features: those of `few_pictures`, and principal components, of deviation 1."""
    rows = images.reshape(len(images), -1)
    middle = rows.mean(axis=0)
    axes = np.linalg.eigh(np.cov(rows - middle, rowvar=False))[1][:, : -COMPONENTS - 1 : -1]
    looks = {
        "random": few_pictures.standardised(few_pictures.both_features, images),
        "components": few_pictures.standardised(lambda more: (more.reshape(len(more), -1) - middle) @ axes, images),
    }
    return lambda more: {name: np.asarray(look(more), "float64") for name, look in looks.items()}


def compare(features, images, test, train):
    """Return the kernel distance from the test images, and the share nearer to a training image than most of those.

    Nearer than 95% of the test images are, in these features.
    """
    ours, real, known = features(images), features(test), features(train)
    found = {}
    for name in ours:
        nearest = [metrics.nearest_neighbours(rows[name], known[name])[1] for rows in (ours, real)]
        found[name] = {
            "kid": metrics.kernel_distance(ours[name], real[name]),
            "copied": float((nearest[0] < np.quantile(nearest[1], 0.05)).mean()),
        }
    return found


def component_curve(train, test):
    """Return bits and squared error of the test images for principal components that are rounded to steps.

    A step of one size for all components; the bits of a component are what shares counted on the training images cost.
    Each number that occurred, and one more at each end, where others are put, counts half a time more.
    """
    rows = [images.reshape(len(images), -1) for images in (train, test)]
    middle = rows[0].mean(axis=0)
    axes = np.linalg.eigh(np.cov(rows[0] - middle, rowvar=False))[1][:, ::-1][:, :512]
    codes = [(each - middle) @ axes for each in rows]
    curve = []
    for step in (0.5, 0.7, 1.0, 1.4, 2.0, 2.8):
        known, new = (np.round(each / step).astype(int) for each in codes)
        low, high = known.min(axis=0) - 1, known.max(axis=0) + 1
        new, spent = np.clip(new, low, high), 0.0
        for column in range(known.shape[1]):
            counts = np.bincount(known[:, column] - low[column], minlength=high[column] - low[column] + 1) + 0.5
            spent -= np.log2(counts / counts.sum())[new[:, column] - low[column]].mean()
        redrawn = np.clip(new * step @ axes.T + middle, 0, 1)
        curve.append({"step": step, "bits": float(spent), "sse": float(((redrawn - rows[1]) ** 2).sum(axis=1).mean())})
    return curve


# --- All of it -------------------------------------------------------------------------------------------------------


class Progress:
    """What has been tried, trained and measured; written after each run."""

    KINDS = ("tries", "runs", "prior_tries", "priors", "vae_tries", "vaes", "floor", "components")

    def __init__(self):
        self.settings = {"forms": FORMS, "recipe": RECIPE}
        record.runs(NAME, [], **self.settings)  # raises an error if these have changed
        old = record.read(NAME) if (record.RESULTS / f"{NAME}.json").exists() else {}
        for kind in self.KINDS:
            setattr(self, kind, old.get(kind, []))

    def add(self, kind, *runs, **run):
        """Note one run of a kind, or several."""
        getattr(self, kind).extend([*runs, run] if run else runs)
        settings = {"prior": PRIOR, "vae": VAE, "samples": SAMPLES, **self.settings}
        record.write(NAME, **{kind: getattr(self, kind) for kind in self.KINDS}, **settings)
        print(kind, {key: value for key, value in run.items() if not isinstance(value, (dict, list))}, flush=True)

    def find(self, kind, **key):
        """Return the runs of a kind that have these settings."""
        return [run for run in getattr(self, kind) if all(run[name] == value for name, value in key.items())]


def best_rates(tries):
    """Return form → the rate with the least squared error on the validation images after its last epoch."""
    ends = {(run["form"], run["rate"]): run["validation"]["sse"][-1] for run in tries}
    return {form: min(RATES, key=lambda rate: ends[form, rate]) for form in FORMS}


def best_form(runs):
    """Return the form with the least squared error on the validation images, averaged over the seeds."""
    return min(FORMS, key=lambda form: np.mean([r["validation"]["sse"][-1] for r in runs if r["form"] == form]))


def file_of(*which):
    """Return where an unfinished experiment keeps arrays."""
    return training.RUNS / ("_".join(map(str, (NAME, *which))) + ".npz")


def load_codes(form, seed):
    """Return a trained autoencoder, as it was before any rounding."""
    codes = Codes(form)
    with np.load(file_of(form, seed)) as arrays:
        codes.model.set_weights([arrays[name] for name in arrays.files])
    return codes


def codes_jobs(progress, emoji):
    """Train the autoencoders."""
    for form in FORMS:
        for rate in RATES:
            if not progress.find("tries", form=form, rate=rate):
                _, done = train_codes(form, rate, TUNING_SEED, RECIPE["tuning_epochs"], emoji)
                yield progress.add("tries", form=form, rate=rate, **done)
    test = images_of(emoji.test)[0]
    for seed in SEEDS:
        for form, rate in best_rates(progress.tries).items():
            if not progress.find("runs", form=form, seed=seed):
                codes, done = train_codes(form, rate, seed, RECIPE["epochs"], emoji)
                np.savez(file_of(form, seed), *codes.model.get_weights())
                parts = [flat(codes.tokens(images_of(part)[0])) for part in (emoji.train, emoji.validation, emoji.test)]
                measured = {**codes.measure(test), "counted_bits": counted_bits(*parts)}
                yield progress.add("runs", form=form, rate=rate, seed=seed, **measured, **done)


def prior_jobs(progress, emoji):
    """Train the priors, draw samples and keep them."""
    form = best_form(progress.runs)
    for number, settings in enumerate(PRIOR_TRIES):
        if not progress.find("prior_tries", number=number):
            _, done = train_prior(load_codes(form, 0), settings, TUNING_SEED, emoji)
            yield progress.add("prior_tries", number=number, settings=settings, **done)
    settings = min(progress.prior_tries, key=lambda one: min(one["bits"]["validation"]))["settings"]
    settings = {**settings, "epochs": PRIOR["epochs"]}
    images, labels = images_of(emoji.test)
    for seed in SEEDS:
        if not progress.find("priors", seed=seed):
            codes = load_codes(form, seed)
            network, done = train_prior(codes, settings, seed, emoji)
            tokens, rng = flat(codes.tokens(images)), np.random.default_rng(seed)
            asked = rng.choice(images_of(emoji.train)[1], SAMPLES)
            drawn = codes.draw(sample_tokens(network, asked, seed).reshape(-1, 8, 8))
            np.savez_compressed(file_of("drawn", seed), drawn=np.round(255 * drawn).astype("uint8"), asked=asked)
            if seed == 0:
                storage.save_weights(record.weights_path(NAME, "codes"), codes.model.get_weights(), "int8")
                storage.save_weights(record.weights_path(NAME, "prior"), network.get_weights(), "int8")
            measured = {
                "test_bits": float(bits(network, tokens, labels).mean()),
                "test_bits_other_labels": float(bits(network, tokens, rng.permutation(labels)).mean()),
            }
            yield progress.add("priors", form=form, seed=seed, settings=settings, **measured, **done)


def vae_jobs(progress, emoji):
    """Train the variational autoencoders, draw samples and keep them."""
    for rate in VAE["rates"]:
        if not progress.find("vae_tries", rate=rate):
            _, done = train_vae(rate, TUNING_SEED, VAE["tuning_epochs"], emoji)
            yield progress.add("vae_tries", rate=rate, **done)
    rate = min(progress.vae_tries, key=lambda one: min(one["validation"]["loss"]))["rate"]
    test = images_of(emoji.test)[0]
    for seed in SEEDS:
        if not progress.find("vaes", seed=seed):
            vae, done = train_vae(rate, seed, VAE["epochs"], emoji)
            redrawn = vae.reconstruct(test)
            arrays = {"drawn": vae.sample(SAMPLES, seed), "redrawn": redrawn}
            arrays = {name: np.round(255 * images).astype("uint8") for name, images in arrays.items()}
            np.savez_compressed(file_of("vae", seed), **arrays)
            sse = float(metrics.squared_error(test, redrawn).mean())
            yield progress.add("vaes", rate=rate, seed=seed, sse=sse, sigma=vae.sigma, **done)


def images_in(name, *which):
    """Return stored images, levels in [0, 1]."""
    with np.load(file_of(*which)) as arrays:
        return arrays[name].astype("float32") / 255


def measure_all(progress, emoji):
    """Compare all stored samples with the test images, and keep a few to show."""
    train, test = images_of(emoji.train)[0], images_of(emoji.test)[0]
    features, form, noto = features_of(train), best_form(progress.runs), features_of(emoji.train.noto)
    for seed in SEEDS:
        codes = load_codes(form, seed)
        redrawn = codes.draw(codes.tokens(test))
        for kind, which in {"priors": "drawn", "vaes": "vae"}.items():
            drawn = compare(features, images_in("drawn", which, seed), test, train)
            progress.find(kind, seed=seed)[0]["measures"] = drawn
        with np.load(file_of("drawn", seed)) as arrays:
            of_noto = arrays["asked"] % 2 == 0
        drawn = images_in("drawn", "drawn", seed)[of_noto]
        progress.find("priors", seed=seed)[0]["noto"] = compare(noto, drawn, emoji.test.noto, emoji.train.noto)
        progress.find("priors", seed=seed)[0]["redrawn"] = compare(features, redrawn, test, train)
        redrawn = images_in("redrawn", "vae", seed)
        progress.find("vaes", seed=seed)[0]["redrawn"] = compare(features, redrawn, test, train)
    chosen = np.random.default_rng(0).permutation(len(train))
    floor = compare(features, train[chosen[:SAMPLES]], test, train[chosen[SAMPLES:]])
    progress.floor, progress.components = [], []
    progress.add("floor", floor)
    progress.add("components", *component_curve(train, test))
    shown = images_in("drawn", "vae", 0)[:20]
    np.savez_compressed(record.weights_path(NAME, "vae_samples"), drawn=np.round(255 * shown).astype("uint8"))


def main():
    """Do what is missing, for a while."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    parser.add_argument("--measure", action="store_true", help="measure the samples anew")
    arguments, emoji, progress = parser.parse_args(), datasets.load_emoji(), Progress()
    end = time.monotonic() + 60 * arguments.minutes
    for jobs in (codes_jobs, prior_jobs, vae_jobs):
        for _ in jobs(progress, emoji):
            keras.backend.clear_session()
            jax.clear_caches()
            if time.monotonic() > end:
                return
    if arguments.measure or not progress.floor:
        measure_all(progress, emoji)
    print("all done")


if __name__ == "__main__":
    main()
