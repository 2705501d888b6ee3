// Points in the plane, as one flat array x, y, x, y, ...: drawn from a mixture, drawn on a canvas.

export const VIEW = 2.1; // a square canvas shows −VIEW to VIEW

/**
 * A batch of n points of a mixture whose modes are equally likely.
 * @param {{centers: number[][], std: number}} mixture
 * @param {number} n
 * @param {{uniform: () => number, normal: () => number}} random
 * @returns {Float32Array}
 */
export function sample({ centers, std }, n, random) {
  const points = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    const [x, y] = centers[Math.floor(random.uniform() * centers.length)];
    points.set([x + std * random.normal(), y + std * random.normal()], 2 * i);
  }
  return points;
}

/**
 * Turns numbers into pixels, from left to right, on a square canvas so wide.
 * @param {number} width
 * @returns {(value: number) => number}
 */
export const placeOn = (width) => (value) => ((value / VIEW + 1) * width) / 2;

/**
 * Little squares at the points.
 * @param {CanvasRenderingContext2D} context
 * @param {Float32Array} points
 * @param {(value: number) => number} place
 * @param {number} size
 * @param {string} colour
 */
export function drawDots(context, points, place, size, colour) {
  context.fillStyle = colour;
  for (let at = 0; at < points.length; at += 2)
    context.fillRect(place(points[at]) - size / 2, place(-points[at + 1]) - size / 2, size, size);
}
