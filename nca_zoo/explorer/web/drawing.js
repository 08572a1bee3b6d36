// A drawing: cells of ink that a pen makes and rubs out, with undo; and the target that it is.

const UNDOS = 100;

export class Drawing {
  constructor(height, width) {
    Object.assign(this, { height, width });
    this.ink = new Uint8Array(height * width); // 0 to 255
    this.past = [];
  }

  get empty() {
    return !this.ink.some(Boolean);
  }

  /** What follows, up to the next `begin`, is one thing to undo. */
  begin() {
    this.past.push(this.ink.slice());
    if (this.past.length > UNDOS) this.past.shift();
  }

  undo() {
    this.ink = this.past.pop() ?? this.ink;
  }

  clear() {
    this.begin();
    this.ink.fill(0);
  }

  /**
   * A line of the pen from one place to another, in cells (cell 0 reaches from 0 to 1): full ink up to
   * half a cell within `radius`, none half a cell beyond; or, with `rub`, none within it.
   */
  stroke([row, col], [toRow, toCol], radius, rub = false) {
    const [down, right] = [toRow - row, toCol - col];
    const squared = down ** 2 + right ** 2;
    for (let cell = 0; cell < this.ink.length; cell++) {
      const r = Math.floor(cell / this.width) + 0.5 - row;
      const c = (cell % this.width) + 0.5 - col;
      const share = squared ? Math.min(1, Math.max(0, (r * down + c * right) / squared)) : 0;
      const covered = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(r - share * down, c - share * right)));
      const level = Math.round(255 * covered);
      this.ink[cell] = rub ? Math.min(this.ink[cell], 255 - level) : Math.max(this.ink[cell], level);
    }
  }

  /** RGBA, premultiplied, 0 to 255: white ink on nothing, as nca_zoo/pictures/targets.py has it. */
  get target() {
    return Uint8Array.from({ length: 4 * this.ink.length }, (_, i) => this.ink[i >> 2]);
  }

  /**
   * The seed's [row, col], by the rule of targets.py: of the cells with at least half ink, or else
   * the most, the one nearest the middle; the uppermost and then the leftmost of equally near ones.
   */
  get seed() {
    const { ink, height, width } = this;
    const lit = Math.min(128, ink.reduce((a, b) => Math.max(a, b), 0));
    let best = 0;
    let least = Infinity;
    for (let cell = 0; cell < ink.length; cell++) {
      const [row, col] = [Math.floor(cell / width), cell % width];
      const away = (2 * row - (height - 1)) ** 2 + (2 * col - (width - 1)) ** 2;
      if (ink[cell] >= lit && away < least) [best, least] = [cell, away];
    }
    return [Math.floor(best / width), best % width];
  }
}
