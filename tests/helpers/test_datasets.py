"""MNIST is the real one or an error; batches visit each image once."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import datasets
from tests.slow import after


def test_mnist_has_its_official_shapes_and_range(mnist):
    assert mnist.train_images.shape == (50_000, 28, 28, 1)
    assert mnist.validation_images.shape == (10_000, 28, 28, 1)
    assert mnist.test_images.shape == (10_000, 28, 28, 1)
    for images in (mnist.train_images, mnist.test_images):
        assert images.dtype == "float32"
        assert (images.min(), images.max()) == (0, 1)
    assert mnist.test_labels.dtype == "int32"
    # The first labels of both official files, and the official counts of the test digits.
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(mnist.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_no_test_or_validation_image_is_trained_on(mnist):
    def hashes(images):
        return {image.tobytes() for image in images}

    assert not hashes(mnist.train_images) & hashes(mnist.test_images)
    assert not hashes(mnist.train_images) & hashes(mnist.validation_images)


@pytest.mark.parametrize("size", after(1, [1, 0, 59_999]))
def test_the_validation_images_come_from_the_end_of_the_training_file(size, mnist):
    split = datasets.load_mnist(validation_size=size)
    assert len(split.train_images) == 60_000 - size
    assert len(split.validation_images) == size
    if size == 1:
        assert np.array_equal(split.validation_images[0], mnist.validation_images[-1])


@pytest.mark.parametrize("size", [-1, 60_000, 2.5, "1", True])
def test_validation_size_is_checked(size):
    with pytest.raises(ValueError, match=r"validation_size: got .*, expected an integer from 0 to 59999"):
        datasets.load_mnist(size)


@pytest.mark.parametrize("pixels", [np.zeros((2, 28, 28)), np.zeros((2, 28, 28), "int64"), np.zeros((2, 784), "uint8")])
def test_only_bytes_are_scaled(pixels):
    with pytest.raises(ValueError, match=r"^pixels: got (dtype .*, expected uint8.*already|shape)"):
        datasets.scale_pixels(pixels)


def test_only_bytes_have_an_idx_hash():
    with pytest.raises(ValueError, match=r"^array: got dtype int64, expected uint8"):
        datasets.idx_md5(np.zeros((2, 2), "int64"))


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_published_bytes_are_those_that_are_scaled(mnist, split):
    pixels, labels = datasets.load_mnist_bytes(split)
    count = len(pixels) - 10_000 * (split == "train")
    scaled = getattr(mnist, f"{split}_images")
    assert np.array_equal(datasets.scale_pixels(pixels[:count]), scaled)
    assert np.array_equal(labels[:count], getattr(mnist, f"{split}_labels"))


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(RuntimeError, match=r"is missing\. Restore it with `git checkout"):
        datasets.load_mnist(path=tmp_path / "mnist.npz")


@pytest.mark.parametrize("keep", [0, 1000, 5_000_000])
def test_a_truncated_file_is_an_error(tmp_path, keep):
    path = tmp_path / "mnist.npz"
    path.write_bytes(datasets.MNIST_PATH.read_bytes()[:keep])
    with pytest.raises(RuntimeError, match=r"cannot be read .* Restore it"):
        datasets.load_mnist(path=path)


def test_one_changed_byte_is_an_error(tmp_path):
    content = bytearray(datasets.MNIST_PATH.read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "mnist.npz"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="Restore it"):
        datasets.load_mnist(path=path)


def test_other_digits_are_not_mnist(tmp_path):
    path = tmp_path / "mnist.npz"
    arrays = {name: np.zeros(2, "uint8") for name in datasets.MNIST_MD5}
    np.savez(path, **arrays)
    with pytest.raises(RuntimeError, match=r"has MD5 .*, expected .*: it is not MNIST"):
        datasets.load_mnist(path=path)


def test_a_file_without_the_arrays_is_an_error(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, x=np.zeros(1))
    with pytest.raises(RuntimeError, match="cannot be read"):
        datasets.load_mnist(path=path)


@given(count=st.integers(1, 40), batch_size=st.integers(1, 40), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_an_epoch_visits_each_image_at_most_once(count, batch_size, seed, epoch):
    images = np.arange(count)
    if batch_size > count:
        with pytest.raises(ValueError, match=f"batch_size: got {batch_size}, but there are only {count} images"):
            datasets.ShuffledBatches(images, batch_size, seed)
        return
    batches = datasets.ShuffledBatches(images, batch_size, seed)
    batches.set_epoch(epoch)
    seen = np.concatenate([batches[index][0] for index in range(len(batches))])
    assert len(seen) == len(np.unique(seen)) == count // batch_size * batch_size


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        batches = datasets.ShuffledBatches(np.arange(100), 10, seed)
        batches.set_epoch(epoch)
        return batches.order.tolist()

    assert order(1, 5) == order(1, 5)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_labels_stay_with_their_images():
    images = np.arange(20).reshape(20, 1, 1, 1)
    batches = datasets.ShuffledBatches(images, 5, seed=3, labels=np.arange(20))
    for index in range(4):
        batch, labels = batches[index]
        assert np.array_equal(batch[:, 0, 0, 0], labels)
    with pytest.raises(ValueError, match="labels: got 3 labels, expected one for each of the 20 images"):
        datasets.ShuffledBatches(images, 5, labels=np.arange(3))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": None}, "images: got None"),
        ({"images": np.full((4, 2), np.nan)}, "images: got 8 values that are NaN"),
        ({"images": [["a"]] * 4}, "images: got dtype <U1, expected numbers"),
        ({"labels": [0, np.nan, 1, 1]}, "labels: got 1 values that are NaN"),
        ({"transform": "shift"}, "transform: got 'shift', expected transform"),
        ({"seed": 0.5}, "seed: got 0.5, expected an integer"),
        ({"batch_size": True}, "batch_size: got True, expected an integer"),
    ],
)
def test_bad_batches_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        datasets.ShuffledBatches(**{"images": np.zeros((4, 2)), "batch_size": 2, **wrong})


def test_a_bad_epoch_is_named():
    with pytest.raises(ValueError, match=r"epoch: got 1.5, expected an integer >= 0"):
        datasets.ShuffledBatches(np.zeros((4, 2)), 2).set_epoch(1.5)


def test_batches_keep_the_kind_of_numbers():
    for kind in ("uint8", "float32", "float64"):
        assert datasets.ShuffledBatches(np.zeros((4, 2), kind), 2)[0][0].dtype == kind


def test_shifts_move_whole_pixels_and_lose_only_what_leaves_the_frame():
    images = np.zeros((200, 7, 7, 1), "float32")
    images[:, 3, 3] = 1
    shifted = datasets.shift_images(images, np.random.default_rng(0), reach=2)
    places = np.argwhere(shifted[..., 0] == 1)
    assert len(places) == 200
    assert set(places[:, 1]) == set(places[:, 2]) == {1, 2, 3, 4, 5}
    assert shifted.sum() == 200


def test_idx_md5_is_the_hash_of_the_idx_file():
    import hashlib

    array = np.array([[1, 2, 3], [4, 5, 6]], "uint8")
    file = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    assert datasets.idx_md5(array) == hashlib.md5(file).hexdigest()
    assert datasets.idx_md5(np.asfortranarray(array)) == datasets.idx_md5(array)


def semi_supervised(seed=0):
    """20 labelled images, numbered from 0, and 50 unlabelled ones, numbered from 100; batches of 8 + 10."""
    images, unlabelled = np.arange(20.0)[:, None], 100 + np.arange(50.0)[:, None]
    return datasets.SemiSupervisedBatches(images, np.arange(20) % 10, unlabelled, 8, 10, seed)


def test_a_semi_supervised_epoch_visits_every_unlabelled_image_once():
    batches = semi_supervised()
    seen = np.concatenate([batches[index][0][8:, 0] for index in range(len(batches))])
    assert len(batches) == 5
    assert sorted(seen) == list(range(100, 150))


def test_labels_of_semi_supervised_batches():
    images, labels = semi_supervised()[0]
    assert len(np.unique(images[:8])) == 8
    assert labels[:8].tolist() == (images[:8, 0] % 10).astype(int).tolist()
    assert labels[8:].tolist() == [-1] * 10


def test_semi_supervised_order_depends_on_seed_and_epoch_alone():
    batches, twin, other = semi_supervised(), semi_supervised(), semi_supervised(seed=1)
    first = [batches[index][0] for index in range(5)]
    twin.unlabelled.set_epoch(3)
    twin.unlabelled.set_epoch(0)
    assert all(np.array_equal(a, twin[index][0]) for index, a in enumerate(first))
    batches.follow_epochs().on_epoch_begin(1, None)
    assert not np.array_equal(batches[0][0], first[0])
    assert not np.array_equal(other[0][0], first[0])


def test_bad_semi_supervised_sizes_are_named():
    images = np.zeros((5, 1))
    with pytest.raises(ValueError, match=r"^labelled_size: got 6, expected an integer from 1 to 5"):
        datasets.SemiSupervisedBatches(images, np.zeros(5), images, 6, 2)
    with pytest.raises(ValueError, match=r"^unlabelled_size: got 6, expected an integer from 1 to 5"):
        datasets.SemiSupervisedBatches(images, np.zeros(5), images, 2, 6)
    with pytest.raises(ValueError, match=r"^labels: got 4 labels"):
        datasets.SemiSupervisedBatches(images, np.zeros(4), images, 2, 2)
    with pytest.raises(ValueError, match=r"^labels: got shape \(5, 5\).*argmax"):
        datasets.SemiSupervisedBatches(images, np.eye(5), images, 2, 2)
    with pytest.raises(ValueError, match=r"^labels: got values from -1 to -1, expected >= 0"):
        datasets.SemiSupervisedBatches(images, np.full(5, -1), images, 2, 2)
    with pytest.raises(ValueError, match=r"^unlabelled: got shape \(5, 2\), expected \(n, 1\)"):
        datasets.SemiSupervisedBatches(images, np.zeros(5), np.zeros((5, 2)), 2, 2)
    with pytest.raises(ValueError, match=r"^seed: got -1"):
        datasets.SemiSupervisedBatches(images, np.zeros(5), images, 2, 2, seed=-1)


def test_labels_in_one_column_are_class_numbers():
    images, labels = np.arange(20.0)[:, None], np.arange(20) % 10
    flat, column = (datasets.SemiSupervisedBatches(images, y, images, 4, 5) for y in (labels, labels[:, None]))
    assert np.array_equal(flat[0][1], column[0][1])
    rows = [datasets.balanced_subset(y, 10, np.random.default_rng(0)) for y in (labels, labels[:, None])]
    assert np.array_equal(*rows)


def test_a_balanced_subset_holds_each_class_equally_often():
    labels = np.random.default_rng(0).integers(0, 10, 500)
    rows = datasets.balanced_subset(labels, 50, np.random.default_rng(1))
    assert len(set(rows)) == 50
    assert np.bincount(labels[rows]).tolist() == [5] * 10
    assert not np.array_equal(rows, datasets.balanced_subset(labels, 50, np.random.default_rng(2)))


@pytest.mark.parametrize("count", [15, 0, 600, 2.5])
def test_a_subset_that_cannot_be_balanced_is_an_error(count):
    with pytest.raises(ValueError, match=rf"^count: got {count}, expected "):
        datasets.balanced_subset(np.arange(500) % 10, count, np.random.default_rng(0))


def test_a_class_with_too_few_rows_is_named():
    labels = np.array([0] * 9 + [1])
    with pytest.raises(ValueError, match="count: got 4, but class 1 has only 1 rows, expected at most 2"):
        datasets.balanced_subset(labels, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"labels: got shape \(4, 4\).*argmax"):
        datasets.balanced_subset(np.eye(4), 4, np.random.default_rng(0))


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: datasets.binarise(np.zeros((2, 3)), rng),
        lambda rng: datasets.shift_images(np.zeros((2, 3, 3, 1)), rng),
        lambda rng: datasets.balanced_subset([0, 1], 2, rng),
        lambda rng: datasets.ring().sample(3, rng),
    ],
)
@pytest.mark.parametrize("rng", [0, None, np.random.RandomState(0)], ids=["seed", "none", "old"])
def test_a_source_of_draws_that_is_none_gets_a_hint(draw, rng):
    with pytest.raises(ValueError, match=r"rng: got .*np\.random\.default_rng\(seed\)"):
        draw(rng)
    draw(np.random.default_rng(0))


def test_only_grey_levels_are_binarised():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"images: got values from 0 to 255, expected 0 to 1.*divided by 255\?"):
        datasets.binarise(np.arange(256, dtype="uint8"), rng)
    with pytest.raises(ValueError, match="images: got 1 values that are NaN"):
        datasets.binarise([0.5, np.nan], rng)


def test_bad_shifts_are_named():
    rng, images = np.random.default_rng(0), np.zeros((2, 5, 4, 1))
    with pytest.raises(ValueError, match=r"images: got shape \(2, 20\), expected \(n, n, n, n\)"):
        datasets.shift_images(images.reshape(2, 20), rng)
    for reach in (-1, 5, 1.5):
        with pytest.raises(ValueError, match=rf"reach: got {reach}, expected an integer from 0 to 4"):
            datasets.shift_images(images, rng, reach)


def test_binarised_pixels_have_their_grey_level_as_mean():
    images = np.tile(np.linspace(0, 1, 5, dtype="float32"), (20_000, 1))
    drawn = datasets.binarise(images, np.random.default_rng(0))
    assert drawn.dtype == "float32"
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn[:, 0].max() == 0
    assert drawn[:, -1].min() == 1
    np.testing.assert_allclose(drawn.mean(axis=0), images[0], atol=0.02)


# --- Mixtures --------------------------------------------------------------------------------------------------------


def test_the_ring_has_eight_different_modes_at_one_distance():
    centers, std = datasets.ring()
    gaps = np.linalg.norm(centers - np.roll(centers, 1, axis=0), axis=1)
    assert np.allclose(gaps, 2 * np.sin(np.pi / 8))
    assert np.allclose(np.linalg.norm(centers, axis=1), 1)
    assert std == 0.01


def test_the_grid_is_pacgans():
    centers, std = datasets.grid()
    assert {tuple(center) for center in centers} == {(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)}
    assert std == 0.05


def test_a_mixtures_points_have_its_moments():
    mixture = datasets.grid(side=2, spacing=2, std=0.5)
    points = mixture.sample(200_000, np.random.default_rng(0))
    assert points.dtype == np.float32
    assert np.allclose(points.mean(axis=0), 0, atol=0.02)
    assert np.allclose(np.cov(points, rowvar=False), np.eye(2) * (1 + 0.25), atol=0.02)


def test_a_mixtures_density_integrates_to_one():
    ticks = np.arange(-3, 3, 0.02)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    assert np.isclose(datasets.ring(std=0.3).density(points).sum() * 0.02**2, 1, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: datasets.ring(modes=0), "modes: got 0, expected an integer >= 1"),
        (lambda: datasets.ring(radius=0), "radius: got 0, expected a finite number > 0"),
        (lambda: datasets.ring(std=-1), "std: got -1, expected a finite number >= 0"),
        (lambda: datasets.grid(spacing="2"), "spacing: got '2', expected a finite number > 0"),
        (lambda: datasets.grid(std=np.nan), "std: got nan, expected a finite number >= 0"),
        (lambda: datasets.grid().sample(-1, np.random.default_rng(0)), "count: got -1, expected an integer >= 1"),
        (lambda: datasets.Mixture(np.zeros(2), 1), r"centers: got shape \(2,\), expected \(n, n\)"),
        (lambda: datasets.Mixture(np.zeros((0, 2)), 1), "centers: got 0 rows, expected at least 1"),
        (lambda: datasets.Mixture(np.zeros((1, 2)), None), "std: got None, expected a finite number >= 0"),
        (lambda: datasets.Mixture(np.zeros((1, 2)), 0).standardised(), "centers: got only zeros"),
        (lambda: datasets.ring().density(np.zeros((3, 1))), r"points: got shape \(3, 1\), expected \(n, 2\)"),
        (lambda: datasets.ring(std=0).density(np.zeros((3, 2))), "std: got 0.0, expected a finite number > 0"),
    ],
)
def test_bad_mixtures_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_mixture_is_a_pair_of_its_centers_and_its_spread():
    mixture = datasets.Mixture([[0, 1]], 2)
    centers, std = pickle.loads(pickle.dumps(mixture))
    assert centers.tolist() == [[0, 1]]
    assert std == 2.0
    assert repr(mixture) == "Mixture(centers=array([[0, 1]]), std=2.0)"


def test_first_of_each_class_is_in_the_order_of_the_classes():
    assert datasets.first_of_each([2, 0, 2, 1, 0]).tolist() == [1, 3, 0]
