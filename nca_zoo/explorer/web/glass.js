// The glass of a tank: one automaton drawn, the ring of the brush, numbers on panels, a note of death.

const made = (name, className, parent) => {
  const element = document.createElement(name);
  element.className = className;
  parent.append(element);
  return element;
};

function button(text, parent, act) {
  const element = made("button", "", parent);
  element.type = "button";
  element.textContent = text;
  element.addEventListener("click", act);
  return element;
}

export class Glass {
  /** `on` has restart(), undo() and enlarge(view). */
  constructor(box, zoo, looks, on) {
    Object.assign(this, { box, zoo, looks, on });
    this.canvas = box.querySelector("canvas");
    this.ring = made("i", "ring", box);
    this.ring.hidden = true;
    this.labels = made("div", "panels", box);
    this.note = made("div", "note", box);
    this.note.hidden = true;
    this.said = made("b", "", this.note);
    button("Restart", this.note, () => this.#leave(on.restart));
    this.before = button("Back to before it was touched", this.note, () => this.#leave(on.undo));
    box.style.setProperty("--aspect", zoo.width / zoo.height);
  }

  show(automaton, view, target) {
    this.looks.paint(this.canvas, automaton, view, target);
    if (view !== this.view) this.#layOut(view);
  }

  /** Do what a button of the note says: that goes away, and the focus goes to what it was of. */
  #leave(act) {
    act();
    this.canvas.focus();
  }

  /** Say at which step it died, null if it lives; `touched` says whether that can be undone. */
  mourn(step, touched) {
    this.note.hidden = step === null;
    this.before.hidden = !touched;
    this.said.textContent = step === null ? "" : `Died at step ${step}.`;
  }

  /** However many panels a view has, the glass keeps its size and the canvas lies in its middle. */
  #layOut(view) {
    this.view = view;
    const [across, down] = this.looks.panels(view);
    const fill = Math.max(across, down);
    const style = this.canvas.style;
    [this.share, this.rise] = [across / fill, down / fill];
    style.width = `${100 * this.share}%`;
    style.height = `${100 * this.rise}%`;
    style.left = `${50 * (1 - this.share)}%`;
    style.top = `${50 * (1 - this.rise)}%`;
    this.labels.replaceChildren();
    this.looks.panelViews(view).forEach((name, panel) => {
      const label = button(name.split(" ").at(-1), this.labels, () => this.on.enlarge(name));
      label.setAttribute("aria-label", `enlarge ${name}`);
      label.style.left = this.#across((panel % across) / across);
      label.style.top = this.#down(Math.floor(panel / across) / down);
    });
  }

  #across(part) {
    return `${100 * ((1 - this.share) / 2 + this.share * part)}%`;
  }

  #down(part) {
    return `${100 * ((1 - this.rise) / 2 + this.rise * part)}%`;
  }

  /** The cell under a pointer, and the panel that it is in; beside the glass, cells count on. */
  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const [across, down] = this.looks.panels(this.view);
    const x = ((event.clientX - box.left) / box.width) * across;
    const y = ((event.clientY - box.top) / box.height) * down;
    const panel = [Math.min(down - 1, Math.max(0, Math.floor(y))), Math.min(across - 1, Math.max(0, Math.floor(x)))];
    const cell = [Math.floor((y - panel[0]) * this.zoo.height), Math.floor((x - panel[1]) * this.zoo.width)];
    return { cell, panel };
  }

  /** Show which cells the brush would hit: those around `cell` in a panel. */
  aim({ cell: [row, col], panel: [top, left] }, radius) {
    const [across, down] = this.looks.panels(this.view);
    const { height, width } = this.zoo;
    const size = 2 * radius + 1;
    const style = this.ring.style;
    style.left = this.#across((left + (col + 0.5) / width) / across);
    style.top = this.#down((top + (row + 0.5) / height) / down);
    style.width = `${(100 * this.share * size) / (across * width)}%`;
    style.height = `${(100 * this.rise * size) / (down * height)}%`;
    this.ring.hidden = false;
  }

  aimNowhere() {
    this.ring.hidden = true;
  }
}
