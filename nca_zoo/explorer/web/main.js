// The page: a map to pick from, a tank in which what was picked grows, and a line between two.

import { describe, hover, showNeighbours } from "explore/card.js";
import { Finder } from "explore/finder.js";
import { ZooMap } from "explore/map.js";
import { loadZoo } from "explore/source.js";
import { Tank } from "explore/tank.js";
import { paintTarget } from "explore/views.js";

const parts = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((element) => [element.id, element]),
);

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const SCROLL = { block: "nearest", behavior: still ? "instant" : "smooth" };

/** The straight line between two weight vectors, at `share` of the way. */
function between(a, b, share) {
  return a.map((value, i) => value + share * (b[i] - value));
}

class Page {
  constructor(zoo) {
    this.zoo = zoo;
    this.asking = 0; // picks so far: an answer to an older one is dropped
    this.tank = new Tank(parts, zoo);
    this.map = new ZooMap(parts.map, zoo, {
      hover: (row, x, y) => {
        hover(parts.tip, zoo, row, x, y, [parts.colour.value, parts.filter.value]);
        if (row !== null) parts.spoken.textContent = zoo.nameOf(row);
      },
      pick: (row, asSecond) => this.visit(row, asSecond),
    });
    this.finder = new Finder(parts, zoo, this.map, (row) => this.visit(row, false));
    parts.feature.addEventListener("arranged", () => this.neighbours());
    parts.chooseB.addEventListener("click", () => this.choosing(!this.choosesB));
    parts.dropB.addEventListener("click", () => this.pick(this.a.row, false));
    parts.mix.addEventListener("input", () => this.tank.change(this.weights, this.seed));
    parts.mix.addEventListener("input", () => this.label());
    parts.fit.addEventListener("click", () => this.map.fit());
    parts.title.textContent = zoo.name;
    addEventListener("hashchange", () => this.fromAddress());
    if (!this.fromAddress()) this.pick(0, false);
  }

  /** Pick the NCA that the address names; says whether it names one. */
  fromAddress() {
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      // "#%", as a person may type it: no id of ours
    }
    const row = this.zoo.ids.indexOf(name);
    if (row >= 0 && row !== this.a?.row) this.pick(row, false);
    return row >= 0;
  }

  /** The next pick is B, the other end of the line. */
  choosing(choosesB) {
    this.choosesB = choosesB;
    parts.chooseB.setAttribute("aria-pressed", String(choosesB));
    parts.chooseB.textContent = choosesB ? "Now pick B on the map" : "Choose B";
    if (choosesB) parts.atlas.scrollIntoView(SCROLL);
  }

  /** Pick, and see that the tank can be seen: on a phone it lies below the map. */
  visit(row, asSecond) {
    parts.stage.scrollIntoView(SCROLL);
    return this.pick(row, asSecond);
  }

  async pick(row, asSecond) {
    const second = (asSecond || this.choosesB) && this.a;
    this.choosing(false);
    const asked = ++this.asking;
    const { seed_row: rows, seed_col: cols } = this.zoo.column;
    const found = {
      row,
      weights: await this.zoo.weightsOf(row),
      seed: [rows.values[row], cols.values[row]],
      target: this.zoo.target(row),
    };
    if (asked !== this.asking) return;
    if (second) this.b = found;
    else [this.a, this.b] = [found, null];
    parts.mix.value = second ? 0.5 : 0;
    this.show();
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

  show() {
    const { zoo, a, b } = this;
    const both = b ? [a, b] : [a];
    paintTarget(parts.targetA, a.target, zoo.height, zoo.width);
    if (b) paintTarget(parts.targetB, b.target, zoo.height, zoo.width);
    parts.nameA.textContent = zoo.ids[a.row];
    parts.nameB.textContent = b ? zoo.ids[b.row] : "";
    parts.figureB.hidden = !b;
    parts.mix.disabled = !b;
    parts.dropB.hidden = !b;
    parts.letterA.hidden = parts.letterB.hidden = !b;
    parts.grown.textContent = b ? `${zoo.ids[a.row]} to ${zoo.ids[b.row]}` : zoo.ids[a.row];
    parts.tank.setAttribute("aria-label", `the automaton ${both.map(({ row }) => zoo.nameOf(row)).join(" to ")}`);
    parts.spoken.textContent = `growing ${both.map(({ row }) => zoo.nameOf(row)).join(" to ")}`;
    this.label();
    describe(parts.facts, zoo, a.row);
    this.neighbours();
    this.map.setPicked(both.map(({ row }) => row));
    this.map.reveal(both.at(-1).row);
    history.replaceState(null, "", `#${encodeURIComponent(zoo.ids[a.row])}`);
    this.tank.start(this.weights, this.seed, both.map(({ target }) => target));
  }

  label() {
    const percent = Math.round(100 * this.share);
    parts.mixed.textContent = this.b ? `${100 - percent} % A, ${percent} % B` : "pick a second NCA";
  }

  neighbours() {
    if (!this.a) return;
    const near = this.finder.layout.near[this.a.row];
    showNeighbours(parts.neighbours, this.zoo, near, (row, asSecond) => this.visit(row, asSecond));
  }
}

try {
  new Page(await loadZoo());
  document.body.classList.add("ready");
} catch (error) {
  parts.count.textContent = `The zoo could not be loaded: ${error.message}`;
  throw error;
}
