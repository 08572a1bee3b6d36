// THE rule (nca_zoo/automaton/rule.py) in float32: one automaton on its grid, stepped in place.
//
// As in nca_zoo/life/engines/kernels.py, the network runs only where it counts: in cells that live and
// fire, and in "ghosts", dead cells that fire beside a cell about to die. The grid has a border of
// dead cells, and a site is an index into the grid with its border.

import { CHANNELS, HIDDEN, N_WEIGHTS, Network, PERCEPTION, Rows, TENSORS } from "explore/network.js";
import { FireMask } from "explore/noise.js";

export const ALPHA = 3;
const HANDS = 4; // of the clock
export const THRESHOLD = Math.fround(0.1); // of alpha, above which a cell is mature

const TURNS = [40, 10]; // cells after which what tells a place repeats

/** What tells a seed that it stands so many cells from the automaton's own: eight channels. */
export function place(down, right) {
  const numbers = [];
  for (const turn of TURNS) {
    for (const cells of [down, right]) {
      const angle = (2 * Math.PI * cells) / turn;
      const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
      numbers.push(cosine - sine, cosine + sine);
    }
  }
  return numbers;
}

export class Automaton {
  /**
   * A dead grid of height x width cells; `weights` is a flat Float32Array of 8,336, and of automata
   * that hear a clock of `period` steps 512 more; `fireRate` the chance of a cell to fire.
   */
  constructor(height, width, weights, fireRate = 0.5, period = 1) {
    this.period = period;
    this.height = height;
    this.width = width;
    this.pitch = width + 2;
    const sites = (height + 2) * this.pitch;
    this.state = new Float32Array(sites * CHANNELS);
    this.mature = new Uint8Array(sites); // alpha above the threshold
    this.pre = new Uint8Array(sites); // alive before the update
    this.post = new Uint8Array(sites); // alive after it
    this.across = new Uint8Array(sites); // row-wise part of a dilation
    this.fire = new Uint8Array(sites);
    this.rows = new Rows(2 * sites); // cells whose network runs in this step
    this.mask = new FireMask(height * width, fireRate);
    this.network = new Network();
    this.setWeights(weights);
  }

  /** Go on from the present state by another rule. */
  setWeights(weights) {
    const hears = weights.subarray(N_WEIGHTS);
    const plain = hears.length === HANDS * HIDDEN ? weights.subarray(0, N_WEIGHTS) : weights;
    this.network.set(plain);
    [this.base, this.hears] = [weights.subarray(...TENSORS[1]), hears];
  }

  /** Every cell hears the phase of its clock (nca_zoo/automaton/signals.py), if it has one. */
  #hear(step) {
    if (!this.hears.length) return;
    const angle = (2 * Math.PI * (step % this.period)) / this.period;
    const hands = [Math.cos(angle), Math.sin(angle), Math.cos(2 * angle), Math.sin(2 * angle)];
    this.network.hear(this.base, this.hears, hands);
  }

  site(row, col) {
    return (row + 1) * this.pitch + col + 1;
  }

  inside(row, col) {
    return row >= 0 && row < this.height && col >= 0 && col < this.width;
  }

  clear() {
    this.state.fill(0);
    this.mature.fill(0);
  }

  /**
   * Set the cell to a seed: alpha 1, RGB 0, hidden channels 1 if the zoo's seeds have that; with the
   * cell of the automaton's own seed, `home`, it is told how far from there it stands.
   */
  plant(row, col, hidden, home = null) {
    if (!this.inside(row, col)) return;
    const at = this.site(row, col) * CHANNELS;
    this.state.fill(0, at, at + ALPHA);
    this.state[at + ALPHA] = 1;
    this.state.fill(hidden ? 1 : 0, at + ALPHA + 1, at + CHANNELS);
    if (home) this.state.set(place(row - home[0], col - home[1]), at + ALPHA + 1);
    this.mature[this.site(row, col)] = 1;
  }

  /** Kill every cell whose centre lies within `radius` cells of a place. */
  erase(row, col, radius) {
    for (let r = 0; r < this.height; r++) {
      for (let c = 0; c < this.width; c++) {
        if ((r - row) ** 2 + (c - col) ** 2 > radius ** 2) continue;
        const site = this.site(r, c);
        this.state.fill(0, site * CHANNELS, (site + 1) * CHANNELS);
        this.mature[site] = 0;
      }
    }
  }

  /** The state as a Float32Array of height x width x 16. */
  read() {
    const row = this.width * CHANNELS;
    const out = new Float32Array(this.height * row);
    for (let r = 0; r < this.height; r++) {
      const at = this.site(r, 0) * CHANNELS;
      out.set(this.state.subarray(at, at + row), r * row);
    }
    return out;
  }

  /** Put back a state that `read` gave. */
  write(values) {
    const row = this.width * CHANNELS;
    for (let r = 0; r < this.height; r++) {
      this.state.set(values.subarray(r * row, (r + 1) * row), this.site(r, 0) * CHANNELS);
      for (let c = 0; c < this.width; c++) {
        const site = this.site(r, c);
        this.mature[site] = this.state[site * CHANNELS + ALPHA] > THRESHOLD ? 1 : 0;
      }
    }
  }

  /** Whether any cell lives. */
  living() {
    return this.mature.includes(1);
  }

  /** Which cells live: Uint8Array of height x width. */
  alive() {
    this.#dilate(this.pre);
    const out = new Uint8Array(this.height * this.width);
    for (let r = 0; r < this.height; r++) {
      out.set(this.pre.subarray(this.site(r, 0), this.site(r, this.width)), r * this.width);
    }
    return out;
  }

  /** Take CA step number `step` (from 0) with the fire masks of `key`; returns how many rows count. */
  step(key, step) {
    const { rows, state } = this;
    this.#hear(step);
    this.#dilate(this.pre);
    const living = this.#listCells(key, step);
    this.#run(0, living);
    for (let i = 0; i < living; i++) this.mature[rows.sites[i]] = this.#nextAlpha(i) > THRESHOLD ? 1 : 0;
    this.#dilate(this.post);
    const ghosts = this.#listGhosts(living);
    this.#run(living, living + ghosts);
    for (let i = living; i < living + ghosts; i++) {
      if (this.#nextAlpha(i) > THRESHOLD) this.#save(rows.sites[i]);
    }
    for (let i = 0; i < living; i++) {
      const at = rows.sites[i] * CHANNELS;
      for (let c = 0; c < CHANNELS; c++) state[at + c] += rows.updates[i * CHANNELS + c];
    }
    for (let r = 0; r < this.height; r++) {
      for (let site = this.site(r, 0); site < this.site(r, this.width); site++) {
        this.post[site] &= this.pre[site];
        if (this.post[site]) continue;
        this.mature[site] = 0;
        state.fill(0, site * CHANNELS, (site + 1) * CHANNELS);
      }
    }
    return living;
  }

  #nextAlpha(i) {
    const { sites, updates } = this.rows;
    return Math.fround(this.state[sites[i] * CHANNELS + ALPHA] + updates[i * CHANNELS + ALPHA]);
  }

  /** Perceptions, hidden units and updates of rows `first` to `end`. */
  #run(first, end) {
    for (let i = first; i < end; i++) this.#perceive(i);
    this.network.forward(this.rows, first, end);
  }

  /** 3 x 3 maximum of `mature`, over the inner sites. */
  #dilate(out) {
    const { mature, across, pitch } = this;
    for (let site = 1; site < mature.length - 1; site++) {
      across[site] = mature[site - 1] | mature[site] | mature[site + 1];
    }
    for (let r = 0; r < this.height; r++) {
      for (let site = this.site(r, 0); site < this.site(r, this.width); site++) {
        out[site] = across[site - pitch] | across[site] | across[site + pitch];
      }
    }
  }

  #listCells(key, step) {
    this.mask.draw(key, step);
    let listed = 0;
    let cell = 0;
    for (let r = 0; r < this.height; r++) {
      for (let site = this.site(r, 0); site < this.site(r, this.width); site++) {
        this.fire[site] = this.mask.fires(cell++);
        if (this.fire[site] & this.pre[site]) this.rows.sites[listed++] = site;
      }
    }
    return listed;
  }

  /** Dead cells that fire beside a cell about to die: for a moment they may live, and save it. */
  #listGhosts(first) {
    let listed = 0;
    for (let site = this.pitch + 1; site < this.mature.length - this.pitch - 1; site++) {
      if (this.pre[site] <= this.post[site]) continue;
      for (const dy of [-this.pitch, 0, this.pitch]) {
        for (let other = site + dy - 1; other < site + dy + 2; other++) {
          if (this.fire[other] <= this.pre[other]) continue;
          this.fire[other] = 0; // listed once
          this.rows.sites[first + listed++] = other;
        }
      }
    }
    return listed;
  }

  #save(site) {
    for (const dy of [-this.pitch, 0, this.pitch]) {
      for (let other = site + dy - 1; other < site + dy + 2; other++) {
        this.post[other] |= this.pre[other];
      }
    }
  }

  /** What the cell of row `i` perceives: itself, then Sobel x and y, of all channels. */
  #perceive(i) {
    const { state } = this;
    const { perception, sites } = this.rows;
    const [at, own] = [sites[i] * CHANNELS, i * PERCEPTION];
    const up = at - this.pitch * CHANNELS;
    const down = at + this.pitch * CHANNELS;
    for (let c = 0; c < CHANNELS; c++) {
      const nw = state[up - CHANNELS + c];
      const ne = state[up + CHANNELS + c];
      const sw = state[down - CHANNELS + c];
      const se = state[down + CHANNELS + c];
      const acrossX = state[at + CHANNELS + c] - state[at - CHANNELS + c];
      const acrossY = state[down + c] - state[up + c];
      perception[own + c] = state[at + c];
      perception[own + CHANNELS + c] = (ne - nw + se - sw + 2 * acrossX) / 8;
      perception[own + 2 * CHANNELS + c] = (sw - nw + se - ne + 2 * acrossY) / 8;
    }
  }
}
