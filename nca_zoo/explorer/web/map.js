// The map: every NCA as its picture, in its colour, at its place, and lines to the nearest of one.

import { listen } from "explore/gestures.js";
import { css } from "explore/palette.js";

const ZOOMS = [0.6, 60];
const SHEET_PIXELS = 2048; // a side of a sheet of pictures: phones draw no canvas that is much larger
const FILL = 0.8; // of its place, for the picture: the rest is for rings
const LARGEST = 150; // pixels of a place, unless one zooms in
const MARGIN = 14; // pixels around all
const GLIDE_MS = 900; // from one layout to the next
const WAYPOINTS = [0.5, 0.6, 0.4, 0.7, 0.3]; // of a line, where its distance may stand
const WIDEST = 32; // pixels of a distance
const GUEST = [255, 176, 66]; // the ring of who is no row of the zoo

export class ZooMap {
  /** `on` has hover(row or null, x, y), pick(row, asSecond), lasso(rows) and moved(). */
  constructor(canvas, zoo, on, still) {
    Object.assign(this, { canvas, zoo, on, still });
    this.shown = new Uint8Array(zoo.size).fill(1); // passes the filter
    this.picked = []; // rows with a ring
    this.focus = null; // row under the pointer or the keyboard
    this.near = { from: null, rows: [], apart: [] };
    this.guest = null; // who is no row of the zoo: null wherever rows are named
    this.columns = Math.max(1, Math.floor(SHEET_PIXELS / zoo.width));
    this.aSheet = this.columns * Math.max(1, Math.floor(SHEET_PIXELS / zoo.height)); // pictures
    this.sheets = Array.from({ length: Math.ceil(zoo.size / this.aSheet) }, () => document.createElement("canvas"));
    this.inkOnly = zoo.targets.every((value, i) => value === zoo.targets[i - (i % 4)]);
    [this.zoom, this.centre] = [1, [0.5, 0.5]];
    new ResizeObserver(() => this.redraw()).observe(canvas);
    listen(this);
  }

  /** Take the places of a layout (see chart.py); pictures glide there if they had others. */
  setLayout({ points, tile }) {
    const from = this.points;
    this.points = points;
    this.tile = tile;
    const axes = [0, 1].map((axis) => points.map((point) => point[axis]));
    this.low = axes.map((values) => values.reduce((a, b) => Math.min(a, b)));
    this.high = axes.map((values) => values.reduce((a, b) => Math.max(a, b)));
    if (this.zoom === 1) this.centre = this.#middle;
    if (from && !this.still) this.#glide(from, points);
    this.redraw();
  }

  #glide(from, to) {
    const began = performance.now();
    const frame = (now) => {
      if (this.points !== to && this.points !== this.between) return; // a newer layout
      const share = Math.min(1, (now - began) / GLIDE_MS);
      const eased = share * share * (3 - 2 * share);
      this.between = to.map(([x, y], row) => [from[row][0] + eased * (x - from[row][0]), from[row][1] + eased * (y - from[row][1])]);
      this.points = share < 1 ? this.between : to;
      this.redraw();
      if (share < 1) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
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

  /** Change what is drawn: `shown`, `picked`, `near`, `guest` or `rope`. */
  set(changes) {
    Object.assign(this, changes);
    this.redraw();
  }

  fit() {
    this.zoom = 1;
    this.centre = this.low ? this.#middle : [0.5, 0.5];
    this.redraw();
    this.on.moved();
  }

  get #middle() {
    return [0, 1].map((axis) => (this.low[axis] + this.high[axis]) / 2);
  }

  /** Where it looks, as a short text for an address; empty if it shows all. */
  get view() {
    const numbers = [...this.centre, this.zoom].map((value) => +value.toPrecision(4));
    const all = this.zoom === 1 && (!this.low || String(this.centre) === String(this.#middle));
    return all ? "" : numbers.join(" ");
  }

  set view(text) {
    const numbers = text.split(" ").map(Number);
    if (numbers.length !== 3 || !numbers.every(Number.isFinite)) return;
    this.centre = numbers.slice(0, 2);
    this.zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], numbers[2]));
    this.redraw();
  }

  /** Whether there are places, and a map in sight to draw them on: class mode hides it. */
  get #drawn() {
    return Boolean(this.points && this.canvas.clientWidth);
  }

  /** Bring a row into the middle if it is out of sight. */
  reveal(row) {
    if (!this.#drawn) return;
    const [x, y] = this.screen(row);
    const { clientWidth, clientHeight } = this.canvas;
    if (x < 20 || y < 20 || x > clientWidth - 20 || y > clientHeight - 20) {
      this.centre = [...this.#placeOf(row)];
      this.redraw();
    }
  }

  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.#drawn && this.colours) this.#draw();
    });
  }

  /** Pixels of the unit square: at zoom 1 all places and the pictures on them are in sight. */
  get unit() {
    const { clientWidth, clientHeight } = this.canvas;
    const beside = this.tile ? 0 : this.#loose; // a picture's part that no place has room for
    const spans = [clientWidth, clientHeight].map(
      (pixels, axis) =>
        (pixels - 2 * MARGIN - beside) / Math.max(this.high[axis] - this.low[axis] + (this.tile ?? 0), 1e-6),
    );
    return Math.min(...spans, this.tile ? LARGEST / this.tile : Infinity) * this.zoom;
  }

  /** Side of a picture, in pixels, where places overlap: smaller than the space zoomed into. */
  get #loose() {
    const { clientWidth, clientHeight } = this.canvas;
    return Math.max(12, (0.84 * Math.min(clientWidth, clientHeight)) / Math.sqrt(this.zoo.size)) * this.zoom ** 0.6;
  }

  get side() {
    return this.tile ? FILL * this.tile * this.unit : this.#loose;
  }

  #placeOf(row) {
    return row === null ? this.guest.place(this.points, this.tile) : this.points[row];
  }

  screen(row) {
    const { clientWidth, clientHeight } = this.canvas;
    const [x, y] = this.#placeOf(row);
    const { unit } = this;
    return [
      clientWidth / 2 + (x - this.centre[0]) * unit,
      clientHeight / 2 + (y - this.centre[1]) * unit,
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
    const { side } = this;
    context.imageSmoothingEnabled = side < 2.5 * this.zoo.width;
    this.#drawLines(context);
    for (const wanted of [0, 1]) {
      context.globalAlpha = wanted ? 1 : 0.13;
      for (let row = 0; row < this.zoo.size; row++) {
        if (this.shown[row] === wanted) this.#drawRow(context, row, side, !this.inkOnly);
      }
    }
    context.globalAlpha = 1;
    const larger = this.tile ? side : 1.25 * side; // where each has a place, nobody covers another
    for (const row of this.picked) this.#drawRow(context, row, larger, true, 3);
    if (this.focus !== null) this.#drawRow(context, this.focus, larger, true, 1.5);
    if (this.guest) this.#drawGuest(context, larger);
    this.#drawDistances(context);
    if (this.rope) this.#drawRope(context);
  }

  #drawRow(context, row, side, onTile, ring = 0) {
    const [x, y] = this.screen(row);
    const { clientWidth, clientHeight } = this.canvas;
    if (x < -side || y < -side || x > clientWidth + side || y > clientHeight + side) return;
    if (onTile) this.#drawTile(context, [x, y], side, this.colours[row], ring);
    const sheet = this.sheets[Math.floor(row / this.aSheet)];
    this.#drawPicture(context, [x, y], side, sheet, this.#corner(row));
  }

  #drawGuest(context, side) {
    this.#drawTile(context, this.screen(null), side, GUEST, 3);
    this.#drawPicture(context, this.screen(null), side, this.guest.canvas, [0, 0]);
  }

  #drawTile(context, [x, y], side, colour, ring) {
    const edge = side / 2 + Math.min(3, 0.08 * side);
    context.beginPath();
    context.roundRect(x - edge, y - edge, 2 * edge, 2 * edge, Math.min(6, edge / 4));
    context.fillStyle = ring ? this.#style.backgroundColor : css(colour, 0.35);
    context.fill();
    if (!ring) return;
    context.strokeStyle = css(colour);
    context.lineWidth = ring;
    context.stroke();
  }

  #drawPicture(context, [x, y], side, canvas, corner) {
    const { height, width } = this.zoo;
    const scale = side / Math.max(height, width);
    const [w, h] = [width * scale, height * scale];
    context.drawImage(canvas, ...corner, width, height, x - w / 2, y - h / 2, w, h);
  }

  get #style() {
    return getComputedStyle(this.canvas);
  }

  #drawLines(context) {
    const { from, rows } = this.near;
    context.strokeStyle = this.#style.borderTopColor;
    context.lineWidth = 1;
    for (const row of rows) {
      context.beginPath();
      context.moveTo(...this.screen(from));
      context.lineTo(...this.screen(row));
      context.stroke();
    }
  }

  /** On each line how far its ends are apart, where no picture and no other number is. */
  #drawDistances(context) {
    const { from, rows, apart } = this.near;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    const written = [];
    rows.forEach((row, i) => {
      const [[x, y], [u, v]] = [this.screen(from), this.screen(row)];
      const ways = WAYPOINTS.map((share) => [x + share * (u - x), y + share * (v - y)]);
      const place = ways.find((one) => this.#isFree(one, written));
      if (!place) return; // the list of neighbours has it
      written.push(place);
      const text = apart[i].toPrecision(2);
      const wide = context.measureText(text).width + 6;
      context.fillStyle = this.#style.backgroundColor;
      context.fillRect(place[0] - wide / 2, place[1] - 7, wide, 14);
      context.fillStyle = this.#style.color;
      context.fillText(text, ...place);
    });
  }

  /** Whether a number can stand at a place: pictures have their ink in their middle. */
  #isFree([x, y], written) {
    if (written.some(([a, b]) => Math.abs(a - x) < WIDEST && Math.abs(b - y) < 14)) return false;
    const ink = 0.36 * this.side;
    return !this.points.some((_, row) => {
      const [a, b] = this.screen(row);
      return Math.abs(a - x) < ink + WIDEST / 2 && Math.abs(b - y) < ink + 7;
    });
  }

  #drawRope(context) {
    context.beginPath();
    for (const place of this.rope) context.lineTo(...place);
    context.closePath();
    context.strokeStyle = this.#style.color;
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
  }

  /** The row at a place on the canvas, or null. */
  rowAt(x, y) {
    if (!this.points) return null;
    let best = null;
    let least = Math.max(12, 0.65 * this.side);
    for (let row = 0; row < this.zoo.size; row++) {
      if (!this.shown[row]) continue;
      const [px, py] = this.screen(row);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  }

  /** The rows, of those shown, within a closed line of places on the canvas. */
  within(rope) {
    const inside = ([x, y]) =>
      rope.reduce((odd, [ax, ay], i) => {
        const [bx, by] = rope[(i + 1) % rope.length];
        const crosses = ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax;
        return crosses ? !odd : odd;
      }, false);
    return [...this.shown.keys()].filter((row) => this.shown[row] && inside(this.screen(row)));
  }

  zoomAt(x, y, factor) {
    if (!this.points) return;
    const before = this.unit;
    this.zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], this.zoom * factor));
    const { clientWidth, clientHeight } = this.canvas;
    const away = [x - clientWidth / 2, y - clientHeight / 2];
    this.centre = this.centre.map((at, axis) => at + away[axis] / before - away[axis] / this.unit);
    this.redraw();
    this.on.moved();
  }

  panBy(x, y) {
    if (!this.points) return;
    this.centre = [this.centre[0] - x / this.unit, this.centre[1] - y / this.unit];
    this.redraw();
    this.on.moved();
  }

  hover(row, x, y) {
    if (row === this.focus && row === null) return;
    this.focus = row;
    this.on.hover(row, x, y);
    this.redraw();
  }

  /** Move the focus to the next NCA in a direction, preferring those straight ahead. */
  walk([dx, dy]) {
    if (!this.points) return;
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
    this.hover(best, ...this.screen(best));
  }
}
