import { unpack } from "./nn.js";
import { Pixels, SIDE } from "./pixels.js";
import { Axes, Figure, Loop, Player, Random, clamp, decimal, inflating, make, range, reducedMotion } from "./shared.js";

// --- What is computed ---

const CLASSES = 10;

/**
 * From style a (share 0) to b (share 1) over the sphere: on the straight way between, a style would be shorter than
 * those that the generator has learned from.
 * @param {Float32Array} a
 * @param {Float32Array} b
 * @param {number} share
 * @returns {Float32Array}
 */
export function between(a, b, share) {
  const dot = (x, y) => x.reduce((sum, one, at) => sum + one * y[at], 0);
  const [longA, longB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const angle = Math.acos(clamp(dot(a, b) / (longA * longB), -1, 1));
  if (angle < 1e-6) return a.map((one, at) => one + share * (b[at] - one));
  const length = longA + share * (longB - longA);
  const [ofA, ofB] = [Math.sin((1 - share) * angle) / longA, Math.sin(share * angle) / longB];
  return a.map((one, at) => (length * (ofA * one + ofB * b[at])) / Math.sin(angle));
}

/**
 * One row for each class: which it is, then the style.
 * @param {Float32Array} style
 * @returns {Float32Array}
 */
export function ask(style) {
  const width = CLASSES + style.length;
  const rows = new Float32Array(CLASSES * width);
  for (let digit = 0; digit < CLASSES; digit++) {
    rows[digit * width + digit] = 1;
    rows.set(style, digit * width + CLASSES);
  }
  return rows;
}

/**
 * The share of ink, and the degrees by which the long axis leans to the right, from the second moments.
 * @param {Float32Array} image
 * @returns {{ink: number, lean: number}}
 */
export function look(image) {
  const sums = { ink: 0, x: 0, y: 0, xy: 0, yy: 0 };
  image.forEach((value, at) => {
    const [x, y] = [at % SIDE, Math.floor(at / SIDE)];
    const parts = { ink: value, x: value * x, y: value * y, xy: value * x * y, yy: value * y * y };
    for (const name in sums) sums[name] += parts[name];
  });
  const [x, y] = [sums.x / sums.ink, sums.y / sums.ink];
  const lean = Math.atan2(-(sums.xy / sums.ink - x * y), sums.yy / sums.ink - y * y);
  return { ink: sums.ink / image.length, lean: (lean * 180) / Math.PI };
}

// --- What is shown ---

const REACH = 3; // the plane shows −REACH to REACH

// What is asked for: a digit, and a style on the way from A to B, moved along two directions.
class Request {
  digit = 3;
  share = 0;
  along = [0, 0];

  constructor(generator, directions, random) {
    this.generator = generator;
    this.directions = directions;
    this.newStyle = () => random.normals(directions[0].length);
    this.ends = { A: this.newStyle(), B: this.newStyle() };
    this.draw();
  }

  draw() {
    const { ends, share, along, directions } = this;
    const style = between(ends.A, ends.B, share).map(
      (value, at) => value + along[0] * directions[0][at] + along[1] * directions[1][at],
    );
    const drawn = this.generator.forward(ask(style), CLASSES);
    this.images = Array.from({ length: CLASSES }, (_, digit) =>
      drawn.slice(SIDE * SIDE * digit, SIDE * SIDE * (digit + 1)),
    );
  }

  describe() {
    const { ink, lean } = look(this.images[this.digit]);
    const [first, second] = this.along.map((value) => decimal(value, 1));
    return (
      `Asked for a ${this.digit}. Style: ${Math.round(100 * this.share)}% of the way from A to B, ${first} along ` +
      `direction 1 and ${second} along direction 2. Ink: ${decimal(100 * ink, 1)}% of the image; its axis ` +
      `leans ${decimal(Math.abs(lean), 0)}° to the ${lean < 0 ? "left" : "right"}.`
    );
  }
}

// The digit, the plane of the two directions, and all ten digits; returns the canvases of the last two.
function addPictures(figure, request) {
  const pixels = new Pixels();
  const pair = make("div", { style: "display: grid; grid-template-columns: 1fr 1fr; gap: 8px; margin-bottom: 8px" });
  figure.pictures.append(pair);
  figure.canvas({
    label: "The digit asked for",
    ratio: 1,
    into: pair,
    draw: (context, width, height, colours) =>
      pixels.ink(context, request.images[request.digit], 0, 0, width, colours),
  });

  const plane = figure.canvas({
    label: "The style along two directions. Drag the dot, or use the sliders.",
    ratio: 1,
    into: pair,
    draw(context, width, height, colours) {
      const margins = { left: 8, bottom: 8, top: 8, right: 8 };
      const axes = new Axes(context, width, height, colours, { x: [-REACH, REACH], y: [-REACH, REACH], ...margins });
      for (const tick of range(-REACH, REACH, 2 * REACH)) {
        axes.line([tick, tick], [-REACH, REACH], colours.line, tick ? 1 : 2);
        axes.line([-REACH, REACH], [tick, tick], colours.line, tick ? 1 : 2);
      }
      axes.dot(request.along[0], request.along[1], colours.fake, 8);
    },
  });

  const row = figure.canvas({
    label: "All ten digits in this style. Click one, or use its button.",
    ratio: 0.15,
    draw(context, width, height, colours) {
      const size = Math.min(width / CLASSES - 2, height - 16);
      Object.assign(context, { textAlign: "center", textBaseline: "top" });
      request.images.forEach((image, digit) => {
        const x = (digit * width) / CLASSES;
        context.fillStyle = digit === request.digit ? colours.fake : colours.soft;
        context.fillText(String(digit), x + size / 2, 0);
        pixels.ink(context, image, x, 15, size, colours);
        if (digit === request.digit) context.fillRect(x, 15 + size - 2, size, 3);
      });
    },
  });
  return { plane, row };
}

// A button for each digit; returns the function that asks for one.
function addClasses(figure, request, show) {
  const classes = figure.row();
  const buttons = Array.from({ length: CLASSES }, (_, digit) =>
    figure.button({ label: String(digit), press: () => choose(digit), into: classes }),
  );

  function choose(digit) {
    request.digit = digit;
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === digit)));
    show();
  }

  return choose;
}

// The sliders of the two directions; returns the function that moves both.
function addDirections(figure, request, update) {
  const sliders = [0, 1].map((axis) =>
    figure.slider({
      label: `Direction ${axis + 1}`,
      min: -REACH,
      max: REACH,
      step: 0.1,
      value: 0,
      change(value) {
        request.along[axis] = value;
        update();
      },
    }),
  );
  return (...along) => {
    request.along = along;
    sliders.forEach((slider, axis) => slider.set(along[axis]));
    update();
  };
}

// The slider from A to B, which can play, and the buttons of new styles.
function addMixing(figure, request, update) {
  let forwards = true; // which way the mixing plays
  const mix = figure.slider({
    label: "From style A to B",
    min: 0,
    max: 1,
    step: 0.01,
    value: 0,
    text: (value) => `${Math.round(100 * value)}%`,
    change: blendTo,
  });

  function blendTo(share) {
    request.share = share;
    update();
  }

  // With reduced motion, one large step a second.
  function step() {
    const stride = reducedMotion() ? 0.125 : 0.01;
    const next = clamp(request.share + (forwards ? stride : -stride), 0, 1);
    if (next === 0 || next === 1) forwards = next === 0;
    mix.set(next);
    blendTo(next);
  }

  const into = figure.row();
  new Player(figure, new Loop(figure, step, () => (reducedMotion() ? 1 : 30)), { into });
  for (const end of ["A", "B"]) {
    const press = () => {
      request.ends[end] = request.newStyle();
      update();
    };
    figure.button({ label: `New style ${end}`, press, into });
  }
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const generator = unpack(model.get("layers"), model.get("weights"));
  const request = new Request(generator, model.get("directions"), new Random(3));
  const { plane, row } = addPictures(figure, request);
  const choose = addClasses(figure, request, show);
  const moveAlong = addDirections(figure, request, update);
  addMixing(figure, request, update);

  // -- pointer and number keys --

  function move(x, y) {
    const inside = plane.clientWidth - 16; // between the margins
    const at = (pixel) => clamp(((2 * (pixel - 8)) / inside - 1) * REACH, -REACH, REACH);
    moveAlong(at(x), -at(y));
  }

  figure.drag(plane, { down: move, move });
  figure.drag(row, {
    touch: "auto",
    down: (x) => choose(clamp(Math.floor((x / row.clientWidth) * CLASSES), 0, CLASSES - 1)),
    move() {},
  });
  figure.listen(figure.root, "keydown", (event) => {
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey && event.target.tagName !== "SELECT";
    if (plain && /^[0-9]$/.test(event.key)) choose(Number(event.key));
  });

  // -- words --

  function show() {
    figure.say(request.describe());
    figure.redraw();
  }

  function update() {
    request.draw();
    show();
  }

  choose(request.digit);
  return () => figure.close();
}

export default { render: inflating(["weights"], render) };
