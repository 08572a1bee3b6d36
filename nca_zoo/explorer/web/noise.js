// Counter-based random numbers, Threefry-2x32-20: the same draws as nca_zoo/automaton/noise.py.
// A key is a pair of unsigned 32-bit numbers, its upper half first.

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];
const PARITY = 0x1bd11bda;
const PLANES = 8; // of draws that a fire rate may take
const RATES = 1 << PLANES;
const PLANE_SHIFT = 24;

/** What a key is for: Stream of noise.py. */
export const STREAM = { MASKS: 3, DRAWS: 4, CHECK: 5, ROLLOUT: 6 };

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

/** A new key, from a key and two numbers below 2^32. */
export function fold(key, a, b = 0) {
  const out = new Uint32Array(2);
  threefry(key[0] | 0, key[1] | 0, a | 0, b | 0, out);
  return out;
}

/** `count` numbers in [0, 1) of a key, 32 random bits each. */
export function uniform(key, count) {
  const blocks = Array.from({ length: Math.ceil(count / 2) }, (_, i) => [...fold(key, i)]);
  return blocks.flat().slice(0, count).map((bits) => bits / 2 ** 32);
}

/** A number or BigInt below 2^64 as a key. */
export function keyOf(seed) {
  const wide = BigInt.asUintN(64, BigInt(seed));
  return Uint32Array.of(Number(wide >> 32n), Number(wide & 0xffffffffn));
}

/** The key that decides which cells fire in the rollout of `seed`, a number or BigInt below 2^64. */
export function rolloutKey(seed) {
  return fold(keyOf(seed), STREAM.ROLLOUT);
}

/**
 * Which cells fire in one step, each with chance `rate`, in 256ths: 64 bits of every Threefry block
 * stand for 64 cells in a row, and planes of them are joined as in noise.py.
 */
export class FireMask {
  constructor(cells, rate = 0.5) {
    this.words = new Uint32Array(2 * Math.ceil(cells / 64));
    this.block = new Uint32Array(2);
    this.level = Math.max(1, Math.round(rate * RATES));
  }

  draw(key, step) {
    this.words.fill(this.level === RATES ? 0xffffffff : 0);
    for (let plane = PLANES - 1; plane >= 0; plane--) {
      const bit = RATES >> (plane + 1);
      if (this.level & (2 * bit - 1)) this.#join(key, step, plane, (this.level & bit) !== 0);
    }
  }

  /** Join a plane of draws: who is drawn fires, too, or else only who is drawn. */
  #join(key, step, plane, too) {
    const { words, block } = this;
    for (let at = 0; at < words.length; at += 2) {
      threefry(key[0] | 0, key[1] | 0, step, at / 2 + (plane << PLANE_SHIFT), block);
      for (const half of [0, 1]) {
        words[at + half] = too ? words[at + half] | block[half] : words[at + half] & block[half];
      }
    }
  }

  fires(cell) {
    return (this.words[cell >>> 5] >>> (cell & 31)) & 1;
  }
}
