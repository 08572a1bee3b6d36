// The pad: draw, and an NCA is written for it that grows at once; let it learn, and keep it.

import { Drawing } from "explore/drawing.js";
import { npz } from "explore/npz.js";
import { Pencil } from "explore/pencil.js";
import { download } from "explore/saving.js";
import { School } from "explore/school.js";
import { TENSORS } from "explore/network.js";
import { Writer } from "explore/writing.js";

const KIN = 8;
const SHAPES = { W1: [128, 48], b1: [128], W2: [16, 128], b2: [16] };
const NAME = "drawing";

export class Pad {
  /**
   * `on` has grow(nca), which shows a drawing's NCA from its seed, as Page.hold takes it, and
   * learned(nca), told that its weights have changed.
   */
  constructor(parts, zoo, on) {
    Object.assign(this, { parts, zoo, on });
    this.nca = null; // of what is drawn
    this.drawing = new Drawing(zoo.height, zoo.width);
    parts.draw.hidden = !zoo.pad;
    parts.draw.addEventListener("click", () => this.open(parts.pad.hidden));
    parts.unstroke.addEventListener("click", () => this.#change(() => this.drawing.undo()));
    parts.blank.addEventListener("click", () => this.#change(() => this.drawing.clear()));
    parts.again.addEventListener("click", () => on.grow(this.nca));
    parts.train.addEventListener("click", () => this.learn(!this.school.going));
    parts.keepWeights.addEventListener("click", () => this.#saveWeights());
    parts.keepDrawing.addEventListener("click", () => this.#savePicture());
  }

  /** Show the pad, or put it away; nothing on it is lost. */
  async open(open) {
    const { parts, zoo } = this;
    parts.pad.hidden = !open;
    parts.draw.setAttribute("aria-expanded", String(open));
    if (!open) return this.learn(false);
    parts.paper.focus({ preventScroll: true });
    parts.pad.scrollIntoView({ block: "nearest" });
    if (this.pencil) return undefined;
    this.pencil = new Pencil(parts.sheet, this.drawing, {
      tool: () => ({ radius: parts.nib.valueAsNumber, rub: parts.rub.checked }),
      changed: () => this.#drawn(),
      say: (text) => (parts.spoken.textContent = text),
    });
    try {
      const [bytes, source] = await Promise.all([zoo.padData(), zoo.worker()]);
      this.writer = new Writer(zoo.pad, bytes, zoo);
      this.school = new School(source, zoo, zoo.pad.regime, (said) => this.#heard(said));
    } catch (error) {
      parts.padSays.textContent = `The pad could not be loaded: ${error.message}`;
      return undefined;
    }
    return this.#drawn();
  }

  /** Let the NCA learn, or rest. */
  learn(going) {
    if (!this.school || !this.nca) return;
    this.school.go(going);
    this.#label();
  }

  #change(act) {
    act();
    this.pencil.draw();
    this.#drawn();
  }

  /** The drawing has changed: write it anew, and let it grow. */
  #drawn() {
    const { parts, drawing, writer, zoo } = this;
    if (!writer) return;
    this.school.go(false);
    parts.progress.textContent = "";
    this.nca = null;
    if (drawing.empty) parts.padSays.textContent = "Draw a digit about as large as the frame.";
    else {
      const began = performance.now();
      const found = writer.find(drawing);
      this.nca = {
        row: null,
        name: NAME,
        weights: writer.write(found),
        seed: drawing.seed,
        target: drawing.target,
        usual: null,
        kin: writer.kin(found, KIN),
      };
      const took = performance.now() - began;
      const near = this.nca.kin.rows.slice(0, 3).map((row) => zoo.nameOf(row));
      parts.padSays.textContent = `Written in ${took.toFixed(0)} ms, without training. Near ${near.join("; ")}.`;
      this.school.enrol(this.nca);
      this.on.grow(this.nca);
    }
    this.#label();
  }

  /** What the worker says after a training step. */
  #heard({ step, seconds, weights, dB, done }) {
    const { parts, nca } = this;
    if (!nca) return;
    nca.weights = weights;
    if (dB.length) [nca.usual, nca.dB] = [dB[0], dB];
    this.on.learned(nca);
    const { trials } = this.zoo.pad.regime;
    const reached = (nca.dB ?? []).map((value, i) => `${value.toFixed(1)} dB at step ${trials[i]}`);
    const words = [`${step} training steps`, `${seconds.toFixed(1)} s`, ...reached].join(", ");
    parts.progress.textContent = done ? "" : words;
    if (!done) return;
    parts.padSays.textContent = `Trained: ${words}.`;
    this.#label();
  }

  #label() {
    const { parts, nca, school } = this;
    const going = Boolean(school?.going);
    parts.train.textContent = going ? "Stop training" : "Train it further";
    parts.train.setAttribute("aria-pressed", String(going));
    for (const button of [parts.train, parts.again, parts.keepWeights, parts.keepDrawing]) button.disabled = !nca;
    parts.unstroke.disabled = !this.drawing.past.length;
    parts.blank.disabled = this.drawing.empty;
  }

  #saveWeights() {
    const { weights } = this.nca;
    const tensors = Object.entries(SHAPES).map(([name, shape], i) => [name, shape, weights.subarray(...TENSORS[i])]);
    this.#save(new Blob([npz(tensors)], { type: "application/octet-stream" }), "npz");
  }

  #savePicture() {
    const { height, width, target } = this.drawing;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const image = canvas.getContext("2d").createImageData(width, height);
    image.data.forEach((_, i) => (image.data[i] = i % 4 === 3 ? target[i] : 255)); // white ink on nothing
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.toBlob((blob) => this.#save(blob, "png"), "image/png");
  }

  #save(blob, kind) {
    download(blob, `${NAME}.${kind}`);
    const command = `nca-zoo import ${NAME}.npz --target ${NAME}.png --seed-at ${this.nca.seed}`;
    this.parts.padSays.textContent = `Saved ${NAME}.${kind}. Weights and drawing come into a zoo by: ${command}`;
  }
}
