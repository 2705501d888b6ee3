"""Sphinx extension of the book: claims.json and the status page from committed notebooks, a page at the root, and
interactive figures on pages without code, with words in their place where no script runs."""

import functools
import html
import json
import re
from collections import Counter
from itertools import compress
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from tools import comparisons
from tools.pages import chapters_by_part, digest, notebooks
from tools.prose import paragraphs

CLAIM = "application/vnd.book.claim+json"
RUN = "application/vnd.book.run+json"
# sphinx_external_toc would write one with neither language, title nor icon: browsers then ask the host for one.
FRONT_DOOR = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>{title}</title>
    <link rel="icon" href="data:,">
    <meta http-equiv="refresh" content="0; url={first}.html">
  </head>
  <body><a href="{first}.html">{title}</a></body>
</html>
"""
LOADER = "anywidget-static.js"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = re.compile(r'<script type="application/vnd.jupyter.widget-view\+json">(.*)</script>')
CLAIM_COLUMNS = ["claim", "holds", "value", "bound", "seeds", "standard errors apart", "curve", "source"]
RUN_COLUMNS = ["notebook", "seconds", "memory", "date", "device", "versions"]
# Of exercises: the class in a chapter, and what its first line says to the reader.
KINDS = {
    "five-minutes": "Takes five minutes.",
    "own-experiment": "Changes the chapter's experiment.",
    "own-data": "With data or settings of your own.",
    "off-mnist": "Leaves MNIST.",
    "proof": "Asks for a proof.",
    "design": "Asks for a design.",
}
# Of exercises, too: the same in the table for teachers, which has no room for a column each.
KIND_WORDS = {
    "five-minutes": "five minutes",
    "own-experiment": "changes the experiment",
    "own-data": "own data",
    "off-mnist": "leaves MNIST",
    "proof": "proof",
    "design": "design",
}
EXERCISE_COLUMNS = ["chapter", "exercise", "kinds", "answers back"]
EXERCISE = re.compile(r"^```\{exercise-start\} *(.*)\n((?::.*\n)*)((?:.*\n)*?)```\{exercise-end\}", re.MULTILINE)
# What a chapter says at its top, and how the table of chapters names it.
PROMISE = re.compile(r"\*\*You will (do|learn)\*\*: (.+)")
_HYPHEN = "\N{NON-BREAKING HYPHEN}"
# The results of `tools.gpu`, and how the page of results speaks of each.
MACHINES = {
    "gpu": "The stored run on a GPU",
    "gpu_rehearsal": "The rehearsal of this run on a processor",
}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
logger = logging.getLogger(__name__)


def records(path, mime):
    """List what a notebook's outputs hold under a mime type, in the notebook's order.

    Parameters
    ----------
    path : Path
        A committed ``.ipynb``.
    mime : str
        `CLAIM` or `RUN`, as `helpers.claims` displays them.

    Returns
    -------
    list of dict
    """
    return [bundle[mime] for bundle in _bundles(path, Path(path).stat().st_mtime_ns) if mime in bundle]


@functools.cache
def _bundles(path, changed):
    """Return claims and reports among a notebook's outputs, read once for each moment at which it was changed."""
    cells = nbformat.read(path, as_version=4).cells
    bundles = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return [{mime: bundle[mime] for mime in (CLAIM, RUN) if mime in bundle} for bundle in bundles]


def gather(root):
    """Join each chapter's claims with its report.

    Parameters
    ----------
    root : Path
        The book's root.

    Returns
    -------
    claims : list of dict
        Sorted by chapter, then in the chapter's order.
    problems : list of str
        A claim's name used twice, a chapter without exactly one report.
    """
    claims, problems = [], []
    for path in sorted(notebooks(root)):
        reports = records(Path(root) / path, RUN)
        if len(reports) != 1:
            problems.append(f"{path}: {len(reports)} outputs of claims.report(), expected 1")
        run = {key: value for report in reports[:1] for key, value in report.items() if key != "peak_memory_gib"}
        chapter = path.with_suffix("").as_posix()
        claims += [{**claim, "chapter": chapter, **run} for claim in records(Path(root) / path, CLAIM)]
    uses = Counter(claim["name"] for claim in claims)
    problems += [f"claim {name!r} is made {count} times" for name, count in uses.items() if count > 1]
    return claims, problems


def write_claims(app):
    """Write claims.json beside the pages; a problem is a warning, which the strict build turns into an error."""
    claims, problems = gather(app.srcdir)
    for problem in problems:
        logger.warning(problem, type="book", subtype="claims")
    text = json.dumps(claims, indent=1, ensure_ascii=False, allow_nan=False)
    (Path(app.outdir) / "claims.json").write_text(text + "\n", encoding="utf-8")
    return []


def write_front_door(app):
    """Write the index.html that sends a reader on to the first page."""
    page = FRONT_DOOR.format(title=app.config.html_title, first=app.config.root_doc)
    (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")
    return []


def readable(number):
    """Write a number with five digits, whole ones in groups of three and very small or large ones with a power of ten.

    Parameters
    ----------
    number : float

    Returns
    -------
    str
        With a minus sign, and no hyphen.
    """
    if number == round(number) and abs(number) < 1e9:
        text = f"{number:,.0f}"
    elif 1e-3 <= abs(number) < 1e6:
        text = f"{number:,.0f}" if abs(number) >= 1e4 else f"{number:.5g}"
    else:
        digits, power = f"{number:.1e}".split("e")
        text = f"{digits.removesuffix('.0')}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{str(int(power)).translate(RAISED)}"
    return text.replace("-", "−")


def claim_row(claim):
    """Return a claim's cells for `CLAIM_COLUMNS`, as Markdown; the name leads to the chapter."""
    bounds = {"at least": claim["at_least"], "at most": claim["at_most"]}
    bound = " and ".join(f"{word} {readable(number)}" for word, number in bounds.items() if number is not None)
    comparison = claim.get("comparison") or {"seeds": "", "standard_errors": "", "curve": ""}
    apart = comparison["standard_errors"]
    known = comparison["curve"] and comparisons.in_words(claim)
    return [
        f"{{doc}}`{claim['name']} </{claim['chapter']}>`",
        ("met" if bound else "reported") if claim["met"] else "**NOT\N{NO-BREAK SPACE}MET**",
        f"{readable(claim['value'])} {claim['unit']}".rstrip(),
        bound or "none",
        str(comparison["seeds"]),
        "no spread" if apart is None else apart and f"{apart:.1f}",
        comparison["curve"] and f"`{comparison['curve']}` ({known})",
        f"{{cite:t}}`{claim['source']}`" if claim["source"] else "",
    ]


def run_row(chapter, heading, run):
    """Return the cells of a chapter's report for `RUN_COLUMNS`, as Markdown."""
    versions = ", ".join(f"{package}\N{NO-BREAK SPACE}{version}" for package, version in run["versions"].items())
    peak = run["peak_memory_gib"]
    memory = "not measured" if peak is None else f"{peak:.2f} GiB"
    date = run["date"].replace("-", "\N{NON-BREAKING HYPHEN}")
    return [f"{{doc}}`{heading} </{chapter}>`", f"{run['seconds']:.0f}", memory, date, run["device"], versions]


def on_other_machines(root):
    """List a sentence for each stored run of `tools.gpu`: what it ran on, how much of the book, and what failed."""
    found = []
    for name, ran in MACHINES.items():
        path = Path(root) / "experiments" / "results" / f"{name}.json"
        if path.exists():
            found.append(ran + coverage(root, json.loads(path.read_text(encoding="utf-8"))))
    return found


def coverage(root, result):
    """Say of a result of `tools.gpu` where and when it was made, which part of the book it covers, and how it ended."""
    ran, where = result["chapters"], result["conditions"]
    there = [name for name in ran if Path(root, f"{name}.md").exists()]
    same = sum(digest(Path(root, name)) == ran[name]["source"] for name in there)
    held = sum(page.get("held", len(page.get("claims", ()))) for page in ran.values())
    failed = [f"`{claim['name']}`" for page in ran.values() for claim in page["failed"]]
    errors = sum(len(page["errors"]) for page in ran.values())
    names = f"**{len(failed)}**" + (f" ({', '.join(failed)})" if failed else "")
    return (
        f" ({where['device']}, JAX\N{NO-BREAK SPACE}{where['versions']['jax']}, {where['date'].replace('-', _HYPHEN)})"
        f" covers **{len(there)}** of the **{len(notebooks(root))}** chapters, **{same}** of them with the text that"
        f" they have now. Claims that held: **{held}**; that failed: {names}; other errors: **{errors}**."
        f" The benchmark {'is' if 'benchmark' in result else 'is not'} part of it."
    )


def title(path):
    """Return a notebook's first heading without markup, or its file's name where it has none."""
    texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    lines = re.sub("[*`]", "", "\n".join(texts)).splitlines()
    return next((line.removeprefix("# ").strip() for line in lines if line.startswith("# ")), Path(path).stem)


class TableDirective(SphinxDirective):
    """A directive that writes tables whose cells are Markdown."""

    def table(self, columns, rows):
        """Return a table with a row of headers; the cells are Markdown, and columns without any text are left out."""
        rows = [list(row) for row in rows]
        used = [any(cells) for cells in zip(*rows, strict=True)]
        columns, *rows = [list(compress(row, used)) for row in (columns, *rows)]
        group = nodes.tgroup("", *(nodes.colspec() for _ in columns), cols=len(columns))
        group += [nodes.thead("", self.row(columns)), nodes.tbody("", *map(self.row, rows))]
        return nodes.table("", group, classes=["colwidths-auto"])

    def row(self, cells):
        """Return one row of a table."""
        return nodes.row("", *(nodes.entry("", self.paragraph(cell)) for cell in cells))

    def paragraph(self, text):
        """Return Markdown without blocks as a paragraph."""
        return nodes.paragraph("", "", *self.parse_inline(text)[0])


class StatusDirective(TableDirective):
    """The directive ``{claims}``: all claims, chapter by chapter, those that are not met first, and every run."""

    def run(self):
        """Return the nodes; the page is built anew when a notebook has changed."""
        root = Path(self.env.srcdir)
        chapters = {path.with_suffix("").as_posix(): path for path in notebooks(root)}
        stored = [f"experiments/results/{name}.json" for name in MACHINES]
        for path in ("_toc.yml", *stored, *chapters.values()):
            self.env.note_dependency(str(path))
        headings = {chapter: title(root / path) for chapter, path in chapters.items()}
        runs = [
            run_row(chapter, headings[chapter], run)
            for chapter, path in chapters.items()
            for run in records(root / path, RUN)
        ]
        machines = [self.paragraph(text) for text in on_other_machines(root)]
        return [
            *self.claims(gather(root)[0], headings),
            self.section("The runs", self.table(RUN_COLUMNS, runs)),
            *([self.section("On a GPU", machines)] if machines else []),
        ]

    def claims(self, claims, headings):
        """Return the summary, the claims not met, and a section a chapter."""
        missed = [claim for claim in claims if not claim["met"]]
        bounded = [claim for claim in claims if (claim["at_least"], claim["at_most"]) != (None, None)]
        counts = f"Claims: **{len(claims)}**. With a bound: **{len(bounded)}**. Not met: **{len(missed)}**."
        if any(claim.get("comparison") for claim in claims):
            counts += f" {comparisons.summary(claims)}"
        sections = {heading: [c for c in claims if c["chapter"] == chapter] for chapter, heading in headings.items()}
        return [
            self.paragraph(counts),
            *(self.section(name, self.listing(group)) for name, group in {"Not met": missed, **sections}.items()),
        ]

    def listing(self, claims):
        """Return a table of claims, or the word that there are none."""
        return self.table(CLAIM_COLUMNS, map(claim_row, claims)) if claims else self.paragraph("None.")

    def section(self, heading, content):
        """Return a section that the page's own contents list, too."""
        parts = content if isinstance(content, list) else [content]
        section = nodes.section("", nodes.title("", "", *self.parse_inline(heading)[0]), *parts)
        section["names"].append(nodes.fully_normalize_name(heading))
        self.state.document.note_implicit_target(section, section)
        return section


def exercises(source):
    """List the exercises of a chapter.

    Parameters
    ----------
    source : str
        The chapter's ``.md``.

    Returns
    -------
    list of tuple
        Label, title, kinds of `KINDS`, and whether a cell waits for an answer.

    Raises
    ------
    ValueError
        If an exercise has no label.
    """
    found = []
    for heading, options, body in EXERCISE.findall(source):
        fields = dict(re.findall(r"^:(\w+): *(.*)$", options, re.MULTILINE))
        if "label" not in fields:
            raise ValueError(f"exercise {heading!r}: got no :label: in the lines right below, expected one.")
        kinds = [kind for kind in KINDS if kind in fields.get("class", "").split()]
        found.append((fields["label"], heading, kinds, "exercises.check(" in body))
    return found


class ExercisesDirective(TableDirective):
    """The directive ``{exercises}``: all exercises in the order of the book, with their kinds."""

    def run(self):
        """Return the table; the page is built anew when a chapter has changed."""
        rows = []
        for path in notebooks(self.env.srcdir):
            self.env.note_dependency(str(path.with_suffix(".md")))
            source = (Path(self.env.srcdir) / path).with_suffix(".md").read_text(encoding="utf-8")
            chapter = f"{{doc}}`/{path.with_suffix('').as_posix()}`"
            for label, heading, kinds, checked in exercises(source):
                words = ", ".join(KIND_WORDS[kind] for kind in kinds)
                rows.append([chapter, f"{{ref}}`{heading} <{label}>`", words, "yes" if checked else ""])
                chapter = ""
        return [self.table(EXERCISE_COLUMNS, rows)]


def promises(source):
    """Return what a chapter says at its top: kind, "do" or "learn", → a sentence that begins with a capital."""
    found = filter(None, (PROMISE.match(part.raw) for part in paragraphs(source)))
    return {promise[1]: promise[2][0].upper() + promise[2][1:] for promise in found}


def running_time(path):
    """Return how long a committed notebook ran, in words of a table."""
    return "".join(f"{run['seconds']:.0f}\N{NO-BREAK SPACE}s" for run in records(path, RUN))


class ChaptersDirective(TableDirective):
    """The directive ``{chapters} do`` or ``{chapters} learn``: what each chapter promises, and how long it runs."""

    required_arguments = 1

    def run(self):
        """Return the table; the page is built anew when a chapter has changed."""
        kind = self.arguments[0]
        if kind not in ("do", "learn"):
            raise self.error(f"chapters: got {kind!r}, expected do or learn.")
        root, rows = Path(self.env.srcdir), []
        for part, paths in chapters_by_part(root):
            rows += [[f"**{part}**", "", ""]] if part else []
            for path in paths:
                for file in (path, path.with_suffix(".md")):
                    self.env.note_dependency(str(file))
                promised = promises((root / path).with_suffix(".md").read_text(encoding="utf-8"))
                chapter = f"{{doc}}`/{path.with_suffix('').as_posix()}`"
                rows.append([chapter, promised.get(kind, ""), running_time(root / path)])
        return [self.table(["chapter", f"you will {kind}", "runs in"], rows)]


def alternative(state):
    """Return the HTML that stands for an interactive figure where no script runs."""
    words = html.escape(f"{state['title']}. {state['alt']} It needs JavaScript.")
    return f"<noscript>{words}</noscript>"


def add_noscript(app, doctree):
    """Put the text alternative of each interactive figure where it stands, for browsers that run no script."""
    for node in list(doctree.findall(nodes.raw)):
        found = WIDGET_VIEW.fullmatch(node.astext())
        if found:
            files = app.env.nb_metadata[app.env.docname]["js_files"]
            states = json.loads(files["ipywidgets_state"][1]["body"])["state"]
            words = alternative(states[json.loads(found[1])["model_id"]]["state"])
            node.parent.insert(node.parent.index(node), nodes.raw("", words, format="html"))


def add_kinds(app, doctree):
    """Say in the first line of an exercise of which kind it is, by its classes."""
    for node in doctree.findall(lambda node: type(node).__name__ == "exercise_enumerable_node"):
        words = " ".join(text for kind, text in KINDS.items() if kind in node["classes"])
        if words:
            node[1].insert(0, nodes.paragraph("", "", nodes.emphasis("", words)))


def live_figure(path, name):
    """Return the identifier and the saved model of an interactive figure in a notebook.

    Parameters
    ----------
    path : Path
        A committed ``.ipynb``.
    name : str
        The figure's class.

    Returns
    -------
    identifier : str
    model : dict

    Raises
    ------
    ValueError
        If the notebook holds no such figure.
    """
    states = nbformat.read(path, as_version=4).metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for identifier, model in states.items():
        if model["state"].get("_anywidget_id", "").rpartition(".")[2] == name:
            return identifier, model
    raise ValueError(f"live-figure: got {name!r}, expected an interactive figure that {path.name} shows")


class LiveFigureDirective(SphinxDirective):
    """The directive ``{live-figure} CHAPTER NAME``: a chapter's interactive figure on a page that has no code."""

    required_arguments = 2

    def run(self):
        """Return what MyST-NB writes for a widget, with its text alternative."""
        chapter, name = self.arguments
        relative, path = self.env.relfn2path(f"{chapter}.ipynb")  # from this page, as in {doc}
        self.env.note_dependency(relative)
        identifier, model = live_figure(Path(path), name)
        states = json.dumps({"state": {identifier: model}, "version_major": 2, "version_minor": 0})
        view = json.dumps({"model_id": identifier, "version_major": 2, "version_minor": 0})
        parts = [
            script(states.replace("</", "<\\/"), WIDGET_STATE),
            alternative(model["state"]),
            script(view, WIDGET_STATE.replace("state", "view")),
            f'<script defer src="{"../" * self.env.docname.count("/")}_static/{LOADER}"></script>',
        ]
        return [nodes.raw("", "\n".join(parts), format="html")]


def script(text, kind):
    """Return an HTML script element that holds data of a kind."""
    return f'<script type="{kind}">{text}</script>'


def setup(app):
    """Register with Sphinx; the event comes at every build, also one that finds no page changed."""
    app.add_directive("claims", StatusDirective)
    app.add_directive("exercises", ExercisesDirective)
    app.add_directive("chapters", ChaptersDirective)
    app.add_directive("live-figure", LiveFigureDirective)
    app.connect("doctree-read", add_kinds)
    app.connect("doctree-read", add_noscript)
    app.connect("html-collect-pages", write_front_door)
    app.connect("html-collect-pages", write_claims)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
