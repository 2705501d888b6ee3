"""What a Keras user would reasonably try on a model of the book works, or is refused when it is given, with the way."""

import functools

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from experiments import ladder_network
from helpers import autoencoders, datasets, diffusion, gans, layers, ranges
from helpers.gans import hybrids

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
ROWS = (RNG.random((40, 12)) < 0.3).astype("float32")
LABELS = np.arange(40) % 3
Dense, Input = keras.layers.Dense, keras.Input


def reconstructor():
    """Return an autoencoder of 12 pixels."""
    model = autoencoders.dense_autoencoder(3, 12).autoencoder
    model.compile(keras.optimizers.Adam(), "mse")
    return model


def vae(**settings):
    """Return a variational autoencoder of 12 pixels and 2 latents."""
    model = autoencoders.VariationalAutoencoder(*autoencoders.vae_networks(2, 8, input_dim=12), **settings)
    model.compile("adam")
    return model


def supervised():
    """Return a supervised autoencoder of 12 pixels and 3 classes."""
    parts = autoencoders.dense_autoencoder(3, 12)
    classifier = keras.Sequential([Input((3,)), Dense(3)])
    model = autoencoders.SupervisedAutoencoder(parts.encoder, parts.decoder, classifier)
    model.compile("adam")
    return model


def diffuser():
    """Return a diffusion model of points in 12 dimensions."""
    model = diffusion.Diffusion(diffusion.denoising_network(12, 8, 1))
    model.compile("adam")
    return model


def steps():
    """Return a ladder network."""
    model = ladder_network.LadderNetwork((12, 6, 3), (1, 1, 1), labelled=3)
    model.compile("adam")
    return model


def gan(networks=None, **settings):
    """Return a compiled GAN of 12 pixels."""
    model = gans.GAN(*(networks or gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,))))
    model.compile(*(keras.optimizers.Adam(1e-3) for _ in range(2)), **settings)
    return model


def adversarial():
    """Return an adversarial autoencoder of 12 pixels."""
    networks = [gans.dense_network((12,), (8,), 2), gans.dense_networks(2, (8,), (8,), "relu", image_shape=(12,))[0]]
    model = hybrids.AdversarialAutoencoder(*networks, gans.dense_network((2,), (8,), 1))
    model.compile("adam", "adam")
    return model


def vaegan():
    """Return a VAE-GAN of 12 pixels."""
    generator, discriminator = gans.dense_networks(2, (8,), (8,), "relu", image_shape=(12,))
    model = hybrids.VAEGAN(gans.dense_network((12,), (8,), 4), generator, discriminator)
    model.compile("adam", "adam", "adam")
    return model


DATA = {
    reconstructor: (ROWS, ROWS),
    vae: (ROWS,),
    supervised: (ROWS, LABELS),
    diffuser: (ROWS,),
    gan: (ROWS,),
    adversarial: (ROWS,),
    vaegan: (ROWS,),
}
PLAYING = (gan, adversarial, vaegan)
OWN = (vae, supervised, diffuser)
every = pytest.mark.parametrize("make", DATA, ids=lambda make: make.__name__)


def fit(make, *data, **settings):
    """Train a new model for a moment."""
    return train(make(), *data, **settings)


def train(model, *data, **settings):
    """Train a model for a moment."""
    keywords = dict(verbose=0, batch_size=8) | settings
    return model.fit(*data, **keywords)


@functools.cache
def lasting(make):
    """Return a model whose step is compiled once for all tests that train it, none of which may fail midway."""
    return make()


@every
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: (x * 255).astype("uint8"), "got values from 0 to 255, expected 0 to 1. Were the pixels divided"),
        (lambda x: np.where(x > 0, np.nan, x), "values that are NaN or infinite"),
        (lambda x: x[:, :11], r"got shape \(40, 11\), expected \(n, 12\)"),
        (lambda x: x[0], r"got shape \(12,\)"),
        (lambda x: x.astype(str), "expected numbers"),
        (lambda x: None, "got None|got NoneType"),
    ],
)
def test_pictures_that_are_none_are_refused_by_every_model(make, spoil, message):
    if make is diffuser and "255" in message:
        pytest.skip("it takes data of any range unless bounds are given")
    x, *rest = DATA[make]
    spoilt = [spoil(x), *rest]
    if make is reconstructor:
        spoilt = [x, spoil(x)] if "255" in message else [spoil(x), x]
    with pytest.raises(ValueError, match=rf"^(x|y|images): .*({message})"):
        train(lasting(make), *spoilt)


def test_data_outside_a_diffusion_models_bounds_are_refused():
    model = diffusion.Diffusion(diffusion.denoising_network(12, 8, 1), bounds=(0, 1))
    model.compile("adam")
    with pytest.raises(ValueError, match="x: got values from 0 to 255, expected 0 to 1"):
        model.fit(ROWS * 255)


@pytest.mark.parametrize("make", [reconstructor, vae, supervised, diffuser])
def test_the_other_doors_have_the_same_guards(make):
    x, *rest = DATA[make]
    bad = np.where(x > 0, np.nan, x)
    for call in ("evaluate", "predict", "train_on_batch", "test_on_batch"):
        with pytest.raises(ValueError, match=r"^x: got \d+ values that are NaN"):
            getattr(make(), call)(bad, *(rest if call != "predict" else ()))
    with pytest.raises(ValueError, match=r"^x: got \d+ values that are NaN"):
        fit(make, x, *rest, validation_data=(bad, *rest))


class Pieces(keras.utils.PyDataset):
    """Batches of some arrays."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return tuple(array[index * 8 : index * 8 + 8] for array in self.arrays)


@every
def test_data_sets_of_batches_train_as_arrays_do_and_are_checked(make):
    assert train(lasting(make), Pieces(*DATA[make]), batch_size=64 if make in PLAYING else None).history
    x, *rest = DATA[make]
    late = np.concatenate([x[:-1], np.full((1, 12), np.nan, "float32")])
    with pytest.raises(ValueError, match=r"(x|images): got 12 values that are NaN"):
        fit(make, Pieces(late, *rest), batch_size=64 if make in PLAYING else None)


def test_generators_train_and_are_checked_or_are_refused():
    assert fit(vae, ((ROWS,) for _ in range(9)), batch_size=None, shuffle=False, steps_per_epoch=3).history
    with pytest.raises(ValueError, match="x: got values from 0 to 255"):
        fit(vae, ((ROWS * 255,) for _ in range(9)), batch_size=None, shuffle=False, steps_per_epoch=3)
    with pytest.raises(ValueError, match=r"images: got generator, expected an array or a keras.utils.PyDataset"):
        fit(gan, (ROWS for _ in range(3)))


@every
def test_training_stops_at_the_first_loss_that_is_no_number(make):
    model = make()
    for optimizer in (model.optimizer, *(getattr(model, name) for name in getattr(model, "optimizer_names", ()))):
        if hasattr(optimizer, "learning_rate") and not hasattr(optimizer, "optimizers"):
            optimizer.learning_rate = np.inf
    with pytest.raises(RuntimeError, match=r"became NaN or infinite at step \d+ \(epoch 1, batch \d+\)"):
        model.fit(*DATA[make], batch_size=8, epochs=3, verbose=0)


def test_a_validation_loss_that_is_no_number_stops_training():
    model = reconstructor()
    model.compile("adam", "mse", metrics=[keras.metrics.MeanMetricWrapper(lambda y, p: jnp.nan * p, name="none")])
    with pytest.raises(RuntimeError, match="none became NaN"):
        model.fit(ROWS, ROWS, validation_data=(ROWS, ROWS), verbose=0)


@every
def test_callbacks_come_as_keras_takes_them(make):
    seen = []
    one = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    for callbacks in (one, [one], (one,), keras.callbacks.CallbackList([one]), None, []):
        train(lasting(make), *DATA[make], callbacks=callbacks)
    assert seen == [0] * 4
    with pytest.raises(ValueError, match=r"callbacks: got .* expected one keras.callbacks.Callback or a list"):
        train(lasting(make), *DATA[make], callbacks=["early stopping"])


@pytest.mark.parametrize("make", OWN)
def test_what_a_model_with_its_own_loss_would_not_use_is_refused(make):
    model = make()
    weights = np.ones(40)
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"^sample_weight: got ndarray, expected none"):
            call(*DATA[make], sample_weight=weights)
    with pytest.raises(ValueError, match=r"^class_weight: got dict, expected none"):
        model.fit(*DATA[make], class_weight={0: 1.0})
    with pytest.raises(ValueError, match=r"^sample_weight: got ndarray"):
        model.fit(Pieces(ROWS, LABELS if make is supervised else ROWS, weights), verbose=0)
    for name in ("loss", "metrics", "weighted_metrics", "loss_weights"):
        with pytest.raises(ValueError, match=rf"^{name}: got str, expected none"):
            model.compile("adam", **{name: "mse"})


def test_weights_of_samples_count_where_keras_has_the_loss():
    weights = np.zeros(40)
    weights[:8] = 1
    losses = [reconstructor().evaluate(ROWS, ROWS, sample_weight=chosen, verbose=0) for chosen in (weights, None)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("make", [vae, diffuser])
def test_targets_that_would_not_be_used_are_refused(make):
    assert train(lasting(make), ROWS, ROWS.copy()).history
    with pytest.raises(ValueError, match=r"^y: got ndarray, expected none"):
        train(lasting(make), ROWS, 1 - ROWS)


def test_labels_of_keras_datasets_train_as_flat_ones_do():
    histories, model = [], supervised()
    variables = (*model.variables, *model.optimizer.variables)
    start = [variable.numpy() for variable in variables]
    for labels in (LABELS, LABELS[:, None], LABELS.astype("float32"), LABELS.astype("uint8")[:, None]):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        histories.append(train(model, ROWS, labels, shuffle=False).history)
    assert all(history == histories[0] for history in histories)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "y: got None, expected a class number for each image"),
        (np.eye(3)[LABELS], r"y: got shape \(40, 3\).*argmax"),
        (LABELS + 1, "y: got values from 1 to 3, expected -1 to 2"),
        (LABELS[:39], "y: got 39 labels, expected one for each of the 40 images"),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        train(lasting(supervised), ROWS, labels)


@pytest.mark.parametrize("count", [1, 20, 32, 33])
def test_predict_gives_a_row_an_image(count):
    outputs = vae().predict(np.repeat(ROWS, 2, axis=0)[:count], batch_size=32, verbose=0)
    assert {name: value.shape for name, value in outputs.items()} == {
        "mean": (count, 2),
        "log_variance": (count, 2),
        "latents": (count, 2),
        "logits": (count, 12),
    }


@every
def test_a_saved_model_goes_on_as_the_one_that_was_saved(make, tmp_path):
    model = make()
    model.fit(*DATA[make], batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for twin in (model, loaded):
        twin.fit(*DATA[make], batch_size=8, verbose=0, shuffle=False) if make not in PLAYING else twin.fit(
            *DATA[make], batch_size=8, verbose=0
        )
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_ladder_network_is_saved_and_wants_batches_that_begin_with_labels(tmp_path):
    model = steps()
    batches = datasets.SemiSupervisedBatches(ROWS[:6], LABELS[:6], ROWS[6:], 3, 10)
    model.fit(batches, verbose=0)
    model.save(tmp_path / "ladder.keras")
    loaded = keras.saving.load_model(tmp_path / "ladder.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    with pytest.raises(ValueError, match=r"x: got ndarray, expected helpers.datasets.SemiSupervisedBatches"):
        model.fit(ROWS, LABELS)
    with pytest.raises(ValueError, match="y: got 8 labels, the first 0 known, expected 3 known"):
        model.fit(Pieces(ROWS, np.full(40, -1)), verbose=0)


@every
def test_checkpoints_are_written(make, tmp_path):
    path = tmp_path / "best.keras"
    monitor = "d_loss" if make in PLAYING else "loss"
    train(
        lasting(make),
        *DATA[make],
        callbacks=keras.callbacks.ModelCheckpoint(path, monitor=monitor, save_best_only=True, mode="min"),
    )
    assert isinstance(keras.saving.load_model(path), type(lasting(make)))


# -- games ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", PLAYING)
def test_a_game_refuses_what_it_would_not_use(make):
    model = make()
    for name, value in {"validation_data": ROWS, "validation_split": 0.1, "validation_freq": 2}.items():
        with pytest.raises(ValueError, match=rf"^{name}: is not used by a model that plays a game"):
            model.fit(ROWS, batch_size=8, **{name: value})
    for name in ("shuffle", "sample_weight", "class_weight", "y"):
        with pytest.raises(ValueError, match=rf"^{name}: is not used by this model: all images count alike"):
            model.fit(ROWS, batch_size=8, **{name: 1})
    for call in (model.evaluate, model.test_on_batch):
        with pytest.raises(ValueError, match="is not used by a model that plays a game"):
            call(ROWS)
    optimizers = ["adam"] * len(model.optimizer_names)
    with pytest.raises(ValueError, match=r"^metrics: is not used"):
        model.compile(*optimizers, metrics=["mae"])
    with pytest.raises(ValueError, match=r"^weighted_metrics: is not used"):
        model.compile(*optimizers, weighted_metrics=["mae"])


def test_labels_as_the_second_argument_get_a_short_error():
    with pytest.raises(ValueError, match=r"^batch_size: got ") as error:
        gan().fit(ROWS, np.repeat(LABELS, 100))
    assert len(str(error.value)) < 100


def test_optimizers_come_by_name_or_description():
    model = gans.GAN(*gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,)))
    model.compile("adam", keras.optimizers.serialize(keras.optimizers.SGD(0.1)))
    assert model.generator_optimizer is not model.discriminator_optimizer
    assert model.fit(ROWS, batch_size=8, verbose=0).history


@pytest.mark.parametrize("bad", [None, "adamant", 0.001, keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())])
def test_optimizers_that_are_none_are_named(bad):
    model = gans.GAN(*gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,)))
    with pytest.raises(ValueError, match=r"^discriminator_optimizer: got"):
        model.compile("adam", bad)


def test_an_optimizer_that_trained_another_model_is_refused():
    first, second = gan(), gan()
    first.compile(first.generator_optimizer, first.discriminator_optimizer, r1=0.1)  # its own ones again
    with pytest.raises(ValueError, match=r"^generator_optimizer: got one that has trained other weights"):
        second.compile(first.generator_optimizer, "adam")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_frozen_discriminator_is_named(when):
    networks = gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,))
    if when == "before":
        networks[1].trainable = False
        with pytest.raises(
            ValueError, match=r"^discriminator: has no weights to train.*discriminator.trainable = True"
        ):
            gan(networks)
    else:
        model = gan(networks)
        networks[1].trainable = False
        with pytest.raises(ValueError, match=r"^trainable: was changed after compile"):
            model.fit(ROWS, batch_size=8)
        with pytest.raises(ValueError, match=r"^trainable: was changed after compile"):
            gans.train_scanned([model], lambda key: jnp.asarray(ROWS[:8]), 2)


def test_a_layer_can_stay_as_it_is():
    networks = gans.dense_networks(4, (8,), (8, 8), "relu", image_shape=(12,))
    frozen = networks[1].layers[1]
    frozen.trainable = False
    before = frozen.get_weights()
    gan(networks).fit(ROWS, batch_size=8, verbose=0)
    assert all(map(np.array_equal, before, frozen.get_weights()))


class Subclassed(keras.Model):
    """A network whose shapes nobody knows."""

    def call(self, x):
        return x


@pytest.mark.parametrize("network", [Subclassed(), keras.Sequential([Dense(12, activation="sigmoid")])])
def test_networks_without_shapes_are_named_by_every_model(network):
    good = gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,))
    encoder, decoder = autoencoders.vae_networks(2, 8, input_dim=12)
    for call in (
        lambda: gans.GAN(network, good[1]),
        lambda: gans.GAN(good[0], network),
        lambda: autoencoders.VariationalAutoencoder(network, decoder),
        lambda: autoencoders.VariationalAutoencoder(encoder, network),
        lambda: autoencoders.SupervisedAutoencoder(encoder, network, network),
        lambda: hybrids.VAEGAN(network, *good),
        lambda: hybrids.AdversarialAutoencoder(network, good[0], good[1]),
    ):
        with pytest.raises(ValueError, match=r"^(generator|discriminator|encoder|decoder): its shapes are not known"):
            call()


def with_sigmoid(*further):
    """Return a discriminator of 12 pixels with a sigmoid, and what comes behind it."""
    return keras.Sequential([Input((12,)), Dense(1, activation="sigmoid"), *further])


def with_operation():
    """Return one whose sigmoid is no layer of its own."""
    pixels = Input((12,))
    return keras.Model(pixels, keras.ops.sigmoid(Dense(1)(pixels)))


# Discriminators of 12 pixels with a sigmoid, or its like, where one does not look for it.
SIGMOIDS = {
    "plain": with_sigmoid,
    "nested": lambda: keras.Sequential([Input((12,)), with_sigmoid()]),
    "operation": with_operation,
    "before a cast": lambda: with_sigmoid(keras.layers.Activation("linear", dtype="float32")),
    "before dropout": lambda: with_sigmoid(keras.layers.Dropout(0.5)),
    "rescaled": lambda: with_sigmoid(keras.layers.Rescaling(2.0, -1.0)),
    "a Lambda": lambda: keras.Sequential([Input((12,)), Dense(1), keras.layers.Lambda(keras.ops.tanh)]),
    "softmax": lambda: keras.Sequential([Input((12,)), Dense(1, activation="softmax")]),
    "relu": lambda: keras.Sequential([Input((12,)), Dense(1, activation="relu")]),
}


@pytest.mark.parametrize("name", SIGMOIDS)
@pytest.mark.filterwarnings("ignore:You are using a softmax:UserWarning")
def test_a_sigmoid_is_found_wherever_it_hides(name):
    generator, _ = gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,))
    with pytest.raises(ValueError, match=r"^discriminator: its outputs lie between .*, expected logits"):
        gans.GAN(generator, SIGMOIDS[name]())


@pytest.mark.parametrize("end", ["softsign", "hard_tanh", "elu", "selu", "silu", "gelu", "mish", "squareplus"])
@pytest.mark.parametrize("bias", [True, False])
def test_an_end_that_stops_growing_is_found(end, bias):
    generator, _ = gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,))
    layers = [Dense(8), keras.layers.LayerNormalization(), Dense(1, use_bias=bias), keras.layers.Activation(end)]
    with pytest.raises(ValueError, match=r"^discriminator: its outputs stop growing when its last weights grow"):
        gans.GAN(generator, keras.Sequential([Input((12,)), *layers]))


@pytest.mark.parametrize("end", ["linear", "leaky_relu", "tanh_shrink", "hard_shrink"])
def test_an_end_that_nothing_bounds_is_none_that_stops_growing(end):
    images = [keras.layers.Reshape((3, 4, 1)), keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Flatten()]
    for before in ([Dense(8, activation="relu")], [Dense(8), keras.layers.BatchNormalization()], [], images):
        for last in (Dense(1), Dense(1, use_bias=False)):
            judge = keras.Sequential([Input((12,)), *before, last, keras.layers.Activation(end)])
            assert not ranges.saturates(judge)
    slopes = keras.Sequential([Input((12,)), Dense(8, activation="tanh"), Dense(1), keras.layers.PReLU()])
    assert not ranges.saturates(slopes)
    assert not ranges.saturates(keras.Sequential([Input((12,)), keras.layers.Activation("tanh")]))  # no weights


@pytest.mark.parametrize("size", [3, 7, 10])
def test_a_discriminator_that_counts_and_packs_has_no_bounds(size):
    numbers = keras.layers.Lambda(lambda x: x * keras.ops.arange(12, dtype="float32"), output_shape=(12,))
    judge = keras.Sequential([Input((12,)), numbers, layers.Pack(size), Dense(1)])
    assert ranges.output_range(judge) == (-np.inf, np.inf)
    assert not ranges.saturates(judge)


def test_logits_are_asked_for_by_every_model_that_needs_them():
    parts = autoencoders.dense_autoencoder(3, 12)
    classifier = keras.Sequential([Input((3,)), Dense(3, activation="softmax")])
    with pytest.raises(ValueError, match=r"^classifier: its outputs lie between 0 and 1, expected logits"):
        autoencoders.SupervisedAutoencoder(parts.encoder, parts.decoder, classifier)
    encoder, _ = autoencoders.vae_networks(3, 8, input_dim=12)
    with pytest.raises(ValueError, match=r"^decoder: its outputs lie between 0 and 1, expected logits"):
        autoencoders.VariationalAutoencoder(encoder, parts.decoder)


def test_a_lambda_layer_in_the_generator_works_and_tells_its_range():
    rescale = keras.layers.Lambda(lambda x: (x + 1) / 2, output_shape=(12,))
    generator = keras.Sequential([Input((4,)), Dense(12, activation="tanh"), rescale])
    model = gan((generator, gans.dense_network((12,), (8,), 1)))
    model.fit(ROWS, batch_size=8, verbose=0)
    assert model.sample(3, 0).shape == (3, 12)
    with pytest.raises(ValueError, match=r"images: got values from -1 to 1, expected 0 to 1"):
        model.fit(ROWS * 2 - 1, batch_size=8)


@pytest.fixture
def policy():
    """Set a policy of number formats for the time of a test."""
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("make", PLAYING)
def test_halves_without_scaled_losses_are_refused_and_bfloat16_works(make, policy):
    policy("mixed_float16")
    with pytest.raises(ValueError, match=r"computes in float16, in which small gradients become 0"):
        make()
    policy("mixed_bfloat16")
    assert make().fit(ROWS, batch_size=8, verbose=0).history


def test_keras_scales_losses_where_it_makes_the_step(policy):
    policy("mixed_float16")
    model = supervised()
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.fit(ROWS, LABELS, batch_size=8, verbose=0).history


def test_film_and_stop_know_the_step_where_one_call_makes_several():
    film = gans.SampleFilm([0, 2, 4, 5, 7], count=1)
    gan(steps_per_execution=2).fit(ROWS, batch_size=8, epochs=2, verbose=0, callbacks=film)
    assert sorted(film.frames) == [0, 2, 4, 5, 7]  # the fifth ends the epoch
    with pytest.raises(ValueError, match=r"^steps: got 3, expected multiples of steps_per_execution, 2"):
        gan(steps_per_execution=2).fit(ROWS, batch_size=8, verbose=0, callbacks=gans.SampleFilm([3]))
    model = gan(steps_per_execution=2)
    model.discriminator_optimizer.learning_rate = np.inf
    with pytest.raises(RuntimeError, match=r"at step 2 \(epoch 1, batch 2\)"):
        model.fit(ROWS, batch_size=8, verbose=0)


def test_a_resumed_run_counts_the_steps_before_it():
    film = gans.SampleFilm([0, 7, 12], count=1)
    gan().fit(ROWS, batch_size=8, initial_epoch=1, epochs=3, verbose=0, callbacks=film)
    assert sorted(film.frames) == [7, 12]


def test_what_compile_was_told_is_saved(tmp_path):
    gan(steps_per_execution=2, jit_compile=False).save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.steps_per_execution == 2
    assert not loaded.jit_compile


def test_training_before_compile_is_refused():
    model = gans.GAN(*gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,)))
    with pytest.raises(ValueError, match=r"^compile: expected to be called on this GAN before"):
        model.fit(ROWS)


def test_losses_refuse_pairs_that_would_be_broadcast():
    for loss in gans.LOSSES["relativistic"]:
        with pytest.raises(ValueError, match=r"fake_logits: got shape \(4,\), expected \(4, 1\)"):
            loss(jnp.ones((4, 1)), jnp.ones(4))


def test_noise_layers_are_saved_with_the_supervised_ones(tmp_path):
    model = vae()
    assert isinstance(model.noise, layers.StandardNormal)
    before = np.asarray(model(ROWS, training=True)["latents"])
    model.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert not np.array_equal(before, np.asarray(loaded(ROWS, training=True)["latents"]))


# --- What a tester found with the neighbours of the cases above ---


def penalised(**kind):
    """Return an encoder of 12 pixels whose weights or outputs are penalised."""
    return keras.Sequential([Input((12,)), Dense(4, **kind)])


@pytest.mark.parametrize("kind", ["kernel_regularizer", "bias_regularizer", "activity_regularizer"])
def test_regularizers_that_would_stay_unused_are_refused(kind):
    kind = {kind: keras.regularizers.L2(1.0)}
    decoder = keras.Sequential([Input((2,)), Dense(12)])
    judge = keras.Sequential([Input((12,)), Dense(1, **kind)])
    makers = (
        lambda: autoencoders.VariationalAutoencoder(penalised(**kind), decoder),
        lambda: autoencoders.SupervisedAutoencoder(
            penalised(**kind),
            keras.Sequential([Input((4,)), Dense(12)]),
            keras.Sequential([Input((4,)), Dense(3)]),
        ),
        lambda: gan((gans.dense_networks(4, (8,), (8,), "relu", image_shape=(12,))[0], judge)),
        lambda: hybrids.VAEGAN(penalised(**kind), *gans.dense_networks(2, (8,), (8,), "relu", image_shape=(12,))),
    )
    for maker in makers:
        with pytest.raises(ValueError, match=r"has a regularizer at .*weight_decay"):
            maker()


def test_networks_may_take_and_make_pictures():
    pictures = ROWS[:, :, None, None].reshape(40, 4, 3, 1)
    flat, shape = keras.layers.Flatten(), keras.layers.Reshape((4, 3, 1))
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([Input((4, 3, 1)), flat, Dense(4)])
    decoder = keras.Sequential([Input((2,)), Dense(12), shape])
    model = autoencoders.VariationalAutoencoder(encoder, decoder)
    model.compile("adam")
    assert model.predict(pictures, verbose=0)["logits"].shape == (40, 4, 3, 1)
    rows = autoencoders.VariationalAutoencoder(
        keras.Sequential([Input((12,)), encoder.layers[-1]]), keras.Sequential([Input((2,)), decoder.layers[0]])
    )
    rows.compile("adam")
    losses = [m.evaluate(x, verbose=0, return_dict=True)["loss"] for m, x in ((model, pictures), (rows, ROWS))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert model.fit(pictures, verbose=0).history


def test_the_squared_error_of_pictures_is_summed_over_all_their_pixels():
    pictures = ROWS.reshape(40, 4, 3, 1)
    encoder = keras.Sequential([Input((4, 3, 1)), keras.layers.Flatten(), Dense(4)])
    decoder = keras.Sequential([Input((4,)), Dense(12, "sigmoid"), keras.layers.Reshape((4, 3, 1))])
    model = autoencoders.SupervisedAutoencoder(encoder, decoder, keras.Sequential([Input((4,)), Dense(3)]))
    model.compile("adam")
    seen = model.evaluate(pictures, LABELS, batch_size=40, verbose=0, return_dict=True)["squared_error"]
    by_hand = ((pictures - np.asarray(decoder(encoder(pictures)))) ** 2).sum(axis=(1, 2, 3)).mean()
    assert seen == pytest.approx(by_hand, rel=1e-5)


def test_a_ladder_network_gets_batches_through_every_door():
    for call in ("evaluate", "fit"):
        with pytest.raises(ValueError, match="x: got ndarray, expected helpers"):
            getattr(steps(), call)(ROWS, LABELS)
    batches = datasets.SemiSupervisedBatches(ROWS, LABELS, ROWS, 3, 5)
    with pytest.raises(ValueError, match="validation_data: got tuple, expected helpers"):
        steps().fit(batches, validation_data=(ROWS, LABELS))
    for call in ("predict", "predict_on_batch"):
        with pytest.raises(ValueError, match="predict: is not for noisy paths"):
            getattr(steps(), call)(ROWS)


def test_an_autoencoder_without_a_loss_is_refused():
    model = autoencoders.dense_autoencoder(3, 12).autoencoder
    with pytest.raises(ValueError, match="loss: got None"):
        model.compile("adam")


def test_epochs_are_followed_without_being_asked_for():
    seen = []

    def note(images, rng):
        seen.append(rng.integers(2**31))
        return images

    batches = datasets.ShuffledBatches(ROWS, 8, transform=note)
    train(lasting(vae), batches, batch_size=None, epochs=2)
    assert len(set(seen)) == 10
    for make in PLAYING:
        seen.clear()
        train(lasting(make), batches, epochs=2)
        assert len(set(seen)) == 10


@pytest.mark.parametrize("make", PLAYING)
def test_the_doors_of_games_have_guards_too(make):
    model, spoilt = make(), np.where(ROWS > 0, np.nan, ROWS)
    with pytest.raises(ValueError, match=r"images: got .* NaN"):
        model.train_on_batch(spoilt)
    for extra in (dict(y=LABELS), dict(sample_weight=LABELS), dict(class_weight={0: 1.0})):
        with pytest.raises(ValueError, match=r"^(labels|sample_weight|class_weight): got"):
            model.train_on_batch(ROWS, **extra)
    inputs = np.full((40, 4), np.nan) if make is gan else spoilt
    for call in ("predict", "predict_on_batch"):
        with pytest.raises(ValueError, match=r"^(images|latents): got .* NaN"):
            getattr(model, call)(inputs)
    with pytest.raises(ValueError, match="labels: got some in a batch"):
        fit(make, Pieces(ROWS, LABELS))


def test_predicted_data_sets_are_checked():
    model = vae()
    assert len(model.predict(Pieces(ROWS), verbose=0)["mean"]) == 40
    for spoilt in (Pieces(ROWS * 255), (ROWS * 255 for _ in range(2))):
        with pytest.raises(ValueError, match="x: got values from 0 to 255"):
            model.predict(spoilt, verbose=0)
    with pytest.raises(ValueError, match="x: got values from 0 to 255"):
        model.predict_on_batch(ROWS * 255)


@pytest.mark.parametrize("make", PLAYING)
def test_options_that_games_would_leave_unused_are_refused(make):
    with pytest.raises(ValueError, match="steps_per_epoch: got a number with an array"):
        train(lasting(make), ROWS, steps_per_epoch=2)
    model = make()
    optimizers = [keras.optimizers.Adam(use_ema=True) for _ in model.optimizer_names]
    with pytest.raises(ValueError, match="use_ema"):
        model.compile(*optimizers)


@every
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(epochs=1.5), "epochs: got 1.5"),
        (dict(epochs="3"), "epochs: got '3'"),
        (dict(epochs=-1), "epochs: got -1"),
        (dict(batch_size=0), "batch_size: got 0"),
        (dict(batch_size=2.5), "batch_size: got 2.5"),
        (dict(batch_size="8"), "batch_size: got '8'"),
        (dict(initial_epoch=-1), "initial_epoch: got -1"),
    ],
)
def test_numbers_of_fit_are_checked(make, settings, message):
    with pytest.raises(ValueError, match=message):
        train(lasting(make), *DATA[make], **settings)


@pytest.mark.parametrize("share", [1.5, -0.5, "a"])
def test_a_share_for_validation_is_one(share):
    with pytest.raises(ValueError, match="validation_split: got"):
        train(lasting(vae), ROWS, validation_split=share)


@pytest.mark.parametrize("make", [reconstructor, vae, supervised, diffuser])
def test_no_rows_are_named(make):
    none = [array[:0] for array in DATA[make]]
    for call in ("fit", "evaluate", "predict"):
        with pytest.raises(ValueError, match="x: got 0 rows"):
            getattr(make(), call)(*(none if call != "predict" else none[:1]))
    with pytest.raises(ValueError, match="x: got 0 rows"):
        fit(make, *DATA[make], validation_data=tuple(none))


def test_networks_of_a_hybrid_share_nothing_and_start_from_rows_of_latents():
    decoder, judge = gans.dense_networks(2, (8,), (8,), "relu", image_shape=(12,))
    encoder = keras.Sequential([*judge.layers[:-1], Dense(4)])
    encoder.build((None, 12))
    with pytest.raises(ValueError, match="discriminator: got variables of the encoder"):
        hybrids.VAEGAN(encoder, decoder, judge)
    for shape in ((1, 1, 4), (None, 4)):
        maker = keras.Sequential([Input(shape), keras.layers.GlobalAveragePooling1D(), Dense(12, "sigmoid")][:1])
        maker.add(keras.layers.Dense(12, "sigmoid"))
        with pytest.raises(ValueError, match=r"generator: got input shape .*, expected \(latent_dim,\)"):
            gans.GAN(maker, judge)


@pytest.mark.parametrize("make", OWN)
def test_weights_frozen_after_compile_are_named(make):
    model = make()
    model.layers[0].trainable = False
    with pytest.raises(ValueError, match="trainable: was changed after compile"):
        model.fit(*DATA[make], verbose=0)
    with pytest.raises(ValueError, match="trainable: was changed after compile"):
        model.train_on_batch(*DATA[make])


def test_a_film_is_taken_of_every_model_that_samples():
    for make in (vae, diffuser, vaegan):
        film = gans.SampleFilm([0, 2], count=3)
        train(lasting(make), *DATA[make], callbacks=film)
        assert [frame.shape for frame in film.frames.values()] == [(3, 12), (3, 12)]
    with pytest.raises(ValueError, match="model: got Reconstructor, expected one that samples"):
        fit(reconstructor, ROWS, ROWS, callbacks=gans.SampleFilm([0]))
    with pytest.raises(ValueError, match="steps: got 5"):
        gans.SampleFilm(5)


@every
def test_a_last_step_that_leaves_no_numbers_is_named(make):
    model = make()
    for optimizer in (model.optimizer, *(getattr(model, name) for name in getattr(model, "optimizer_names", ()))):
        if hasattr(optimizer, "learning_rate") and not hasattr(optimizer, "optimizers"):
            optimizer.learning_rate = np.inf
    # A game's second player meets what the first one's step left.
    when = "at step 1 " if make in PLAYING else "in the last step"
    with pytest.raises(RuntimeError, match=f"became NaN or infinite {when}"):
        model.fit(*DATA[make], batch_size=40, verbose=0)


@pytest.mark.parametrize(
    ("end", "bounds"),
    [
        (lambda x: keras.ops.softplus(x), (0, np.inf)),
        (lambda x: keras.ops.log_sigmoid(x), (-np.inf, 0)),
        (lambda x: keras.ops.average_pool(keras.ops.sigmoid(x)[:, :, None], 2, 2), (0, 1)),
        (lambda x: keras.ops.max_pool(keras.ops.sigmoid(x)[:, :, None], 2, 2), (0, 1)),
        (lambda x: keras.ops.sqrt(keras.ops.square(x)), (0, np.inf)),
        (keras.layers.Lambda(lambda x: x**4), (0, np.inf)),
    ],
)
def test_further_bounded_ends_are_found(end, bounds):
    inputs = Input((4,))
    low, high = ranges.output_range(keras.Model(inputs, end(Dense(4)(inputs))))
    assert (low, high) == pytest.approx(bounds, abs=1e-6)
