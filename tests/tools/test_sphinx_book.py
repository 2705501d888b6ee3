"""The status page: a small book built with its directive."""

import io
import json
import shutil

import nbformat
import pytest
from docutils import nodes
from nbformat import v4
from sphinx.application import Sphinx

from tools.pages import digest
from tools.sphinx_book import (
    CLAIM,
    CLAIM_COLUMNS,
    KIND_WORDS,
    KINDS,
    RUN,
    RUN_COLUMNS,
    WIDGET_STATE,
    claim_row,
    exercises,
    live_figure,
    promises,
    readable,
    run_row,
    title,
)

EXTENSIONS = ["myst_parser", "sphinxcontrib.bibtex", "tools.sphinx_book"]
TOC = "format: jb-book\nroot: status\nchapters: [{file: one.ipynb}, {file: two.ipynb}]\n"
RECORD = {
    "seconds": 41.6,
    "peak_memory_gib": 1.5,
    "device": "1 cpu device",
    "versions": {"keras": "3.15.1", "python": "3.11.7"},
    "date": "2026-11-22",
}


def claim(name, value, met=True, **rest):
    """Return a claim's record as `helpers.claims.check` displays it."""
    return dict(name=name, value=value, at_most=None, at_least=None, source=None, unit="", met=met) | rest


def chapter(path, *claims):
    """Write a notebook with a heading, these claims and a report, and a page under its name to link to."""
    bundles = [*({CLAIM: record} for record in claims), {RUN: RECORD}]
    cells = [v4.new_code_cell(outputs=[v4.new_output("display_data", data=bundle)]) for bundle in bundles]
    heading = f"# Chapter *{path.stem}*"
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell(f"{heading}\n\ntext"), *cells]), path)
    path.with_suffix(".md").write_text(heading)


@pytest.fixture
def book(tmp_path):
    """A book of two chapters, one of which has a claim that is not met."""
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "status.md").write_text("# Status\n\n```{claims}\n```\n\n```{bibliography}\n```\n")
    (tmp_path / "references.bib").write_text("@book{knuth1968, author = {Donald Knuth}, title = {Art}, year = {1968}}")
    chapter(tmp_path / "one.ipynb", claim("a-speed", 1234.5678, at_most=2000, source="knuth1968", unit="steps"))
    chapter(tmp_path / "two.ipynb", claim("b-gap", 0.25, at_least=0.5, met=False), claim("b-share", 0.1))
    return tmp_path


def read(book, warning=None, builder="dummy"):
    """Read the pages and write none; return the status page's doctree, before its links are resolved."""
    config = {"extensions": EXTENSIONS, "bibtex_bibfiles": ["references.bib"], "root_doc": "status"}
    out = book / "_build"
    app = Sphinx(book, None, out, out / "doctrees", builder, config, status=None, warning=warning)
    app.build()
    return app.env.get_doctree("status")


def build(book):
    """Build the pages; return the status page's doctree and its HTML."""
    return read(book, builder="html"), (book / "_build" / "status.html").read_text(encoding="utf-8")


def tables(doctree):
    """List the tables under each heading, as rows of the cells' texts."""
    found = {}
    for table in doctree.findall(nodes.table):
        rows = [[cell.astext() for cell in row.findall(nodes.entry)] for row in table.findall(nodes.row)]
        found[table.parent.next_node(nodes.title).astext()] = rows
    return found


@pytest.mark.filterwarnings("default")  # Sphinx's own
def test_status_page_shows_every_claim_and_what_is_not_met(book):
    doctree, html = build(book)
    shown = tables(doctree)
    missed = ["b-gap", "NOT\N{NO-BREAK SPACE}MET", "0.25", "at least 0.5"]
    assert "Claims: 3. With a bound: 2. Not met: 1." in doctree.astext()
    assert shown["Not met"] == [CLAIM_COLUMNS[:4], missed]  # nothing has a source
    assert shown["Chapter two"] == [CLAIM_COLUMNS[:4], missed, ["b-share", "reported", "0.1", "none"]]
    assert shown["Chapter one"][1] == ["a-speed", "met", "1234.6 steps", "at most 2,000", "knuth1968"]
    assert [cells[0] for cells in shown["The runs"]] == [RUN_COLUMNS[0], "Chapter one", "Chapter two"]
    assert shown["The runs"][1][1:] == [
        "42",
        "1.50 GiB",
        "2026-11-22".replace("-", "\N{NON-BREAKING HYPHEN}"),
        "1 cpu device",
        "keras\N{NO-BREAK SPACE}3.15.1, python\N{NO-BREAK SPACE}3.11.7",
    ]
    assert '<th class="head"' in html
    assert 'href="two.html"' in html
    assert "Knuth" in html


@pytest.mark.filterwarnings("default")
def test_status_page_says_how_much_of_the_book_ran_on_a_gpu(book):
    assert "On a GPU" not in read(book).astext()
    failed = {"name": "b-gap", "value": 1.0, "at_most": 0.5}
    ran = {
        "one": {"source": digest(book / "one"), "claims": {"a-speed": 3.0}, "failed": [], "errors": []},
        "gone": {"source": "0", "held": 4, "failed": [failed], "errors": [{"error": "E"}]},
    }
    where = {"device": "1 H100 device", "versions": {"jax": "0.11.2"}, "date": "2026-11-27"}
    folder = book / "experiments" / "results"
    folder.mkdir(parents=True)
    (folder / "gpu.json").write_text(json.dumps({"chapters": ran, "conditions": where}))
    shutil.rmtree(book / "_build")
    text = read(book).astext()
    assert "covers 1 of the 2 chapters, 1 of them with the text that they have now" in text
    assert "Claims that held: 5; that failed: 1 (b-gap); other errors: 1. The benchmark is not part of it." in text


@pytest.mark.filterwarnings("default")
def test_status_page_says_what_is_known_of_longer_runs(book):
    seeds = {"seeds": 5, "standard_errors": 9.5, "curve": "variants"}
    known = claim("tied-over-untied-sse", 1.05, at_most=1.2, comparison=seeds)
    chapter(book / "two.ipynb", known, claim("x-over-y", 2.0, at_least=1, comparison=seeds))
    doctree = read(book)
    assert "Comparisons of trained models: 2, each with at least three seeds" in doctree.astext()
    assert "twice the length where there are several, have the same order in 1." in doctree.astext()
    assert "That makes 1; the aim was all. The other 1 hold at one length" in doctree.astext()
    curves = [row[-1] for row in tables(doctree)["Chapter two"][1:]]
    assert curves == ["variants (40 and 80 epochs)", "variants (one length)"]


def test_a_run_without_a_measure_of_memory_says_so():  # Windows has none
    assert run_row("one", "Chapter one", RECORD | {"peak_memory_gib": None})[2] == "not measured"


@pytest.mark.filterwarnings("default")
def test_status_page_follows_a_notebook(book):
    build(book)
    chapter(book / "two.ipynb", claim("b-gap", 0.75, at_least=0.5))
    doctree, html = build(book)
    assert "None." in doctree.astext()
    assert "NOT\N{NO-BREAK SPACE}MET" not in html


EXERCISE = """```{exercise-start} One *title*
:label: ex-one
:class: design five-minutes own-data
```
Text.

```{code-cell} ipython3
exercises.check("ex-one", ...)
```

```{exercise-end}
```

```{exercise-start} Two
:label: ex-two
```
Text.
```{exercise-end}
```
"""


def test_exercises_are_listed_with_their_kinds():
    found = exercises(EXERCISE)
    assert found == [
        ("ex-one", "One *title*", ["five-minutes", "own-data", "design"], True),
        ("ex-two", "Two", [], False),
    ]


def test_each_kind_of_exercise_has_words_for_the_table():
    assert KIND_WORDS.keys() == KINDS.keys()


def test_an_exercise_without_a_label_is_named():
    with pytest.raises(ValueError, match="exercise 'Two': got no :label:"):
        exercises(EXERCISE.replace(":label: ex-two", "Text"))


BOX = "- **You will do**: take *one*\n  step.\n\n**You will learn**: why. It is short.\n- **You need**: time.\n"


def test_promises_are_those_of_a_chapters_box():
    assert promises(BOX) == {"do": "Take *one* step.", "learn": "Why. It is short."}


@pytest.mark.filterwarnings("default")
def test_chapters_are_listed_with_what_they_promise(book):
    toc = "format: jb-book\nroot: status\nparts: [{caption: First, chapters: [{file: one.ipynb}, {file: two.ipynb}]}]\n"
    (book / "_toc.yml").write_text(toc)
    (book / "one.md").write_text(f"# Chapter one\n\n{BOX}")
    (book / "status.md").write_text("# Status\n\n```{chapters} do\n```\n\n## Aims\n\n```{chapters} learn\n```\n")
    shown = tables(read(book))
    time = "42\N{NO-BREAK SPACE}s"
    assert shown["Status"][0] == ["chapter", "you will do", "runs in"]
    assert [row[1:] for row in shown["Status"][1:]] == [["", ""], ["Take one step.", time], ["", time]]
    assert shown["Status"][1][0] == "First"
    assert shown["Aims"][2][1] == "Why. It is short."


@pytest.mark.filterwarnings("default")
def test_a_list_of_chapters_is_of_one_of_two_kinds(book):
    (book / "status.md").write_text("# Status\n\n```{chapters} need\n```\n")
    read(book, said := io.StringIO())
    assert "chapters: got 'need', expected do or learn." in said.getvalue()


def show_figures(path):
    """Give a notebook the saved states of two figures, one of whose scripts holds the end of an element."""
    book = nbformat.read(path, as_version=4)
    names = {"a": "Other", "b": "Explorer"}
    states = {key: {"_anywidget_id": f"module.{name}", "title": name, "alt": "<b>"} for key, name in names.items()}
    states["b"]["_esm"] = "'</script>'"
    book.metadata.widgets = {WIDGET_STATE: {"state": {key: {"state": state} for key, state in states.items()}}}
    nbformat.write(book, path)


@pytest.mark.filterwarnings("default")
def test_figure_of_a_chapter_is_shown_on_a_page_without_code(book):
    show_figures(book / "one.ipynb")
    (book / "status.md").write_text("# Status\n\n```{live-figure} one Explorer\n```\n")
    _, page = build(book)
    assert f"""<script type="{WIDGET_STATE}">{{"state": {{"b": """ in page
    assert "'<\\/script>'" in page
    assert '{"model_id": "b"' in page
    assert "<noscript>Explorer. &lt;b&gt; It needs JavaScript.</noscript>" in page
    assert '<script defer src="_static/anywidget-static.js"></script>' in page


def test_unknown_figure_is_named(book):
    show_figures(book / "one.ipynb")
    with pytest.raises(ValueError, match=r"got 'Explorers', expected an interactive figure that one\.ipynb shows"):
        live_figure(book / "one.ipynb", "Explorers")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (10000, "10,000"),
        (1.0000086, "1"),
        (1.0001429, "1.0001"),
        (-248.34486, "−248.34"),
        (12345.678, "12,346"),
        (3.2117e-5, "3.2\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻⁵"),
        (-2.5e12, "−2.5\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10¹²"),
        (1e-12, "1\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻¹²"),
        (0.0011, "0.0011"),
    ],
)
def test_numbers_are_readable(number, text):
    assert readable(number) == text


def test_both_bounds_are_said():
    record = claim("a", 1.0, at_least=1, at_most=1.5) | {"chapter": "one"}
    assert claim_row(record)[3] == "at least 1 and at most 1.5"


def test_title_is_the_first_heading_or_the_files_name(tmp_path):
    chapter(tmp_path / "one.ipynb")
    nbformat.write(v4.new_notebook(), tmp_path / "bare.ipynb")
    assert [title(tmp_path / name) for name in ("one.ipynb", "bare.ipynb")] == ["Chapter one", "bare"]
