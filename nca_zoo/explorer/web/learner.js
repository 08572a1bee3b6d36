// One NCA that learns: the training step of nca_zoo/training/cohort.py, for one picture.

import { Automaton } from "explore/automaton.js";
import { likeness } from "explore/likeness.js";
import { CHANNELS, N_WEIGHTS, Network, TENSORS } from "explore/network.js";
import { STREAM, fold, rolloutKey, uniform } from "explore/noise.js";
import { Tape } from "explore/tape.js";

const [BETA_1, BETA_2, EPSILON] = [0.9, 0.999, 1e-8]; // Adam (Kingma and Ba, 2015)
const ATTEMPT = 0; // of those that a fit may take

/** Which places of `values` come first when they are sorted by size; of equal ones, the first. */
const sorted = (values) => [...values.keys()].sort((a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0));

export class Learner {
  /**
   * `weights`: to begin with. `target`: RGBA, premultiplied, 0 to 255. `seed`: its row and column.
   * `key`: of all draws. `regime`: batch, pool, lr, caSteps, trials and stops, as a regime has them,
   * of a loss at the end, normalised gradients and seeds with hidden channels. `grid`: { height,
   * width, fireRate }.
   */
  constructor({ weights, target, seed, key, regime, grid }) {
    Object.assign(this, { target, key, regime });
    this.weights = Float32Array.from(weights);
    this.goal = Float32Array.from(target, (value) => value / 255);
    this.mean = new Float32Array(N_WEIGHTS);
    this.square = new Float32Array(N_WEIGHTS);
    this.tape = new Tape(grid.height, grid.width, grid.fireRate);
    this.tried = new Automaton(grid.height, grid.width, this.weights, grid.fireRate);
    this.tried.plant(...seed, true);
    this.seed = this.tried.read();
    this.pool = Array(regime.pool).fill(this.seed);
    this.gradient = new Network();
    this.step = 0;
  }

  /** One training step: draw, roll out, go back, update. Returns the loss. */
  learn() {
    const { batch, caSteps } = this.regime;
    const draws = this.#key(STREAM.DRAWS);
    const [shortest, longest] = caSteps;
    const steps = Math.floor(shortest + uniform(draws, 1)[0] * (longest - shortest + 1));
    const picks = this.#picks(fold(draws, 1), batch);
    const masks = this.#key(STREAM.MASKS);
    this.gradient.clear();
    let sum = 0;
    picks.forEach((pick, i) => {
      const start = i ? this.pool[pick] : this.seed; // the worst is begun anew
      const { loss, state } = this.tape.differentiate(this.weights, start, this.goal, fold(masks, i), steps, this.gradient);
      this.pool[pick] = state;
      sum += loss;
    });
    this.#descend(this.gradient.flat(batch));
    this.step += 1;
    return sum / batch;
  }

  /**
   * What grows by now: dB after each of the regime's trials, in the rollout of `key`. After one below
   * `enough` dB the later ones, which take longer, are not made.
   */
  look(key = rolloutKey(0), enough = 0) {
    const { tried, target, regime } = this;
    tried.setWeights(this.weights);
    tried.write(this.seed);
    const found = [];
    for (let step = 0; found.length < regime.trials.length; step++) {
      if (step === regime.trials[found.length]) found.push(likeness(tried.read(), target));
      if (found.at(-1) < enough) break;
      tried.step(key, step);
    }
    return found;
  }

  /** Whether it is good enough, also by masks that nothing else is seen under, as a gate asks. */
  isDone(found) {
    const { trials, stops } = this.regime;
    const enough = (dB) => dB.length === trials.length && Math.min(...dB) >= stops;
    return enough(found) && enough(this.look(fold(this.key, STREAM.CHECK, this.step), stops));
  }

  #key(stream) {
    return fold(fold(this.key, stream), ATTEMPT, this.step);
  }

  /** `count` entries of the pool, drawn with `key`, the worst first. */
  #picks(key, count) {
    const picks = sorted(uniform(key, this.pool.length)).slice(0, count);
    return sorted(picks.map((pick) => -this.#error(this.pool[pick]))).map((place) => picks[place]);
  }

  #error(state) {
    const { goal } = this;
    let sum = 0;
    for (let i = 0; i < goal.length; i++) sum += (state[(i >> 2) * CHANNELS + (i & 3)] - goal[i]) ** 2;
    return Number.isNaN(sum) ? Infinity : sum / goal.length;
  }

  /** Adam on the gradient, each tensor of which is brought to length 1. */
  #descend(gradient) {
    for (const [first, end] of TENSORS) {
      let sum = 0;
      for (let i = first; i < end; i++) sum += gradient[i] ** 2;
      const size = Math.sqrt(sum) + 1e-8;
      for (let i = first; i < end; i++) gradient[i] /= size;
    }
    const taken = this.step + 1;
    const spread = Math.sqrt(1 - BETA_2 ** taken);
    const scale = (this.regime.lr * spread) / (1 - BETA_1 ** taken);
    const { weights, mean, square } = this;
    for (let i = 0; i < N_WEIGHTS; i++) {
      mean[i] += (1 - BETA_1) * (gradient[i] - mean[i]);
      square[i] += (1 - BETA_2) * (gradient[i] ** 2 - square[i]);
      weights[i] -= (scale * mean[i]) / (Math.sqrt(square[i]) + EPSILON * spread);
    }
  }
}
