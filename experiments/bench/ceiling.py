"""How near a step comes to the time that its matrix products alone would take on this machine.

The products are read off the step's jaxpr, the same program that XLA compiles. Their operations, 2·m·k·n each, are held
to XLA's own count; their times are measured one by one, at the step's own shapes, with nothing else in between.
"""

import collections
import functools
import math
import statistics
import time

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from experiments.bench import book, cases
from helpers.training import Values

CASES = ("autoencoder", "mlp_gan", "conv_gan")  # the last with the book's layers, which multiply matrices too
SECONDS, ROUNDS = 0.3, 5  # of one round of a measurement, and how many
LOOP = 2e8  # operations in one loop of products


def step_of(case):
    """Return the training step of a case in the book's form, and its arguments."""
    model = book.model(case)
    real = jnp.asarray(case.data()[: case.batch])
    data = (real, real) if "autoencoder" in case.networks else (real,)
    return model.train_step, (Values.of(model).state(), data)


def products(function, *arguments):
    """Return the matrix products of a function: (batch, m, k, n) → how many of them; unused ones are left out."""
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    used, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return _count(used)


def _count(jaxpr):
    """Return the products of a jaxpr and of those inside its calls."""
    found = collections.Counter()
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found[_shape(equation)] += 1
        for value in equation.params.values():
            if hasattr(getattr(value, "jaxpr", value), "eqns"):
                found += _count(getattr(value, "jaxpr", value))
    return found


def _shape(equation):
    """Return the batch, m, k and n of a product."""
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left, right = (variable.aval.shape for variable in equation.invars)
    batch, k = (math.prod(left[axis] for axis in axes) for axes in (left_batch, left_sum))
    m = math.prod(left) // (batch * k)
    n = math.prod(right) // (math.prod(right[axis] for axis in (*right_batch, *right_sum)))
    return batch, m, k, n


def operations(found):
    """Return how many additions and multiplications some products are."""
    return sum(2 * math.prod(shape) * count for shape, count in found.items())


def counted_by_xla(function, *arguments):
    """Return how many operations XLA counts in a function, those that are no matrix products included."""
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]


def seconds_of(call, state):
    """Return the median time of ``state = call(state)``, of rounds that each take `SECONDS`."""
    state = jax.block_until_ready(call(state))  # compiles
    many, rounds = 1, []
    while len(rounds) <= ROUNDS:
        start = time.perf_counter()
        for _ in range(many):
            state = call(state)
        jax.block_until_ready(state)
        rounds.append((time.perf_counter() - start) / many)
        many = max(1, round(SECONDS / rounds[0]))
    return statistics.median(rounds[1:])


def seconds_of_step(step, state, data, steps=10):
    """Return the time of a training step, of several in one compiled loop."""

    def loop(state):
        """Return the state after some steps."""
        return jax.lax.scan(lambda state, _: (step(state, data)[1], None), state, length=steps)[0]

    return seconds_of(jax.jit(loop, donate_argnums=0), jax.tree.map(jnp.copy, state)) / steps


@functools.cache
def seconds_of_product(shape):
    """Return the time of one product of a shape: called by itself, or many in a loop, whichever is faster."""
    batch, m, k, n = shape
    left, right = jnp.ones((batch, m, k)) / k, jnp.ones((batch, k, n))
    many = max(1, int(LOOP / (2 * math.prod(shape))))

    def once(_, state):
        """Return the factors, the first changed by the product before, and their product."""
        left, product = state
        left = left.at[0, 0, 0].set(product[0, 0, 0])
        return left, left @ right

    def loop(state):
        """Multiply again and again."""
        return jax.lax.fori_loop(0, many, once, state)

    state = left, left @ right
    alone = jax.jit(lambda state: (state[0], state[0] @ right))
    return min(seconds_of(alone, state), seconds_of(jax.jit(loop), state) / many)


def share(case):
    """Return what a step of a case takes, what its products alone would take, and the share of the two."""
    step, arguments = step_of(case)
    found = products(step, *arguments)
    seconds = seconds_of_step(step, *arguments)
    ceiling = sum(seconds_of_product(one) * found[one] for one in found)
    return {
        "operations": operations(found),
        "operations_xla": counted_by_xla(step, *arguments),
        "seconds": seconds,
        "products_seconds": ceiling,
        "gigaflops": operations(found) / ceiling / 1e9,
        "share": ceiling / seconds,
    }


def shares():
    """Return the shares of the cases."""
    return {name: share(cases.CASES[name]) for name in CASES}
