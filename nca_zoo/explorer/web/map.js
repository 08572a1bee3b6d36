// The map: every NCA as its picture, in its colour, at its place. Pan, zoom, hover, pick.

import { css } from "explore/palette.js";

const ZOOMS = [0.6, 60];
const CLICK_PIXELS = 6; // a pointer that moved less was a click
const SHEET_PIXELS = 2048; // a side of a sheet of pictures: phones draw no canvas that is much larger

export class ZooMap {
  /** `on` has two functions of a row: hover(row or null, x, y) and pick(row, asSecond). */
  constructor(canvas, zoo, on) {
    Object.assign(this, { canvas, zoo, on });
    this.shown = new Uint8Array(zoo.size).fill(1); // passes the filter
    this.picked = []; // rows with a ring
    this.focus = null; // row under the pointer or the keyboard
    this.pointers = new Map();
    this.columns = Math.max(1, Math.floor(SHEET_PIXELS / zoo.width));
    this.aSheet = this.columns * Math.max(1, Math.floor(SHEET_PIXELS / zoo.height)); // pictures
    this.sheets = Array.from({ length: Math.ceil(zoo.size / this.aSheet) }, () =>
      document.createElement("canvas"),
    );
    this.inkOnly = zoo.targets.every((value, i) => value === zoo.targets[i - (i % 4)]);
    this.fit();
    new ResizeObserver(() => this.redraw()).observe(canvas);
    this.#listen();
  }

  setPlaces(points) {
    this.points = points;
    this.redraw();
  }

  /** One [r, g, b] a row: pictures of ink are drawn in it, others stand on it. */
  setColours(colours) {
    this.colours = colours;
    this.sheets.forEach((sheet, number) => this.#paint(sheet, number * this.aSheet));
    this.redraw();
  }

  /** Paint the pictures of a sheet, the first of which is `first`. */
  #paint(sheet, first) {
    const { colours } = this;
    const { height, width, size, targets } = this.zoo;
    const end = Math.min(size, first + this.aSheet);
    sheet.width = Math.min(this.columns, end - first) * width;
    sheet.height = Math.ceil((end - first) / this.columns) * height;
    const context = sheet.getContext("2d");
    const image = context.createImageData(sheet.width, sheet.height);
    for (let row = first; row < end; row++) {
      const [left, top] = this.#corner(row);
      for (let cell = 0; cell < height * width; cell++) {
        const from = 4 * (row * height * width + cell);
        const y = top + Math.floor(cell / width);
        const at = 4 * (y * sheet.width + left + (cell % width));
        const alpha = targets[from + 3];
        for (let c = 0; c < 3; c++) {
          image.data[at + c] = this.inkOnly ? colours[row][c] : (255 * targets[from + c]) / alpha;
        }
        image.data[at + 3] = alpha;
      }
    }
    context.putImageData(image, 0, 0);
  }

  setShown(shown) {
    this.shown = shown;
    this.redraw();
  }

  setPicked(rows) {
    this.picked = rows;
    this.redraw();
  }

  fit() {
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.redraw();
  }

  /** Bring a row into the middle if it is out of sight. */
  reveal(row) {
    const [x, y] = this.#screen(row);
    const { clientWidth, clientHeight } = this.canvas;
    if (x < 20 || y < 20 || x > clientWidth - 20 || y > clientHeight - 20) {
      this.centre = [...this.points[row]];
      this.redraw();
    }
  }

  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.points && this.colours) this.#draw();
    });
  }

  get #unit() {
    const { clientWidth, clientHeight } = this.canvas;
    return 0.88 * Math.min(clientWidth, clientHeight) * this.zoom; // pixels of the unit square
  }

  get #side() {
    const crowd = 0.95 / Math.sqrt(Math.max(12, this.zoo.size));
    return Math.max(12, (this.#unit / this.zoom) * crowd * this.zoom ** 0.6);
  }

  #screen(row) {
    const { clientWidth, clientHeight } = this.canvas;
    const [x, y] = this.points[row];
    return [
      clientWidth / 2 + (x - this.centre[0]) * this.#unit,
      clientHeight / 2 + (y - this.centre[1]) * this.#unit,
    ];
  }

  #corner(row) {
    const { height, width } = this.zoo;
    const place = row % this.aSheet; // on its sheet
    return [(place % this.columns) * width, Math.floor(place / this.columns) * height];
  }

  #draw() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const size = [canvas.clientWidth * ratio, canvas.clientHeight * ratio].map(Math.round);
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const side = this.#side;
    context.imageSmoothingEnabled = side < 2.5 * this.zoo.width;
    for (const wanted of [0, 1]) {
      context.globalAlpha = wanted ? 1 : 0.13;
      for (let row = 0; row < this.zoo.size; row++) {
        if (this.shown[row] === wanted) this.#drawRow(context, row, side, !this.inkOnly);
      }
    }
    context.globalAlpha = 1;
    for (const row of this.picked) this.#drawRow(context, row, 1.25 * side, true, 3);
    if (this.focus !== null) this.#drawRow(context, this.focus, 1.25 * side, true, 1.5);
  }

  #drawRow(context, row, side, onTile, ring = 0) {
    const [x, y] = this.#screen(row);
    const { clientWidth, clientHeight } = this.canvas;
    if (x < -side || y < -side || x > clientWidth + side || y > clientHeight + side) return;
    const { height, width } = this.zoo;
    if (onTile) {
      const edge = side / 2 + 3;
      context.beginPath();
      context.roundRect(x - edge, y - edge, 2 * edge, 2 * edge, 6);
      context.fillStyle = ring ? getComputedStyle(this.canvas).backgroundColor : css(this.colours[row], 0.35);
      context.fill();
      if (ring) {
        context.strokeStyle = css(this.colours[row]);
        context.lineWidth = ring;
        context.stroke();
      }
    }
    const scale = side / Math.max(height, width);
    const [w, h] = [width * scale, height * scale];
    const sheet = this.sheets[Math.floor(row / this.aSheet)];
    context.drawImage(sheet, ...this.#corner(row), width, height, x - w / 2, y - h / 2, w, h);
  }

  /** The row at a place on the canvas, or null. */
  #rowAt(x, y) {
    let best = null;
    let least = Math.max(12, 0.65 * this.#side);
    for (let row = 0; row < this.zoo.size; row++) {
      if (!this.shown[row]) continue;
      const [px, py] = this.#screen(row);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  zoomAt(x, y, factor) {
    const before = this.#unit;
    this.zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], this.zoom * factor));
    const { clientWidth, clientHeight } = this.canvas;
    const away = [x - clientWidth / 2, y - clientHeight / 2];
    away.forEach((pixels, axis) => {
      this.centre[axis] += pixels / before - pixels / this.#unit;
    });
    this.redraw();
  }

  #hover(row, x, y) {
    if (row === this.focus && row === null) return;
    this.focus = row;
    this.on.hover(row, x, y);
    this.redraw();
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomAt(...this.#place(event), Math.exp(-0.0016 * event.deltaY));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.#place(event));
      this.travel = this.pointers.size > 1 ? Infinity : 0;
    });
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => {
      this.pointers.delete(event.pointerId);
      const row = this.#rowAt(...this.#place(event));
      if (this.travel < CLICK_PIXELS && row !== null) this.on.pick(row, event.shiftKey);
    });
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    for (const leaving of ["pointerleave", "blur"]) {
      canvas.addEventListener(leaving, () => this.#hover(null));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #move(event) {
    const now = this.#place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.#hover(this.#rowAt(...now), ...now);
      return;
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    if (others.length) {
      const fixed = others[0][1];
      const spread = (place) => Math.hypot(place[0] - fixed[0], place[1] - fixed[1]);
      this.zoomAt(...fixed, spread(now) / Math.max(1, spread(before)));
    } else {
      this.centre[0] -= (now[0] - before[0]) / this.#unit;
      this.centre[1] -= (now[1] - before[1]) / this.#unit;
      this.redraw();
    }
    this.travel += Math.hypot(now[0] - before[0], now[1] - before[1]);
    this.pointers.set(event.pointerId, now);
  }

  #key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const middle = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
    if (ways[event.key]) this.#walk(ways[event.key]);
    else if (event.key === "Enter" && this.focus !== null) this.on.pick(this.focus, event.shiftKey);
    else if (event.key === "+" || event.key === "=") this.zoomAt(...middle, 1.25);
    else if (event.key === "-") this.zoomAt(...middle, 0.8);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  /** Move the focus to the next NCA in a direction, preferring those straight ahead. */
  #walk([dx, dy]) {
    const from = this.focus ?? this.picked[0] ?? 0;
    let best = this.focus === null ? from : null;
    let least = Infinity;
    for (let row = 0; row < this.zoo.size && this.focus !== null; row++) {
      const [x, y] = [0, 1].map((axis) => this.points[row][axis] - this.points[from][axis]);
      const ahead = x * dx + y * dy;
      const cost = ahead + 2 * Math.abs(x * dy - y * dx);
      if (this.shown[row] && ahead > 0 && cost < least) [best, least] = [row, cost];
    }
    if (best === null) return;
    this.reveal(best);
    this.#hover(best, ...this.#screen(best));
  }
}
