"""What all interactive figures have in common: their script and style, made of files, and their text alternative."""

import re
import zlib
from pathlib import Path

import anywidget
from traitlets import Unicode, default

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import \{([\w\s,]*)\} from "\./(\w+\.js)";\n', re.MULTILINE)  # the only way to import
COMMENT = re.compile(r"^ *(?://.*|/\*\*(?:.|\n)*?\*/)\n", re.MULTILINE)  # lines of nothing else


def script(name):
    """Join a JavaScript file and what it imports to one module, without the import statements and the comments.

    Parameters
    ----------
    name : str
        A file of this folder. It and the others import by name from files of this folder, and from nowhere else; no two
        of them give the same name to something at their top level.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a file that is imported is missing, or imports itself by way of others.
    """
    return "\n".join(COMMENT.sub("", IMPORT.sub("", _text(one))) for one in _ordered(name))


def _ordered(name, way=()):
    """Return the names of the files that a file needs, each once and behind those that it imports itself."""
    if name in way:
        raise ValueError(f"{name} imports itself: {' → '.join([*way, name])}")
    if not (FOLDER / name).is_file():
        raise ValueError(f"{name} is not in {FOLDER}" + (f", but {way[-1]} imports it" if way else ""))
    found = [one for _, imported in IMPORT.findall(_text(name)) for one in _ordered(imported, (*way, name))]
    return [*dict.fromkeys(found), name]


def _text(name):
    """Return what a file of this folder holds."""
    return (FOLDER / name).read_text(encoding="utf-8")


def style():
    """Return the style that all figures share."""
    return _text("shared.css")


class Figure(anywidget.AnyWidget):
    """An interactive figure; the package's docstring says how to make one.

    Attributes
    ----------
    title, alt : str
        Its name, and what it shows and lets one do, for readers who do not see it.
    """

    title = Unicode().tag(sync=True)
    alt = Unicode().tag(sync=True)
    _esm = Unicode().tag(sync=True)
    _css = Unicode().tag(sync=True)

    @classmethod
    def whole_script(cls):
        """Return NAME.js of the class in NAME.py, and before it what it imports."""
        return script(f"{cls.__module__.rpartition('.')[2]}.js")

    @staticmethod
    def _trait_to_json(value, widget):
        """Return a trait's value as the page has it: bytes are deflated; `inflating` in shared.js undoes it."""
        if isinstance(value, dict):
            return {key: Figure._trait_to_json(one, widget) for key, one in value.items()}
        return zlib.compress(value, 9) if isinstance(value, bytes) else value

    @default("_esm")
    def _join_script(self):
        """Return the script, as a traitlet's default."""
        return self.whole_script()

    @default("_css")
    def _read_style(self):
        """Return the style that all figures share, as a traitlet's default."""
        return style()

    def _repr_mimebundle_(self, **kwargs):
        """Return anywidget's bundle, with words for where no script runs, such as on GitHub."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/plain": f"Interactive figure: {self.title}. {self.alt}"}, metadata
