"""The rooms of `helpers` and the one way down between them."""

import ast

import pytest

from tools.pages import ROOT

# From the ground up: a module imports from lower floors alone, or from its own package.
FLOORS = (
    {"checks", "memory"},
    {"emoji"},
    {"augment", "storage", "likelihoods", "ranges", "claims", "datasets", "folders", "formats", "layers"},
    {"results", "training", "plots"},
    {"guards"},
    {"autoencoders", "diffusion", "gans"},
    {"convolutional", "metrics"},
    {"widgets"},
    {"exercises"},
)
ALL = {path.relative_to(ROOT / "helpers") for path in (ROOT / "helpers").rglob("*.py")}


def room(path):
    """Return the module or package below `helpers` that a file belongs to."""
    return path.parts[0].removesuffix(".py")


def imported(path):
    """Return what a file imports from this repository: 'helpers.checks', 'experiments' ..."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / "helpers" / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "helpers" else [node.module]
            )
            found |= set(names)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("helpers", "experiments", "tools", "tests")}


@pytest.mark.parametrize("path", sorted(path for path in ALL if path.name != "__init__.py"), ids=str)
def test_imports_go_one_way_down(path):
    floor = next(number for number, rooms in enumerate(FLOORS) if room(path) in rooms)
    for name in imported(path):
        package, _, rest = name.partition(".")
        assert package == "helpers", f"{path} reaches up to {name}"
        other = rest.split(".")[0]
        below = next(number for number, rooms in enumerate(FLOORS) if other in rooms)
        assert below < floor or other == room(path), f"{path}, on floor {floor}, imports {other}, on floor {below}"
