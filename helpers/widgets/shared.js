// What every interactive figure of the book needs: controls with labels, sharp canvases, light and dark, words.
// base.py joins it and the files that import it to one module, so no two of them may define the same name.

/** @typedef {{get: (name: string) => any}} Model what Python hands over, by the traits' names */
/** @typedef {Record<string, string>} Colours by the names of shared.css's variables, and the font */
/** @typedef {(context: CanvasRenderingContext2D, width: number, height: number, colours: Colours) => void} Draw */

// --- Small tools ---

/**
 * Make an element with attributes and children.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Write a number with so many decimals and a true minus sign.
 * @param {number} value
 * @param {number} [digits]
 * @returns {string}
 */
export const decimal = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/**
 * The number within the limits that is nearest to a value.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * "#rrggbb" → [r, g, b].
 * @param {string} colour
 * @returns {number[]}
 */
export const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

/** @returns {boolean} */
export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Whether the page is dark: the book's theme, Colab and JupyterLab each say it in their own way.
function isDark() {
  const theme = document.documentElement.dataset.theme ?? document.documentElement.getAttribute("theme");
  const lab = document.body.dataset.jpThemeLight;
  if (theme) return theme === "dark";
  return lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Random numbers that depend on the seed alone (mulberry32); normal() by Box and Muller. */
export class Random {
  /** @param {number} seed */
  constructor(seed) {
    this.state = seed >>> 0;
  }
  uniform() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
  /** @param {number} count */
  normals(count) {
    return new Float32Array(count).map(() => this.normal());
  }
}

// --- Bytes, which base.py deflates ---

/**
 * A trait's value with its bytes as they were in Python.
 * @param {any} value
 * @returns {Promise<any>}
 */
async function inflate(value) {
  if (value instanceof DataView) {
    const bytes = /** @type {DataView<ArrayBuffer>} */ (value);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new DataView(await new Response(stream).arrayBuffer());
  }
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(
    await Promise.all(Object.entries(value).map(async ([name, one]) => [name, await inflate(one)])),
  );
}

/**
 * A figure's `render` that is given the bytes of these traits as they were in Python.
 * @template Ending
 * @param {string[]} names
 * @param {(view: {model: Model, el: HTMLElement}) => Ending} render
 * @returns {(view: {model: Model, el: HTMLElement}) => Promise<Ending>}
 */
export const inflating = (names, render) => async ({ model, el }) => {
  const held = await inflate(Object.fromEntries(names.map((name) => [name, model.get(name)])));
  return render({ model: { get: (name) => held[name] ?? model.get(name) }, el });
};

// --- Figure: the frame of a widget ---

export class Figure {
  closing = new AbortController();
  /** @type {{canvas: HTMLCanvasElement, draw: Draw, ratio: number, least: number, width: number, height: number}[]} */
  canvases = [];
  /** @type {?Colours} */
  colours = null;
  /** @type {?number} */
  frame = null; // that was asked for
  pictures = make("div");
  screen = make("div", { class: "screen" }, this.pictures);
  panel = make("div", { class: "controls" });
  words = make("p", { class: "words", role: "status", "aria-live": "polite" });

  /**
   * With `beside`, the controls stand at the right of pictures and words where there is room.
   * @param {HTMLElement} el
   * @param {Model} model
   * @param {{beside?: boolean}} [options]
   */
  constructor(el, model, { beside = false } = {}) {
    const name = `${model.get("title")}. ${model.get("alt")}`;
    this.root = make("div", { class: "book-figure", role: "group", "aria-label": name });
    this.root.toggleAttribute("data-beside", beside);
    this.root.append(this.screen, this.panel);
    (beside ? this.screen : this.root).append(this.words);
    el.append(this.root);
    this.watchSize();
    this.watchTheme();
    this.keepKeys();
  }

  // Free everything; a widget's render returns `() => figure.close()`.
  close() {
    this.closing.abort();
    this.resizing.disconnect();
    this.theming.disconnect();
    this.root.remove();
  }

  /**
   * @param {EventTarget} target
   * @param {string} names of events, with spaces between
   * @param {(event: any) => void} handle
   */
  listen(target, names, handle) {
    for (const name of names.split(" ")) target.addEventListener(name, handle, { signal: this.closing.signal });
  }

  // -- keys --

  // JupyterLab has shortcuts for arrows and digits, and takes those keys from what has the focus unless it says this.
  keepKeys() {
    this.listen(this.root, "focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", ""));
  }

  // -- colours --

  watchTheme() {
    const update = () => {
      this.root.toggleAttribute("data-dark", isDark());
      this.colours = null; // read anew when they are needed, once the style holds
      this.redraw();
    };
    this.theming = new MutationObserver(update);
    for (const node of [document.documentElement, document.body])
      this.theming.observe(node, { attributeFilter: ["data-theme", "theme", "data-jp-theme-light"] });
    this.listen(matchMedia("(prefers-color-scheme: dark)"), "change", update);
    update();
  }

  readColours() {
    const style = getComputedStyle(this.root);
    const names = ["paper", "ink", "soft", "line", "blue", "orange", "green", "pink", "real", "fake", "warm", "cold"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.colours.font = style.fontFamily;
  }

  // -- canvases --

  /**
   * Add a canvas as wide as its box and `ratio` times as high; `draw` is called once a frame at most, in CSS pixels.
   * Where `keys` lets it have the focus, the label says what keys do.
   * @param {{label: string, ratio: number, draw: Draw, least?: number, into?: HTMLElement}} options
   * @returns {HTMLCanvasElement}
   */
  canvas({ label, ratio, draw, least = 0, into = this.pictures }) {
    const canvas = make("canvas", { role: "img", "aria-label": label });
    into.append(canvas);
    this.canvases.push({ canvas, draw, ratio, least, width: 0, height: 0 });
    this.resizing.observe(canvas);
    return canvas;
  }

  watchSize() {
    this.resizing = new ResizeObserver((entries) => {
      for (const { target } of entries) this.fit(this.canvases.find(({ canvas }) => canvas === target));
      this.redraw();
    });
  }

  fit(surface) {
    const { canvas, ratio, least } = surface;
    surface.width = canvas.clientWidth;
    surface.height = Math.max(least, Math.round(surface.width * ratio));
    canvas.style.height = `${surface.height}px`;
    canvas.width = Math.round(surface.width * devicePixelRatio);
    canvas.height = Math.round(surface.height * devicePixelRatio);
  }

  // Ask for a new picture in the next frame.
  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!this.closing.signal.aborted) this.paint();
    });
  }

  paint() {
    // Outside the document, where JupyterLab makes an output at times, there is no style to read: read it again later.
    if (!this.colours?.ink) this.readColours();
    for (const { canvas, draw, width, height } of this.canvases) {
      if (!width) continue;
      const context = canvas.getContext("2d");
      context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
      context.clearRect(0, 0, width, height);
      context.font = `12px ${this.colours.font}`;
      draw(context, width, height, this.colours);
    }
  }

  // -- controls --

  // Each returns the control with `set(value)`, which does not call `change`.

  /**
   * @param {{label: string, min: number, max: number, step: number, value: number, change: (value: number) => void,
   *   text?: (value: number) => string, into?: HTMLElement}} options
   */
  slider({ label, min, max, step, value, change, text = (number) => decimal(number), into = this.panel }) {
    const input = make("input", { type: "range", min, max, step, "aria-label": label });
    const shown = make("span");
    const set = (/** @type {number} */ number) => {
      input.value = String(number);
      shown.textContent = text(Number(input.value));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    this.listen(input, "input", () => {
      set(Number(input.value));
      change(Number(input.value));
    });
    into.append(make("label", {}, `${label}: `, shown, input));
    set(value);
    return { input, set };
  }

  /**
   * @param {{label: string, options: any[][], value: string | number, change: (value: string) => void,
   *   into?: HTMLElement}} choice its options are a list of [value, name]
   */
  choice({ label, options, value, change, into = this.panel }) {
    const select = make("select", {}, ...options.map(([key, name]) => make("option", { value: key }, name)));
    const set = (/** @type {string | number} */ key) => {
      select.value = String(key);
    };
    this.listen(select, "change", () => change(select.value));
    const long = options.some(([, name]) => name.length > 16); // takes a line of its own
    into.append(make("label", long ? { class: "long" } : {}, label, select));
    set(value);
    return { select, set };
  }

  /** @param {{label: string, value: boolean, change: (on: boolean) => void, into?: HTMLElement}} options */
  toggle({ label, value, change, into = this.panel }) {
    const input = make("input", { type: "checkbox" });
    const set = (/** @type {boolean} */ on) => {
      input.checked = on;
    };
    this.listen(input, "change", () => change(input.checked));
    into.append(make("label", {}, input, label));
    set(value);
    return { input, set };
  }

  /** A row for buttons, over the whole width. */
  row() {
    const row = make("div", { class: "buttons" });
    this.panel.append(row);
    return row;
  }

  /** @param {{label: string, press: () => void, into?: HTMLElement}} options */
  button({ label, press, into = this.row() }) {
    const button = make("button", { type: "button" }, label);
    this.listen(button, "click", press);
    into.append(button);
    return button;
  }

  // -- pointer and keys on a canvas --

  /**
   * Follow a pointer (mouse, pen or finger): down(x, y) returns false to leave it to the page; then move(x, y), up().
   * `touch` is the CSS touch-action: what a finger still does to the page.
   * @param {HTMLCanvasElement} canvas
   * @param {{down: (x: number, y: number) => boolean | void, move: (x: number, y: number) => void, up?: () => void,
   *   touch?: string}} options
   */
  drag(canvas, { down, move, up = () => {}, touch = "none" }) {
    const at = (event) => /** @type {const} */ ([event.offsetX, event.offsetY]);
    let active = null;
    canvas.style.touchAction = touch;
    this.listen(canvas, "pointerdown", (event) => {
      if (!event.isPrimary || event.button || down(...at(event)) === false) return;
      active = event.pointerId;
      canvas.setPointerCapture(active);
    });
    this.listen(canvas, "pointermove", (event) => {
      if (event.pointerId === active) move(...at(event));
    });
    this.listen(canvas, "pointerup pointercancel", (event) => {
      if (event.pointerId !== active) return;
      active = null;
      up();
    });
  }

  /**
   * Let the canvas have the focus: arrows(dx, dy) with −1, 0 or 1 for right and down, act() for Enter and Space.
   * @param {HTMLCanvasElement} canvas
   * @param {{arrows: (dx: number, dy: number) => void, act: () => void}} options
   * @returns {(on: boolean) => void} switches this on or off; it is off at first
   */
  keys(canvas, { arrows, act }) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    this.listen(canvas, "keydown", (event) => {
      if (canvas.tabIndex < 0) return;
      const step = steps[event.key];
      if (step) arrows(step[0], step[1]);
      else if (event.key === "Enter" || event.key === " ") act();
      else return;
      event.preventDefault();
    });
    return (on) => {
      canvas.tabIndex = on ? 0 : -1;
      canvas.setAttribute("role", on ? "application" : "img"); // a screen reader hands keys over to an application
    };
  }

  // -- words --

  /**
   * Say in words what the pictures show, on the page and to screen readers.
   * @param {string} text
   */
  say(text) {
    if (this.words.textContent !== text) this.words.textContent = text;
  }

  /**
   * While something runs, the words change too often to be read out.
   * @param {boolean} on
   */
  quiet(on) {
    this.words.setAttribute("aria-live", on ? "off" : "polite");
  }
}

// --- Loop: work that goes on while the page stays responsive ---

/**
 * Calls step() at most rate() times a second (Infinity: as often as there is time), each call in a task of its own, so
 * that input and frames come between; stops while the figure is out of sight.
 */
export class Loop {
  running = false;
  waiting = false; // for a turn that is on its way
  due = 0;
  seen = true;
  channel = new MessageChannel();

  /**
   * @param {Figure} figure
   * @param {() => any} step
   * @param {() => number} rate
   */
  constructor(figure, step, rate) {
    this.figure = figure;
    this.step = step;
    this.rate = rate;
    this.channel.port1.onmessage = () => this.turn();
    const watch = new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      this.next();
    });
    watch.observe(figure.root);
    figure.closing.signal.addEventListener("abort", () => {
      this.stop();
      watch.disconnect();
      this.channel.port1.close();
    });
  }

  start() {
    this.running = true;
    this.due = performance.now();
    this.next();
  }

  stop() {
    this.running = false;
  }

  // Ask for one more turn, unless one is on its way.
  next() {
    if (!this.running || !this.seen || this.waiting) return;
    this.waiting = true;
    const wait = this.due - performance.now();
    const post = () => this.channel.port2.postMessage(null);
    if (this.figure.frame) requestAnimationFrame(post); // a picture that was asked for comes first
    else if (wait > 2) setTimeout(() => this.turn(), wait);
    else post();
  }

  turn() {
    this.waiting = false;
    if (!this.running || !this.seen) return;
    this.step();
    this.rest();
  }

  rest() {
    this.due = Math.max(this.due + 1000 / this.rate(), performance.now() - 100);
    this.next();
  }
}

/**
 * A thread that answers tasks with work(task), where `work` is the name of a function of the figure's script. Task and
 * result are numbers, lists and the like, for they are copied.
 */
export class Thread {
  /** @type {((result: any) => void)[]} */
  waiting = [];
  /** @type {?Worker} */
  worker = null;

  /**
   * @param {Figure} figure
   * @param {string} script
   * @param {string} work
   */
  constructor(figure, script, work) {
    this.script = script;
    this.work = work;
    figure.closing.signal.addEventListener("abort", () => this.worker?.terminate());
  }

  // With the figure's own script, so that it needs no further file.
  hire() {
    const answer = `\nonmessage = ({ data }) => postMessage(${this.work}(data));`;
    const address = URL.createObjectURL(new Blob([this.script, answer], { type: "text/javascript" }));
    const worker = new Worker(address, { type: "module" });
    worker.onmessage = ({ data }) => {
      URL.revokeObjectURL(address);
      this.waiting.shift()(data);
    };
    return worker;
  }

  /**
   * The promise of work(task); answers come in the order of the tasks.
   * @param {any} task
   * @returns {Promise<any>}
   */
  ask(task) {
    this.worker ??= this.hire();
    this.worker.postMessage(task);
    return new Promise((answer) => this.waiting.push(answer));
  }
}

/**
 * A loop for work that takes long: step() returns a task for the thread, and take() gets its result, unless the loop
 * was stopped meanwhile.
 */
export class ThreadLoop extends Loop {
  stops = 0;

  /**
   * @param {Figure} figure
   * @param {Thread} thread
   * @param {{step: () => any, take: (result: any) => void, rate: () => number}} options
   */
  constructor(figure, thread, { step, take, rate }) {
    super(figure, step, rate);
    this.thread = thread;
    this.take = take;
  }

  stop() {
    super.stop();
    this.stops++;
  }

  async turn() {
    this.waiting = this.running && this.seen; // until the answer comes
    if (!this.waiting) return;
    const { stops } = this;
    const result = await this.thread.ask(this.step());
    this.waiting = false;
    this.rest();
    if (stops === this.stops) this.take(result);
  }
}

// --- Player: the buttons of a loop ---

/** Play or Pause; Step and Start anew for what has them, which end the playing first. */
export class Player {
  drawn = { at: 0, cost: 0 }; // when the picture was drawn, and how long that took, in milliseconds

  /**
   * @param {Figure} figure
   * @param {Loop} loop
   * @param {{step?: () => any, anew?: () => any, ready?: () => any, into?: HTMLElement}} [options] what the buttons do;
   *   `ready` is called before the loop starts
   */
  constructor(figure, loop, { step, anew, ready = () => {}, into = figure.row() } = {}) {
    this.figure = figure;
    this.loop = loop;
    this.ready = ready;
    this.button = figure.button({ label: "Play", press: () => this.play(!loop.running), into });
    for (const [label, act] of Object.entries({ Step: step, "Start anew": anew })) {
      const press = () => {
        this.play(false);
        act();
      };
      if (act) figure.button({ label, press, into });
    }
  }

  /** @param {boolean} on */
  play(on) {
    if (on) this.ready();
    if (on) this.loop.start();
    else this.loop.stop();
    this.button.textContent = on ? "Pause" : "Play";
    this.figure.quiet(on);
    this.figure.redraw();
  }

  /**
   * The same as `draw`, and a note of when it was and how long it took.
   * @param {Draw} draw
   * @returns {Draw}
   */
  timed(draw) {
    return (...given) => {
      const begun = performance.now();
      draw(...given);
      this.drawn = { at: performance.now(), cost: performance.now() - begun };
    };
  }

  /** Whether it is time for the next picture; most of the time the page is free for input. */
  get due() {
    return performance.now() - this.drawn.at > Math.max(reducedMotion() ? 1000 : 60, 5 * this.drawn.cost);
  }
}

// --- Axes: curves on a canvas ---

/**
 * Numbers from low to high, both included, in so many equal steps.
 * @param {number} low
 * @param {number} high
 * @param {number} steps
 * @returns {Float64Array}
 */
export function range(low, high, steps) {
  return Float64Array.from({ length: steps + 1 }, (_, i) => low + ((high - low) * i) / steps);
}

/** A plot over the whole canvas. `px` and `py` turn numbers into CSS pixels, `x` a pixel back. */
export class Axes {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} width
   * @param {number} height
   * @param {Colours} colours
   * @param {{x: number[], y: number[], left?: number, bottom?: number, top?: number, right?: number}} limits
   *   [low, high] of x and of y, and the margins
   */
  constructor(context, width, height, colours, { x, y, left = 40, bottom = 20, top = 8, right = 8 }) {
    const [w, h] = [width - left - right, height - top - bottom];
    this.context = context;
    this.colours = colours;
    this.left = left;
    this.bottom = bottom;
    this.limits = { x, y };
    this.px = (/** @type {number} */ value) => left + ((value - x[0]) / (x[1] - x[0])) * w;
    this.py = (/** @type {number} */ value) => top + ((y[1] - value) / (y[1] - y[0])) * h;
    this.x = (/** @type {number} */ pixel) => x[0] + ((pixel - left) / w) * (x[1] - x[0]);
  }

  /**
   * Ticks with numbers; [] leaves an axis without.
   * @param {Iterable<number>} xs
   * @param {Iterable<number>} ys
   * @param {number} [digits] of the numbers at y
   */
  ticks(xs, ys, digits = 0) {
    const { context, colours, limits } = this;
    context.strokeStyle = colours.line;
    context.fillStyle = colours.soft;
    context.lineWidth = 1;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const tick of xs) {
      this.line([tick, tick], limits.y, colours.line, 1);
      context.fillText(decimal(tick, 0), this.px(tick), this.py(limits.y[0]) + 5);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of ys) {
      this.line(limits.x, [tick, tick], colours.line, 1);
      context.fillText(decimal(tick, digits), this.left - 5, this.py(tick));
    }
  }

  /**
   * @param {ArrayLike<number>} xs
   * @param {ArrayLike<number>} ys
   */
  path(xs, ys) {
    this.context.beginPath();
    for (let i = 0; i < xs.length; i++) this.context.lineTo(this.px(xs[i]), this.py(ys[i]));
  }

  /**
   * @param {ArrayLike<number>} xs
   * @param {ArrayLike<number>} ys
   * @param {string} colour
   * @param {number} [width]
   * @param {number[]} [dash]
   */
  line(xs, ys, colour, width = 2, dash = []) {
    this.path(xs, ys);
    Object.assign(this.context, { strokeStyle: colour, lineWidth: width });
    this.context.setLineDash(dash);
    this.context.stroke();
    this.context.setLineDash([]);
  }

  /**
   * Fill between the curve and 0.
   * @param {ArrayLike<number>} xs
   * @param {ArrayLike<number>} ys
   * @param {string} colour
   * @param {number} [alpha]
   */
  fill(xs, ys, colour, alpha = 0.2) {
    const { context } = this;
    this.path(xs, ys);
    context.lineTo(this.px(xs[xs.length - 1]), this.py(0));
    context.lineTo(this.px(xs[0]), this.py(0));
    Object.assign(context, { fillStyle: colour, globalAlpha: alpha });
    context.fill();
    context.globalAlpha = 1;
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {string} colour
   * @param {number} [radius]
   */
  dot(x, y, colour, radius = 6) {
    this.context.beginPath();
    this.context.arc(this.px(x), this.py(y), radius, 0, 2 * Math.PI);
    this.context.fillStyle = colour;
    this.context.fill();
  }

  /**
   * Names of the curves in a row at the top.
   * @param {...any[]} entries [text, colour]
   */
  legend(...entries) {
    const { context } = this;
    Object.assign(context, { textAlign: "left", textBaseline: "top" });
    let at = this.left + 6;
    for (const [text, colour] of entries) {
      context.fillStyle = colour;
      context.fillText(text, at, 4);
      at += context.measureText(text).width + 14;
    }
  }
}
