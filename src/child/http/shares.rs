//! Share links, at the client's end: `/-/shares` for users who make and end them, and `/-/s/TOKEN/NAME` for whoever has one. Run by a
//! child, which gets the one file from the broker and not the library.

use super::entrance::Visitor;
use super::exchange::Exchange;
use super::files::{self, Shown};
use super::reply::Reply;
use super::{End, Handled};
use crate::child::ask::Unanswered;
use crate::child::guest::{Guest, Sending};
use crate::child::pace::Pace;
use crate::error::{Code, Refusal};
use crate::ipc::{LONGEST_SHARED as LONGEST_PATH, Share};
use crate::wire::http::head::{Method, encode};
use crate::wire::http::{disposition, form, media};
use crate::wire::name;
use crate::wire::path::RelPath;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most bytes of a question.
const LONGEST: usize = 16 * 1024;
/// Most bytes of a token or an identifier: there is none that is longer.
const LONGEST_TOKEN: usize = 100;
/// Hours of a link whose maker says nothing.
const HOURS: u64 = 7 * 24;
/// Most hours.
const MOST_HOURS: u64 = 365 * 24;

/// What a new link is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The file, from the user's root.
    path: String,
    hours: Option<u64>,
    count: Option<u32>,
}

/// `/-/shares`, and `/-/shares/ID`.
pub(super) fn manage(exchange: &mut Exchange<'_>, visitor: &mut Visitor, id: &str) -> Handled {
    if exchange.world.config.shares_file.is_none() {
        return nothing(exchange);
    }
    let Some(guest) = visitor.enter(exchange)? else {
        return Ok(());
    };
    if guest.grant.user.is_none() {
        let what = "share links are for users who log in";
        return exchange.refuse(&Refusal::new(Code::Denied, what));
    }
    match (&exchange.head.method, id) {
        (Method::Get | Method::Head, "") => list(exchange, guest),
        (Method::Post, "") => make(exchange, guest),
        (Method::Delete, id) if !id.is_empty() => end(exchange, guest, id),
        (_, "") => not_allowed(exchange, "GET, HEAD, POST"),
        (..) => not_allowed(exchange, "DELETE"),
    }
}

fn nothing(exchange: &mut Exchange<'_>) -> Handled {
    exchange.refuse(&Code::NotFound.into())
}

fn not_allowed(exchange: &mut Exchange<'_>, allowed: &str) -> Handled {
    exchange.reply(Reply::text(405, "that cannot be done here").field("Allow", allowed))
}

/// The user's own links, those that still hold.
fn list(exchange: &mut Exchange<'_>, guest: &Guest) -> Handled {
    let shares = match told(guest.broker.ask_shares())? {
        Ok(shares) => shares,
        Err(refusal) => return exchange.refuse(&refusal),
    };
    let reply = if exchange.wants("application/json") {
        let shares: Vec<_> = shares.iter().map(|share| shown(exchange, share)).collect();
        Reply::json(200, &json!({"shares": shares}))
    } else {
        let lines = shares.iter().map(|share| {
            let count = share.left.map_or("any".into(), |left| left.to_string());
            let path = String::from_utf8_lossy(&bytes(&share.path)).into_owned();
            let (id, expires) = (&share.id, share.expires);
            let url = url(exchange, share);
            format!("{id} expires={expires} count={count} {url} {path}\n")
        });
        Reply::with_content(200, "text/plain; charset=utf-8", lines.collect::<String>())
    };
    exchange.reply(reply.field("Cache-Control", "no-store"))
}

fn make(exchange: &mut Exchange<'_>, guest: &Guest) -> Handled {
    let wanted = match wanted(exchange)? {
        Ok(wanted) => wanted,
        Err((status, what)) => {
            let refusal = Refusal::new(Code::Request, what);
            return exchange.refuse_as(status, &refusal);
        }
    };
    let hours = wanted.hours.unwrap_or(HOURS);
    if !(1..=MOST_HOURS).contains(&hours) {
        let what = format!("hours: 1 to {MOST_HOURS}");
        return exchange.refuse(&Refusal::new(Code::Request, what));
    }
    let path = wanted.path.strip_prefix('/').unwrap_or(&wanted.path);
    let path = name::encode(path.as_bytes());
    if path.len() > LONGEST_PATH {
        let what = "the path is too long for a share link";
        return exchange.refuse(&Refusal::new(Code::Request, what));
    }
    let made = guest
        .broker
        .ask_share_new(path.clone(), hours * 3600, wanted.count);
    let made = told(made)?;
    guest.log("share", &[("path", &path)], made.as_ref().err());
    let share = match made {
        Ok(share) => share,
        Err(refusal) => return exchange.refuse(&refusal),
    };
    let url = url(exchange, &share);
    let reply = if exchange.wants("application/json") {
        Reply::json(201, &shown(exchange, &share))
    } else {
        Reply::text(201, &url)
    };
    exchange.reply(
        reply
            .field("Location", url)
            .field("Cache-Control", "no-store"),
    )
}

fn end(exchange: &mut Exchange<'_>, guest: &Guest, id: &str) -> Handled {
    if id.len() > LONGEST_TOKEN {
        return nothing(exchange);
    }
    let ended = told(guest.broker.ask_share_end(id.to_owned()))?;
    guest.log("unshare", &[("share", &id)], ended.as_ref().err());
    match ended {
        Ok(()) => exchange.reply(Reply::new(204)),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

/// What a request asks for; or the status that refuses it, and why.
fn wanted(exchange: &mut Exchange<'_>) -> Result<Result<Wanted, (u16, &'static str)>, End> {
    let kind = exchange.head.text("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_json = kind.eq_ignore_ascii_case("application/json");
    if !is_json && !form::is_one(&exchange.head) {
        return Ok(Err((415, "that is sent as JSON, or as a form")));
    }
    let mut body = vec![0; LONGEST];
    let mut filled = 0;
    while filled < body.len() {
        match exchange.connection.read_body(&mut body[filled..])? {
            0 => break,
            came => filled += came,
        }
    }
    if filled == body.len() {
        exchange.connection.close_after();
        return Ok(Err((413, "a share link takes fewer words")));
    }
    let body = &body[..filled];
    if is_json {
        let wanted = serde_json::from_slice(body);
        return Ok(wanted.map_err(|_| (400, "path, and if you like hours and count")));
    }
    let pairs = form::pairs(&String::from_utf8_lossy(body));
    let value = |name| form::value(&pairs, name).filter(|value| !value.is_empty());
    let (hours, count) = (value("hours"), value("count"));
    let wanted = Wanted {
        path: value("path").unwrap_or_default().to_owned(),
        hours: hours.and_then(|hours| hours.parse().ok()),
        count: count.and_then(|count| count.parse().ok()),
    };
    if hours.is_some() != wanted.hours.is_some() || count.is_some() != wanted.count.is_some() {
        return Ok(Err((400, "hours and count are numbers")));
    }
    Ok(Ok(wanted))
}

/// `/-/s/TOKEN/NAME`: the file, for whoever has the link. NAME is for people, and for what a browser saves it as.
///
/// A link that is over, used up, ended or made up is answered like one that never was. GET counts each time, also for a part of the
/// file; HEAD does not.
pub(super) fn open(exchange: &mut Exchange<'_>, visitor: &Visitor, rest: &str) -> Handled {
    let reads = match exchange.head.method {
        Method::Get => true,
        Method::Head => false,
        _ => return not_allowed(exchange, "GET, HEAD"),
    };
    let token = rest.split('/').next().unwrap_or_default();
    if token.len() > LONGEST_TOKEN {
        return nothing(exchange);
    }
    let answer = visitor.broker().ask_share_open(token.to_owned(), reads);
    let lent = match told(answer)? {
        Ok(lent) => lent,
        Err(refusal) if refusal.code == Code::NotFound => return nothing(exchange),
        Err(refusal) => return exchange.refuse(&refusal),
    };
    if lent.is_last {
        // For what comes next there is nobody to ask any more.
        exchange.connection.close_after();
    }
    let path = RelPath::parse(&bytes(&lent.path)).unwrap_or_default();
    let (_, name) = path.split_last().unwrap_or_default();
    let media = media::of_library(name);
    let to_save = exchange.asks("download");
    let shown = Shown {
        status: 200,
        kind: media.kind.to_owned(),
        disposition: Some(disposition::value(media.inline && !to_save, name)),
        cache: Some("no-store"),
    };
    let mut pace = Pace::new(lent.rate);
    let tells = lent.tells.then_some(visitor.broker());
    let mut sending =
        Sending::to_stranger(visitor.peer(), tells, &mut pace, exchange.connection.slot());
    files::send_open(exchange, &mut sending, &path, &lent.file, &shown)
}

fn told<T>(answer: Result<T, Unanswered>) -> Result<Result<T, Refusal>, End> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Unanswered::Refused(refusal)) => Ok(Err(refusal)),
        Err(Unanswered::Gone(reason)) => Err(End::Forsaken(reason)),
    }
}

fn bytes(path: &str) -> Vec<u8> {
    name::decode(path).unwrap_or_default()
}

/// For programs.
fn shown(exchange: &Exchange<'_>, share: &Share) -> Value {
    json!({
        "id": share.id,
        "url": url(exchange, share),
        "path": String::from_utf8_lossy(&bytes(&share.path)),
        "made": share.made,
        "expires": share.expires,
        "count": share.left,
    })
}

/// The link, as it is given to others: at the host where its maker is, if that is written as hosts are.
fn url(exchange: &Exchange<'_>, share: &Share) -> String {
    let path = RelPath::parse(&bytes(&share.path)).unwrap_or_default();
    let name = path.split_last().map(|(_, name)| name.to_vec());
    let name = RelPath::parse(&name.unwrap_or_default()).unwrap_or_default();
    let link = format!("/-/s/{}{}", share.token, encode(&name));
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let scheme = if exchange.secure { "https" } else { "http" };
    match exchange.head.text("host") {
        Some(host) if !host.is_empty() && host.chars().all(fits) => {
            format!("{scheme}://{host}{link}")
        }
        _ => link,
    }
}
