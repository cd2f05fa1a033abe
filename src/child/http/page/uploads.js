// What the reader sees and does of uploads: buttons, dragging, and a panel that tells how far they are.

// Most lines of the panel: of more files, those that are over make room.
const MOST_LINES = 60;

const bar = make("progress", { max: "1", value: "0", "aria-label": words.uploads });
const summary = make("p", { class: "summary" });
const stopAll = make("button", { type: "button", onclick: () => queue.uploads.filter((one) => !one.isOver).forEach((one) => queue.cancel(one)) }, words.cancel);
const clear = make("button", { type: "button", onclick: clearPanel }, words.clear);
const lines = make("ul", {});
const panel = make(
  "section",
  { id: "uploads", "aria-label": words.uploads, hidden: true },
  make("header", {}, make("h2", {}, words.uploads), stopAll, clear),
  bar,
  summary,
  lines,
);
document.body.append(panel);

const lineOf = new Map();
let speed = [];
let wasUnderWay = false;
let shownSoon = 0;
let refreshedAt = 0;

queue.changed = (upload) => {
  if (upload) upload.dirty = true;
  if (!shownSoon) shownSoon = setTimeout(showUploads, 100);
};

function showUploads() {
  shownSoon = 0;
  for (const upload of queue.uploads) if (!upload.isTrimmed && (upload.dirty || !lineOf.has(upload))) showLine(upload);
  trimLines();
  const sum = (of) => queue.uploads.reduce((all, upload) => all + of(upload), 0);
  const counted = queue.uploads.filter((one) => !["cancelled", "skipped"].includes(one.state));
  const total = counted.reduce((all, one) => all + one.file.size, 0);
  const sent = counted.reduce((all, one) => all + one.sent, 0);
  const done = sum((one) => (one.state === "done" ? 1 : 0));
  const failed = sum((one) => (one.state === "failed" ? 1 : 0));
  const underWay = uploadsUnderWay();
  panel.hidden = queue.uploads.length === 0;
  document.body.classList.toggle("uploading", !panel.hidden);
  bar.max = Math.max(total, 1);
  bar.value = total > 0 ? sent : underWay ? 0 : 1;
  stopAll.hidden = !underWay;
  clear.hidden = underWay;
  if (underWay) {
    const parts = [fill(words.uploading, showNumber(done + 1 > counted.length ? counted.length : done + 1), showNumber(counted.length))];
    const rate = rateNow(sent);
    if (rate > 0) parts.push(`${showSize(rate)}/s`, fill(words.left, showSpan((total - sent) / rate)));
    summary.textContent = parts.join(" · ");
  } else {
    const parts = [];
    if (done > 0) parts.push(fill(words.all_done, showNumber(done)));
    if (failed > 0) parts.push(fill(words.some_failed, showNumber(failed)));
    summary.textContent = parts.join(" · ") || capital(counted.length > 0 ? words.done : words.cancelled);
    speed = [];
  }
  if (wasUnderWay && !underWay) {
    forAll = null;
    say(summary.textContent);
  }
  // Few and small ones are over before anybody has looked.
  refreshSoon(underWay ? 2000 : 0);
  wasUnderWay = underWay;
  // The rate changes also when nothing moves.
  if (underWay && !shownSoon) shownSoon = setTimeout(showUploads, 300);
}

// Bytes a second over the last seconds.
function rateNow(sent) {
  const now = performance.now();
  speed.push([now, sent]);
  while (speed.length > 2 && now - speed[0][0] > 4000) speed.shift();
  const [since, before] = speed[0];
  return now > since && sent > before ? ((sent - before) * 1000) / (now - since) : 0;
}

// The list shows what has come, now and then; not while a name is being typed or chosen.
let doneShown = 0;
function refreshSoon(every) {
  const done = queue.uploads.filter((one) => one.state === "done").length;
  if (done === doneShown) return;
  if (!menu.hidden || document.querySelector("dialog[open]")) {
    if (!shownSoon) shownSoon = setTimeout(showUploads, 300);
    return;
  }
  if (every > 0 && performance.now() - refreshedAt < every) return;
  doneShown = done;
  refreshedAt = performance.now();
  refresh();
}

function stateOf(upload) {
  const { file } = upload;
  switch (upload.state) {
    case "running":
      if (upload.resumedAt > 0 && upload.sent <= upload.resumedAt) return fill(words.resuming, showSize(upload.resumedAt));
      return `${showSize(upload.sent)} / ${showSize(file.size)}`;
    case "retrying":
      return fill(words.retrying, showNumber(upload.left));
    case "done":
      return `${showSize(file.size)} · ${words.done}`;
    case "failed":
      return upload.error.message;
    case "asking":
      return words.waiting;
    default:
      return words[upload.state];
  }
}

function showLine(upload) {
  upload.dirty = false;
  let line = lineOf.get(upload);
  if (!line) {
    // Those that wait are many: they get a line when it is their turn, but for the first of them.
    if (upload.state === "waiting" && lines.childElementCount >= MOST_LINES) return;
    const name = make("span", { class: "name" }, upload.below);
    const state = make("span", { class: "state" });
    const meter = make("progress", { max: String(Math.max(upload.file.size, 1)), value: "0", "aria-label": upload.below });
    const button = make("button", { type: "button" });
    button.addEventListener("click", () => (upload.state === "failed" ? queue.again(upload) : queue.cancel(upload)));
    const element = make("li", {}, name, button, meter, state);
    line = { element, name, state, meter, button };
    lineOf.set(upload, line);
    lines.append(element);
  }
  // Those that move stand first.
  if (!line.moved && upload.state !== "waiting") {
    line.moved = true;
    lines.prepend(line.element);
  }
  line.name.textContent = upload.below;
  line.element.className = upload.state;
  line.state.textContent = stateOf(upload);
  line.meter.value = upload.state === "done" ? Math.max(upload.file.size, 1) : upload.sent;
  line.meter.hidden = upload.isOver || upload.state === "waiting";
  const label = upload.state === "failed" ? words.retry : words.cancel;
  line.button.textContent = label;
  line.button.setAttribute("aria-label", `${label}: ${upload.below}`);
  line.button.hidden = upload.isOver && upload.state !== "failed";
}

function trimLines() {
  if (lineOf.size <= MOST_LINES) return;
  for (const [upload, line] of lineOf) {
    if (lineOf.size <= MOST_LINES) return;
    if (!upload.isOver || upload.state === "failed") continue;
    line.element.remove();
    lineOf.delete(upload);
    upload.isTrimmed = true;
  }
}

// Takes away what is over; what failed can be tried again, and goes only when that is meant.
function clearPanel(failed = true) {
  const goes = (one) => one.isOver && (failed || one.state !== "failed");
  for (const [upload, line] of lineOf) {
    if (!goes(upload)) continue;
    line.element.remove();
    lineOf.delete(upload);
  }
  queue.uploads = queue.uploads.filter((one) => !goes(one));
  doneShown = 0;
  showUploads();
}

// What is over is another matter than what comes now.
function beginAnew() {
  if (!uploadsUnderWay()) clearPanel(false);
}

// Files as the system's own dust: nobody means to upload that, and it could not be kept.
function add(file, folder, below) {
  beginAnew();
  const upload = new Upload(file, folder, below);
  if (below.split("/").some((part) => part.startsWith("."))) upload.state = "skipped";
  queue.add(upload);
}

function picker(given) {
  const input = make("input", { type: "file", multiple: true, hidden: true, "aria-label": words.upload_files, ...given });
  input.addEventListener("change", () => {
    const folder = here();
    for (const file of input.files) add(file, folder, file.webkitRelativePath || file.name);
    input.value = "";
  });
  document.body.append(input);
  return input;
}

// Everything that was dropped: folders are gone through, with what is in them.
async function dropped(transfer) {
  const folder = here();
  // Asked for before anything is waited for: afterwards they are gone.
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => (item.webkitGetAsEntry && item.webkitGetAsEntry()) || item.getAsFile());
  beginAnew();
  queue.gathering += 1;
  for (const entry of entries) {
    if (!entry) continue;
    if (entry instanceof File) add(entry, folder, entry.name);
    else await walk(entry, folder, entry.name);
  }
  queue.gathering -= 1;
  queue.changed(null);
}
async function walk(entry, folder, below) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    if (file) add(file, folder, below);
    return;
  }
  const reader = entry.createReader();
  let isEmpty = true;
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (some.length === 0) break;
    isEmpty = false;
    for (const one of some) await walk(one, folder, `${below}/${one.name}`);
  }
  if (isEmpty) {
    const path = `${folder}${below.split("/").map(hrefOf).join("/")}/`;
    await request("MKCOL", `${path}?parents`).catch(showError);
    refresh();
  }
}
