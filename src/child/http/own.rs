//! What is the server's own, below `/-/`: everything that is not in the library. Run by a child.

use super::entrance::Visitor;
use super::exchange::Exchange;
use super::{Handled, assets, login, metrics, service, shares};
use crate::error::Code;

/// Answers a request about `name`.
pub(super) fn handle(exchange: &mut Exchange<'_>, visitor: &mut Visitor, name: &str) -> Handled {
    match name {
        "app.js" => assets::script(exchange),
        "login" => login::login(exchange, visitor),
        "logout" => login::logout(exchange, visitor),
        "health" => service::health(exchange),
        "time" => service::time(exchange),
        "metrics" => metrics::show(exchange, visitor.peer()),
        // A site is that and nothing else.
        _ if exchange.world.listen.http.site => exchange.refuse(&Code::NotFound.into()),
        "shares" => shares::manage(exchange, visitor, ""),
        _ if let Some(id) = name.strip_prefix("shares/") => shares::manage(exchange, visitor, id),
        _ if let Some(link) = name.strip_prefix("s/") => shares::open(exchange, visitor, link),
        _ => exchange.refuse(&Code::NotFound.into()),
    }
}
