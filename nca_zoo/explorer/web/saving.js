// What one takes away: a picture, a film, a link.

const LEAST = 480; // pixels of the smaller side: a cell becomes a square of whole pixels
const FILM_KINDS = ["video/mp4", "video/webm"];
const FRAMES_A_SECOND = 30;

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export class Saver {
  /** `canvases` gives what is to be kept: one canvas, or two that stand side by side. */
  constructor(parts, canvases) {
    Object.assign(this, { parts, canvases });
    this.frame = document.createElement("canvas");
    parts.picture.addEventListener("click", () => this.savePicture());
    parts.film.addEventListener("click", () => (this.recorder ? this.recorder.stop() : this.startFilm()));
    this.kind = FILM_KINDS.find((kind) => globalThis.MediaRecorder?.isTypeSupported(kind));
    parts.film.hidden = !this.kind;
  }

  get name() {
    const { grown, step } = this.parts;
    return `${grown.textContent.replace(/[^\w-]+/g, "-")}-step-${step.textContent}`;
  }

  /** Draw what is shown, enlarged, on the frame that pictures and films are made of. */
  #draw(anew) {
    const shown = this.canvases();
    const [{ width, height }] = shown;
    const scale = 2 * Math.ceil(LEAST / Math.min(width, height) / 2); // even: films ask for that
    if (anew) [this.frame.width, this.frame.height] = [shown.length * width * scale, height * scale];
    const context = this.frame.getContext("2d");
    context.imageSmoothingEnabled = false;
    const wide = this.frame.width / shown.length;
    shown.forEach((canvas, i) => {
      const fit = Math.min(wide / canvas.width, this.frame.height / canvas.height);
      context.drawImage(canvas, i * wide, 0, canvas.width * fit, canvas.height * fit);
    });
  }

  savePicture() {
    this.#draw(true);
    const name = `${this.name}.png`;
    this.frame.toBlob((blob) => download(blob, name), "image/png");
    this.parts.kept.textContent = `saved ${name}`;
  }

  /** Film what is shown until the button is pressed again. */
  startFilm() {
    const { film, kept } = this.parts;
    this.#draw(true);
    this.recorder = new MediaRecorder(this.frame.captureStream(FRAMES_A_SECOND), { mimeType: this.kind });
    const name = `${this.name}.${this.kind.split("/")[1]}`;
    const pieces = [];
    this.recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
    this.recorder.addEventListener("stop", () => {
      this.recorder = null;
      film.textContent = "Film";
      film.setAttribute("aria-pressed", "false");
      kept.textContent = `saved ${name}`;
      download(new Blob(pieces, { type: this.kind }), name);
    });
    this.recorder.start();
    film.textContent = "Stop filming";
    film.setAttribute("aria-pressed", "true");
    kept.textContent = "filming";
  }

  /** The tank has drawn: the film takes it in. */
  capture() {
    if (this.recorder) this.#draw(false);
  }

  async copy(address) {
    try {
      await navigator.clipboard.writeText(address);
      this.parts.kept.textContent = "link copied";
    } catch {
      this.parts.kept.textContent = "the link is the page's address"; // the browser forbids copying
    }
  }
}
