// Small networks of dense layers in Float32Arrays: forward, backward, Adam. A batch of n rows is one flat array; sums
// are kept in double precision, as JavaScript does, and rounded when they are stored.

// --- Matrix product ---

// out (m×n) = A (m×k) times B (k×n). A is read from `a` with the strides ai (down) and ap (across), B from `b` with bp
// and bj, so that a transpose costs nothing. Tiles of 4×4 results stay in registers, which is three times as fast.
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
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [s20, s21, s22, s23, s30, s31, s32, s33] = [0, 0, 0, 0, 0, 0, 0, 0];
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

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));
export const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

// Name → [value at x, slope where the value is y]; SiLU's slope cannot be told from its value: it is for decoders only.
const ACTIVATIONS = {
  linear: [(x) => x, () => 1],
  relu: [(x) => (x > 0 ? x : 0), (y) => (y > 0 ? 1 : 0)],
  leaky_relu: [(x) => (x > 0 ? x : 0.2 * x), (y) => (y > 0 ? 1 : 0.2)],
  sigmoid: [sigmoid, (y) => y * (1 - y)],
  tanh: [Math.tanh, (y) => 1 - y * y],
  silu: [(x) => x * sigmoid(x)],
};

// Arrays by name and length, made once: a training step leaves nothing to collect.
class Room {
  arrays = new Map();
  get(name, length) {
    const key = `${name} ${length}`;
    if (!this.arrays.has(key)) this.arrays.set(key, new Float32Array(length));
    return this.arrays.get(key);
  }
}

// --- Layers ---

export class Dense {
  constructor(inputs, outputs, activation = "linear", kernel, bias) {
    Object.assign(this, { inputs, outputs, activation, room: new Room() });
    this.kernel = kernel ?? new Float32Array(inputs * outputs); // inputs × outputs, as Keras has it
    this.bias = bias ?? new Float32Array(outputs);
    this.weights = [this.kernel, this.bias];
    this.gradients = this.weights.map((weight) => new Float32Array(weight.length));
  }

  // Keras's default start: uniform (Glorot), biases 0.
  start(random) {
    const limit = Math.sqrt(6 / (this.inputs + this.outputs));
    this.kernel.forEach((_, index) => (this.kernel[index] = limit * (2 * random.uniform() - 1)));
    this.bias.fill(0);
  }

  // Rows x (n × inputs) → rows (n × outputs), which stay valid until the next call with the same n.
  forward(x, n) {
    const { inputs, outputs, bias } = this;
    const y = this.room.get("y", n * outputs);
    product(y, n, inputs, outputs, x, inputs, 1, this.kernel, outputs, 1);
    const [value] = ACTIVATIONS[this.activation];
    for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < outputs; j++, at++) y[at] = value(y[at] + bias[j]);
    Object.assign(this, { x, y });
    return y;
  }

  // The loss's slope by the outputs of the last forward → by what went into the activation, kept as `delta`.
  before(slope, n) {
    const delta = this.room.get("delta", n * this.outputs);
    const [, derivative] = ACTIVATIONS[this.activation];
    for (let at = 0; at < delta.length; at++) delta[at] = slope[at] * derivative(this.y[at]);
    this.delta = delta;
    return delta;
  }

  // By what went into the activation → by the inputs.
  back(delta, n) {
    const dx = this.room.get("dx", n * this.inputs);
    product(dx, n, this.outputs, this.inputs, delta, this.outputs, 1, this.kernel, 1, this.outputs);
    return dx;
  }

  // Add to the gradients: kernel by rowsᵀ delta, bias by the sum of delta.
  learn(rows, delta, n, withBias = true) {
    const { inputs, outputs } = this;
    const change = this.room.get("change", inputs * outputs);
    product(change, inputs, n, outputs, rows, 1, inputs, delta, outputs, 1);
    for (let at = 0; at < change.length; at++) this.gradients[0][at] += change[at];
    if (!withBias) return;
    for (let j = 0; j < outputs; j++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += delta[i * outputs + j];
      this.gradients[1][j] += sum;
    }
  }
}

// Forward only.
export class LayerNorm {
  constructor(size, epsilon, gamma, beta) {
    Object.assign(this, { size, epsilon, gamma, beta, weights: [gamma, beta], room: new Room() });
  }
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

export class Activation {
  weights = [];
  room = new Room();
  constructor(activation) {
    [this.value] = ACTIVATIONS[activation];
  }
  forward(x, n) {
    const y = this.room.get("y", x.length);
    for (let at = 0; at < x.length; at++) y[at] = this.value(x[at]);
    return y;
  }
}

// --- Networks ---

export class Network {
  constructor(layers) {
    this.layers = layers;
  }

  // Dense layers of these sizes, `activation` after all but the last.
  static dense(sizes, activation, random) {
    const last = sizes.length - 2;
    const layers = sizes.slice(1).map((size, at) => new Dense(sizes[at], size, at < last ? activation : "linear"));
    if (random) for (const layer of layers) layer.start(random);
    return new Network(layers);
  }

  get weights() {
    return this.layers.flatMap((layer) => layer.weights);
  }

  get gradients() {
    return this.layers.flatMap((layer) => layer.gradients);
  }

  clearGradients() {
    for (const gradient of this.gradients) gradient.fill(0);
  }

  forward(x, n) {
    return this.layers.reduce((rows, layer) => layer.forward(rows, n), x);
  }

  // After forward(x, n): from the loss's slope by the outputs to that by the inputs, which is returned unless
  // `input` is false; with `learn`, add to the gradients on the way.
  backward(slope, n, { learn = true, input = true } = {}) {
    for (const layer of this.layers.toReversed()) {
      const delta = layer.before(slope, n);
      if (learn) layer.learn(layer.x, delta, n);
      if (layer === this.layers[0] && !input) return null;
      slope = layer.back(delta, n);
    }
    return slope;
  }

  // After forward(x, n), for one output and (leaky) ReLUs: add the gradient of factor · Σ ‖∇ₓ output‖² to the
  // gradients. ∇ₓ is a product of the kernels and of slopes that no small change of a weight changes; so its own
  // gradient is two more passes of products, backward for ∇ₓ and forward with it, and no bias has one. Returns the sum.
  addInputGradientPenalty(n, factor) {
    const ones = new Float32Array(n).fill(1);
    let rows = this.backward(ones, n, { learn: false }).map((slope) => 2 * factor * slope);
    const sum = rows.reduce((total, value) => total + value * value, 0) / (4 * factor * factor);
    for (const layer of this.layers) {
      layer.learn(rows, layer.delta, n, false);
      const [, derivative] = ACTIVATIONS[layer.activation];
      const next = layer.room.get("penalty", n * layer.outputs);
      product(next, n, layer.inputs, layer.outputs, rows, layer.inputs, 1, layer.kernel, layer.outputs, 1);
      for (let at = 0; at < next.length; at++) next[at] *= derivative(layer.y[at]);
      rows = next;
    }
    return sum;
  }
}

// The network that networks.pack of Python packed; `weights` is a DataView.
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
      if (stored_as === "float32") return new Dense(inputs, outputs, activation, take(Float32Array, inputs * outputs), bias);
      const scale = take(Float32Array, outputs);
      const kernel = Float32Array.from(take(Int8Array, inputs * outputs), (value, index) => value * scale[index % outputs]);
      return new Dense(inputs, outputs, activation, kernel, bias);
    },
    layer_norm: ({ size, epsilon }) => new LayerNorm(size, epsilon, take(Float32Array, size), take(Float32Array, size)),
    activation: ({ activation }) => new Activation(activation),
  };
  return new Network(layers.map((layer) => build[layer.kind](layer)));
}

// --- Adam, as Keras writes it ---

export class Adam {
  constructor(network, { rate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }) {
    const zeros = () => network.weights.map((weight) => new Float32Array(weight.length));
    Object.assign(this, { network, rate, beta1, beta2, epsilon, steps: 0, means: zeros(), squares: zeros() });
  }

  // Move the weights by the gradients.
  step() {
    const { beta1, beta2, epsilon, network } = this;
    this.steps++;
    const rate = (this.rate * Math.sqrt(1 - beta2 ** this.steps)) / (1 - beta1 ** this.steps);
    network.weights.forEach((weight, number) => {
      const [gradient, mean, square] = [network.gradients[number], this.means[number], this.squares[number]];
      for (let at = 0; at < weight.length; at++) {
        mean[at] += (gradient[at] - mean[at]) * (1 - beta1);
        square[at] += (gradient[at] ** 2 - square[at]) * (1 - beta2);
        weight[at] -= (rate * mean[at]) / (Math.sqrt(square[at]) + epsilon);
      }
    });
  }
}
