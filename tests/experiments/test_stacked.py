"""Copies trained side by side are what each would be alone, and go on where a killed run was."""

import keras
import numpy as np
import pytest

from experiments.harness import stacked, training
from helpers import gans

IMAGES = np.random.default_rng(0).random((24, 6)).astype("float32")


def autoencoder(seed, rate):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(6)])
    model.compile(keras.optimizers.Adam(rate), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_each_copy_is_the_model_that_keras_trains_alone():
    keys = [(0, 0.01), (1, 0.03)]
    stack = stacked.Stack([autoencoder(*key) for key in keys])
    stack.fit((IMAGES, IMAGES), batch_size=len(IMAGES), epochs=5, last=1.0)  # one batch: no order of the data
    for index, key in enumerate(keys):
        alone = autoencoder(*key)
        alone.fit(IMAGES, IMAGES, batch_size=len(IMAGES), epochs=5, verbose=0)
        expected = alone.predict(IMAGES, verbose=0)
        assert np.allclose(stack.apply(stack.model, IMAGES)[index], expected, atol=1e-5)
        for ours, theirs in zip(stack.copy_weights(stack.model, index), alone.get_weights(), strict=True):
            assert np.allclose(ours, theirs, atol=1e-5)


def test_the_rate_falls_along_half_a_cosine():
    stack = stacked.Stack([autoencoder(0, 0.01)])
    stack.fit((IMAGES, IMAGES), batch_size=8, epochs=2)
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 6)
    assert np.allclose(stack.states[2][1], schedule(5), rtol=1e-5)  # Keras sets the rate of the step that comes


def test_copies_may_have_data_of_their_own():
    stack = stacked.Stack([autoencoder(0, 0.01), autoencoder(0, 0.01)])
    data = np.stack([IMAGES, IMAGES[::-1] ** 2])
    stack.fit((data, data), batch_size=len(IMAGES), epochs=3, last=1.0, shared=False)
    for index, images in enumerate(data):
        alone = autoencoder(0, 0.01)
        alone.fit(images, images, batch_size=len(IMAGES), epochs=3, verbose=0)
        assert np.allclose(stack.apply(stack.model, images)[index], alone.predict(images, verbose=0), atol=1e-5)


@pytest.fixture
def save_always(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "RUNS", tmp_path)
    monkeypatch.setattr(stacked, "SAVE_AFTER", 0)


def gan(seed):
    keras.utils.set_random_seed(seed)
    model = gans.GAN(*gans.dense_networks(3, (8,), (8,), "relu", image_shape=(6,)), seed=seed)
    model.compile(*[keras.optimizers.Adam(0.01) for _ in range(2)], loss="relativistic", r1=0.1)
    return model


def test_a_killed_run_goes_on_bit_for_bit(save_always):
    whole = stacked.Stack([gan(0), gan(1)]).fit(IMAGES, 8, epochs=4)

    def kill(epoch):
        if epoch == 3:  # after the second epoch was saved
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stacked.Stack([gan(0), gan(1)]).fit(IMAGES, 8, epochs=4, name="run", watch=kill)
    resumed = stacked.Stack([gan(0), gan(1)])
    seen = []
    resumed.fit(IMAGES, 8, epochs=4, name="run", watch=seen.append)
    assert seen == [3, 4]
    for index in range(2):
        for ours, theirs in zip(
            resumed.copy_weights(resumed.model, index), whole.copy_weights(whole.model, index), strict=True
        ):
            assert np.array_equal(ours, theirs)
    assert [list(logs) for logs in resumed.history] == [list(logs) for logs in whole.history]


def test_a_file_of_other_models_is_refused(save_always):
    stacked.Stack([gan(0), gan(1)]).fit(IMAGES, 8, epochs=1, name="run")
    with pytest.raises(RuntimeError, match=r"run\.npz holds a run of other models"):
        stacked.Stack([gan(0)]).fit(IMAGES, 8, epochs=2, name="run")


def test_a_copy_that_becomes_nan_leaves_the_others_alone():
    stack = stacked.Stack([autoencoder(0, 0.01), autoencoder(0, np.nan)])
    stack.fit((IMAGES, IMAGES), batch_size=8, epochs=2)
    fine, broken = stack.apply(stack.model, IMAGES)
    assert np.isfinite(fine).all()
    assert np.isnan(broken).all()
