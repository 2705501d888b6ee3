import { Adam, Network, sigmoid, softplus } from "./nn.js";
import { Pixels, unpackImages } from "./pixels.js";
import { Axes, Figure, Loop, Player, Random, decimal, inflating, make } from "./shared.js";

// --- What is computed ---

// The published loop, line by line; the set `on` names the defects that it still has. G ends in a sigmoid. D ends in a
// logit, so softplus stands for the cross-entropy of a sigmoid.
export class SourceLoop {
  constructor({ generator, discriminator, rate }) {
    const adam = (network) => new Adam(network, { rate, beta1: 0.5 });
    this.generator = generator;
    this.discriminator = discriminator;
    this.own = adam(discriminator);
    this.joined = { generator: adam(generator), discriminator: adam(discriminator) }; // of noise → G → D → score
  }

  // One iteration on as many latents, real images and fresh latents, with a pause after each line; what happened is
  // noted in `seen`: the losses, and the images that D was handed with each label.
  *iterate({ latents, real, fresh }, on, seen) {
    const n = latents.length / this.generator.layers[0].inputs;
    const fakes = this.generator.forward(latents, n).slice();
    if (on.has("D10")) fakes.forEach((value, at) => (fakes[at] = Math.trunc(value))); // astype("uint8")
    const none = new Float32Array(0);
    const ones = on.has("D8") ? none : real;
    Object.assign(seen, { fakes, piles: [[fakes], on.has("D8") ? [] : [real]], called: NaN, generator: NaN });
    yield;
    seen.discriminator = this.trainDiscriminator(fakes, ones);
    yield;
    if (on.has("D11")) {
      seen.called = this.trainDiscriminator(none, fakes); // "train the generator"
      seen.piles[1].push(fakes);
      yield;
    }
    if (!on.has("D12")) seen.generator = this.trainGenerator(fresh, !on.has("D17"));
  }

  // Move D on images labelled 0 and images labelled 1; each kind counts by its mean. Returns the mean over all kinds.
  trainDiscriminator(zeros, ones) {
    const width = this.discriminator.layers[0].inputs;
    const [n, m] = [zeros.length / width, ones.length / width];
    const images = new Float32Array(zeros.length + ones.length);
    images.set(zeros);
    images.set(ones, zeros.length);
    const logits = this.discriminator.forward(images, n + m);
    const slopes = logits.map((logit, i) => (i < n ? sigmoid(logit) / n : -sigmoid(-logit) / m));
    const loss = logits.reduce((sum, logit, i) => sum + (i < n ? softplus(logit) / n : softplus(-logit) / m), 0);
    this.discriminator.clearGradients();
    this.discriminator.backward(slopes, n + m, { input: false });
    this.own.step();
    return loss / (Number(n > 0) + Number(m > 0));
  }

  // Move G, through a D that holds still if it is frozen, towards images that D calls real.
  trainGenerator(latents, frozen) {
    const n = latents.length / this.generator.layers[0].inputs;
    const logits = this.discriminator.forward(this.generator.forward(latents, n), n);
    const slopes = logits.map((logit) => -sigmoid(-logit) / n);
    const loss = logits.reduce((sum, logit) => sum + softplus(-logit) / n, 0);
    this.discriminator.clearGradients();
    const pull = this.discriminator.backward(slopes, n, { learn: !frozen });
    this.generator.clearGradients();
    this.generator.backward(pull, n, { input: false });
    this.joined.generator.step();
    if (!frozen) this.joined.discriminator.step();
    return loss;
  }
}

/**
 * Dense layers of these sizes as Keras starts them: ReLU, and `last` at the end.
 * @param {number[]} sizes
 * @param {string} last
 * @param {Random} [random]
 * @returns {Network}
 */
export function network(sizes, last, random) {
  const made = Network.dense(sizes, "relu", random);
  made.layers.at(-1).activation = last;
  return made;
}

/**
 * How far the weights are from the arrays `start`: the norm of the change over the norm of the start.
 * @param {Network} network
 * @param {Float32Array[]} start
 * @returns {number}
 */
export function moved(network, start) {
  let [change, whole] = [0, 0];
  network.weights.forEach((weight, number) => {
    const first = start[number];
    for (let at = 0; at < weight.length; at++) {
      change += (weight[at] - first[at]) ** 2;
      whole += first[at] ** 2;
    }
  });
  return Math.sqrt(change / whole);
}

/**
 * The standard deviation across images, averaged over the pixels.
 * @param {Float32Array[]} images
 * @returns {number}
 */
export function spread(images) {
  const size = images[0].length;
  let sum = 0;
  for (let at = 0; at < size; at++) {
    const mean = images.reduce((total, image) => total + image[at], 0) / images.length;
    sum += Math.sqrt(images.reduce((total, image) => total + (image[at] - mean) ** 2, 0) / images.length);
  }
  return sum / size;
}

// The numbers as rows of a size.
const rows = (flat, size) =>
  Array.from({ length: flat.length / size }, (_, row) => flat.slice(row * size, (row + 1) * size));

// Each image once in random order, then anew.
function* shuffled(images, random) {
  for (;;) {
    const order = [...images];
    for (let left = order.length; left > 0; left--) {
      const place = Math.floor(random.uniform() * left);
      yield order[place];
      order[place] = order[left - 1];
    }
  }
}

/**
 * Means over `width` numbers in a row, so that no curve has more points than there are pixels.
 * @param {number[]} numbers
 * @param {number} width
 * @returns {number[]}
 */
export function means(numbers, width) {
  return Array.from({ length: Math.ceil(numbers.length / width) }, (_, chunk) => {
    const some = numbers.slice(chunk * width, (chunk + 1) * width);
    return some.reduce((sum, one) => sum + one, 0) / some.length;
  });
}

const DEFECTS = [
  ["D8", "no real image reaches D"],
  ["D10", "fakes cut to whole numbers"],
  ["D11", "“G’s step” trains D"],
  ["D12", "nothing trains G"],
  ["D17", "D not frozen in a step of G"],
  ["D19", "samples cut before they are drawn"],
  ["D20", "samples drawn as one strip"],
];
const PLAYERS = ["discriminator", "generator"];
const SHOWN = 20; // samples

// A run of the loop, and what is known of it. The set `on` of its defects can be changed meanwhile.
class Run {
  seed = 0;
  on = new Set(DEFECTS.map(([name]) => name));

  constructor(recipe, digits) {
    this.recipe = recipe;
    this.digits = digits;
    this.size = recipe.side ** 2;
    this.latent = recipe.generator[0];
    this.fixed = new Random(1).normals(SHOWN * this.latent); // of the samples, the same at every iteration
    this.begin();
  }

  begin() {
    const { rate, generator, discriminator } = this.recipe;
    this.random = new Random(this.seed);
    this.real = shuffled(this.digits, this.random);
    this.networks = {
      generator: network(generator, "sigmoid", this.random),
      discriminator: network(discriminator, "linear", this.random),
    };
    this.loop = new SourceLoop({ ...this.networks, rate });
    this.start = PLAYERS.map((player) => this.networks[player].weights.map((weight) => weight.slice()));
    this.history = { discriminator: [], called: [], generator: [] };
    this.current = null; // the iteration that is being made
    this.seen = { piles: [[], []] }; // what happened in the last whole one
    this.visited = 0;
  }

  // Make the next line of an iteration; returns whether it was the last one.
  line() {
    this.current ??= this.iteration();
    if (!this.current.lines.next().done) return false;
    this.seen = this.current.seen;
    this.current = null;
    for (const name in this.history) this.history[name].push(this.seen[name]);
    return true;
  }

  iteration() {
    const { random, size, latent, on } = this;
    const { batch } = this.recipe;
    const real = new Float32Array(batch * size);
    for (let image = 0; image < batch; image++) real.set(this.real.next().value, image * size);
    if (!on.has("D8")) this.visited += batch;
    const [latents, fresh] = [random.normals(batch * latent), random.normals(batch * latent)];
    const seen = {};
    return { seen, lines: this.loop.iterate({ latents, real, fresh }, on, seen) };
  }

  // What the code would show.
  samples() {
    const made = rows(this.networks.generator.forward(this.fixed, SHOWN), this.size);
    return this.on.has("D19") ? made.map((image) => image.map(Math.trunc)) : made; // as astype("uint8") does
  }

  // How far D and G have moved.
  changes() {
    return PLAYERS.map((player, number) => moved(this.networks[player], this.start[number]));
  }
}

// --- What is shown ---

const ENDS = 100; // iterations that the source's program makes
const COLUMNS = 10;
const GAP = 2;
const LINES = [
  ["discriminator", "D", "blue"],
  ["called", "“G’s step”", "pink"],
  ["generator", "G", "orange"],
];

const grey = (value) => [255 * value, 255 * value, 255 * value];
const numeral = (count) => count.toLocaleString("en");
const percent = (share) => (share ? `${decimal(100 * share, share < 0.001 ? 4 : 1)}%` : "0%");

// The images of the loop, on a canvas.
class Images {
  constructor(side) {
    this.size = side * side;
    this.pixels = new Pixels(side);
    this.strip = make("canvas", { width: SHOWN, height: this.size }).getContext("2d");
  }

  // The first ten of a label's images, in equal parts from all that came with it.
  some(pile) {
    const share = COLUMNS / Math.max(1, pile.length);
    return pile.flatMap((images) => rows(images.subarray(0, share * this.size), this.size));
  }

  // Rows of images from a height on, under a name; returns the height where they end.
  drawSheet(context, width, colours, top, name, images) {
    const cell = (width - GAP * (COLUMNS - 1)) / COLUMNS;
    Object.assign(context, { textAlign: "left", textBaseline: "top", fillStyle: colours.ink });
    context.fillText(name, 0, top, width);
    images.forEach((image, place) => {
      const [x, y] = [(place % COLUMNS) * (cell + GAP), top + 16 + Math.floor(place / COLUMNS) * (cell + GAP)];
      this.pixels.paint(context, image, x, y, cell, colours, grey);
    });
    return top + 16 + Math.max(1, Math.ceil(images.length / COLUMNS)) * (cell + GAP) + 4;
  }

  // All samples as one picture: each is a column, one pixel wide.
  drawStrip(context, colours, top, height, images) {
    const image = this.strip.createImageData(SHOWN, this.size);
    images.forEach((one, column) =>
      one.forEach((value, row) => image.data.set([...grey(value), 255], 4 * (row * SHOWN + column))),
    );
    this.strip.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.strip.canvas, 0, top, 2 * SHOWN, height);
    context.strokeStyle = colours.soft; // a black strip on a dark page has an edge
    context.lineWidth = 1;
    context.strokeRect(0.5, top + 0.5, 2 * SHOWN - 1, height - 1);
  }

  draw(context, width, height, colours, { seen, on }, samples) {
    let top = 0;
    seen.piles.forEach((pile, label) => {
      const none = pile.length ? "" : ": nothing";
      top = this.drawSheet(context, width, colours, top, `Given to D with the label ${label}${none}`, this.some(pile));
    });
    if (on.has("D20")) {
      this.drawSheet(context, width, colours, top, `Samples, one strip of ${this.size} × ${SHOWN}`, []);
      this.drawStrip(context, colours, top + 16, height - top - 18, samples);
    } else this.drawSheet(context, width, colours, top, "Samples", samples);
  }
}

// Two to five round numbers from 0 to a limit.
function marks(limit) {
  const unit = 10 ** Math.floor(Math.log10(limit));
  const step = [2 * unit, unit, unit / 2].find((one) => limit / one >= 2);
  return Array.from({ length: Math.floor(limit / step) + 1 }, (_, i) => i * step);
}

// Where the line did not run, its loss is no number and the curve has a gap.
function drawCurve(axes, values, chunk, colour) {
  for (let at = 0; at < values.length; at++) {
    const from = at;
    while (Number.isFinite(values[at])) at++;
    const part = values.slice(from, at);
    if (part.length) axes.line(part.map((_, i) => (from + i + 1) * chunk), part, colour, 1.5);
  }
}

function drawLosses(context, width, height, colours, history) {
  const limit = Math.max(ENDS, history.generator.length);
  const chunk = Math.ceil(limit / width);
  const curves = LINES.map(([name, text, colour]) => [text, colours[colour], means(history[name], chunk)]);
  const known = curves.filter(([, , values]) => values.some(Number.isFinite));
  const top = Math.min(6, known.flatMap(([, , values]) => values).reduce((a, b) => (b > a ? b : a), 1.4));
  const room = { left: 32, top: 24, right: 14 };
  const axes = new Axes(context, width, height, colours, { x: [0, limit], y: [0, 1.1 * top], ...room });
  axes.ticks(marks(limit), marks(top), 1);
  axes.line([0, limit], [Math.LN2, Math.LN2], colours.ink, 1.2, [5, 4]);
  axes.line([ENDS, ENDS], [0, 1.1 * top], colours.soft, 1, [2, 3]);
  for (const [, colour, values] of known) drawCurve(axes, values.map((one) => Math.min(one, top)), chunk, colour);
  axes.legend(["Loss:", colours.soft], ...known, ["- - log 2", colours.ink], ["⋮ source ends", colours.soft]);
}

// Bars of how far D and G have moved.
function drawChanges(context, width, colours, changes) {
  const most = Math.max(1, ...changes); // the whole width is 100%, or the larger change
  Object.assign(context, { textAlign: "left", textBaseline: "middle" });
  [["D", colours.blue], ["G", colours.orange]].forEach(([text, colour], row) => {
    const y = 14 + 30 * row;
    context.fillStyle = colour;
    context.fillRect(0, y + 4, (changes[row] / most) * width, 8);
    context.strokeStyle = colours.line;
    context.strokeRect(0.5, y + 4.5, width - 1, 7);
    context.fillStyle = colours.ink;
    context.fillText(`Weights of ${text} moved by ${percent(changes[row])}`, 0, y - 5);
  });
}

function describe({ history, visited, digits, on, seen, recipe }, samples, changes, usual) {
  const passes = decimal(visited / digits.length, 1);
  const losses = LINES.filter(([name]) => Number.isFinite(seen[name]));
  const last = losses.map(([name, text]) => `${text} ${decimal(seen[name], 3)}`);
  return [
    `Iteration ${numeral(history.generator.length)}, ${passes} passes over the real digits.`,
    `${on.size} ${on.size === 1 ? "defect is" : "defects are"} on.`,
    losses.length
      ? `Loss of ${last.join(", ")} (log 2 is ${decimal(Math.LN2, 3)}).`
      : `${numeral(digits.length)} digits of ${recipe.side} × ${recipe.side} pixels, networks of a quarter of the ` +
        `source’s widths, batches of ${recipe.batch}, Adam at ${recipe.rate}.`,
    `Weights moved: D ${percent(changes[0])}, G ${percent(changes[1])}.`,
    `Spread of the samples ${decimal(spread(samples))}, of real digits ${decimal(usual)}.`,
  ].join(" ");
}

function addPictures(figure, run, player) {
  const images = new Images(run.recipe.side);
  const usual = spread(run.digits);
  let changes; // of the networks, when the picture was drawn
  figure.canvas({
    label: "What D was given with the labels 0 and 1 in the last iteration, and samples of G at the same latents",
    ratio: 0.6,
    draw: player.timed((context, width, height, colours) => {
      const samples = run.samples();
      images.draw(context, width, height, colours, run, samples);
      changes = run.changes();
      figure.say(describe(run, samples, changes, usual));
    }),
  });
  figure.canvas({
    label: "The losses over the iterations, with log 2 marked",
    ratio: 0.42,
    least: 140,
    draw: (context, width, height, colours) => drawLosses(context, width, height, colours, run.history),
  });
  figure.canvas({
    label: "How far the weights of D and of G have moved since the start, in bars",
    ratio: 0.15,
    least: 62,
    draw: (context, width, height, colours) => drawChanges(context, width, colours, changes),
  });
}

// A checkbox for each defect, and buttons for all.
function addSwitches(figure, on) {
  function set(name, broken) {
    if (broken) on.add(name);
    else on.delete(name);
    figure.redraw();
  }

  const switches = figure.row();
  const toggles = DEFECTS.map(([name, text]) =>
    figure.toggle({
      label: `${name}: ${text}`,
      value: true,
      change: (broken) => set(name, broken),
      into: switches,
    }),
  );
  const both = figure.row();
  const add = (label, broken) => {
    const press = () => {
      toggles.forEach((toggle) => toggle.set(broken));
      DEFECTS.forEach(([name]) => set(name, broken));
    };
    figure.button({ label, press, into: both });
  };
  add("All defects", true);
  add("No defect", false);
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const recipe = model.get("recipe");
  const run = new Run(recipe, unpackImages(model.get("digits"), recipe.side));

  function turn() {
    run.line();
    if (player.due) figure.redraw();
  }

  const player = new Player(figure, new Loop(figure, turn, () => Infinity), {
    step() {
      while (!run.line());
    },
    anew() {
      run.seed++;
      run.begin();
    },
  });
  addPictures(figure, run, player);
  addSwitches(figure, run.on);
  return () => figure.close();
}

export default { render: inflating(["digits"], render) };
