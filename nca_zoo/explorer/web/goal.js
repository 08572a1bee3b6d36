// What an automaton is measured against: a picture, or a film of which a frame is due at every step.

const RGBA = 4;

export class Goal {
  /** `frames`: RGBA, premultiplied, 0 to 255; all of them come round in `period` steps. */
  constructor(frames, period = 1) {
    Object.assign(this, { frames, period });
  }

  /** What is due after a step. */
  at(step) {
    return this.frames[Math.floor(((step % this.period) * this.frames.length) / this.period)];
  }
}

/** A film of frames of `cells` cells, from its bytes: RGBA, or one number a cell for white ink. */
export function filmOf(bytes, cells, channels, period) {
  const size = cells * channels;
  const frames = Array.from({ length: bytes.length / size }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const whole = (ink) => Uint8Array.from({ length: RGBA * cells }, (_, at) => ink[Math.floor(at / RGBA)]);
  return new Goal(channels === RGBA ? frames : frames.map(whole), period);
}
