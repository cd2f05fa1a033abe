//! What can be done, a row each: the method, what it is about, and the handler. Run by a child.

use super::entrance::Visitor;
use super::exchange::Exchange;
use super::reply::Reply;
use super::{Handled, files, folder, manage, origin, own, post, put, redirect, site, zip};
use crate::child::guest::Guest;
use crate::error::{Code, Refusal};
use crate::rights::Operation;
use crate::wire::http::head::{Method, Target};
use crate::wire::path::RelPath;

/// Something that is done in the library.
struct Row {
    method: Method,
    handle: fn(&mut Exchange<'_>, &mut Guest, &RelPath) -> Handled,
}

const ROWS: [Row; 7] = [
    Row {
        method: Method::Get,
        handle: files::get,
    },
    Row {
        method: Method::Head,
        handle: head,
    },
    Row {
        method: Method::Put,
        handle: put::put,
    },
    Row {
        method: Method::Post,
        handle: post::post,
    },
    Row {
        method: Method::Delete,
        handle: manage::delete,
    },
    Row {
        method: Method::Mkcol,
        handle: manage::mkcol,
    },
    Row {
        method: Method::Move,
        handle: manage::rename,
    },
];

/// HEAD: of a file, or of what is kept of an upload to its name.
fn head(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    if exchange.asks("upload") {
        return put::offset(exchange, guest, path);
    }
    files::get(exchange, guest, path)
}

/// What a request would do about a name that nothing can have: who may not do it learns nothing from the refusal.
fn operation(exchange: &Exchange<'_>) -> Operation {
    match exchange.head.method {
        Method::Head | Method::Delete if exchange.asks("upload") => {
            Operation::Put { overwrite: false }
        }
        Method::Put | Method::Post => Operation::Put { overwrite: false },
        Method::Delete => Operation::Remove,
        Method::Mkcol => Operation::MakeFolder,
        Method::Move => Operation::Rename { overwrite: false },
        _ if exchange.head.written.ends_with('/') => Operation::List,
        _ => Operation::Get,
    }
}

/// Has a request carried out by who can do that.
pub(super) fn dispatch(exchange: &mut Exchange<'_>, visitor: &mut Visitor) -> Handled {
    if let Some(origin) = &exchange.world.listen.http.redirect {
        return redirect::send_on(exchange, origin);
    }
    let listen = exchange.world.listen;
    // A proxy knows which names it serves.
    if !visitor.is_by_proxy()
        && !origin::is_for_us(&exchange.head, &listen.address, &listen.http.names)
    {
        let what = "that name is not served here: its listening socket has no such entry in names";
        let refusal = Refusal::new(Code::Request, what);
        return exchange.refuse_as(421, &refusal);
    }
    if !exchange.head.method.is_safe() && !origin::is_ours(&exchange.head, exchange.secure) {
        let what = "another site's page asked for that";
        return exchange.refuse(&Refusal::new(Code::Denied, what));
    }
    let is_site = exchange.world.listen.http.site;
    let allowed = || {
        if is_site {
            return site::ALLOWED.to_owned();
        }
        let methods: Vec<_> = ROWS.iter().map(|row| row.method.as_str()).collect();
        format!("{}, OPTIONS", methods.join(", "))
    };
    match exchange.head.target.clone() {
        Target::Own(name) if !is_site || site::OWN.contains(&name.as_str()) => {
            own::handle(exchange, visitor, &name)
        }
        Target::Server => exchange.reply(Reply::new(204).field("Allow", allowed())),
        _ if exchange.head.method == Method::Options => {
            exchange.reply(Reply::new(204).field("Allow", allowed()))
        }
        target => {
            let Some(guest) = visitor.enter(exchange)? else {
                return Ok(());
            };
            if is_site {
                return site::handle(exchange, guest, &target);
            }
            let path = match target {
                Target::Library {
                    path,
                    is_folder: true,
                } if zip::is_asked_for(exchange) => return zip::get(exchange, guest, &path),
                Target::Library {
                    path,
                    is_folder: true,
                } if matches!(exchange.head.method, Method::Get | Method::Head) => {
                    return folder::get(exchange, guest, &path);
                }
                Target::Library { path, .. } => path,
                Target::Nowhere(bad) => {
                    let bad = if exchange.head.method.is_safe() {
                        bad.when_reading()
                    } else {
                        bad.when_writing()
                    };
                    let none = Err::<RelPath, _>(bad.clone());
                    let refusal = guest.allow(operation(exchange), none).err();
                    return exchange.refuse(&refusal.unwrap_or(bad));
                }
                Target::Own(_) | Target::Server => return Ok(()),
            };
            match ROWS.iter().find(|row| row.method == exchange.head.method) {
                Some(row) => (row.handle)(exchange, guest, &path),
                None => exchange
                    .reply(Reply::text(405, "that cannot be done here").field("Allow", allowed())),
            }
        }
    }
}
