// Small networks of dense layers in Float32Arrays: forward, backward, Adam. A batch of n rows is one flat array; sums
// are kept in double precision, as JavaScript does, and rounded when they are stored.

// --- Matrix product ---

// out (m×n) = A (m×k) times B (k×n). A is read from `a` with the strides ai (down) and ap (across), B from `b` with
// bp and bj, so that a transpose costs nothing. Tiles of 4×4 results stay in registers, which is three times as fast.
function product(out, m, k, n, a, ai, ap, b, bp, bj) {
  const rows = m - (m % 4);
  const columns = n - (n % 4);
  for (let i = 0; i < rows; i += 4)
    for (let j = 0; j < columns; j += 4) tile(out, i * n + j, n, k, a, i * ai, ai, ap, b, j * bj, bp, bj);
  for (let i = 0; i < m; i++)
    for (let j = i < rows ? columns : 0; j < n; j++) {
      let sum = 0;
      for (let p = 0, x = i * ai, y = j * bj; p < k; p++, x += ap, y += bp) sum += a[x] * b[y];
      out[i * n + j] = sum;
    }
}

function tile(out, at, n, k, a, x, ai, ap, b, y, bp, bj) {
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (let p = 0; p < k; p++, x += ap, y += bp) {
    const a0 = a[x], a1 = a[x + ai], a2 = a[x + 2 * ai], a3 = a[x + 3 * ai];
    const b0 = b[y], b1 = b[y + bj], b2 = b[y + 2 * bj], b3 = b[y + 3 * bj];
    s00 += a0 * b0; s01 += a0 * b1; s02 += a0 * b2; s03 += a0 * b3;
    s10 += a1 * b0; s11 += a1 * b1; s12 += a1 * b2; s13 += a1 * b3;
    s20 += a2 * b0; s21 += a2 * b1; s22 += a2 * b2; s23 += a2 * b3;
    s30 += a3 * b0; s31 += a3 * b1; s32 += a3 * b2; s33 += a3 * b3;
  }
  out[at] = s00; out[at + 1] = s01; out[at + 2] = s02; out[at + 3] = s03; at += n;
  out[at] = s10; out[at + 1] = s11; out[at + 2] = s12; out[at + 3] = s13; at += n;
  out[at] = s20; out[at + 1] = s21; out[at + 2] = s22; out[at + 3] = s23; at += n;
  out[at] = s30; out[at + 1] = s31; out[at + 2] = s32; out[at + 3] = s33;
}

// --- Activations ---

/**
 * @param {number} x
 * @returns {number}
 */
export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/**
 * @param {number} x
 * @returns {number}
 */
export const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

// What is made of a negative x, and the slope there; a positive one stays.
const LEAKS = { linear: 1, relu: 0, leaky_relu: 0.2 };
// Others: the value at x, and the slope where the value is y. SiLU's is not needed: it is in decoders only.
const CURVES = {
  sigmoid: [sigmoid, (y) => y * (1 - y)],
  tanh: [Math.tanh, (y) => 1 - y * y],
  silu: [(x) => x * sigmoid(x)],
};

// Add the biases to each row and apply an activation.
function activate(y, bias, activation) {
  const [value] = CURVES[activation] ?? [];
  const leak = LEAKS[activation];
  for (let from = 0; from < y.length; from += bias.length)
    for (let j = 0; j < bias.length; j++) {
      const x = y[from + j] + bias[j];
      if (value) y[from + j] = value(x);
      else y[from + j] = x > 0 ? x : leak * x;
    }
}

// Multiply each slope by the activation's, where the activation's value is y.
function slopeThrough(slopes, y, activation) {
  if (activation in CURVES) {
    const [, slope] = CURVES[activation];
    for (let at = 0; at < y.length; at++) slopes[at] *= slope(y[at]);
  } else if (activation !== "linear") {
    const leak = LEAKS[activation];
    for (let at = 0; at < y.length; at++) slopes[at] *= y[at] > 0 ? 1 : leak;
  }
}

// Arrays by name and length, made once: a training step leaves nothing to collect.
class Room {
  /** @type {Map<string, Float32Array>} */
  arrays = new Map();
  get(name, length) {
    const key = `${name} ${length}`;
    if (!this.arrays.has(key)) this.arrays.set(key, new Float32Array(length));
    return this.arrays.get(key);
  }
}

// --- Layers ---

export class Dense {
  room = new Room();
  /** @type {Float32Array} */
  x; // the inputs of the last forward
  /** @type {Float32Array} */
  y; // its outputs
  /** @type {Float32Array} */
  delta; // the slope by what went into the activation, of the last backward

  /**
   * @param {number} inputs
   * @param {number} outputs
   * @param {string} [activation]
   * @param {Float32Array} [kernel] else 0, until `start`
   * @param {Float32Array} [bias]
   */
  constructor(inputs, outputs, activation = "linear", kernel, bias) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.activation = activation;
    this.kernel = kernel ?? new Float32Array(inputs * outputs); // inputs × outputs, as Keras has it
    this.bias = bias ?? new Float32Array(outputs);
    this.weights = [this.kernel, this.bias];
    this.gradients = this.weights.map((weight) => new Float32Array(weight.length));
  }

  /**
   * Keras's default start: uniform (Glorot), biases 0.
   * @param {{uniform: () => number}} random
   */
  start(random) {
    const limit = Math.sqrt(6 / (this.inputs + this.outputs));
    this.kernel.forEach((_, index) => (this.kernel[index] = limit * (2 * random.uniform() - 1)));
    this.bias.fill(0);
  }

  /**
   * Rows x (n × inputs) → rows (n × outputs), which stay valid until the next call with the same n.
   * @param {Float32Array} x
   * @param {number} n
   * @returns {Float32Array}
   */
  forward(x, n) {
    const { inputs, outputs } = this;
    const y = this.room.get("y", n * outputs);
    product(y, n, inputs, outputs, x, inputs, 1, this.kernel, outputs, 1);
    activate(y, this.bias, this.activation);
    this.x = x;
    this.y = y;
    return y;
  }

  /**
   * The loss's slope by the outputs of the last forward → by what went into the activation, kept as `delta`.
   * @param {Float32Array} slope
   * @param {number} n
   * @returns {Float32Array}
   */
  before(slope, n) {
    const delta = this.room.get("delta", n * this.outputs);
    delta.set(slope);
    slopeThrough(delta, this.y, this.activation);
    this.delta = delta;
    return delta;
  }

  /**
   * By what went into the activation → by the inputs.
   * @param {Float32Array} delta
   * @param {number} n
   * @returns {Float32Array}
   */
  back(delta, n) {
    const dx = this.room.get("dx", n * this.inputs);
    product(dx, n, this.outputs, this.inputs, delta, this.outputs, 1, this.kernel, 1, this.outputs);
    return dx;
  }

  /**
   * How the outputs of the last forward change with small changes of its inputs.
   * @param {Float32Array} changes
   * @param {number} n
   * @returns {Float32Array}
   */
  along(changes, n) {
    const { inputs, outputs } = this;
    const next = this.room.get("next", n * outputs);
    product(next, n, inputs, outputs, changes, inputs, 1, this.kernel, outputs, 1);
    slopeThrough(next, this.y, this.activation);
    return next;
  }

  /**
   * Add to the gradients: to the kernel's rowsᵀ delta, to the bias's the sum of delta, each row times its weight.
   * @param {Float32Array} rows
   * @param {Float32Array} delta
   * @param {number} n
   * @param {Float32Array} [weights]
   */
  learn(rows, delta, n, weights) {
    const { inputs, outputs } = this;
    const change = this.room.get("change", inputs * outputs);
    product(change, inputs, n, outputs, rows, 1, inputs, delta, outputs, 1);
    for (let at = 0; at < change.length; at++) this.gradients[0][at] += change[at];
    const sums = new Float64Array(outputs);
    for (let i = 0, at = 0; i < n; i++) {
      const weight = weights ? weights[i] : 1;
      for (let j = 0; j < outputs; j++, at++) sums[j] += weight * delta[at];
    }
    for (let j = 0; j < outputs; j++) this.gradients[1][j] += sums[j];
  }
}

/** Forward only. */
export class LayerNorm {
  room = new Room();

  /**
   * @param {number} size
   * @param {number} epsilon
   * @param {Float32Array} gamma
   * @param {Float32Array} beta
   */
  constructor(size, epsilon, gamma, beta) {
    this.size = size;
    this.epsilon = epsilon;
    this.gamma = gamma;
    this.beta = beta;
    this.weights = [gamma, beta];
  }

  /**
   * @param {Float32Array} x
   * @param {number} n
   * @returns {Float32Array}
   */
  forward(x, n) {
    const { size } = this;
    const y = this.room.get("y", n * size);
    for (let from = 0; from < n * size; from += size) {
      let mean = 0;
      let square = 0;
      for (let j = 0; j < size; j++) mean += x[from + j] / size;
      for (let j = 0; j < size; j++) square += (x[from + j] - mean) ** 2 / size;
      const scale = 1 / Math.sqrt(square + this.epsilon);
      for (let j = 0; j < size; j++) y[from + j] = (x[from + j] - mean) * scale * this.gamma[j] + this.beta[j];
    }
    return y;
  }
}

/** Forward only. */
export class Activation {
  /** @type {Float32Array[]} */
  weights = [];
  room = new Room();

  /** @param {string} activation */
  constructor(activation) {
    this.activation = activation;
  }

  /**
   * @param {Float32Array} x
   * @returns {Float32Array}
   */
  forward(x) {
    const y = this.room.get("y", x.length);
    y.set(x);
    activate(y, [0], this.activation);
    return y;
  }
}

// --- Networks ---

export class Network {
  /** @param {any[]} layers of class Dense; where nothing goes backward, LayerNorm and Activation as well */
  constructor(layers) {
    this.layers = layers;
  }

  /**
   * Dense layers of these sizes, `activation` after all but the last.
   * @param {number[]} sizes
   * @param {string} activation
   * @param {{uniform: () => number}} [random] else the weights are 0
   * @returns {Network}
   */
  static dense(sizes, activation, random) {
    const last = sizes.length - 2;
    const layers = sizes.slice(1).map((size, at) => new Dense(sizes[at], size, at < last ? activation : "linear"));
    if (random) for (const layer of layers) layer.start(random);
    return new Network(layers);
  }

  /** @returns {Float32Array[]} */
  get weights() {
    return this.layers.flatMap((layer) => layer.weights);
  }

  /** @returns {Float32Array[]} */
  get gradients() {
    return this.layers.flatMap((layer) => layer.gradients);
  }

  clearGradients() {
    for (const gradient of this.gradients) gradient.fill(0);
  }

  /**
   * @param {Float32Array} x n rows
   * @param {number} n
   * @returns {Float32Array}
   */
  forward(x, n) {
    return this.layers.reduce((rows, layer) => layer.forward(rows, n), x);
  }

  /**
   * After forward(x, n): from the loss's slope by the outputs to that by the inputs, which is returned unless
   * `input` is false; with `learn`, add to the gradients on the way.
   * @param {Float32Array} slope
   * @param {number} n
   * @param {{learn?: boolean, input?: boolean}} [options]
   * @returns {?Float32Array}
   */
  backward(slope, n, { learn = true, input = true } = {}) {
    for (const layer of [...this.layers].reverse()) {
      const delta = layer.before(slope, n);
      if (learn) layer.learn(layer.x, delta, n);
      if (layer === this.layers[0] && !input) return null;
      slope = layer.back(delta, n);
    }
    return slope;
  }

  /**
   * After forward(x, n), for one output and (leaky) ReLUs: add the gradients of Σ slopes · output and of
   * Σ factors · ‖∇ₓ output‖² over the rows. ∇ₓ is a product of the kernels and of slopes that no small change of a
   * weight changes. So its own gradient takes two passes, backward to find ∇ₓ and forward with it; no bias has one.
   * The first sum shares the pass backward.
   * @param {Float32Array} slopes
   * @param {Float32Array} factors
   * @param {number} n
   */
  learnWithPenalty(slopes, factors, n) {
    const width = this.layers[0].inputs;
    let rows = this.backward(new Float32Array(n).fill(1), n, { learn: false });
    for (let at = 0; at < rows.length; at++) rows[at] *= 2 * factors[Math.floor(at / width)];
    for (const layer of this.layers) {
      const inputs = layer.room.get("both", rows.length);
      for (let i = 0, at = 0; i < n; i++)
        for (let j = 0; j < layer.inputs; j++, at++) inputs[at] = rows[at] + slopes[i] * layer.x[at];
      layer.learn(inputs, layer.delta, n, slopes);
      rows = layer.along(rows, n);
    }
  }
}

/**
 * The network that networks.pack of Python packed.
 * @param {{[size: string]: any}[]} layers
 * @param {DataView} weights
 * @returns {Network}
 */
export function unpack(layers, weights) {
  let at = weights.byteOffset;
  const take = (Type, length) => {
    const bytes = length * Type.BYTES_PER_ELEMENT;
    at += bytes;
    return new Type(weights.buffer.slice(at - bytes, at)); // a copy, for a Float32Array must begin at a multiple of 4
  };
  const build = {
    dense({ inputs, outputs, activation, stored_as }) {
      const bias = take(Float32Array, outputs);
      const scale = stored_as === "int8" && take(Float32Array, outputs);
      const numbers = take(scale ? Int8Array : Float32Array, inputs * outputs);
      const kernel = scale ? Float32Array.from(numbers, (value, at) => value * scale[at % outputs]) : numbers;
      return new Dense(inputs, outputs, activation, kernel, bias);
    },
    layer_norm({ size, epsilon }) {
      return new LayerNorm(size, epsilon, take(Float32Array, size), take(Float32Array, size));
    },
    activation: ({ activation }) => new Activation(activation),
  };
  return new Network(layers.map((layer) => build[layer.kind](layer)));
}

// --- Adam, as Keras writes it ---

export class Adam {
  steps = 0;

  /**
   * @param {Network} network
   * @param {{rate: number, beta1?: number, beta2?: number, epsilon?: number}} options
   */
  constructor(network, { rate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }) {
    const zeros = () => network.weights.map((weight) => new Float32Array(weight.length));
    this.network = network;
    this.rate = rate;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.epsilon = epsilon;
    this.means = zeros();
    this.squares = zeros();
  }

  /** Move the weights by the gradients. */
  step() {
    const { beta1, beta2, epsilon, network } = this;
    this.steps++;
    const rate = (this.rate * Math.sqrt(1 - beta2 ** this.steps)) / (1 - beta1 ** this.steps);
    const { gradients } = network;
    network.weights.forEach((weight, number) => {
      const [gradient, mean, square] = [gradients[number], this.means[number], this.squares[number]];
      for (let at = 0; at < weight.length; at++) {
        mean[at] += (gradient[at] - mean[at]) * (1 - beta1);
        square[at] += (gradient[at] ** 2 - square[at]) * (1 - beta2);
        weight[at] -= (rate * mean[at]) / (Math.sqrt(square[at]) + epsilon);
      }
    });
  }
}
