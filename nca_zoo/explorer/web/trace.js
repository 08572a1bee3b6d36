// The trace: scores over all remembered steps, 0 to 40 dB, and what was done on the way.

import { COLOURS } from "explore/wounds.js";

const LINES = ["#4fd6a0", "#ffb042"]; // A and B
const GRID = "#ffffff22";
const OPEN = "#c3cad6"; // a wound of which nothing is known yet, a seed, the present

/** `lines` are pairs of a subject and the number of the target that it is measured against. */
export function drawTrace(canvas, lines, span) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const context = canvas.getContext("2d");
  const { life } = lines[0][0];
  const x = (step) => ((step - life.first) / span) * (canvas.width - 4 * ratio) + 2 * ratio;
  const y = (db) => canvas.height * (1 - Math.min(40, db) / 42) - ratio;
  context.font = `${9 * ratio}px system-ui, sans-serif`;
  for (const db of [10, 20, 30]) {
    context.fillStyle = GRID;
    context.fillRect(0, y(db), canvas.width, ratio);
    context.fillStyle = "#ffffff88";
    context.fillText(db === 30 ? "30 dB" : db, 3 * ratio, y(db) - 2 * ratio);
  }
  for (const touch of lines[0][0].touches) mark(context, touch, x(touch.step), canvas.height, ratio);
  context.lineWidth = 1.6 * ratio;
  lines.forEach(([subject, target], i) => {
    context.strokeStyle = LINES[i];
    context.beginPath();
    subject.life.past.forEach((state, at) =>
      context.lineTo(x(subject.life.first + at), y(subject.scores(state, subject.life.first + at)[target])),
    );
    context.stroke();
  });
  context.fillStyle = OPEN;
  context.fillRect(x(life.step) - ratio / 2, 0, ratio, canvas.height);
}

function mark(context, touch, x, height, ratio) {
  context.fillStyle = COLOURS[touch.fate] ?? OPEN;
  context.fillRect(x - ratio / 2, 0, ratio, height);
  context.beginPath();
  if (touch.kind === "wound") {
    context.moveTo(x - 4 * ratio, 0);
    context.lineTo(x + 4 * ratio, 0);
    context.lineTo(x, 7 * ratio);
  } else context.arc(x, 4 * ratio, 3 * ratio, 0, 7);
  context.fill();
}
