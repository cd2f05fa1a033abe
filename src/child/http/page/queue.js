// Uploads: some at once, the others after them; each goes on where it was cut, after any pause, and after the page was closed.

// From so many bytes on a cut upload is kept by the server, and looked for there.
const KEPT_BYTES = 1024 * 1024;
const AT_ONCE = 3;
// Tries in a row in which nothing moves.
const TRIES = 8;
// So long may nothing move within one, in milliseconds.
const STALL = 45000;

class Upload {
  constructor(file, folder, below) {
    this.file = file;
    // Path of the folder that it was dropped into, and of the file below that.
    this.folder = folder;
    this.below = below;
    this.sent = 0;
    this.state = "waiting";
    this.error = null;
    this.replaces = false;
    this.xhr = null;
    this.wake = null;
  }
  get target() {
    return this.folder + this.below.split("/").map(hrefOf).join("/");
  }
  get isLarge() {
    return this.file.size >= KEPT_BYTES;
  }
  get isOver() {
    return ["done", "failed", "cancelled", "skipped"].includes(this.state);
  }
}

// Uploads that were begun, by what they are of: `path size time`. Kept by the browser, so that they can be gone on with after a restart.
const begun = {
  all() {
    try {
      return JSON.parse(localStorage.getItem("forkftp-uploads")) || {};
    } catch {
      return {};
    }
  },
  key: (upload) => JSON.stringify([upload.target, upload.file.size, upload.file.lastModified]),
  has: (upload) => begun.key(upload) in begun.all(),
  set(upload, on) {
    const all = begun.all();
    const week = Date.now() - 7 * 86400000;
    for (const [key, time] of Object.entries(all)) if (time < week) delete all[key];
    if (on) all[begun.key(upload)] = Date.now();
    else delete all[begun.key(upload)];
    try {
      localStorage.setItem("forkftp-uploads", JSON.stringify(all));
    } catch {
      // Without that, they are gone on with as long as the page is open.
    }
  },
};

const queue = {
  uploads: [],
  waiting: [],
  running: new Set(),
  // Folders that were dropped and are still gone through: what of them is here is not all.
  gathering: 0,
  changed: () => {},
  add(upload) {
    this.uploads.push(upload);
    this.waiting.push(upload);
    this.pump();
  },
  again(upload) {
    Object.assign(upload, { state: "waiting", error: null });
    this.waiting.push(upload);
    this.pump();
  },
  pump() {
    while (this.running.size < AT_ONCE && this.waiting.length > 0) {
      const upload = this.waiting.shift();
      if (upload.state !== "waiting") continue;
      this.running.add(upload);
      carry(upload).finally(() => {
        this.running.delete(upload);
        this.changed(upload);
        this.pump();
      });
    }
    this.changed(null);
  },
  cancel(upload) {
    if (upload.isOver) return;
    const wasRunning = upload.state !== "waiting";
    upload.state = "cancelled";
    if (upload.xhr) upload.xhr.abort();
    if (upload.wake) upload.wake();
    if (wasRunning && upload.isLarge) {
      begun.set(upload, false);
      forgetKept(upload.target, 4);
    }
    this.changed(upload);
  },
};
// What came of a cancelled upload is of no use any more. The server may still be at it; where it cannot be told, it forgets by itself.
async function forgetKept(target, tries) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  try {
    await request("DELETE", `${target}?upload`);
  } catch (error) {
    if (error.status === 423 && tries > 1) await forgetKept(target, tries - 1);
  }
}
const uploadsUnderWay = () => queue.gathering > 0 || queue.running.size > 0 || queue.waiting.length > 0;

// Carries one upload to its end, whatever comes between.
async function carry(upload) {
  let tries = 0;
  while (!upload.isOver) {
    const before = upload.sent;
    try {
      await attempt(upload, tries > 0);
    } catch (error) {
      if (upload.isOver) return;
      const again = error.status === 0 || [408, 423, 425, 429, 500, 502, 503, 504].includes(error.status);
      tries = upload.sent > before ? 1 : tries + 1;
      if (!again || tries > TRIES) {
        upload.state = "failed";
        upload.error = error;
        return;
      }
      await pause(upload, Math.min(30, 2 ** (tries - 1)));
    }
  }
}

// Waits, and tells how long still; a network that comes back ends it.
async function pause(upload, seconds) {
  upload.state = "retrying";
  for (let left = seconds; left > 0 && upload.state === "retrying"; left -= 1) {
    upload.left = left;
    queue.changed(upload);
    await new Promise((resolve) => {
      upload.wake = resolve;
      setTimeout(resolve, 1000);
    });
    if (upload.online) break;
  }
  upload.wake = null;
  upload.online = false;
}
window.addEventListener("online", () => {
  for (const upload of queue.running) {
    if (!upload.wake) continue;
    upload.online = true;
    upload.wake();
  }
});
window.addEventListener("offline", () => {
  for (const upload of queue.running) if (upload.xhr) upload.xhr.abort();
});

async function attempt(upload, isAgain) {
  upload.state = "running";
  let offset = 0;
  if (upload.isLarge) {
    offset = await keptOf(upload);
    if (offset > 0 && !isAgain && !begun.has(upload)) {
      // Of some other file that had the same name.
      await request("DELETE", `${upload.target}?upload`);
      offset = 0;
    }
  }
  if (upload.isOver) return;
  if (upload.isLarge && offset === 0 && !upload.replaces && (await isThere(upload, isAgain))) {
    await settleTaken(upload);
    return;
  }
  if (upload.isOver) return;
  if (upload.isLarge) begun.set(upload, true);
  upload.sent = offset;
  upload.resumedAt = offset;
  queue.changed(upload);
  const { status, body, kept } = await put(upload, offset);
  if (status === 200 || status === 201) {
    begun.set(upload, false);
    upload.sent = upload.file.size;
    upload.state = "done";
    return;
  }
  // More or fewer bytes are there than we thought: where to go on is asked anew.
  if (status === 409 && kept !== null) throw new Refused(0, "", "");
  if ((status === 409 || status === 412) && !upload.replaces) {
    const refused = refusedBy(status, body);
    if (status === 412 || refused.code === "exists") {
      await settleTaken(upload);
      return;
    }
    throw refused;
  }
  throw refusedBy(status, body);
}

async function keptOf(upload) {
  try {
    const answer = await request("HEAD", `${upload.target}?upload`);
    const offset = Number(answer.headers.get("Upload-Offset"));
    return Number.isSafeInteger(offset) && offset > 0 && offset < upload.file.size ? offset : 0;
  } catch (error) {
    if (error.status === 0 || error.status >= 500) throw error;
    return 0;
  }
}

// Asked before much is sent in vain. Where names are not shown, this is not, either.
async function isThere(upload, isAgain) {
  if (list && !isAgain && upload.folder === here() && !upload.below.includes("/") && isComplete()) {
    return state.entries.some((entry) => entry.name === upload.below);
  }
  if (!rights.has("list") && !rights.has("get")) return false;
  try {
    await request("HEAD", upload.target);
    return true;
  } catch (error) {
    if (error.status === 0 || error.status >= 500) throw error;
    return false;
  }
}

function put(upload, offset) {
  return new Promise((resolve, reject) => {
    const { file } = upload;
    const xhr = new XMLHttpRequest();
    upload.xhr = xhr;
    let stall = 0;
    const moved = () => {
      clearTimeout(stall);
      // Once all is sent, the server takes its time with the disk.
      if (upload.sent < file.size) stall = setTimeout(() => xhr.abort(), STALL);
    };
    const over = () => {
      clearTimeout(stall);
      upload.xhr = null;
    };
    xhr.upload.addEventListener("progress", (event) => {
      upload.sent = offset + event.loaded;
      if (upload.sent >= file.size) upload.state = "finishing";
      moved();
      queue.changed(upload);
    });
    xhr.addEventListener("load", () => {
      over();
      resolve({ status: xhr.status, body: xhr.responseText, kept: xhr.getResponseHeader("Upload-Offset") });
    });
    for (const end of ["error", "abort", "timeout"]) {
      xhr.addEventListener(end, () => {
        over();
        reject(new Refused(0, "", words.no_network));
      });
    }
    xhr.open("PUT", `${upload.target}${upload.below.includes("/") ? "?parents" : ""}`);
    xhr.setRequestHeader("Accept", "application/json");
    if (file.lastModified > 0) xhr.setRequestHeader("X-OC-Mtime", String(Math.floor(file.lastModified / 1000)));
    if (!upload.replaces) xhr.setRequestHeader("If-None-Match", "*");
    // Also for the whole: a browser that sends it once more of its own accord, when a connection breaks, is then told where to go on.
    if (upload.isLarge) xhr.setRequestHeader("Content-Range", `bytes ${offset}-${file.size - 1}/${file.size}`);
    moved();
    // Without a type, which nobody wants to know.
    xhr.send(file.slice(offset, file.size, ""));
  });
}

// What is to become of files whose names are taken: asked one after another, and once for all if that is wanted.
let forAll = null;
let asking = Promise.resolve();
function settleTaken(upload) {
  upload.state = "asking";
  asking = asking.then(async () => {
    if (upload.isOver) return;
    const choice = forAll || (await askTaken(upload));
    upload.state = "running";
    if (choice === "replace") upload.replaces = true;
    else if (choice === "both") upload.below = nextName(upload.below);
    else upload.state = "skipped";
    if (upload.state === "skipped" && upload.isLarge) begun.set(upload, false);
  });
  return asking;
}

async function askTaken(upload) {
  const box = make("input", { type: "checkbox" });
  const buttons = [[words.skip, "skip"], [words.keep_both, "both"]];
  if (rights.has("overwrite")) buttons.push([words.replace, "replace", "danger"]);
  const others = queue.waiting.length > 0;
  const choice = await ask({
    title: words.uploads,
    text: fill(words.taken, upload.below),
    fields: others ? [make("label", { class: "check" }, box, words.for_all)] : [],
    buttons,
    kind: "names",
  });
  if (box.checked && choice) forAll = choice;
  return choice || "skip";
}

// name.txt, name (2).txt, name (3).txt
function nextName(path) {
  const slash = path.lastIndexOf("/") + 1;
  const name = path.slice(slash);
  const [, stem, number, extension] = /^(.+?)(?: \((\d+)\))?(\.[^.]*)?$/.exec(name);
  return `${path.slice(0, slash)}${stem} (${Number(number || 1) + 1})${extension || ""}`;
}
