import { Pixels, SIDE } from "./pixels.js";
import { Axes, Figure, Random, inflating, range } from "./shared.js";

// --- What is computed ---

const QUANTILE = 1.959963984540054; // of the normal distribution, for 95% between minus and plus

/**
 * Images of 16 grey levels, two pixels a byte, as grey levels from 0 to 1.
 * @param {DataView} bytes
 * @returns {Float32Array[]}
 */
export function unpackLevels(bytes) {
  const size = SIDE * SIDE;
  const level = (at) => (at % 2 ? bytes.getUint8(at >> 1) & 15 : bytes.getUint8(at >> 1) >> 4) / 15;
  return Array.from({ length: (2 * bytes.byteLength) / size }, (_, image) =>
    Float32Array.from({ length: size }, (_, at) => level(image * size + at)),
  );
}

/**
 * Wilson's 95% interval of a share.
 * @param {number} right
 * @param {number} clicks
 * @returns {number[]}
 */
export function wilson(right, clicks) {
  const square = QUANTILE ** 2 / clicks;
  const share = right / clicks;
  const middle = (share + square / 2) / (1 + square);
  const half = (QUANTILE / (1 + square)) * Math.sqrt((share * (1 - share) + square / 4) / clicks);
  return [middle - half, middle + half];
}

/**
 * A random order of the numbers from 0 to count − 1.
 * @param {number} count
 * @param {Random} random
 * @returns {number[]}
 */
export function shuffle(count, random) {
  const order = Array.from({ length: count }, (_, at) => at);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random.uniform() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/**
 * The pairs of a run: which real digit, which drawn one, and whether the real one stands at the left.
 * @param {number} seed
 * @param {{real: number, drawn: number, clicks: number}} counts
 * @returns {{real: number, drawn: number, left: boolean}[]}
 */
export function pairsOf(seed, { real, drawn, clicks }) {
  const random = new Random(seed);
  const [reals, fakes] = [shuffle(real, random), shuffle(drawn, random)];
  return Array.from({ length: clicks }, (_, at) => ({
    real: reals[at],
    drawn: fakes[at],
    left: random.uniform() < 0.5,
  }));
}

// --- What is shown ---

const CLICKS = 30;
const FOOLED = 10; // drawn digits that are shown at the end, at most

// One run of thirty pairs, and the counts of those that were finished.
class Test {
  constructor(model) {
    this.names = model.get("names");
    this.counts = { real: model.get("real"), drawn: model.get("drawn"), clicks: CLICKS };
    this.images = unpackLevels(model.get("images"));
    this.finished = this.names.map(() => ({ right: 0, clicks: 0 }));
    this.seed = 0;
    this.begin(0);
  }

  begin(generator) {
    this.generator = Number(generator);
    this.pairs = pairsOf(++this.seed, this.counts);
    this.answers = [];
  }

  get over() {
    return this.answers.length === CLICKS;
  }

  get right() {
    return this.answers.filter(Boolean).length;
  }

  get name() {
    return this.names[this.generator];
  }

  fake(pair) {
    return this.images[this.counts.real + this.generator * this.counts.drawn + pair.drawn];
  }

  // The two digits of the pair that waits for an answer, from left to right.
  get shown() {
    const pair = this.pairs[this.answers.length];
    const both = [this.images[pair.real], this.fake(pair)];
    return pair.left ? both : both.reverse();
  }

  // The drawn digits that were taken for real.
  get fooled() {
    return this.pairs.filter((_, at) => this.answers[at] === false).map((pair) => this.fake(pair));
  }

  answer(left) {
    if (this.over) return;
    this.answers.push(this.pairs[this.answers.length].left === left);
    if (!this.over) return;
    const sum = this.finished[this.generator];
    sum.right += this.right;
    sum.clicks += CLICKS;
  }

  describe() {
    if (!this.over) {
      return (
        `Pair ${this.answers.length + 1} of ${CLICKS}, with the ${this.name}. Which digit is real? ` +
        "How many answers are right is told at the end."
      );
    }
    const [low, high] = wilson(this.right, CLICKS);
    const percent = (share) => `${(100 * share).toFixed(0)}%`;
    const within = low > 0.5 || high < 0.5 ? "lies outside it" : "lies inside it";
    return (
      `${this.right} of ${CLICKS} right with the ${this.name}: ${percent(this.right / CLICKS)}, 95% interval ` +
      `${percent(low)} to ${percent(high)}. Guessing gives 50%, which ${within}.`
    );
  }
}

function drawPair(context, width, images, pixels, colours) {
  const gap = 16;
  const size = (width - gap) / 2;
  images.forEach((image, at) => pixels.ink(context, image, at * (size + gap), 0, size, colours));
}

// At the end: the drawn digits that were taken for real.
function drawFooled(context, width, images, pixels, colours) {
  Object.assign(context, { fillStyle: colours.ink, textAlign: "left", textBaseline: "top" });
  const shown = images.slice(0, FOOLED);
  const text = images.length ? "Drawn digits that you took for real:" : "You took no drawn digit for real.";
  context.fillText(text, 0, 2, width);
  const size = (width - 4 * 6) / 5;
  shown.forEach((image, at) =>
    pixels.ink(context, image, (at % 5) * (size + 6), 20 + Math.floor(at / 5) * (size + 6), size, colours),
  );
}

// The share of right answers for each generator with a finished run, its interval, and the half of guessing.
function drawShares(context, width, height, colours, test) {
  const rows = test.names.length;
  const margins = { left: 8, right: 20, top: 4, bottom: 36 };
  const axes = new Axes(context, width, height, colours, { x: [0, 100], y: [0, rows], ...margins });
  axes.ticks(range(0, 100, 4), []);
  Object.assign(context, { fillStyle: colours.soft, textAlign: "center", textBaseline: "bottom" });
  context.fillText("right answers in per cent", axes.px(50), height);
  axes.line([50, 50], [0, rows], colours.soft, 2, [4, 4]);
  test.names.forEach((name, at) => {
    const { right, clicks } = test.finished[at];
    const y = rows - at - 0.7;
    const text = clicks ? `${name}: ${right} of ${clicks}` : `${name}: no run yet`;
    Object.assign(context, { fillStyle: colours.ink, textAlign: "left", textBaseline: "middle" });
    context.fillText(text, axes.px(0) + 4, axes.py(y + 0.42));
    if (!clicks) return;
    axes.line(wilson(right, clicks).map((share) => 100 * share), [y, y], colours.blue, 3);
    axes.dot((100 * right) / clicks, y, colours.blue, 5);
  });
}

function addPictures(figure, test, answer) {
  const pixels = new Pixels();
  const canvas = figure.canvas({
    label: "Two digits, one real and one drawn. Click the real one, or press the arrow key of its side.",
    ratio: 0.5,
    draw(context, width, height, colours) {
      if (test.over) drawFooled(context, width, test.fooled, pixels, colours);
      else drawPair(context, width, test.shown, pixels, colours);
    },
  });
  figure.listen(canvas, "click", (event) => answer(event.offsetX < canvas.clientWidth / 2));
  figure.keys(canvas, { arrows: (dx) => dx && answer(dx < 0), act() {} })(true);
  figure.canvas({
    label: "Percentage of right answers for each generator, with its 95% interval; guessing gives 50",
    ratio: 0.34,
    least: 140,
    draw: (context, width, height, colours) => drawShares(context, width, height, colours, test),
  });
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const test = new Test(model);

  function update() {
    figure.say(test.describe());
    figure.redraw();
  }

  function answer(left) {
    test.answer(left);
    update();
  }

  function begin(generator) {
    test.begin(generator);
    update();
  }

  addPictures(figure, test, answer);
  const row = figure.row();
  figure.button({ label: "Left is real", press: () => answer(true), into: row });
  figure.button({ label: "Right is real", press: () => answer(false), into: row });
  figure.choice({
    label: "Generator",
    options: test.names.map((name, at) => [at, `${name}, ${test.counts.drawn} digits`]),
    value: 0,
    change: begin,
  });
  figure.button({ label: "Start anew", press: () => begin(test.generator) });
  update();
  return () => figure.close();
}

export default { render: inflating(["images"], render) };
