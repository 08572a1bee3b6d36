// What is known of an NCA: its columns, its nearest neighbours, a line while hovering.

import { paintTarget } from "explore/views.js";

/** Fill a <dl> with every column of a row. */
export function describe(list, zoo, row) {
  list.replaceChildren(
    ...zoo.columns.flatMap((column) => {
      const [term, value] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = column.name;
      term.title = column.description;
      value.textContent = zoo.text(column, column.values[row]);
      return [term, value];
    }),
  );
}

/** A button with an NCA's picture, id and distance; a click picks it. */
function portrait(zoo, row, apart, pick) {
  const button = document.createElement("button");
  const canvas = document.createElement("canvas");
  const [label, distance] = ["span", "small"].map((name) => document.createElement(name));
  button.type = "button";
  button.title = `grow ${zoo.nameOf(row)}`;
  paintTarget(canvas, zoo.target(row), zoo.height, zoo.width);
  label.textContent = zoo.ids[row];
  distance.textContent = apart.toPrecision(2);
  button.append(canvas, label, distance);
  button.addEventListener("click", (event) => pick(row, event.shiftKey));
  return button;
}

/** Show the `near`est rows and how far `apart` they are. */
export function showNeighbours(element, zoo, near, apart, pick) {
  const held = [...element.children].indexOf(document.activeElement);
  element.replaceChildren(...near.map((row, i) => portrait(zoo, row, apart[i], pick)));
  element.children[held]?.focus({ preventScroll: true }); // who walks from one to the next by keys
}

const HOVERED = ["label", "status", "psnr_96", "psnr_400", "train_steps", "split"];

/** Show what matters of the row under the pointer, and `also` these columns; null hides it. */
export function hover(tip, zoo, row, x, y, also) {
  tip.hidden = row === null;
  if (row === null) return;
  const title = document.createElement("strong");
  title.textContent = zoo.ids[row];
  const names = [...new Set([...HOVERED, ...also])].filter((name) => zoo.column[name]);
  const lines = names.map((name) => {
    const line = document.createElement("div");
    const column = zoo.column[name];
    line.textContent = `${name === "label" ? "class" : name} ${zoo.text(column, column.values[row])}`;
    return line;
  });
  tip.replaceChildren(title, ...lines);
  const { clientWidth, clientHeight } = tip.parentElement;
  tip.style.left = `${Math.max(4, Math.min(x + 16, clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 16, clientHeight - tip.offsetHeight - 4))}px`;
}
