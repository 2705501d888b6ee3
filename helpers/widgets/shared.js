// What every interactive figure of the book needs: controls with labels, sharp canvases, light and dark, words.
// The files of this folder are joined to one module, so each name at their top level is known in those after it.

// --- Small tools ---

// Make an element with attributes and children.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Write a number with so many decimals and a true minus sign.
export const decimal = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// "#rrggbb" → [r, g, b].
export const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Whether the page is dark: the book's theme, Colab and JupyterLab each say it in their own way.
function isDark() {
  const theme = document.documentElement.dataset.theme ?? document.documentElement.getAttribute("theme");
  const lab = document.body.dataset.jpThemeLight;
  if (theme) return theme === "dark";
  return lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// Random numbers that depend on the seed alone (mulberry32); normal() by Box and Muller.
export class Random {
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
  normals(count) {
    return new Float32Array(count).map(() => this.normal());
  }
}

// --- Figure: the frame of a widget ---

export class Figure {
  // With `beside`, the controls stand at the right of pictures and words where there is room.
  constructor(el, model, { beside = false } = {}) {
    this.closing = new AbortController();
    this.canvases = [];
    this.pictures = make("div");
    this.screen = make("div", { class: "screen" }, this.pictures);
    this.panel = make("div", { class: "controls" });
    this.words = make("p", { class: "words", role: "status", "aria-live": "polite" });
    const name = `${model.get("title")}. ${model.get("alt")}`;
    this.root = make("div", { class: "book-figure", role: "group", "aria-label": name });
    this.root.toggleAttribute("data-beside", beside);
    this.root.append(this.screen, this.panel);
    (beside ? this.screen : this.root).append(this.words);
    el.append(this.root);
    this.watchSize();
    this.watchTheme();
  }

  // Free everything; a widget's render returns `() => figure.close()`.
  close() {
    this.closing.abort();
    this.resizing.disconnect();
    this.theming.disconnect();
    this.root.remove();
  }

  listen(target, names, handle, options = {}) {
    for (const name of names.split(" "))
      target.addEventListener(name, handle, { signal: this.closing.signal, ...options });
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

  // Add a canvas as wide as its box and `ratio` times as high; draw(context, width, height, colours) is called
  // once a frame at most, in CSS pixels. Where `keys` lets it have the focus, the label says what keys do.
  canvas({ label, ratio, draw, least = 0, into = this.pictures }) {
    const canvas = make("canvas", { role: "img", "aria-label": label });
    into.append(canvas);
    this.canvases.push({ canvas, draw, ratio, least });
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
    if (!this.colours) this.readColours();
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
  slider({ label, min, max, step, value, change, text = (number) => decimal(number), into = this.panel }) {
    const input = make("input", { type: "range", min, max, step, "aria-label": label });
    const shown = make("span");
    const set = (number) => {
      input.value = number;
      shown.textContent = text(Number(input.value));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    this.listen(input, "input", () => {
      set(input.value);
      change(Number(input.value));
    });
    into.append(make("label", {}, `${label}: `, shown, input));
    set(value);
    return { input, set };
  }

  // Options are a list of [value, name].
  choice({ label, options, value, change, into = this.panel }) {
    const select = make("select", {}, ...options.map(([key, name]) => make("option", { value: key }, name)));
    const set = (key) => {
      select.value = key;
    };
    this.listen(select, "change", () => change(select.value));
    const long = options.some(([, name]) => name.length > 16); // takes a line of its own
    into.append(make("label", long ? { class: "long" } : {}, label, select));
    set(value);
    return { select, set };
  }

  toggle({ label, value, change, into = this.panel }) {
    const input = make("input", { type: "checkbox" });
    const set = (on) => {
      input.checked = on;
    };
    this.listen(input, "change", () => change(input.checked));
    into.append(make("label", {}, input, label));
    set(value);
    return { input, set };
  }

  // A row for buttons, over the whole width.
  row() {
    const row = make("div", { class: "buttons" });
    this.panel.append(row);
    return row;
  }

  button({ label, press, into = this.row() }) {
    const button = make("button", { type: "button" }, label);
    this.listen(button, "click", () => press(button));
    into.append(button);
    return button;
  }

  // -- pointer and keys on a canvas --

  // Follow a pointer (mouse, pen or finger): down(x, y) returns false to leave it to the page; then move(x, y), up().
  // `touch` is the CSS touch-action: what a finger still does to the page.
  drag(canvas, { down, move, up = () => {}, touch = "none" }) {
    const at = (event) => [event.offsetX, event.offsetY];
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

  // Let the canvas have the focus: arrows(dx, dy, event) with −1, 0 or 1 for right and down, act() for Enter and
  // Space. Returns a function that switches this on or off; it is off at first.
  keys(canvas, { arrows, act }) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    this.listen(canvas, "keydown", (event) => {
      if (canvas.tabIndex < 0) return;
      const step = steps[event.key];
      if (step) arrows(...step, event);
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

  // Say in words what the pictures show, on the page and to screen readers.
  say(text) {
    if (this.words.textContent !== text) this.words.textContent = text;
  }

  // While something runs, the words change too often to be read out.
  quiet(on) {
    this.words.setAttribute("aria-live", on ? "off" : "polite");
  }
}

// --- Loop: work that goes on while the page stays responsive ---

// Calls step() at most rate() times a second (Infinity: as often as there is time), each call in a task of its own, so
// that input and frames come between; stops while the figure is out of sight.
export class Loop {
  constructor(figure, step, rate) {
    Object.assign(this, { figure, step, rate, running: false, due: 0, seen: true });
    this.channel = new MessageChannel();
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

// A thread that answers tasks with work(task), where `work` is the name of a function of the figure's script. Task and
// result are numbers, lists and the like, for they are copied.
export class Thread {
  constructor(figure, script, work) {
    Object.assign(this, { script, work, waiting: [] });
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

  // The promise of work(task); answers come in the order of the tasks.
  ask(task) {
    this.worker ??= this.hire();
    this.worker.postMessage(task);
    return new Promise((answer) => this.waiting.push(answer));
  }
}

// A loop for work that takes long: step() returns a task for the thread, and take() gets its result, unless the loop
// was stopped meanwhile.
export class ThreadLoop extends Loop {
  constructor(figure, thread, { step, take, rate }) {
    super(figure, step, rate);
    Object.assign(this, { thread, take, stops: 0 });
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

// --- Axes: curves on a canvas ---

// Numbers from low to high, both included, in so many equal steps.
export function range(low, high, steps) {
  return Float64Array.from({ length: steps + 1 }, (_, i) => low + ((high - low) * i) / steps);
}

// A plot over the whole canvas; x and y are [low, high]. `px` and `py` turn numbers into CSS pixels, `x` and `y` back.
export class Axes {
  constructor(context, width, height, colours, { x, y, left = 40, bottom = 20, top = 8, right = 8 }) {
    const [w, h] = [width - left - right, height - top - bottom];
    Object.assign(this, { context, colours, width, height, left, bottom, limits: { x, y } });
    this.px = (value) => left + ((value - x[0]) / (x[1] - x[0])) * w;
    this.py = (value) => top + ((y[1] - value) / (y[1] - y[0])) * h;
    this.x = (pixel) => x[0] + ((pixel - left) / w) * (x[1] - x[0]);
    this.y = (pixel) => y[1] - ((pixel - top) / h) * (y[1] - y[0]);
  }

  // Ticks with numbers; [] leaves an axis without.
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

  path(xs, ys) {
    this.context.beginPath();
    for (let i = 0; i < xs.length; i++) this.context.lineTo(this.px(xs[i]), this.py(ys[i]));
  }

  line(xs, ys, colour, width = 2, dash = []) {
    this.path(xs, ys);
    Object.assign(this.context, { strokeStyle: colour, lineWidth: width });
    this.context.setLineDash(dash);
    this.context.stroke();
    this.context.setLineDash([]);
  }

  // Fill between the curve and 0.
  fill(xs, ys, colour, alpha = 0.2) {
    const { context } = this;
    this.path(xs, ys);
    context.lineTo(this.px(xs.at(-1)), this.py(0));
    context.lineTo(this.px(xs[0]), this.py(0));
    Object.assign(context, { fillStyle: colour, globalAlpha: alpha });
    context.fill();
    context.globalAlpha = 1;
  }

  dot(x, y, colour, radius = 6) {
    this.context.beginPath();
    this.context.arc(this.px(x), this.py(y), radius, 0, 2 * Math.PI);
    this.context.fillStyle = colour;
    this.context.fill();
  }

  // Names of the curves, [text, colour], in a row at the top.
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
