//! `redirect`: a listening socket that sends everybody on to another origin. Run by a child.

use super::Handled;
use super::exchange::Exchange;
use super::reply::Reply;

/// Sends the client on to `origin`, with what it asked for (RFC 9110, section 15.4.9: the method stays).
pub(super) fn send_on(exchange: &mut Exchange<'_>, origin: &str) -> Handled {
    let head = &exchange.head;
    // OPTIONS * is about the whole server.
    let path = if head.written == "*" {
        "/"
    } else {
        &head.written
    };
    let mark = if head.query.is_empty() { "" } else { "?" };
    let to = format!("{origin}{path}{mark}{}", head.query);
    let reply = Reply::text(308, &format!("it is at {to}")).field("Location", to);
    exchange.reply(reply)
}
