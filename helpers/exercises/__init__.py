"""Checks of a reader's answers: each says right, or what it got and what is wrong, and never shows the solution."""

import difflib
import importlib
import reprlib

from helpers.exercises.comparing import CHECKS, Unanswered, Wrong, is_open

__all__ = ["CHECKS", "Wrong", "check"]

for _part in (
    "background",
    "choosing_size",
    "autoencoders",
    "autoencoder_kinds",
    "colour_convolutional",
    "colour_few_pictures",
    "colour_translation",
    "gan_programs",
    "gan_styles",
    "gan_theory",
    "discrete_codes",
    "practice",
    "trust",
    "speed",
    "privacy",
):
    importlib.import_module(f"helpers.exercises.{_part}")  # fills CHECKS


def check(name, answer, **given):
    """Say that an answer to an exercise is right, or raise an error that says what is off.

    Parameters
    ----------
    name : str
        The exercise, as in its cell.
    answer : object
        What the exercise asks for: a number, an array, several of them, or a function. Dots, ``...``, stand for an
        answer that is still to be written; the check then says so and raises nothing, so that a page runs to its end.
    **given
        What the check needs of the chapter, as in the exercise's cell.

    Raises
    ------
    Wrong
        If the answer is not right: one line with what came and what is off, such as a shape, a sign or a factor.
    ValueError
        If no exercise with a check has this name.
    """
    if not isinstance(name, str) or name not in CHECKS:
        raise _unknown(name)
    try:
        if is_open(answer):
            raise Unanswered
        remark = CHECKS[name](answer, **given)
    except Unanswered:
        print(f"{name}: no answer yet. Write yours in the place of the dots.")
    except Wrong as wrong:
        raise Wrong(f"{name}: {wrong}") from None
    else:
        print(f"{name}: right. {remark or ''}".rstrip())


def _unknown(name):
    """Return the error for a name that no check has, with the names that are most like it."""
    like = difflib.get_close_matches(str(name), CHECKS)
    hint = f" Did you mean {' or '.join(like)}?" if like else ""
    shown = reprlib.repr(name)
    return ValueError(f"name: got {shown}, expected one of the {len(CHECKS)} exercises that have a check.{hint}")
