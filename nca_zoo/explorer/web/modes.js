// Class mode: a large tank with few controls, in the window or over the whole screen.

export class Modes {
  /** `changed` is called when the tank has another size. */
  constructor(parts, changed) {
    Object.assign(this, { parts, changed });
    parts.large.addEventListener("click", () => this.large(!this.isLarge));
    parts.full.addEventListener("click", () => this.full(!document.fullscreenElement));
    document.addEventListener("fullscreenchange", () => {
      this.#mark();
      if (!document.fullscreenElement) this.large(false); // Escape leaves both at once
    });
  }

  get isLarge() {
    return document.body.classList.contains("large");
  }

  large(on) {
    document.body.classList.toggle("large", on);
    if (!on && document.fullscreenElement) document.exitFullscreen();
    this.#mark();
    this.changed();
    document.activeElement?.scrollIntoView({ block: "nearest" });
  }

  /** Over the whole screen, where the browser lets a page do that; at least over the whole window. */
  full(on) {
    this.large(on);
    if (on) document.documentElement.requestFullscreen?.().catch(() => null);
  }

  #mark() {
    this.parts.large.setAttribute("aria-pressed", String(this.isLarge));
    this.parts.full.setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
  }
}
