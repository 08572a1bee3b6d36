// How the map is handled: by mouse, by fingers, by keys, and with a lasso.

const CLICK_PIXELS = 6; // a pointer that moved less was a click
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const pageScrolls = () => document.documentElement.scrollHeight > innerHeight + 1;

/** Attach everything to a ZooMap. While `map.lassoing`, a drag draws a line around NCAs. */
export function listen(map) {
  const { canvas } = map;
  const pointers = new Map(); // of those that are down, where they were last
  let travel = 0;

  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const pinch = (fixed, before, now) => {
    const spread = (place) => Math.hypot(place[0] - fixed[0], place[1] - fixed[1]);
    map.zoomAt(...fixed, spread(now) / Math.max(1, spread(before)));
  };

  canvas.addEventListener("wheel", (event) => {
    if (pageScrolls() && !event.ctrlKey) return; // then the wheel is the page's
    event.preventDefault();
    map.zoomAt(...placeOf(event), Math.exp(-0.0016 * event.deltaY));
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
    map.hover(null); // what is said of one is in the way of what follows
    travel = pointers.size > 1 ? Infinity : 0;
    if (map.lassoing) map.set({ rope: [placeOf(event)] });
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = placeOf(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      map.hover(map.rowAt(...now), ...now);
      return;
    }
    const other = [...pointers].find(([id]) => id !== event.pointerId);
    if (map.rope) map.set({ rope: [...map.rope, now] });
    else if (other) pinch(other[1], before, now);
    else map.panBy(now[0] - before[0], now[1] - before[1]);
    travel += Math.hypot(now[0] - before[0], now[1] - before[1]);
    pointers.set(event.pointerId, now);
  });

  canvas.addEventListener("pointerup", (event) => {
    pointers.delete(event.pointerId);
    const { rope } = map;
    if (rope) map.set({ rope: null });
    if (travel < CLICK_PIXELS) {
      const row = map.rowAt(...placeOf(event));
      if (row !== null) map.on.pick(row, event.shiftKey);
    } else if (rope) map.on.lasso(map.within(rope));
  });

  canvas.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    map.set({ rope: null });
  });

  for (const leaving of ["pointerleave", "blur"]) canvas.addEventListener(leaving, () => map.hover(null));

  canvas.addEventListener("keydown", (event) => {
    const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (WAYS[event.key]) map.walk(WAYS[event.key]);
    else if (event.key === "Enter" && map.focus !== null) map.on.pick(map.focus, event.shiftKey);
    else if (event.key === "+" || event.key === "=") map.zoomAt(...middle, 1.25);
    else if (event.key === "-") map.zoomAt(...middle, 0.8);
    else if (event.key === "0") map.fit();
    else return;
    event.preventDefault();
    event.stopPropagation(); // the page has other uses for some keys
  });
}
