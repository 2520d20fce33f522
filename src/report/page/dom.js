// Elements from texts: the only way anything comes onto the page, so nothing that was written
// elsewhere is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "style") for (const [key, to] of Object.entries(value)) node.style.setProperty(key, to);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** Puts other children in the place of those a node has. */
function refill(node, ...children) {
  node.replaceChildren();
  return fill(node, {}, children);
}

const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const draw = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const byId = (id) => document.getElementById(id);

const whole = new Intl.NumberFormat("en-US");
const number = (value) => whole.format(value);
const many = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/** Dollars as the ledger writes them ("0.100000"), without the zeros nobody reads. */
function money(dollars) {
  const [units, parts = ""] = String(dollars).split(".");
  const minus = units.startsWith("-") ? "-" : "";
  return `${minus}$${number(Math.abs(Number(units)))}.${parts.replace(/0+$/, "").padEnd(2, "0")}`;
}

const micros = (dollars) => Math.round(Number(dollars) * 1e6);
const dollars = (amount) => (amount / 1e6).toFixed(6);

function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; bytes >= 1000 && at < units.length - 1; at += 1) bytes /= 1000;
  return `${at === 0 ? bytes : bytes.toFixed(1)} ${units[at]}`;
}

const two = (value) => String(value).padStart(2, "0");
const clockOf = (ms, seconds) => {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ""}`;
};
function moment(ms) {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clockOf(ms, true)}`;
}

/** A relative path as an address: no part of it can be a scheme, a query or a fragment. */
const address = (path) => path.split("/").map((part) => (part === ".." ? part : encodeURIComponent(part))).join("/");

/** A command with a button that copies it. */
function command(text) {
  const button = el("button", { type: "button", class: "quiet", "aria-label": `Copy: ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return el("div", { class: "command" }, el("code", {}, text), button);
}

const STATES = {
  done: "done", pending: "waiting", submitting: "being submitted", submitted: "generating",
  ready: "to be fetched", storing: "being stored", failed: "failed", unknown: "unknown outcome",
  lost_output: "output lost", quarantined: "set aside", canceled: "canceled", invalid: "invalid",
};
const stateName = (state) => STATES[state] ?? state;
