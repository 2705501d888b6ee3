"""How near a step comes to the time that its matrix products alone would take on this machine.

The products are read off the step's jaxpr, the same program that XLA compiles. Their operations, 2·m·k·n each, are held
to XLA's own count. They are timed without anything else, at the step's own shapes, in a loop like the step's and in
turns with it: a machine that slows down slows both.
"""

import collections
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


class Stretch:
    """Measures ``state = call(state)``, `SECONDS` at a time, whenever it is called."""

    def __init__(self, call, state):
        self.call, self.many = call, 1
        self.state = jax.block_until_ready(call(state))  # compiles
        self.many = max(1, round(SECONDS / self()))

    def __call__(self):
        """Return the seconds of one call, of many in a row."""
        start = time.perf_counter()
        for _ in range(self.many):
            self.state = self.call(self.state)
        jax.block_until_ready(self.state)
        return (time.perf_counter() - start) / self.many


def of_step(step, state, data, steps=10):
    """Return a stretch whose calls are some training steps in one compiled loop, and how many steps a call has."""

    def loop(state):
        """Return the state after some steps."""
        return jax.lax.scan(lambda state, _: (step(state, data)[1], None), state, length=steps)[0]

    return Stretch(jax.jit(loop, donate_argnums=0), jax.tree.map(jnp.copy, state)), steps


def of_products(found, steps=10):
    """Do the same for a step's products alone, which wait for those of the step before, but not for one another."""

    def once(_, state):
        """Multiply all pairs, whose left factors the products before have changed."""
        lefts = [left.at[0, 0, 0].set(product[0, 0, 0]) for left, _, product in state]
        return [(left, right, left @ right) for left, (_, right, _) in zip(lefts, state, strict=True)]

    def loop(state):
        """Multiply again and again."""
        return jax.lax.fori_loop(0, steps, once, state)

    shapes = [shape for shape, count in found.items() for _ in range(count)]
    pairs = [(jnp.ones((batch, m, k)) / k, jnp.ones((batch, k, n))) for batch, m, k, n in shapes]
    return Stretch(jax.jit(loop, donate_argnums=0), [(*pair, pair[0] @ pair[1]) for pair in pairs]), steps


def in_turns(pairs):
    """Return for each stretch and its number of repeats the median seconds of one, all measured in turns."""
    rounds = [[stretch() / repeats for stretch, repeats in pairs] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def share(case):
    """Return what a step of a case takes, what its products alone would take, and the share of the two."""
    step, arguments = step_of(case)
    found = products(step, *arguments)
    loop, ceiling = in_turns([of_step(step, *arguments), of_products(found)])
    return {
        "operations": operations(found),
        "operations_xla": counted_by_xla(step, *arguments),
        "seconds": loop,
        "products_seconds": ceiling,
        "gigaflops": operations(found) / ceiling / 1e9,
        "share": ceiling / loop,
    }


def shares():
    """Return the shares of the cases."""
    return {name: share(cases.CASES[name]) for name in CASES}
