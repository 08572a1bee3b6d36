// One automaton's life: it grows step by step, remembers what it was, and can be taken back.

import { Automaton } from "explore/automaton.js";
import { rolloutKey } from "explore/noise.js";

const MEMORY_BYTES = 48e6;

export class Life {
  /** With `told`, seeds that are planted are told how far from the automaton's own they stand. */
  constructor(height, width, weights, seedHidden, fireRate, period, told = false) {
    this.automaton = new Automaton(height, width, weights, fireRate, period);
    this.seedHidden = seedHidden;
    this.told = told;
    this.key = rolloutKey(0); // the rollout that figures in the file are of
    this.most = Math.max(16, Math.floor(MEMORY_BYTES / (height * width * 64)));
  }

  /** Back to step 0: one seed cell. */
  restart([row, col]) {
    this.seed = [row, col];
    this.automaton.clear();
    this.automaton.plant(row, col, this.seedHidden);
    this.step = 0;
    this.first = 0; // the oldest step that is remembered
    this.past = [this.automaton.read()];
  }

  /** The newest step that is remembered. */
  get last() {
    return this.first + this.past.length - 1;
  }

  /** The state that is seen, height x width x 16. */
  get present() {
    return this.past[this.step - this.first];
  }

  get alive() {
    return this.automaton.living();
  }

  /** Take one step. What was remembered of another future is forgotten. */
  grow() {
    this.past.length = this.step - this.first + 1;
    this.automaton.step(this.key, this.step);
    this.step += 1;
    this.past.push(this.automaton.read());
    if (this.past.length > this.most) {
      this.past.shift();
      this.first += 1;
    }
  }

  /** Back, or forward again, to a step that is remembered. */
  scrub(step) {
    this.step = Math.min(this.last, Math.max(this.first, step));
    this.automaton.write(this.present);
  }

  /** Erase circles of `radius` cells around places [row, col]. */
  erase(places, radius) {
    for (const [row, col] of places) this.automaton.erase(row, col, radius);
    this.#changed();
  }

  /** Plant seeds at places [row, col]. */
  plant(places) {
    for (const [row, col] of places) {
      this.automaton.plant(row, col, this.seedHidden, this.told ? this.seed : null);
    }
    this.#changed();
  }

  /** Make a state the present, at its step: how a touch is undone, even one long forgotten. */
  putBack(step, state) {
    if (step < this.first || step > this.last) [this.first, this.past] = [step, []];
    this.step = step;
    this.automaton.write(state);
    this.#changed();
  }

  /** The present was changed by hand: remember it as it now is, without a future. */
  #changed() {
    this.past.length = Math.min(this.past.length, this.step - this.first);
    this.past.push(this.automaton.read());
  }
}
