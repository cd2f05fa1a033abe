//! The library as a static site: files by their names, `index.html` for folders, `404.html` for what is not there, and nothing else. There
//! is no listing and no login, and what is sent is what the operator put there: it may run. Run by a child.

use super::exchange::Exchange;
use super::files::{self, Shown};
use super::reply::Reply;
use super::{Handled, refusal};
use crate::child::deeds::{Deed, Doing};
use crate::child::guest::Guest;
use crate::error::{Code, Refusal};
use crate::rights::Operation;
use crate::wire::http::head::{Method, Target};
use crate::wire::http::media;
use crate::wire::name;
use crate::wire::path::RelPath;

/// What can be done with a site.
pub(super) const ALLOWED: &str = "GET, HEAD, OPTIONS";
/// What of the server's own there is beside it.
pub(super) const OWN: [&str; 3] = ["health", "metrics", "time"];
const INDEX: &[u8] = b"index.html";
const NOT_FOUND: &[u8] = b"404.html";

/// Answers any request about the library.
pub(super) fn handle(exchange: &mut Exchange<'_>, guest: &mut Guest, target: &Target) -> Handled {
    if !matches!(exchange.head.method, Method::Get | Method::Head) {
        let reply = Reply::text(405, "this site can be read, and nothing else");
        return exchange.reply(reply.field("Allow", ALLOWED));
    }
    let Target::Library { path, is_folder } = target else {
        return missing(exchange, guest, &Code::NotFound.into());
    };
    let wanted = if *is_folder {
        beneath(path, INDEX)
    } else {
        Some(path.clone())
    };
    let wanted = wanted.ok_or_else(|| Refusal::from(Code::NotFound));
    let wanted = match guest.allow(Operation::Get, wanted) {
        Ok(wanted) => wanted,
        Err(refusal) => return missing(exchange, guest, &refusal),
    };
    match guest.library.open_file(&wanted) {
        Ok(file) => files::send(exchange, guest, &wanted, &file, &shown(200, &wanted)),
        Err(refusal) if refusal.code == Code::IsFolder && !is_folder => {
            files::to_folder(exchange, path)
        }
        Err(refusal) => missing(exchange, guest, &refusal),
    }
}

/// Answers that there is nothing to see there, in the site's own words if it has any.
fn missing(exchange: &mut Exchange<'_>, guest: &mut Guest, refusal: &Refusal) -> Handled {
    let written = name::encode(exchange.head.written.as_bytes());
    match exchange.head.method {
        Method::Head => guest.log("head", &[("path", &written)], Some(refusal)),
        _ => guest
            .record()
            .done(&Deed::get(&written, Doing::now()), Some(refusal)),
    }
    let refusal = match refusal.code {
        Code::Io | Code::Denied => refusal.clone(),
        // A file where a folder should be, a folder without an index, a name that none can have.
        _ => Code::NotFound.into(),
    };
    let status = refusal::status_of(&refusal);
    let page = (status == 404)
        .then(|| RelPath::parse(NOT_FOUND).ok())
        .flatten();
    let opened = page.and_then(|page| {
        let page = guest.allow(Operation::Get, Ok(page)).ok()?;
        let file = guest.library.open_file(&page).ok()?;
        Some((page, file))
    });
    match opened {
        Some((page, file)) => files::send(exchange, guest, &page, &file, &shown(404, &page)),
        None => exchange.reply(Reply::text(status, &refusal.message)),
    }
}

fn shown(status: u16, path: &RelPath) -> Shown {
    Shown {
        status,
        kind: media::of_site(path.as_bytes()),
        disposition: None,
        cache: None,
    }
}

fn beneath(folder: &RelPath, name: &[u8]) -> Option<RelPath> {
    let whole = if folder.is_root() {
        name.to_vec()
    } else {
        [folder.as_bytes(), b"/", name].concat()
    };
    RelPath::parse(&whole).ok()
}
