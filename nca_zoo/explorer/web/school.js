// Where a drawing's NCA goes to learn: the worker, from the page's side.

const KEY = Uint32Array.of(0, 0); // of all draws: the same drawing learns the same

export class School {
  /**
   * `source`: the worker's script; `zoo`: height, width and fireRate; `regime` as learner.js has it;
   * `told` hears what the worker says, and how many `seconds` it has learned.
   */
  constructor(source, { height, width, fireRate }, regime, told) {
    Object.assign(this, { regime, told, grid: { height, width, fireRate } });
    this.address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.going = false;
  }

  /** Another pupil: { weights, target, seed }, whose lessons begin with the next `go`. */
  enrol(pupil) {
    this.worker?.terminate();
    Object.assign(this, { pupil, worker: null, going: false, seconds: 0 });
  }

  /** Learn, or rest. */
  go(going) {
    if (going === this.going || !this.pupil) return;
    this.worker ??= this.#begin();
    Object.assign(this, { going, since: performance.now() });
    this.worker.postMessage({ going });
  }

  #begin() {
    const { pupil: { weights, target, seed }, regime, grid } = this;
    const worker = new Worker(this.address);
    worker.onmessage = ({ data }) => worker === this.worker && this.#hear(data);
    worker.postMessage({ begin: { weights, target, seed, key: KEY, regime, grid }, going: false });
    return worker;
  }

  #hear(said) {
    const now = performance.now();
    this.seconds += (now - this.since) / 1000;
    this.since = now;
    if (said.done) this.going = false;
    this.told({ ...said, seconds: this.seconds });
  }
}
