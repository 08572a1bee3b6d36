// Search, filter and colour: what the map shows of the zoo, and how.

import { colouring, css, darkTheme, themeNow } from "explore/palette.js";

/** Rows that match a search: "7" or "class 7" is a class, anything else a part of an id. */
export function matching(zoo, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return () => true;
  const number = /^(?:class\s*)?(-?\d{1,5})$/.exec(wanted);
  const labels = zoo.column.label.values;
  if (number && labels.includes(Number(number[1]))) return (row) => labels[row] === Number(number[1]);
  return (row) => zoo.ids[row].toLowerCase().includes(wanted);
}

export class Finder {
  constructor(parts, zoo, map, pick) {
    Object.assign(this, { parts, zoo, map });
    const columns = zoo.columns.filter((column) => column.name !== "id" && column.name !== "rng_seed");
    for (const { name } of zoo.maps) parts.feature.add(new Option(name, name));
    for (const { name } of columns) parts.colour.add(new Option(name, name));
    for (const { name } of [{ name: "no filter" }, ...columns]) parts.filter.add(new Option(name, name));
    parts.colour.value = "label";
    parts.feature.addEventListener("change", () => this.arrange());
    parts.colour.addEventListener("change", () => this.colour());
    parts.search.addEventListener("input", () => this.sift());
    parts.search.addEventListener("keydown", (event) => {
      const first = this.shown.indexOf(1);
      if (event.key === "Enter" && first >= 0) pick(first);
    });
    parts.filter.addEventListener("change", () => this.offer());
    for (const bound of [parts.low, parts.high, parts.value]) {
      bound.addEventListener("input", () => this.sift());
    }
    darkTheme.addEventListener("change", () => this.colour());
    this.arrange();
    this.colour();
    this.offer();
  }

  get layout() {
    return this.zoo.maps[this.parts.feature.selectedIndex];
  }

  arrange() {
    this.map.setPlaces(this.layout.points);
    this.parts.feature.dispatchEvent(new Event("arranged"));
  }

  colour() {
    const { colours, legend } = colouring(this.zoo.column[this.parts.colour.value], themeNow());
    this.map.setColours(colours);
    this.parts.legend.replaceChildren(
      ...legend.map(([text, colour]) => {
        const item = document.createElement("li");
        const dot = document.createElement("i");
        dot.style.backgroundColor = css(colour);
        item.append(dot, text);
        return item;
      }),
    );
  }

  /** Show the inputs that fit the column to filter by. */
  offer() {
    const { parts, zoo } = this;
    const column = zoo.column[parts.filter.value];
    parts.range.hidden = !column?.number;
    parts.value.hidden = !column || column.number;
    if (column?.number) {
      const known = column.values.filter((value) => value !== null);
      parts.low.value = known.reduce((a, b) => Math.min(a, b), Infinity);
      parts.high.value = known.reduce((a, b) => Math.max(a, b), -Infinity);
    } else if (column) {
      parts.value.replaceChildren(...[...new Set(column.values)].sort().map((value) => new Option(value)));
    }
    this.sift();
  }

  /** Show on the map what passes search and filter. */
  sift() {
    const { parts, zoo } = this;
    const found = matching(zoo, parts.search.value);
    const column = zoo.column[parts.filter.value];
    const bound = (input, none) => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : none);
    const [low, high] = [bound(parts.low, -Infinity), bound(parts.high, Infinity)];
    const passes = (value) => {
      if (!column) return true;
      return column.number ? value !== null && value >= low && value <= high : value === parts.value.value;
    };
    this.shown = Uint8Array.from({ length: zoo.size }, (_, row) =>
      found(row) && passes(column?.values[row]) ? 1 : 0,
    );
    this.map.setShown(this.shown);
    const count = this.shown.reduce((sum, one) => sum + one, 0);
    const all = zoo.total > zoo.size ? `${zoo.size} of ${zoo.total}` : `${zoo.size}`;
    parts.count.textContent = count === zoo.size ? `${all} NCAs` : `${count} of ${zoo.size} NCAs`;
  }
}
