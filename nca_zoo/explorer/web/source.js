// The exhibit's data, wherever it comes from: the page itself, or the server that sent it.

function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer;
}

/** What the page shows: `about` (see exhibit.py), target pictures, and weights when asked for. */
export class Zoo {
  constructor(about, targets, weightsOf) {
    Object.assign(this, about);
    this.weightsOf = weightsOf; // row -> Promise of a Float32Array
    this.column = Object.fromEntries(about.columns.map((column) => [column.name, column]));
    this.ids = this.column.id.values;
    this.size = this.ids.length;
    this.targets = targets;
  }

  /** RGBA of one target, premultiplied, 0 to 255. */
  target(row) {
    const bytes = this.height * this.width * 4;
    return this.targets.subarray(row * bytes, (row + 1) * bytes);
  }

  /** "7-012, class 7": how a person or a screen reader names an NCA. */
  nameOf(row) {
    const label = this.column.label.values[row];
    return label < 0 ? this.ids[row] : `${this.ids[row]}, class ${label}`;
  }
}

export async function loadZoo() {
  const inside = (id) => document.getElementById(`data-${id}`)?.textContent;
  if (inside("about") !== undefined) {
    const weights = new Float32Array(fromBase64(inside("weights")).buffer);
    const about = JSON.parse(inside("about"));
    const each = weights.length / about.columns[0].values.length;
    const weightsOf = async (row) => weights.subarray(row * each, (row + 1) * each);
    return new Zoo(about, fromBase64(inside("targets")), weightsOf);
  }
  const [about, targets] = await Promise.all([
    fetched("about.json").then((answer) => answer.json()),
    fetched("targets").then((answer) => answer.arrayBuffer()),
  ]);
  const weightsOf = async (row) =>
    new Float32Array(await (await fetched(`weights/${row}`)).arrayBuffer());
  return new Zoo(about, new Uint8Array(targets), weightsOf);
}
