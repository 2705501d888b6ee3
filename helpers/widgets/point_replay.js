// --- What is computed ---

// The points of a run at one of its moments; `numbers` holds all of them, as 8-bit integers.
export function recorded(numbers, { run, moment, moments, shown, edge }) {
  const length = 2 * shown;
  const from = (run * moments + moment) * length;
  return Float32Array.from({ length }, (_, at) => (numbers.getInt8(from + at) * edge) / 127);
}

// --- What is shown ---

const REAL = 500; // real points
const PICTURES = 5; // a second

function render({ model, el }) {
  const figure = new Figure(el, model, { beside: true });
  const runs = model.get("runs");
  const mixtures = model.get("mixtures");
  const last = runs[0].steps.length - 1;
  const state = { name: runs[0].name, seed: runs[0].seed, moment: last };
  const run = () => runs.find(({ name, seed }) => name === state.name && seed === state.seed);
  const modes = () => mixtures[run().mixture].centers.length;

  figure.canvas({
    label: "Real points and generated points in the plane",
    ratio: 1,
    draw(context, width, height, colours) {
      const place = (value) => ((value / VIEW + 1) * width) / 2;
      const [shown, edge] = [model.get("shown"), model.get("edge")];
      const at = { run: runs.indexOf(run()), moment: state.moment, moments: last + 1, shown, edge };
      drawDots(context, sample(mixtures[run().mixture], REAL, new Random(2)), place, 4, colours.real);
      drawDots(context, recorded(model.get("points"), at), place, 3, colours.fake);
    },
  });

  figure.canvas({
    label: "Share of the modes covered, and share of points of high quality, over the steps of training",
    ratio: 0.36,
    least: 130,
    draw(context, width, height, colours) {
      const { steps, high_quality } = run();
      const axes = new Axes(context, width, height, colours, { x: [0, steps.at(-1)], y: [0, 1], top: 22, right: 16 });
      axes.ticks(range(0, steps.at(-1), 4), [0, 0.5, 1], 1);
      const now = steps[state.moment];
      axes.line([now, now], [0, 1], colours.soft, 1);
      const covered = run().modes.map((count) => count / modes());
      for (const [shares, colour] of [[covered, colours.blue], [high_quality, colours.orange]]) {
        axes.line(steps, shares, colour);
        axes.dot(now, shares[state.moment], colour, 4);
      }
      axes.legend(["modes", colours.blue], ["high quality", colours.orange], ["over steps", colours.soft]);
    },
  });

  // -- controls --

  const loop = new Loop(
    figure,
    () => {
      show(state.moment + 1);
      if (state.moment === last) play(false);
    },
    () => (reducedMotion() ? 1 : PICTURES),
  );

  function play(on) {
    if (on && state.moment === last) show(0);
    if (on) loop.start();
    else loop.stop();
    playing.textContent = on ? "Pause" : "Play";
    figure.quiet(on);
  }

  const playing = figure.button({ label: "Play", press: () => play(!loop.running) });
  const moment = figure.slider({
    label: "Moment",
    min: 0,
    max: last,
    step: 1,
    value: state.moment,
    text: (at) => `step ${run().steps[at].toLocaleString("en")}`,
    change(at) {
      play(false);
      show(at);
    },
  });
  for (const [label, key] of [["Run", "name"], ["Seed", "seed"]]) {
    const values = [...new Set(runs.map((one) => one[key]))];
    figure.choice({
      label,
      options: values.map((value, at) => [at, String(value)]),
      value: values.indexOf(state[key]),
      change(at) {
        state[key] = values[at];
        show(state.moment);
      },
    });
  }

  // -- words --

  function show(at) {
    state.moment = at;
    moment.set(at);
    const { steps, high_quality } = run();
    const percent = (100 * high_quality[at]).toFixed(1);
    figure.say(
      `After step ${steps[at].toLocaleString("en")}: ${run().modes[at]} of ${modes()} modes covered; ${percent}% of ` +
        "high quality, counted over 2,500 points.",
    );
    figure.redraw();
  }

  show(state.moment);
  return () => figure.close();
}

export default { render };
