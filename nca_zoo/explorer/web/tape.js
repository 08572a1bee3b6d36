// A rollout that is remembered, and the loss carried back through all its steps: the gradient.
//
// As in nca_zoo/life/engines/kernels.py: only cells that live and fire have anything to carry.

import { Automaton } from "explore/automaton.js";
import { CHANNELS, Network, PERCEPTION, Rows } from "explore/network.js";

const VISIBLE = 4;
const ROWS_AT_FIRST = 4096;

export class Tape {
  constructor(height, width, fireRate) {
    this.automaton = new Automaton(height, width, new Network().flat(), fireRate);
    const sites = this.automaton.mature.length;
    this.rows = new Rows(ROWS_AT_FIRST); // of all steps, one after the other
    this.first = [0]; // the row that each step begins with
    this.alive = []; // of each step: the sites that lived through it
    this.grad = new Float64Array(sites * CHANNELS); // the loss's gradient by the state
    this.dUpdates = new Float64Array(sites * CHANNELS);
    this.dPerceptions = new Float64Array(sites * PERCEPTION);
  }

  /**
   * Roll out `steps` steps from `state`, compare the last with `target` (height x width x 4, in 0 to
   * 1), and go back: adds the gradient to `gradient`, a Network. Returns { loss, state }: the mean
   * squared error, and the last state.
   */
  differentiate(weights, state, target, key, steps, gradient) {
    const { automaton } = this;
    automaton.setWeights(weights);
    automaton.write(state);
    for (let step = 0; step < steps; step++) this.#record(step, automaton.step(key, step));
    const last = automaton.read();
    const loss = this.#compare(last, target);
    for (let step = steps - 1; step >= 0; step--) this.#back(step, gradient);
    return { loss, state: last };
  }

  /** Remember what the step that was just taken was made of: its first `count` rows. */
  #record(step, count) {
    const first = this.first[step];
    if (first + count > this.rows.count) this.#grow(first, 2 * (first + count));
    this.#copy(this.automaton.rows, 0, count, this.rows, first);
    this.first[step + 1] = first + count;
    this.alive[step] ??= new Uint8Array(this.automaton.post.length);
    this.alive[step].set(this.automaton.post);
  }

  #grow(used, count) {
    const wider = new Rows(count);
    this.#copy(this.rows, 0, used, wider, 0);
    this.rows = wider;
  }

  #copy(from, start, count, to, first) {
    for (const [name, wide] of [["sites", 1], ["perception", PERCEPTION], ["hidden", from.hidden.length / from.count]]) {
      to[name].set(from[name].subarray(start * wide, (start + count) * wide), first * wide);
    }
  }

  /** The loss of the last state; its gradient is where going back begins. */
  #compare(state, target) {
    const { automaton, grad } = this;
    const { height, width } = automaton;
    grad.fill(0);
    let sum = 0;
    for (let cell = 0; cell < height * width; cell++) {
      const at = automaton.site(Math.floor(cell / width), cell % width) * CHANNELS;
      for (let c = 0; c < VISIBLE; c++) {
        const error = state[cell * CHANNELS + c] - target[cell * VISIBLE + c];
        sum += error * error;
        grad[at + c] = (2 * error) / target.length;
      }
    }
    return sum / target.length;
  }

  /** Carry `grad` back over one step. */
  #back(step, gradient) {
    const { automaton, rows, grad, dUpdates, dPerceptions } = this;
    const [first, end, alive] = [this.first[step], this.first[step + 1], this.alive[step]];
    for (let site = 0; site < alive.length; site++) {
      if (!alive[site]) grad.fill(0, site * CHANNELS, (site + 1) * CHANNELS); // what it had is lost
    }
    for (let i = first; i < end; i++) {
      const at = rows.sites[i] * CHANNELS;
      dUpdates.set(grad.subarray(at, at + CHANNELS), (i - first) * CHANNELS);
    }
    automaton.network.back(rows, first, end, dUpdates, gradient, dPerceptions);
    for (let i = first; i < end; i++) this.#spread(rows.sites[i] * CHANNELS, (i - first) * PERCEPTION);
  }

  /** From what a cell perceived to the cells that it saw: the transpose of perceiving. */
  #spread(at, own) {
    const { grad, dPerceptions } = this;
    const up = at - this.automaton.pitch * CHANNELS;
    const down = at + this.automaton.pitch * CHANNELS;
    for (let c = 0; c < CHANNELS; c++) {
      const x = dPerceptions[own + CHANNELS + c] / 8;
      const y = dPerceptions[own + 2 * CHANNELS + c] / 8;
      grad[at + c] += dPerceptions[own + c];
      grad[up - CHANNELS + c] -= x + y;
      grad[up + CHANNELS + c] += x - y;
      grad[down - CHANNELS + c] += y - x;
      grad[down + CHANNELS + c] += x + y;
      grad[at - CHANNELS + c] -= 2 * x;
      grad[at + CHANNELS + c] += 2 * x;
      grad[up + c] -= 2 * y;
      grad[down + c] += 2 * y;
    }
  }
}
