// What can be done with one entry: a menu that opens at its row.

const menu = make("div", { id: "menu", role: "menu", hidden: true });
document.body.append(menu);
let menuOwner = null;

function actionsOf(entry) {
  const all = [];
  const isFile = entry.kind === "file";
  all.push([words.open, () => open(entry)]);
  if (rights.has("get")) {
    const href = `${entry.href}?${isFile ? "download" : "zip"}`;
    all.push([isFile ? words.download : `${words.download} (zip)`, () => follow(href)]);
    if (isFile) all.push([words.open_tab, () => window.open(entry.href, "_blank", "noopener")]);
  }
  all.push([words.copy_link, () => copyLink(new URL(entry.href, location.href).href)]);
  if (isFile && data.shares && rights.has("get")) all.push([words.share, () => share(entry)]);
  if (rights.has("rename")) all.push([words.rename, () => rename(entry)]);
  if (rights.has("delete")) all.push([`${words.delete}…`, () => remove([entry]), "danger"]);
  return all;
}

function openMenu(button, entry) {
  closeMenu();
  menuOwner = button;
  button.setAttribute("aria-expanded", "true");
  menu.setAttribute("aria-label", entry.name);
  menu.replaceChildren(
    ...actionsOf(entry).map(([label, act, kind]) =>
      make(
        "button",
        {
          type: "button",
          role: "menuitem",
          tabindex: "-1",
          class: kind,
          onclick: () => {
            closeMenu(true);
            act();
          },
        },
        label,
      ),
    ),
  );
  menu.hidden = false;
  const at = button.getBoundingClientRect();
  const room = document.documentElement;
  const top = at.bottom + menu.offsetHeight > room.clientHeight ? at.top - menu.offsetHeight : at.bottom;
  menu.style.left = `${Math.max(8, Math.min(at.right - menu.offsetWidth, room.clientWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, top)}px`;
  menu.firstElementChild.focus();
}

function closeMenu(giveBack = false) {
  if (menu.hidden) return;
  menu.hidden = true;
  menuOwner.removeAttribute("aria-expanded");
  if (giveBack && menuOwner.isConnected) menuOwner.focus();
}

menu.addEventListener("keydown", (event) => {
  const items = [...menu.children];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) items[(to + items.length) % items.length].focus();
  else if (event.key === "Escape") closeMenu(true);
  else if (event.key === "Tab") closeMenu();
  else return;
  if (event.key !== "Tab") event.preventDefault();
  event.stopPropagation();
});
document.addEventListener("pointerdown", (event) => {
  if (!menu.contains(event.target) && event.target !== menuOwner) closeMenu();
});
window.addEventListener("blur", () => closeMenu());
window.addEventListener("resize", () => closeMenu());
document.addEventListener("scroll", () => closeMenu(), true);

// A download begins, and the page stays.
function follow(href) {
  const anchor = make("a", { href, hidden: true, download: true });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

async function copyLink(url) {
  try {
    await navigator.clipboard.writeText(url);
    say(words.copied);
  } catch {
    // Browsers let pages copy under TLS alone.
    await ask({ title: words.copy_link, fields: [readOnly(url)], buttons: [[words.close, null]] });
  }
}
function readOnly(text) {
  return make("input", { class: "wide", value: text, readonly: true, "aria-label": words.copy_link, onfocus: (event) => event.target.select() });
}
