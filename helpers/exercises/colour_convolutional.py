"""Checks for the exercises of colour/convolutional."""

import numpy as np

from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, that


@exercise("ex-colour-least")
def _least(answer):
    """Compare with a sum over pairs of colours, for four colours."""
    rng = np.random.default_rng(0)
    p, colours = rng.dirichlet(np.ones(4)), rng.random((4, 3))
    mean = np.array([sum(p[i] * colours[i, c] for i in range(4)) for c in range(3)])
    pairs = sum(p[i] * p[j] * np.sum((colours[i] - colours[j]) ** 2) for i in range(4) for j in range(i))
    colour, error = parts(call(answer, p, colours), "the colour", "its error")
    colour = numbers(colour, shape=(3,), what="the colour")
    mistakes = {
        "The colours have different probabilities.": colours.mean(axis=0),
        "The most probable colour costs more than another one, which none of them has to be.": colours[p.argmax()],
    }
    hinted(colour, mean, mistakes, what="the colour")
    mistakes = {
        "The three channels add up; this is their mean.": pairs / 3,
        "Square before you add; a root is not needed.": np.sqrt(pairs),
        "The colours have different probabilities, in the error, too.": np.square(colours - mean).sum(axis=1).mean(),
    }
    hinted(numbers(error, shape=(), what="the error"), pairs, mistakes, what="the error")


@exercise("ex-colour-whitened")
def _whitened(answer, train_codes, codes):
    """Compare with distances of Mahalanobis, through the inverse covariance."""
    share = float(numbers(answer, shape=(), what="the share"))
    that(0 <= share <= 1, f"the share: got {share:.4g}, expected one between 0 and 1.")
    inverse = np.linalg.inv(np.cov(np.asarray(train_codes, "float64"), rowvar=False))
    expected, before = (_top_five(np.asarray(codes, "float64"), matrix) for matrix in (inverse, np.eye(len(inverse))))
    that(abs(share - before) > 1e-9 or abs(before - expected) < 1e-9, "this is the share before the change.")
    slack = 1.5 / len(codes)  # equal distances, and rounding
    that(abs(share - expected) <= slack, f"the share: got {share:.4f}, which is too "
         f"{'large' if share > expected else 'small'}. Divide by deviations of the training codes.")  # fmt: skip


def _top_five(codes, matrix):
    """Return the share of partners that fewer than five others are nearer than, for squared distances by a matrix."""
    half, shares = len(codes) // 2, []
    for left, right in ((codes[:half], codes[half:]), (codes[half:], codes[:half])):
        off = left[:, None] - right[None]
        squares = np.einsum("ijk,kl,ijl->ij", off, matrix, off, optimize=True)
        shares.append(((squares < np.diag(squares)[:, None]).sum(axis=1) < 5).mean())
    return np.mean(shares)


@exercise("ex-colour-own")
def _own(answer, encoder, train):
    """Encode the image anew, and sort all distances."""
    image, five = parts(answer, "the image", "five indices")
    image = numbers(image, shape=(32, 32, 3), what="the image")
    that(image.min() >= 0 and image.max() <= 1, "the image: expected levels from 0 to 1; bytes are divided by 255.")
    that(image.std() > 0.01, "the image: it has one colour, expected something on it.")
    five = numbers(five, shape=(5,), what="the indices")
    that((five == np.round(five)).all() and five.min() >= 0 and five.max() < len(train), f"the indices: got "
         f"{five}, expected five integers from 0 to {len(train) - 1}.")  # fmt: skip
    code = encoder.predict(np.float32(image)[None], verbose=0)
    distances = np.linalg.norm(encoder.predict(train, batch_size=500, verbose=0) - code, axis=1)
    found, best = distances[five.astype(int)], np.sort(distances)[:5]
    that(not np.allclose(found, np.sort(distances)[::-1][:5], rtol=1e-3), "these are the farthest five.")
    that(np.allclose(np.sort(found), best, rtol=1e-3), "the indices: there are nearer ones, by code.")
    that(np.allclose(found, best, rtol=1e-3), "the indices: the right five, but not the nearest first.")
