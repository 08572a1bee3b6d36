// A guest on the map: a drawing among the zoo's NCAs, where its kin are.

import { paintTarget } from "explore/views.js";

/** The value up to which half of all pulls lie: a few kin that stand far away do not move it. */
function weightedMedian(values, pulls) {
  const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  const half = pulls.reduce((a, b) => a + b, 0) / 2;
  let sum = 0;
  return values[order.find((i) => (sum += pulls[i]) >= half) ?? order[0]];
}

/** The place nearest to `wanted` on the grid of a layout's places, of side `tile`, that nobody has. */
function freePlace(wanted, points, tile) {
  const cellOf = (point) => point.map((value, axis) => (value - points[0][axis]) / tile);
  const taken = new Set(points.map((point) => String(cellOf(point).map(Math.round))));
  const middle = cellOf(wanted);
  const reach = Math.ceil(Math.sqrt(points.length)) + 1;
  let best = middle;
  let least = Infinity;
  for (let down = -reach; down <= reach; down++) {
    for (let right = -reach; right <= reach; right++) {
      const cell = [Math.round(middle[0]) + right, Math.round(middle[1]) + down];
      const away = Math.hypot(cell[0] - middle[0], cell[1] - middle[1]);
      if (away < least && !taken.has(String(cell))) [best, least] = [cell, away];
    }
  }
  return best.map((value, axis) => points[0][axis] + value * tile);
}

export class Guest {
  /** `kin` are rows of the zoo and how far `apart` they are: see Writer.kin. */
  constructor(target, height, width, { rows, apart }) {
    Object.assign(this, { rows, apart });
    this.canvas = document.createElement("canvas");
    paintTarget(this.canvas, target, height, width);
  }

  /** Its place in a layout: where half of its kin lie to each side, nearer ones counting more. */
  place(points, tile) {
    if (this.points === points) return this.found;
    const pulls = this.apart.map((apart) => 1 / (0.05 + apart) ** 2);
    const wanted = [0, 1].map((axis) => weightedMedian(this.rows.map((row) => points[row][axis]), pulls));
    [this.points, this.found] = [points, tile ? freePlace(wanted, points, tile) : wanted];
    return this.found;
  }
}
