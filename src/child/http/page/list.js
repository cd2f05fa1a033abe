// The list: made of the rows the server wrote, and kept up to date without loading the page anew, so that uploads go on meanwhile.

const list = $("list");
const rows = $("rows");
const filter = $("filter");
const filterField = filter ? filter.elements.q : null;

const state = {
  entries: [],
  total: data.total || 0,
  matching: data.matching || 0,
  from: data.from || 0,
  path: data.path,
};
const selected = new Set();
const entryOf = new WeakMap();

function readRows() {
  state.entries = [...rows.rows].map((row) => {
    const link = row.querySelector(".n a");
    const time = row.querySelector("time");
    return {
      name: link.textContent,
      href: link.getAttribute("href"),
      kind: link.classList.contains("d") ? "folder" : "file",
      size: Number(row.querySelector(".s").dataset.n || 0),
      modified: time ? Number(time.dataset.t) : NaN,
      row,
    };
  });
  state.entries.forEach(dress);
}

// What the script adds to a row.
function dress(entry) {
  const { row } = entry;
  entryOf.set(row, entry);
  const link = row.querySelector(".n a");
  link.className = `${entry.kind === "folder" ? "d" : "f"} t-${typeOf(entry)}`;
  if (rights.has("delete")) {
    link.before(
      make("input", { type: "checkbox", class: "pick", "aria-label": fill(words.select, entry.name), tabindex: "-1" }),
    );
  }
  if (entry.kind === "file") row.querySelector(".s").textContent = showSize(entry.size);
  const time = row.querySelector("time");
  if (time) time.textContent = showMoment(entry.modified);
  row.querySelector(".a").append(
    make("button", { type: "button", class: "more", "aria-haspopup": "menu", "aria-label": fill(words.more, entry.name) }),
  );
}

function rowFor(entry) {
  const isFolder = entry.kind === "folder";
  const actions = make("td", { class: "a" });
  if (rights.has("get")) {
    const href = `${entry.href}?${isFolder ? "zip" : "download"}`;
    actions.append(make("a", { class: "get", href, "aria-label": `${words.download} ${entry.name}` }));
  }
  entry.row = make(
    "tr",
    {},
    make("td", { class: "n" }, make("a", { href: entry.href }, entry.name)),
    make("td", { class: "s" }),
    make("td", { class: "m" }, make("time")),
    actions,
  );
  dress(entry);
  return entry.row;
}

function shownEntries() {
  return state.entries.filter((entry) => !entry.row.hidden);
}
const isComplete = () => state.from === 0 && state.total === state.entries.length;

function showCount() {
  const shown = shownEntries().length;
  const matching = isComplete() ? shown : state.matching;
  const all = matching === 1 ? words.entry : fill(words.entries, showNumber(matching));
  const range = shown === 0 ? "0" : `${showNumber(state.from + 1)}–${showNumber(state.from + shown)}`;
  $("count").textContent = shown === matching ? all : fill(words.shown_of, range, all);
  let none = $("none");
  if (!none) {
    none = make("p", { class: "none", id: "none" });
    list.after(none);
  }
  none.hidden = shown > 0;
  none.textContent = state.total === 0 ? words.empty : words.none_match;
}

function link(query, changes) {
  const changed = new URLSearchParams(query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === "" || value === 0) changed.delete(key);
    else changed.set(key, value);
  }
  changed.delete("json");
  const text = changed.toString();
  return text ? `?${text}` : location.pathname;
}

function render(query) {
  rows.replaceChildren(...state.entries.map(rowFor));
  const [sort, order] = [query.get("sort") || "name", query.get("order") || "asc"];
  for (const anchor of list.tHead.querySelectorAll("a")) {
    const by = anchor.dataset.sort;
    const head = anchor.parentElement;
    if (by === sort) head.setAttribute("aria-sort", order === "desc" ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
    const next = by === sort ? (order === "desc" ? "asc" : "desc") : by === "name" ? "asc" : "desc";
    anchor.href = link(query, { sort: by, order: next, from: 0 });
  }
  const step = Number(query.get("count")) || 1000;
  const pager = $("pager");
  pager.querySelectorAll("a").forEach((old) => old.remove());
  if (state.from > 0) {
    const href = link(query, { from: Math.max(0, state.from - step) });
    pager.append(make("a", { class: "button", rel: "prev", href }, words.previous));
  }
  if (state.from + step < state.matching) {
    pager.append(make("a", { class: "button", rel: "next", href: link(query, { from: state.from + step }) }, words.next));
  }
  const names = state.path ? state.path.split("/") : [];
  const parts = location.pathname.split("/").filter((part) => part);
  const crumbs = $("crumbs").firstElementChild;
  [...crumbs.children].slice(1).forEach((old) => old.remove());
  names.forEach((name, i) => {
    const given = { href: `/${parts.slice(0, i + 1).join("/")}/` };
    if (i + 1 === names.length) given["aria-current"] = "page";
    crumbs.append(make("li", {}, make("a", given, name)));
  });
  const top = crumbs.firstElementChild.textContent;
  document.title = names.length > 0 ? `${names.at(-1)} – ${top}` : top;
  const login = document.querySelector(".who a");
  if (login) login.href = `/-/login?to=${encodeURIComponent(location.pathname)}`;
}

// Loads a folder and shows it; `how` is "push" for the next step of the reader, "replace" for the same one, "keep" where it is there already.
let loading = 0;
async function load(href, how) {
  const url = new URL(href, location.href);
  const query = new URLSearchParams(url.search);
  const ask = new URL(url);
  ask.searchParams.set("json", "");
  const mine = ++loading;
  list.setAttribute("aria-busy", "true");
  try {
    const told = await (await request("GET", ask.href)).json();
    if (mine !== loading) return false;
    if (how === "push") history.pushState(null, "", url.pathname + url.search);
    if (how === "replace") history.replaceState(null, "", url.pathname + url.search);
    const isAnother = told.path !== state.path;
    Object.assign(state, { entries: told.entries, total: told.total, matching: told.matching, from: told.from, path: told.path });
    data.user = told.user;
    if (isAnother) {
      selected.clear();
      filterField.value = query.get("q") || "";
    }
    render(query);
    filterLocally();
    keepSelected();
    return true;
  } catch (error) {
    if (mine === loading) {
      // What can only be said by a page of its own.
      if (how === "push" && error.status === 403) location.assign(url.href);
      else showError(error);
    }
    return false;
  } finally {
    if (mine === loading) list.removeAttribute("aria-busy");
  }
}

// Shows what has changed; the focus stays where it was, or near.
async function refresh(focusOn = null) {
  if (!list) return;
  const focused = document.activeElement && document.activeElement.closest("#rows tr");
  const was = focused ? [...rows.rows].indexOf(focused) : -1;
  const href = focusOn || (focused && entryOf.get(focused).href);
  if (!(await load(location.href, "keep"))) return;
  const found = state.entries.find((entry) => entry.href === href);
  if (found) focusRow(found.row);
  else if (was >= 0 && rows.rows.length > 0) focusRow(rows.rows[Math.min(was, rows.rows.length - 1)]);
}

function focusRow(row) {
  row.querySelector(".n a").focus();
}

function moveFocus(step) {
  const all = shownEntries().map((entry) => entry.row);
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement && document.activeElement.closest("#rows tr"));
  const to = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  focusRow(all[to]);
}
function focusedEntry() {
  const row = document.activeElement && document.activeElement.closest("#rows tr");
  return row ? entryOf.get(row) : null;
}

// Filters what is here already, letter by letter; what is not here is asked for.
function filterLocally() {
  const wanted = filterField.value.toLowerCase();
  const local = isComplete();
  for (const entry of state.entries) {
    entry.row.hidden = local && wanted !== "" && !entry.name.toLowerCase().includes(wanted);
  }
  showCount();
}
let filterSoon = 0;
function filterChanged() {
  clearTimeout(filterSoon);
  const query = new URLSearchParams(location.search);
  if (isComplete() && !query.get("q")) {
    filterLocally();
    return;
  }
  filterSoon = setTimeout(() => load(link(query, { q: filterField.value, from: 0 }), "replace"), 200);
}

function keepSelected() {
  const there = new Set(state.entries.map((entry) => entry.href));
  for (const href of selected) if (!there.has(href)) selected.delete(href);
  showSelected();
}
function select(entry, on) {
  if (on) selected.add(entry.href);
  else selected.delete(entry.href);
  showSelected();
}
function showSelected() {
  for (const entry of state.entries) {
    const pick = entry.row.querySelector(".pick");
    if (!pick) return;
    pick.checked = selected.has(entry.href);
    entry.row.classList.toggle("picked", pick.checked);
  }
  const all = $("pick-all");
  if (all) {
    all.checked = selected.size > 0 && selected.size === state.entries.length;
    all.indeterminate = selected.size > 0 && !all.checked;
  }
  const bar = $("selection");
  bar.hidden = selected.size === 0;
  $("selected").textContent = fill(words.selected, showNumber(selected.size));
}
