"""The range of a network's outputs, read off its program by interval arithmetic, or found by trying large weights."""

import jax
import keras
import numpy as np

from helpers.checks import check_kind

_UNBOUNDED = (-np.inf, np.inf)
FAR = 1e4  # a large weight; its square is one at which whatever saturates has done so
_PRODUCTS = ("dot_general", "conv_general_dilated")
_TRIES, FEW = 8, 16
_NAN = "NaN"  # what a variable says of another one: whether it is no number
BATCH = 40_320  # rows that a network is thought to get, most often uncomputed: whole groups of sizes to ten, 64 and 128
# Primitives that hand numbers on as they are, or leave some of them out.
KEEP = {
    *(
        "broadcast_in_dim",
        "convert_element_type",
        "copy",
        "dynamic_slice",
        "expand_dims",
        "gather",
        "optimization_barrier",
    ),
    *(
        "reduce_precision",
        "reduce_max",
        "reduce_min",
        "reshape",
        "rev",
        "slice",
        "squeeze",
        "stop_gradient",
        "transpose",
    ),
}


def output_range(network):
    """Return between which numbers all outputs of a network lie, whatever its inputs and weights are.

    Parameters
    ----------
    network : keras.Model
        Built, with one input and one output.

    Returns
    -------
    low, high : float
        ±infinity where there is no bound, as after a dense layer. A sigmoid gives 0 and 1 wherever it hides: in a
        layer, in a model inside the model, in an operation, or before a layer that only reshapes, rescales or casts.
    """
    program = _program(check_kind("network", network, keras.Model, "a keras.Model"))
    return _run(program, [_UNBOUNDED] * len(program.invars))[0]


def _program(network):
    """Return the program of a network, as JAX writes it down."""
    inputs = jax.ShapeDtypeStruct([size or BATCH for size in network.input_shape], "float32")
    weights = (
        [variable.value for variable in group]
        for group in (network.trainable_variables, network.non_trainable_variables)
    )
    return jax.make_jaxpr(lambda *state: network.stateless_call(*state, training=False)[0])(*weights, inputs).jaxpr


def saturates(network):
    """Return whether many of a network's outputs stop growing while its last weights grow further.

    It tells of what `output_range` cannot read off a program, such as a softsign or an ELU at the end. Of outputs that
    nothing bounds hardly any stop; of those with a bound on one side half do, with bounds on both sides all.

    Parameters
    ----------
    network : keras.Model
        Built, with one input and one output.

    Returns
    -------
    bool
        False where there are no weights to train.
    """
    program = _program(check_kind("network", network, keras.Model, "a keras.Model"))
    makers = {variable: equation for equation in program.eqns for variable in equation.outvars}
    if _is_linear(program.outvars[0], makers):  # what most networks end in, and no need to try
        return False
    layers = [variable.path.rpartition("/")[0] for variable in network.trainable_variables]
    names = list(dict.fromkeys(reversed(layers)))
    # The last layer with weights may be one of slopes, as PReLU, through which only some numbers pass: so the last two.
    groups = [[place for place, layer in enumerate(layers) if layer in names[:count]] for count in (1, 2)]
    return bool(layers) and all(_stopped(network, group) > 1 / 10 for group in groups)


def _is_linear(variable, makers):
    """Return whether a variable is a matrix product or a convolution, to which at most something was added."""
    maker = None if hasattr(variable, "val") else makers.get(variable)
    if maker is None:
        return False
    name = maker.primitive.name
    if name in ("add", "sub"):
        return any(_is_linear(operand, makers) for operand in maker.invars)
    return name in _PRODUCTS or (name in KEEP and _is_linear(maker.invars[0], makers))


def _stopped(network, places):
    """Return which share of the outputs stops growing with these weights."""
    rng = np.random.default_rng(0)
    weights = [variable.value for variable in network.trainable_variables]
    others = [variable.value for variable in network.non_trainable_variables]
    inputs = rng.normal(size=(_rows(network, weights, others), *network.input_shape[1:])).astype("float32")

    def outputs(directions, scale):
        """Return the outputs for weights of this size."""
        for place, direction in zip(places, directions, strict=True):
            weights[place] = (scale * direction).astype(weights[place].dtype)
        return np.asarray(network.stateless_call(weights, others, inputs, training=False)[0])

    stopped = []
    for _ in range(_TRIES):
        directions = [rng.normal(size=weights[place].shape) for place in places]
        with np.errstate(all="ignore"):
            stopped.append(np.abs(outputs(directions, FAR) - outputs(directions, FAR**2)) < 1)
    return np.mean(stopped)


def _rows(network, *state):
    """Return how many rows to try: few, unless the network packs its rows in another way."""
    few = jax.ShapeDtypeStruct((FEW, *network.input_shape[1:]), "float32")
    try:
        jax.eval_shape(lambda inputs: network.stateless_call(*state, inputs, training=False)[0], few)
    except (TypeError, ValueError):
        return BATCH
    return FEW


def _run(program, ranges):
    """Return the ranges of a program's outputs for those of its inputs."""
    known, totals = dict(zip(program.invars, ranges, strict=True)), {}
    for equation in program.eqns:
        operands = [_look(known, operand) for operand in equation.invars]
        known.update(zip(equation.outvars, _apply(equation, operands, totals), strict=True))
    return [_look(known, operand) for operand in program.outvars]


def _look(known, operand):
    """Return the range of a variable, or of a constant of the program."""
    if hasattr(operand, "val"):
        return float(np.min(operand.val)), float(np.max(operand.val))
    return known.get(operand, _UNBOUNDED)


def _apply(equation, operands, totals):
    """Return the ranges of what one equation gives; `totals` notes of which numbers a variable is the sum."""
    inner = next((equation.params[name] for name in ("jaxpr", "call_jaxpr") if name in equation.params), None)
    inner = getattr(inner, "jaxpr", inner)
    if inner is not None and len(inner.invars) == len(operands):
        return _run(inner, operands)
    if not equation.invars:  # such as a count from 0
        return [_UNBOUNDED] * len(equation.outvars)
    name, first, last = equation.primitive.name, equation.invars[0], equation.invars[-1]
    if name == "reduce_sum":
        totals[equation.outvars[0]] = first
        return [(0.0, np.inf) if operands[0][0] >= 0 else _UNBOUNDED]
    if name in KEEP and not hasattr(first, "val") and first in totals:
        totals[equation.outvars[0]] = totals[first]
    if name == "ne" and first is last:
        totals[equation.outvars[0]] = _NAN  # a number differs from itself where it is none
    if name == "select_n" and not hasattr(first, "val") and totals.get(first) == _NAN:
        return [operands[1]]
    if name == "reduce_window_sum":
        low, high = operands[0]
        count = float(np.prod(equation.params["window_dimensions"]))
        return [(min(0.0, low * count) if low < 0 else 0.0, max(0.0, high * count))]  # at a border there are fewer
    if name == "integer_pow":
        return [_power(operands[0], equation.params["y"])]
    if name == "div" and operands[0][0] >= 0 and not hasattr(last, "val") and totals.get(last) is first:
        return [(0.0, 1.0)]  # shares of a whole: a softmax
    rule = RULES.get(name)
    return [rule(*operands) if rule else _UNBOUNDED] * len(equation.outvars)


def _corners(operation):
    """Return the rule of an operation of two numbers that is largest and smallest at corners of their ranges."""

    def rule(a, b):
        """Return the range."""
        with np.errstate(all="ignore"):
            ends = np.array([operation(x, y) for x in a for y in b])
        return _UNBOUNDED if np.isnan(ends).any() else (float(ends.min()), float(ends.max()))

    return rule


def _divide(a, b):
    """Return the range of a / b; there is none where b may be 0."""
    return _UNBOUNDED if b[0] <= 0 <= b[1] else _corners(np.divide)(a, b)


def _bounded(function):
    """Return the rule of a rising function of one number."""

    def rule(a):
        """Return the range."""
        with np.errstate(all="ignore"):
            ends = [float(function(end)) for end in np.float64(a)]
        return _UNBOUNDED if np.isnan(ends).any() else tuple(ends)

    return rule


def _power(a, exponent):
    """Return the range of a power with a whole exponent."""
    if exponent < 0:
        return _divide((1.0, 1.0), _power(a, -exponent))
    ends = [float(np.float64(end) ** exponent) for end in a]
    return (0.0 if a[0] <= 0 <= a[1] else min(ends), max(ends)) if exponent % 2 == 0 else tuple(ends)


def _union(*ranges):
    """Return the range that holds all of these."""
    return min(low for low, _ in ranges), max(high for _, high in ranges)


RULES = {
    **dict.fromkeys(KEEP, lambda a, *rest: a),
    "logistic": _bounded(jax.nn.sigmoid),
    "tanh": _bounded(np.tanh),
    "erf": lambda a: (-1.0, 1.0),
    "sin": lambda a: (-1.0, 1.0),
    "cos": lambda a: (-1.0, 1.0),
    "exp": _bounded(np.exp),
    "expm1": _bounded(np.expm1),
    "log": _bounded(np.log),
    "log1p": _bounded(np.log1p),
    "sqrt": _bounded(np.sqrt),
    "reduce_window_max": lambda a, *rest: a,
    "abs": lambda a: (0.0, max(map(abs, a))),
    "square": lambda a: (0.0, max(end * end for end in a)),
    "neg": lambda a: (-a[1], -a[0]),
    "add": _corners(np.add),
    "sub": _corners(np.subtract),
    "mul": _corners(np.multiply),
    "div": _divide,
    "max": _corners(np.maximum),
    "min": _corners(np.minimum),
    "clamp": lambda low, a, high: (max(low[0], min(a[0], high[1])), min(high[1], max(a[1], low[0]))),
    "select_n": lambda which, *cases: _union(*cases),
    "concatenate": _union,
    "pad": _union,
}
