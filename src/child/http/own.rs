//! What is the server's own, below `/-/`: everything that is not in the library. Run by a child.

use super::entrance::Visitor;
use super::exchange::Exchange;
use super::reply::Reply;
use super::{Handled, login, metrics, service};

/// Answers a request about `name`.
pub(super) fn handle(exchange: &mut Exchange<'_>, visitor: &mut Visitor, name: &str) -> Handled {
    match name {
        "login" => login::login(exchange, visitor),
        "logout" => login::logout(exchange, visitor),
        "health" => service::health(exchange),
        "time" => service::time(exchange),
        "metrics" => metrics::show(exchange, visitor.peer()),
        _ => exchange.reply(Reply::text(404, "there is nothing of that name")),
    }
}
