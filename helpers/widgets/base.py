"""What all interactive figures have in common: their script and style, made of files, and their text alternative."""

from pathlib import Path

import anywidget
from traitlets import Unicode, default

FOLDER = Path(__file__).parent


def script(*names):
    """Join JavaScript files to one module.

    Parameters
    ----------
    *names : str
        Files of this folder; later ones may use what earlier ones define. They import nothing.

    Returns
    -------
    str
    """
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


def style():
    """Return the style that all figures share."""
    return (FOLDER / "shared.css").read_text(encoding="utf-8")


class Figure(anywidget.AnyWidget):
    """An interactive figure; the package's docstring says how to make one.

    Attributes
    ----------
    title, alt : str
        Its name, and what it shows and lets one do, for readers who do not see it.
    uses : tuple of str
        Files of this folder that NAME.js needs beside shared.js.
    """

    uses = ()
    title = Unicode().tag(sync=True)
    alt = Unicode().tag(sync=True)
    _esm = Unicode().tag(sync=True)
    _css = Unicode().tag(sync=True)

    @classmethod
    def whole_script(cls):
        """Return NAME.js of the class in NAME.py, and before it what it builds on."""
        return script("shared.js", *cls.uses, f"{cls.__module__.rpartition('.')[2]}.js")

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
