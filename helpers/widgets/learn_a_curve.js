import { Adam, Network } from "./nn.js";
import { Axes, Figure, Loop, Player, Random, decimal, range } from "./shared.js";

// --- What is computed ---

/** @typedef {{rule: string, rate: number, batch: number, units: number}} Settings `rule` is "descent" or "Adam" */

/** A network of one hidden layer and points (x, y), to which it is fitted step by step by squared error. */
export class Fit {
  steps = 0;
  seen = 0; // points in all steps so far
  /** @type {number[][]} */
  losses = []; // [epochs, loss over all points]
  /** @type {number[]} */
  order = []; // in which the points of this epoch come that are still to come

  /**
   * @param {Network} network
   * @param {number[]} x
   * @param {number[]} y
   * @param {Settings} settings may change between steps
   * @param {{uniform: () => number}} random of the order
   */
  constructor(network, x, y, settings, random) {
    this.network = network;
    this.x = Float32Array.from(x);
    this.y = Float32Array.from(y);
    this.settings = settings;
    this.random = random;
    this.adam = new Adam(network, { rate: settings.rate });
    this.note();
  }

  get epochs() {
    return this.seen / this.x.length;
  }

  // The mean squared error over all points.
  get loss() {
    const outputs = this.network.forward(this.x, this.x.length);
    return outputs.reduce((sum, output, i) => sum + (output - this.y[i]) ** 2, 0) / this.x.length;
  }

  // The numbers of the next points: an epoch has each point once, in an order of its own.
  take() {
    if (!this.order.length) {
      const keys = this.x.map(() => this.random.uniform());
      this.order = Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]);
    }
    return this.order.splice(0, this.settings.batch);
  }

  // One step: the gradient on a batch, then the move of the weights.
  step() {
    const { network } = this;
    const rows = this.take();
    const outputs = network.forward(Float32Array.from(rows, (row) => this.x[row]), rows.length);
    network.clearGradients();
    const slopes = outputs.map((output, i) => (2 * (output - this.y[rows[i]])) / rows.length);
    network.backward(slopes, rows.length, { input: false });
    this.move();
    this.steps++;
    this.seen += rows.length;
    this.note();
  }

  move() {
    const { rule, rate } = this.settings;
    const { weights, gradients } = this.network;
    this.adam.rate = rate;
    if (rule === "Adam") this.adam.step();
    else weights.forEach((weight, number) => weight.forEach((_, at) => (weight[at] -= rate * gradients[number][at])));
  }

  note() {
    this.losses.push([this.epochs, this.loss]);
    if (this.losses.length > 2000) this.losses = this.losses.filter((_, at) => at % 2 === 0);
  }
}

// --- What is shown ---

const RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1];
const BATCHES = [1, 2, 4, 8, 16, 32, 64];
const UNITS = [1, 2, 4, 8, 16, 32];
const SPEEDS = [2, 8, 32, 128, 512];
const PLOT = { x: [-2.1, 2.1], y: [-1.6, 1.6] };
const GRID = Float32Array.from(range(-2.1, 2.1, 140));
const LOSSES = [0.005, 2]; // from the bottom to the top of the plot of losses

function drawFit(axes, { network, x, y }, parts, colours) {
  const { context } = axes;
  context.save();
  context.beginPath();
  const [top, bottom] = [axes.py(PLOT.y[1]), axes.py(PLOT.y[0])];
  context.rect(axes.left, top, axes.px(PLOT.x[1]) - axes.left, bottom - top);
  context.clip();
  const curve = network.forward(GRID, GRID.length).slice();
  const [hidden, last] = network.layers;
  const column = (unit) => GRID.map((_, i) => hidden.y[i * hidden.outputs + unit] * last.kernel[unit]);
  if (parts) for (let unit = 0; unit < hidden.outputs; unit++) axes.line(GRID, column(unit), colours.green, 1);
  x.forEach((one, i) => axes.dot(one, y[i], colours.blue, 2.5));
  axes.line(GRID, curve, colours.orange, 2.5);
  context.restore();
}

// The losses on a logarithmic axis; `floor` is what the noise of the points alone leaves.
function drawLosses(context, width, height, colours, { losses, epochs }, floor) {
  const level = (loss) => Math.log10(Math.min(Math.max(loss, LOSSES[0]), LOSSES[1]));
  const right = [4, 10, 20, 40, 100, 200, 400, 1000, 2000, 4000].find((end) => end >= epochs) ?? epochs;
  const limits = { x: [0, right], y: LOSSES.map(Math.log10), top: 22, right: 18 };
  const axes = new Axes(context, width, height, colours, limits);
  axes.ticks([0, right / 2, right], []);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const loss of [0.01, 0.1, 1]) {
    axes.line([0, right], [Math.log10(loss), Math.log10(loss)], colours.line, 1);
    context.fillStyle = colours.soft;
    context.fillText(String(loss), axes.left - 5, axes.py(Math.log10(loss)));
  }
  axes.line([0, right], [level(floor), level(floor)], colours.blue, 1.5, [5, 4]);
  const known = losses.filter(([, loss]) => Number.isFinite(loss));
  axes.line(known.map(([at]) => at), known.map(([, loss]) => level(loss)), colours.orange, 2);
  axes.legend(["loss over the epochs", colours.orange], ["- - noise alone", colours.blue]);
}

function describe({ steps, epochs, loss, x, settings }) {
  const numeral = (count) => count.toLocaleString("en");
  const done = `Steps ${numeral(steps)}, epochs ${decimal(epochs, 1)}`;
  if (!Number.isFinite(loss)) return `${done}. The weights have left all bounds: choose a lower rate and start anew.`;
  const points = Math.min(settings.batch, x.length);
  return `${done}; ${points} of ${x.length} points a step. Loss over all points: ${decimal(loss, 4)}.`;
}

// A slider whose positions are the entries of a list.
function addSlider(figure, settings, label, name, values, changed = () => figure.redraw()) {
  figure.slider({
    label,
    min: 0,
    max: values.length - 1,
    step: 1,
    value: values.indexOf(settings[name]),
    text: (index) => String(values[index]),
    change(index) {
      settings[name] = values[index];
      changed();
    },
  });
}

function addControls(figure, settings, begin) {
  figure.choice({
    label: "Rule",
    options: [["descent", "descent"], ["Adam", "Adam"]],
    value: settings.rule,
    change: (rule) => (settings.rule = rule),
  });
  addSlider(figure, settings, "Learning rate", "rate", RATES);
  addSlider(figure, settings, "Points in a batch", "batch", BATCHES);
  addSlider(figure, settings, "Hidden units", "units", UNITS, begin);
  addSlider(figure, settings, "Steps a second", "speed", SPEEDS);
  figure.toggle({
    label: "Each hidden unit",
    value: settings.parts,
    change(on) {
      settings.parts = on;
      figure.redraw();
    },
    into: figure.row(),
  });
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const settings = { ...model.get("start"), speed: 128, parts: false, seed: 0 };
  let fit;

  function begin() {
    const random = new Random(settings.seed);
    const network = Network.dense([1, settings.units, 1], "tanh", random);
    fit = new Fit(network, model.get("x"), model.get("y"), settings, random);
    figure.redraw();
  }

  function step() {
    fit.step();
    if (!Number.isFinite(fit.loss)) player.play(false);
    if (player.due || !loop.running) figure.redraw();
  }

  const loop = new Loop(figure, step, () => settings.speed);
  const player = new Player(figure, loop, {
    step,
    anew() {
      settings.seed++;
      begin();
    },
  });
  figure.canvas({
    label: "The points and the network's curve",
    ratio: 0.7,
    draw: player.timed((context, width, height, colours) => {
      const axes = new Axes(context, width, height, colours, { ...PLOT, top: 22 });
      axes.ticks([-2, -1, 0, 1, 2], [-1, 0, 1]);
      drawFit(axes, fit, settings.parts, colours);
      axes.legend(["points", colours.blue], ["network", colours.orange]);
      figure.say(describe(fit));
    }),
  });
  figure.canvas({
    label: "The loss over all points, epoch by epoch",
    ratio: 0.4,
    least: 130,
    draw: (context, width, height, colours) =>
      drawLosses(context, width, height, colours, fit, model.get("floor")),
  });
  addControls(figure, settings, begin);
  begin();
  return () => figure.close();
}

export default { render };
