"""How a notebook stores a figure: as a vector drawing where that is lighter, else as pixels with a palette."""

import gzip
import io
import re
from weakref import WeakKeyDictionary

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from helpers.checks import check_kind

MOST = 300_000  # characters of a drawing; a longer one takes long to show, however well it can be compressed
_chosen = WeakKeyDictionary()


def use_lighter():
    """Let the notebook's figures from here on be stored as `lighter` returns them; does nothing outside a notebook."""
    shell = get_ipython()
    if shell is not None:
        plt.switch_backend(mpl.get_backend())  # a backend that is loaded later would set its own formats
        formatters = shell.display_formatter.formatters
        formatters["image/svg+xml"].for_type(Figure, lambda figure: _choose(figure)[0])
        formatters["image/png"].for_type(Figure, lambda figure: _choose(figure)[1])


def _choose(figure):
    """Return what `lighter` does; IPython asks once for each kind of file."""
    return _chosen.pop(figure) if figure in _chosen else _chosen.setdefault(figure, lighter(figure))


def lighter(figure):
    """Return a figure as the file that has fewer bytes on its way to a reader.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    svg : str or None
        The drawing, whose bytes are counted as a host sends them, compressed by gzip. None if pixels are lighter,
        where the drawing is longer than `MOST`, and for a figure that shows images, which a drawing would blur.
    png : bytes or None
        The pixels, if there is no drawing.
    """
    png = as_png(figure)
    if png is None or figure.findobj(AxesImage):
        return None, png
    svg = as_svg(figure)
    light = len(svg) <= MOST and len(gzip.compress(svg.encode(), 6)) < len(png)
    return (svg, None) if light else (None, png)


def as_png(figure):
    """Return a figure as a PNG file with a palette, a third of the bytes of all colours, or None if it is empty."""
    png = print_figure(check_kind("figure", figure, Figure, "a matplotlib.figure.Figure"))
    return None if png is None else with_palette(png)


def with_palette(png):
    """Return a PNG file, without transparency, as one with a palette: 64 levels of grey, or the best 256 colours."""
    try:
        image, file = Image.open(io.BytesIO(check_kind("png", png, bytes, "the bytes of a PNG file"))), io.BytesIO()
    except OSError:
        raise ValueError(f"png: got {len(png)} bytes, expected those of a PNG file.") from None
    image = image.convert("RGB")
    red, green, blue = (channel.tobytes() for channel in image.split())
    count = 64 if red == green == blue else 256  # of all greys an eye tells far fewer apart
    palette = image.quantize(count, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(file, "PNG", optimize=True)
    return file.getvalue()


def as_svg(figure):
    """Return a figure as an SVG file, as large on the page as its pixels and undated, or None if it is empty."""
    check_kind("figure", figure, Figure, "a matplotlib.figure.Figure")
    with mpl.rc_context({"svg.hashsalt": "book", "svg.fonttype": "path"}):
        svg = print_figure(figure, "svg", metadata={"Date": None, "Creator": None})
    if svg is None:
        return None
    svg = _shorten(svg)
    scale = figure.dpi / 96  # pixels of a page to an inch
    return re.sub(
        r'(width|height)="([\d.]+)pt"', lambda size: f'{size[1]}="{float(size[2]) * scale:.2f}pt"', svg, count=2
    )


def _shorten(svg):
    """Return a drawing in one line, for a notebook's file keeps one for each, with places to a hundredth of a point."""
    svg = re.sub(r"\s+(?=[<\s])", "", svg.replace("\n", " "))
    places = re.compile(r"\d+\.\d{3,}")
    return re.sub(r' [dxy]="[^"]*"', lambda part: places.sub(lambda place: f"{float(place[0]):.2f}", part[0]), svg)
