// The pencil: what pointer and keys do on the drawing paper. Keys draw, too: Enter puts it down.

import { paintTarget } from "explore/views.js";

const WAYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export class Pencil {
  /**
   * Draw on `drawing`, which the canvas in `box` shows. `on` has tool(), which says { radius, rub },
   * changed(), called when a stroke ends, and say(text), aloud.
   */
  constructor(box, drawing, on) {
    Object.assign(this, { drawing, on });
    this.canvas = box.querySelector("canvas");
    this.ring = box.querySelector(".ring");
    this.cursor = [Math.floor(drawing.height / 2), Math.floor(drawing.width / 2)];
    this.down = null; // where the pencil that is down was last
    this.#pointer();
    this.#keys();
    this.draw();
  }

  draw() {
    const { height, width, target } = this.drawing;
    paintTarget(this.canvas, target, height, width);
  }

  #begin(place) {
    this.drawing.begin();
    this.down = place;
    this.#to(place);
  }

  #to(place) {
    const { radius, rub } = this.on.tool();
    this.drawing.stroke(this.down, place, radius, rub);
    this.down = place;
    this.draw();
  }

  #end() {
    if (!this.down) return;
    this.down = null;
    this.on.changed();
  }

  /** A pointer's place in cells: cell 0 reaches from 0 to 1. */
  #placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const { height, width } = this.drawing;
    return [((event.clientY - box.top) / box.height) * height, ((event.clientX - box.left) / box.width) * width];
  }

  #pointer() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#end(); // of a line that keys have begun
      this.ring.hidden = true;
      this.#begin(this.#placeOf(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.down || !canvas.hasPointerCapture(event.pointerId)) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) this.#to(this.#placeOf(one));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.#end());
  }

  #keys() {
    const { canvas, drawing, on } = this;
    const middle = () => this.cursor.map((cell) => cell + 0.5);
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (WAYS[event.key]) {
        this.cursor = [drawing.height, drawing.width].map((size, axis) =>
          Math.min(size - 1, Math.max(0, this.cursor[axis] + WAYS[event.key][axis])),
        );
        if (this.down) this.#to(middle());
      } else if (event.key === "Enter") {
        on.say(this.down ? "pencil up" : "pencil down");
        if (this.down) this.#end();
        else this.#begin(middle());
      } else return;
      this.#aim();
      event.preventDefault();
    });
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && this.#aim());
    canvas.addEventListener("blur", () => {
      this.ring.hidden = true;
      this.#end();
    });
  }

  /** Show where the keys have the pencil. */
  #aim() {
    const { height, width } = this.drawing;
    const size = 2 * this.on.tool().radius + 1;
    const style = this.ring.style;
    style.top = `${(100 * (this.cursor[0] + 0.5)) / height}%`;
    style.left = `${(100 * (this.cursor[1] + 0.5)) / width}%`;
    style.height = `${(100 * size) / height}%`;
    style.width = `${(100 * size) / width}%`;
    this.ring.hidden = false;
    this.ring.classList.toggle("down", Boolean(this.down));
  }
}
