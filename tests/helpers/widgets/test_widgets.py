"""The interactive figures in Python: their files, what a notebook keeps of them, and the packed weights."""

import collections
import json
import re
import subprocess
import sys
import zlib

import jupytext
import keras
import nbformat
import numpy as np
import pytest
import traitlets
from ipywidgets.embed import dependency_state, embed_data
from nbformat import v4

from helpers.widgets import base, packing
from tests.slow import after
from tests.tools.figure_classes import NAMES, figure_class
from tools import figures
from tools.execute import refresh
from tools.pages import ROOT, notebooks

STATE = "application/vnd.jupyter.widget-state+json"
SCRIPTS = sorted(path.name for path in base.FOLDER.glob("*.js"))


def read(name):
    """Return what a file of the figures holds."""
    return (base.FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", after(len(NAMES) - 1, sorted(NAMES, key="latent_explorer".__eq__)))  # it is large
def test_figure_has_a_name_words_and_its_script(name):
    figure = figure_class(name)()
    assert len(figure.title.split()) >= 3
    assert len(figure.alt.split()) >= 15
    own = [token for _, token in tokens(base.IMPORT.sub("", read(f"{name}.js")))]
    assert [token for _, token in tokens(figure._esm)][-len(own) :] == own
    assert not re.search(r"^ *(//|/\*\*)", figure._esm, re.MULTILINE)
    assert figure._esm.count("export default") == 1
    data, _ = figure._repr_mimebundle_()
    assert figure.alt in data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data


@pytest.mark.slow
def test_every_figure_fits_on_a_page():
    figures = {name: [figure_class(name)()] for name in NAMES}
    pages = {name: embed_data(figure, state=dependency_state(figure)) for name, figure in figures.items()}
    sizes = {name: len(json.dumps(page["manager_state"])) for name, page in pages.items()}
    assert {name: size for name, size in sizes.items() if size > 500_000} == {}


def test_bytes_are_deflated_on_the_page_wherever_they_stand():
    class Bytes(base.Figure):
        _esm, _css, title, alt = "", "", "a", "b"
        few = traitlets.Bytes(bytes(500)).tag(sync=True)
        named = traitlets.Dict({"a": {"b": bytes(500)}, "c": [1, 2]}).tag(sync=True)

    figure = Bytes()
    state = figure.get_state()
    assert len(state["few"]) < 50
    assert zlib.decompress(state["few"]) == zlib.decompress(state["named"]["a"]["b"]) == figure.few == bytes(500)
    assert state["named"]["c"] == [1, 2]


def luminance(colour):
    """Return the relative luminance of "#rrggbb", as WCAG 2 defines it."""
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize("theme", [0, 1])
def test_colours_can_be_read_in_light_and_dark(theme):
    block = re.findall(r"\{([^}]*)\}", (base.FOLDER / "shared.css").read_text(encoding="utf-8"))[theme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    light = {name: luminance(colour) + 0.05 for name, colour in colours.items()}
    contrast = {name: max(light["paper"] / one, one / light["paper"]) for name, one in light.items()}
    assert len(contrast) == 12
    assert {name: value for name, value in contrast.items() if value < 4.5} == {
        name: contrast[name] for name in ("paper", "line", "warm", "cold")
    }


# --- Scripts ---

CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|/(?![\s/*])(?:\\.|[^/\\])+/"""  # comments, strings, patterns
    r"""|\s+|=>|\.\.\.|\.?\w+|.""",
    re.DOTALL,
)
TEMPLATE = re.compile(r"\\.|\$\{|`|[^`\\$]+|.", re.DOTALL)  # the text between backquotes, and what ends it


def tokens(text):
    """Yield (line, token) of JavaScript, without spaces, comments, strings, patterns and the text of templates."""
    at, line, inside = 0, 1, []
    while at < len(text):
        code = not inside or inside[-1] != "`"
        token = (CODE if code else TEMPLATE).match(text, at)[0]
        if token == "${" or (code and token in "{`"):
            inside.append(token)
        elif token == "`" or (code and token == "}"):
            inside.pop()
        if token in ("${", "`") or (code and not re.match(r"\s|//|/\*|\"|/.", token)):
            yield line, token
        at += len(token)
        line += token.count("\n")
    assert inside == []


def blocks(text):
    """Yield (first line, lines) of all blocks behind `)` or `=>`: functions, and the loops and conditions in them."""
    opened, before, first = [], "", 0
    for line, token in tokens(text):
        if token == "=>" and before != ")":
            first = line
        if token in ("(", "{", "${"):
            body = token == "{" and before in (")", "=>")
            opened.append((body, first if body else line))
        elif token in (")", "}"):
            body, first = opened.pop()
            if body:
                yield first, line - first + 1
        before = token


def test_lines_of_functions_are_counted():
    text = "class A {\n  b(\n    c,\n  ) {\n    return `{${[c].map((d) => {\n      `}${d}`; // {\n    })}`;\n  }\n}\n"
    assert list(blocks(text)) == [(5, 3), (2, 7)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_functions_are_short(name):
    assert [(line, length) for line, length in blocks(read(name)) if length > 80] == []


def exports(name):
    """Return the names that a file exports."""
    return set(re.findall(r"^export (?:const|class|function\*?) (\w+)", read(name), re.MULTILINE))


def imports(name):
    """Return (file, name) of all that a file imports."""
    return {(other, one.strip()) for names, other in base.IMPORT.findall(read(name)) for one in names.split(",")}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_import_what_they_use_from_each_other_and_ask_nobody(name):
    code = [token for _, token in tokens(base.IMPORT.sub("", read(name)))]
    assert {"import", "fetch", "XMLHttpRequest"}.isdisjoint(code)
    assert re.findall(r"https?:", read(name)) == []
    assert {(other, one) for other, one in imports(name) if one not in exports(other)} == set()
    shared = [other for other in SCRIPTS if other != name and "export default" not in read(other)]
    used = {(other, one) for other in shared for one in exports(other) & set(code)}
    assert used == imports(name)


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_whole_script_are_different(name):
    top = r"^(?:export )?(?:async )?(?:const|let|class|function\*?) (\S+?)\b"
    counts = collections.Counter(re.findall(top, base.script(f"{name}.js"), re.MULTILINE))
    assert [one for one, count in counts.items() if count > 1] == []


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes a script which imports from others, into a folder that stands for the figures'."""
    monkeypatch.setattr(base, "FOLDER", tmp_path)

    def writing(name, *others):
        """Write NAME.js."""
        lines = [f'import {{\n  {other},\n}} from "./{other}.js";\n' for other in others]
        (tmp_path / f"{name}.js").write_text("".join([*lines, f"export const {name} = 1;\n"]), encoding="utf-8")

    return writing


def test_scripts_stand_behind_those_they_import_each_once(write):
    write("a", "b", "c")
    write("b", "d")
    write("c", "d", "b")
    write("d")
    assert base.script("a.js") == "\n".join(f"export const {name} = 1;\n" for name in "dbca")


def test_missing_script_and_circle_are_errors(write):
    write("a", "b")
    with pytest.raises(ValueError, match=r"b\.js is not in .*, but a\.js imports it"):
        base.script("a.js")
    write("b", "a")
    with pytest.raises(ValueError, match=r"a\.js imports itself: a\.js → b\.js → a\.js"):
        base.script("a.js")


# --- Packed weights ---


def network(*layers):
    """Return a chain with random weights, on 6 inputs."""
    chain = keras.Sequential([keras.Input((6,)), *layers])
    rng = np.random.default_rng(0)
    chain.set_weights([rng.normal(size=weight.shape).astype("float32") for weight in chain.get_weights()])
    return chain


def test_packed_floats_are_the_weights():
    chain = network(keras.layers.Dense(4, activation="relu"), keras.layers.Reshape((2, 2)))
    layers, numbers = packing.pack(chain, "float32")
    assert layers == [dict(kind="dense", inputs=6, outputs=4, activation="relu", stored_as="float32")]
    kernel, bias = chain.get_weights()
    np.testing.assert_array_equal(np.frombuffer(numbers, "float32"), [*bias, *kernel.ravel()])


def test_packed_bytes_are_near_the_weights():
    chain = network(keras.layers.Dense(50))
    _, numbers = packing.pack(chain)
    kernel, bias = chain.get_weights()
    scale = np.frombuffer(numbers, "float32", count=50, offset=200)
    integers = np.frombuffer(numbers, "int8", offset=400).reshape(6, 50)
    np.testing.assert_array_equal(np.frombuffer(numbers, "float32", count=50), bias)
    assert np.abs(integers * scale - kernel).max() <= np.abs(kernel).max() / 254 * 1.001


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.Dense(3, activation="gelu"), "got the activation 'gelu'"),
        (keras.layers.BatchNormalization(), "got a layer BatchNormalization"),
    ],
)
def test_what_the_browser_lacks_is_an_error(layer, message):
    with pytest.raises(ValueError, match=message):
        packing.pack(network(layer))


def test_unknown_format_is_an_error():
    with pytest.raises(ValueError, match="stored_as: got 'int4'"):
        packing.pack(network(), "int4")


# --- In a notebook and on a page ---

CELLS = """import anywidget, traitlets
class Two(anywidget.AnyWidget):
    _esm = "export default { render() {} }"
    title = traitlets.Unicode("A title").tag(sync=True)
    alt = traitlets.Unicode("Words & signs.").tag(sync=True)
    weights = traitlets.Bytes(bytes(range(9))).tag(sync=True)
Two()
Two()"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """An executed notebook with two figures."""
    path = tmp_path_factory.mktemp("book") / "figures.ipynb"
    start, *calls = CELLS.rsplit("\n", 2)
    cells = [v4.new_code_cell(source) for source in (start, *calls)]
    source = v4.new_notebook(cells=[v4.new_markdown_cell("# Figures"), *cells])
    source.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    jupytext.write(source, path.with_suffix(".md"), fmt="md:myst")
    assert refresh(path) is None
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # jupyter_client's own
def test_executing_twice_gives_the_same_state(notebook):
    first = notebook.read_bytes(), notebook.with_suffix(".md").read_bytes()
    assert refresh(notebook) is None
    assert (notebook.read_bytes(), notebook.with_suffix(".md").read_bytes()) == first


@pytest.mark.filterwarnings("default")
def test_notebook_keeps_state_and_weights_and_the_md_does_not(notebook):
    states = nbformat.read(notebook, as_version=4).metadata.widgets[STATE]["state"].values()
    ours = [state for state in states if state["model_module"] == "anywidget"]
    assert [state["buffers"][0]["path"] for state in ours] == [["weights"], ["weights"]]
    assert "widgets" not in notebook.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_nbval_passes_on_figures(notebook):
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--nbval-lax", "--nbval-current-env", notebook]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=notebook.parent, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_page_holds_state_loader_and_words(notebook):
    from sphinx.application import Sphinx  # takes a while, for this test alone

    folder = notebook.parent
    (folder / "plain.md").write_text("# Without\n\n```{toctree}\nfigures\n```\n", encoding="utf-8")
    config = {
        "extensions": ["myst_nb", "tools.sphinx_book"],
        "root_doc": "plain",
        "source_suffix": {".md": "myst-nb", ".ipynb": "myst-nb"},  # Sphinx would put them into a default it shares
        "nb_execution_mode": "off",
        "nb_ipywidgets_js": {"anywidget-static.js": {"defer": "defer"}},
        "html_static_path": [str(ROOT / "book/assets")],
        "exclude_patterns": ["figures.md", "_build"],
    }
    (folder / "_toc.yml").write_text("format: jb-book\nroot: plain\n", encoding="utf-8")
    app = Sphinx(folder, None, folder / "_build", folder / "_build/doctrees", "html", config, status=None, warning=None)
    app.build()
    page, without = ((folder / "_build" / f"{name}.html").read_text("utf-8") for name in ("figures", "plain"))
    assert page.count("<noscript>A title. Words &amp; signs. It needs JavaScript.</noscript>") == 2
    assert page.count(STATE) == 1
    assert page.count("anywidget-static.js") == 1
    assert STATE not in without
    assert "anywidget-static.js" not in without


def test_notebook_with_an_old_script_is_found(tmp_path):
    figure = figure_class(NAMES[0])
    saved = {"_anywidget_id": f"{figure.__module__}.{figure.__name__}", "_esm": "old", "_css": base.style()}
    states = {"a": {"state": saved}, "b": {"state": {"width": None}}}
    notebook = v4.new_notebook(metadata={"widgets": {STATE: {"state": states}}})
    ((state, new),) = figures.outdated(notebook)
    assert state["_esm"] == "old"
    state.update(new)
    assert state["_esm"] == figure()._esm
    assert figures.outdated(notebook) == []


@pytest.mark.parametrize("path", notebooks(), ids=str)
def test_notebook_holds_the_current_scripts(path):
    assert figures.outdated(nbformat.read(ROOT / path, as_version=4)) == []
