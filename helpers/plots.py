"""Figures the chapters share; each function draws on axes, returns them and never shows them."""

import base64
import html
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML

from helpers import formats
from helpers.checks import check_images, check_integer

STYLE = Path(__file__).with_name("book.mplstyle")


def use_style():
    """Apply the book's Matplotlib style to all figures that follow, and store them in notebooks as what is lighter."""
    plt.style.use(STYLE)
    formats.use_lighter()


def show_images(images, *, columns=10, titles=None, ax=None):
    """Draw digits on a grid, black 0 to white 1, whatever their own range.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1].
    columns : int, default=10
        Digits a row.
    titles : sequence of str, optional
        One label a row, drawn at its left.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    sheet = tile(images, columns)
    if ax is None:
        ax = plt.subplots(figsize=(sheet.shape[1] / 40, sheet.shape[0] / 40))[1]
    ax.imshow(sheet, vmin=0, vmax=1)
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if titles is not None:
        ax.set_yticks(np.arange(len(titles)) * 29 + 14, titles)
        ax.tick_params(length=0)
    return ax


def tile(images, columns=10):
    """Lay digits out on one sheet, row by row, a white line of one pixel between them.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1].
    columns : int, default=10
        Digits a row; places left over in the last row are white.

    Returns
    -------
    ndarray of shape (29·rows − 1, 29·columns − 1)
    """
    images = check_images("images", images)
    columns = min(check_integer("columns", columns, low=1), max(len(images), 1))
    rows = -(-len(images) // columns)
    sheet = np.ones((rows * 29, columns * 29), "float32")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        sheet[row * 29 : row * 29 + 28, column * 29 : column * 29 + 28] = image[..., 0]
    return sheet[:-1, :-1]


def show_history(series, *, xlabel="epoch", ylabel="loss", references=None, ax=None):
    """Draw curves over steps or epochs, with dashed lines for the values to read them against.

    Parameters
    ----------
    series : dict of str to sequence of float
        Label → values, one a step or epoch, counted from 1.
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
    ax = plt.subplots()[1] if ax is None else ax
    for label, values in series.items():
        ax.plot(np.arange(1, len(values) + 1), values, label=label)
    for label, height in (references or {}).items():
        ax.axhline(height, color="0.35", linestyle="--", linewidth=1)
        look = {"ha": "right", "va": "bottom", "color": "0.35", "bbox": {"color": "white", "alpha": 0.6, "pad": 1}}
        ax.annotate(label, (1, height), xycoords=("axes fraction", "data"), **look)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax


FILM = """<div class="film" role="group" aria-label="{alt}">
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
    output.textContent = "{unit} " + labels[slider.value];
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


def film(frames, alt, unit="step"):
    """Return pictures as a film with a play button and a slider, which needs no kernel; it does not start by itself.

    Parameters
    ----------
    frames : dict
        Label → picture: an array of grey levels in [0, 1], shape (height, width), such as `tile` returns, or a
        Matplotlib figure, which is closed.
    alt : str
        What the film shows, for readers who cannot see it.
    unit : str, default="step"
        What the labels count.

    Returns
    -------
    IPython.display.HTML
        It shows the last frame first.
    """
    if not frames:
        raise ValueError("frames: got no frame, expected at least one.")
    for label, frame in frames.items():
        if isinstance(frame, np.ndarray) and frame.ndim != 2:
            raise ValueError(f"frames: {label} has shape {frame.shape}, expected (height, width): see tile.")
    pictures = [_encode(frame) for frame in frames.values()]
    grey = [frame.shape[1] for frame in frames.values() if isinstance(frame, np.ndarray)]
    page = FILM.format(
        alt=html.escape(alt),
        unit=html.escape(unit),
        first=pictures[-1],
        last=len(frames) - 1,
        final=html.escape(str(list(frames)[-1])),
        frames=json.dumps(pictures),
        labels=json.dumps([str(label) for label in frames]),
        width=2 * grey[0] if grey else 640,
        style="image-rendering: pixelated" if grey else "",
    )
    return HTML(page)


def _encode(frame):
    """Return an array of grey levels or a figure as a PNG in base64."""
    file = io.BytesIO()
    if isinstance(frame, np.ndarray):
        plt.imsave(file, frame, cmap="gray", vmin=0, vmax=1, format="png")
    else:
        frame.savefig(file, format="png", dpi=80)
        plt.close(frame)
    return base64.b64encode(formats.with_palette(file.getvalue())).decode()
