// The keys of the whole page. Where one types or chooses, keys mean what they always do.

const TYPED = "input:not([type=range]):not([type=radio]):not([type=checkbox]), select";
const OWN_SPACE = "input:is([type=radio], [type=checkbox]), summary"; // it chooses, or opens

/** Who has chosen from a list by mouse or finger is done with it: keys are the page's again. */
function leaveChoices() {
  let byHand = false;
  addEventListener("pointerdown", () => { byHand = true; }, true);
  addEventListener("keydown", () => { byHand = false; }, true);
  addEventListener("change", ({ target }) => byHand && target.matches("select") && target.blur());
}

const CHOICE = "nca-zoo: keys of one character";

/** Whether they act is a person's choice, kept where the browser keeps such things (not of every file). */
function keepChoice(box) {
  try {
    box.checked = localStorage.getItem(CHOICE) !== "off";
    box.addEventListener("change", () => localStorage.setItem(CHOICE, box.checked ? "on" : "off"));
  } catch {
    // then it holds for this visit
  }
}

/** `page` is the Page of main.js. */
export function listenToKeys(page, parts) {
  const { tank, modes } = page;
  const acts = {
    " ": () => tank.play(!tank.playing),
    ".": () => tank.oneStep(),
    r: () => parts.restart.click(),
    u: () => parts.undo.click(),
    n: () => parts.random.click(),
    d: () => parts.draw.hidden || parts.draw.click(),
    b: () => page.choosing(!page.choosesB),
    c: () => parts.large.click(),
    f: () => parts.full.click(),
    "?": () => parts.help.showModal(),
    Escape: () => leave(),
  };
  const inClass = { PageDown: () => parts.random.click(), PageUp: () => page.back() };

  function leave() {
    if (page.choosesB) page.choosing(false);
    else if (page.map.lassoing) page.finder.lassoing(false);
    else modes.large(false);
  }

  /** What a key does here, or undefined. */
  function actOf({ key }) {
    if (!modes.isLarge) return acts[key];
    return /^\d$/.test(key) ? () => page.visit(page.lucky(page.zoo.codeOf(key)), false) : (inClass[key] ?? acts[key]);
  }

  leaveChoices();
  keepChoice(parts.letters);
  addEventListener("keydown", (event) => {
    const act = actOf(event);
    if (event.key.length === 1 && event.key !== " " && !parts.letters.checked) return;
    if (!act || event.ctrlKey || event.metaKey || event.altKey || parts.help.open) return;
    if (event.key !== "Escape" && event.target.matches?.(TYPED)) return;
    if (event.key === " " && event.target.matches?.(OWN_SPACE)) return;
    event.preventDefault();
    act();
  });
  // Firefox presses a button when Space is let go; here Enter does, and Space plays.
  addEventListener("keyup", (event) => {
    if (event.key === " " && event.target.matches?.("button") && !parts.help.open) event.preventDefault();
  });
}
