//! What a person with a browser sees: the frame of all pages, and those that are little more than it. Run by a child.
//!
//! Everything works without the script, which makes it pleasant. Nothing that comes from outside stands in a page but by way of `text`,
//! and no page lets anything run but the one script.

mod rows;

use super::assets;
use super::exchange::Exchange;
use super::folder::{Asked, escaped};
use super::gather::Listing;
use super::packed;
use super::reply::Reply;
use super::words::{Words, fill};
use crate::child::guest::Guest;
use crate::config::Login;
use crate::error::{Code, Refusal};
use crate::rights::{Right, Rights};
use crate::wire::path::RelPath;
use serde_json::json;
use std::borrow::Cow;
use std::fmt::Write as _;

/// A folder, in the colour of the links.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath fill='%232563eb' \
    d='M3 5h7l2 3h9v11a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1z'/%3E%3C/svg%3E";

/// What a page depends on, besides its address.
pub(super) const VARY: &str = ", Accept, Accept-Language, Authorization, Cookie";

/// Text, as it can stand in HTML, between tags and in attributes within quotes.
pub(super) fn text(plain: &str) -> Cow<'_, str> {
    if !plain.contains(['&', '<', '>', '"', '\'']) {
        return plain.into();
    }
    let mut safe = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe.into()
}

/// A page before it is one.
struct Page<'a> {
    words: &'static Words,
    title: Cow<'a, str>,
    /// Whose folder it is, where that is said.
    path: &'a [u8],
    /// What stands at the top, on the right: HTML.
    who: String,
    /// HTML.
    main: String,
    /// For the script, which is there when this is.
    data: Option<serde_json::Value>,
}

impl Page<'_> {
    fn reply(self, exchange: &Exchange<'_>, status: u16) -> Reply {
        let words = self.words;
        let mut html = format!(
            "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title>\
            <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
            <meta name=\"robots\" content=\"noindex\"><link rel=\"icon\" href=\"{ICON}\"><style>{}</style>",
            words.lang,
            text(&self.title),
            assets::STYLE,
        );
        if self.data.is_some() {
            let address = assets::script_address();
            let _ = write!(html, "<script src=\"{address}\" defer></script>");
        }
        let _ = write!(
            html,
            "</head>\n<body><header><nav aria-label=\"{}\" id=\"crumbs\">{}</nav>{}</header>\n<main id=\"main\">{}</main>\n",
            words.path,
            crumbs(words, self.path),
            self.who,
            self.main
        );
        if let Some(data) = self.data {
            // The one thing that could end it is written otherwise (HTML, section 4.12.1.3).
            let data = data.to_string().replace('<', "\\u003c");
            let _ = writeln!(
                html,
                "<script type=\"application/json\" id=\"data\">{data}</script>"
            );
        }
        html.push_str("</body></html>\n");
        let kind = "text/html; charset=utf-8";
        packed::reply(exchange, status, kind, html.into_bytes(), VARY)
            .field("Content-Security-Policy", policy())
            .field("Referrer-Policy", "same-origin")
            .field("X-Frame-Options", "DENY")
    }
}

/// What a page may do: run the server's script, look as it says itself, and talk to nobody but this server. Names become nothing but text,
/// also in the script (Trusted Types).
fn policy() -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src {}; img-src 'self' blob: data:; media-src 'self'; frame-src 'self'; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
        require-trusted-types-for 'script'; trusted-types 'none'",
        assets::style_source()
    )
}

/// The way from the top down to `path`, each folder a link.
fn crumbs(words: &Words, path: &[u8]) -> String {
    let mut html = format!("<ol><li><a href=\"/\">{}</a></li>", words.top);
    let mut href = String::from("/");
    let parts: Vec<_> = path
        .split(|&b| b == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    for (i, part) in parts.iter().enumerate() {
        let _ = write!(href, "{}/", escaped(part));
        let here = if i + 1 == parts.len() {
            " aria-current=\"page\""
        } else {
            ""
        };
        let name = String::from_utf8_lossy(part);
        let _ = write!(
            html,
            "<li><a href=\"{href}\"{here}>{}</a></li>",
            text(&name)
        );
    }
    html.push_str("</ol>");
    html
}

/// Who is here, and how they leave, or how to become somebody.
fn who(words: &Words, exchange: &Exchange<'_>, user: Option<&str>) -> String {
    if let Some(user) = user {
        return format!(
            "<form class=\"who\" method=\"post\" action=\"/-/logout\"><b>{}</b><button>{}</button></form>",
            text(user),
            words.log_out
        );
    }
    if exchange.world.listen.login == Login::None {
        return String::new();
    }
    format!(
        "<div class=\"who\"><a class=\"button\" href=\"/-/login?to={}\">{}</a></div>",
        escaped(exchange.head.written.as_bytes()),
        words.log_in
    )
}

fn title(words: &Words, path: &RelPath) -> String {
    match path.split_last() {
        Some((_, name)) => format!("{} – {}", String::from_utf8_lossy(name), words.top),
        None => words.top.to_owned(),
    }
}

/// What is in a folder.
pub(super) fn folder(
    exchange: &Exchange<'_>,
    guest: &Guest,
    path: &RelPath,
    asked: &Asked,
    listing: &Listing,
) -> Reply {
    let words = Words::of(exchange);
    let rights = guest.grant.policy.rights_at(path);
    let mut main = rows::bar(words, asked, rights);
    rows::table(&mut main, words, asked, listing, rights);
    if rights.has(Right::Put) {
        main.push_str(&upload_form(words));
    }
    let mut data = data(exchange, guest, path);
    data["total"] = json!(listing.total);
    data["matching"] = json!(listing.matching);
    data["sorted"] = json!(listing.sorted);
    data["from"] = json!(asked.from);
    Page {
        words,
        title: title(words, path).into(),
        path: path.as_bytes(),
        who: who(words, exchange, guest.grant.user.as_deref()),
        main,
        data: Some(data),
    }
    .reply(exchange, 200)
}

/// A folder whose inside is not shown: a drop box, or nothing.
pub(super) fn closed(
    exchange: &Exchange<'_>,
    guest: &Guest,
    path: &RelPath,
    may_put: bool,
) -> Reply {
    let words = Words::of(exchange);
    let said = if may_put {
        words.drop_box
    } else {
        words.not_shown
    };
    let mut main = format!("<div class=\"bar\"><p class=\"closed\">{said}</p></div>");
    if may_put {
        main.push_str(&upload_form(words));
    }
    Page {
        words,
        title: title(words, path).into(),
        path: path.as_bytes(),
        who: who(words, exchange, guest.grant.user.as_deref()),
        main,
        data: may_put.then(|| data(exchange, guest, path)),
    }
    .reply(exchange, if may_put { 200 } else { 403 })
}

/// What the script has to know.
fn data(exchange: &Exchange<'_>, guest: &Guest, path: &RelPath) -> serde_json::Value {
    let words = Words::of(exchange);
    json!({
        "path": String::from_utf8_lossy(path.as_bytes()),
        "user": guest.grant.user,
        "rights": guest.grant.policy.rights_at(path),
        "shares": shares(exchange, guest),
        "words": words,
    })
}

/// True where links can be made for others.
fn shares(exchange: &Exchange<'_>, guest: &Guest) -> bool {
    exchange.world.config.shares_file.is_some() && guest.grant.user.is_some()
}

/// For browsers without the script; with it, for its buttons.
fn upload_form(words: &Words) -> String {
    format!(
        "<form class=\"upload\" id=\"upload\" method=\"post\" enctype=\"multipart/form-data\"><label>{} \
        <input type=\"file\" name=\"file\" multiple required></label> <button>{}</button></form>",
        words.upload_here, words.upload_button
    )
}

/// Where one logs in. `to` is where that leads; `user` what was typed the last time, and `refused` why that was not enough.
pub(super) fn login(
    exchange: &Exchange<'_>,
    status: u16,
    to: &str,
    user: &str,
    refused: Option<&Refusal>,
) -> Reply {
    let words = Words::of(exchange);
    let told = refused.map_or(String::new(), |refusal| {
        let why = match refusal.code {
            Code::Login => words.wrong_password.to_owned(),
            code => sentence(words.error(code, &refusal.message)),
        };
        format!("<p class=\"wrong\" role=\"alert\">{}</p>", text(&why))
    });
    let (in_user, in_password) = if user.is_empty() {
        (" autofocus", "")
    } else {
        ("", " autofocus")
    };
    let main = format!(
        "<form class=\"card\" method=\"post\" action=\"/-/login\"><h1>{0}</h1>{told}\
        <label>{1}<input name=\"user\" value=\"{2}\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" \
        required{in_user}></label>\
        <label>{3}<input type=\"password\" name=\"password\" autocomplete=\"current-password\" required{in_password}></label>\
        <input type=\"hidden\" name=\"to\" value=\"{4}\"><button class=\"first\">{0}</button></form>",
        words.log_in,
        words.user,
        text(user),
        words.password,
        text(to),
    );
    plain(exchange, status, words.log_in, main)
}

/// Where one logs out, also everywhere else.
pub(super) fn logout(exchange: &Exchange<'_>) -> Reply {
    let words = Words::of(exchange);
    let main = format!(
        "<form class=\"card\" method=\"post\" action=\"/-/logout\"><h1>{0}</h1>\
        <label class=\"check\"><input type=\"checkbox\" name=\"everywhere\" value=\"1\">{1}</label>\
        <button class=\"first\">{0}</button></form>",
        words.log_out, words.everywhere
    );
    plain(exchange, 200, words.log_out, main)
}

/// A page that is about no folder.
fn plain(exchange: &Exchange<'_>, status: u16, title: &str, main: String) -> Reply {
    let page = Page {
        words: Words::of(exchange),
        title: title.into(),
        path: b"",
        who: String::new(),
        main,
        data: None,
    };
    let reply = page.reply(exchange, status);
    reply.field("Cache-Control", "no-store")
}

/// As it stands alone.
fn sentence(said: &str) -> String {
    let mut rest = said.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect(),
        None => String::new(),
    }
}

/// Why not.
pub(super) fn refusal(exchange: &Exchange<'_>, status: u16, refusal: &Refusal) -> Reply {
    let words = Words::of(exchange);
    let why = sentence(words.error(refusal.code, &refusal.message));
    // Whoever has shown something is somebody already.
    let is_known = ["cookie", "authorization"]
        .iter()
        .any(|name| exchange.head.all(name).next().is_some());
    let login = match status {
        401 | 403 if !is_known => who(words, exchange, None),
        _ => String::new(),
    };
    let main = format!(
        "<div class=\"card\"><p class=\"status\">{status}</p><h1>{}</h1><p>{}</p><p><a href=\"/\">{}</a></p></div>",
        words.failed,
        text(&why),
        words.to_top
    );
    Page {
        words,
        title: words.failed.into(),
        path: b"",
        who: login,
        main,
        data: None,
    }
    .reply(exchange, status)
    .field("Cache-Control", "no-store")
}

/// What is said of how much of a folder is shown.
fn count(words: &Words, asked: &Asked, listing: &Listing) -> String {
    let all = match listing.matching {
        1 => words.entry.to_owned(),
        many => fill(words.entries, &many.to_string()),
    };
    let shown = listing.entries.len() as u64;
    if shown == listing.matching {
        return all;
    }
    let range = if shown == 0 {
        "0".to_owned()
    } else {
        format!("{}–{}", asked.from + 1, asked.from.saturating_add(shown))
    };
    fill(&fill(words.shown_of, &range), &all)
}

fn may_delete(rights: Rights) -> bool {
    rights.has(Right::Delete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_more_than_text() {
        assert_eq!(
            text("<img src=x onerror=alert(1)>\"'&.txt"),
            "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;.txt"
        );
        assert!(matches!(text("plain ü"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_way_down_is_made_of_links() {
        let words = Words::english();
        let html = crumbs(words, b"a\"b/\xff c");
        assert_eq!(
            html,
            "<ol><li><a href=\"/\">Files</a></li><li><a href=\"/a%22b/\">a&quot;b</a></li>\
            <li><a href=\"/a%22b/%FF%20c/\" aria-current=\"page\">\u{fffd} c</a></li></ol>"
        );
    }

    #[test]
    fn nothing_but_the_script_can_run() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'sha256-"));
        assert!(!policy.contains("'un") && !policy.contains("*"));
        assert!(!assets::STYLE.contains("</"));
    }
}
