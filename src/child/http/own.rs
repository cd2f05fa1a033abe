//! What is the server's own, below `/-/`: everything that is not in the library. Run by a child.

use super::entrance::Visitor;
use super::exchange::Exchange;
use super::{Handled, assets, login, metrics, service};
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
        _ => exchange.refuse(&Code::NotFound.into()),
    }
}
