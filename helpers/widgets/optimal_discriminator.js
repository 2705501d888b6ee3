import { Axes, Figure, clamp, decimal, range } from "./shared.js";

// --- What is computed: mixtures {means, widths, share} of two normal densities ---

/** @typedef {{means: number[], widths: number[], share: number}} Mixture */

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

/**
 * @param {number} x
 * @param {Mixture} mixture
 * @returns {number}
 */
export const logDensity = (x, mixture) => logSum(...logParts(x, mixture));

/**
 * The slope of the logarithm of the density.
 * @param {number} x
 * @param {Mixture} mixture
 * @returns {number}
 */
export function score(x, mixture) {
  const parts = logParts(x, mixture);
  const total = logSum(...parts);
  const slopes = mixture.means.map((mean, i) => (mean - x) / mixture.widths[i] ** 2);
  return Math.exp(parts[0] - total) * slopes[0] + Math.exp(parts[1] - total) * slopes[1];
}

/**
 * At x: both densities, the best D, and the push on a generated point there: minus the slope of each loss.
 * @param {number} x
 * @param {Mixture} p
 * @param {Mixture} q
 */
export function look(x, p, q) {
  const [logP, logQ] = [logDensity(x, p), logDensity(x, q)];
  const best = 1 / (1 + Math.exp(logQ - logP));
  const slope = score(x, p) - score(x, q);
  const pushes = { saturating: best * slope, other: (1 - best) * slope };
  return { logP, logQ, p: Math.exp(logP), q: Math.exp(logQ), best, ...pushes };
}

/**
 * Integrals over x: the divergence JS, the value of the game at the best D, the mean pushes on generated points.
 * @param {Mixture} p
 * @param {Mixture} q
 */
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

const LOW = -6; // the plots show x from LOW to −LOW
const TICKS = [-4, -2, 0, 2, 4];
const MEAN = { min: -5, max: 5 };
const WIDTH = { min: 0.2, max: 2 };
const SHARE = { min: 0, max: 1 };
const EXAMPLES = {
  "Three modes": [
    { means: [-2, 1.5], widths: [0.8, 0.8], share: 0.4 },
    { means: [0, 3], widths: [1, 1], share: 1 },
  ],
  "Far apart": [
    { means: [-3, -3], widths: [0.5, 0.5], share: 1 },
    { means: [3, 3], widths: [0.5, 0.5], share: 1 },
  ],
  "A lost mode": [
    { means: [-2, 2], widths: [0.5, 0.5], share: 0.5 },
    { means: [-2, 2], widths: [0.5, 0.5], share: 1 },
  ],
  "Arrived": [
    { means: [-2, 1.5], widths: [0.8, 0.8], share: 0.4 },
    { means: [-2, 1.5], widths: [0.8, 0.8], share: 0.4 },
  ],
};

// The two densities, which of them is edited, and what is computed of them at all x.
class Scene {
  edited = "q";
  xs = range(LOW, -LOW, 240);
  /** @type {Axes} */
  axes; // of the plot of the densities, for the pointer

  constructor(p, q) {
    this.set(p, q);
  }

  set(p, q) {
    this.densities = structuredClone({ p, q });
  }

  update() {
    this.curves = Array.from(this.xs, (x) => look(x, this.densities.p, this.densities.q));
  }

  column(name) {
    return this.curves.map((at) => at[name]);
  }

  // The modes of a density that have a share.
  modes(name) {
    return [0, 1].filter((i) => sharesOf(this.densities[name])[i] > 0);
  }

  peak(name, i) {
    return Math.exp(logDensity(this.densities[name].means[i], this.densities[name]));
  }

  // The mode whose dot is nearest to a point of the plot, unless all are far.
  modeAt(x, y) {
    const dots = ["p", "q"].flatMap((name) => this.modes(name).map((i) => ({ name, i })));
    const far = ({ name, i }) =>
      Math.hypot(this.axes.px(this.densities[name].means[i]) - x, this.axes.py(this.peak(name, i)) - y);
    const nearest = dots.reduce((best, dot) => (far(dot) < far(best) ? dot : best));
    return far(nearest) > 40 ? null : nearest;
  }

  describe() {
    const { js, value, saturating, other } = measure(this.densities.p, this.densities.q);
    return (
      `JS(p, q) = ${decimal(js, 3)} nats, at most log 2 = 0.693. Value of the game at D*: ${decimal(value, 3)}, ` +
      `loss of D: ${decimal(-value, 3)}. Mean push on generated points, positive to the right: ` +
      `${decimal(saturating, 3)} by the saturating loss, ${decimal(other, 3)} by the non-saturating one.`
    );
  }
}

// Returns the canvas of the densities.
function addPlots(figure, scene) {
  const x = [LOW, -LOW];
  const { xs } = scene;
  const upper = figure.canvas({
    label: "Densities p and q over x. Drag a dot, or use the sliders.",
    ratio: 0.34,
    least: 130,
    draw(context, width, height, colours) {
      const top = 1.3 * Math.max(0.4, ...scene.column("p"), ...scene.column("q"));
      const axes = (scene.axes = new Axes(context, width, height, colours, { x, y: [0, top] }));
      axes.ticks(TICKS, range(0, 5, top < 1 ? 25 : 10).filter((tick) => tick < top), 1);
      for (const [name, colour] of [["p", colours.real], ["q", colours.fake]]) {
        axes.fill(xs, scene.column(name), colour);
        axes.line(xs, scene.column(name), colour);
        const radius = name === scene.edited ? 7 : 5;
        const { means } = scene.densities[name];
        for (const i of scene.modes(name)) axes.dot(means[i], scene.peak(name, i), colour, radius);
      }
      axes.legend(["p(x), real", colours.real], ["q(x), generated", colours.fake]);
    },
  });

  figure.canvas({
    label: "The best discriminator D* over x",
    ratio: 0.2,
    least: 90,
    draw(context, width, height, colours) {
      const axes = new Axes(context, width, height, colours, { x, y: [0, 1], top: 20 });
      axes.ticks(TICKS, [0, 0.5, 1], 1);
      axes.line(xs, scene.column("best"), colours.green, 2.5);
      axes.legend(["D*(x) = p / (p + q)", colours.green]);
    },
  });

  figure.canvas({
    label: "The push on a generated point at x, by the saturating and by the non-saturating loss",
    ratio: 0.26,
    least: 110,
    draw(context, width, height, colours) {
      const seen = scene.curves.filter((at) => at.q > 0.02);
      const largest = Math.max(0.5, ...seen.map((at) => Math.max(Math.abs(at.saturating), Math.abs(at.other))));
      const end = [0.5, 1, 2, 5, 10, 20, 50, 100].find((one) => one >= largest) ?? 200;
      const axes = new Axes(context, width, height, colours, { x, y: [-end, end], top: 20 });
      axes.ticks(TICKS, [-end, 0, end], end < 1 ? 1 : 0);
      context.save();
      context.rect(axes.left, 20, width, height - 20 - axes.bottom);
      context.clip();
      axes.line(xs, scene.column("other"), colours.pink, 2.5);
      axes.line(xs, scene.column("saturating"), colours.blue, 2, [6, 4]);
      context.restore();
      axes.legend(["- - saturating", colours.blue], ["— non-saturating push", colours.pink]);
    },
  });
  return upper;
}

// Which density is edited, and its sliders; returns the function that chooses another one, or shows a change of it.
function addControls(figure, scene, update) {
  const one = () => scene.densities[scene.edited];
  const choice = figure.choice({
    label: "Density to change",
    options: [["p", "p, real"], ["q", "q, generated"]],
    value: scene.edited,
    change: edit,
  });
  // A slider of a number in what `of` returns.
  const control = (label, limits, of, key, text) => {
    const change = (value) => {
      of()[key] = value;
      update();
    };
    const slider = figure.slider({ label, ...limits, step: 0.05, value: of()[key], change, text });
    return () => slider.set(of()[key]);
  };
  const sliders = [
    control("Share of mode 1", SHARE, one, "share", (value) => `${Math.round(100 * value)}%`),
    ...[0, 1].flatMap((i) => [
      control(`Mean of mode ${i + 1}`, MEAN, () => one().means, i),
      control(`Width of mode ${i + 1}`, WIDTH, () => one().widths, i),
    ]),
  ];

  function edit(name) {
    scene.edited = name;
    choice.set(name);
    for (const slider of sliders) slider();
    figure.redraw();
  }

  return edit;
}

function render({ model, el }) {
  const figure = new Figure(el, model);
  const scene = new Scene(model.get("p"), model.get("q"));
  const upper = addPlots(figure, scene);
  const edit = addControls(figure, scene, update);
  const row = figure.row();
  for (const [label, [p, q]] of Object.entries(EXAMPLES)) {
    const press = () => {
      scene.set(p, q);
      edit(scene.edited);
      update();
    };
    figure.button({ label, press, into: row });
  }

  // -- the pointer: a dot is moved sideways, and up to make its mode narrower --

  let held = null;
  figure.drag(upper, {
    touch: "pan-y",
    down(x, y) {
      const mode = scene.modeAt(x, y);
      if (!mode) return false;
      held = { ...mode, y, width: scene.densities[mode.name].widths[mode.i] };
      edit(held.name);
      return true;
    },
    move(x, y) {
      const one = scene.densities[held.name];
      one.means[held.i] = clamp(scene.axes.x(x), MEAN.min, MEAN.max);
      one.widths[held.i] = clamp(held.width * Math.exp((y - held.y) / 80), WIDTH.min, WIDTH.max);
      edit(held.name);
      update();
    },
  });

  function update() {
    scene.update();
    figure.say(scene.describe());
    figure.redraw();
  }

  update();
  return () => figure.close();
}

export default { render };
