// What becomes of a wound, in words that a test can check.

export const WITHIN = 3; // dB: as near to what it was as "healed" asks for
export const SETTLING = 16; // steps before anything but death is said: a scratch looks whole at once
export const JUDGED = 200; // steps after which a wound that did not heal is a scar

export const COLOURS = { healed: "#4fd6a0", moved: "#74a9ff", scarred: "#ffb042", died: "#ff7a85" };

const steps = (count) => `${count} ${count === 1 ? "step" : "steps"}`;
const later = (count) => (count > 0 ? `${steps(count)} later` : "at once");

/** One touch: what was done, when, and what it was like before. */
export class Touch {
  /** `before` is the state (see life.js), `whole` the dB that it had or usually reaches. */
  constructor(kind, step, before, whole) {
    Object.assign(this, { kind, step, before, whole });
    this.since = step; // of its last cell: a drag takes time
    this.fate = null; // healed, moved, scarred or died
    this.back = null; // the step since which it is within 3 dB
  }

  /**
   * Look at step `step`: `alive`, `score` in dB, and `shifted()`, which gives the best { score, by }
   * if the picture may be moved.
   */
  judge(step, alive, score, shifted) {
    if (this.kind !== "wound") return;
    if (step <= this.seen) this.fate = this.back = this.end = null; // another future
    this.seen = step;
    const age = step - this.since;
    const near = (value) => value >= this.whole - WITHIN;
    this.back = near(score) ? (this.back ?? step) : null;
    if (!alive) this.fate = "died";
    else if (age < SETTLING) this.fate = null;
    else if (this.back !== null) this.fate = "healed";
    else if (age < JUDGED) this.fate = null;
    else if (this.fate === null || this.fate === "healed") {
      const best = shifted();
      this.fate = near(best.score) ? "moved" : "scarred";
      this.by = best.by;
    }
    if (this.fate === "died") this.end ??= step;
  }

  /** In words, at a step. */
  words(step) {
    if (this.kind !== "wound") return `a seed planted at step ${this.step}`;
    const during = this.since > this.step ? `steps ${this.step} to ${this.since}` : `step ${this.step}`;
    const at = `wounded at ${during}`;
    if (this.fate === "died") return `${at}: died ${later(this.end - this.since)}`;
    if (this.fate === "healed") return `${at}: healed after ${steps(Math.max(0, this.back - this.since))}`;
    if (this.fate === "moved") return `${at}: whole, moved by (${this.by.join(", ")})`;
    if (this.fate === "scarred") return `${at}: scarred`;
    return `${at}: ${steps(Math.max(0, step - this.since))} ago, not yet healed`;
  }
}
