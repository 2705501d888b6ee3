import { Adam, Network, sigmoid, softplus } from "./nn.js";
import { VIEW, drawDots, placeOn, sample } from "./plane.js";
import { Figure, Player, Random, Thread, ThreadLoop, channels, clamp, decimal, make, range } from "./shared.js";

// --- What is computed ---

const BATCH = 128;
const SHAPE = { latent: 2, hidden: [64, 64], point: 2 };
const zero = () => 0;

// Each is [value, slope by the real logit, slope by the fake one] of one pair; a loss is the mean over the pairs.
const crossEntropy = [(r, f) => softplus(-r) + softplus(f), (r) => -sigmoid(-r), (r, f) => sigmoid(f)];
const score = [(r, f) => -f, zero, () => -1];
export const LOSSES = {
  minimax: { discriminator: crossEntropy, generator: [(r, f) => -softplus(f), zero, (r, f) => -sigmoid(f)] },
  non_saturating: { discriminator: crossEntropy, generator: [(r, f) => softplus(-f), zero, (r, f) => -sigmoid(-f)] },
  least_squares: {
    discriminator: [(r, f) => ((r - 1) ** 2 + f ** 2) / 2, (r) => r - 1, (r, f) => f],
    generator: [(r, f) => (f - 1) ** 2 / 2, zero, (r, f) => f - 1],
  },
  hinge: {
    discriminator: [
      (r, f) => Math.max(0, 1 - r) + Math.max(0, 1 + f),
      (r) => (r < 1 ? -1 : 0),
      (r, f) => (f > -1 ? 1 : 0),
    ],
    generator: score,
  },
  wasserstein: { discriminator: [(r, f) => f - r, () => -1, () => 1], generator: score },
  relativistic: {
    discriminator: [(r, f) => softplus(f - r), (r, f) => -sigmoid(f - r), (r, f) => sigmoid(f - r)],
    generator: [(r, f) => softplus(r - f), (r, f) => sigmoid(r - f), (r, f) => -sigmoid(r - f)],
  },
};
const RELATIVE = ["wasserstein", "relativistic"]; // only differences of their logits mean something

function meanAndSpread(numbers) {
  const mean = numbers.reduce((sum, one) => sum + one) / numbers.length;
  return [mean, Math.sqrt(numbers.reduce((sum, one) => sum + (one - mean) ** 2, 1e-6) / numbers.length)];
}

export class Gan {
  // The networks start as Keras's would, from the random numbers, unless they are given.
  constructor({ loss, penalty = "none", gamma = 0, rate = 1e-3, random, generator, discriminator }) {
    const { latent, hidden, point } = SHAPE;
    this.generator = generator ?? Network.dense([latent, ...hidden, point], "relu", random);
    this.discriminator = discriminator ?? Network.dense([point, ...hidden, 1], "relu", random);
    const adam = (network) => new Adam(network, { rate, beta1: 0, beta2: 0.99 }); // the book's recipe
    this.adams = { generator: adam(this.generator), discriminator: adam(this.discriminator) };
    this.loss = loss;
    this.penalty = penalty;
    this.gamma = gamma;
  }

  set rate(rate) {
    for (const adam of Object.values(this.adams)) adam.rate = rate;
  }

  // Move D on n real points and as many fakes, made of `latents`; return its loss, without the penalty.
  stepDiscriminator(real, latents) {
    const n = real.length / SHAPE.point;
    const points = new Float32Array(2 * real.length);
    points.set(real);
    points.set(this.generator.forward(latents, n), real.length);
    const logits = this.discriminator.forward(points, 2 * n);
    const { value, slopes } = this.mean("discriminator", logits.subarray(0, n), logits.subarray(n));
    this.discriminator.clearGradients();
    if (this.penalty === "none") this.discriminator.backward(slopes, 2 * n, { input: false });
    else this.discriminator.learnWithPenalty(slopes, this.factors(n), 2 * n);
    this.adams.discriminator.step();
    return value;
  }

  // The factors of ‖∇D‖² in γ/2 times its mean over n real points (R1), and over as many fakes as well (R1 + R2).
  factors(n) {
    return new Float32Array(2 * n).fill(this.gamma / (2 * n), 0, this.penalty === "R1" ? n : 2 * n);
  }

  // Move G through a D that stays as it is; the real points count in a relativistic loss only.
  stepGenerator(latents, real) {
    const n = latents.length / SHAPE.latent;
    const relative = LOSSES[this.loss].generator[1] !== zero;
    const realLogits = relative ? this.discriminator.forward(real, n).slice() : new Float32Array(n);
    const logits = this.discriminator.forward(this.generator.forward(latents, n), n);
    const { value, slopes } = this.mean("generator", realLogits, logits);
    const pull = this.discriminator.backward(slopes.subarray(n), n, { learn: false });
    this.generator.clearGradients();
    this.generator.backward(pull, n, { input: false });
    this.adams.generator.step();
    return value;
  }

  // The mean of a loss over pairs of logits, and its slopes, those by the real ones first.
  mean(player, real, fake) {
    const [value, byReal, byFake] = LOSSES[this.loss][player];
    const n = real.length;
    const slopes = new Float32Array(2 * n);
    let sum = 0;
    for (let i = 0; i < n; i++) {
      sum += value(real[i], fake[i]);
      slopes[i] = byReal(real[i], fake[i]) / n;
      slopes[n + i] = byFake(real[i], fake[i]) / n;
    }
    return { value: sum / n, slopes };
  }

  // Where G's loss pulls each of n points: minus the slope of its term, by the point.
  pull(points, n, realLogit) {
    const logits = this.discriminator.forward(points, n);
    const [, , byFake] = LOSSES[this.loss].generator;
    const slopes = logits.map((logit) => -byFake(realLogit, logit));
    return this.discriminator.backward(slopes, n, { learn: false });
  }
}

/**
 * How points cover a mixture, as helpers.metrics.mode_coverage counts it.
 * @param {ArrayLike<number>} points
 * @param {{centers: number[][], std: number}} mixture
 * @returns {{modes: number, quality: number}}
 */
export function coverage(points, { centers, std }) {
  const counts = new Array(centers.length).fill(0);
  for (let at = 0; at < points.length; at += 2) {
    let [nearest, least] = [-1, Infinity];
    for (let mode = 0; mode < centers.length; mode++) {
      const square = (points[at] - centers[mode][0]) ** 2 + (points[at + 1] - centers[mode][1]) ** 2;
      if (square < least) [nearest, least] = [mode, square];
    }
    if (Math.sqrt(least) < 3 * std) counts[nearest]++;
  }
  const good = counts.reduce((sum, count) => sum + count);
  return { modes: counts.filter((count) => count > 0).length, quality: (2 * good) / points.length };
}

const PLAYERS = ["discriminator", "generator"];

// A GAN in training. Its `state` is all that a step changes, which one thread can hand to another.
export class Training {
  steps = { discriminator: 0, generator: 0 };
  losses = {};

  constructor(settings, seed = 0) {
    this.random = new Random(seed);
    this.gan = new Gan({ ...settings, random: this.random });
  }

  get state() {
    const players = PLAYERS.map((player) => {
      const { network, means, squares, steps } = this.gan.adams[player];
      return { weights: network.weights, means, squares, steps };
    });
    return { players, random: this.random.state, steps: this.steps, losses: this.losses };
  }

  set state({ players, random, steps, losses }) {
    PLAYERS.forEach((player, number) => {
      const { weights, ...moments } = players[number];
      const adam = Object.assign(this.gan.adams[player], moments);
      adam.network.weights.forEach((weight, at) => weight.set(weights[at]));
    });
    this.random.state = random;
    this.steps = steps;
    this.losses = losses;
  }

  // One step of D, of G, or of both, on points of a mixture.
  step(mixture, who) {
    const { gan, random } = this;
    const real = sample(mixture, BATCH, random);
    const move = {
      discriminator: () => gan.stepDiscriminator(real, random.normals(2 * BATCH)),
      generator: () => gan.stepGenerator(random.normals(2 * BATCH), real),
    };
    for (const player of who === "both" ? PLAYERS : [who]) {
      this.losses[player] = move[player]();
      this.steps[player]++;
    }
  }
}

// The state after so many further steps, or as many as there is time for.
export function train({ settings, state, mixture, who, steps, milliseconds }) {
  const training = new Training(settings);
  training.state = state;
  const end = performance.now() + milliseconds;
  for (let made = 0; made < steps && performance.now() < end; made++) training.step(mixture, who);
  return training.state;
}

const PEN = 0.06; // spread of the real points around a drawn one
const REAL = 256; // real points to look at

const frameShown = () => new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)));

// What is played: the settings, the target, the training towards it, and some real points of the target.
class Game {
  ahead = null; // the step that the thread has made already, and from where

  constructor(settings, mixtures) {
    this.settings = settings;
    this.mixtures = { ...mixtures, drawn: { centers: [], std: PEN } };
    this.begin();
  }

  get target() {
    return this.mixtures[this.settings.data];
  }

  get gan() {
    return this.training.gan;
  }

  begin() {
    this.training = new Training(this.settings, this.settings.seed);
    this.aim(this.settings.data);
  }

  // Another target, the same networks.
  aim(data) {
    this.settings.data = data;
    this.real = this.target.centers.length ? sample(this.target, REAL, new Random(2)) : new Float32Array(0);
  }

  // What the GAN keeps of the settings can be changed while it learns.
  set(name, value) {
    this.settings[name] = value;
    const { loss, penalty, gamma, rate } = this.settings;
    Object.assign(this.gan, { loss, penalty, gamma, rate });
  }

  // For `train`, here or in a thread.
  task(steps, milliseconds) {
    const { settings, training, target } = this;
    return { settings, state: training.state, mixture: target, who: settings.who, steps, milliseconds };
  }

  // A single step is there at once, for the thread makes the next one before it is asked for.
  async step(thread) {
    const situation = () => JSON.stringify([this.settings, this.training.steps, this.mixtures.drawn.centers]);
    if (this.ahead?.from === situation()) this.training.state = this.ahead.result;
    else this.training.step(this.target, this.settings.who);
    await frameShown(); // which the thread's work would delay on a busy machine
    const from = situation();
    this.ahead = { from, result: await thread.ask(this.task(1, Infinity)) };
  }
}

// --- What is shown ---

const MAP = 24; // places of D's map along an axis
const NET = 16; // lines of G's net along an axis, and points on each
const SHOWN = { fake: 384, arrows: 48 };
const SPEEDS = [1, 5, 25, 100, Infinity]; // steps a second
const SLICES = 25; // a second, at most: how often the thread that trains tells what it has
const GAMMAS = [0.001, 0.01, 0.03, 0.1, 0.3, 1];
const RATES = [0.0001, 0.0003, 0.001, 0.003];
const NAMES = {
  minimax: "minimax",
  non_saturating: "non-saturating",
  least_squares: "least squares",
  hinge: "hinge",
  wasserstein: "Wasserstein",
  relativistic: "relativistic",
};

// Latents on a square net from −2 to 2.
function netLatents() {
  const ticks = range(-2, 2, NET - 1);
  return Float32Array.from([...ticks].flatMap((y) => [...ticks].flatMap((x) => [x, y])));
}

function mapPoints() {
  const points = [];
  for (let row = 0; row < MAP; row++)
    for (let column = 0; column < MAP; column++)
      points.push(((2 * column + 1) / MAP - 1) * VIEW, (1 - (2 * row + 1) / MAP) * VIEW);
  return Float32Array.from(points);
}

// D's answers on a grid, as colours.
class AnswerMap {
  points = mapPoints();
  context = make("canvas", { width: MAP, height: MAP }).getContext("2d");
  image = this.context.createImageData(MAP, MAP);

  update({ gan, settings }, colours) {
    const logits = gan.discriminator.forward(this.points, MAP * MAP);
    const [middle, unit] = RELATIVE.includes(settings.loss) ? meanAndSpread(logits) : [0, 1];
    const [cold, paper, warm] = ["cold", "paper", "warm"].map((name) => channels(colours[name]));
    const { data } = this.image;
    logits.forEach((logit, i) => {
      const sure = 2 * sigmoid((logit - middle) / unit) - 1; // −1: taken for fake, 1: for real
      const end = sure > 0 ? cold : warm;
      for (let c = 0; c < 3; c++) data[4 * i + c] = paper[c] + Math.abs(sure) * (end[c] - paper[c]);
      data[4 * i + 3] = 255;
    });
    this.context.putImageData(this.image, 0, 0);
  }
}

function drawNet(context, net, place, colour) {
  Object.assign(context, { strokeStyle: colour, lineWidth: 0.7 });
  context.beginPath();
  /** @returns {[number, number]} */
  const point = (row, column) => [place(net[2 * (NET * row + column)]), place(-net[2 * (NET * row + column) + 1])];
  for (let line = 0; line < NET; line++) {
    context.moveTo(...point(line, 0));
    for (let i = 1; i < NET; i++) context.lineTo(...point(line, i));
    context.moveTo(...point(0, line));
    for (let i = 1; i < NET; i++) context.lineTo(...point(i, line));
  }
  context.stroke();
}

// From [x, y] along [dx, dy], as long as the pull is strong, up to a tenth of the picture.
function makeArrows({ gan, real }, fake) {
  const some = fake.slice(0, 2 * SHOWN.arrows);
  const logits = real.length ? gan.discriminator.forward(real.subarray(0, some.length), SHOWN.arrows) : [0];
  const pull = gan.pull(some, SHOWN.arrows, logits.reduce((sum, one) => sum + one) / logits.length);
  return Array.from({ length: SHOWN.arrows }, (_, i) => {
    const [dx, dy] = pull.subarray(2 * i, 2 * i + 2);
    const strength = Math.hypot(dx, dy) + 1e-6;
    const length = (0.4 * Math.tanh(strength)) / strength;
    return [some[2 * i], some[2 * i + 1], length * dx, length * dy];
  });
}

function drawArrows(context, arrows, place, colour, unit) {
  Object.assign(context, { strokeStyle: colour, lineWidth: 1.2 });
  context.beginPath();
  for (const [fromX, fromY, alongX, alongY] of arrows) {
    const [dx, dy] = [unit * alongX, -unit * alongY];
    const [x, y] = [place(fromX) + dx, place(-fromY) + dy];
    context.moveTo(x - dx, y - dy);
    context.lineTo(x, y);
    context.lineTo(x - 0.3 * dx - 0.15 * dy, y - 0.3 * dy + 0.15 * dx);
    context.moveTo(x, y);
    context.lineTo(x - 0.3 * dx + 0.15 * dy, y - 0.3 * dy - 0.15 * dx);
  }
  context.stroke();
}

// The plane with points, and with what is chosen of the rest.
class Picture {
  behind = false; // whether ground and arrows are older than the points
  chosen = { map: true, arrows: true, net: false };
  arrows = [];
  cursor = { x: 0, y: 0 }; // of the drawing by hand
  map = new AnswerMap();

  constructor(figure, game) {
    this.figure = figure;
    this.game = game;
    const fixed = new Random(1); // of what is looked at, the same at every step
    this.latents = fixed.normals(2 * SHOWN.fake);
    this.net = netLatents();
  }

  draw(context, width, colours) {
    const { figure, game, chosen } = this;
    const { generator } = game.gan;
    const place = placeOn(width);
    const fake = generator.forward(this.latents, SHOWN.fake).slice();
    // After a key or a touch the points move at once, and the rest, which takes longer, in the next frame.
    this.behind = !this.behind;
    if (this.behind) figure.redraw();
    else {
      if (chosen.map) this.map.update(game, colours);
      if (chosen.arrows) this.arrows = makeArrows(game, fake);
    }
    if (chosen.map) context.drawImage(this.map.context.canvas, 0, 0, width, width);
    if (chosen.net) drawNet(context, generator.forward(this.net, NET * NET), place, colours.soft);
    drawDots(context, game.real, place, 4, colours.real);
    drawDots(context, fake, place, 2.5, colours.fake);
    if (chosen.arrows) drawArrows(context, this.arrows, place, colours.ink, width / (2 * VIEW));
    if (game.settings.data === "drawn") {
      const [x, y] = [place(this.cursor.x), place(-this.cursor.y)];
      context.fillStyle = colours.ink;
      context.fillRect(x - 8, y - 1, 16, 2);
      context.fillRect(x - 1, y - 8, 2, 16);
    }
    figure.say(describe(game, fake));
  }

  // A whole one, in the next frame.
  renew() {
    this.behind = true;
    this.figure.redraw();
  }
}

function describe({ training, real, settings, target }, fake) {
  const numeral = (count) => count.toLocaleString("en");
  const { steps, losses } = training;
  const parts = [`Steps of D ${numeral(steps.discriminator)}, of G ${numeral(steps.generator)}.`];
  const known = [["of D", losses.discriminator], ["of G", losses.generator]].filter(([, loss]) => loss !== undefined);
  if (known.length) parts.push(`Loss ${known.map(([of, loss]) => `${of} ${decimal(loss)}`).join(", ")}.`);
  if (!real.length) return [...parts, "Draw some real points first."].join(" ");
  const { modes, quality } = coverage(fake, target);
  const percent = `${Math.round(100 * quality)}%`;
  parts.push(
    settings.data === "drawn"
      ? `${percent} of the generated points are near a drawn one.`
      : `${modes} of ${target.centers.length} modes covered; ${percent} of high quality.`,
  );
  return parts.join(" ");
}

// Play, Step and Start anew: the work is done in a thread.
function addPlayer(figure, game, picture, script) {
  const thread = new Thread(figure, script, "train");
  const rate = () => Math.min(SPEEDS[game.settings.speed], SLICES);
  const loop = new ThreadLoop(figure, thread, {
    step: () => game.task(game.real.length ? SPEEDS[game.settings.speed] / rate() : 0, 1000 / SLICES),
    take(state) {
      game.training.state = state;
      if (player.due) picture.renew();
    },
    rate,
  });
  const player = new Player(figure, loop, {
    step() {
      if (game.real.length) game.step(thread);
    },
    anew() {
      game.settings.seed++;
      game.begin();
    },
  });
  return player;
}

function addSettings(figure, game) {
  const { settings } = game;
  const set = (name, value) => {
    game.set(name, value);
    figure.redraw();
  };
  const pick = (label, name, options) =>
    figure.choice({ label, options, value: settings[name], change: (value) => set(name, value) });
  const slide = (label, name, values) =>
    figure.slider({
      label,
      min: 0,
      max: values.length - 1,
      step: 1,
      value: values.indexOf(settings[name]),
      text: (index) => String(values[index]),
      change: (index) => set(name, values[index]),
    });
  pick("Who learns", "who", [["both", "both"], ["discriminator", "D only"], ["generator", "G only"]]);
  figure.slider({
    label: "Steps a second",
    min: 0,
    max: SPEEDS.length - 1,
    step: 1,
    value: settings.speed,
    text: (index) => (SPEEDS[index] === Infinity ? "all it can" : String(SPEEDS[index])),
    change: (index) => (settings.speed = index),
  });
  pick("Loss", "loss", Object.entries(NAMES));
  pick("Penalty on D", "penalty", ["none", "R1", "R1 + R2"].map((name) => [name, name]));
  slide("Its weight γ", "gamma", GAMMAS);
  slide("Learning rate", "rate", RATES);
}

// What is seen, in the same row as the button that clears the drawing.
function addTools(figure, chosen) {
  const into = figure.row();
  for (const [name, label] of [["map", "Map of D"], ["arrows", "Pull on fakes"], ["net", "Net of G"]]) {
    const change = (on) => {
      chosen[name] = on;
      figure.redraw();
    };
    figure.toggle({ label, value: chosen[name], change, into });
  }
  return into;
}

// The real points: one of the mixtures, or drawn by hand on the canvas.
function addTarget(figure, game, { cursor, chosen }, canvas) {
  const { drawn } = game.mixtures;
  figure.choice({
    label: "Real points",
    options: [["ring", "ring of 8"], ["grid", "grid of 25"], ["drawn", "drawn by hand"]],
    value: game.settings.data,
    change: choose,
  });
  const clear = figure.button({ label: "Clear the drawing", press: () => draw([]), into: addTools(figure, chosen) });
  const useKeys = figure.keys(canvas, {
    arrows(dx, dy) {
      cursor.x = clamp(cursor.x + 0.1 * dx, -VIEW, VIEW);
      cursor.y = clamp(cursor.y - 0.1 * dy, -VIEW, VIEW);
      figure.redraw();
    },
    act: () => draw([...drawn.centers, [cursor.x, cursor.y]]),
  });

  function choose(data) {
    const drawing = data === "drawn";
    useKeys(drawing);
    clear.hidden = !drawing;
    canvas.style.touchAction = drawing ? "none" : "auto"; // else a finger scrolls the page
    game.aim(data);
    figure.redraw();
  }

  function draw(centers) {
    drawn.centers = centers;
    game.aim("drawn");
    figure.redraw();
  }

  function mark(x, y) {
    const [last] = drawn.centers.slice(-1);
    const at = (pixel) => ((2 * pixel) / canvas.clientWidth - 1) * VIEW;
    const here = [at(x), -at(y)];
    if (!last || Math.hypot(last[0] - here[0], last[1] - here[1]) > PEN) draw([...drawn.centers, here]);
  }

  figure.drag(canvas, {
    down(x, y) {
      if (game.settings.data !== "drawn") return false;
      mark(x, y);
      return true;
    },
    move: mark,
  });
  choose(game.settings.data);
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const settings = { ...model.get("start"), speed: SPEEDS.length - 1, who: "both", seed: 0 };
  const game = new Game(settings, model.get("mixtures"));
  const picture = new Picture(figure, game);
  const player = addPlayer(figure, game, picture, model.get("_esm"));
  const canvas = figure.canvas({
    label:
      "Real points, generated points and the discriminator's answer in the plane. With data drawn by hand: " +
      "draw with a pointer, or move the cross with the arrow keys and set a point with Enter.",
    ratio: 1,
    draw: player.timed((context, width, height, colours) => picture.draw(context, width, colours)),
  });
  addSettings(figure, game);
  addTarget(figure, game, picture, canvas);
  return () => figure.close();
}

export default { render };
