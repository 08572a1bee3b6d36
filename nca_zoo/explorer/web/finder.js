// Search, filter, lasso and colour: what the map shows of the zoo, where, and how.

import { colouring, css, darkTheme, themeNow } from "explore/palette.js";

/** Rows that match a search: "7", "class 7" or a class's name; anything else is a part of an id. */
export function matching(zoo, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return () => true;
  const labels = zoo.column.label.values;
  const code = zoo.codeOf(/^class\s*(-?\d{1,5})$/.exec(wanted)?.[1] ?? wanted);
  if (labels.includes(code)) return (row) => labels[row] === code;
  return (row) => zoo.ids[row].toLowerCase().includes(wanted);
}

export class Finder {
  /** `arranged` is called when the map has another layout. */
  constructor(parts, zoo, map, pick, arranged) {
    Object.assign(this, { parts, zoo, map, arranged });
    this.kept = new Set(); // values of the colour's column that the legend keeps; none keeps all
    this.roped = null; // rows that the lasso keeps
    const columns = zoo.columns.filter((column) => column.name !== "id" && column.name !== "rng_seed");
    for (const name of zoo.maps) parts.feature.add(new Option(name, name));
    for (const { name } of columns) parts.colour.add(new Option(name === "label" ? "class" : name, name));
    for (const { name } of [{ name: "no filter" }, ...columns]) parts.filter.add(new Option(name, name));
    parts.colour.value = "label";
    parts.feature.addEventListener("change", () => this.arrange());
    parts.colour.addEventListener("change", () => this.recolour());
    parts.search.addEventListener("input", () => this.sift());
    parts.search.addEventListener("keydown", (event) => {
      const first = this.shown.indexOf(1);
      if (event.key === "Enter" && first >= 0) pick(first);
    });
    parts.filter.addEventListener("change", () => this.offer());
    for (const bound of [parts.low, parts.high, parts.value]) {
      bound.addEventListener("input", () => this.sift());
    }
    parts.lasso.addEventListener("click", () => this.lassoing(!map.lassoing));
    parts.fit.addEventListener("click", () => this.showAll());
    darkTheme.addEventListener("change", () => this.colour());
    this.colour();
    this.offer();
  }

  /** Lay out the chosen map: first as well as can be had at once, then as well as it can be. */
  async arrange() {
    const { parts, zoo } = this;
    const chosen = parts.feature.selectedIndex;
    let had = false;
    parts.method.textContent = "being laid out";
    for (const stage of ["first", "final"]) {
      try {
        const layout = await zoo.layout(chosen, stage);
        if (parts.feature.selectedIndex !== chosen) return;
        if (had && layout.method === this.layout.method) break;
        this.#take(layout);
        had = true;
      } catch (error) {
        parts.method.textContent = had ? "by principal components; UMAP failed" : error.message;
        return;
      }
      const follows = stage === "first" && this.layout.method !== "UMAP" && zoo.size >= 30;
      parts.method.textContent = `by ${this.layout.method}${follows ? "; UMAP follows" : ""}`;
    }
    parts.method.textContent = `by ${this.layout.method}`;
  }

  #take(layout) {
    this.layout = layout;
    this.map.setLayout(layout);
    this.arranged();
  }

  recolour() {
    this.kept.clear();
    this.colour();
    this.sift();
  }

  colour() {
    const { zoo, parts } = this;
    const column = zoo.column[parts.colour.value];
    const { colours, legend } = colouring(column, themeNow(), (value) => zoo.text(column, value));
    this.map.setColours(colours);
    parts.legend.replaceChildren(...legend.map((entry) => this.#entry(entry)));
  }

  /** A line of the legend; that of a class is a button that keeps this class, and others so kept. */
  #entry({ text, colour, value }) {
    const item = document.createElement("li");
    const dot = document.createElement("i");
    dot.style.backgroundColor = css(colour);
    if (value === undefined) {
      item.append(dot, text);
      return item;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.append(dot, text);
    button.setAttribute("aria-pressed", String(this.kept.has(value)));
    button.addEventListener("click", () => {
      if (!this.kept.delete(value)) this.kept.add(value);
      button.setAttribute("aria-pressed", String(this.kept.has(value)));
      this.sift();
    });
    item.append(button);
    return item;
  }

  /** The next drag on the map draws a line around what is to be kept. */
  lassoing(on) {
    this.map.set({ lassoing: on });
    this.parts.lasso.setAttribute("aria-pressed", String(on));
    this.parts.map.classList.toggle("lassoing", on);
  }

  rope(rows) {
    this.lassoing(false);
    this.roped = rows.length ? new Set(rows) : null;
    this.sift();
  }

  showAll() {
    const { parts } = this;
    parts.search.value = "";
    parts.filter.selectedIndex = 0;
    this.roped = null;
    this.kept.clear();
    this.colour();
    this.offer();
    this.map.fit();
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

  /** Whether a row passes the filter of a column. */
  #passes(row) {
    const { parts, zoo } = this;
    const column = zoo.column[parts.filter.value];
    if (!column) return true;
    const value = column.values[row];
    if (!column.number) return value === parts.value.value;
    const bound = (input, none) => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : none);
    return value !== null && value >= bound(parts.low, -Infinity) && value <= bound(parts.high, Infinity);
  }

  /** Show on the map what passes search, filter, legend and lasso. */
  sift() {
    const { parts, zoo, kept, roped } = this;
    const found = matching(zoo, parts.search.value);
    const coloured = zoo.column[parts.colour.value].values;
    const shows = (row) =>
      found(row) && this.#passes(row) && (!kept.size || kept.has(coloured[row])) && (roped?.has(row) ?? true);
    this.shown = Uint8Array.from({ length: zoo.size }, (_, row) => (shows(row) ? 1 : 0));
    this.map.set({ shown: this.shown });
    const count = this.shown.reduce((sum, one) => sum + one, 0);
    const all = zoo.total > zoo.size ? `${zoo.size} of ${zoo.total}` : `${zoo.size}`;
    parts.count.textContent = count === zoo.size ? `${all} NCAs` : `${count} of ${zoo.size} NCAs`;
  }
}
