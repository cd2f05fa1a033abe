//! What a refusal is called in HTTP, and how it is said. Run by a child.

use super::exchange::Exchange;
use super::page;
use super::reply::Reply;
use crate::error::{Code, Refusal};
use serde_json::json;

/// The status code of a refusal (RFC 9110, section 15).
pub(super) fn status_of(refusal: &Refusal) -> u16 {
    match refusal.code {
        Code::Request | Code::Protocol | Code::Name => 400,
        Code::Login | Code::Proof => 401,
        Code::Denied => 403,
        Code::NotFound => 404,
        Code::Timeout => 408,
        Code::IsFolder | Code::NotFolder | Code::NotEmpty | Code::Exists | Code::Changed => 409,
        Code::TooLarge => 413,
        Code::Range => 416,
        Code::Digest | Code::Size => 422,
        Code::InUse => 423,
        Code::Quota | Code::NoSpace => 507,
        Code::Busy | Code::Closing => 503,
        _ => 500,
    }
}

/// The answer that says it, in the form the client asked for.
pub(super) fn reply(exchange: &Exchange<'_>, refusal: &Refusal) -> Reply {
    reply_as(exchange, status_of(refusal), refusal)
}

/// The same under a status that the refusal alone does not tell.
pub(super) fn reply_as(exchange: &Exchange<'_>, status: u16, refusal: &Refusal) -> Reply {
    if exchange.wants("application/json") {
        let told = json!({"error": refusal.code.as_str(), "message": refusal.message});
        Reply::json(status, &told)
    } else if exchange.wants("text/html") {
        page::refusal(exchange, status, refusal)
    } else {
        Reply::text(status, &refusal.message)
    }
}
