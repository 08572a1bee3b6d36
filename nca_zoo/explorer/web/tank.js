// The tank: one automaton alive, or two side by side, with controls, brushes and scores.

import { Brush } from "explore/brush.js";
import { Glass } from "explore/glass.js";
import { Subject } from "explore/subject.js";
import { drawTrace } from "explore/trace.js";
import { Looks, paintTarget } from "explore/views.js";

const STEPS_A_SECOND = 30; // at speed 1x
const BUDGET_MS = 12; // of computing in a frame, so that the page stays smooth
const MOVED_MS = 200; // between two looks at how a moved picture would score, while it plays
const WORTH_DB = 1; // a move that gains less is not worth a word

export class Tank {
  /** `parts` maps names to the page's elements; `zoo` is the exhibit; `drawn` is called after a change. */
  constructor(parts, zoo, drawn) {
    Object.assign(this, { parts, zoo, drawn });
    this.looks = new Looks(zoo.trained);
    this.subjects = [];
    this.playing = false;
    this.owed = 0; // steps, or a part of one, that are due
    this.counted = { steps: 0, since: performance.now() };
    for (const view of this.looks.views.keys()) parts.view.add(new Option(view, view));
    const on = { restart: () => this.again(), undo: () => this.undo(), enlarge: (view) => this.look(view) };
    this.glasses = [parts.glass, parts.glassB].map((box) => new Glass(box, zoo, this.looks, on));
    const hand = {
      reach: () => (parts.erase.checked ? Number(parts.radius.value) : 0),
      begin: () => this.#begin(),
      touch: (cells) => this.#touch(cells),
    };
    for (const glass of this.glasses) new Brush(glass, hand);
    this.#controls();
    requestAnimationFrame((now) => this.#tick(now, now));
  }

  /**
   * Grow from the seed: one or two automata, each { weights, seed, targets, usual } as in subject.js.
   * Together they are measured against at most two targets.
   */
  start(automata) {
    const { zoo, looks, glasses } = this;
    this.subjects = automata.map(
      ({ weights, seed, targets, usual }) => new Subject(zoo, looks, weights, seed, targets, usual),
    );
    this.lines = this.subjects.flatMap((subject) => subject.targets.map((_, i) => [subject, i]));
    glasses[1].box.hidden = automata.length < 2;
    this.again();
  }

  /** Go on living as another: by its weights, measured against its targets; as in `start`. */
  become({ weights, seed, targets, usual }) {
    const [subject] = this.subjects;
    this.change(weights, seed, 0);
    Object.assign(subject, { targets, usual });
    subject.touches = []; // whole meant something else
    subject.known = new WeakMap();
    this.lines = targets.map((_, i) => [subject, i]);
    this.draw();
  }

  /** Go on living by other weights; a restart is from `seed`, target number `nearer` judges wounds. */
  change(weights, seed, nearer) {
    const [subject] = this.subjects;
    subject.life.automaton.setWeights(weights);
    Object.assign(subject, { seed, nearer });
  }

  play(playing) {
    if (playing && this.#allDead) this.restart();
    this.playing = playing;
    this.owed = 0;
    this.parts.play.textContent = playing ? "Pause" : "Play";
    this.parts.play.setAttribute("aria-pressed", String(playing));
    if (!playing) this.parts.rate.textContent = "paused";
    this.counted = { steps: 0, since: performance.now() };
  }

  restart() {
    for (const subject of this.subjects) subject.restart();
    this.draw();
  }

  /** From the seed, and playing. */
  again() {
    this.restart();
    this.play(true);
  }

  undo() {
    for (const subject of this.subjects) subject.undo();
    this.draw();
  }

  look(view) {
    this.parts.view.value = view;
    this.draw();
  }

  oneStep() {
    this.play(false);
    this.#grow();
    this.draw();
  }

  #grow() {
    for (const subject of this.subjects) subject.grow();
    if (this.#allDead) this.play(false); // an empty square need not count steps
  }

  get #allDead() {
    return this.subjects.length > 0 && this.subjects.every((subject) => !subject.life.alive);
  }

  draw() {
    const { parts, subjects, lines } = this;
    if (!subjects.length) return;
    const { life, touches } = subjects[0];
    subjects.forEach((subject, i) => {
      this.glasses[i].show(subject.life.automaton, parts.view.value, subject.targets[0].at(life.step));
      this.glasses[i].mourn(subject.end, subject.touches.length > 0);
    });
    parts.step.textContent = life.step;
    parts.scrub.min = life.first;
    parts.scrub.max = life.first + this.#span;
    parts.scrub.value = life.step;
    parts.undo.disabled = !touches.length;
    if (this.zoo.period) this.#showDue();
    this.#fates();
    this.#score();
    drawTrace(parts.trace, lines, this.#span);
    this.drawn();
  }

  /** The targets move along. */
  #showDue() {
    const { zoo, parts, lines } = this;
    [parts.targetA, parts.targetB].slice(0, lines.length).forEach((canvas, i) => {
      const [{ life, targets }, target] = lines[i];
      paintTarget(canvas, targets[target].at(life.step), zoo.height, zoo.width);
    });
  }

  /** What became of the last touch, of each automaton; aloud once it is known. */
  #fates() {
    const { parts, subjects } = this;
    const last = subjects.map((subject) => subject.touches.at(-1));
    const words = last.map((touch, i) => touch?.words(subjects[i].life.step));
    const text = words[1] ? `A ${words[0]}; B ${words[1]}` : (words[0] ?? "");
    if (text !== parts.fate.textContent) parts.fate.textContent = text;
    const known = last.map((touch) => touch?.fate ?? "").join(" ").trim();
    parts.fate.dataset.fate = last[0]?.fate ?? "";
    if (known !== this.told && known) parts.spoken.textContent = text;
    this.told = known;
  }

  #score() {
    const { parts, lines } = this;
    const outputs = [[parts.scoreA, parts.shiftA], [parts.scoreB, parts.shiftB]];
    const now = performance.now();
    const due = !this.playing || !(now - this.lookedAt < MOVED_MS);
    if (due) this.lookedAt = now;
    outputs.forEach(([score, shift], i) => {
      if (!lines[i]) {
        score.textContent = shift.textContent = "";
        return;
      }
      const [subject, target] = lines[i];
      const plain = subject.scores()[target];
      score.textContent = Number.isFinite(plain) ? `${plain.toFixed(1)} dB` : "";
      if (!due) return;
      const best = subject.moved(target);
      const worth = best.score >= plain + WORTH_DB;
      shift.textContent = worth ? `${best.score.toFixed(1)} if moved by (${best.by.join(", ")})` : "";
    });
  }

  /** How many steps the trace and the slider have room for. */
  get #span() {
    const { life } = this.subjects[0];
    return Math.max(96, life.last - life.first);
  }

  #tick(now, before) {
    requestAnimationFrame((next) => this.#tick(next, now));
    if (!this.playing || !this.subjects.length) return;
    const speed = Number(this.parts.speed.value);
    const started = performance.now();
    this.owed = Math.min(this.owed + (speed * STEPS_A_SECOND * (now - before)) / 1000, 60);
    let taken = 0;
    const due = () => this.playing && (speed ? this.owed >= 1 : true);
    while (due() && performance.now() - started < BUDGET_MS) {
      this.#grow();
      this.owed -= 1;
      taken += 1;
    }
    if (!taken) return;
    this.draw();
    if (this.playing) this.#count(taken);
  }

  #count(taken) {
    this.counted.steps += taken;
    const seconds = (performance.now() - this.counted.since) / 1000;
    if (seconds < 0.5) return;
    this.parts.rate.textContent = `${(this.counted.steps / seconds).toFixed(0)} steps/s`;
    this.counted = { steps: 0, since: performance.now() };
  }

  #begin() {
    const kind = this.parts.erase.checked ? "wound" : "seed";
    for (const subject of this.subjects) subject.begin(kind);
  }

  #touch(cells) {
    for (const subject of this.subjects) subject.touch(cells, Number(this.parts.radius.value));
    if (this.#allDead) this.play(false);
    this.draw();
  }

  #controls() {
    const { parts } = this;
    parts.play.addEventListener("click", () => this.play(!this.playing));
    parts.one.addEventListener("click", () => this.oneStep());
    parts.restart.addEventListener("click", () => (this.#allDead ? this.again() : this.restart()));
    parts.undo.addEventListener("click", () => {
      this.undo();
      if (parts.undo.disabled && document.activeElement === parts.undo) parts.play.focus();
    });
    parts.view.addEventListener("change", () => this.draw());
    parts.allHidden.addEventListener("click", () => this.look("all hidden"));
    parts.speed.addEventListener("change", () => this.play(this.playing));
    parts.scrub.addEventListener("input", () => {
      this.play(false);
      for (const { life } of this.subjects) life.scrub(Number(parts.scrub.value));
      this.draw();
    });
  }
}
