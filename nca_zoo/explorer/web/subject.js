// One automaton under observation: its life, what it is measured against, what was done to it.

import { ALPHA, THRESHOLD } from "explore/automaton.js";
import { Life } from "explore/life.js";
import { CHANNELS } from "explore/network.js";
import { Touch } from "explore/wounds.js";

const UNDOS = 50;

function lives(state) {
  for (let at = ALPHA; at < state.length; at += CHANNELS) if (state[at] > THRESHOLD) return true;
  return false;
}

export class Subject {
  /**
   * `targets` are the one or two goals that it is measured against; `usual` the dB that it reaches
   * when it is left alone, or null.
   */
  constructor(zoo, looks, weights, seed, targets, usual) {
    Object.assign(this, { zoo, looks, seed, targets, usual });
    const kind = [zoo.seedHidden, zoo.fireRate, zoo.period, zoo.seedsTold];
    this.life = new Life(zoo.height, zoo.width, weights, ...kind);
    this.nearer = 0; // of two targets, the one whose score decides what became of a wound
    this.restart();
  }

  restart() {
    this.life.restart(this.seed);
    this.touches = [];
    this.known = new WeakMap(); // scores of remembered states
  }

  /** PSNR in dB of the state that is remembered of a step against what was due of each target. */
  scores(state = this.life.present, step = this.life.step) {
    if (!this.known.has(state)) {
      this.known.set(state, this.targets.map((target) => this.looks.psnr(state, target.at(step))));
    }
    return this.known.get(state);
  }

  /** The best score against target `i` if the picture may be moved: { score, by }. */
  moved(i) {
    const { height, width } = this.zoo;
    const { present, step } = this.life;
    return this.looks.bestMove(present, this.targets[i].at(step), height, width);
  }

  grow() {
    this.#forgetLater();
    this.life.grow();
    this.#judge();
  }

  /** Begin to erase (a "wound") or to plant (a "seed"): all until the next `begin` is one touch. */
  begin(kind) {
    const { life } = this;
    const whole = Math.max(this.scores()[this.nearer], this.usual ?? -Infinity);
    this.#forgetLater();
    this.touches.push(new Touch(kind, life.step, life.present, whole));
    if (this.touches.length > UNDOS) this.touches.shift();
  }

  touch(places, radius) {
    const touch = this.touches.at(-1);
    if (touch.kind === "wound") this.life.erase(places, radius);
    else this.life.plant(places);
    touch.since = this.life.step;
    this.#judge();
  }

  /** Back to what it was before the last touch. */
  undo() {
    const touch = this.touches.pop();
    if (touch) this.life.putBack(touch.step, touch.before);
  }

  /** The step at which it died, or null if it lives. */
  get end() {
    const { life } = this;
    if (life.alive) return null;
    let at = life.step - life.first;
    while (at > 0 && !lives(life.past[at - 1])) at -= 1;
    return life.first + at;
  }

  /** Growing on from an earlier step forgets what was done later. */
  #forgetLater() {
    this.touches = this.touches.filter((touch) => touch.step <= this.life.step);
  }

  #judge() {
    const { life, nearer } = this;
    const score = this.scores()[nearer];
    this.touches.at(-1)?.judge(life.step, life.alive, score, () => this.moved(nearer));
  }
}
