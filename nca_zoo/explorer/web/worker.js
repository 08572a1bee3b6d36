// Where a drawing's NCA learns: in a worker, so that the page stays smooth.
//
// Takes { begin }, what a Learner is made of, and { going }, whether to learn; says after every
// training step { step, loss, weights, dB, done }, dB only every few steps.

import { Learner } from "explore/learner.js";

const LOOK_EVERY = 5; // training steps: a look takes as long as one of them
let learner = null;
let going = false;

function turn() {
  if (!going) return;
  const loss = learner.learn();
  const { step, weights, regime } = learner;
  const dB = step % LOOK_EVERY === 0 ? learner.look() : null;
  const spent = step >= regime.steps;
  const done = dB !== null && (spent || (Math.min(...dB) >= regime.stops && learner.done));
  if (done) going = false;
  postMessage({ step, loss, weights: weights.slice(), dB, done });
  setTimeout(turn); // what the page says is heard between two steps
}

self.onmessage = ({ data }) => {
  if (data.begin) learner = new Learner(data.begin);
  const began = data.going && !going;
  going = data.going;
  if (began) turn();
};
