// NPZ files, as numpy writes them: a ZIP archive, nothing compressed, of one NPY file an array.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

function crc32(bytes) {
  const sum = bytes.reduce((rest, byte) => TABLE[(rest ^ byte) & 255] ^ (rest >>> 8), 0xffffffff);
  return (sum ^ 0xffffffff) >>> 0;
}

/** Numbers, each of so many bytes, little-endian: [[value, bytes], ...]. */
const packed = (numbers) =>
  Uint8Array.from(numbers.flatMap(([value, bytes]) => Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 255)));

function joined(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A Float32Array of a shape as an NPY file, version 1. */
function npy(shape, values) {
  const told = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const header = new TextEncoder().encode(`${told.padEnd(117)}\n`); // its end stands at a multiple of 64
  const magic = Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0);
  const data = new Uint8Array(values.slice().buffer);
  return joined([magic, packed([[header.length, 2]]), header, data]);
}

/** The bytes of an NPZ file of arrays [[name, shape, Float32Array], ...]. */
export function npz(arrays) {
  const [files, entries] = [[], []];
  let at = 0;
  for (const [name, shape, values] of arrays) {
    const path = new TextEncoder().encode(`${name}.npy`);
    const data = npy(shape, values);
    const day = (1 << 5) | 1; // 1 January 1980: the same NCA, the same file
    const about = [[20, 2], [0, 2], [0, 2], [0, 2], [day, 2], [crc32(data), 4], [data.length, 4], [data.length, 4], [path.length, 2], [0, 2]];
    files.push(packed([[0x04034b50, 4], ...about]), path, data);
    entries.push(packed([[0x02014b50, 4], [20, 2], ...about, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]]), path);
    at += 30 + path.length + data.length;
  }
  const size = entries.reduce((sum, part) => sum + part.length, 0);
  const end = packed([[0x06054b50, 4], [0, 2], [0, 2], [arrays.length, 2], [arrays.length, 2], [size, 4], [at, 4], [0, 2]]);
  return joined([...files, ...entries, end]);
}
