// --- What is computed ---

// The published loop, line by line; the set `on` names the defects that it still has. G ends in a sigmoid. D ends in a
// logit, so softplus stands for the cross-entropy of a sigmoid.
export class SourceLoop {
  constructor({ generator, discriminator, rate }) {
    const adam = (network) => new Adam(network, { rate, beta1: 0.5 });
    Object.assign(this, { generator, discriminator, own: adam(discriminator) });
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
    return loss / ((n > 0) + (m > 0));
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

// Dense layers of these sizes as Keras starts them: ReLU, and `last` at the end.
export function network(sizes, last, random) {
  const made = Network.dense(sizes, "relu", random);
  made.layers.at(-1).activation = last;
  return made;
}

// How far the weights are from the arrays `start`: the norm of the change over the norm of the start.
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

// The standard deviation across images, averaged over the pixels.
export function spread(images) {
  const size = images[0].length;
  let sum = 0;
  for (let at = 0; at < size; at++) {
    const mean = images.reduce((total, image) => total + image[at], 0) / images.length;
    sum += Math.sqrt(images.reduce((total, image) => total + (image[at] - mean) ** 2, 0) / images.length);
  }
  return sum / size;
}

// --- What is shown ---

const ENDS = 100; // iterations that the source's program makes
const SHOWN = 20; // samples
const COLUMNS = 10;
const GAP = 2;
const DEFECTS = [
  ["D8", "no real image reaches D"],
  ["D10", "fakes cut to whole numbers"],
  ["D11", "“G’s step” trains D"],
  ["D12", "nothing trains G"],
  ["D17", "D not frozen in a step of G"],
  ["D19", "samples cut before they are drawn"],
  ["D20", "samples drawn as one strip"],
];
const LINES = [
  ["discriminator", "D", "blue"],
  ["called", "“G’s step”", "pink"],
  ["generator", "G", "orange"],
];

const grey = (value) => [255 * value, 255 * value, 255 * value];
const whole = (images) => images.map((image) => image.map(Math.trunc)); // as astype("uint8") does
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

// Means over `width` numbers in a row, so that no curve has more points than there are pixels.
export function means(numbers, width) {
  return Array.from({ length: Math.ceil(numbers.length / width) }, (_, chunk) => {
    const some = numbers.slice(chunk * width, (chunk + 1) * width);
    return some.reduce((sum, one) => sum + one, 0) / some.length;
  });
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const { side, batch, rate, generator: widths, discriminator: others } = model.get("recipe");
  const size = side * side;
  const latent = widths[0];
  const digits = unpackImages(model.get("digits"), side);
  const pixels = new Pixels(side);
  const fixed = new Random(1).normals(SHOWN * latent); // of the samples, the same at every iteration
  const usual = spread(digits);
  const on = new Set(DEFECTS.map(([name]) => name));
  let seed = 0;
  let random, real, training, start, history, visited;
  let current, seen; // the iteration that is being made, and what happened in the last whole one
  let change; // of the networks, when the picture was drawn
  let drawn = { at: 0, cost: 0 }; // when the picture was drawn, and how long that took, in milliseconds

  // -- training --

  function begin() {
    random = new Random(seed);
    real = shuffled(digits, random);
    const generator = network(widths, "sigmoid", random);
    const discriminator = network(others, "linear", random);
    training = new SourceLoop({ generator, discriminator, rate });
    const copy = ({ weights }) => weights.map((weight) => weight.slice());
    start = { generator: copy(generator), discriminator: copy(discriminator) };
    history = Object.fromEntries(LINES.map(([name]) => [name, []]));
    [current, visited] = [null, 0];
    seen = { piles: [[], []] };
    figure.redraw();
  }

  // Make the next line of an iteration; returns whether it was the last one.
  function line() {
    current ??= iteration();
    if (!current.lines.next().done) return false;
    seen = current.seen;
    current = null;
    for (const [name] of LINES) history[name].push(seen[name]);
    return true;
  }

  function iteration() {
    const images = new Float32Array(batch * size);
    for (let image = 0; image < batch; image++) images.set(real.next().value, image * size);
    if (!on.has("D8")) visited += batch;
    const [latents, fresh] = [random.normals(batch * latent), random.normals(batch * latent)];
    const coming = {};
    return { seen: coming, lines: training.iterate({ latents, real: images, fresh }, on, coming) };
  }

  // -- pictures --

  // The first ten of a label's images, in equal parts from all that came with it.
  function some(pile) {
    const share = COLUMNS / Math.max(1, pile.length);
    return pile.flatMap((images) => rows(images.subarray(0, share * size), size));
  }

  // Rows of images from a height on, under a name; returns the height where they end.
  function sheet(context, width, colours, top, name, images) {
    const cell = (width - GAP * (COLUMNS - 1)) / COLUMNS;
    Object.assign(context, { textAlign: "left", textBaseline: "top", fillStyle: colours.ink });
    context.fillText(name, 0, top, width);
    images.forEach((image, place) => {
      const [x, y] = [(place % COLUMNS) * (cell + GAP), top + 16 + Math.floor(place / COLUMNS) * (cell + GAP)];
      pixels.paint(context, image, x, y, cell, colours, grey);
    });
    return top + 16 + Math.max(1, Math.ceil(images.length / COLUMNS)) * (cell + GAP) + 4;
  }

  const ground = make("canvas", { width: SHOWN, height: size }).getContext("2d");

  // All samples as one picture: each is a column, one pixel wide.
  function drawStrip(context, colours, top, height, images) {
    const image = ground.createImageData(SHOWN, size);
    images.forEach((one, column) =>
      one.forEach((value, row) => image.data.set([...grey(value), 255], 4 * (row * SHOWN + column))),
    );
    ground.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(ground.canvas, 0, top, 2 * SHOWN, height);
    context.strokeStyle = colours.soft; // a black strip on a dark page has an edge
    context.lineWidth = 1;
    context.strokeRect(0.5, top + 0.5, 2 * SHOWN - 1, height - 1);
  }

  // What the program would show.
  function samples() {
    const made = rows(training.generator.forward(fixed, SHOWN), size);
    return on.has("D19") ? whole(made) : made;
  }

  figure.canvas({
    label: "What D was handed with the labels 0 and 1 in the last iteration, and samples of G at the same latents",
    ratio: 0.6,
    draw(context, width, height, colours) {
      const begun = performance.now();
      const shown = samples();
      let top = 0;
      [0, 1].forEach((name) => {
        const images = some(seen.piles[name]);
        const none = images.length ? "" : ": nothing";
        top = sheet(context, width, colours, top, `Handed to D with the label ${name}${none}`, images);
      });
      if (on.has("D20")) {
        sheet(context, width, colours, top, `Samples, one strip of ${size} × ${SHOWN}`, []);
        drawStrip(context, colours, top + 16, height - top - 18, shown);
      } else sheet(context, width, colours, top, "Samples", shown);
      change = Object.fromEntries(Object.keys(start).map((name) => [name, moved(training[name], start[name])]));
      describe(shown);
      drawn = { at: performance.now(), cost: performance.now() - begun };
    },
  });

  figure.canvas({
    label: "The losses over the iterations, with log 2 marked",
    ratio: 0.42,
    least: 140,
    draw(context, width, height, colours) {
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
    },
  });

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

  figure.canvas({
    label: "How far the weights of D and of G have moved since the start, in bars",
    ratio: 0.15,
    least: 62,
    draw(context, width, height, colours) {
      const most = Math.max(1, ...Object.values(change)); // the whole width is 100%, or the larger change
      Object.assign(context, { textAlign: "left", textBaseline: "middle" });
      [["discriminator", "D", "blue"], ["generator", "G", "orange"]].forEach(([name, text, colour], row) => {
        const y = 14 + 30 * row;
        const far = change[name];
        context.fillStyle = colours[colour];
        context.fillRect(0, y + 4, (far / most) * width, 8);
        context.strokeStyle = colours.line;
        context.strokeRect(0.5, y + 4.5, width - 1, 7);
        context.fillStyle = colours.ink;
        context.fillText(`Weights of ${text} moved by ${percent(far)}`, 0, y - 5);
      });
    },
  });

  // -- words --

  const numeral = (count) => count.toLocaleString("en");
  const percent = (share) => (share ? `${decimal(100 * share, share < 0.001 ? 4 : 1)}%` : "0%");

  function describe(shown) {
    const made = history.generator.length;
    const passes = decimal(visited / digits.length, 1);
    const parts = [`Iteration ${numeral(made)}, ${passes} passes over the real digits.`];
    parts.push(`${on.size} ${on.size === 1 ? "defect is" : "defects are"} on.`);
    const losses = LINES.filter(([name]) => Number.isFinite(seen[name]));
    if (losses.length) {
      const last = losses.map(([name, text]) => `${text} ${decimal(seen[name], 3)}`);
      parts.push(`Loss of ${last.join(", ")} (log 2 is ${decimal(Math.LN2, 3)}).`);
    } else
      parts.push(
        `${numeral(digits.length)} digits of ${side} × ${side} pixels, networks of a quarter of the source’s ` +
          `widths, batches of ${batch}, Adam at ${rate}.`,
      );
    parts.push(`Weights moved: D ${percent(change.discriminator)}, G ${percent(change.generator)}.`);
    parts.push(`Spread of the samples ${decimal(spread(shown))}, of real digits ${decimal(usual)}.`);
    figure.say(parts.join(" "));
  }

  // -- controls --

  const pause = () => Math.max(reducedMotion() ? 1000 : 60, 5 * drawn.cost); // from one picture to the next
  const loop = new Loop(
    figure,
    () => {
      line();
      if (performance.now() - drawn.at > pause()) figure.redraw();
    },
    () => Infinity,
  );

  function play(running) {
    if (running) loop.start();
    else loop.stop();
    playing.textContent = running ? "Pause" : "Play";
    figure.quiet(running);
    figure.redraw();
  }

  const buttons = figure.row();
  const playing = figure.button({ label: "Play", press: () => play(!loop.running), into: buttons });
  figure.button({
    label: "Step",
    press() {
      play(false);
      while (!line());
    },
    into: buttons,
  });
  figure.button({
    label: "Start anew",
    press() {
      play(false);
      seed++;
      begin();
    },
    into: buttons,
  });

  const switches = figure.row();
  const toggles = DEFECTS.map(([name, text]) =>
    figure.toggle({
      label: `${name}: ${text}`,
      value: true,
      change: (broken) => set(name, broken),
      into: switches,
    }),
  );

  function set(name, broken) {
    if (broken) on.add(name);
    else on.delete(name);
    figure.redraw();
  }

  const both = figure.row();
  for (const [label, broken] of [["All defects", true], ["No defect", false]])
    figure.button({
      label,
      press() {
        toggles.forEach((toggle) => toggle.set(broken));
        DEFECTS.forEach(([name]) => set(name, broken));
      },
      into: both,
    });

  begin();
  return () => figure.close();
}

export default { render };
