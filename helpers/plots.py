"""Figures the chapters share; each function draws on axes, returns them and never shows them."""

import base64
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, Markdown
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import formats
from helpers.checks import check_array, check_integer, check_kind, check_number, check_pictures, check_shape

STYLE = Path(__file__).with_name("book.mplstyle")
MINUS = re.compile(r"(?<![\w`.])-(?=\d)")  # not in a date, 1e-5, a range or code


def use_style():
    """Apply the book's Matplotlib style to all figures that follow, and store them in notebooks as what is lighter."""
    plt.style.use(STYLE)
    formats.use_lighter()


def show_images(images, *, columns=10, titles=None, ax=None):
    """Draw images on a grid, black 0 to white 1, whatever their own range.

    Parameters
    ----------
    images : array_like of shape (n, height, width, 1 or 3), (n, height, width) or (n, 784)
        Levels in [0, 1], grey or red, green and blue.
    columns : int, default=10
        Images a row.
    titles : sequence of str, optional
        One label a row, drawn at its left.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default. There larger images than digits are drawn smaller, until ten of them
        are as wide and as high as ten digits.

    Returns
    -------
    matplotlib.axes.Axes
    """
    images = check_pictures("images", images)
    sheet, height = _lay_out(images, columns), images.shape[1] + 1
    _check_titles(titles, rows=(len(sheet) + 1) // height)
    ax = _axes(ax, _inches(sheet, *images.shape[1:3]))
    ax.imshow(sheet, vmin=0, vmax=1)
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if titles is not None:
        ax.set_yticks(np.arange(len(titles)) * height + height // 2, titles)
        ax.tick_params(length=0)
    return ax


def tile(images, columns=10):
    """Lay images out on one sheet, row by row, a white line of one pixel between them.

    Parameters
    ----------
    images : array_like of shape (n, height, width, 1 or 3), (n, height, width) or (n, 784)
        Levels in [0, 1], grey or red, green and blue.
    columns : int, default=10
        Images a row; places left over in the last row are white.

    Returns
    -------
    ndarray of shape ((height + 1)·rows − 1, (width + 1)·columns − 1), or as many by 3
    """
    return _lay_out(check_pictures("images", images), columns)


def _lay_out(images, columns):
    """Return the sheet of `tile`, (n, h, w, c) -> (h', w') or (h', w', 3)."""
    count, height, width, channels = images.shape
    columns = min(check_integer("columns", columns, low=1), count)
    rows = -(-count // columns)
    sheet = np.ones((rows * (height + 1), columns * (width + 1), channels), "float32")
    for index, image in enumerate(images):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image
    sheet = sheet[:-1, :-1]
    return sheet[..., 0] if channels == 1 else sheet


def _inches(sheet, height, width):
    """Return width and height of the figure of a sheet of images of one size, forty pixels of digits an inch."""
    rows, columns = (sheet.shape[0] + 1) // (height + 1), (sheet.shape[1] + 1) // (width + 1)
    scale = min(1, 29 * max(rows, 10) / sheet.shape[0], 29 * max(columns, 10) / sheet.shape[1])
    return sheet.shape[1] / 40 * scale, sheet.shape[0] / 40 * scale


def _axes(ax, inches=None):
    """Return the axes to draw on, new ones for None, or raise a ValueError that names the argument."""
    if ax is None:
        return plt.subplots(figsize=inches)[1]
    if not isinstance(ax, Axes):
        raise ValueError(f"ax: got {type(ax).__name__}, expected one Matplotlib Axes, such as axes[0] of several.")
    return ax


def _check_titles(titles, rows):
    """Raise a ValueError unless there are at most as many labels as rows."""
    if titles is None:
        return
    if not isinstance(titles, Sequence | np.ndarray):
        raise ValueError(f"titles: got {type(titles).__name__}, expected a list of labels, one a row.")
    if len(titles) > rows:
        raise ValueError(f"titles: got {len(titles)} labels, expected one for each of the {rows} rows: see columns.")


def show_history(series, *, xlabel="epoch", ylabel="loss", references=None, ax=None):
    """Draw curves over steps or epochs, with dashed lines for the values to read them against.

    Parameters
    ----------
    series : dict of str to sequence of float
        Label → values, one a step or epoch, counted from 1, such as the ``history`` of what Keras's ``fit`` returns.
    xlabel, ylabel : str
        Axis labels.
    references : dict of str to float, optional
        Label → height of a dashed line, named at its right end.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    _check_curves(series, references)
    check_kind("xlabel", xlabel, str, "a text")
    check_kind("ylabel", ylabel, str, "a text")
    ax = _axes(ax)
    for label, values in series.items():
        ax.plot(np.arange(1, len(values) + 1), values, label=label)
    for label, height in (references or {}).items():
        ax.axhline(height, color="0.35", linestyle="--", linewidth=1)
        look = {"ha": "right", "va": "bottom", "color": "0.35", "bbox": {"color": "white", "alpha": 0.6, "pad": 1}}
        ax.annotate(label, (1, height), xycoords=("axes fraction", "data"), **look)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax


def _check_curves(series, references):
    """Raise a ValueError unless there are curves and lines of finite numbers."""
    for name, argument in (("series", series), ("references", {} if references is None else references)):
        if not isinstance(argument, Mapping):
            mend = ": hand over its .history" if hasattr(argument, "history") else ""
            raise ValueError(f"{name}: got {type(argument).__name__}, expected a dict of label to values{mend}.")
    if not series:
        raise ValueError("series: got no curve, expected at least one.")
    for label, values in series.items():
        if not check_array(f"series[{label!r}]", values, shape=(None,)).size:
            raise ValueError(f"series[{label!r}]: got no value, expected at least one.")
    for label, height in (references or {}).items():
        check_number(f"references[{label!r}]", height)


_FILM = """<div class="film" role="group" aria-label="{alt}">
<img alt="{alt}" src="data:image/png;base64,{first}" style="max-width: 100%; width: {width}px; {style}"><br>
<button type="button">Play</button>
<input type="range" min="0" max="{last}" value="{last}" aria-label="{unit}">
<output>{unit} {final}</output>
<script>
(() => {{
  const film = document.currentScript.parentElement, frames = {frames}, labels = {labels};
  const [image, button, slider, output] = ["img", "button", "input", "output"].map(tag => film.querySelector(tag));
  let timer = null;
  const show = () => {{
    image.src = "data:image/png;base64," + frames[slider.value];
    output.textContent = {counted} + labels[slider.value];
  }};
  const stop = () => {{ clearInterval(timer); timer = null; button.textContent = "Play"; }};
  const next = () => {{ slider.value++; show(); if (slider.value == slider.max) stop(); }};
  slider.addEventListener("input", () => {{ stop(); show(); }});
  button.addEventListener("click", () => {{
    if (timer) return stop();
    if (slider.value == slider.max) slider.value = 0;
    show();
    timer = setInterval(next, 500);
    button.textContent = "Pause";
  }});
  show();
}})();
</script>
</div>"""


def table(head, rows):
    """Return a table, as a notebook shows it.

    Parameters
    ----------
    head : list or tuple of str
        Above the columns.
    rows : iterable of list or tuple
        One entry a column; numbers are written as ``str`` writes them, so that most come formatted, and a hyphen before
        a number becomes a minus sign.

    Returns
    -------
    IPython.display.Markdown

    Raises
    ------
    ValueError
        If a row is longer or shorter than the head.
    """
    words, lines = "the words above the columns", []
    head = [check_kind("head", word, str, words) for word in check_kind("head", head, (list, tuple), words)]
    for number, row in enumerate(check_kind("rows", rows, Iterable, "rows, each with one entry a column")):
        cells = list(map(str, check_kind(f"rows[{number}]", row, (list, tuple), "one entry a column")))
        if len(cells) != len(head):
            raise ValueError(f"rows[{number}]: got {len(cells)} entries, expected {len(head)}, one a column.")
        lines.append([MINUS.sub("\N{MINUS SIGN}", cell) for cell in cells])
    return Markdown("\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines)))


def diagram(places, arrows=(), *, colors=None, ax=None, **style):
    """Draw texts in boxes, and arrows from box to box.

    Parameters
    ----------
    places : dict
        Text -> (x, y), the middle of its box. The axes reach half a unit beyond the outermost ones.
    arrows : iterable of pairs of str, default=()
        The texts that an arrow leads from and to; it ends at the boxes, wherever they lie.
    colors : dict, optional
        Text -> colour of its box; white by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **style
        For the arrows, such as ``arrowstyle="<->"`` or ``color``, as of matplotlib.patches.FancyArrowPatch.

    Returns
    -------
    matplotlib.axes.Axes
        Without frame and ticks.

    Raises
    ------
    ValueError
        If an arrow or a colour is for a text that has no place.
    """
    places = _check_places(places)
    arrows = [_check_ends(f"arrows[{number}]", ends, places) for number, ends in enumerate(_check_arrows(arrows))]
    colors = {} if colors is None else check_kind("colors", colors, Mapping, "text -> colour")
    _check_known("colors", colors, places)
    ax = _axes(ax)
    boxes = {text: _box(ax, text, place, colors.get(text, "white")) for text, place in places.items()}
    for start, end in arrows:
        ends = {"patchA": boxes[start], "patchB": boxes[end], "shrinkA": 3, "shrinkB": 3}
        ax.annotate("", places[end], places[start], arrowprops={"arrowstyle": "->", "color": "0.35", **ends, **style})
    x, y = np.array(list(places.values())).T
    ax.set(xlim=(x.min() - 0.5, x.max() + 0.5), ylim=(y.min() - 0.5, y.max() + 0.5))
    ax.set_axis_off()
    return ax


def _box(ax, text, place, color):
    """Draw a text in a box and return the box."""
    frame = {"boxstyle": "round,pad=0.5", "facecolor": color, "edgecolor": "0.35"}
    return ax.text(*place, text, ha="center", va="center", fontsize=9, bbox=frame).get_bbox_patch()


def _check_places(places):
    """Return texts with two numbers each, or raise a ValueError."""
    if not check_kind("places", places, Mapping, "text -> (x, y)"):
        raise ValueError("places: got none, expected at least one.")
    return {
        check_kind("places", text, str, "text -> (x, y)"): check_shape(f"places[{text!r:.60}]", place, (2,))
        for text, place in places.items()
    }


def _check_arrows(arrows):
    """Return what can be gone through, which a text is not, or raise a ValueError."""
    if isinstance(arrows, str):
        raise ValueError(f"arrows: got {arrows!r:.60}, expected pairs of texts.")
    return check_kind("arrows", arrows, Iterable, "pairs of texts")


def _check_ends(name, ends, places):
    """Return the two texts of an arrow, or raise a ValueError."""
    if len(check_kind(name, ends, (list, tuple), "a pair of texts")) != 2:
        raise ValueError(f"{name}: got {len(ends)} texts, expected two.")
    _check_known(name, ends, places)
    return ends


def _check_known(name, texts, places):
    """Raise a ValueError for the first text that has no place."""
    if strange := [text for text in texts if not isinstance(text, str) or text not in places]:
        raise ValueError(f"{name}: got {strange[0]!r:.60}, expected some of {', '.join(map(repr, places)):.300}.")


def film(frames, alt, unit="step"):
    """Return pictures as a film with a play button and a slider, which needs no kernel; it starts only when played.

    Parameters
    ----------
    frames : dict
        Label → picture: an array of levels in [0, 1], shape (height, width) or (height, width, 3), such as `tile`
        returns; samples, shape (n, height, width, 1 or 3) or (n, height, width), such as the frames of
        `helpers.gans.SampleFilm`, which are laid out ten a row; or a Matplotlib figure, which is closed.
    alt : str
        What the film shows, for readers who cannot see it.
    unit : str, default="step"
        What the labels count.

    Returns
    -------
    IPython.display.HTML
        It shows the last frame first.
    """
    _check_texts(alt=alt, unit=unit)
    sheets = _sheets(frames)
    pictures = [_encode(sheet) for sheet in sheets]
    arrays = [sheet.shape[1] for sheet in sheets if isinstance(sheet, np.ndarray)]
    page = _FILM.format(
        alt=html.escape(alt),
        unit=html.escape(unit),
        first=pictures[-1],
        last=len(frames) - 1,
        final=html.escape(str(list(frames)[-1])),
        frames=_script(pictures),
        labels=_script([str(label) for label in frames]),
        counted=_script(unit + " "),
        width=2 * arrays[0] if arrays else 640,
        style="image-rendering: pixelated" if arrays else "",
    )
    return HTML(page)


def _script(value):
    """Return a value as JavaScript that can stand in a page: where a text has ``</script>``, the script would end."""
    return json.dumps(value).replace("<", "\\u003c")


def _check_texts(**texts):
    """Raise a ValueError that names the argument which is no text."""
    for name, text in texts.items():
        if not isinstance(text, str) or not text:
            raise ValueError(f"{name}: got {text!r:.60}, expected a text.")


def _sheets(frames):
    """Return what each frame of a film shows, an array of one image or a figure."""
    if not isinstance(frames, Mapping):
        mend = ": hand over its .frames" if hasattr(frames, "frames") else ""
        raise ValueError(f"frames: got {type(frames).__name__}, expected a dict of label to picture{mend}.")
    if not frames:
        raise ValueError("frames: got no frame, expected at least one.")
    return [
        frame if isinstance(frame, Figure) else _sheet(f"frames[{label!r}]", frame) for label, frame in frames.items()
    ]


def _sheet(name, frame):
    """Return an array as one image, (h, w) or (h, w, 3); samples are laid out as `tile` does it."""
    frame = check_array(name, frame, shape=(...,), low=0, high=1)
    if frame.ndim == 2 and frame.shape[1] == 784:
        raise ValueError(
            f"{name}: got shape {frame.shape}: hand over tile(frame), or frame[..., None] if it is one image."
        )
    # Three axes are one image with its channels, or samples without theirs.
    if frame.ndim == 2:
        frame = frame[None, ..., None]
    elif frame.ndim == 3 and frame.shape[2] in (1, 3):
        frame = frame[None]
    return _lay_out(check_pictures(name, frame), columns=10)


def _encode(frame):
    """Return an array of levels or a figure as a PNG in base64."""
    file = io.BytesIO()
    if isinstance(frame, np.ndarray):
        plt.imsave(file, frame, cmap="gray", vmin=0, vmax=1, format="png")
    else:
        frame.savefig(file, format="png", dpi=80)
        plt.close(frame)
    return base64.b64encode(formats.with_palette(file.getvalue())).decode()
