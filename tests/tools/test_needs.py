"""What a run of the chapters needs: nothing that they import is left out, and an old version does not do."""

import ast
import sys

from tools import needs
from tools.execute import read_source
from tools.pages import ROOT, notebooks

# The name of a package where it is not that of its module; Keras brings h5py.
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "h5py": "keras"}


def imported(source):
    """Return the top-level modules that a cell imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_all_that_the_chapters_import_is_asked_for():
    cells = [cell for path in notebooks() for cell in read_source((ROOT / path).with_suffix(".md")).cells]
    found = {name for cell in cells if cell.cell_type == "code" for name in imported(cell.source)}
    names = {needs.NAME.match(each)[0] for each in needs.requirements()}
    assert found - sys.stdlib_module_names - {"helpers"} - names - set(PACKAGES) == set()
    assert set(PACKAGES.values()) <= names


def test_what_lacks_is_printed(monkeypatch, capsys):
    wanted = ["numpy>=1.2", "numpy>=999.1", "no-such-package", "tqdm"]
    monkeypatch.setattr(needs, "requirements", lambda: wanted)
    assert needs.main() == 1
    assert capsys.readouterr().out.split() == ["numpy>=999.1", "no-such-package"]
    assert needs.lacking(wanted[:1]) == []
    assert needs.numbers("0.10.2rc1") > needs.numbers("0.9.2")
