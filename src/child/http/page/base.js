// What all parts of the page use: its words, elements, figures in the reader's own form, and requests to the server.
// Names come as data and become text; nothing here makes HTML of them, and the page's policy (Trusted Types) would not let it.

const data = JSON.parse(document.getElementById("data").textContent);
const words = data.words;
const errors = Object.fromEntries(words.errors);
const rights = new Set(data.rights);
const locale = navigator.language || words.lang;
const $ = (id) => document.getElementById(id);

function fill(text, ...values) {
  return values.reduce((filled, value) => filled.replace("{}", () => value), text);
}

// make("a", {href, class, onclick}, child, "text")
function make(tag, given = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...inside);
  return element;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
const figures = new Map();
function figure(options) {
  const key = JSON.stringify(options);
  if (!figures.has(key)) figures.set(key, new Intl.NumberFormat(locale, options));
  return figures.get(key);
}
function showSize(bytes) {
  // Not every language has a short word for these.
  if (bytes < 999.5) return `${figure({ maximumFractionDigits: 0 }).format(bytes)} B`;
  let unit = 0;
  while (bytes >= 999.5 && unit < UNITS.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && bytes < 100 ? 1 : 0;
  return figure({ style: "unit", unit: UNITS[unit], unitDisplay: "short", maximumFractionDigits: digits }).format(bytes);
}
function showNumber(number) {
  return figure({}).format(number);
}
const moments = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
function showMoment(seconds) {
  const moment = new Date(seconds * 1000);
  return Number.isNaN(moment.getTime()) ? "" : moments.format(moment);
}
function showSpan(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// Said to everybody for a moment, and to screen readers politely.
const toast = make("div", { id: "toast", role: "status", "aria-live": "polite" });
document.body.append(toast);
let toastEnd = 0;
function say(text) {
  toast.textContent = text;
  // What is said over a dialog has to stand in it.
  (document.querySelector("dialog[open]") || document.body).append(toast);
  toast.classList.add("shown");
  clearTimeout(toastEnd);
  toastEnd = setTimeout(() => toast.classList.remove("shown"), 5000);
}

class Refused extends Error {
  constructor(status, code, message) {
    super(errors[code] || message || `${status}`);
    this.status = status;
    this.code = code;
  }
}

function capital(text) {
  return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
}

// What a refusal says: JSON, where the server made it.
function refusedBy(status, body) {
  try {
    const told = JSON.parse(body);
    return new Refused(status, told.error, capital(told.message || ""));
  } catch {
    return new Refused(status, "", status === 401 ? words.login_again : `${status}`);
  }
}

// A request that is answered in JSON, or not at all. Throws Refused.
async function request(method, url, headers = {}, body = undefined) {
  let answer;
  try {
    answer = await fetch(url, { method, headers: { Accept: "application/json", ...headers }, body, cache: "no-store" });
  } catch {
    throw new Refused(0, "", words.no_network);
  }
  if (!answer.ok) throw refusedBy(answer.status, await answer.text());
  return answer;
}

// Shows what went wrong, where somebody was waiting for it.
function showError(error) {
  if (error.status === 401) toLogin();
  else say(error.message);
}
function toLogin() {
  if (uploadsUnderWay()) say(words.login_again);
  else location.assign(`/-/login?to=${encodeURIComponent(location.pathname + location.search)}`);
}

// Where a link of this page leads: the path of a URL.
const pathOf = (href) => new URL(href, location.href).pathname;
const here = () => location.pathname;
// A name as the server writes it in links.
function hrefOf(name) {
  const escape = (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(name).replace(/[!'()*]/g, escape);
}

const TYPES = {
  image: "png jpg jpeg gif webp avif bmp ico",
  video: "mp4 m4v webm ogv mov mkv",
  audio: "mp3 m4a aac ogg oga opus flac wav weba",
  pdf: "pdf",
  archive: "zip gz tgz xz bz2 zst 7z rar tar deb rpm jar iso dmg",
  text:
    "txt svg md markdown rst log csv tsv json jsonl xml yaml yml toml ini cfg conf html htm xhtml css js mjs cjs ts tsx jsx rs c h cc cpp hpp go py rb " +
    "php java kt swift sh bash zsh fish ps1 bat sql tex bib diff patch srt vtt sub nfo asc pem crt csr pub lock gitignore env properties gradle " +
    "cmake mk lua pl pm r m scala hs ml el clj vue svelte graphql proto adoc org textile service desktop",
};
const TYPE_OF = new Map(
  Object.entries(TYPES).flatMap(([type, all]) => all.split(" ").map((extension) => [extension, type])),
);
function typeOf(entry) {
  if (entry.kind === "folder") return "folder";
  const dot = entry.name.lastIndexOf(".");
  // Files without an extension are read by people more often than not.
  if (dot < 0) return entry.size < 1e6 ? "text" : "file";
  return TYPE_OF.get(entry.name.slice(dot + 1).toLowerCase()) || "file";
}
