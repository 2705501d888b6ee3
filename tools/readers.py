"""The readers' edition: each chapter as a plain notebook that needs no extension, and a first page that lists them.

Code cells, outputs, identifiers and tags are those of the executed chapter; its text is what its page shows.

Usage: python -m tools.readers      (writes _build/notebooks; as `make notebooks` does)
"""

import base64
import copy
import itertools
import re
from pathlib import Path

from docutils import nodes
from nbformat import NotebookNode, v4

from tools.markdown import anchor
from tools.pages import ROOT

EDITION = ROOT / "_build" / "notebooks"
BUILDER = "notebooks"  # of Sphinx, and the name of its folder
CONTENTS = "README.md"
PICTURES = Path("book/assets/figures")
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
DRAWING = "image/svg+xml"
IMAGES = ("image/png", DRAWING)
# Pixels. JupyterLab fits an image into the width of an output, and cuts a drawing that is wider.
WIDEST = 700
SIDE = re.compile(r" (width|height)='([\d.]+)pt'")
# What JupyterLab, and what Colab understands.
SOURCE_FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}
FOLDED = {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "cellView": "form", "collapsed": True}
HOW = """Each chapter is a notebook that shows what its page shows. It runs from top to bottom: `Shift`+`Enter` runs a
cell. Solutions are folded. A click on the title unfolds the text, and a click on the dots of a folded cell its code.
On GitHub, which runs nothing, the code of solutions is open, and an interactive figure is a picture of itself. A
JupyterLab of your own shows drawings and interactive figures once you trust the notebooks, by
`jupyter trust book/*/*.ipynb` (`make lab` does that), or run their cells."""
CONTINUED = ", continued"
DETAILS = "<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


class Edition:
    """Makes the readers' notebook of one chapter.

    Parameters
    ----------
    notebook : NotebookNode
        The executed chapter.
    markdown : tools.markdown.Markdown
        Writes the nodes of its page.
    address : str or None
        Of its page, where that is published.
    root : Path
        Of the book, which keeps pictures of the interactive figures.
    """

    def __init__(self, notebook, markdown, address=None, root=ROOT):
        self.notebook, self.markdown, self.address, self.root = notebook, markdown, address, root
        self.cells, self.texts = [], []
        self.last = -1  # place of the last code cell in the chapter
        self.solution = None  # the title of the solution that is being written
        self.folded = []  # what it said since the last code cell

    def make(self, doctree):
        """Return the notebook.

        Raises
        ------
        ValueError
            If the page does not show all code cells in their order, or holds a node that has no Markdown.
        """
        self.walk(doctree.children, 0)
        self.flush()
        expected, found = (
            [cell.id for cell in cells if cell.cell_type == "code"] for cells in (self.notebook.cells, self.cells)
        )
        if found != expected:
            raise ValueError(
                f"{self.markdown.page}: got the code cells {found}, expected {expected}, as in the chapter"
            )
        # Without Jupytext's, by which saving the notebook would write a second file beside it.
        metadata = {key: value for key, value in self.notebook.metadata.items() if key != "jupytext"}
        return v4.new_notebook(cells=self.cells, metadata=copy.deepcopy(metadata))

    def text(self, doctree):
        """Return a page without code as Markdown."""
        self.walk(doctree.children, 0)
        return "\n\n".join(filter(None, self.texts)) + "\n"

    def walk(self, children, level):
        """Write what is in a section of a level."""
        for node in children:
            if isinstance(node, nodes.section):
                heading = f"{'#' * (level + 1)} {self.markdown.title(node[0])}"
                self.say("\n\n".join(filter(None, [anchor(node["ids"][1:]), heading])))
                self.walk(node[1:], level + 1)
            elif is_code(node):
                self.code(node)
            elif type(node).__name__ == "exercise_enumerable_node":
                self.pose(node)
            elif type(node).__name__ == "solution_node":
                self.solve(node, level)
            else:
                self.say(self.markdown.write(node))

    def say(self, text):
        """Add a block of text, which a solution folds."""
        (self.texts if self.solution is None else self.folded).append(text)

    def pose(self, node):
        """Write an exercise; what it says between its code cells is a quotation each."""
        before = [self.markdown.exercise_title(node)]
        for code, group in itertools.groupby(node[1].children, is_code):
            if code:
                for child in group:
                    self.code(child)
            else:
                self.say(self.markdown.quoted(group, *before))
                before = []

    def solve(self, node, level):
        """Write a solution: its text under its title, which unfolds it, and its cells hidden."""
        title, content = node
        self.solution = self.markdown.summary(title)
        self.walk(content.children, level)
        self.fold()
        self.solution = None

    def fold(self):
        """Fold what a solution said since its last code cell; one that begins with code has a line that says so.

        GitHub and plain viewers fold no cell, so the line does not call them folded.
        """
        text = "\n\n".join(filter(None, self.folded))
        if text:
            self.texts.append(DETAILS.format(title=self.solution, text=text))
        elif not self.solution.endswith(CONTINUED):
            self.texts.append(DETAILS.format(title=self.solution, text="In the cells below."))
        self.solution, self.folded = self.solution.removesuffix(CONTINUED) + CONTINUED, []

    def flush(self, identifier=None):
        """Make a Markdown cell of the text so far; it has the identifier of the chapter's that stood there, if any."""
        text = "\n\n".join(filter(None, self.texts))
        if text:
            place = self.notebook.cells[self.last + 1]
            own = place.id if place.cell_type == "markdown" else f"{self.notebook.cells[self.last].id}-caption"
            # v4.new_markdown_cell would check each cell by itself; the notebook is checked as a whole.
            parts = {"id": identifier or own, "metadata": NotebookNode(), "source": text}
            self.cells.append(NotebookNode(cell_type="markdown", **parts))
        self.texts = []

    def code(self, node):
        """Add a code cell as it is in the chapter, and below it the captions of its figures."""
        if self.solution is not None:
            self.fold()
        self.flush()
        self.last = node["cell_index"]
        cell = copy.deepcopy(self.notebook.cells[self.last])
        self.cells.append(cell)
        self.hide(cell)
        self.describe(cell)
        self.caption(node, cell)

    def hide(self, cell):
        """Fold a cell of a solution, and the source of one that only draws."""
        if self.solution is not None:
            cell.metadata.update(copy.deepcopy(FOLDED))
        elif "hide-input" in cell.metadata.get("tags", []):
            cell.metadata.update(copy.deepcopy(SOURCE_FOLDED))

    def describe(self, cell):
        """Say in an output what its picture shows, and give an interactive figure one for where it cannot run."""
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if DRAWING in data:
                data[DRAWING] = fitted(data[DRAWING])
            if WIDGET_VIEW in data:
                data.update(self.still(data[WIDGET_VIEW]["model_id"]))
            elif alt and data:  # a stream has none
                output.metadata.update(
                    {kind: {**output.metadata.get(kind, {}), "alt": alt} for kind in IMAGES if kind in data}
                )

    def still(self, identifier):
        """Return the picture of an interactive figure as a part of an output."""
        model = self.notebook.metadata["widgets"][WIDGET_STATE]["state"][identifier]
        path = self.root / PICTURES / f"{figure_name(model)}.png"
        return {"image/png": base64.b64encode(path.read_bytes()).decode()} if path.exists() else {}

    def caption(self, node, cell):
        """Write the captions of a cell's figures below it; from one that moves a link leads to its page."""
        for caption in node.findall(nodes.caption):
            self.say(self.markdown.write(caption) + self.live(caption.parent, cell))
        if self.solution is None:  # there it is folded with what follows
            self.flush(f"{cell.id}-caption")

    def live(self, figure, cell):
        """Return a link to an interactive figure on its page, where that is published."""
        moves = any(WIDGET_VIEW in output.get("data", {}) for output in cell.get("outputs", []))
        return f" [Use it on the page.]({self.address}#{figure['ids'][0]})" if moves and self.address else ""


def is_code(node):
    """Say whether a node is a code cell."""
    return node.get("nb_element") == "cell_code"


def fitted(svg):
    """Return a drawing as the same one in a size of at most `WIDEST` pixels."""
    first = SIDE.search(svg)
    scale = min(1, WIDEST * 0.75 / float(first[2])) if first else 1  # points to a pixel
    return SIDE.sub(lambda side: f" {side[1]}='{float(side[2]) * scale:.2f}pt'", svg, count=2)


def figure_name(model):
    """Return the class of an interactive figure from its saved model."""
    return model["state"].get("_anywidget_id", "").rpartition(".")[2]


def contents(title, about, parts, launch):
    """Return the first page.

    Parameters
    ----------
    title, about : str
        Of the book.
    parts : list of (str, list of (str, str))
        A part's caption, and of each of its pages the title and the file.
    launch : callable
        Takes a file and returns its buttons, as Markdown.

    Returns
    -------
    str
        Markdown.
    """
    lines = [f"# {title}", about, HOW]
    for caption, group in parts:
        items = [f"- [{name}]({file}){launch(file)}" for name, file in group]
        lines += [f"## {caption}", "\n".join(items)]
    return "\n\n".join(lines) + "\n"


def make(root=ROOT):
    """Write the edition with Jupyter Book, strictly.

    Raises
    ------
    SystemExit
        If there is an error, or a warning, which Sphinx has printed then.
    """
    from jupyter_book.cli.main import main as jupyter_book  # half a second that nobody else needs

    options = ["--builder", "custom", "--custom-builder", BUILDER, "-W", "--keep-going", "-n", "--quiet"]
    try:
        jupyter_book(["build", str(root), *options], standalone_mode=False)
    except RuntimeError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    make()
