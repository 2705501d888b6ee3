import { unpack } from "./nn.js";
import { Pixels, SIDE, squaredError, unpackImages } from "./pixels.js";
import { Figure, Random, clamp, decimal, inflating, make } from "./shared.js";

// --- What is computed ---

const NIB = 1.1; // radius of the pen, in pixels
const CENTRE = 14; // where MNIST has a digit's centre of mass, in pixels from the first row and column

/**
 * Draw a line from (x0, y0) to (x1, y1) into an image; both in pixels, whole numbers in a pixel's middle.
 * @param {Float32Array} image
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 */
export function stroke(image, x0, y0, x1, y1) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy || 1;
  for (let y = 0, at = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++, at++) {
      const along = clamp(((x - x0) * dx + (y - y0) * dy) / square, 0, 1);
      const far = Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
      image[at] = Math.max(image[at], clamp(NIB + 0.5 - far, 0, 1));
    }
}

/**
 * The image moved by whole pixels, so that its centre of mass comes to MNIST's; what leaves the field is lost.
 * @param {Float32Array} image
 * @returns {Float32Array}
 */
export function centred(image) {
  let [mass, sumX, sumY] = [0, 0, 0];
  image.forEach((value, at) => {
    mass += value;
    sumX += value * (at % SIDE);
    sumY += value * Math.floor(at / SIDE);
  });
  if (!mass) return image.slice();
  const [right, down] = [CENTRE - sumX / mass, CENTRE - sumY / mass].map(Math.round);
  return image.map((_, at) => {
    const [x, y] = [(at % SIDE) - right, Math.floor(at / SIDE) - down];
    return x >= 0 && x < SIDE && y >= 0 && y < SIDE ? image[SIDE * y + x] : 0;
  });
}

/**
 * What the autoencoder, whose code is in its middle, and the classifier make of an image.
 * @param {import("./nn.js").Network} autoencoder
 * @param {import("./nn.js").Network} classifier
 * @param {Float32Array} image
 */
export function look(autoencoder, classifier, image) {
  const redrawn = autoencoder.forward(image, 1);
  const code = autoencoder.layers[autoencoder.layers.length / 2 - 1].y;
  const logits = classifier.forward(image, 1);
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, one) => total + one);
  return { redrawn, code, shares: powers.map((power) => power / sum), error: squaredError(image, redrawn) };
}

// --- What is shown ---

// Letters as lines through points, in pixels.
const LETTERS = {
  A: [[[7, 22], [14, 6], [21, 22]], [[10, 16], [18, 16]]],
  K: [[[9, 6], [9, 22]], [[20, 6], [9, 15], [20, 22]]],
  M: [[[7, 22], [7, 6], [14, 15], [21, 6], [21, 22]]],
  T: [[[7, 7], [21, 7]], [[14, 7], [14, 22]]],
  X: [[[8, 6], [20, 22]], [[20, 6], [8, 22]]],
};

function letter(lines) {
  const image = new Float32Array(SIDE * SIDE);
  for (const points of lines)
    points.slice(1).forEach(([x, y], i) => stroke(image, points[i][0], points[i][1], x, y));
  return image;
}

// Bars up and down from 0, over a canvas's width from a height on.
function drawBars(context, values, colour, [low, high], width, height) {
  const top = 18; // under the name
  const step = width / values.length;
  const zero = top + (height * high) / (high - low);
  context.fillStyle = colour;
  values.forEach((value, at) => {
    const tall = (height * clamp(value, low, high)) / (high - low);
    context.fillRect(at * step + 1, zero - Math.max(tall, 0), step - 2, Math.abs(tall));
  });
  context.fillRect(0, zero - 0.5, width, 1);
}

function drawName(context, name, colours) {
  Object.assign(context, { fillStyle: colours.ink, textAlign: "left", textBaseline: "top" });
  context.fillText(name, 0, 2);
}

// The field and the pen on it; returns its canvas.
function addField(figure, sketch, into) {
  const pixels = new Pixels();
  return figure.canvas({
    label:
      "The field to draw on. Draw with a pointer; or move the pen with the arrow keys, and lower or lift it with " +
      "Space.",
    ratio: 1,
    into,
    draw(context, width, height, colours) {
      const { image, pen } = sketch;
      const unit = width / SIDE;
      pixels.ink(context, image, 0, 0, width, colours);
      const place = (value) => (value + 0.5) * unit;
      context.beginPath();
      context.arc(place(pen.x), place(pen.y), (NIB + 0.5) * unit, 0, 2 * Math.PI);
      Object.assign(context, { strokeStyle: colours.orange, fillStyle: colours.orange, lineWidth: 2 });
      context.stroke();
      if (pen.down) context.fill();
    },
  });
}

// What the networks make of the drawing.
function addAnswers(figure, sketch, into) {
  const pixels = new Pixels();
  figure.canvas({
    label: "The networks' input, the autoencoder's reconstruction, and the difference of the two",
    ratio: 0.39,
    least: 100,
    into,
    draw(context, width, height, colours) {
      const { given, seen } = sketch;
      const difference = seen.redrawn.map((value, at) => value - given[at]);
      pixels.row(context, Math.min(width, 3 * (height - 18) + 16), colours, [
        ["goes in", given],
        ["comes out", seen.redrawn],
        ["out − in", difference, "difference"],
      ]);
    },
  });
  figure.canvas({
    label: "The code: 32 units as bars",
    ratio: 0.18,
    least: 62,
    into,
    draw(context, width, height, colours) {
      const { code } = sketch.seen;
      const end = Math.max(1, ...code.map(Math.abs));
      drawName(context, `code: 32 units, here up to ${decimal(end, 1)}`, colours);
      drawBars(context, code, colours.green, [-end, end], width, height - 20);
    },
  });
  figure.canvas({
    label: "The classifier's probability for each of the ten digits",
    ratio: 0.26,
    least: 90,
    into,
    draw(context, width, height, colours) {
      drawName(context, "classifier", colours);
      drawBars(context, sketch.seen.shares, colours.blue, [0, 1], width, height - 36);
      context.textAlign = "center";
      context.fillStyle = colours.ink;
      for (let digit = 0; digit < 10; digit++)
        context.fillText(String(digit), ((digit + 0.5) * width) / 10, height - 14);
    },
  });
}

// Let a pointer and keys draw on the field.
function addPen(figure, sketch, canvas, update) {
  const { pen } = sketch;

  function to(x, y, drawing) {
    [x, y] = [clamp(x, 0, SIDE - 1), clamp(y, 0, SIDE - 1)];
    if (drawing) stroke(sketch.image, pen.x, pen.y, x, y);
    Object.assign(pen, { x, y });
    update();
  }

  const pixel = (at) => at / (canvas.clientWidth / SIDE) - 0.5;
  figure.drag(canvas, {
    down(x, y) {
      figure.quiet(true); // until the line is drawn
      pen.down = false; // of the keys
      to(pixel(x), pixel(y), false);
      to(pen.x, pen.y, true);
      return true;
    },
    move: (x, y) => to(pixel(x), pixel(y), true),
    up: () => figure.quiet(false),
  });
  figure.keys(canvas, {
    arrows: (dx, dy) => to(Math.round(pen.x) + dx, Math.round(pen.y) + dy, pen.down),
    act() {
      pen.down = !pen.down;
      to(pen.x, pen.y, pen.down);
    },
  })(true);
}

// What fills or clears the field, and the switch that moves the drawing to the middle.
function addControls(figure, sketch, digits, update) {
  const random = new Random(1);
  const turns = { digit: 0, letter: 0 };
  const into = figure.row();
  const letters = Object.values(LETTERS);

  function add(label, draw) {
    const press = () => {
      sketch.image = draw();
      sketch.pen.down = false;
      update();
    };
    figure.button({ label, press, into });
  }

  add("A digit from the test set", () => digits[(turns.digit = (turns.digit + 1) % digits.length)].slice());
  add("A letter", () => letter(letters[turns.letter++ % letters.length]));
  add("Noise", () => new Float32Array(SIDE * SIDE).map(() => random.uniform()));
  add("Clear", () => new Float32Array(SIDE * SIDE));
  figure.toggle({
    label: "Move to the middle, as MNIST does",
    value: sketch.centre,
    change(on) {
      sketch.centre = on;
      update();
    },
    into,
  });
}

function render({ model, el }) {
  const figure = new Figure(el, model);
  const get = (name) => unpack(model.get(`${name}_layers`), model.get(`${name}_weights`));
  const networks = [get("autoencoder"), get("classifier")];
  const digits = unpackImages(model.get("digits"));
  const usual = model.get("usual_error");
  const sketch = { image: digits[0].slice(), pen: { x: 14, y: 14, down: false }, centre: true };

  const box = (grow) => make("div", { style: `flex: ${grow} 1 14rem; min-width: 0` });
  const [left, right] = [box(2), box(3)];
  figure.pictures.append(make("div", { style: "display: flex; flex-wrap: wrap; gap: 0.6rem" }, left, right));
  const canvas = addField(figure, sketch, left);
  addAnswers(figure, sketch, right);
  addPen(figure, sketch, canvas, update);
  addControls(figure, sketch, digits, update);

  function update() {
    sketch.given = sketch.centre ? centred(sketch.image) : sketch.image;
    const seen = (sketch.seen = look(networks[0], networks[1], sketch.given));
    const share = Math.max(...seen.shares);
    const found = seen.shares.indexOf(share);
    figure.say(
      `Squared error ${decimal(seen.error, 1)}; of the test digits ${decimal(usual, 1)} on average. ` +
        `The classifier says ${found}, ${Math.round(100 * share)}% sure. Pen ${sketch.pen.down ? "down" : "up"}.`,
    );
    figure.redraw();
  }

  update();
  return () => figure.close();
}

export default { render: inflating(["autoencoder_weights", "classifier_weights", "digits"], render) };
