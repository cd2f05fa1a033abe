// Questions to the reader, and what comes of the answers: new folders, other names, deletion, links for others.

// Asks, and gives the value of the button that was pressed; null for Escape. A value that is a function is called with the dialog first, and
// only its true ends the dialog. Keys, focus and what lies behind are the browser's own work.
function ask({ title, text = [], fields = [], buttons, kind = "" }) {
  return new Promise((resolve) => {
    const heading = make("h2", { id: "ask-title" }, title);
    const wrong = make("p", { class: "wrong", role: "alert", hidden: true });
    const row = make("div", { class: "buttons" });
    const form = make("form", { method: "dialog" }, heading, ...[text].flat().map((line) => make("p", {}, line)), ...fields, wrong, row);
    const dialog = make("dialog", { class: `ask ${kind}`, "aria-labelledby": "ask-title" }, form);
    let answer = null;
    const press = async (value, button) => {
      if (typeof value === "function") {
        button.disabled = true;
        wrong.hidden = true;
        try {
          if (!(await value(dialog))) return;
          answer = true;
        } catch (error) {
          wrong.textContent = error.message;
          wrong.hidden = false;
          return;
        } finally {
          button.disabled = false;
        }
      } else answer = value;
      dialog.close();
    };
    for (const [label, value, look] of buttons) {
      const button = make("button", { type: look === "first" ? "submit" : "button", class: look }, label);
      if (look !== "first") button.addEventListener("click", () => press(value, button));
      row.append(button);
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const first = buttons.find(([, , look]) => look === "first");
      if (first && form.reportValidity()) press(first[1], row.querySelector(".first"));
    });
    dialog.addEventListener("close", () => {
      if (dialog.contains(toast)) document.body.append(toast);
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    const field = form.querySelector("input:not([type=checkbox]), select");
    if (field) field.focus();
    // Where nothing is typed, the harmless button is at hand.
    else row.firstElementChild.focus();
  });
}

function nameField(label, value = "") {
  const input = make("input", { name: "name", value, required: true, autocomplete: "off", spellcheck: "false", maxlength: "255" });
  return [make("label", {}, label, input), input];
}

async function newFolder() {
  const [label, input] = nameField(words.folder_name);
  const create = async () => {
    await request("MKCOL", `${here()}${hrefOf(input.value)}/`);
    return true;
  };
  const done = await ask({
    title: words.new_folder,
    fields: [label],
    buttons: [[words.cancel, null], [words.create, create, "first"]],
  });
  if (!done) return;
  say(fill(words.created, input.value));
  refresh(`${hrefOf(input.value)}/`);
}

async function rename(entry) {
  const [label, input] = nameField(words.new_name, entry.name);
  const change = async () => {
    if (input.value !== entry.name) {
      const slash = entry.kind === "folder" ? "/" : "";
      await request("MOVE", pathOf(entry.href), { Destination: `${here()}${hrefOf(input.value)}${slash}` });
    }
    return true;
  };
  // What is before the extension is what one changes.
  input.addEventListener("focus", () => {
    const dot = entry.kind === "file" ? entry.name.lastIndexOf(".") : -1;
    input.setSelectionRange(0, dot > 0 ? dot : entry.name.length);
  });
  const done = await ask({
    title: fill(words.more, entry.name),
    fields: [label],
    buttons: [[words.cancel, null], [words.rename.replace("…", ""), change, "first"]],
  });
  if (!done || input.value === entry.name) return;
  say(fill(words.renamed, input.value));
  refresh(`${hrefOf(input.value)}${entry.kind === "folder" ? "/" : ""}`);
}

async function remove(entries) {
  const names = entries.map((entry) => entry.name);
  const isOne = names.length === 1;
  const shown = names.slice(0, 8).join("\n") + (names.length > 8 ? "\n…" : "");
  const sure = await ask({
    title: words.delete,
    text: isOne ? fill(words.delete_one, names[0]) : [fill(words.delete_many, showNumber(names.length)), shown],
    buttons: [[words.cancel, null], [words.delete, true, "danger"]],
    kind: "names",
  });
  if (!sure) return;
  let gone = 0;
  for (const entry of entries) {
    try {
      if (await removeOne(entry)) gone += 1;
    } catch (error) {
      showError(error);
      break;
    }
  }
  selected.clear();
  showSelected();
  if (gone > 0) say(fill(words.deleted, isOne ? names[0] : showNumber(gone)));
  refresh();
}

// A folder that is not empty is asked about once more.
async function removeOne(entry) {
  const path = pathOf(entry.href);
  try {
    await request("DELETE", path);
    return true;
  } catch (error) {
    if (error.code !== "not-empty") throw error;
  }
  const sure = await ask({
    title: words.delete,
    text: fill(words.delete_full, entry.name),
    buttons: [[words.cancel, null], [words.delete_all, true, "danger"]],
    kind: "names",
  });
  if (!sure) return false;
  await request("DELETE", `${path}?recursive`);
  return true;
}

async function share(entry) {
  const path = decodePath(pathOf(entry.href));
  let links;
  try {
    const all = (await (await request("GET", "/-/shares")).json()).shares;
    links = all.filter((one) => one.path.replace(/^\//, "") === path);
  } catch (error) {
    showError(error);
    return;
  }
  const spans = [[1, words.share_hour], [24, words.share_day], [168, words.share_week], [720, words.share_month]];
  const hours = make("select", { name: "hours" }, ...spans.map(([value, label]) => make("option", { value, selected: value === 24 }, label)));
  const counts = [["", words.share_any], ["1", "1"], ["5", "5"], ["20", "20"]];
  const count = make("select", { name: "count" }, ...counts.map(([value, label]) => make("option", { value }, label)));
  let made = null;
  const create = async () => {
    const wanted = { path, hours: Number(hours.value) };
    if (count.value) wanted.count = Number(count.value);
    const answer = await request("POST", "/-/shares", { "Content-Type": "application/json" }, JSON.stringify(wanted));
    made = await answer.json();
    return true;
  };
  await ask({
    title: fill(words.share_title, entry.name),
    fields: [make("label", {}, words.share_hours, hours), make("label", {}, words.share_count, count), ...shareLines(links)],
    buttons: [[words.cancel, null], [words.share_make, create, "first"]],
  });
  if (!made) return;
  const url = new URL(made.url, location.href).href;
  const copy = async () => {
    await copyLink(url);
    return false;
  };
  await ask({
    title: fill(words.share_title, entry.name),
    text: words.share_link,
    fields: [readOnly(url), make("p", {}, fill(words.share_until, showMoment(made.expires)))],
    buttons: [[words.close, null], [words.copy_link, copy, "first"]],
  });
}

// The links that there are already, each with its end.
function shareLines(links) {
  if (links.length === 0) return [];
  const line = (one) => {
    const end = make("button", { type: "button", class: "danger" }, words.share_end);
    const item = make("li", {}, make("a", { href: one.url, target: "_blank", rel: "noopener" }, fill(words.share_until, showMoment(one.expires))), end);
    end.addEventListener("click", async () => {
      try {
        await request("DELETE", `/-/shares/${encodeURIComponent(one.id)}`);
        item.remove();
      } catch (error) {
        showError(error);
      }
    });
    return item;
  };
  return [make("h3", {}, words.share_links), make("ul", { class: "links" }, ...links.map(line))];
}
// Of a URL, without the slash at its beginning.
function decodePath(path) {
  return decodeURIComponent(path.replace(/^\//, ""));
}

function showKeys() {
  const lines = words.keys_list.flatMap(([keys, what]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, what)]);
  return ask({ title: words.keys, fields: [make("dl", { class: "keys" }, ...lines)], buttons: [[words.close, null]] });
}
