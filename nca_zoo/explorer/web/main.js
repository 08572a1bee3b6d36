// The page: a map to pick from, a tank in which what was picked grows, and a line between two.

import { readAddress, writeAddress } from "explore/address.js";
import { describe, hover, showNeighbours } from "explore/card.js";
import { Finder } from "explore/finder.js";
import { Goal } from "explore/goal.js";
import { listenToKeys } from "explore/keys.js";
import { ZooMap } from "explore/map.js";
import { Guest } from "explore/guest.js";
import { Modes } from "explore/modes.js";
import { Pad } from "explore/pad.js";
import { Saver } from "explore/saving.js";
import { loadZoo } from "explore/source.js";
import { Tank } from "explore/tank.js";
import { paintTarget } from "explore/views.js";

const parts = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((element) => [element.id, element]),
);

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const SCROLL = { block: "nearest", behavior: still ? "instant" : "smooth" };
const REMEMBER_MS = 300; // browsers refuse an address that changes all the time

/** The straight line between two weight vectors, at `share` of the way. */
function between(a, b, share) {
  return a.map((value, i) => value + share * (b[i] - value));
}

class Page {
  constructor(zoo) {
    this.zoo = zoo;
    this.asking = 0; // picks so far: an answer to an older one is dropped
    this.visited = []; // rows, the last of them the present one
    this.saver = new Saver(parts, () => this.tank.glasses.filter(({ box }) => !box.hidden).map(({ canvas }) => canvas));
    this.tank = new Tank(parts, zoo, () => this.saver.capture());
    this.modes = new Modes(parts, () => this.resized());
    const on = {
      hover: (row, x, y) => {
        hover(parts.tip, zoo, row, x, y, [parts.colour.value, parts.filter.value]);
        if (row !== null) parts.spoken.textContent = zoo.nameOf(row);
      },
      pick: (row, asSecond) => this.visit(row, asSecond),
      lasso: (rows) => this.finder.rope(rows),
      moved: () => this.#rememberSoon(),
    };
    this.map = new ZooMap(parts.map, zoo, on, still);
    this.finder = new Finder(parts, zoo, this.map, (row) => this.visit(row, false), () => this.neighbours());
    this.pad = new Pad(parts, zoo, {
      grow: (nca) => {
        this.asking += 1; // a pick that is on its way comes too late
        this.choosing(false);
        this.hold(nca);
      },
      learned: (nca) => this.learned(nca),
    });
    this.#controls();
    listenToKeys(this, parts);
    parts.title.textContent = zoo.name;
    const rules = zoo.rules?.filter((rule) => rule !== null) ?? [];
    parts.telling.hidden = new Set(rules).size === rules.length; // nobody shares one
  }

  /** What the address names, or a good NCA at random; then the map. */
  async open() {
    const named = await this.fromAddress();
    if (!named) await this.pick(this.zoo.opening ?? this.lucky(), false);
    this.finder.arrange();
  }

  #controls() {
    parts.chooseB.addEventListener("click", () => this.choosing(!this.choosesB));
    parts.dropB.addEventListener("click", () => {
      this.hold(this.a);
      parts.chooseB.focus(); // the button is gone
    });
    parts.compare.addEventListener("click", () => this.compare(!this.compares));
    parts.random.addEventListener("click", () => this.visit(this.lucky(), false));
    parts.mix.addEventListener("input", () => {
      this.#mix();
      this.label();
      this.#rememberSoon();
    });
    parts.copy.addEventListener("click", () => {
      this.remember();
      this.saver.copy(location.href);
    });
    for (const what of [parts.what, parts.keys]) what.addEventListener("click", () => parts.help.showModal());
    for (const choice of [parts.view, parts.colour, parts.feature, parts.allHidden]) {
      choice.addEventListener(choice === parts.allHidden ? "click" : "change", () => this.remember());
    }
    addEventListener("hashchange", () => this.fromAddress());
  }

  /** Live on as what lies between A and B. */
  #mix() {
    this.tank.change(this.weights, this.seed, this.share > 0.5 ? 1 : 0);
  }

  /** A good NCA at random that passes the filter, of class `label` if one is asked for. */
  lucky(label) {
    const { zoo } = this;
    const classOf = zoo.column.label.values;
    const rows = [...zoo.ids.keys()].filter((row) => row !== this.a?.row && (label === undefined || classOf[row] === label));
    const tests = [(row) => zoo.good(row) && this.finder.shown[row], (row) => zoo.good(row), () => true];
    const choice = tests.map((test) => rows.filter(test)).find((some) => some.length) ?? [this.a?.row ?? 0];
    return choice[Math.floor(Math.random() * choice.length)];
  }

  /** Show what the address names; says whether it names an NCA of this zoo. */
  async fromAddress() {
    const asked = readAddress(location.hash);
    const row = this.zoo.ids.indexOf(asked.id);
    if (row < 0 || location.hash === this.written) return row >= 0;
    const choose = (select, value) => {
      const known = [...select.options].some((option) => option.value === value);
      if (known) select.value = value;
      return known;
    };
    choose(parts.view, asked.view);
    if (choose(parts.colour, asked.colour)) this.finder.recolour();
    const arranged = this.finder.layout && choose(parts.feature, asked.map);
    if (!this.finder.layout) choose(parts.feature, asked.map);
    if (arranged) this.finder.arrange();
    if (asked.at) this.map.view = asked.at;
    await this.pick(row, false);
    const second = this.zoo.ids.indexOf(asked.b);
    if (second >= 0) {
      await this.pick(second, true, Math.min(1, Math.max(0, Number(asked.mix ?? 0.5) || 0)));
      if (asked.beside === "1") this.compare(true);
    }
    return true;
  }

  /** Write what is shown into the address. */
  remember() {
    clearTimeout(this.later);
    const { zoo, a, b } = this;
    if (!a || a.kin || b?.kin) return; // a drawing has no address
    const other = (select, usual) => (select.value === usual ? undefined : select.value);
    this.written = writeAddress({
      id: zoo.ids[a.row],
      b: b ? zoo.ids[b.row] : undefined,
      mix: b && !this.compares ? parts.mix.value : undefined,
      beside: this.compares ? 1 : undefined,
      view: other(parts.view, "picture"),
      colour: other(parts.colour, "label"),
      map: other(parts.feature, zoo.maps[0]),
      at: this.map.view,
    });
    history.replaceState(null, "", this.written);
  }

  #rememberSoon() {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.remember(), REMEMBER_MS);
  }

  /** The next pick is B, the other end of the line. */
  choosing(choosesB) {
    this.choosesB = choosesB;
    parts.chooseB.setAttribute("aria-pressed", String(choosesB));
    parts.chooseB.textContent = choosesB ? "Now pick B on the map" : "Choose B";
    if (choosesB) parts.atlas.scrollIntoView(SCROLL);
  }

  /** Two tanks, A beside B, or one with what lies between them. */
  compare(compares) {
    this.compares = compares && Boolean(this.b);
    this.show();
  }

  /** Pick, and see that the tank can be seen: on a phone it lies above the map. */
  visit(row, asSecond) {
    parts.stage.scrollIntoView(SCROLL);
    return this.pick(row, asSecond);
  }

  /** Back to the NCA before this one. */
  back() {
    if (this.visited.length < 2) return;
    this.visited.pop();
    this.visit(this.visited.pop(), false);
  }

  async pick(row, asSecond, share = 0.5) {
    const second = (asSecond || this.choosesB) && this.a;
    this.choosing(false);
    const asked = ++this.asking;
    const { seed_row: rows, seed_col: cols, psnr_96: usual } = this.zoo.column;
    const found = {
      row,
      name: this.zoo.ids[row],
      weights: await this.zoo.weightsOf(row),
      seed: [rows.values[row], cols.values[row]],
      usual: usual?.values[row] ?? null,
      target: this.zoo.target(row),
      goal: await this.zoo.goal(row),
    };
    if (asked !== this.asking) return;
    if (!second) this.visited.push(row);
    this.hold(found, second, share);
  }

  /**
   * Show an NCA as A, or as `second`, B: { row, name, weights, seed, usual, target, goal }; a drawing's
   * is of no row, has no goal but its target, and has `kin`.
   */
  hold(found, second = false, share = 0.5) {
    const livesOn = !second && !this.b && this.#hearsThat(found);
    if (second) this.b = found;
    else [this.a, this.b, this.compares] = [found, null, false];
    if (!this.a.kin) this.pad.learn(false);
    parts.mix.value = second ? share : 0;
    this.show(livesOn);
  }

  /** Whether what lives is to become an NCA, of which it is told by a signal. */
  #hearsThat({ row }) {
    const rule = this.zoo.rules?.[this.a?.row] ?? null;
    return parts.alive.checked && rule !== null && rule === this.zoo.rules[row];
  }

  /** A drawing's NCA has learned: what lives goes on living by its new weights. */
  learned(nca) {
    if (this.a !== nca) return;
    if (this.b && !this.compares) this.#mix();
    else {
      this.tank.change(nca.weights, nca.seed, 0);
      this.tank.subjects[0].usual = nca.usual;
    }
  }

  get share() {
    return this.b ? parts.mix.valueAsNumber : 0;
  }

  get weights() {
    return this.b ? between(this.a.weights, this.b.weights, this.share) : this.a.weights;
  }

  get seed() {
    return this.share > 0.5 ? this.b.seed : this.a.seed;
  }

  /** What grows in the tank, as Tank.start has it. */
  get automata() {
    const { a, b } = this;
    const goalOf = ({ goal, target }) => goal ?? new Goal([target]);
    if (!b || this.compares) return (b ? [a, b] : [a]).map((one) => ({ ...one, targets: [goalOf(one)] }));
    return [{ weights: this.weights, seed: this.seed, targets: [goalOf(a), goalOf(b)], usual: null }];
  }

  /** Show what is held; `livesOn`: what lives in the tank goes on living as that. */
  show(livesOn = false) {
    const { zoo, a, b, compares } = this;
    const both = b ? [a, b] : [a];
    const names = both.map(({ row, name }) => (row === null ? `your ${name}` : zoo.nameOf(row)));
    paintTarget(parts.targetA, a.target, zoo.height, zoo.width);
    if (b) paintTarget(parts.targetB, b.target, zoo.height, zoo.width);
    parts.nameA.textContent = a.name;
    parts.nameB.textContent = b ? b.name : "";
    parts.figureB.hidden = parts.dropB.hidden = parts.compare.hidden = !b;
    parts.mix.disabled = !b || compares;
    parts.compare.setAttribute("aria-pressed", String(Boolean(compares)));
    parts.letterA.hidden = parts.letterB.hidden = !b;
    parts.grown.textContent = both.map(({ name }) => name).join(compares ? " and " : " to ");
    const spoken = names.join(compares ? " and " : " to ");
    parts.tank.setAttribute("aria-label", `the automaton ${compares ? names[0] : spoken}`);
    parts.tankB.setAttribute("aria-label", `the automaton ${names.at(-1)}`);
    parts.spoken.textContent = `growing ${spoken}`;
    document.body.classList.toggle("comparing", Boolean(compares));
    this.label();
    parts.known.hidden = a.row === null;
    if (a.row !== null) describe(parts.facts, zoo, a.row);
    const guest = a.kin ? new Guest(a.target, zoo.height, zoo.width, a.kin) : null;
    this.map.set({ guest, picked: both.map(({ row }) => row).filter((row) => row !== null) });
    this.neighbours();
    this.map.reveal(both.at(-1).row);
    this.remember();
    if (livesOn) this.tank.become(this.automata[0]);
    else this.tank.start(this.automata);
    this.tank.subjects[0].nearer = this.share > 0.5 && !compares ? 1 : 0;
  }

  /** The tank has another size, and the map may be in sight again. */
  resized() {
    this.tank.draw();
    if (this.a) this.map.reveal((this.b ?? this.a).row);
  }

  label() {
    const percent = Math.round(100 * this.share);
    const words = this.compares ? "side by side, at the same steps" : `${100 - percent} % A, ${percent} % B`;
    parts.mixed.textContent = this.b ? words : "pick a second NCA";
  }

  neighbours() {
    const { a, finder: { layout } } = this;
    if (!a || !layout) return;
    const { rows, apart } = a.kin ?? { rows: layout.near[a.row], apart: layout.apart[a.row] };
    showNeighbours(parts.neighbours, this.zoo, rows, apart, (other, asSecond) => this.visit(other, asSecond));
    this.map.set({ near: { from: a.row, rows, apart } });
  }
}

try {
  await new Page(await loadZoo()).open();
  document.body.classList.add("ready");
} catch (error) {
  parts.count.textContent = `The zoo could not be loaded: ${error.message}`;
  throw error;
}
