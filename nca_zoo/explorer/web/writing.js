// The writer: from a drawing to the weights of an NCA that grows it, and who among the zoo is near.
//
// As nca_zoo/training/writer.py, for ink: nca_zoo/explorer/pad.py packs it, and says what lies where.

/** Rows of small integers, each with a scale of its own. */
class Rows {
  constructor(scales, values) {
    Object.assign(this, { scales, values });
    this.width = values.length / (scales.length || 1); // there may be no rows
  }

  /** The sum of the products of row `row` and `values`. */
  dot(row, values) {
    const first = row * this.width;
    let sum = 0;
    for (let i = 0; i < this.width; i++) sum += this.values[first + i] * values[i];
    return sum * this.scales[row];
  }

  /** Add `share` times row `row` to `sums`. */
  addTo(sums, row, share) {
    const [first, scaled] = [row * this.width, share * this.scales[row]];
    for (let i = 0; i < this.width; i++) sums[i] += scaled * this.values[first + i];
  }
}

export class Writer {
  /** `about` is the pad's part of the exhibit's `about`, `bytes` its data; `zoo` says who is good. */
  constructor(about, bytes, zoo) {
    Object.assign(this, { zoo, window: about.window });
    const { patterns, units, changes, directions, weights } = about;
    let at = bytes.byteOffset; // numbers of 4 bytes come first, then those of 2, and of 1
    const next = (Kind) => (count) => {
      const values = new Kind(bytes.buffer, at, count);
      at += values.byteLength;
      return values;
    };
    const [take, short, byte] = [Float32Array, Int16Array, Int8Array].map(next);
    this.base = take(weights); // to which the changes are added
    this.mean = take(patterns); // how much of each pattern is in the mean picture
    this.bias = take(units); // of the hidden units
    this.origin = take(directions); // where the base lies, seen from the zoo's mean NCA
    this.moves = Array.from({ length: changes }, () => take(directions)); // how 1 of each change moves that
    const scales = [patterns, units, changes, changes, zoo.size].map(take);
    const widths = [this.window[0] * this.window[1], patterns, patterns + units, weights, directions];
    const rows = scales.map((scale, i) => new Rows(scale, (i < 3 ? short : byte)(scale.length * widths[i])));
    [this.patterns, this.into, this.mix, this.changes, this.rows] = rows;
  }

  /** How much of each change a drawing asks for, seen through a window around its seed. */
  find({ ink, height, width, seed }) {
    const [tall, wide] = this.window;
    const seen = Float32Array.from({ length: tall * wide }, (_, cell) => {
      const row = seed[0] + Math.floor(cell / wide) - Math.floor(tall / 2);
      const col = seed[1] + (cell % wide) - Math.floor(wide / 2);
      const inside = row >= 0 && row < height && col >= 0 && col < width;
      return inside ? ink[row * width + col] / 255 : 0;
    });
    const found = Array.from(this.mean, (mean, k) => this.patterns.dot(k, seen) - mean);
    const fires = Array.from(this.bias, (bias, h) => Math.max(this.into.dot(h, found) + bias, 0));
    const both = [...found, ...fires];
    return Float64Array.from(this.moves, (_, r) => this.mix.dot(r, both));
  }

  /** The weights for what was found. */
  write(found) {
    const sums = Float64Array.from(this.base);
    found.forEach((share, k) => this.changes.addTo(sums, k, share));
    return Float32Array.from(sums);
  }

  /**
   * The `count` nearest of the zoo's good NCAs to what is written, and how far they are apart: of
   * directions from the mean NCA, 0 is the same, 1.41 nothing in common, 2 the opposite.
   */
  kin(found, count) {
    const scores = Float64Array.from(this.origin);
    found.forEach((share, k) => this.moves[k].forEach((move, i) => (scores[i] += share * move)));
    const length = Math.hypot(...scores) || 1;
    const direction = scores.map((score) => score / length);
    const good = [...Array(this.zoo.size).keys()].filter((row) => this.zoo.good(row));
    const near = good.map((row) => ({ row, apart: Math.sqrt(Math.max(0, 2 - 2 * this.rows.dot(row, direction))) }));
    near.sort((a, b) => a.apart - b.apart).splice(count);
    return { rows: near.map(({ row }) => row), apart: near.map(({ apart }) => apart) };
  }
}
