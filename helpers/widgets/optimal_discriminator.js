// --- What is computed: mixtures {means, widths, share} of two normal densities ---

const sharesOf = ({ share }) => [share, 1 - share];

const logSum = (a, b) => {
  const largest = Math.max(a, b);
  return largest === -Infinity ? largest : largest + Math.log(Math.exp(a - largest) + Math.exp(b - largest));
};

function logParts(x, mixture) {
  return sharesOf(mixture).map((share, i) => {
    const [mean, width] = [mixture.means[i], mixture.widths[i]];
    return Math.log(share) - ((x - mean) / width) ** 2 / 2 - Math.log(width * Math.sqrt(2 * Math.PI));
  });
}

export const logDensity = (x, mixture) => logSum(...logParts(x, mixture));

// The slope of the logarithm of the density.
export function score(x, mixture) {
  const parts = logParts(x, mixture);
  const total = logSum(...parts);
  const slopes = mixture.means.map((mean, i) => (mean - x) / mixture.widths[i] ** 2);
  return Math.exp(parts[0] - total) * slopes[0] + Math.exp(parts[1] - total) * slopes[1];
}

// At x: both densities, the best D, and the push on a generated point there: minus the slope of each loss.
export function look(x, p, q) {
  const [logP, logQ] = [logDensity(x, p), logDensity(x, q)];
  const best = 1 / (1 + Math.exp(logQ - logP));
  const slope = score(x, p) - score(x, q);
  const pushes = { saturating: best * slope, other: (1 - best) * slope };
  return { logP, logQ, p: Math.exp(logP), q: Math.exp(logQ), best, ...pushes };
}

// Integrals over x: the divergence JS, the value of the game at the best D, the mean pushes on generated points.
export function measure(p, q) {
  const [steps, low, high] = [1600, -20, 20];
  const sums = { js: 0, saturating: 0, other: 0 };
  for (const x of range(low, high, steps)) {
    const at = look(x, p, q);
    const logMiddle = logSum(at.logP, at.logQ) - Math.LN2;
    if (at.p > 0) sums.js += (at.p * (at.logP - logMiddle)) / 2;
    if (at.q > 0) sums.js += (at.q * (at.logQ - logMiddle)) / 2;
    if (at.q > 0) sums.saturating += at.q * at.saturating;
    if (at.q > 0) sums.other += at.q * at.other;
  }
  for (const name in sums) sums[name] *= (high - low) / steps;
  return { ...sums, value: 2 * sums.js - Math.log(4) };
}

// --- What is shown ---

const X = [-6, 6];
const MEAN = [-5, 5];
const WIDTH = [0.2, 2];
const EXAMPLES = {
  "Three piles": [
    { means: [-2, 1.5], widths: [0.8, 0.8], share: 0.4 },
    { means: [0, 3], widths: [1, 1], share: 1 },
  ],
  "Far apart": [
    { means: [-3, -3], widths: [0.5, 0.5], share: 1 },
    { means: [3, 3], widths: [0.5, 0.5], share: 1 },
  ],
  "A pile lost": [
    { means: [-2, 2], widths: [0.5, 0.5], share: 0.5 },
    { means: [-2, 2], widths: [0.5, 0.5], share: 1 },
  ],
  "Arrived": [
    { means: [-2, 1.5], widths: [0.8, 0.8], share: 0.4 },
    { means: [-2, 1.5], widths: [0.8, 0.8], share: 0.4 },
  ],
};

function render({ model, el }) {
  const figure = new Figure(el, model);
  const densities = { p: structuredClone(model.get("p")), q: structuredClone(model.get("q")) };
  let edited = "q";
  let curves;
  let axes; // of the plot of the densities, for the pointer

  // -- pictures --

  const xs = range(...X, 240);
  const column = (name) => curves.map((at) => at[name]);
  const ticks = [-4, -2, 0, 2, 4];

  const upper = figure.canvas({
    label: "Densities p and q over x. Drag a dot, or use the sliders.",
    ratio: 0.34,
    least: 130,
    draw(context, width, height, colours) {
      const top = 1.3 * Math.max(0.4, ...column("p"), ...column("q"));
      axes = new Axes(context, width, height, colours, { x: X, y: [0, top] });
      axes.ticks(ticks, range(0, 5, top < 1 ? 25 : 10).filter((tick) => tick < top), 1);
      for (const [name, colour] of [["p", colours.real], ["q", colours.fake]]) {
        axes.fill(xs, column(name), colour);
        axes.line(xs, column(name), colour);
        const radius = name === edited ? 7 : 5;
        for (const i of parts(name)) axes.dot(densities[name].means[i], peak(name, i), colour, radius);
      }
      axes.legend(["p(x), real", colours.real], ["q(x), generated", colours.fake]);
    },
  });

  figure.canvas({
    label: "The best discriminator D* over x",
    ratio: 0.2,
    least: 90,
    draw(context, width, height, colours) {
      const axes = new Axes(context, width, height, colours, { x: X, y: [0, 1], top: 20 });
      axes.ticks(ticks, [0, 0.5, 1], 1);
      axes.line(xs, column("best"), colours.green, 2.5);
      axes.legend(["D*(x) = p / (p + q)", colours.green]);
    },
  });

  figure.canvas({
    label: "The push on a generated point at x, by the saturating and by the non-saturating loss",
    ratio: 0.26,
    least: 110,
    draw(context, width, height, colours) {
      const seen = curves.filter((at) => at.q > 0.02);
      const largest = Math.max(0.5, ...seen.map((at) => Math.max(Math.abs(at.saturating), Math.abs(at.other))));
      const end = [0.5, 1, 2, 5, 10, 20, 50, 100].find((one) => one >= largest) ?? 200;
      const axes = new Axes(context, width, height, colours, { x: X, y: [-end, end], top: 20 });
      axes.ticks(ticks, [-end, 0, end], end < 1 ? 1 : 0);
      context.save();
      context.rect(axes.left, 20, width, height - 20 - axes.bottom);
      context.clip();
      axes.line(xs, column("other"), colours.pink, 2.5);
      axes.line(xs, column("saturating"), colours.blue, 2, [6, 4]);
      context.restore();
      axes.legend(["- - saturating", colours.blue], ["— non-saturating push", colours.pink]);
    },
  });

  // -- controls --

  const parts = (name) => [0, 1].filter((i) => sharesOf(densities[name])[i] > 0);
  const peak = (name, i) => Math.exp(logDensity(densities[name].means[i], densities[name]));

  const choice = figure.choice({
    label: "Density to change",
    options: [["p", "p, real"], ["q", "q, generated"]],
    value: edited,
    change: edit,
  });
  const control = (label, [min, max], read, write, text) => {
    const change = (value) => {
      write(densities[edited], value);
      update();
    };
    const slider = figure.slider({ label, min, max, step: 0.05, value: read(densities[edited]), change, text });
    return () => slider.set(read(densities[edited]));
  };
  const percent = (value) => `${Math.round(100 * value)}%`;
  const sliders = [
    control("Share of pile 1", [0, 1], (one) => one.share, (one, value) => (one.share = value), percent),
    ...[0, 1].flatMap((i) => [
      control(`Mean of pile ${i + 1}`, MEAN, (one) => one.means[i], (one, value) => (one.means[i] = value)),
      control(`Width of pile ${i + 1}`, WIDTH, (one) => one.widths[i], (one, value) => (one.widths[i] = value)),
    ]),
  ];

  function edit(name) {
    edited = name;
    choice.set(name);
    for (const slider of sliders) slider();
    figure.redraw();
  }

  const row = figure.row();
  for (const [label, [p, q]] of Object.entries(EXAMPLES)) {
    const press = () => {
      Object.assign(densities, structuredClone({ p, q }));
      edit(edited);
      update();
    };
    figure.button({ label, press, into: row });
  }

  // -- the pointer: a dot is moved sideways, and up to make its pile narrower --

  let held = null;
  figure.drag(upper, {
    touch: "pan-y",
    down(x, y) {
      const dots = ["p", "q"].flatMap((name) => parts(name).map((i) => ({ name, i })));
      const far = ({ name, i }) => Math.hypot(axes.px(densities[name].means[i]) - x, axes.py(peak(name, i)) - y);
      const nearest = dots.reduce((best, dot) => (far(dot) < far(best) ? dot : best));
      if (far(nearest) > 40) return false;
      held = { ...nearest, y, width: densities[nearest.name].widths[nearest.i] };
      edit(held.name);
      return true;
    },
    move(x, y) {
      const one = densities[held.name];
      one.means[held.i] = clamp(axes.x(x), ...MEAN);
      one.widths[held.i] = clamp(held.width * Math.exp((y - held.y) / 80), ...WIDTH);
      edit(held.name);
      update();
    },
  });

  // -- words --

  function update() {
    const { p, q } = densities;
    curves = Array.from(xs, (x) => look(x, p, q));
    const { js, value, saturating, other } = measure(p, q);
    figure.say(
      `JS(p, q) = ${decimal(js, 3)} nats, at most log 2 = 0.693. Value of the game at D*: ${decimal(value, 3)}, ` +
        `loss of D: ${decimal(-value, 3)}. Mean push on generated points, positive to the right: ` +
        `${decimal(saturating, 3)} by the saturating loss, ${decimal(other, 3)} by the non-saturating one.`,
    );
    figure.redraw();
  }

  update();
  return () => figure.close();
}

export default { render };
