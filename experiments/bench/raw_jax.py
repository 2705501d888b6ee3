"""The benchmark in JAX and Optax alone: pure functions of lists of arrays, all steps in one `lax.scan`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.bench import cases

ACTIVATIONS = {
    None: lambda x: x,
    "relu": jax.nn.relu,
    "leaky_relu": functools.partial(jax.nn.leaky_relu, negative_slope=cases.SLOPE),
    "sigmoid": jax.nn.sigmoid,
}
LAYOUT = ("NHWC", "HWIO", "NHWC")


def apply(layers, weights, x, logits=False):
    """Return a network's outputs in training mode, without a last sigmoid for `logits`, and the batches' statistics."""
    weights, statistics = iter(weights), []
    for layer in layers:
        x = _linear(layer, weights, x, statistics)
        if not (logits and layer is layers[-1]):
            x = ACTIVATIONS[layer.activation](x)
    return x, statistics


def _linear(layer, weights, x, statistics):
    """Return what a layer computes before its activation; it takes its weights from an iterator."""
    if layer.kind in ("flatten", "reshape"):
        return x.reshape(len(x), *(layer.shape or (-1,)))
    if layer.kind == "normalise":
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
        statistics.append((mean, variance))
        scale = next(weights) * jax.lax.rsqrt(variance + cases.BATCH_NORM["epsilon"])
        return (x - mean) * scale + next(weights)
    kernel = next(weights)
    if layer.kind == "dense":
        x = x @ kernel
    elif layer.kind == "convolution":
        x = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT)
    else:
        x = jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT, transpose_kernel=True)
    return x + next(weights) if layer.bias else x


def adam(case):
    """Return the case's optimiser."""
    rate, first, second = case.adam
    return optax.adam(rate, first, second, eps=cases.EPSILON)


def fresh(case, network, seed):
    """Return a network's first weights and its optimiser's state."""
    weights = [jnp.asarray(array) for array in case.weights(network, seed)]
    return {"weights": weights, "adam": adam(case).init(weights)}


def descend(case, player, loss):
    """Return a player moved one step down ``loss(weights) -> (value, aux)``, and what the loss returned."""
    (value, aux), gradients = jax.value_and_grad(loss, has_aux=True)(player["weights"])
    updates, state = adam(case).update(gradients, player["adam"])
    return {"weights": optax.apply_updates(player["weights"], updates), "adam": state}, value, aux


def autoencoder_step(case, state, real):
    """Return the state after a step, and the loss."""

    def loss(weights):
        """Return the mean cross-entropy."""
        logits, _ = apply(case.networks["autoencoder"], weights, real, logits=True)
        return optax.sigmoid_binary_cross_entropy(logits, real).mean(), None

    state, value, _ = descend(case, state, loss)
    return state, {"loss": value}


def gan_step(case, state, real, latents):
    """Return the state after a step of D and one of G, and both losses."""
    generate = functools.partial(apply, case.networks["generator"])
    judge = lambda weights, x: apply(case.networks["discriminator"], weights, x)[0]  # noqa: E731
    fake, _ = generate(state["generator"]["weights"], latents[0])

    def d_loss(weights):
        """Return D's loss with its penalty, and beside it without."""
        value = jax.nn.softplus(-judge(weights, real)).mean() + jax.nn.softplus(judge(weights, fake)).mean()
        return value + penalty(case, functools.partial(judge, weights), real), value

    discriminator, _, d_value = descend(case, state["discriminator"], d_loss)

    def g_loss(weights):
        """Return G's loss, and what its normalisation saw."""
        fake, statistics = generate(weights, latents[1])
        return jax.nn.softplus(-judge(discriminator["weights"], fake)).mean(), statistics

    generator, g_value, statistics = descend(case, state["generator"], g_loss)
    keep, momentum = cases.KEEP, cases.BATCH_NORM["momentum"]
    average = optax.incremental_update(generator["weights"], state["average"], 1 - keep)
    moving = optax.incremental_update(statistics, state["moving"], 1 - momentum)
    state = dict(generator=generator, discriminator=discriminator, average=average, moving=moving)
    return state, {"d_loss": d_value, "g_loss": g_value}


def penalty(case, score, real):
    """Return (γ/2) E‖∇D‖² on real examples, 0 where the case has none."""
    if not case.r1:
        return 0.0
    gradients = jax.grad(lambda x: score(x).sum())(real)
    return case.r1 / 2 * jnp.square(gradients).reshape(len(real), -1).sum(axis=1).mean()


def start(case, seed=0):
    """Return the state before the first step."""
    if "autoencoder" in case.networks:
        return fresh(case, "autoencoder", seed)
    state = {network: fresh(case, network, seed) for network in ("generator", "discriminator")}
    sizes = [layer.inputs for layer in case.networks["generator"] if layer.kind == "normalise"]
    moving = [(jnp.zeros(size), jnp.ones(size)) for size in sizes]
    return {**state, "average": [jnp.array(one) for one in state["generator"]["weights"]], "moving": moving}


def step(case, data, state, given):
    """Return the state after a step and its losses; given are its rows, and a key or the latents themselves."""
    rows, source = given
    real = data[rows]
    if "autoencoder" in case.networks:
        return autoencoder_step(case, state, real)
    drawn = jnp.issubdtype(source.dtype, jax.dtypes.prng_key)
    latents = jax.random.normal(source, (2, case.batch, case.latent)) if drawn else source
    return gan_step(case, state, real, latents)


def train(case, form, told, latents=None):
    """Train in stretches of `case.steps` steps, and tell their mean losses, until `told` raises `cases.Finished`.

    Parameters
    ----------
    case : cases.Case
        What to train.
    form : {"scan", "step"}
        All steps of a stretch in one compiled loop, or each step compiled by itself.
    told : callable
        ``told(losses)``, called after each stretch.
    latents : ndarray of shape (steps, 2, batch, latent), or (steps, seeds, 2, batch, latent), optional
        For a comparison of losses; otherwise each step draws its own.
    """
    data, rows = jnp.asarray(case.data()), jnp.asarray(case.rows())
    state, one, many = start(case), functools.partial(step, case), jax.lax.scan
    if case.seeds > 1:
        state = jax.tree.map(lambda *each: jnp.stack(each), *[start(case, seed) for seed in range(case.seeds)])
        one = lambda data, state, given: jax.vmap(functools.partial(step, case, data))(state, given)  # noqa: E731
        rows = jnp.broadcast_to(rows[:, None], (case.steps, case.seeds, case.batch))
    loop = jax.jit(lambda data, state, given: many(functools.partial(one, data), state, given), donate_argnums=1)
    single = jax.jit(one, donate_argnums=1)
    for key in jax.random.split(jax.random.key(0), 10_000):
        given = (rows, jax.random.split(key, rows.shape[:-1]) if latents is None else jnp.asarray(latents))
        if form == "scan":
            state, losses = loop(data, state, given)
        else:
            state, losses = _one_by_one(single, data, state, given)
        told({name: float(np.mean(values)) for name, values in jax.block_until_ready(losses).items()})


def _one_by_one(single, data, state, given):
    """Return the state after all steps and their losses, with a call for each step."""
    log = []
    for rows, source in zip(*given, strict=True):
        state, losses = single(data, state, (rows, source))
        log.append(losses)
    return state, jax.tree.map(lambda *values: jnp.stack(values), *log)
