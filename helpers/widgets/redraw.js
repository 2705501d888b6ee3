import { unpackUNet } from "./convolution.js";
import { Pixels } from "./pixels.js";
import { Figure, Loop, clamp, decimal, inflating, make } from "./shared.js";

// --- What is computed ---

const EDGE = 32; // pixels along each edge of an emoji
const COLOURS = 3; // numbers of a pixel: red, green and blue, from 0 to 1
const STYLES = ["Noto", "Twemoji"];

/**
 * Emoji as bytes 0 to 255, each in both styles, one after the other.
 * @param {DataView} bytes
 * @returns {Float32Array[][]} [in Noto's style, in Twemoji's] of each
 */
export function unpackPairs(bytes) {
  const size = EDGE * EDGE * COLOURS;
  const image = (start) => Float32Array.from({ length: size }, (_, at) => bytes.getUint8(start + at) / 255);
  const pair = (_, at) => [image(2 * at * size), image((2 * at + 1) * size)];
  return Array.from({ length: bytes.byteLength / (2 * size) }, pair);
}

/**
 * Paint a line from (x0, y0) to (x1, y1) into an image; both in pixels, whole numbers in a pixel's middle.
 * @param {Float32Array} image
 * @param {{colour: number[], width: number}} nib
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 */
export function paintLine(image, { colour, width }, x0, y0, x1, y1) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy || 1;
  for (let y = 0, at = 0; y < EDGE; y++)
    for (let x = 0; x < EDGE; x++, at += COLOURS) {
      const along = clamp(((x - x0) * dx + (y - y0) * dy) / square, 0, 1);
      const far = Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
      const share = clamp(width / 2 + 0.5 - far, 0, 1);
      for (let c = 0; c < COLOURS; c++) image[at + c] += share * (colour[c] - image[at + c]);
    }
}

/**
 * The mean absolute difference of two images.
 * @param {Float32Array} image
 * @param {Float32Array} other
 * @returns {number}
 */
export function difference(image, other) {
  return image.reduce((sum, value, at) => sum + Math.abs(value - other[at]), 0) / image.length;
}

// --- What is shown ---

const PALETTE = {
  Yellow: "#ffcc4d",
  Orange: "#f4900c",
  Red: "#dd2e44",
  Blue: "#55acee",
  Green: "#77b255",
  Brown: "#9a5b3c",
  Black: "#292f33",
  White: "#ffffff",
};
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);

// A drawing or one of the emoji, the way it goes, and what the networks make of it.
class Sketch {
  direction = 0; // from this style to the other
  picked = 0; // which emoji; −1 for a drawing
  pen = { x: 15, y: 15, down: false };
  /** @type {Float32Array} */
  redrawn; // in the other style
  /** @type {Float32Array} */
  back; // in the first style again
  nib = { name: "Yellow", colour: rgb(PALETTE.Yellow), width: 3 };

  constructor(networks, pairs, names) {
    this.networks = networks;
    this.pairs = pairs;
    this.names = names;
    this.pick(0);
  }

  pick(emoji) {
    this.picked = emoji;
    this.image = this.pairs[emoji][this.direction].slice();
  }

  clear() {
    this.picked = -1;
    this.image = new Float32Array(EDGE * EDGE * COLOURS).fill(1);
  }

  turn(direction) {
    this.direction = direction;
    if (this.picked >= 0) this.pick(this.picked);
  }

  // Move the pen, and paint on the way if it is to.
  to(x, y, painting) {
    const { pen } = this;
    if (painting) {
      this.picked = -1;
      paintLine(this.image, this.nib, pen.x, pen.y, x, y);
    }
    Object.assign(pen, { x, y });
  }

  // The emoji as the other style really has it, or null for a drawing.
  get partner() {
    return this.picked < 0 ? null : this.pairs[this.picked][1 - this.direction];
  }

  goThere() {
    this.redrawn = this.networks[this.direction].forward(this.image, EDGE);
  }

  comeBack() {
    this.back = this.networks[1 - this.direction].forward(this.redrawn, EDGE);
  }

  describe() {
    const { image, redrawn, partner, direction, pen } = this;
    const [from, to] = [STYLES[direction], STYLES[1 - direction]];
    const far = (one, other) => decimal(difference(one, other), 3);
    const name = this.names[this.picked];
    const found = partner
      ? `${name[0].toUpperCase()}${name.slice(1)}, ${from} to ${to}. Mean absolute difference from ${to}'s own: ` +
        `${far(redrawn, partner)} for the redrawing, ${far(image, partner)} for ${from}'s.`
      : `Your drawing, ${from} to ${to}. Mean absolute difference of the redrawing from it: ${far(redrawn, image)}.`;
    const state = `Pen ${pen.down ? "down" : "up"}, ${this.nib.name.toLowerCase()}.`;
    return `${found} There and back: ${far(this.back, image)} from ${partner ? `${from}'s` : "the drawing"}. ${state}`;
  }
}

// Draws images in colour.
class ColourPixels extends Pixels {
  constructor() {
    super(EDGE);
    this.data.data.fill(255); // opaque
  }

  colour(context, image, x, size, colours) {
    const { data } = this.data;
    for (let from = 0, to = 0; from < image.length; to++)
      for (let c = 0; c < COLOURS; c++) data[to++] = 255 * image[from++];
    this.paint(context, [], x, 0, size, colours); // nothing is left to be filled in
  }
}

function drawPen(context, { x, y, down }, { width }, unit) {
  context.beginPath();
  context.arc((x + 0.5) * unit, (y + 0.5) * unit, (width / 2) * unit, 0, 2 * Math.PI);
  for (const [strokeStyle, lineWidth] of [["#ffffff", down ? 6 : 3], ["#000000", down ? 3 : 1]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    context.stroke();
  }
}

// A square canvas with a caption above it; returns both.
function addPicture(figure, into, { label, draw, style = "" }) {
  const caption = make("div", { style: "font-size: 0.85rem; white-space: nowrap" });
  const box = make("div", { style: `min-width: 0; ${style}` }, caption);
  into.append(box);
  return { caption, canvas: figure.canvas({ label, ratio: 1, into: box, draw }) };
}

// The field, and what the networks make of it; returns the field's canvas and the function that names them.
function addPictures(figure, sketch) {
  const pixels = new ColourPixels();
  const right = make("div", {
    style: "display: grid; flex: 3 1 18rem; gap: 0 8px; grid-template-columns: 2fr 1fr; min-width: 0",
  });
  const both = make("div", { style: "display: flex; flex-wrap: wrap; gap: 8px" });
  figure.pictures.append(both);
  const blank = new Float32Array(EDGE * EDGE * COLOURS).fill(1);
  const show = (name) => (context, width, height, colours) =>
    pixels.colour(context, sketch[name] ?? blank, 0, width, colours);
  const field = addPicture(figure, both, {
    label:
      "The field to draw on. Draw with a pointer; or move the pen with the arrow keys, and lower or lift it with " +
      "Space.",
    style: "flex: 2 1 11.7rem",
    draw(context, width, height, colours) {
      pixels.colour(context, sketch.image, 0, width, colours);
      drawPen(context, sketch.pen, sketch.nib, width / EDGE);
    },
  });
  both.append(right);
  const redrawn = addPicture(figure, right, {
    label: "The field redrawn in the other style",
    style: "grid-row: span 2",
    draw: show("redrawn"),
  });
  const partner = addPicture(figure, right, { label: "The emoji as the other style has it", draw: show("partner") });
  const back = addPicture(figure, right, { label: "The redrawing, taken back", draw: show("back") });
  back.caption.textContent = "there and back";

  function name() {
    const [from, to] = [STYLES[sketch.direction], STYLES[1 - sketch.direction]];
    field.caption.textContent = sketch.partner ? from : `your drawing, read as ${from}`;
    redrawn.caption.textContent = `redrawn as ${to}`;
    partner.caption.textContent = sketch.partner ? `${to}'s own` : "no partner";
  }

  return { canvas: field.canvas, name };
}

// Let a pointer and keys draw on the field.
function addPen(figure, sketch, canvas, update) {
  const { pen } = sketch;
  const pixel = (at) => at / (canvas.clientWidth / EDGE) - 0.5;

  function to(x, y, painting) {
    sketch.to(clamp(x, 0, EDGE - 1), clamp(y, 0, EDGE - 1), painting);
    update();
  }

  figure.drag(canvas, {
    down(x, y) {
      figure.quiet(true); // until the line is drawn
      pen.down = false; // of the keys
      sketch.to(pixel(x), pixel(y), false);
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

// Show which of some buttons is pressed.
const press = (buttons, chosen) =>
  buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === chosen)));

// The two directions, and the emoji to start from; returns the function that shows which are chosen.
function addChoices(figure, sketch, update) {
  const rows = [figure.row(), figure.row()];
  const ways = STYLES.map((from, at) => {
    const act = () => {
      sketch.turn(at);
      update();
    };
    return figure.button({ label: `${from} → ${STYLES[1 - at]}`, press: act, into: rows[0] });
  });
  const pixels = new ColourPixels();
  const emoji = sketch.pairs.map((pair, at) => {
    const act = () => {
      sketch.pick(at);
      sketch.pen.down = false;
      update();
    };
    const button = figure.button({ label: "", press: act, into: rows[1] });
    const canvas = make("canvas", { width: 2 * EDGE, height: EDGE });
    pair.forEach((image, style) =>
      pixels.colour(canvas.getContext("2d"), image, style * EDGE, EDGE, { line: "transparent" }),
    );
    const size = { width: 2 * EDGE, height: EDGE };
    button.append(make("img", { src: canvas.toDataURL(), alt: "", ...size, style: "display: block" }));
    button.setAttribute("aria-label", sketch.names[at]);
    button.setAttribute("title", sketch.names[at]);
    button.style.padding = "0.2rem";
    return button;
  });
  return () => {
    press(ways, sketch.direction);
    press(emoji, sketch.picked);
  };
}

// The colours and the width of the pen, and an empty field.
function addPaints(figure, sketch, update) {
  const into = figure.row();
  const names = Object.keys(PALETTE);
  const buttons = names.map((name, at) => {
    const act = () => {
      Object.assign(sketch.nib, { name, colour: rgb(PALETTE[name]) });
      mark(at);
      update();
    };
    const button = figure.button({ label: "", press: act, into });
    button.setAttribute("aria-label", name);
    button.setAttribute("title", name);
    const [red, green, blue] = rgb(PALETTE[name]);
    const color = 0.3 * red + 0.6 * green + 0.1 * blue > 0.4 ? "#000000" : "#ffffff"; // of the mark
    Object.assign(button.style, { background: PALETTE[name], color, padding: "0", width: "2.25rem" });
    return button;
  });

  function mark(chosen) {
    press(buttons, chosen);
    buttons.forEach((button, at) => (button.textContent = at === chosen ? "✓" : ""));
  }

  mark(0);
  const clear = () => {
    sketch.clear();
    update();
  };
  figure.button({ label: "Clear", press: clear, into });
  figure.slider({
    label: "Pen width",
    min: 1,
    max: 8,
    step: 1,
    value: sketch.nib.width,
    text: (value) => `${value} px`,
    change(value) {
      sketch.nib.width = value;
      update();
    },
  });
}

function start(figure, sketch) {
  const { canvas, name } = addPictures(figure, sketch);
  addPen(figure, sketch, canvas, update);
  const mark = addChoices(figure, sketch, update);
  addPaints(figure, sketch, update);
  const way = new Loop(figure, comeBack, () => Infinity); // back, once the frame with the way there is drawn

  function update() {
    sketch.goThere();
    name();
    mark();
    figure.redraw();
    way.start();
  }

  function comeBack() {
    way.stop();
    sketch.comeBack();
    figure.say(sketch.describe());
    figure.redraw();
  }

  update();
  comeBack(); // also where the figure is out of sight
}

function render({ model, el }) {
  const figure = new Figure(el, model);
  const networks = ["to_twemoji", "to_noto"].map((name) =>
    unpackUNet(model.get(`${name}_layers`), model.get(`${name}_weights`)),
  );
  start(figure, new Sketch(networks, unpackPairs(model.get("emoji")), model.get("names")));
  return () => figure.close();
}

export default { render: inflating(["to_twemoji_weights", "to_noto_weights", "emoji"], render) };
