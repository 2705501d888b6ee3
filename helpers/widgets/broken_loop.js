// --- What is computed ---

// The published loop, line by line; the set `on` names the defects that it still has. G ends in a sigmoid, D in a logit:
// softplus of it is the cross-entropy of its sigmoid.
export class SourceLoop {
  constructor({ generator, discriminator, rate }) {
    const adam = (network) => new Adam(network, { rate, beta1: 0.5 });
    Object.assign(this, { generator, discriminator, own: adam(discriminator) });
    this.joined = { generator: adam(generator), discriminator: adam(discriminator) }; // of noise → G → D → score
  }

  // One iteration on as many latents, real images and fresh latents, with a pause after each line; what happened is
  // noted in `seen`: the losses, and the images that D was handed with each label.
  *iterate({ latents, real, fresh }, on, seen) {
    const n = latents.length / this.generator.layers[0].inputs;
    const fakes = this.generator.forward(latents, n).slice();
    if (on.has("D10")) fakes.forEach((value, at) => (fakes[at] = Math.trunc(value))); // astype("uint8")
    const none = new Float32Array(0);
    const ones = on.has("D8") ? none : real;
    Object.assign(seen, { fakes, piles: [[fakes], on.has("D8") ? [] : [real]], called: NaN, generator: NaN });
    yield;
    seen.discriminator = this.trainDiscriminator(fakes, ones);
    yield;
    if (on.has("D11")) {
      seen.called = this.trainDiscriminator(none, fakes); // "train the generator"
      seen.piles[1].push(fakes);
      yield;
    }
    if (!on.has("D12")) seen.generator = this.trainGenerator(fresh, !on.has("D17"));
  }

  // Move D on images labelled 0 and images labelled 1; each kind counts by its mean. Returns the mean over all kinds.
  trainDiscriminator(zeros, ones) {
    const width = this.discriminator.layers[0].inputs;
    const [n, m] = [zeros.length / width, ones.length / width];
    const images = new Float32Array(zeros.length + ones.length);
    images.set(zeros);
    images.set(ones, zeros.length);
    const logits = this.discriminator.forward(images, n + m);
    const slopes = logits.map((logit, i) => (i < n ? sigmoid(logit) / n : -sigmoid(-logit) / m));
    const loss = logits.reduce((sum, logit, i) => sum + (i < n ? softplus(logit) / n : softplus(-logit) / m), 0);
    this.discriminator.clearGradients();
    this.discriminator.backward(slopes, n + m, { input: false });
    this.own.step();
    return loss / ((n > 0) + (m > 0));
  }

  // Move G, through a D that holds still if it is frozen, towards images that D calls real.
  trainGenerator(latents, frozen) {
    const n = latents.length / this.generator.layers[0].inputs;
    const logits = this.discriminator.forward(this.generator.forward(latents, n), n);
    const slopes = logits.map((logit) => -sigmoid(-logit) / n);
    const loss = logits.reduce((sum, logit) => sum + softplus(-logit) / n, 0);
    this.discriminator.clearGradients();
    const pull = this.discriminator.backward(slopes, n, { learn: !frozen });
    this.generator.clearGradients();
    this.generator.backward(pull, n, { input: false });
    this.joined.generator.step();
    if (!frozen) this.joined.discriminator.step();
    return loss;
  }
}

// Dense layers of these sizes as Keras starts them: ReLU, and `last` at the end.
export function network(sizes, last, random) {
  const made = Network.dense(sizes, "relu", random);
  made.layers.at(-1).activation = last;
  return made;
}

// How far the weights are from the arrays `start`: the norm of the change over the norm of the start.
export function moved(network, start) {
  let [change, whole] = [0, 0];
  network.weights.forEach((weight, number) =>
    weight.forEach((value, at) => {
      change += (value - start[number][at]) ** 2;
      whole += start[number][at] ** 2;
    }),
  );
  return Math.sqrt(change / whole);
}

// The standard deviation across images, averaged over the pixels.
export function spread(images) {
  const size = images[0].length;
  let sum = 0;
  for (let at = 0; at < size; at++) {
    const mean = images.reduce((total, image) => total + image[at], 0) / images.length;
    sum += Math.sqrt(images.reduce((total, image) => total + (image[at] - mean) ** 2, 0) / images.length);
  }
  return sum / size;
}
