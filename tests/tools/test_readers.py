"""The readers' edition of a small book: what becomes of each construct, with an address of the site and without one."""

import nbformat
import pytest
from docutils import nodes
from nbformat import v4
from sphinx.application import Sphinx

from tools.bootstrap import SETTING
from tools.markdown import Markdown
from tools.readers import PICTURES, WIDEST, WIDGET_STATE, WIDGET_VIEW, fitted

EXTENSIONS = ["myst_nb", "sphinx_exercise", "sphinxcontrib.bibtex", "tools.sphinx_appendix", "tools.sphinx_site"]
ADDRESS = "https://github.com/someone/a-book"
SITE = "https://someone.github.io/a-book/"
METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "jupytext": {"formats": "ipynb,md:myst"}}
TOC = "format: jb-book\nroot: index\nchapters: [{file: part/one.ipynb}]\n"
INDEX = "# The book\n\nAll about *A & B*.\n\n```{toctree}\n:caption: A part\npart/one.ipynb\nwords\n```\n"
WORDS = """# Words

```{glossary}
code
Chiffre
  What an encoder writes: `` {a}`b` ``.
```

(far)=
## Far away

See <a href="claims.json">claims</a>.

```{bibliography}
```
"""
BIB = "@article{kim2014, author={Kim, A and Lee, B and Wu, C}, title={On}, journal={J}, year={2014}}\n"
FIRST = r"""# One *title*

```{admonition} Before you start
- **You need**: a {term}`code`, and {doc}`../words`.
- Two $x$:

  $$
  a &= b \\
    &= c
  $$
```

The loss was {glue:text}`loss` {cite}`kim2014`, as {cite:t}`kim2014` and {ref}`far <far>` say. A * b_c_d < e, `h|i`.

1\. is no list, and $p<q$ is no tag.

| $a$ | $b$ |
| ---: | --- |
| `c\|d` | $p(x\|y)$ |

$$
e = mc^2
$$ (energy)

By {eq}`energy`.
"""
EXERCISE = """## Exercises

```{exercise-start} How *far*?
:label: how-far
```
Say.
"""
TO_SOLUTION = """Or not.

```{exercise-end}
```

```{solution-start} how-far
:class: dropdown
```
First.
"""
LAST = "Then.\n\n```{solution-end}\n```\n\n% a comment\n\nAfter {ref}`how-far`.\n"

pytestmark = pytest.mark.filterwarnings("default")  # Sphinx's own


def glued(name, text):
    """Return an output as `claims.glue` writes it."""
    kind = "application/papermill.record/"
    record = {"scrapbook": {"name": name, "mime_prefix": kind}}
    return v4.new_output("display_data", {f"{kind}text/plain": text}, metadata=record)


def code(identifier, *outputs, **metadata):
    """Return a code cell whose source is its identifier."""
    return v4.new_code_cell(identifier, id=identifier, metadata=metadata, outputs=list(outputs))


def chapter():
    """Return the notebook of the chapter."""
    drawing = v4.new_output("display_data", {"image/png": "YWEh", "text/plain": "a figure"})
    view = {"model_id": "1", "version_major": 2, "version_minor": 0}
    moving = v4.new_output("execute_result", {WIDGET_VIEW: view, "text/plain": "a figure"})
    said = {"figure": {"caption": "What $x$ is."}, "image": {"alt": "A line."}}
    cells = [
        v4.new_markdown_cell(FIRST, id="first"),
        code("loss", glued("loss", "-1.5e-08"), tags=["claim"]),
        code("drawing", drawing, mystnb=said, tags=["hide-input"]),
        code("moving", moving, mystnb={"figure": {"caption": "Drag it."}}),
        v4.new_markdown_cell(EXERCISE, id="exercise"),
        code("answer", tags=["exercise"]),
        v4.new_markdown_cell(TO_SOLUTION, id="to-solution"),
        code("solution", drawing, mystnb={"figure": {"caption": "Seen."}}),
        code("more", drawing, mystnb={"figure": {"caption": "Seen again."}}),
        v4.new_markdown_cell(LAST, id="last"),
    ]
    model = {"model_name": "AnyModel", "state": {"_anywidget_id": "a.Moving", "title": "T", "alt": "A"}}
    widgets = {WIDGET_STATE: {"state": {"1": model}, "version_major": 2, "version_minor": 0}}
    return v4.new_notebook(cells=cells, metadata={**METADATA, "widgets": widgets})


def build(book, address, builder="notebooks"):
    """Write the small book, build it and return the folder of what was made."""
    for name in ("part", PICTURES):
        (book / name).mkdir(parents=True)
    (book / PICTURES / "Moving.png").write_bytes(b"a picture")
    files = {"_toc.yml": TOC, "index.md": INDEX, "words.md": WORDS, "works.bib": BIB, "constraints.txt": "jax==1\n"}
    files["environment.yml"] = "dependencies: [pip: [-e .[book]]]\n"
    for name, text in files.items():
        (book / name).write_text(text)
    (book / "part/one.md").touch()  # the source, which a page offers, too
    nbformat.write(chapter(), book / "part/one.ipynb")
    config = {"extensions": EXTENSIONS, "html_title": "The book", "nb_execution_mode": "off", "numfig": True}
    config |= {"bibtex_bibfiles": ["works.bib"], "bibtex_reference_style": "author_year", "bibtex_cite_id": "{key}"}
    config |= {"myst_enable_extensions": ["dollarmath"], "source_suffix": {".md": "myst-nb", ".ipynb": "myst-nb"}}
    config |= {"html_theme": "sphinx_book_theme", "exclude_patterns": ["out", "part/*.md"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, address)
        Sphinx(book, None, book / "out", book / "trees", builder, config, status=None, warning=None).build()
    return book / "out"


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """A function that returns the edition with an address or none, each made once."""
    made = {}

    def making(address=""):
        """Return the folder."""
        if address not in made:
            made[address] = build(tmp_path_factory.mktemp("book"), address)
        return made[address]

    return making


@pytest.fixture
def cells(edition):
    """The cells of the readers' notebook, without an address, by their identifiers."""
    return {cell.id: cell for cell in nbformat.read(edition() / "part/one.ipynb", as_version=4).cells}


def test_files_of_the_edition(edition):
    names = {path.relative_to(edition()).as_posix() for path in edition().rglob("*") if path.is_file()}
    assert names == {"README.md", "part/one.ipynb", "words.md"}


def test_text_is_the_pages_in_plain_markdown(cells):
    assert cells["first"].source.split("\n\n") == [
        "# One *title*",
        "> **Before you start**\n>\n> - **You need**: a [code](../words.md#term-code), and [Words](../words.md).\n>\n"
        "> - Two $x$:\n>\n>   $$ \\begin{split} a &= b \\\\ &= c \\end{split} $$",
        "The loss was −1.5 × 10<sup>−8</sup> ([Kim *et al.*, 2014](../words.md#kim2014)), as Kim *et al.* "
        "([2014](../words.md#kim2014)) and [far](../words.md#far) say. A \\* b\\_c\\_d \\< e, `h|i`.",
        "1\\. is no list, and $p\\lt q$ is no tag.",
        "| $a$ | $b$ |\n| ---: | --- |\n| `c\\|d` | $p(x\\vert y)$ |",
        "$$\ne = mc^2 \\tag{1}\n$$",
        "By [(1)](#equation-energy).",
    ]


def test_code_cells_are_the_chapters(cells):
    found = [cell for cell in cells.values() if cell.cell_type == "code"]
    expected = [cell for cell in chapter().cells if cell.cell_type == "code"]
    assert [(cell.id, cell.source) for cell in found] == [(cell.id, cell.source) for cell in expected]
    assert cells["loss"] == expected[0]
    assert cells["drawing"].metadata.tags == ["hide-input"]


def test_what_only_draws_is_folded_and_described(cells):
    assert cells["drawing"].metadata.jupyter == {"source_hidden": True}
    assert cells["drawing"].metadata.cellView == "form"
    assert cells["drawing"].outputs[0].metadata["image/png"] == {"alt": "A line."}
    assert cells["drawing-caption"].source == "**Fig. 1** What $x$ is."


def test_wide_drawing_fits_into_an_output_of_jupyterlab():
    drawing = "<svg xmlns='a' width='{}pt' height='{}pt' viewBox='0 0 9 3'><path stroke-width='2pt'/></svg>"
    assert fitted(drawing.format("900.00", "300.00")) == drawing.format(f"{WIDEST * 0.75:.2f}", "175.00")
    assert fitted(drawing.format("300.00", "100.00")) == drawing.format("300.00", "100.00")
    assert fitted("<svg viewBox='0 0 9 3'/>") == "<svg viewBox='0 0 9 3'/>"


def test_interactive_figure_has_a_picture_and_a_link_to_its_page(cells, edition):
    data = cells["moving"].outputs[0].data
    assert data[WIDGET_VIEW]["model_id"] == "1"
    assert data["image/png"] == "YSBwaWN0dXJl"
    assert cells["moving-caption"].source == "**Fig. 2** Drag it."
    published = nbformat.read(edition(ADDRESS) / "part/one.ipynb", as_version=4).cells
    [caption] = [cell.source for cell in published if cell.id == "moving-caption"]
    assert caption.startswith(f"**Fig. 2** Drag it. [Use it on the page.]({SITE}part/one.html#")


def test_exercise_is_asked_around_its_code(cells):
    assert cells["exercise"].source == '## Exercises\n\n> <a id="how-far"></a>**Exercise 1 (How *far*?)**\n>\n> Say.'
    assert "jupyter" not in cells["answer"].metadata
    assert cells["to-solution"].source.startswith("> Or not.\n\n<details>")


def test_solution_is_folded(cells):
    title = "Solution to Exercise 1 (How far?)"
    details = "<details>\n<summary>{}</summary>\n\n{}\n\n</details>"
    assert cells["to-solution"].source.endswith(details.format(title, "First."))
    assert cells["solution"].metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert (cells["solution"].metadata.cellView, cells["solution"].metadata.collapsed) == ("form", True)
    after = "After [Exercise 1](#how-far)."
    then = "**Fig. 4** Seen again.\n\nThen."
    assert cells["last"].source == f"{details.format(f'{title}, continued', then)}\n\n{after}"
    assert cells["solution-caption"].source == details.format(f"{title}, continued", "**Fig. 3** Seen.")


def test_metadata_makes_no_second_file(edition):
    notebook = nbformat.read(edition() / "part/one.ipynb", as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "widgets"}
    nbformat.validate(notebook)


def test_pages_without_code_are_markdown(edition):
    text = (edition() / "words.md").read_text(encoding="utf-8")
    assert '- <a id="term-code"></a>**code** · <a id="term-Chiffre"></a>**Chiffre**\n\n  What an encoder' in text
    assert "writes: `` {a}`b` ``" in text
    assert '<a id="far"></a>\n\n## Far away\n\nSee <a>claims</a>.' in text
    assert '<a href="https://someone.github.io/a-book/claims.json">' in (edition(ADDRESS) / "words.md").read_text()


def test_first_page_lists_the_parts(edition):
    text = (edition() / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# The book\n\nAll about *A & B*.\n\n")
    assert text.endswith("## A part\n\n- [One title](part/one.ipynb)\n- [Words](words.md)\n")


def test_published_edition_leads_to_the_site_and_opens_elsewhere(edition):
    cells = nbformat.read(edition(ADDRESS) / "part/one.ipynb", as_version=4).cells
    assert f"[code]({SITE}words.html#term-code)" in cells[0].source
    assert ADDRESS in cells[1].source
    text = (edition(ADDRESS) / "README.md").read_text(encoding="utf-8")
    assert "(https://colab.research.google.com/github/someone/a-book/blob/colab/part/one.ipynb)" in text
    assert "(https://mybinder.org/v2/gh/someone/a-book/colab?urlpath=lab/tree/part/one.ipynb)" in text
    assert f"git+{ADDRESS}" in (edition(ADDRESS) / "environment.yml").read_text()


def test_page_offers_the_same_notebook(edition, tmp_path):
    page = build(tmp_path, "", "html") / "_sources/part/one.ipynb"
    assert nbformat.read(page, as_version=4) == nbformat.read(edition() / "part/one.ipynb", as_version=4)


@pytest.fixture
def markdown():
    """What writes the nodes of a page."""
    return Markdown("part/one", link=lambda address: address, number=lambda node: "Fig. 1")


@pytest.mark.parametrize("node", [nodes.sidebar("", nodes.Text("lost")), nodes.raw("", "<script>", format="html")])
def test_unknown_node_is_an_error(markdown, node):
    with pytest.raises(ValueError, match=f"part/one: no Markdown is known for '{type(node).__name__}.*in '"):
        markdown.write(nodes.paragraph("", "", node))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("- a", r"\- a"),
        ("12) a", r"12\) a"),
        ("+ a", r"\+ a"),
        ("# a", r"\# a"),
        ("5 $ and ~ or &amp;", r"5 \$ and \~ or \&amp;"),
        ("a [0] (b) [c](d)", r"a [0] (b) [c]\(d)"),
        ("x\ny", "x y"),
    ],
)
def test_text_means_nothing_else(markdown, text, written):
    assert markdown.write(nodes.paragraph("", "", nodes.Text(text))) == written


def test_lost_code_cell_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.readers.Edition.code", lambda self, node: None)
    with pytest.raises(Exception, match=r"part/one: got the code cells \[\], expected \['loss'"):
        build(tmp_path, "")
