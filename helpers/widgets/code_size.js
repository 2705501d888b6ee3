import { Network, unpack } from "./nn.js";
import { Pixels, squaredError, unpackImages } from "./pixels.js";
import { Axes, Figure, decimal, inflating, range } from "./shared.js";

// --- What is computed ---

/**
 * Each principal component's share in an image; `decoder` is a Dense layer: the mean and the components' rows.
 * @param {import("./nn.js").Dense} decoder
 * @param {Float32Array} image
 * @returns {Float32Array}
 */
export function project(decoder, image) {
  return Float32Array.from({ length: decoder.inputs }, (_, row) => {
    let sum = 0;
    for (let at = 0, w = row * decoder.outputs; at < decoder.outputs; at++, w++)
      sum += (image[at] - decoder.bias[at]) * decoder.kernel[w];
    return sum;
  });
}

/**
 * The reconstructions of an image from the first 1, 2, ... numbers of its code, as rows, and their squared errors.
 * @param {Float32Array} image
 * @param {Float32Array} code
 * @param {import("./nn.js").Dense | Network} decoder
 * @returns {{images: Float32Array[], errors: number[]}}
 */
export function cuts(image, code, decoder) {
  const n = code.length;
  const codes = new Float32Array(n * n);
  for (let row = 0; row < n; row++) codes.set(code.subarray(0, row + 1), row * n);
  const redrawn = decoder.forward(codes, n);
  const images = Array.from({ length: n }, (_, row) => redrawn.slice(row * image.length, (row + 1) * image.length));
  return { images, errors: images.map((one) => squaredError(image, one)) };
}

/**
 * By both methods, of one image; the autoencoder's code is in its middle.
 * @param {Float32Array} image
 * @param {Network} autoencoder
 * @param {Network} components
 */
export function cutBoth(image, autoencoder, components) {
  const half = autoencoder.layers.length / 2;
  const code = new Network(autoencoder.layers.slice(0, half)).forward(image, 1).slice();
  return {
    pca: cuts(image, project(components.layers[0], image), components),
    autoencoder: cuts(image, code, new Network(autoencoder.layers.slice(half))),
  };
}

// --- What is shown ---

// Errors over the size of the code: `means` of the test digits, `seen` of one, and marks at a size.
function drawErrors(axes, means, seen, size, colours) {
  const sizes = range(1, means.pca.length, means.pca.length - 1);
  for (const [name, colour] of [["pca", colours.blue], ["autoencoder", colours.orange]]) {
    axes.line(sizes, means[name], colour, 2.5);
    axes.line(sizes, seen[name].errors, colour, 1.2, [4, 4]);
    axes.dot(size, means[name][size - 1], colour, 5);
    axes.dot(size, seen[name].errors[size - 1], colour, 3.5);
  }
  axes.legend(["PCA", colours.blue], ["autoencoder", colours.orange], ["squared error", colours.soft]);
}

function describe(size, means, seen) {
  const of = (errors) => decimal(errors[size - 1], 1);
  return (
    `${size === 1 ? "1 unit" : `${size} units`} for 784 pixels. Squared error of this digit: ` +
    `${of(seen.pca.errors)} by PCA, ${of(seen.autoencoder.errors)} by the autoencoder; mean of all test digits: ` +
    `${of(means.pca)} and ${of(means.autoencoder)}.`
  );
}

function render({ model, el }) {
  const figure = new Figure(el, model);
  const get = (name) => unpack(model.get(`${name}_layers`), model.get(`${name}_weights`));
  const [autoencoder, components] = [get("autoencoder"), get("components")];
  const digits = unpackImages(model.get("digits"));
  const means = model.get("errors"); // over all test digits
  const most = means.pca.length;
  const pixels = new Pixels();
  let size = 8;
  let digit = 3;
  let seen;

  figure.canvas({
    label: "The digit, and its reconstructions by PCA and by the autoencoder",
    ratio: 0.355,
    least: 120,
    draw(context, width, height, colours) {
      const whole = Math.min(width, 3 * (height - 18) + 16);
      pixels.row(context, whole, colours, [
        ["test digit", digits[digit]],
        [`PCA, ${size}`, seen.pca.images[size - 1]],
        [`autoencoder, ${size}`, seen.autoencoder.images[size - 1]],
      ]);
    },
  });

  figure.canvas({
    label: "Squared error over the size of the code, of PCA and of the autoencoder",
    ratio: 0.36,
    least: 170,
    draw(context, width, height, colours) {
      const top = Math.max(means.pca[0], seen.pca.errors[0], seen.autoencoder.errors[0]);
      const axes = new Axes(context, width, height, colours, { x: [1, most], y: [0, 1.05 * top], top: 36 });
      axes.ticks([1, 8, 16, 24, 32, 40, 48, 56, 64], range(0, 400, 20).filter((y) => y < top));
      axes.line([size, size], [0, 1.05 * top], colours.soft, 1);
      drawErrors(axes, means, seen, size, colours);
      context.fillStyle = colours.soft;
      context.fillText("— mean of the test digits   - - this digit", axes.left + 6, 19);
    },
  });

  figure.slider({
    label: "Size of the code",
    min: 1,
    max: most,
    step: 1,
    value: size,
    text: (number) => String(number),
    change(number) {
      size = number;
      update();
    },
  });
  figure.choice({
    label: "Test digit",
    options: digits.map((_, number) => [number, `a ${number}`]),
    value: digit,
    change(number) {
      digit = Number(number);
      choose();
    },
  });

  function choose() {
    seen = cutBoth(digits[digit], autoencoder, components);
    update();
  }

  function update() {
    figure.say(describe(size, means, seen));
    figure.redraw();
  }

  choose();
  return () => figure.close();
}

export default { render: inflating(["autoencoder_weights", "components_weights", "digits"], render) };
