// The page comes to life: its buttons, its keys, and what is dropped on it.

const tools = $("tools") || document.querySelector(".bar").appendChild(make("div", { class: "tools", id: "tools" }));
const button = (label, look, act) => make("button", { type: "button", class: look, onclick: act }, label);

if (rights.has("put")) {
  $("upload").hidden = true;
  const files = picker({});
  const folders = picker({ webkitdirectory: true, id: "pick-folder", "aria-label": words.upload_folder });
  files.id = "pick-files";
  const inside = [button(words.upload_files, "first up", () => files.click())];
  if ("webkitdirectory" in folders) inside.push(button(words.upload_folder, "up-folder", () => folders.click()));
  tools.prepend(...inside);
  document.querySelector("main").append(make("p", { class: "hint" }, words.drop_here));

  const veil = make("div", { id: "veil", hidden: true }, make("p", {}, words.drop_here));
  document.body.append(veil);
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    dropped(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => {
    for (const file of event.clipboardData ? event.clipboardData.files : []) add(file, here(), file.name);
  });
}
if (rights.has("mkdir")) tools.insertBefore(button(words.new_folder, "mkdir", newFolder), $("zip"));
if (list) {
  if (rights.has("delete")) {
    const all = make("input", { type: "checkbox", id: "pick-all", "aria-label": words.select_all });
    all.addEventListener("change", () => shownEntries().forEach((entry) => select(entry, all.checked)));
    list.tHead.querySelector(".n").prepend(all);
    const chosen = () => state.entries.filter((entry) => selected.has(entry.href));
    $("tools").after(
      make(
        "div",
        { id: "selection", class: "tools", hidden: true, role: "region", "aria-label": words.select_all },
        make("span", { id: "selected" }),
        button(words.delete, "danger", () => remove(chosen())),
        button(words.cancel, "", () => (selected.clear(), showSelected())),
      ),
    );
  } else document.body.append(make("div", { id: "selection", hidden: true }), make("span", { id: "selected", hidden: true }));
  readRows();
  filterField.addEventListener("input", filterChanged);
  filter.addEventListener("submit", (event) => {
    event.preventDefault();
    moveFocus(1);
  });
  showCount();
  $("count").setAttribute("aria-live", "polite");
  rows.addEventListener("change", (event) => {
    if (event.target.matches(".pick")) select(entryOf.get(event.target.closest("tr")), event.target.checked);
  });
  document.addEventListener("click", clicked);
  window.addEventListener("popstate", () => load(location.href, "keep"));
  // A page that comes back from the browser's memory may be old.
  window.addEventListener("pageshow", (event) => event.persisted && refresh());
}
window.addEventListener("beforeunload", (event) => uploadsUnderWay() && event.preventDefault());

function clicked(event) {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const more = event.target.closest(".more");
  if (more) {
    if (menuOwner === more && !menu.hidden) closeMenu(true);
    else openMenu(more, entryOf.get(more.closest("tr")));
    return;
  }
  const anchor = event.target.closest("a");
  if (!anchor || anchor.origin !== location.origin || anchor.target || anchor.hasAttribute("download")) return;
  if (anchor.matches(".who a, .get, #zip")) return;
  const row = anchor.closest("#rows tr");
  if (row) {
    const entry = entryOf.get(row);
    if (entry.kind === "file" && !rights.has("get")) return event.preventDefault();
    event.preventDefault();
    open(entry);
    return;
  }
  if (!anchor.closest("#crumbs, thead, #pager")) return;
  event.preventDefault();
  load(anchor.href, anchor.closest("thead") ? "replace" : "push");
}

const KEYS = {
  ArrowDown: () => moveFocus(1),
  ArrowUp: () => moveFocus(-1),
  Home: () => moveFocus(-Infinity),
  End: () => moveFocus(Infinity),
  "/": () => filterField.focus(),
  "?": showKeys,
  Backspace: () => here() !== "/" && load(new URL("..", location.href).pathname, "push"),
  n: () => rights.has("mkdir") && newFolder(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !menu.hidden) return;
  const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (typing) {
    if (typing !== filterField) return;
    if (event.key === "ArrowDown") moveFocus(1);
    else if (event.key === "Escape" && filterField.value) {
      filterField.value = "";
      filterChanged();
    } else return;
    event.preventDefault();
    return;
  }
  if (event.key === "u" && rights.has("put")) {
    event.preventDefault();
    $("pick-files").click();
    return;
  }
  if (!list) return;
  const entry = focusedEntry();
  const act = KEYS[event.key] || (entry && ofEntry(entry)[event.key]);
  if (!act) return;
  event.preventDefault();
  act();
});
function ofEntry(entry) {
  const chosen = state.entries.filter((one) => selected.has(one.href));
  return {
    " ": () => rights.has("delete") && select(entry, !selected.has(entry.href)),
    Delete: () => rights.has("delete") && remove(chosen.length > 0 ? chosen : [entry]),
    F2: () => rights.has("rename") && rename(entry),
    r: () => rights.has("rename") && rename(entry),
  };
}
document.documentElement.classList.add("live");
