// States as pictures: what colour each cell has in each way of looking at it.

import { ALPHA } from "explore/automaton.js";
import { decibels, likeness, part } from "explore/likeness.js";
import { CHANNELS } from "explore/network.js";

const NIGHT = [24, 28, 36]; // behind transparent cells, as in nca_zoo/viewer/frames.py
const CHECKS = [[44, 48, 56], [60, 64, 72]]; // or these, in squares of 2 x 2 cells
const BELOW = [74, 163, 255]; // colour of a channel at -1
const ABOVE = [255, 176, 66]; // and at +1

const byte = (value) => Math.round(255 * Math.min(1, value));

function shade(pixels, at, value, low, high) {
  const amount = Math.min(1, Math.abs(value)) || 0;
  const goal = value < 0 ? low : high;
  for (let c = 0; c < 3; c++) pixels[at + c] = NIGHT[c] + amount * (goal[c] - NIGHT[c]);
}

const VISIBLE = 4;
const NAMES = ["red", "green", "blue", "alpha"];
const INKS = [[255, 96, 96], [96, 224, 128], [104, 152, 255], [255, 255, 255]];

const REACH = 3; // cells that a picture may have wandered and still count as whole
const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

const MOVES = range(-REACH, REACH + 1)
  .flatMap((down) => range(-REACH, REACH + 1).map((right) => [down, right]))
  .sort((a, b) => Math.hypot(...a) - Math.hypot(...b));

/**
 * How automata look of whose visible channels so many, from the last, are trained: all four, or alpha
 * alone, which then is the ink of a white drawing, and red, green and blue are hidden (nca_zoo/automaton/rule.py).
 */
export class Looks {
  constructor(trained) {
    const first = VISIBLE - trained;
    const shown = range(first, VISIBLE);
    const hidden = [...range(VISIBLE, CHANNELS), ...range(0, first)];
    this.first = first;
    // Where red, green, blue and alpha of what is seen stand in a cell.
    this.seen = trained === VISIBLE ? shown : Array(VISIBLE).fill(ALPHA);
    // Name -> the channels it shows; the first views are not of channels.
    this.views = new Map([
      ["picture", null],
      ["on checks", null],
      ["error", null],
      ["alive mask", null],
      ["all hidden", hidden],
      ...shown.map((channel) => [NAMES[channel], [channel]]),
      ...hidden.map((channel, i) => [`hidden ${i + 1}`, [channel]]),
    ]);
  }

  /** The views of single channels that are the panels of a view of many. */
  panelViews(view) {
    const channels = this.views.get(view) ?? [];
    if (channels.length < 2) return [];
    return channels.map((channel) => [...this.views].find(([, held]) => held?.length === 1 && held[0] === channel)[0]);
  }

  /** How many panels a view has, across and down. */
  panels(view) {
    const { length } = this.views.get(view) ?? [0];
    return length > 1 ? [length / 3, 3] : [1, 1];
  }

  /** The colour of a channel at +1. */
  ink(channel) {
    return channel < this.first ? ABOVE : (INKS[channel] ?? ABOVE);
  }

  /** How far a cell is from its target, -1 too little to 1 too much: the mean over RGBA, clipped. */
  excess(state, target, cell) {
    let sum = 0;
    for (let c = 0; c < VISIBLE; c++) {
      sum += part(state[cell * CHANNELS + this.seen[c]]) - target[VISIBLE * cell + c] / 255;
    }
    return sum / VISIBLE;
  }

  /** Draw an automaton on a canvas, one pixel a cell; the style sheet enlarges it. */
  paint(canvas, automaton, view, target) {
    const { height, width } = automaton;
    const [across, down] = this.panels(view);
    if (canvas.width !== across * width || canvas.height !== down * height) {
      canvas.width = across * width;
      canvas.height = down * height;
    }
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const image = context.createImageData(canvas.width, canvas.height);
    const state = automaton.read();
    const alive = view === "alive mask" ? automaton.alive() : null;
    const channels = this.views.get(view) ?? [0];
    channels.forEach((channel, panel) => {
      const left = (panel % across) * width;
      const top = Math.floor(panel / across) * height;
      for (let cell = 0; cell < height * width; cell++) {
        const [row, col] = [Math.floor(cell / width), cell % width];
        const at = 4 * ((top + row) * canvas.width + left + col);
        const check = CHECKS[(Math.floor(row / 2) + Math.floor(col / 2)) % 2];
        if (view === "picture") this.#paintCell(image.data, at, state, cell * CHANNELS, NIGHT);
        else if (view === "on checks") this.#paintCell(image.data, at, state, cell * CHANNELS, check);
        else if (view === "error") shade(image.data, at, this.excess(state, target, cell), BELOW, ABOVE);
        else if (alive) shade(image.data, at, 0.85 * alive[cell], BELOW, [120, 230, 180]);
        else shade(image.data, at, state[cell * CHANNELS + channel], BELOW, this.ink(channel));
        image.data[at + 3] = 255;
      }
    });
    context.putImageData(image, 0, 0);
  }

  #paintCell(pixels, at, state, cell, behind) {
    const clear = 1 - part(state[cell + ALPHA]);
    for (let c = 0; c < 3; c++) {
      pixels[at + c] = byte(part(state[cell + this.seen[c]]) + (clear * behind[c]) / 255);
    }
  }

  /** Peak signal-to-noise ratio of a state against a target in dB, as in nca_zoo/life/quality.py.
   *  NaN against a blank one: nobody knows what that NCA was to grow. */
  psnr(state, target) {
    return target.some(Boolean) ? likeness(state, target, this.seen) : NaN;
  }

  /**
   * The best PSNR of a state against a target that may be moved by up to `REACH` rows and columns:
   * { score, by: [rows, columns] }, of equal ones the smallest move. What a move uncovers is empty.
   */
  bestMove(state, target, height, width) {
    let best = { score: -Infinity, by: [0, 0] };
    for (const by of MOVES) {
      const score = this.#movedPsnr(state, target, height, width, by);
      if (score > best.score) best = { score, by };
    }
    return best;
  }

  #movedPsnr(state, target, height, width, [down, right]) {
    let sum = 0;
    for (let row = 0; row < height; row++) {
      for (let col = 0; col < width; col++) {
        const [from, aside] = [row - down, col - right];
        const covered = from >= 0 && from < height && aside >= 0 && aside < width;
        const [cell, goal] = [(row * width + col) * CHANNELS, (from * width + aside) * VISIBLE];
        for (let c = 0; c < VISIBLE; c++) {
          const value = Math.min(1, Math.max(0, state[cell + this.seen[c]]));
          sum += (value - (covered ? target[goal + c] / 255 : 0)) ** 2;
        }
      }
    }
    return decibels(sum, target.length);
  }
}

/** Draw a target picture (RGBA, premultiplied, 0 to 255) on a canvas, one pixel a cell. */
export function paintTarget(canvas, target, height, width) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let at = 0; at < target.length; at += 4) {
    const clear = 1 - target[at + 3] / 255;
    for (let c = 0; c < 3; c++) image.data[at + c] = target[at + c] + clear * NIGHT[c];
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
