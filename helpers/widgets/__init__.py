"""Interactive figures that compute in the browser, live in JupyterLab and Colab, and on the pages without a kernel.

A figure is an anywidget: Python hands over a title, a text alternative and the numbers it needs, JavaScript does the
rest. The page holds the figure's state, its script included, and `book/assets/anywidget-static.js` runs it there. So a
figure never asks Python for anything after its start.

How to make one
---------------
Write two files, NAME.py and NAME.js. In NAME.py:

>>> class NameOfFigure(Figure):
...     '''One sentence.'''
...
...     title = Unicode("Its name for those who do not see it").tag(sync=True)
...     alt = Unicode("What it shows and lets one do, in two sentences.").tag(sync=True)

Further traits tagged ``sync=True`` arrive in JavaScript as ``model.get("trait")``: numbers, strings, lists, dicts, and
``Bytes`` as a DataView, which the page holds deflated: ``inflating`` (below) gives them back. The weights of a trained
network: ``layers, weights = packing.pack(network, "int8")``, with a trait ``layers = List`` and a trait
``weights = Bytes``; in NAME.js ``unpack(layers, weights).forward(x, n)``.

In NAME.js, which may import from the other files here, and from nowhere else (base.py joins them to one module):

    import { Figure } from "./shared.js";

    function render({ model, el }) {
      const figure = new Figure(el, model);
      const picture = figure.canvas({ label: "…", ratio: 0.6, draw(context, width, height, colours) { … } });
      figure.slider({ label: "…", min: 0, max: 1, step: 0.01, value: 0.5, change(value) { …; update(); } });
      function update() { figure.redraw(); figure.say("Numbers and words that say what the picture shows."); }
      update();
      return () => figure.close();
    }
    export default { render };  // with bytes: { render: inflating(["weights"], render) }

`Figure` (shared.js) also has ``button``, ``row``, ``choice``, ``toggle``, ``drag`` (a pointer on a canvas), ``keys`` (a
canvas with a cursor; returns its switch) and, by ``{ beside: true }``, controls at the right. `Axes` draws curves,
`Loop` repeats work of a few milliseconds and leaves the page responsive; `ThreadLoop` does longer work in a `Thread` of
its own. `Player` gives a loop its buttons: play and pause, a step, a new start. `Random` draws numbers from a seed.
nn.js has `Network`, `Dense`, `LayerNorm`, `Adam` and `unpack`, convolution.js `UNet` and `unpackUNet` for what
``packing.pack_unet`` packed, plane.js points of a mixture.

Rules, which tests/helpers/widgets/test_widgets.py and tests/browser/test_figures.py hold for every file NAME.js here:

- each control is one of `Figure`'s, so that it has a label, works by keyboard and by touch, and is large enough for a
  finger; what a pointer does on a canvas can be done with a control, or with keys, too;
- colours come from ``colours``, the variables of shared.css, which follow light and dark; nothing moves by itself, and
  what moves has a button that stops it;
- the words of ``figure.say`` hold what the picture shows; while a loop runs they are not read out (``figure.quiet``);
- it fits into 300 px, makes no request, and a key's picture comes within a frame: add to ``KEYS`` of the browser's
  tests which key to press;
- whatever computes is an ``export``ed function or class of its own, and a test there holds it to Python's numbers.

In the chapter the cell is ``NameOfFigure()`` alone, tagged ``hide-input``, with a caption in its metadata
(``mystnb: {figure: {caption: ...}}``) that says what to try. `make execute` keeps its state in the .ipynb.
"""
