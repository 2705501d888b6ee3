"""The measuring of memory, on notebooks of a few cells: what is counted, what is killed, and what is said."""

import sys

import nbformat
import pytest
from nbformat import v4

from tools import memory

# A server and kernels are started: the warnings are theirs.
pytestmark = pytest.mark.filterwarnings("default")
FOUND = {"seconds": 41, "server": 0.1, "kernel": 0.9, "together": 1.0, "cell": "fit()", "errors": []}


@pytest.fixture
def write(tmp_path):
    """A function that writes a notebook of code cells."""

    def write(*sources):
        path = tmp_path / "one.ipynb"
        nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources]), path)
        return path

    return write


@pytest.mark.slow  # a server has to start
def test_a_chapter_is_run_through_a_server_and_measured(write):
    figure = "import ipywidgets; ipywidgets.Image(value=b'sent in binary form')"
    path = write("import time", figure, "kept = bytearray(300 * 2**20); time.sleep(1)", "del kept", "1 / 0")
    found = memory.run(path)
    assert found["errors"] == ["ZeroDivisionError: division by zero   in the cell '1 / 0'"]
    assert found["cell"].startswith("kept = ")
    assert 0.3 < found["kernel"] < 0.6
    assert 0.03 < found["server"] < 0.4
    assert found["together"] >= found["server"] + found["kernel"]


@pytest.mark.slow
def test_what_needs_more_than_the_limit_is_killed(write, monkeypatch):
    monkeypatch.setattr(memory, "limited", lambda limit: [])
    found = memory.run(write("import time", "kept = bytearray(900 * 2**20); time.sleep(60)"), limit=0.6)
    (error,) = found["errors"]
    assert error.startswith("killed at ")
    assert "more than 0.6   in the cell 'kept = " in error
    assert found["seconds"] < 60


def test_a_connection_lasts_as_long_as_a_cell_may_be_silent():
    memory.make_client(v4.new_notebook(), "http://127.0.0.1:1", bar=None, started=None)
    assert memory.GatewayClient.instance().request_timeout >= memory.SECONDS_PER_CELL


def test_a_server_that_ends_at_once_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "limited", lambda limit: [sys.executable, "-c", "pass"])
    with pytest.raises(RuntimeError, match="did not answer"), memory.server(tmp_path):
        pass


def test_words():
    assert memory.in_words("a", FOUND).startswith("a: 41 s; GiB: kernel 0.90, server 0.10, together 1.00; OK;")
    assert "over the bound" in memory.in_words("a", FOUND | {"kernel": 1.4})
    assert memory.in_words("a", FOUND | {"errors": ["E: e"]}).endswith("in the cell 'fit()'\n    E: e")


@pytest.mark.parametrize(("found", "code"), [(FOUND, 0), (FOUND | {"kernel": 1.4}, 1), (FOUND | {"errors": ["E"]}, 1)])
def test_exit_code(found, code, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(memory, "run", lambda file, limit: found)
    (tmp_path / "gans").mkdir()
    (tmp_path / "gans/math.ipynb").touch()
    assert memory.main(["gans/math", "--edition", str(tmp_path)]) == code
    assert "book/gans/math.ipynb: 41 s" in capsys.readouterr().out
