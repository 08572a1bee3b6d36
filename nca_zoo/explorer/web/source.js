// The exhibit's data, wherever it comes from: the page itself, or the server that sent it.

import { filmOf, Goal } from "explore/goal.js";

function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function fetched(path) {
  const answer = await fetch(path);
  if (answer.status === 422) throw new Error(await answer.text()); // the server says why
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer;
}

/** What the page shows: `about` (see exhibit.py), target pictures; weights and maps when asked for. */
export class Zoo {
  /**
   * `given` promises what is asked for later: weightsOf(row) a Float32Array, filmOf(row) the bytes of
   * a target that moves, layout(number, "first" or "final") a map (see chart.py), padData() the drawing pad's numbers (see pad.py), worker() its script.
   */
  constructor(about, targets, given) {
    Object.assign(this, about, { targets }, given);
    this.column = Object.fromEntries(about.columns.map((column) => [column.name, column]));
    this.ids = this.column.id.values;
    this.size = this.ids.length;
  }

  /** RGBA of one target, premultiplied, 0 to 255. */
  target(row) {
    const bytes = this.height * this.width * 4;
    return this.targets.subarray(row * bytes, (row + 1) * bytes);
  }

  /** What one NCA is to look like, from step to step. */
  async goal(row) {
    if (!this.period) return new Goal([this.target(row)]);
    return filmOf(await this.filmOf(row), this.height * this.width, this.filmChannels, this.period);
  }

  /** Whether a fit passed its gate. */
  good(row) {
    return (this.column.status?.values[row] ?? "ok") === "ok";
  }

  /** What a class is called: by its name, or by its number if the zoo has no name for it. */
  className(code) {
    return this.classNames[code] ?? String(code);
  }

  /** The number of the class that a text names, by its name or else its number; NaN for no class. */
  codeOf(text) {
    const wanted = text.toLowerCase();
    const named = Object.keys(this.classNames).find((code) => this.classNames[code].toLowerCase() === wanted);
    return Number(named ?? (/^-?\d{1,5}$/.test(wanted) ? wanted : NaN));
  }

  /** "7-012, class 7": how a person or a screen reader names an NCA. */
  nameOf(row) {
    const label = this.column.label.values[row];
    if (label < 0) return this.ids[row];
    return `${this.ids[row]}, class ${this.className(label)}`;
  }

  /** A value of a column as people read it. */
  text(column, value) {
    if (value === null) return "not finite";
    if (column.name === "label") return value < 0 ? "none" : this.className(value);
    const short = column.number && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
    return `${short} ${column.units}`.trim();
  }
}

function standingAlone(inside) {
  const weights = new Float32Array(fromBase64(inside("weights")).buffer);
  const about = JSON.parse(inside("about"));
  const maps = JSON.parse(inside("maps"));
  const films = about.period ? fromBase64(inside("films")) : new Uint8Array();
  const count = about.columns[0].values.length;
  const part = (of, row) => of.subarray((row * of.length) / count, ((row + 1) * of.length) / count);
  return new Zoo(about, fromBase64(inside("targets")), {
    weightsOf: async (row) => part(weights, row),
    filmOf: async (row) => part(films, row),
    layout: async (number) => maps[number],
    padData: async () => fromBase64(inside("pad")),
    worker: async () => JSON.parse(inside("worker")),
  });
}

export async function loadZoo() {
  const inside = (id) => document.getElementById(`data-${id}`)?.textContent;
  if (inside("about") !== undefined) return standingAlone(inside);
  const layout = async (number, stage) => (await fetched(`map/${number}/${stage}`)).json();
  layout(0, "first").catch(() => null); // the server begins with it while the rest arrives
  const bytes = async (path) => (await fetched(path)).arrayBuffer();
  const [about, targets] = await Promise.all([
    fetched("about.json").then((answer) => answer.json()),
    bytes("targets"),
  ]);
  return new Zoo(about, new Uint8Array(targets), {
    weightsOf: async (row) => new Float32Array(await bytes(`weights/${row}`)),
    filmOf: async (row) => new Uint8Array(await bytes(`film/${row}`)),
    layout,
    padData: async () => new Uint8Array(await bytes("pad")),
    worker: async () => (await fetched("worker.js")).text(),
  });
}
