// What a file looks like, without leaving the page: text, pictures, sound, films and PDF; and the files before and after it.

// Most bytes of a text that are fetched.
const MOST_TEXT = 512 * 1024;

function open(entry) {
  if (entry.kind === "folder") load(entry.href, "push");
  else if (rights.has("get")) preview(entry);
}

function preview(first) {
  let entry = first;
  let stop = new AbortController();
  const title = make("h2", { id: "preview-title" });
  const facts = make("p", { class: "facts" });
  const stage = make("div", { class: "stage" });
  const get = make("a", { class: "button", download: true }, words.download);
  const tab = make("a", { class: "button", target: "_blank", rel: "noopener" }, words.open_tab);
  const before = make("button", { type: "button", class: "step before", "aria-label": words.previous_file, onclick: () => step(-1) });
  const after = make("button", { type: "button", class: "step after", "aria-label": words.next_file, onclick: () => step(1) });
  const close = make("button", { type: "button", class: "close", "aria-label": words.close, onclick: () => dialog.close() });
  const head = make("header", {}, make("div", {}, title, facts), get, tab, close);
  const dialog = make("dialog", { class: "preview", "aria-labelledby": "preview-title" }, head, stage, before, after);

  const files = () => shownEntries().filter((one) => one.kind === "file");
  function step(by) {
    const all = files();
    const next = all[all.findIndex((one) => one.href === entry.href) + by];
    if (next) show(next);
  }
  function show(next) {
    entry = next;
    stop.abort();
    stop = new AbortController();
    title.textContent = entry.name;
    facts.textContent = [showSize(entry.size), showMoment(entry.modified)].filter((fact) => fact).join(" · ");
    get.href = `${entry.href}?download`;
    tab.href = entry.href;
    const all = files();
    const at = all.findIndex((one) => one.href === entry.href);
    before.disabled = at <= 0;
    after.disabled = at < 0 || at >= all.length - 1;
    stage.replaceChildren(content(entry, typeOf(entry), stop.signal));
  }
  dialog.addEventListener("keydown", (event) => {
    // Films are wound with the same keys.
    if (event.target.closest("video, audio, pre")) return;
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target === stage) dialog.close();
  });
  dialog.addEventListener("close", () => {
    stop.abort();
    if (dialog.contains(toast)) document.body.append(toast);
    // A film that is taken out of the page goes on loading otherwise.
    stage.querySelectorAll("video, audio").forEach((media) => media.removeAttribute("src"));
    dialog.remove();
    if (entry.row.isConnected) focusRow(entry.row);
  });
  document.body.append(dialog);
  show(entry);
  dialog.showModal();
  close.focus();
}

function content(entry, type, signal) {
  const nothing = () => noPreview(entry, signal);
  const { href: src, name } = entry;
  switch (type) {
    case "image":
      return make("img", { src, alt: name, onerror: (event) => event.target.replaceWith(nothing()) });
    case "video":
      return make("video", { src, controls: true, preload: "metadata", "aria-label": name, onerror: (event) => event.target.replaceWith(nothing()) });
    case "audio":
      return make("audio", { src, controls: true, preload: "metadata", "aria-label": name, onerror: (event) => event.target.replaceWith(nothing()) });
    case "pdf":
      // Shown by the browser itself, walled off from this page; where it cannot, as on many phones, it would be saved instead.
      return navigator.pdfViewerEnabled ? make("iframe", { src, title: name }) : nothing();
    case "text":
      return textOf(entry, signal);
    default:
      return nothing();
  }
}

function noPreview(entry, signal) {
  const type = typeOf(entry);
  const card = make("div", { class: `card t-${type}` }, make("p", {}, words.no_preview));
  if (type === "file") {
    const show = () => card.replaceWith(textOf(entry, signal));
    card.append(make("button", { type: "button", onclick: show }, words.as_text));
  }
  return card;
}

// As a text node: whatever stands in it is shown, and nothing of it is done.
function textOf(entry, signal) {
  const shown = make("pre", { tabindex: "0", "aria-label": entry.name });
  const begin = async () => {
    try {
      // Of nothing there is no part.
      const range = entry.size > 0 ? { Range: `bytes=0-${MOST_TEXT - 1}` } : {};
      const answer = await fetch(entry.href, { headers: range, signal, cache: "no-store" });
      if (!answer.ok) throw refusedBy(answer.status, await answer.text());
      const bytes = await answer.arrayBuffer();
      shown.textContent = new TextDecoder().decode(bytes.slice(0, MOST_TEXT));
      if (entry.size > MOST_TEXT) shown.after(make("p", { class: "cut" }, words.cut_text));
    } catch (error) {
      if (error.name !== "AbortError") shown.replaceWith(make("p", { class: "card" }, error instanceof Refused ? error.message : words.no_network));
    }
  };
  begin();
  return shown;
}
