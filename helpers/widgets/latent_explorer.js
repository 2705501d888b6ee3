import { unpack } from "./nn.js";
import { Pixels } from "./pixels.js";
import { Axes, Figure, clamp, decimal, inflating } from "./shared.js";

// --- What is computed ---

const CLASSES = 10;

/**
 * How many of the `count` codes nearest to a point have each label.
 * @param {number[]} point
 * @param {number[][]} codes
 * @param {number[]} labels
 * @param {number} count
 * @returns {number[]}
 */
export function neighbours(point, codes, labels, count) {
  const far = codes.map(([x, y], at) => [(x - point[0]) ** 2 + (y - point[1]) ** 2, labels[at]]);
  const counts = new Array(CLASSES).fill(0);
  for (const [, label] of far.sort((a, b) => a[0] - b[0]).slice(0, count)) counts[label]++;
  return counts;
}

/**
 * A square that holds all but the outermost codes: its middle, and half its side.
 * @param {number[][]} codes
 * @returns {{middle: number[], half: number}}
 */
export function window2d(codes) {
  const sides = [0, 1].map((axis) => {
    const sorted = codes.map((code) => code[axis]).sort((a, b) => a - b);
    return [0.01, 0.99].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  });
  const half = 0.55 * Math.max(...sides.map(([low, high]) => high - low));
  return { middle: sides.map(([low, high]) => (low + high) / 2), half };
}

// --- What is shown ---

const NEAREST = 15;
const NAMES = { autoencoder: "autoencoder", vae: "VAE", gan: "GAN" };

// Each code as its digit.
function drawCodes(axes, codes, labels, colours) {
  const hues = [colours.blue, colours.orange, colours.green, colours.pink, colours.soft];
  Object.assign(axes.context, { textAlign: "center", textBaseline: "middle" });
  codes.forEach(([x, y], at) => {
    axes.context.fillStyle = hues[labels[at] % hues.length];
    axes.context.fillText(labels[at], axes.px(x), axes.py(y));
  });
}

// A ring around a point; returns how far it is from the left.
function drawRing({ context, px, py }, point, colours) {
  const x = px(point[0]);
  Object.assign(context, { strokeStyle: colours.ink, lineWidth: 3 });
  context.beginPath();
  context.arc(x, py(point[1]), 9, 0, 2 * Math.PI);
  context.stroke();
  return x;
}

// Where the point is along both axes, from −1 to 1; they show its latents.
function addSliders(figure, latent, change) {
  return ["Across", "Up"].map((label, axis) =>
    figure.slider({
      label,
      min: -1,
      max: 1,
      step: 0.02,
      value: 0,
      text: () => decimal(latent()[axis]),
      change: (value) => change(axis, value),
    }),
  );
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const decoders = model.get("decoders");
  for (const one of Object.values(decoders)) {
    one.network = unpack(one.layers, one.weights);
    one.labels = [...new Uint8Array(one.labels.buffer)];
    one.codes = one.labels.map((_, at) => [8 * at, 8 * at + 4].map((byte) => one.codes.getFloat32(byte, true)));
    one.view = window2d(one.codes);
  }
  const state = { name: "vae", at: [0, 0] }; // −1 to 1 across the map
  let image;

  // -- pictures --

  const chosen = () => decoders[state.name];
  const latent = () => state.at.map((value, axis) => chosen().view.middle[axis] + value * chosen().view.half);
  const pixels = new Pixels();

  const map = figure.canvas({
    label: "The plane of latents, each numeral a digit's code. Drag the ring, use the sliders, or the arrow keys.",
    ratio: 1,
    draw(context, width, height, colours) {
      const { codes, labels, view } = chosen();
      const [x, y] = view.middle.map((value) => [value - view.half, value + view.half]);
      const axes = new Axes(context, width, height, colours, { x, y, left: 8, bottom: 8, top: 8, right: 8 });
      drawCodes(axes, codes, labels, colours);
      const at = drawRing(axes, latent(), colours);
      const size = Math.round(width / 4);
      pixels.ink(context, image, at < width / 2 ? width - size - 8 : 8, 8, size, colours); // in the corner that is free
    },
  });

  // -- controls --

  figure.choice({
    label: "Decoder",
    options: Object.entries(NAMES),
    value: state.name,
    change(name) {
      state.name = name;
      update();
    },
  });
  const sliders = addSliders(figure, latent, (axis, value) => {
    state.at[axis] = value;
    update();
  });

  function place(x, y) {
    state.at = [clamp(x, -1, 1), clamp(y, -1, 1)];
    update();
  }

  function move(x, y) {
    const inside = map.clientWidth - 16; // between the margins
    place((2 * (x - 8)) / inside - 1, 1 - (2 * (y - 8)) / inside);
  }

  figure.drag(map, { down: move, move });
  figure.keys(map, { arrows: (dx, dy) => place(state.at[0] + 0.04 * dx, state.at[1] - 0.04 * dy), act() {} })(true);

  // -- words --

  function update() {
    const { network, codes, labels } = chosen();
    image = network.forward(Float32Array.from(latent()), 1).slice();
    sliders.forEach((slider, axis) => slider.set(state.at[axis]));
    const counts = neighbours(latent(), codes, labels, NEAREST).map((count, digit) => [count, digit]);
    const met = counts.filter(([count]) => count).sort((a, b) => b[0] - a[0]);
    figure.say(
      `The ${NAMES[state.name]}'s decoder at (${latent().map((value) => decimal(value)).join(", ")}). Among the ` +
        `${NEAREST} nearest codes are the digits ${met.map(([count, digit]) => `${digit} (${count})`).join(", ")}.`,
    );
    figure.redraw();
  }

  update();
  return () => figure.close();
}

export default { render: inflating(["decoders"], render) };
