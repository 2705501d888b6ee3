// --- What is computed ---

const CLASSES = 10;

// From style a (share 0) to b (share 1) over the sphere: on the straight way between, a style would be shorter than
// those that the generator has learned from.
export function between(a, b, share) {
  const dot = (x, y) => x.reduce((sum, one, at) => sum + one * y[at], 0);
  const [longA, longB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const angle = Math.acos(clamp(dot(a, b) / (longA * longB), -1, 1));
  if (angle < 1e-6) return a.map((one, at) => one + share * (b[at] - one));
  const length = longA + share * (longB - longA);
  const [ofA, ofB] = [Math.sin((1 - share) * angle) / longA, Math.sin(share * angle) / longB];
  return a.map((one, at) => (length * (ofA * one + ofB * b[at])) / Math.sin(angle));
}

// One row for each class: which it is, then the style.
export function ask(style) {
  const width = CLASSES + style.length;
  const rows = new Float32Array(CLASSES * width);
  for (let digit = 0; digit < CLASSES; digit++) {
    rows[digit * width + digit] = 1;
    rows.set(style, digit * width + CLASSES);
  }
  return rows;
}

// The share of ink, and the degrees by which the long axis leans to the right, from the second moments.
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

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const generator = unpack(model.get("layers"), model.get("weights"));
  const directions = model.get("directions");
  const random = new Random(3);
  const newStyle = () => random.normals(directions[0].length);
  const ends = { A: newStyle(), B: newStyle() };
  const state = { digit: 3, share: 0, along: [0, 0] };
  let images;
  let forwards = true; // which way the mixing plays

  // -- pictures --

  const pixels = new Pixels();
  const pair = make("div", { style: "display: grid; grid-template-columns: 1fr 1fr; gap: 8px; margin-bottom: 8px" });
  figure.pictures.append(pair);
  figure.canvas({
    label: "The digit asked for",
    ratio: 1,
    into: pair,
    draw: (context, width, height, colours) => pixels.ink(context, images[state.digit], 0, 0, width, colours),
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
      axes.dot(...state.along, colours.fake, 8);
    },
  });

  const row = figure.canvas({
    label: "All ten digits in this style. Press one, or its button.",
    ratio: 0.15,
    draw(context, width, height, colours) {
      const size = Math.min(width / CLASSES - 2, height - 16);
      Object.assign(context, { textAlign: "center", textBaseline: "top" });
      images.forEach((image, digit) => {
        const x = (digit * width) / CLASSES;
        context.fillStyle = digit === state.digit ? colours.fake : colours.soft;
        context.fillText(digit, x + size / 2, 0);
        pixels.ink(context, image, x, 15, size, colours);
        if (digit === state.digit) context.fillRect(x, 15 + size - 2, size, 3);
      });
    },
  });

  // -- controls --

  const classes = figure.row();
  const buttons = Array.from({ length: CLASSES }, (_, digit) =>
    figure.button({ label: String(digit), press: () => choose(digit), into: classes }),
  );

  function choose(digit) {
    state.digit = digit;
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", at === digit));
    describe();
    figure.redraw();
  }

  const along = [0, 1].map((axis) =>
    figure.slider({
      label: `Direction ${axis + 1}`,
      min: -REACH,
      max: REACH,
      step: 0.1,
      value: 0,
      change(value) {
        state.along[axis] = value;
        update();
      },
    }),
  );
  const mix = figure.slider({
    label: "From style A to B",
    min: 0,
    max: 1,
    step: 0.01,
    value: 0,
    text: (value) => `${Math.round(100 * value)}%`,
    change: (share) => blendTo(share),
  });

  function blendTo(share) {
    state.share = share;
    update();
  }

  // With reduced motion, one large step a second.
  const loop = new Loop(
    figure,
    () => {
      const step = reducedMotion() ? 0.125 : 0.01;
      const next = clamp(state.share + (forwards ? step : -step), 0, 1);
      if (next === 0 || next === 1) forwards = next === 0;
      mix.set(next);
      blendTo(next);
    },
    () => (reducedMotion() ? 1 : 30),
  );

  function play(on) {
    if (on) loop.start();
    else loop.stop();
    playing.textContent = on ? "Pause" : "Play";
    figure.quiet(on);
  }

  const tools = figure.row();
  const playing = figure.button({ label: "Play", press: () => play(!loop.running), into: tools });
  for (const end of ["A", "B"]) {
    const press = () => {
      ends[end] = newStyle();
      update();
    };
    figure.button({ label: `New style ${end}`, press, into: tools });
  }

  // -- pointer and number keys --

  function move(x, y) {
    const inside = plane.clientWidth - 16; // between the margins
    const at = (pixel) => clamp(((2 * (pixel - 8)) / inside - 1) * REACH, -REACH, REACH);
    state.along = [at(x), -at(y)];
    along.forEach((slider, axis) => slider.set(state.along[axis]));
    update();
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

  function describe() {
    const { ink, lean } = look(images[state.digit]);
    const [first, second] = state.along.map((value) => decimal(value, 1));
    figure.say(
      `Asked for a ${state.digit}. Style: ${Math.round(100 * state.share)}% of the way from A to B, ${first} along ` +
        `direction 1 and ${second} along direction 2. Ink: ${decimal(100 * ink, 1)}% of the picture; its axis ` +
        `leans ${decimal(Math.abs(lean), 0)}° to the ${lean < 0 ? "left" : "right"}.`,
    );
  }

  function update() {
    const style = between(ends.A, ends.B, state.share).map(
      (value, at) => value + state.along[0] * directions[0][at] + state.along[1] * directions[1][at],
    );
    const drawn = generator.forward(ask(style), CLASSES);
    images = Array.from({ length: CLASSES }, (_, digit) => drawn.slice(SIDE * SIDE * digit, SIDE * SIDE * (digit + 1)));
    describe();
    figure.redraw();
  }

  update();
  choose(state.digit);
  return () => figure.close();
}

export default { render };
