// Colours of the map by any column: one each for a few values, a scale for many.

const CLASSES = {
  dark: ["#ff7a85", "#ffa94d", "#ffd84d", "#a5e25a", "#4fd6a0", "#4fd0e8", "#74a9ff", "#a992ff", "#e58bff", "#d7dce6"],
  light: ["#c92a3b", "#c25a00", "#8f6b00", "#4c7d00", "#007f56", "#007a94", "#1f5fd0", "#6741d9", "#a626b8", "#4a5568"],
};
// From low to high, readable on either page.
const SCALES = {
  dark: ["#6a5acd", "#4f8fe0", "#3fc1c0", "#8fdc7a", "#ffe36b"],
  light: ["#d9932a", "#3f9d5c", "#127f91", "#3653b5", "#45147a"],
};
const UNKNOWN = { dark: "#6b7280", light: "#9aa1ac" };

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function along(scale, share) {
  const place = Math.min(0.9999, Math.max(0, share)) * (scale.length - 1);
  const [low, high] = [channels(scale[Math.floor(place)]), channels(scale[Math.floor(place) + 1])];
  return low.map((value, c) => Math.round(value + (place % 1) * (high[c] - value)));
}

const isClasses = (column, values) => !column.number || (column.classes && values.length <= 10);

/**
 * How a column is coloured: `colours`, one [r, g, b] a row, and `legend`, of texts, colours and, for
 * classes, their values. `say` makes a text of a value. Of more than twelve classes no legend tells.
 * Numbers are ranked between their 2nd and 98th percentile, so that one outlier flattens nothing.
 */
export function colouring(column, theme, say) {
  const known = column.values.filter((value) => value !== null);
  const distinct = [...new Set(known)].sort((a, b) => (column.number ? a - b : a < b ? -1 : 1));
  const unknown = channels(UNKNOWN[theme]);
  if (isClasses(column, distinct)) {
    const colourOf = new Map(
      distinct.map((value, i) => [value, channels(CLASSES[theme][i % CLASSES[theme].length])]),
    );
    return {
      colours: column.values.map((value) => colourOf.get(value) ?? unknown),
      legend: [...colourOf].slice(0, 12).map(([value, colour]) => ({ text: say(value), colour, value })),
    };
  }
  const sorted = Float64Array.from(known).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const [low, high] = [at(0.02), at(0.98)];
  const colourOf = (value) => along(SCALES[theme], high > low ? (value - low) / (high - low) : 0.5);
  const middle = (low + high) / 2;
  const marks = high > low ? [low, middle, high] : [low];
  return {
    colours: column.values.map((value) => (value === null ? unknown : colourOf(value))),
    legend: marks.map((value) => ({
      text: `${+value.toPrecision(3)} ${column.units}`.trim(),
      colour: colourOf(value),
    })),
  };
}

export const darkTheme = matchMedia("(prefers-color-scheme: dark)");
export const themeNow = () => (darkTheme.matches ? "dark" : "light");
export const css = ([r, g, b], alpha = 1) => `rgba(${r}, ${g}, ${b}, ${alpha})`;
