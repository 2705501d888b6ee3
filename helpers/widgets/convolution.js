// Convolutions and U-Nets of them on one square image, forward only. An image is one flat array: row after row, pixel
// after pixel, all channels of a pixel side by side.

import { Activation, Dense } from "./nn.js";

/** @typedef {{values: Float32Array, edge: number}} Image its numbers, and how many pixels wide and high it is */
/**
 * @typedef {{side: number, stride: number, inputs: number, outputs: number, activation: string}} Shape a kernel's side,
 *   its stride, the channels before and after, and the activation
 */

/** A convolution with padding "same": each pixel of the output is what a dense layer makes of the patch around it. */
export class Convolution {
  patches = new Float32Array(0);

  /**
   * @param {Shape} shape
   * @param {Float32Array} kernel side × side × inputs × outputs, as Keras has it
   * @param {Float32Array} bias
   */
  constructor(shape, kernel, bias) {
    this.shape = shape;
    this.dense = new Dense(shape.side ** 2 * shape.inputs, shape.outputs, shape.activation, kernel, bias);
  }

  /**
   * @param {Image} image
   * @returns {Image} valid until the next call
   */
  forward(image) {
    const edge = Math.ceil(image.edge / this.shape.stride);
    this.gather(image, edge);
    return { values: this.dense.forward(this.patches, edge * edge), edge };
  }

  // Write the patch of each output pixel as one row. Beyond the image's edge are zeros: if their number is odd, there
  // is one more of them at the right and below, as in Keras.
  gather({ values, edge }, places) {
    const { side, stride, inputs } = this.shape;
    const before = Math.max(0, (places - 1) * stride + side - edge) >> 1;
    const length = places * places * side * side * inputs;
    if (this.patches.length === length) this.patches.fill(0);
    else this.patches = new Float32Array(length);
    const row = side * inputs;
    for (let place = 0, to = 0; place < places * places; place++) {
      const top = stride * Math.floor(place / places) - before;
      const left = stride * (place % places) - before;
      const [first, last] = [Math.max(0, -left) * inputs, (Math.min(edge, left + side) - left) * inputs];
      for (let y = top; y < top + side; y++, to += row) {
        if (y < 0 || y >= edge) continue;
        const from = (y * edge + left) * inputs;
        for (let at = first; at < last; at++) this.patches[to + at] = values[from + at];
      }
    }
  }
}

/** A transposed convolution with padding "same": each pixel paints a patch, and where patches overlap they add up. */
export class TransposedConvolution {
  /**
   * @param {Shape} shape its side at least its stride
   * @param {Float32Array} kernel side × side × outputs × inputs, as Keras has it
   * @param {Float32Array} bias
   */
  constructor(shape, kernel, bias) {
    const { side, inputs, outputs, activation } = shape;
    const patch = side * side * outputs;
    const turned = new Float32Array(kernel.length);
    kernel.forEach((value, at) => (turned[(at % inputs) * patch + Math.floor(at / inputs)] = value));
    this.shape = shape;
    this.bias = bias;
    this.dense = new Dense(inputs, patch, "linear", turned);
    this.last = new Activation(activation);
  }

  /**
   * @param {Image} image
   * @returns {Image} valid until the next call
   */
  forward(image) {
    const { outputs, stride } = this.shape;
    const edge = stride * image.edge;
    const sums = new Float32Array(edge * edge * outputs);
    for (let at = 0; at < sums.length; at += outputs) sums.set(this.bias, at);
    this.add(this.dense.forward(image.values, image.edge ** 2), image.edge, sums, edge);
    return { values: this.last.forward(sums), edge };
  }

  add(patches, places, sums, edge) {
    const { side, stride, outputs } = this.shape;
    const before = (side - stride) >> 1;
    const row = side * outputs;
    for (let place = 0, from = 0; place < places * places; place++) {
      const top = stride * Math.floor(place / places) - before;
      const left = stride * (place % places) - before;
      const [first, last] = [Math.max(0, -left) * outputs, (Math.min(edge, left + side) - left) * outputs];
      for (let y = top; y < top + side; y++, from += row) {
        if (y < 0 || y >= edge) continue;
        const to = (y * edge + left) * outputs;
        for (let at = first; at < last; at++) sums[to + at] += patches[from + at];
      }
    }
  }
}

/**
 * Two images of the same size as one, the channels of the second behind those of the first.
 * @param {Image} image
 * @param {Image} other
 * @returns {Image}
 */
export function joined(image, other) {
  const pixels = image.edge ** 2;
  const [one, two] = [image.values.length / pixels, other.values.length / pixels];
  const values = new Float32Array(pixels * (one + two));
  for (let pixel = 0, at = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < one; channel++) values[at++] = image.values[one * pixel + channel];
    for (let channel = 0; channel < two; channel++) values[at++] = other.values[two * pixel + channel];
  }
  return { values, edge: image.edge };
}

/** Convolutions in a row; what one of them halved is joined to what a transposed one makes of the same size. */
export class UNet {
  /** @param {(Convolution | TransposedConvolution)[]} layers */
  constructor(layers) {
    this.layers = layers;
  }

  /**
   * @param {Float32Array} values
   * @param {number} edge
   * @returns {Float32Array}
   */
  forward(values, edge) {
    const kept = [];
    let image = { values, edge };
    for (const layer of this.layers) {
      const doubles = layer instanceof TransposedConvolution;
      if (!doubles && layer.shape.stride > 1) kept.push(image);
      image = layer.forward(image);
      if (doubles) image = joined(image, kept.pop());
    }
    return image.values.slice();
  }
}

/**
 * The network that packing.pack_unet of Python packed.
 * @param {(Shape & {kind: string})[]} layers
 * @param {DataView} weights
 * @returns {UNet}
 */
export function unpackUNet(layers, weights) {
  let at = 0;
  const floats = (length) => Float32Array.from({ length }, () => weights.getFloat32((at += 4) - 4, true));
  const build = (shape) => {
    const transposed = shape.kind === "transposed";
    const [bias, scale] = [shape.outputs, transposed ? shape.inputs : shape.outputs].map(floats);
    const length = shape.side ** 2 * shape.inputs * shape.outputs;
    const kernel = Float32Array.from({ length }, (_, index) => weights.getInt8(at++) * scale[index % scale.length]);
    return new (transposed ? TransposedConvolution : Convolution)(shape, kernel, bias);
  };
  return new UNet(layers.map(build));
}
