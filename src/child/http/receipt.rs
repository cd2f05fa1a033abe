//! What is said of a file that was stored: where, how large, its digest, and what the log knows it by. Run by a child.

use super::Handled;
use super::exchange::Exchange;
use super::incoming::Stored;
use super::reply::Reply;
use crate::child::stored;
use crate::digest::Kind;
use crate::sys::file::Facts;
use crate::wire::http::conditions::Validators;
use crate::wire::http::digest;
use crate::wire::http::head::encode;
use serde_json::{Map, Value, json};
use std::time::SystemTime;

/// What tells this version of a file from every other.
pub(super) fn validators(facts: &Facts) -> Validators {
    let (seconds, nanos) = (facts.modified.seconds, facts.modified.nanos);
    Validators::new(facts.inode, facts.size, seconds, nanos, SystemTime::now())
}

/// For programs.
pub(super) fn as_json(stored: &Stored) -> Value {
    let published = &stored.published;
    let path = stored.path.as_bytes();
    let mut told = Map::new();
    told.insert("path".into(), json!(String::from_utf8_lossy(path)));
    let name = String::from_utf8_lossy(&published.name);
    told.insert("name".into(), json!(name));
    told.insert("href".into(), json!(encode(&stored.path)));
    told.insert("size".into(), json!(published.size));
    if let Some(digest) = &published.digest {
        told.insert(digest.kind().as_str().into(), json!(digest.to_hex()));
    }
    told.insert("id".into(), json!(stored.id));
    told.insert("replaced".into(), json!(published.replaced.is_some()));
    Value::Object(told)
}

/// One line. It says the name where that is not what was asked for.
pub(super) fn as_line(stored: &Stored, says_name: bool) -> String {
    let published = &stored.published;
    let digest = stored::digest_word(published);
    let name = if says_name {
        let name = String::from_utf8_lossy(&published.name);
        format!(" as {}", crate::log::quoted(&name))
    } else {
        String::new()
    };
    let (size, id) = (published.size, &stored.id);
    format!("stored: {size} bytes{digest} id={id}{name}")
}

/// Answers a PUT.
pub(super) fn answer(exchange: &mut Exchange<'_>, stored: &Stored, asked: &[u8]) -> Handled {
    let published = &stored.published;
    let status = match published.replaced {
        Some(_) => 200,
        None => 201,
    };
    let reply = if exchange.wants("application/json") {
        Reply::json(status, &as_json(stored))
    } else {
        Reply::text(status, &as_line(stored, published.name != asked))
    };
    let mut reply = reply
        .field("Location", encode(&stored.path))
        .field("ETag", validators(&stored.facts).etag);
    let digest = published.digest.filter(|d| d.kind() == Kind::Sha256);
    if let Some(field) = digest.as_ref().and_then(digest::field) {
        reply = reply.field("Repr-Digest", field);
    }
    exchange.reply(reply)
}
