// Digits of 28 × 28 grey levels in [0, 1], in rows: read, drawn, moved and compared.

import { channels, clamp, make } from "./shared.js";

export const SIDE = 28;

/**
 * Images packed as bytes 0 to 255, one after the other.
 * @param {DataView} bytes
 * @param {number} [side]
 * @returns {Float32Array[]}
 */
export function unpackImages(bytes, side = SIDE) {
  const size = side * side;
  return Array.from({ length: bytes.byteLength / size }, (_, image) =>
    Float32Array.from({ length: size }, (_, at) => bytes.getUint8(image * size + at) / 255),
  );
}

/**
 * @param {Float32Array} image
 * @param {Float32Array} other
 * @returns {number}
 */
export function squaredError(image, other) {
  return image.reduce((sum, value, at) => sum + (value - other[at]) ** 2, 0);
}

// Blends two colours "#rrggbb", given as [r, g, b]; share 0 is the first.
const blend = (from, to, share) => from.map((value, c) => value + clamp(share, 0, 1) * (to[c] - value));

/** Draws images on a canvas's context, each pixel a square. */
export class Pixels {
  constructor(side = SIDE) {
    this.context = make("canvas", { width: side, height: side }).getContext("2d");
    this.data = this.context.createImageData(side, side);
  }

  // Ink on paper, at (x, y), `size` wide.
  ink(context, image, x, y, size, colours) {
    const [paper, ink] = [channels(colours.paper), channels(colours.ink)];
    this.paint(context, image, x, y, size, colours, (value) => blend(paper, ink, value));
  }

  // Differences: blue where there is more ink, orange where there is less.
  difference(context, image, x, y, size, colours) {
    const [paper, more, less] = ["paper", "blue", "orange"].map((name) => channels(colours[name]));
    this.paint(context, image, x, y, size, colours, (value) => blend(paper, value > 0 ? more : less, Math.abs(value)));
  }

  paint(context, image, x, y, size, colours, colour) {
    image.forEach((value, at) => this.data.data.set([...colour(value), 255], 4 * at));
    this.context.putImageData(this.data, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.context.canvas, x, y, size, size);
    Object.assign(context, { strokeStyle: colours.line, lineWidth: 1 });
    context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  }

  // A row of named images [name, image, "ink" or "difference"] over the width; the names stand above them.
  row(context, width, colours, images) {
    const gap = 8;
    const size = (width - gap * (images.length - 1)) / images.length;
    Object.assign(context, { textAlign: "left", textBaseline: "top" });
    images.forEach(([name, image, way = "ink"], place) => {
      const x = place * (size + gap);
      context.fillStyle = colours.ink;
      context.fillText(name, x, 2, size);
      this[way](context, image, x, 18, size, colours);
    });
  }
}
