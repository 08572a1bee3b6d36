// The tank: one automaton alive, with its controls, its brush and its score.

import { Life } from "explore/life.js";
import { Looks } from "explore/views.js";

const STEPS_A_SECOND = 30; // at speed 1x
const BUDGET_MS = 12; // of computing in a frame, so that the page stays smooth
const LINES = ["#4fd6a0", "#ffb042"]; // A and B

export class Tank {
  /** `parts` maps names to the page's elements; `zoo` is the exhibit. */
  constructor(parts, zoo) {
    Object.assign(this, { parts, zoo });
    this.looks = new Looks(zoo.trained);
    this.playing = false;
    this.owed = 0; // steps, or a part of one, that are due
    this.counted = { steps: 0, since: performance.now() };
    this.cursor = [Math.floor(zoo.height / 2), Math.floor(zoo.width / 2)];
    for (const view of this.looks.views.keys()) parts.view.add(new Option(view, view));
    this.#controls();
    this.#brush();
    requestAnimationFrame((now) => this.#tick(now, now));
  }

  /** Grow from the seed: `targets` are the one or two pictures it is measured against. */
  start(weights, seed, targets) {
    const { height, width, seedHidden } = this.zoo;
    this.life = new Life(height, width, weights, seedHidden);
    this.targets = targets;
    this.scores = new WeakMap(); // of remembered states
    this.seed = seed;
    this.restart();
    this.play(true);
  }

  /** Go on living by other weights; a restart is from `seed`. */
  change(weights, seed) {
    this.life.automaton.setWeights(weights);
    this.seed = seed;
  }

  play(playing) {
    this.playing = playing;
    this.owed = 0;
    this.parts.play.textContent = playing ? "Pause" : "Play";
    this.parts.play.setAttribute("aria-pressed", String(playing));
    if (!playing) this.parts.rate.textContent = "paused";
    this.counted = { steps: 0, since: performance.now() };
  }

  restart() {
    this.life.restart(this.seed);
    this.draw();
  }

  oneStep() {
    this.play(false);
    this.life.grow();
    this.draw();
  }

  /** PSNR in dB of a remembered state against each target. */
  #scores(state) {
    if (!this.scores.has(state)) {
      this.scores.set(state, this.targets.map((target) => this.looks.psnr(state, target)));
    }
    return this.scores.get(state);
  }

  draw() {
    const { life, parts } = this;
    this.looks.paint(parts.tank, life.automaton, parts.view.value, this.targets[0]);
    parts.step.textContent = life.step;
    parts.scrub.min = life.first;
    parts.scrub.max = life.first + this.#span;
    parts.scrub.value = life.step;
    const scores = this.#scores(life.past[life.step - life.first]);
    [parts.scoreA, parts.scoreB].forEach((element, i) => {
      element.textContent = Number.isFinite(scores[i]) ? `${scores[i].toFixed(1)} dB` : "";
    });
    this.#trace();
  }

  /** How many steps the trace and the slider have room for. */
  get #span() {
    return Math.max(96, this.life.last - this.life.first);
  }

  /** The score over all remembered steps, 0 to 40 dB. */
  #trace() {
    const { life } = this;
    const canvas = this.parts.trace;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const context = canvas.getContext("2d");
    const span = this.#span;
    const x = (step) => ((step - life.first) / span) * (canvas.width - 4 * ratio) + 2 * ratio;
    const y = (db) => canvas.height * (1 - Math.min(40, db) / 42) - ratio;
    context.strokeStyle = "#ffffff22";
    for (const db of [10, 20, 30]) context.strokeRect(0, y(db), canvas.width, 0);
    context.lineWidth = 1.6 * ratio;
    this.targets.forEach((_, i) => {
      context.strokeStyle = LINES[i];
      context.beginPath();
      life.past.forEach((state, at) => context.lineTo(x(life.first + at), y(this.#scores(state)[i])));
      context.stroke();
    });
    context.fillStyle = "#ffffffcc";
    context.fillRect(x(life.step) - ratio / 2, 0, ratio, canvas.height);
  }

  #tick(now, before) {
    requestAnimationFrame((next) => this.#tick(next, now));
    if (!this.playing) return;
    const speed = Number(this.parts.speed.value);
    const started = performance.now();
    this.owed = Math.min(this.owed + (speed * STEPS_A_SECOND * (now - before)) / 1000, 60);
    let taken = 0;
    const due = () => (speed ? this.owed >= 1 : true);
    while (due() && performance.now() - started < BUDGET_MS) {
      this.life.grow();
      this.owed -= 1;
      taken += 1;
    }
    if (!taken) return;
    this.draw();
    this.#count(taken);
  }

  #count(taken) {
    this.counted.steps += taken;
    const seconds = (performance.now() - this.counted.since) / 1000;
    if (seconds < 0.5) return;
    this.parts.rate.textContent = `${(this.counted.steps / seconds).toFixed(0)} steps/s`;
    this.counted = { steps: 0, since: performance.now() };
  }

  #controls() {
    const { parts } = this;
    parts.play.addEventListener("click", () => this.play(!this.playing));
    parts.one.addEventListener("click", () => this.oneStep());
    parts.restart.addEventListener("click", () => this.restart());
    parts.view.addEventListener("change", () => this.draw());
    parts.speed.addEventListener("change", () => this.play(this.playing));
    parts.scrub.addEventListener("input", () => {
      this.play(false);
      this.life.scrub(Number(parts.scrub.value));
      this.draw();
    });
    document.addEventListener("keydown", (event) => {
      if (!this.life || event.target.closest("input, select, button, canvas, a, summary")) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const act = { " ": () => this.play(!this.playing), ".": () => this.oneStep(), r: () => this.restart() };
      if (!act[event.key]) return;
      event.preventDefault();
      act[event.key]();
    });
  }

  get #erasing() {
    return this.parts.erase.checked;
  }

  #touch([row, col]) {
    if (this.#erasing) this.life.erase(row, col, Number(this.parts.radius.value));
    else this.life.plant(row, col);
    this.draw();
  }

  /** The cell under a pointer, whichever panel of the view it is in. */
  #cell(event) {
    const box = this.parts.tank.getBoundingClientRect();
    const [across, down] = this.looks.panels(this.parts.view.value);
    const { height, width } = this.zoo;
    const col = Math.floor(((event.clientX - box.left) / box.width) * across * width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * down * height);
    return [((row % height) + height) % height, ((col % width) + width) % width];
  }

  #brush() {
    const canvas = this.parts.tank;
    let down = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.life) return;
      canvas.setPointerCapture(event.pointerId);
      down = true;
      this.cursor = this.#cell(event);
      this.#touch(this.cursor);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (down && this.#erasing) this.#touch(this.#cell(event));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => (down = false));
    }
    const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const marker = this.parts.cursor;
    const mark = () => {
      const [across, deep] = this.looks.panels(this.parts.view.value);
      marker.style.left = `${(100 * (this.cursor[1] + 0.5)) / (across * this.zoo.width)}%`;
      marker.style.top = `${(100 * (this.cursor[0] + 0.5)) / (deep * this.zoo.height)}%`;
    };
    canvas.addEventListener("keydown", (event) => {
      const sizes = [this.zoo.height, this.zoo.width];
      if (ways[event.key]) {
        this.cursor = this.cursor.map((at, axis) =>
          Math.min(sizes[axis] - 1, Math.max(0, at + ways[event.key][axis])),
        );
        mark();
        marker.hidden = false;
      } else if ((event.key === "Enter" || event.key === " ") && this.life) this.#touch(this.cursor);
      else return;
      event.preventDefault();
    });
    canvas.addEventListener("blur", () => (marker.hidden = true));
  }
}
