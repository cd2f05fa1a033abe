//! What the server says of itself to everybody: that it is there, and what time it is. Run by a child.

use super::Handled;
use super::exchange::Exchange;
use super::reply::Reply;
use crate::log;
use crate::sys::process::monotonic_millis;
use crate::wire::http::head::Method;
use serde_json::json;

/// `/-/health`: a word for whoever watches. That it is said at all is the news: a child was made, and the listener accepts.
pub(super) fn health(exchange: &mut Exchange<'_>) -> Handled {
    read(exchange, |exchange| {
        let uptime = monotonic_millis().saturating_sub(exchange.world.began) / 1000;
        if exchange.wants("application/json") {
            let version = env!("CARGO_PKG_VERSION");
            Reply::json(
                200,
                &json!({"status": "ok", "version": version, "uptime": uptime}),
            )
        } else {
            Reply::text(200, "ok")
        }
    })
}

/// `/-/time`: what this machine's clock says, in its own zone (RFC 3339).
pub(super) fn time(exchange: &mut Exchange<'_>) -> Handled {
    read(exchange, |exchange| {
        let now = log::ftp::now_here();
        let time = now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        if exchange.wants("application/json") {
            let unix = now.timestamp().as_second();
            Reply::json(200, &json!({"time": time, "unix": unix}))
        } else {
            Reply::text(200, &time)
        }
    })
}

/// Answers with what is true at this moment, to those who only look.
pub(super) fn read(
    exchange: &mut Exchange<'_>,
    say: impl FnOnce(&Exchange<'_>) -> Reply,
) -> Handled {
    let reply = match exchange.head.method {
        Method::Get | Method::Head => say(exchange).field("Cache-Control", "no-store"),
        _ => Reply::text(405, "this can only be read").field("Allow", "GET, HEAD"),
    };
    exchange.reply(reply)
}
