//! What is the server's own, below `/-/`: everything that is not in the library. Run by a child.

use super::entrance::Visitor;
use super::exchange::Exchange;
use super::reply::Reply;
use super::{Handled, assets};

/// Answers a request about `name`.
pub(super) fn handle(
    exchange: &mut Exchange<'_>,
    _visitor: &mut Visitor<'_>,
    name: &str,
) -> Handled {
    match name {
        "app.js" => assets::script(exchange),
        "health" => exchange.reply(Reply::text(200, "ok")),
        _ => exchange.reply(Reply::text(404, "there is nothing of that name")),
    }
}
