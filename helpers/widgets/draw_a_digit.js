// --- What is computed ---

const NIB = 1.1; // radius of the pen, in pixels
const CENTRE = 14; // where MNIST has a digit's centre of mass, in pixels from the first row and column

// Draw a line from (x0, y0) to (x1, y1) into an image; both in pixels, whole numbers in a pixel's middle.
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

// The image moved by whole pixels, so that its centre of mass comes to MNIST's; what leaves the field is lost.
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

// What the autoencoder, whose code is in its middle, and the classifier make of an image.
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
    for (let i = 1; i < points.length; i++) stroke(image, ...points[i - 1], ...points[i]);
  return image;
}

function render({ model, el }) {
  const figure = new Figure(el, model);
  const get = (name) => unpack(model.get(`${name}_layers`), model.get(`${name}_weights`));
  const networks = [get("autoencoder"), get("classifier")];
  const digits = unpackImages(model.get("digits"));
  const usual = model.get("usual_error");
  const pixels = new Pixels();
  const random = new Random(1);
  const pen = { x: 14, y: 14, down: false };
  const turns = { digit: 0, letter: 0 };
  let image = digits[0].slice();
  let centre = true;
  let given, seen;

  // -- pictures --

  const box = (grow) => make("div", { style: `flex: ${grow} 1 14rem; min-width: 0` });
  const parts = make("div", { style: "display: flex; flex-wrap: wrap; gap: 0.6rem" }, box(2), box(3));
  const [left, right] = parts.children;
  figure.pictures.append(parts);

  let unit = 1; // CSS pixels for a pixel
  const canvas = figure.canvas({
    label:
      "The field to draw on. Draw with a pointer; or move the pen with the arrow keys, and lower or lift it with " +
      "Space.",
    ratio: 1,
    into: left,
    draw(context, width, height, colours) {
      unit = width / SIDE;
      pixels.ink(context, image, 0, 0, width, colours);
      const place = (value) => (value + 0.5) * unit;
      context.beginPath();
      context.arc(place(pen.x), place(pen.y), (NIB + 0.5) * unit, 0, 2 * Math.PI);
      Object.assign(context, { strokeStyle: colours.orange, fillStyle: colours.orange, lineWidth: 2 });
      context.stroke();
      if (pen.down) context.fill();
    },
  });
  figure.canvas({
    label: "What the networks get, what the autoencoder redraws, and the difference of the two",
    ratio: 0.39,
    least: 100,
    into: right,
    draw(context, width, height, colours) {
      const difference = seen.redrawn.map((value, at) => value - given[at]);
      pixels.row(context, Math.min(width, 3 * (height - 18) + 16), colours, [
        ["goes in", given],
        ["comes out", seen.redrawn],
        ["out − in", difference, "difference"],
      ]);
    },
  });
  const bars = (context, values, colour, [low, high], { left, top, width, height }) => {
    const step = width / values.length;
    const zero = top + (height * high) / (high - low);
    context.fillStyle = colour;
    values.forEach((value, at) => {
      const tall = (height * clamp(value, low, high)) / (high - low);
      context.fillRect(left + at * step + 1, zero - Math.max(tall, 0), step - 2, Math.abs(tall));
    });
    context.fillRect(left, zero - 0.5, width, 1);
  };
  figure.canvas({
    label: "The code: 32 numbers as bars",
    ratio: 0.18,
    least: 62,
    into: right,
    draw(context, width, height, colours) {
      const end = Math.max(1, ...seen.code.map(Math.abs));
      context.fillStyle = colours.ink;
      Object.assign(context, { textAlign: "left", textBaseline: "top" });
      context.fillText(`code: 32 numbers, here up to ${decimal(end, 1)}`, 0, 2);
      bars(context, seen.code, colours.green, [-end, end], { left: 0, top: 18, width, height: height - 20 });
    },
  });
  figure.canvas({
    label: "How likely the classifier holds each of the ten digits",
    ratio: 0.26,
    least: 90,
    into: right,
    draw(context, width, height, colours) {
      context.fillStyle = colours.ink;
      Object.assign(context, { textAlign: "left", textBaseline: "top" });
      context.fillText("classifier", 0, 2);
      bars(context, seen.shares, colours.blue, [0, 1], { left: 0, top: 18, width, height: height - 36 });
      context.textAlign = "center";
      context.fillStyle = colours.ink;
      for (let digit = 0; digit < 10; digit++) context.fillText(digit, ((digit + 0.5) * width) / 10, height - 14);
    },
  });

  // -- drawing --

  function to(x, y, drawing) {
    [x, y] = [clamp(x, 0, SIDE - 1), clamp(y, 0, SIDE - 1)];
    if (drawing) stroke(image, pen.x, pen.y, x, y);
    Object.assign(pen, { x, y });
    update();
  }

  const pixel = (at) => at / unit - 0.5;
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

  // -- controls --

  function show(other) {
    image = other;
    pen.down = false;
    update();
  }

  const row = figure.row();
  const add = (label, make) => figure.button({ label, press: () => show(make()), into: row });
  add("A digit from the test set", () => digits[(turns.digit = (turns.digit + 1) % digits.length)].slice());
  add("A letter", () => letter(Object.values(LETTERS)[turns.letter++ % Object.keys(LETTERS).length]));
  add("Noise", () => new Float32Array(SIDE * SIDE).map(() => random.uniform()));
  add("Clear", () => new Float32Array(SIDE * SIDE));
  figure.toggle({
    label: "Move to the middle, as MNIST does",
    value: centre,
    change(on) {
      centre = on;
      update();
    },
    into: row,
  });

  // -- words --

  function update() {
    given = centre ? centred(image) : image;
    seen = look(...networks, given);
    const share = Math.max(...seen.shares);
    const found = seen.shares.indexOf(share);
    figure.say(
      `Squared error ${decimal(seen.error, 1)}; of the test digits ${decimal(usual, 1)} on average. ` +
        `The classifier says ${found}, ${Math.round(100 * share)}% sure. Pen ${pen.down ? "down" : "up"}.`,
    );
    figure.redraw();
  }

  update();
  return () => figure.close();
}

export default { render };
