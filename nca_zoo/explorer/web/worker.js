// Where a drawing's NCA learns: in a worker, so that the page stays smooth.
//
// Takes { begin }, what a Learner is made of, and { going }, whether to learn. Says after every
// training step { step, loss, weights, dB, done }; of dB, every few steps, as many as were measured.

import { Learner } from "explore/learner.js";

const LOOK_EVERY = 5; // training steps: a look takes as long as one of them
let learner = null;
let going = false;

function turn() {
  if (!going) return;
  const loss = learner.learn();
  const { step, weights, regime } = learner;
  const looked = step % LOOK_EVERY === 0;
  const dB = looked ? learner.look(undefined, regime.stops) : [];
  const done = looked && (step >= regime.steps || learner.isDone(dB));
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
