// What the page shows, as the end of its address: "#7-012&b=3-000&mix=0.25&view=error".

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a stray % that a person typed
  }
};

/** What an address asks for; whatever it does not name is undefined. */
export function readAddress(hash) {
  const [id, ...settings] = hash.replace(/^#/, "").split("&");
  const found = { id: decoded(id) || undefined };
  for (const setting of settings) {
    const [key, value = ""] = setting.split("=", 2).map(decoded);
    if (key) found[key] = value ?? "";
  }
  return found;
}

/** The address of what is shown: `id`, then every setting that is neither empty nor undefined. */
export function writeAddress({ id, ...settings }) {
  const said = Object.entries(settings).filter(([, value]) => value !== undefined && value !== "");
  const parts = said.map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  return `#${[encodeURIComponent(id), ...parts].join("&")}`;
}
