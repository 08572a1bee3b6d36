// The brush: what pointer and keys do to the cells in a glass. It is seen before it hurts.

const HOLD_MS = 250; // a finger that rests so long brushes; one that moves on scrolls the page
const NUDGE_PIXELS = 6;
const WAYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** The cells on the way from one to another, without the first: a quick hand leaves no gaps. */
export function between([row, col], [toRow, toCol]) {
  const steps = Math.max(Math.abs(toRow - row), Math.abs(toCol - col));
  return Array.from({ length: steps }, (_, i) => {
    const share = (i + 1) / steps;
    return [Math.round(row + share * (toRow - row)), Math.round(col + share * (toCol - col))];
  });
}

export class Brush {
  /** `on` has reach(), the brush's radius in cells, begin(), which opens a stroke, and touch(cells). */
  constructor(glass, on) {
    Object.assign(this, { glass, on });
    this.cursor = [Math.floor(glass.zoo.height / 2), Math.floor(glass.zoo.width / 2)];
    this.stroke = null; // where the pointer that is down was last
    this.#pointer(glass.canvas);
    this.#keys(glass.canvas);
  }

  #begin(place) {
    this.#wait(null);
    this.on.begin();
    this.stroke = place;
    this.on.touch([place.cell]);
  }

  #drag(place) {
    const jumped = String(place.panel) !== String(this.stroke.panel); // to another panel of a view
    this.on.touch(jumped ? [place.cell] : between(this.stroke.cell, place.cell));
    this.stroke = place;
  }

  /** A finger is down, and it is not yet known whether it means to brush or to scroll. */
  #wait(place, x, y) {
    clearTimeout(this.timer);
    this.waiting = place && { place, x, y };
    if (place) this.timer = setTimeout(() => this.#begin(place), HOLD_MS);
  }

  /** A finger that moves sideways brushes; one that moves up or down is the browser's, to scroll. */
  #decide(event) {
    const { waiting } = this;
    if (!waiting) return;
    const [across, down] = [event.clientX - waiting.x, event.clientY - waiting.y].map(Math.abs);
    if (Math.max(across, down) < NUDGE_PIXELS) return;
    if (across > down) this.#begin(waiting.place);
    else this.#wait(null);
  }

  #pointer(canvas) {
    const at = (event) => {
      const place = this.glass.placeOf(event);
      this.glass.aim(place, this.on.reach());
      this.cursor = place.cell;
      return place;
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      const scrolls = event.pointerType === "touch" && getComputedStyle(canvas).touchAction !== "none";
      if (scrolls) this.#wait(at(event), event.clientX, event.clientY);
      else this.#begin(at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = at(event);
      this.#decide(event);
      if (!this.stroke) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) this.#drag(this.glass.placeOf(one));
    });
    canvas.addEventListener("pointerup", () => {
      if (this.waiting) this.#begin(this.waiting.place);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => {
        this.#wait(null);
        this.stroke = null;
        if (event.pointerType === "touch") this.glass.aimNowhere();
      });
    }
    canvas.addEventListener("pointerleave", () => this.glass.aimNowhere());
    canvas.addEventListener("touchmove", (event) => this.stroke && event.preventDefault(), { passive: false });
  }

  #keys(canvas) {
    const aim = () => this.glass.aim({ cell: this.cursor, panel: [0, 0] }, this.on.reach());
    canvas.addEventListener("keydown", (event) => {
      const { height, width } = this.glass.zoo;
      if (WAYS[event.key]) {
        this.cursor = [height, width].map((size, axis) =>
          Math.min(size - 1, Math.max(0, this.cursor[axis] + WAYS[event.key][axis])),
        );
        aim();
      } else if (event.key === "Enter") {
        this.#begin({ cell: this.cursor, panel: [0, 0] });
        this.stroke = null;
      } else return;
      event.preventDefault();
    });
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && aim());
    canvas.addEventListener("blur", () => this.glass.aimNowhere());
  }
}
