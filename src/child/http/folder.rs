//! GET and HEAD of a folder: what is in it, a page at a time, for people and for programs. Run by a child.

use super::exchange::Exchange;
use super::gather::gather;
use super::{Handled, packed, page};
use crate::child::guest::Guest;
use crate::error::{Code, Refusal};
use crate::rights::{Operation, Right};
use crate::wire::http::form;
use crate::wire::name;
use crate::wire::path::RelPath;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::Serialize;
use std::borrow::Cow;

/// Most entries of one answer.
const MOST_SHOWN: usize = 1000;
/// What does not stand for itself in a URL (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What an order goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Size,
    Modified,
    /// What stands after the last dot.
    Kind,
}

impl Sort {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Size => "size",
            Sort::Modified => "modified",
            Sort::Kind => "kind",
        }
    }

    fn of(text: &str) -> Option<Sort> {
        [Sort::Name, Sort::Size, Sort::Modified, Sort::Kind]
            .into_iter()
            .find(|sort| sort.as_str() == text)
    }
}

/// What a query asks for. What it says that nobody understands is as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) sort: Sort,
    pub(super) descending: bool,
    /// Text that names have in them, whatever the case; empty for all.
    pub(super) filter: String,
    /// Entries that stand before the first one that is shown.
    pub(super) from: u64,
    pub(super) count: usize,
    json: bool,
}

impl Asked {
    pub(super) fn of(query: &str) -> Asked {
        let mut asked = Asked {
            sort: Sort::Name,
            descending: false,
            filter: String::new(),
            from: 0,
            count: MOST_SHOWN,
            json: false,
        };
        for (key, value) in form::pairs(query) {
            match key.as_str() {
                "sort" => asked.sort = Sort::of(&value).unwrap_or(asked.sort),
                "order" => asked.descending = value == "desc",
                "q" => asked.filter = value,
                "from" => asked.from = value.parse().unwrap_or(0),
                "count" => {
                    let count = value.parse().unwrap_or(MOST_SHOWN);
                    asked.count = count.clamp(1, MOST_SHOWN);
                }
                "json" => asked.json = true,
                _ => {}
            }
        }
        asked
    }
}

/// One entry, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// For people: what is no UTF-8 is replaced.
    pub(super) name: String,
    /// For programs: relative to the folder, and exact.
    pub(super) href: String,
    pub(super) kind: &'static str,
    /// Bytes; 0 for folders.
    pub(super) size: u64,
    /// Seconds since 1970, UTC.
    pub(super) modified: i64,
}

impl Entry {
    pub(super) fn new(name: &[u8], is_folder: bool, size: u64, modified: i64) -> Entry {
        let slash = if is_folder { "/" } else { "" };
        Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            href: format!("{}{slash}", escaped(name)),
            kind: if is_folder { "folder" } else { "file" },
            size,
            modified,
        }
    }
}

/// One part of a path, as it stands in a URL.
pub(super) fn escaped(part: &[u8]) -> Cow<'_, str> {
    percent_encode(part, ESCAPED).into()
}

#[derive(Serialize)]
struct Told<'a> {
    path: Cow<'a, str>,
    user: Option<&'a str>,
    rights: crate::rights::Rights,
    total: u64,
    matching: u64,
    from: u64,
    sorted: bool,
    entries: &'a [Entry],
}

/// Answers with the folder `path`.
pub(super) fn get(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let asked = Asked::of(&exchange.head.query);
    let for_people = !asked.json && !exchange.wants("application/json");
    let listed = guest
        .allow(Operation::List, Ok(path))
        .and_then(|path| gather(guest.library, path, &asked, exchange.connection.slot()));
    let shown = name::encode(path.as_bytes());
    let bytes = listed.as_ref().map_err(Refusal::clone).map(|_| 0);
    guest.log_list(&shown, &bytes);
    let reply = match listed {
        Ok(listing) if for_people => page::folder(exchange, guest, path, &asked, &listing),
        Ok(listing) => {
            let told = Told {
                path: String::from_utf8_lossy(path.as_bytes()),
                user: guest.grant.user.as_deref(),
                rights: guest.grant.policy.rights_at(path),
                total: listing.total,
                matching: listing.matching,
                from: asked.from,
                sorted: listing.sorted,
                entries: &listing.entries,
            };
            let mut text = serde_json::to_vec(&told).unwrap_or_default();
            text.push(b'\n');
            packed::reply(exchange, 200, "application/json", text, page::VARY)
        }
        Err(refusal) if for_people && refusal.code == Code::Denied => {
            let may_put = guest.grant.policy.rights.has(Right::Put);
            page::closed(exchange, guest, path, may_put)
        }
        Err(refusal) => return exchange.refuse(&refusal),
    };
    exchange.reply(reply.field("Cache-Control", "no-store"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_shown() {
        let asked = Asked::of("sort=size&order=desc&q=%C3%BC+a%26&from=20&count=5000&json&x=y");
        assert_eq!(
            (asked.sort, asked.descending, asked.filter.as_str()),
            (Sort::Size, true, "ü a&")
        );
        assert_eq!(
            (asked.from, asked.count, asked.json),
            (20, MOST_SHOWN, true)
        );
        let plain = Asked::of("");
        assert_eq!(Asked::of("sort=colour&from=-1&count=x&&="), plain);
        assert_eq!(Asked::of("count=0").count, 1);
    }

    #[test]
    fn a_link_leads_to_the_name_and_nowhere_else() {
        for (name, href) in [
            (&b"a:b"[..], "a%3Ab"),
            (b"?#%&\"'<>\\", "%3F%23%25%26%22%27%3C%3E%5C"),
            (b"\xff \xc3\xbc", "%FF%20%C3%BC"),
            (b"plain-1_2.3~", "plain-1_2.3~"),
        ] {
            assert_eq!(escaped(name), href);
        }
    }
}
