// How alike a state and a picture are, as in nca_zoo/life/quality.py.

import { CHANNELS } from "explore/network.js";

export const part = (value) => Math.min(1, Math.max(0, value || 0)); // NaN counts as 0

/** PSNR in dB, at most 100, of a sum of so many squared errors; 0 if it is not finite. */
export function decibels(sum, count) {
  if (!Number.isFinite(sum)) return 0;
  return -10 * Math.log10(Math.max(sum / count, 1e-10));
}

/**
 * PSNR in dB of a state (16 numbers a cell) against a target (RGBA, premultiplied, 0 to 255); `seen`
 * says where red, green, blue and alpha of what is seen stand in a cell.
 */
export function likeness(state, target, seen = [0, 1, 2, 3]) {
  let sum = 0;
  for (let cell = 0; seen.length * cell < target.length; cell++) {
    for (let c = 0; c < seen.length; c++) {
      const value = Math.min(1, Math.max(0, state[cell * CHANNELS + seen[c]])); // NaN stays to be seen
      sum += (value - target[seen.length * cell + c] / 255) ** 2;
    }
  }
  return decibels(sum, target.length);
}
