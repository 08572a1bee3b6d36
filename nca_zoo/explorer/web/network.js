// The network of THE rule, one cell at a time: what a cell adds to itself, and the derivatives of that.
//
// A point of weight space is laid out for both ways: tensors apart, W2 transposed, all in float64,
// which JavaScript computes in anyway.

export const CHANNELS = 16;
export const HIDDEN = 128;
export const PERCEPTION = 48;
const SIZES = { w1: HIDDEN * PERCEPTION, b1: HIDDEN, w2: CHANNELS * HIDDEN, b2: CHANNELS };
export const N_WEIGHTS = Object.values(SIZES).reduce((sum, size) => sum + size);

/** [first, end] of each tensor in flat weights: W1, b1, W2, b2. */
export const TENSORS = Object.values(SIZES).map((size, i, all) => {
  const first = all.slice(0, i).reduce((sum, before) => sum + before, 0);
  return [first, first + size];
});

/** What is known of some cells, a row each: what they perceive, their hidden units, their updates. */
export class Rows {
  constructor(count) {
    this.count = count;
    this.sites = new Int32Array(count);
    this.perception = new Float32Array(count * PERCEPTION);
    this.hidden = new Float32Array(count * HIDDEN); // after the ReLU
    this.updates = new Float32Array(count * CHANNELS);
  }
}

export class Network {
  /** `weights`: a flat Float32Array of 8,336; without any, all are zero. */
  constructor(weights = new Float32Array(N_WEIGHTS)) {
    for (const [name, size] of Object.entries(SIZES)) this[name] = new Float64Array(size);
    this.update = new Float64Array(CHANNELS);
    this.set(weights);
  }

  set(weights) {
    if (weights.length !== N_WEIGHTS) {
      throw new Error(`expected ${N_WEIGHTS} weights, found ${weights.length}`);
    }
    const [w1, b1, w2, b2] = TENSORS.map(([first, end]) => weights.subarray(first, end));
    this.w1.set(w1);
    this.b1.set(b1);
    this.b2.set(b2);
    for (let c = 0; c < CHANNELS; c++) {
      for (let j = 0; j < HIDDEN; j++) this.w2[j * CHANNELS + c] = w2[c * HIDDEN + j];
    }
  }

  clear() {
    for (const name of Object.keys(SIZES)) this[name].fill(0);
  }

  /** Flat, as `set` takes it, each number divided by `by`. */
  flat(by = 1) {
    const out = new Float32Array(N_WEIGHTS);
    const [w1, b1, w2, b2] = TENSORS.map(([first, end]) => out.subarray(first, end));
    for (const [part, values] of [[w1, this.w1], [b1, this.b1], [b2, this.b2]]) {
      for (let i = 0; i < part.length; i++) part[i] = values[i] / by;
    }
    for (let c = 0; c < CHANNELS; c++) {
      for (let j = 0; j < HIDDEN; j++) w2[c * HIDDEN + j] = this.w2[j * CHANNELS + c] / by;
    }
    return out;
  }

  /** From the perception of row `i` to its hidden units and its update. */
  forward(rows, i) {
    const { w1, b1, w2, b2, update } = this;
    const { perception, hidden } = rows;
    const [seen, unit] = [i * PERCEPTION, i * HIDDEN];
    for (let j = 0; j < HIDDEN; j += 4) { // four sums at once, so that none waits for the one before
      const [a, b, c, d] = [j * PERCEPTION, (j + 1) * PERCEPTION, (j + 2) * PERCEPTION, (j + 3) * PERCEPTION];
      let [p, q, r, s] = [b1[j], b1[j + 1], b1[j + 2], b1[j + 3]];
      for (let k = 0; k < PERCEPTION; k++) {
        const x = perception[seen + k];
        p += w1[a + k] * x;
        q += w1[b + k] * x;
        r += w1[c + k] * x;
        s += w1[d + k] * x;
      }
      hidden[unit + j] = p <= 0 ? 0 : p; // NaN stays to be seen
      hidden[unit + j + 1] = q <= 0 ? 0 : q;
      hidden[unit + j + 2] = r <= 0 ? 0 : r;
      hidden[unit + j + 3] = s <= 0 ? 0 : s;
    }
    for (let c = 0; c < CHANNELS; c++) update[c] = b2[c];
    for (let j = 0; j < HIDDEN; j++) {
      const on = hidden[unit + j];
      if (on === 0) continue;
      const out = j * CHANNELS;
      for (let c = 0; c < CHANNELS; c++) update[c] += on * w2[out + c];
    }
    rows.updates.set(update, i * CHANNELS);
  }

  /**
   * Back over row `i`: `dUpdate` (16) is the loss's gradient by its update; adds to `gradient`, a
   * Network, that by the weights, and leaves in `dPerception` (48) that by what it perceived.
   */
  back(rows, i, dUpdate, gradient, dPerception) {
    const { w1, w2 } = this;
    const { w1: g1, w2: g2 } = gradient;
    const { perception, hidden } = rows;
    const [seen, unit] = [i * PERCEPTION, i * HIDDEN];
    dPerception.fill(0);
    for (let j = 0; j < HIDDEN; j++) {
      const on = hidden[unit + j];
      if (!(on > 0)) continue;
      const [out, row] = [j * CHANNELS, j * PERCEPTION];
      let d = 0;
      for (let c = 0; c < CHANNELS; c++) {
        d += w2[out + c] * dUpdate[c];
        g2[out + c] += on * dUpdate[c];
      }
      gradient.b1[j] += d;
      for (let k = 0; k < PERCEPTION; k++) {
        g1[row + k] += d * perception[seen + k];
        dPerception[k] += d * w1[row + k];
      }
    }
    for (let c = 0; c < CHANNELS; c++) gradient.b2[c] += dUpdate[c];
  }
}
