//! What pages need besides themselves: the script, kept by browsers for ever, since its address says which version it is. Run by a child.

use super::Handled;
use super::exchange::Exchange;
use super::packed;
use crate::digest::{Hasher, Kind};
use crate::wire::http::head::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::OnceLock;

/// All of the script, in the order in which its parts know each other.
const SCRIPT: &str = concat!(
    "\"use strict\";\n{\n",
    include_str!("page/base.js"),
    include_str!("page/list.js"),
    include_str!("page/menu.js"),
    include_str!("page/dialogs.js"),
    include_str!("page/preview.js"),
    include_str!("page/queue.js"),
    include_str!("page/uploads.js"),
    include_str!("page/start.js"),
    "}\n"
);
/// What the pages look like: it stands in each of them.
pub(super) const STYLE: &str = include_str!("page/style.css");

/// Where the script is.
pub(super) fn script_address() -> String {
    format!("/-/app.js?v={}", version())
}

fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| hex::encode(&sha256(SCRIPT)[..8]))
}

/// The style, as a policy names it (CSP Level 3, section 2.3.1).
pub(super) fn style_source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| format!("'sha256-{}'", STANDARD.encode(sha256(STYLE))))
}

fn sha256(text: &str) -> Vec<u8> {
    let mut hasher = Hasher::new(Kind::Sha256);
    hasher.update(text.as_bytes());
    hasher.finish().as_bytes().to_vec()
}

/// The script.
pub(super) fn script(exchange: &mut Exchange<'_>) -> Handled {
    if !matches!(exchange.head.method, Method::Get | Method::Head) {
        let reply = super::reply::Reply::text(405, "that can only be read");
        return exchange.reply(reply.field("Allow", "GET, HEAD"));
    }
    // Another version than is asked for must not be kept under that name.
    let caching = if exchange.head.query == format!("v={}", version()) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let kind = "text/javascript; charset=utf-8";
    let reply = packed::reply(exchange, 200, kind, SCRIPT.into(), "");
    exchange.reply(reply.field("Cache-Control", caching))
}
