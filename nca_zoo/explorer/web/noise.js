// Counter-based random numbers, Threefry-2x32-20: the same draws as nca_zoo/automaton/noise.py.
// A key is a pair of unsigned 32-bit numbers, its upper half first.

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];
const PARITY = 0x1bd11bda;
const ROLLOUT = 6; // Stream.ROLLOUT: rollouts that people see

/** Threefry of counter (c0, c1) under key (k0, k1); writes two unsigned numbers into `out`. */
export function threefry(k0, k1, c0, c1, out) {
  const keys = [k0, k1, k0 ^ k1 ^ PARITY];
  let x0 = (c0 + k0) | 0;
  let x1 = (c1 + k1) | 0;
  for (let group = 0; group < 5; group++) {
    for (const rotation of ROTATIONS[group % 2]) {
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << rotation) | (x1 >>> (32 - rotation))) ^ x0;
    }
    x0 = (x0 + keys[(group + 1) % 3]) | 0;
    x1 = (x1 + keys[(group + 2) % 3] + group + 1) | 0;
  }
  out[0] = x0 >>> 0;
  out[1] = x1 >>> 0;
}

/** The key that decides which cells fire in the rollout of `seed`, a number or BigInt below 2^64. */
export function rolloutKey(seed) {
  const wide = BigInt.asUintN(64, BigInt(seed));
  const key = new Uint32Array(2);
  threefry(Number(wide >> 32n) | 0, Number(wide & 0xffffffffn) | 0, ROLLOUT, 0, key);
  return key;
}

/** Which cells fire in one step: 64 bits of every Threefry block decide 64 cells in a row. */
export class FireMask {
  constructor(cells) {
    this.words = new Uint32Array(2 * Math.ceil(cells / 64));
    this.block = new Uint32Array(2);
  }

  draw(key, step) {
    for (let block = 0; 2 * block < this.words.length; block++) {
      threefry(key[0] | 0, key[1] | 0, step, block, this.block);
      this.words.set(this.block, 2 * block);
    }
  }

  fires(cell) {
    return (this.words[cell >>> 5] >>> (cell & 31)) & 1;
  }
}
