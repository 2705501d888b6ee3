import { drawDots, placeOn, sample } from "./plane.js";
import { Axes, Figure, Loop, Player, Random, inflating, range, reducedMotion } from "./shared.js";

// --- What is computed ---

/**
 * The points of a run at one of its moments; `numbers` holds all of them, as 8-bit integers.
 * @param {DataView} numbers
 * @param {{run: number, moment: number, moments: number, shown: number, edge: number}} at
 * @returns {Float32Array}
 */
export function recorded(numbers, { run, moment, moments, shown, edge }) {
  const length = 2 * shown;
  const from = (run * moments + moment) * length;
  return Float32Array.from({ length }, (_, at) => (numbers.getInt8(from + at) * edge) / 127);
}

// --- What is shown ---

const REAL = 500; // real points
const PICTURES = 5; // a second

// Which run is shown, and at which of its moments.
class Replay {
  constructor(model) {
    this.get = (name) => model.get(name);
    this.runs = this.get("runs");
    this.key = { name: this.runs[0].name, seed: this.runs[0].seed };
    this.moment = this.last = this.runs[0].steps.length - 1;
  }

  get run() {
    return this.runs.find(({ name, seed }) => name === this.key.name && seed === this.key.seed);
  }

  get mixture() {
    return this.get("mixtures")[this.run.mixture];
  }

  get points() {
    const { runs, run, moment, last } = this;
    const at = { run: runs.indexOf(run), moment, moments: last + 1, shown: this.get("shown"), edge: this.get("edge") };
    return recorded(this.get("points"), at);
  }

  // In words.
  step(at) {
    return `step ${this.run.steps[at].toLocaleString("en")}`;
  }

  describe() {
    const { run, moment } = this;
    const percent = (100 * run.high_quality[moment]).toFixed(1);
    return (
      `After ${this.step(moment)}: ${run.modes[moment]} of ${this.mixture.centers.length} modes covered; ` +
      `${percent}% of high quality, counted over 2,500 points.`
    );
  }
}

function addPictures(figure, replay) {
  figure.canvas({
    label: "Real points and generated points in the plane",
    ratio: 1,
    draw(context, width, height, colours) {
      drawDots(context, sample(replay.mixture, REAL, new Random(2)), placeOn(width), 4, colours.real);
      drawDots(context, replay.points, placeOn(width), 3, colours.fake);
    },
  });

  figure.canvas({
    label: "Share of the modes covered, and share of points of high quality, over the steps of training",
    ratio: 0.36,
    least: 130,
    draw(context, width, height, colours) {
      const { steps, modes, high_quality } = replay.run;
      const axes = new Axes(context, width, height, colours, { x: [0, steps.at(-1)], y: [0, 1], top: 22, right: 16 });
      axes.ticks(range(0, steps.at(-1), 4), [0, 0.5, 1], 1);
      const now = steps[replay.moment];
      axes.line([now, now], [0, 1], colours.soft, 1);
      const covered = modes.map((count) => count / replay.mixture.centers.length);
      for (const [shares, colour] of [[covered, colours.blue], [high_quality, colours.orange]]) {
        axes.line(steps, shares, colour);
        axes.dot(now, shares[replay.moment], colour, 4);
      }
      axes.legend(["modes", colours.blue], ["high quality", colours.orange], ["over steps", colours.soft]);
    },
  });
}

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const replay = new Replay(model);
  addPictures(figure, replay);

  // -- controls --

  function step() {
    show(replay.moment + 1);
    if (replay.moment === replay.last) player.play(false);
  }

  const player = new Player(figure, new Loop(figure, step, () => (reducedMotion() ? 1 : PICTURES)), {
    ready: () => replay.moment === replay.last && show(0),
  });
  const moment = figure.slider({
    label: "Moment",
    min: 0,
    max: replay.last,
    step: 1,
    value: replay.moment,
    text: (at) => replay.step(at),
    change(at) {
      player.play(false);
      show(at);
    },
  });
  for (const [label, name] of [["Run", "name"], ["Seed", "seed"]]) {
    const values = [...new Set(replay.runs.map((one) => one[name]))];
    figure.choice({
      label,
      options: values.map((value, at) => [at, String(value)]),
      value: values.indexOf(replay.key[name]),
      change(at) {
        replay.key[name] = values[at];
        show(replay.moment);
      },
    });
  }

  // -- words --

  function show(at) {
    replay.moment = at;
    moment.set(at);
    figure.say(replay.describe());
    figure.redraw();
  }

  show(replay.moment);
  return () => figure.close();
}

export default { render: inflating(["points"], render) };
