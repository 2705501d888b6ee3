"""How a notebook stores a figure: as a vector drawing where that is lighter, else as pixels with a palette."""

import gzip
import io
import re
import xml.etree.ElementTree as xml
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image, ImageChops, ImageStat

from helpers.checks import check_kind

GREYS = 32  # levels; of all 256 an eye tells far fewer apart
COLOURS = (64, 128, 256)  # in a palette
NEAR = 3  # levels of 256 by which a palette's red, green or blue may miss, root mean square
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
    """Return a PNG file, without transparency, as one with a palette: `GREYS`, or as few of `COLOURS` as come near."""
    try:
        image, file = Image.open(io.BytesIO(check_kind("png", png, bytes, "the bytes of a PNG file"))), io.BytesIO()
    except OSError:
        raise ValueError(f"png: got {len(png)} bytes, expected those of a PNG file.") from None
    image = image.convert("RGB")
    red, green, blue = (channel.tobytes() for channel in image.split())
    light = _in_greys(image) if red == green == blue else _in_colours(image)
    light.save(file, "PNG", optimize=True)
    return file.getvalue()


def _in_greys(image):
    """Return an image in equally spaced levels of grey, black and white among them."""
    levels = image.convert("L").point([round(level * (GREYS - 1) / 255) for level in range(256)])
    levels.putpalette([round(level * 255 / (GREYS - 1)) for level in range(GREYS) for _ in range(3)])
    return levels


def _in_colours(image):
    """Return an image with the smallest palette that comes near it, or with the largest."""
    for count in COLOURS:
        light = image.quantize(count, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        if max(ImageStat.Stat(ImageChops.difference(image, light.convert("RGB"))).rms) <= NEAR:
            break
    return light


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
        r"(width|height)='([\d.]+)pt'", lambda size: f"{size[1]}='{float(size[2]) * scale:.2f}pt'", svg, count=2
    )


def _shorten(svg):
    """Return a drawing that looks the same in fewer letters: a notebook's file keeps one for each, in one line.

    Places are rounded to a hundredth of a point, those of letters and in them to a thousandth of the font's size; paths
    go on from where they are, and what shows nothing, or is said of the thing that is copied, is left out. Attributes
    stand in single quotes, which a notebook's file need not escape.
    """
    root = xml.fromstring(svg)
    for part in root.findall(f"{_SVG}metadata"):
        root.remove(part)
    if letters := [part for part in root.iter(f"{_SVG}path") if part.get("transform") == _LETTER]:
        _in_thousandths(root, letters)
    for axis in root.iter(f"{_SVG}g"):
        if axis.get("id", "").startswith("matplotlib.axis_"):
            _join_grid(axis)
    _say_once(root)
    _clean(root, set(_USED.findall(svg)))
    return f"<?xml version='1.0' encoding='utf-8'?>{_write(root)}"


_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_LETTER = "scale(0.015625)"  # of a letter's path to a hundredth of the font's size
_USED = re.compile(r"""#([\w-]+)['")]""")  # names that something refers to
_COLOUR = re.compile(r"#(.)\1(.)\2(.)\3\b")  # told in three digits
_HASH = re.compile(r"\b([a-z][0-9a-f]{6})[0-9a-f]{4}\b")  # a name, of which seven letters tell it from others
_NUMBER = re.compile(r"-?\d*\.?\d+")
_STEP = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_SIZES = {"M": 2, "L": 2, "Q": 4, "C": 6}  # numbers that a command of a path takes


def _in_thousandths(root, letters):
    """Tell the shapes of letters, and the places of them and of lines in a text, in thousandths of the font's size."""
    for letter in letters:
        del letter.attrib["transform"]
        letter.set("d", _whole(letter.get("d", ""), 0.15625))  # a space has no shape
    names = {f"#{letter.get('id')}" for letter in letters}
    for text in root.iter(f"{_SVG}g"):
        if not any(child.get(_LINK) in names for child in text):
            continue
        moves, _, sizes = text.get("transform").partition("scale(")
        smaller = " ".join(f"{float(size) / 10:.7f}".rstrip("0") for size in sizes.strip(")").split())
        text.set("transform", f"{moves}scale({smaller})")
        for child in text:
            child.attrib |= {name: _whole(child.get(name), 10) for name in ("x", "y", "d") if name in child.attrib}
            if move := child.get("transform"):  # a smaller letter's size stays
                child.set("transform", re.sub(r"translate\([^)]*\)", lambda place: _whole(place[0], 10), move))


def _whole(text, factor):
    """Return a text with its numbers multiplied and rounded to whole ones."""
    return _NUMBER.sub(lambda number: str(round(float(number[0]) * factor)), text)


def _join_grid(axis):
    """Make one path of the lines of an axis's grid that look alike."""
    first = {}
    for parent in list(axis.iter(f"{_SVG}g")):
        for line in [child for child in parent if child.tag == f"{_SVG}path" and "clip-path" in child.attrib]:
            whole = first.setdefault((line.get("clip-path"), line.get("style")), line)
            if whole is not line:
                whole.set("d", f"{whole.get('d')} {line.get('d')}")
                parent.remove(line)


def _say_once(root):
    """Leave out of a copy's style what the thing that is copied says itself, for that holds."""
    own = {f"#{part.get('id')}": _properties(part) for part in root.iter(f"{_SVG}path")}
    for copy in root.iter(f"{_SVG}use"):
        said = own.get(copy.get(_LINK), {}).keys() - {"opacity"}  # which is of the copy as a whole
        if style := _properties(copy):
            copy.set("style", ";".join(f"{name}:{value}" for name, value in style.items() if name not in said))


def _properties(part):
    """Return the style of an element, name → value."""
    named = [each.partition(":") for each in part.get("style", "").split(";") if each.strip()]
    return {name.strip(): value.strip() for name, _, value in named}


def _clean(part, used):
    """Shorten an element and all in it."""
    if part.tag != f"{_SVG}style":
        part.text = None
    part.tail = None
    attributes = {name: _value(name, value) for name, value in part.attrib.items() if name != "id" or value in used}
    part.attrib = {name: value for name, value in attributes.items() if value}
    if part.tag == f"{_SVG}use" and (place := re.fullmatch(r"translate\((\S+) (\S+)\)", part.get("transform", ""))):
        del part.attrib["transform"]
        part.attrib |= {name: number for name, number in zip("xy", place.groups(), strict=True) if number != "0"}
    for child in part:
        _clean(child, used)
    # a group that says nothing gives way to what it holds
    held = [child if child.tag != f"{_SVG}g" or child.attrib else list(child) for child in part]
    part[:] = [one for each in held for one in (each if isinstance(each, list) else [each])]
    _join_neighbours(part)
    _style_once(part)


def _join_neighbours(part):
    """Put what neighbouring groups hold into one where they say the same, which is how they are cut off."""
    joined = []
    for child in part:
        same = joined and child.tag == joined[-1].tag == f"{_SVG}g" and child.attrib == joined[-1].attrib
        if same and child.attrib.keys() == {"clip-path"}:
            joined[-1].extend(child)
        else:
            joined.append(child)
    part[:] = joined
    for child in joined:
        _style_once(child)


def _style_once(group):
    """Give a group of copies, which is all that it holds, the style that they share."""
    copies = [child for child in group if child.tag == f"{_SVG}use"]
    styles = {child.get("style", "") for child in copies}
    alone = all(child.tag == f"{_SVG}defs" for child in group if child not in copies)
    # opacity is of a group as a whole; a style that is inherited would also reach a path in defs
    if group.tag != f"{_SVG}g" or len(copies) < 2 or not alone or len(styles) > 1 or "style" in group.attrib:
        return
    if (style := styles.pop()) and not re.search(r"(^|;)opacity", style):
        group.set("style", style)
        for child in copies:
            del child.attrib["style"]


def _value(name, value):
    """Return a shorter attribute."""
    if name == "style":
        value = value.replace(": ", ":").replace("; ", ";").strip("; ")
        return _HASH.sub(r"\1", _COLOUR.sub(r"#\1\2\3", re.sub(r"(?<=:)0\.", ".", value)))
    if name in (_LINK, "id", "clip-path"):
        return _HASH.sub(r"\1", value.replace("DejaVuSans-", "D"))
    if name == "d":
        return _path(value)
    if name in ("x", "y"):
        return _rounded(value)
    if name == "transform" and not value.startswith("scale"):
        moves, scale, factors = value.partition("scale")  # factors, such as that of a font's size, are not rounded
        return _rounded(moves) + scale + re.sub(r"(?<!\d)0\.", ".", factors)
    return value


def _rounded(text):
    """Return a text with its numbers rounded to hundredths."""
    return _NUMBER.sub(lambda number: _place(round(float(number[0]) * 100)), text)


def _place(hundredths):
    """Return a number of hundredths as a text."""
    text = f"{hundredths / 100:.2f}".rstrip("0").rstrip(".")
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _path(text):
    """Return a path whose steps are told from where the one before ended; Matplotlib tells all places."""
    at = start = (0, 0)
    steps = []
    for command, numbers in _STEP.findall(text):
        places = [round(float(number) * 100) for number in _NUMBER.findall(numbers)]
        if command not in _SIZES and command != "z":
            return text  # shortened already
        for i in range(0, len(places), _SIZES.get(command, 1)):
            part = places[i : i + _SIZES[command]]
            steps.append(_step(command if steps else "M", part, at if steps else (0, 0)))
            at = tuple(part[-2:])
            start = at if command == "M" else start
        if command == "z":
            steps.append(("z", ""))
            at = start
    return _join(steps)


def _step(command, places, at):
    """Return the letter and the numbers of a step from `at` to places: x, y, and before them those it bends towards."""
    change = [place - at[i % 2] for i, place in enumerate(places)]
    if command == "L" and 0 in change:
        letter, change = ("v", change[1:]) if change[0] == 0 else ("h", change[:1])
    else:
        letter = command if at == (0, 0) and command == "M" else command.lower()
    texts = [_place(number) for number in change]
    return letter, texts[0] + "".join(text if text.startswith("-") else f" {text}" for text in texts[1:])


def _join(steps):
    """Return steps as one text; a letter is not said again."""
    text, last = "", None
    for letter, numbers in steps:
        same = letter == last and letter != "z"
        text += (" " if same and not numbers.startswith("-") else "" if same else letter) + numbers
        last = {"M": "L", "m": "l"}.get(letter, letter)
    return text


def _write(part):
    """Return an element as text, attributes in single quotes."""
    spaces = " xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'"
    names = {_LINK: "xlink:href"}
    quoted = {name: escape(value, {"'": "&apos;"}) for name, value in part.attrib.items()}
    attributes = "".join(f" {names.get(name, name)}='{value}'" for name, value in quoted.items())
    tag = part.tag.removeprefix(_SVG)
    inside = escape(part.text or "") + "".join(map(_write, part))
    start = f"<{tag}{spaces if tag == 'svg' else ''}{attributes}"
    return f"{start}>{inside}</{tag}>" if inside else f"{start}/>"
