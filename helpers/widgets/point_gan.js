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
    Object.assign(this, { loss, penalty, gamma });
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

// How points cover a mixture, as helpers.metrics.mode_coverage counts it.
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
  constructor(settings, seed = 0) {
    this.random = new Random(seed);
    this.gan = new Gan({ ...settings, random: this.random });
    this.steps = { discriminator: 0, generator: 0 };
    this.losses = {};
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
    Object.assign(this, { steps, losses });
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

// --- What is shown ---

const MAP = 24; // places of D's map along an axis
const NET = 16; // lines of G's net along an axis, and points on each
const SHOWN = { real: 256, fake: 384, arrows: 48 };
const SPEEDS = [1, 5, 25, 100, Infinity]; // steps a second
const SLICES = 25; // a second, at most: how often the thread that trains tells what it has
const GAMMAS = [0.001, 0.01, 0.03, 0.1, 0.3, 1];
const RATES = [0.0001, 0.0003, 0.001, 0.003];
const PEN = 0.06; // spread of the real points around a drawn one
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

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const state = { ...model.get("start"), speed: SPEEDS.length - 1, who: "both", seed: 0 };
  const show = { map: true, arrows: true, net: false };
  const mixtures = { ...model.get("mixtures"), drawn: { centers: [], std: PEN } };
  const fixed = new Random(1); // of what is looked at, the same at every step
  const looked = { fake: fixed.normals(2 * SHOWN.fake), net: netLatents(), map: mapPoints() };
  let training, gan, real, view;
  let behind = false; // whether the picture's ground and arrows are older than its points
  let drawn = { at: 0, cost: 0 }; // when the picture was drawn, and how long that took, in milliseconds

  // -- training --

  const target = () => mixtures[state.data];

  function begin() {
    training = new Training(state, state.seed);
    gan = training.gan;
    lookAnew();
  }

  // Another target, the same networks.
  function lookAnew() {
    real = target().centers.length ? sample(target(), SHOWN.real, new Random(2)) : new Float32Array(0);
    figure.redraw();
  }

  // -- pictures --

  const ground = make("canvas", { width: MAP, height: MAP }).getContext("2d");
  const image = ground.createImageData(MAP, MAP);

  function makeMap(colours) {
    const logits = gan.discriminator.forward(looked.map, MAP * MAP);
    const [middle, unit] = RELATIVE.includes(state.loss) ? meanAndSpread(logits) : [0, 1];
    const [cold, paper, warm] = ["cold", "paper", "warm"].map((name) => channels(colours[name]));
    logits.forEach((logit, i) => {
      const sure = 2 * sigmoid((logit - middle) / unit) - 1; // −1: taken for fake, 1: for real
      const end = sure > 0 ? cold : warm;
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = paper[c] + Math.abs(sure) * (end[c] - paper[c]);
      image.data[4 * i + 3] = 255;
    });
    ground.putImageData(image, 0, 0);
  }

  function drawNet(context, place, colour) {
    const net = gan.generator.forward(looked.net, NET * NET);
    Object.assign(context, { strokeStyle: colour, lineWidth: 0.7 });
    context.beginPath();
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
  let arrows = [];
  function makeArrows(fake) {
    const some = fake.slice(0, 2 * SHOWN.arrows);
    const logits = real.length ? gan.discriminator.forward(real.subarray(0, some.length), SHOWN.arrows) : [0];
    const pull = gan.pull(some, SHOWN.arrows, logits.reduce((sum, one) => sum + one) / logits.length);
    arrows = Array.from({ length: SHOWN.arrows }, (_, i) => {
      const [dx, dy] = pull.subarray(2 * i, 2 * i + 2);
      const strength = Math.hypot(dx, dy) + 1e-6;
      const length = (0.4 * Math.tanh(strength)) / strength;
      return [some[2 * i], some[2 * i + 1], length * dx, length * dy];
    });
  }

  function drawArrows(context, place, colour, unit) {
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

  const cursor = { x: 0, y: 0 };
  const canvas = figure.canvas({
    label:
      "Real points, generated points and the discriminator's answer in the plane. With data drawn by hand: " +
      "draw with a pointer, or move the cross with the arrow keys and set a point with Enter.",
    ratio: 1,
    draw(context, width, height, colours) {
      const begun = performance.now();
      const place = (value) => ((value / VIEW + 1) * width) / 2;
      view = (pixel) => ((2 * pixel) / width - 1) * VIEW;
      const fake = gan.generator.forward(looked.fake, SHOWN.fake).slice();
      // After a key or a touch the points move at once, and the rest, which takes longer, in the next frame.
      behind = !behind;
      if (behind) figure.redraw();
      else {
        if (show.map) makeMap(colours);
        if (show.arrows) makeArrows(fake);
      }
      if (show.map) context.drawImage(ground.canvas, 0, 0, width, width);
      if (show.net) drawNet(context, place, colours.soft);
      drawDots(context, real, place, 4, colours.real);
      drawDots(context, fake, place, 2.5, colours.fake);
      if (show.arrows) drawArrows(context, place, colours.ink, width / (2 * VIEW));
      if (state.data === "drawn") {
        context.fillStyle = colours.ink;
        context.fillRect(place(cursor.x) - 8, place(-cursor.y) - 1, 16, 2);
        context.fillRect(place(cursor.x) - 1, place(-cursor.y) - 8, 2, 16);
      }
      describe(fake);
      drawn = { at: performance.now(), cost: performance.now() - begun };
    },
  });

  // -- words --

  const numeral = (count) => count.toLocaleString("en");

  function describe(fake) {
    const { steps, losses } = training;
    const made = `Steps of D ${numeral(steps.discriminator)}, of G ${numeral(steps.generator)}.`;
    const known = { "of D": losses.discriminator, "of G": losses.generator };
    const last = Object.entries(known).filter(([, loss]) => loss !== undefined);
    const parts = [made];
    if (last.length) parts.push(`Loss ${last.map(([of, loss]) => `${of} ${decimal(loss)}`).join(", ")}.`);
    if (!real.length) parts.push("Draw some real points first.");
    else {
      const { modes, quality } = coverage(fake, target());
      const percent = `${Math.round(100 * quality)}%`;
      parts.push(
        state.data === "drawn"
          ? `${percent} of the generated points are near a drawn one.`
          : `${modes} of ${target().centers.length} modes covered; ${percent} of high quality.`,
      );
    }
    figure.say(parts.join(" "));
  }

  // -- controls --

  // Milliseconds from one picture to the next while it learns; most of the time the page is free for input.
  const pause = () => Math.max(reducedMotion() ? 1000 : 60, 5 * drawn.cost);
  const rate = () => Math.min(SPEEDS[state.speed], SLICES);
  const thread = new Thread(figure, model.get("_esm"), "train");
  const task = (steps, milliseconds) => ({
    settings: state,
    state: training.state,
    mixture: target(),
    who: state.who,
    steps,
    milliseconds,
  });
  const loop = new ThreadLoop(figure, thread, {
    step: () => task(real.length ? SPEEDS[state.speed] / rate() : 0, 1000 / SLICES),
    take(result) {
      training.state = result;
      if (performance.now() - drawn.at < pause()) return;
      behind = true; // so that the next picture is a whole one
      figure.redraw();
    },
    rate,
  });

  // A single step is there at once, for the thread makes the next one before it is asked for.
  let ahead = {};
  const situation = () => JSON.stringify([state, training.steps, mixtures.drawn.centers]);

  async function step() {
    if (ahead.from === situation()) training.state = ahead.result;
    else training.step(target(), state.who);
    const from = situation();
    ahead = { from, result: await thread.ask(task(1, Infinity)) };
  }

  // What the GAN keeps of the settings can be changed while it learns.
  function set(name, value) {
    state[name] = value;
    Object.assign(gan, { loss: state.loss, penalty: state.penalty, gamma: state.gamma, rate: state.rate });
    figure.redraw();
  }

  function play(on) {
    if (on) loop.start();
    else loop.stop();
    playing.textContent = on ? "Pause" : "Play";
    figure.quiet(on);
    figure.redraw();
  }

  const row = figure.row();
  const playing = figure.button({ label: "Play", press: () => play(!loop.running), into: row });
  figure.button({
    label: "Step",
    press() {
      play(false);
      if (real.length) step();
    },
    into: row,
  });
  figure.button({
    label: "Start anew",
    press() {
      play(false);
      state.seed++;
      begin();
    },
    into: row,
  });

  const pick = (label, name, options) =>
    figure.choice({ label, options, value: state[name], change: (value) => set(name, value) });
  const slide = (label, name, values) =>
    figure.slider({
      label,
      min: 0,
      max: values.length - 1,
      step: 1,
      value: values.indexOf(state[name]),
      text: (index) => String(values[index]),
      change: (index) => set(name, values[index]),
    });
  pick("Who learns", "who", [["both", "both"], ["discriminator", "D only"], ["generator", "G only"]]);
  figure.slider({
    label: "Steps a second",
    min: 0,
    max: SPEEDS.length - 1,
    step: 1,
    value: state.speed,
    text: (index) => (SPEEDS[index] === Infinity ? "all it can" : String(SPEEDS[index])),
    change: (index) => (state.speed = index),
  });
  pick("Loss", "loss", Object.entries(NAMES));
  pick("Penalty on D", "penalty", ["none", "R1", "R1 + R2"].map((name) => [name, name]));
  slide("Its weight γ", "gamma", GAMMAS);
  slide("Learning rate", "rate", RATES);
  figure.choice({
    label: "Real points",
    options: [["ring", "ring of 8"], ["grid", "grid of 25"], ["drawn", "drawn by hand"]],
    value: state.data,
    change: choose,
  });
  const tools = figure.row();
  for (const [name, label] of [["map", "Map of D"], ["arrows", "Pull on fakes"], ["net", "Net of G"]]) {
    const change = (on) => {
      show[name] = on;
      figure.redraw();
    };
    figure.toggle({ label, value: show[name], change, into: tools });
  }

  // -- drawing by hand --

  const clear = figure.button({ label: "Clear the drawing", press: () => draw([]), into: tools });
  const useKeys = figure.keys(canvas, {
    arrows(dx, dy) {
      cursor.x = clamp(cursor.x + 0.1 * dx, -VIEW, VIEW);
      cursor.y = clamp(cursor.y - 0.1 * dy, -VIEW, VIEW);
      figure.redraw();
    },
    act: () => draw([...mixtures.drawn.centers, [cursor.x, cursor.y]]),
  });

  function choose(data) {
    const drawing = data === "drawn";
    state.data = data;
    useKeys(drawing);
    clear.hidden = !drawing;
    canvas.style.touchAction = drawing ? "none" : "auto"; // else a finger scrolls the page
    lookAnew();
  }

  function draw(centers) {
    mixtures.drawn.centers = centers;
    lookAnew();
  }

  function mark(x, y) {
    const [last] = mixtures.drawn.centers.slice(-1);
    const here = [view(x), -view(y)];
    if (!last || Math.hypot(last[0] - here[0], last[1] - here[1]) > PEN) draw([...mixtures.drawn.centers, here]);
  }

  figure.drag(canvas, {
    down(x, y) {
      if (state.data !== "drawn") return false;
      mark(x, y);
      return true;
    },
    move: mark,
  });

  begin();
  choose(state.data);
  return () => figure.close();
}

export default { render };
