// The network of THE rule: what cells add to themselves, and the derivatives of that.
//
// A point of weight space is laid out for both ways: tensors apart, W2 transposed, all in float64,
// which JavaScript computes in anyway. Cells are taken in pairs: what is loaded serves both.

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
    this.perception = new Float64Array(count * PERCEPTION);
    this.hidden = new Float32Array(count * HIDDEN); // after the ReLU
    this.updates = new Float32Array(count * CHANNELS);
  }
}

export class Network {
  /** `weights`: a flat Float32Array of 8,336; without any, all are zero. */
  constructor(weights = new Float32Array(N_WEIGHTS)) {
    for (const [name, size] of Object.entries(SIZES)) this[name] = new Float64Array(size);
    this.update = new Float64Array(CHANNELS);
    this.active = []; // rows in which a unit is on, and its gradients there
    this.deltas = [];
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

  /** Let all cells hear: `base` are the biases in silence, `hears` so many numbers a unit as there are hands. */
  hear(base, hears, hands) {
    this.b1.set(base);
    for (let at = 0; at < hears.length; at++) {
      this.b1[Math.floor(at / hands.length)] += hears[at] * hands[at % hands.length];
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

  /** From the perceptions of rows `first` to `end` to their hidden units and updates. */
  forward(rows, first, end) {
    for (let i = first; i < end; i += 2) this.#hidden(rows, i, Math.min(i + 1, end - 1));
    for (let i = first; i < end; i++) this.#update(rows, i);
  }

  /** The hidden units of two rows: eight sums at once, so that none waits for the one before. */
  #hidden({ perception, hidden }, one, two) {
    const { w1, b1: bias } = this;
    const x = one * PERCEPTION;
    const y = two * PERCEPTION;
    const u = one * HIDDEN;
    const v = two * HIDDEN;
    for (let j = 0; j < HIDDEN; j += 4) {
      const a = j * PERCEPTION;
      const b = a + PERCEPTION;
      const c = b + PERCEPTION;
      const d = c + PERCEPTION;
      let a1 = bias[j];
      let b1 = bias[j + 1];
      let c1 = bias[j + 2];
      let d1 = bias[j + 3];
      let a2 = a1;
      let b2 = b1;
      let c2 = c1;
      let d2 = d1;
      for (let k = 0; k < PERCEPTION; k++) {
        const p = perception[x + k];
        const q = perception[y + k];
        const wa = w1[a + k];
        const wb = w1[b + k];
        const wc = w1[c + k];
        const wd = w1[d + k];
        a1 += wa * p;
        a2 += wa * q;
        b1 += wb * p;
        b2 += wb * q;
        c1 += wc * p;
        c2 += wc * q;
        d1 += wd * p;
        d2 += wd * q;
      }
      hidden[u + j] = relu(a1);
      hidden[u + j + 1] = relu(b1);
      hidden[u + j + 2] = relu(c1);
      hidden[u + j + 3] = relu(d1);
      hidden[v + j] = relu(a2);
      hidden[v + j + 1] = relu(b2);
      hidden[v + j + 2] = relu(c2);
      hidden[v + j + 3] = relu(d2);
    }
  }

  #update({ hidden, updates }, i) {
    const { w2, update } = this;
    update.set(this.b2);
    for (let j = 0; j < HIDDEN; j++) {
      const on = hidden[i * HIDDEN + j];
      if (on === 0) continue;
      const out = j * CHANNELS;
      for (let c = 0; c < CHANNELS; c++) update[c] += on * w2[out + c];
    }
    updates.set(update, i * CHANNELS);
  }

  /**
   * Back over rows `first` to `end`: `dUpdates` (16 a row) are the loss's gradients by their updates;
   * adds to `gradient`, a Network, those by the weights, and leaves in `dPerceptions` (48 a row) those
   * by what they perceived.
   */
  back(rows, first, end, dUpdates, gradient, dPerceptions) {
    dPerceptions.fill(0, 0, (end - first) * PERCEPTION);
    for (let j = 0; j < HIDDEN; j++) {
      const count = this.#backToUnit(j, rows, first, end, dUpdates, gradient);
      for (let n = 0; n < count; n += 2) this.#backFromUnit(j, n, rows, first, gradient, dPerceptions);
    }
    for (let at = 0; at < (end - first) * CHANNELS; at++) gradient.b2[at % CHANNELS] += dUpdates[at];
  }

  /** List the rows in which unit `j` is on, an even number, with its gradients; returns how many. */
  #backToUnit(j, { hidden }, first, end, dUpdates, gradient) {
    const { w2, active, deltas } = this;
    const { w2: g2, b1: g1 } = gradient;
    const out = j * CHANNELS;
    let count = 0;
    for (let i = 0; i < end - first; i++) {
      const on = hidden[(first + i) * HIDDEN + j];
      if (!(on > 0)) continue;
      let delta = 0;
      for (let c = 0; c < CHANNELS; c++) {
        const d = dUpdates[i * CHANNELS + c];
        delta += w2[out + c] * d;
        g2[out + c] += on * d;
      }
      g1[j] += delta;
      active[count] = i;
      deltas[count++] = delta;
    }
    if (count % 2 === 0) return count;
    active[count] = active[count - 1];
    deltas[count] = 0;
    return count + 1;
  }

  /** Carry the gradients of unit `j` in the two rows from place `n` of the list on to W1 and perceptions. */
  #backFromUnit(j, n, { perception }, first, gradient, dPerceptions) {
    const { w1, active, deltas } = this;
    const g1 = gradient.w1;
    const d = deltas[n];
    const e = deltas[n + 1];
    const x = active[n] * PERCEPTION;
    const y = active[n + 1] * PERCEPTION;
    const p = first * PERCEPTION + x;
    const q = first * PERCEPTION + y;
    const row = j * PERCEPTION;
    for (let k = 0; k < PERCEPTION; k++) {
      const w = w1[row + k];
      g1[row + k] += d * perception[p + k] + e * perception[q + k];
      dPerceptions[x + k] += d * w;
      dPerceptions[y + k] += e * w;
    }
  }
}

const relu = (value) => (value <= 0 ? 0 : value); // NaN stays to be seen
