"""Checks for the exercises of colour/discrete_codes."""

import numpy as np

from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, that


@exercise("ex-codes-perplexity")
def _perplexity(answer):
    """Compare with the product of the shares, each to the power of minus itself, where some codes never occur."""
    tokens = np.random.default_rng(0).choice(6, size=(5, 4, 4), p=[0.5, 0.2, 0.2, 0.1, 0, 0])
    counts = np.array([np.sum(tokens == code) for code in range(6)])
    share = counts[counts > 0] / counts.sum()
    expected = np.prod(share**-share)
    mistakes = {
        "This is the entropy; the perplexity is its exponential.": np.log(expected),
        "This is the entropy in bits; the perplexity is 2 to that power.": np.log2(expected),
        "This is how many codes occur; how often each occurs counts, too.": len(share),
    }
    found = numbers(call(answer, tokens, 6), shape=(), what="the perplexity")
    that(np.isfinite(found), "a code that never occurs has a share of 0, whose logarithm is infinite: leave it out.")
    hinted(found, expected, mistakes, what="the perplexity")


@exercise("ex-codes-bias")
def _bias(answer):
    """Compare with quotients of the expected loss and of the estimate, for a curved and for a straight loss."""
    for loss, slope in ((lambda x: x**4, lambda x: 4 * x**3), (lambda x: 3 * x - 1, lambda x: 3.0)):
        for z in (0.3, 2.6, -1.2):
            low, share, step = np.floor(z), z - np.floor(z), 1e-6
            up, down = ((1 - s) * loss(low) + s * loss(low + 1) for s in (share + step, share - step))
            true = (up - down) / (2 * step)
            estimate = (1 - share) * slope(low) + share * slope(low + 1)
            expected = estimate - true
            mistakes = {
                "The sign is that of the true derivative minus the estimate.": -expected,
                "This is the estimate alone; subtract the true derivative.": estimate,
                "This is the true derivative alone.": true,
                "The estimate takes the slope at the rounded place, not at z.": slope(z) - true,
            }
            found = numbers(call(answer, loss, slope, z), shape=(), what="the bias")
            hinted(found, expected, mistakes, what=f"the bias at z = {z}")


@exercise("ex-codes-start")
def _start(answer, vectors):
    """Look for each row of the codebook among the encoder's vectors."""
    vectors = np.asarray(vectors, "float64").reshape(-1, np.shape(vectors)[-1])
    start = numbers(answer, shape=(256, vectors.shape[1]), what="the codebook")
    distances = np.array([np.square(vectors - row).sum(axis=1).min() for row in start])
    share = (distances < 1e-8).mean()
    that(share > 0.99, f"the codebook: {share:.0%} of its rows are outputs of the encoder, expected all.")
    different = len(np.unique(start.round(5), axis=0))
    that(different >= 200, f"the codebook: only {different} different rows. Draw the places at random.")
    return f"{different} different rows."


@exercise("ex-codes-own-image")
def _own_image(answer, encode, decode, train):
    """Encode the image and decode the tokens again, and compare the error with that of the mean training image."""
    image, tokens = parts(answer, "the image", "its tokens")
    image = numbers(image, shape=(32, 32, 3), what="the image")
    that(image.min() >= 0 and image.max() <= 1, "the image: expected levels from 0 to 1; bytes are divided by 255.")
    that(image.std() > 0.02, "the image: it has only one colour.")
    tokens, batch = numbers(tokens, shape=(8, 8), what="the tokens"), image[None].astype("float32")
    that((tokens == np.asarray(encode(batch))[0]).all(), "the tokens: the encoder finds others for this image.")
    redrawn = np.asarray(decode(tokens[None].astype("int32")))[0]
    error, mean = (np.square(other - image).sum() for other in (redrawn, np.mean(train, axis=0)))
    return f"The squared error is {error:.0f}; that of the mean training image would be {mean:.0f}."
