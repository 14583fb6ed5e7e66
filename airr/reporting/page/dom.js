// Elements from data. Every text becomes a text node: nothing a model wrote is ever parsed.

const SVG = "http://www.w3.org/2000/svg";

// what could reorder or hide the text around it is shown as its code
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const visible = (text) =>
  String(text).replace(HIDDEN, (c) => `\u27e8U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
  return element;
}

const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

const FATES = {
  "better": "better", "within noise": "noise", "worse": "worse", "not compared": "uncompared",
  "withheld": "withheld", "dropped": "dropped", "failed": "failed", "open": "open",
};
const tone = (fate) => `is-${FATES[fate]}`;

const fixed = (value, digits = 4) => value.toFixed(digits).replace("-", "\u2212");
const signed = (value, digits = 4) => (value >= 0 ? "+" : "") + fixed(value, digits);
const scoreText = (score) =>
  score ? fixed(score.metric) + (score.error === null ? "" : ` \u00b1 ${fixed(score.error)}`) : "";
const seedsText = (score) => (score && score.seeds > 1 ? `mean of ${score.seeds} seeds` : "");
const gainText = (gain) =>
  gain ? `${gain.is_noise ? "~ " : ""}${signed(gain.value)}${gain.error === null ? "" : ` \u00b1 ${fixed(gain.error)}`}` : "";
const usdText = (cost) =>
  cost.unpriced && cost.unpriced >= cost.calls && !cost.usd ? "unknown"
    : `$${cost.usd.toFixed(cost.usd && cost.usd < 0.1 ? 4 : 2)}${cost.unpriced ? " + unknown" : ""}`;
const hoursText = (hours) => hours >= 100 ? hours.toFixed(0) : hours.toFixed(hours && hours < 0.095 ? 3 : 1);
const secondsText = (seconds) =>
  seconds < 90 ? `${seconds.toFixed(0)} s` : seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
const compactText = (count) =>
  count < 1000 ? String(count) : count < 1e6 ? `${(count / 1e3).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`;
const plainNumber = (value) =>
  Number.isInteger(value) ? value.toLocaleString("en") : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

const address = (place, id) => `#/${place}${id ? `/${encodeURIComponent(id)}` : ""}`;
