//! GET and HEAD of a folder: what is in it, sorted, filtered and a page at a time, for people and for programs. Run by a child.
//!
//! To sort, all of a folder has to be known: what is kept of an entry is small, and where there are too many of them they stand as the
//! disk gives them, which needs no memory at all.

use super::exchange::Exchange;
use super::{Handled, packed, page};
use crate::child::guest::{Guest, Transfer};
use crate::error::{Code, Refusal};
use crate::library::Library;
use crate::rights::{Operation, Right};
use crate::sys::file::{Facts, Kind};
use crate::wire::http::form;
use crate::wire::name;
use crate::wire::path::RelPath;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::Serialize;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Most entries of one answer.
const MOST_SHOWN: usize = 1000;
/// Most entries that are sorted.
const MOST_SORTED: usize = 500_000;
/// Most bytes of names that are kept for that.
const MOST_NAMES: usize = 64 * 1024 * 1024;
/// The name at the top of the library that no request can be about: what is the server's own stands there.
const OWN: &[u8] = b"-";
/// What does not stand for itself in a URL (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What an order goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
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
    fn of(query: &str) -> Asked {
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
    fn new(name: &[u8], kept: &Kept) -> Entry {
        let slash = if kept.is_folder { "/" } else { "" };
        Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            href: format!("{}{slash}", escaped(name)),
            kind: if kept.is_folder { "folder" } else { "file" },
            size: kept.size,
            modified: kept.modified,
        }
    }
}

/// One part of a path, as it stands in a URL.
pub(super) fn escaped(part: &[u8]) -> Cow<'_, str> {
    percent_encode(part, ESCAPED).into()
}

/// What is shown of a folder.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// All entries of the folder.
    pub(super) total: u64,
    /// Those whose names have the filter in them.
    pub(super) matching: u64,
    /// False where there were too many.
    pub(super) sorted: bool,
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
        .allow(Operation::List)
        .and_then(|()| gather(guest.library, path, &asked));
    let shown = name::encode(path.as_bytes());
    let transfer = listed.as_ref().map_err(Refusal::clone).map(|_| Transfer {
        bytes: 0,
        digest_kind: "",
        digest: None,
    });
    guest.log_transfer("list", &shown, &transfer);
    let reply = match listed {
        Ok(listing) if for_people => page::folder(exchange, guest, path, &asked, &listing),
        Ok(listing) => {
            let told = Told {
                path: String::from_utf8_lossy(path.as_bytes()),
                user: guest.grant.user.as_deref(),
                rights: guest.grant.rights,
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
            let may_put = guest.grant.rights.has(Right::Put);
            page::closed(exchange, guest, path, may_put)
        }
        Err(refusal) => return exchange.refuse(&refusal),
    };
    exchange.reply(reply.field("Cache-Control", "no-store"))
}

/// What is kept of an entry until all are known.
#[derive(Debug, Clone, Copy)]
struct Kept {
    size: u64,
    modified: i64,
    /// Where its name stands among all names.
    at: u32,
    length: u8,
    is_folder: bool,
}

impl Kept {
    fn new(at: u32, name: &[u8], facts: &Facts) -> Kept {
        let is_folder = facts.kind == Kind::Folder;
        Kept {
            size: if is_folder { 0 } else { facts.size },
            modified: facts.modified.seconds,
            at,
            length: u8::try_from(name.len()).unwrap_or(u8::MAX),
            is_folder,
        }
    }

    fn name(self, names: &[u8]) -> &[u8] {
        let at = self.at as usize;
        names
            .get(at..at + usize::from(self.length))
            .unwrap_or_default()
    }
}

/// The entries that are asked for.
fn gather(library: &Library, path: &RelPath, asked: &Asked) -> Result<Listing, Refusal> {
    if library.stat(path)?.kind != Kind::Folder {
        // A file with a slash behind it is nothing.
        return Err(Code::NotFound.into());
    }
    let mut listing = Listing {
        entries: Vec::new(),
        total: 0,
        matching: 0,
        sorted: true,
    };
    let mut names = Vec::new();
    let mut kept: Vec<Kept> = Vec::new();
    let mut matching = Matching::new(library, path, asked)?;
    while let Some((name, facts)) = matching.next_entry()? {
        listing.matching += 1;
        if !listing.sorted {
            continue;
        }
        if kept.len() == MOST_SORTED || names.len() + name.len() > MOST_NAMES {
            listing.sorted = false;
            (names, kept) = (Vec::new(), Vec::new());
            continue;
        }
        kept.push(Kept::new(names.len() as u32, &name, &facts));
        names.extend_from_slice(&name);
    }
    listing.total = matching.seen;
    if listing.sorted {
        let shown = page_of(&mut kept, asked, &names);
        let entries = shown.iter();
        listing.entries = entries
            .map(|kept| Entry::new(kept.name(&names), kept))
            .collect();
        return Ok(listing);
    }
    let mut again = Matching::new(library, path, asked)?;
    let mut passed = 0;
    while listing.entries.len() < asked.count
        && let Some((name, facts)) = again.next_entry()?
    {
        passed += 1;
        if passed > asked.from {
            let kept = Kept::new(0, &name, &facts);
            listing.entries.push(Entry::new(&name, &kept));
        }
    }
    Ok(listing)
}

/// Those that are shown, in order: of all the others it is enough to know on which side of them they stand.
fn page_of<'k>(kept: &'k mut [Kept], asked: &Asked, names: &[u8]) -> &'k [Kept] {
    let by = |a: &Kept, b: &Kept| order(asked, names, *a, *b);
    let from = usize::try_from(asked.from).unwrap_or(usize::MAX);
    let from = from.min(kept.len());
    let end = from.saturating_add(asked.count).min(kept.len());
    if end < kept.len() {
        kept.select_nth_unstable_by(end, by);
    }
    let before_end = &mut kept[..end];
    if 0 < from && from < end {
        before_end.select_nth_unstable_by(from, by);
    }
    let shown = &mut before_end[from..];
    shown.sort_unstable_by(by);
    shown
}

/// The entries of a folder whose names have the filter in them, as the disk gives them.
struct Matching {
    walk: crate::library::Walk,
    filter: String,
    is_root: bool,
    /// Entries so far, whether they match or not.
    seen: u64,
}

impl Matching {
    fn new(library: &Library, path: &RelPath, asked: &Asked) -> Result<Matching, Refusal> {
        Ok(Matching {
            walk: library.walk(path, false)?,
            filter: asked.filter.to_lowercase(),
            is_root: path.is_root(),
            seen: 0,
        })
    }

    fn next_entry(&mut self) -> Result<Option<(Vec<u8>, Facts)>, Refusal> {
        while let Some((name, facts)) = self.walk.next_entry()? {
            if self.is_root && name == OWN {
                continue;
            }
            self.seen += 1;
            let text = || String::from_utf8_lossy(&name).to_lowercase();
            if self.filter.is_empty() || text().contains(&self.filter) {
                return Ok(Some((name, facts)));
            }
        }
        Ok(None)
    }
}

/// Folders stand before files, whatever the order; what is equal in it is ordered by name.
fn order(asked: &Asked, names: &[u8], a: Kept, b: Kept) -> Ordering {
    let (first, second) = (a.name(names), b.name(names));
    let of_files = match asked.sort {
        Sort::Name => Ordering::Equal,
        Sort::Size => a.size.cmp(&b.size),
        Sort::Modified => a.modified.cmp(&b.modified),
        Sort::Kind => natural(extension(first), extension(second)),
    };
    let of_both = of_files.then_with(|| natural(first, second).then_with(|| first.cmp(second)));
    let directed = if asked.descending {
        of_both.reverse()
    } else {
        of_both
    };
    b.is_folder.cmp(&a.is_folder).then(directed)
}

fn extension(name: &[u8]) -> &[u8] {
    match memchr::memrchr(b'.', name) {
        Some(dot) => &name[dot + 1..],
        None => b"",
    }
}

/// The order in which people look for names: letters without their case, and numbers by what they are worth.
fn natural(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (Some(&x), Some(&y)) = (a.first(), b.first()) else {
            return a.len().cmp(&b.len());
        };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (first, second) = (number(&mut a), number(&mut b));
            let by_worth = first
                .len()
                .cmp(&second.len())
                .then_with(|| first.cmp(second));
            if by_worth != Ordering::Equal {
                return by_worth;
            }
            continue;
        }
        match x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase()) {
            Ordering::Equal => (a, b) = (&a[1..], &b[1..]),
            other => return other,
        }
    }
}

/// Takes the digits at the beginning; those that count.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    *text = rest;
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    &digits[zeros..]
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
    fn names_stand_where_people_look_for_them() {
        let mut names = ["b", "a10", "A2", "a2b", "ä", "a", "a02", "10", "9"];
        names.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()).then_with(|| a.cmp(b)));
        assert_eq!(names, ["9", "10", "a", "A2", "a02", "a2b", "a10", "b", "ä"]);
    }

    #[test]
    fn folders_come_first_in_both_directions() {
        let names = b"az.txtb.gz";
        let kept = |at, length, is_folder, size| Kept {
            size,
            modified: 0,
            at,
            length,
            is_folder,
        };
        let all = [
            kept(0, 1, true, 0),
            kept(1, 5, false, 2),
            kept(6, 4, false, 1),
        ];
        let sorted = |query: &str| {
            let mut all = all;
            all.sort_unstable_by(|a, b| order(&Asked::of(query), names, *a, *b));
            all.map(|kept| String::from_utf8_lossy(kept.name(names)).into_owned())
        };
        assert_eq!(sorted(""), ["a", "b.gz", "z.txt"]);
        assert_eq!(sorted("order=desc"), ["a", "z.txt", "b.gz"]);
        assert_eq!(sorted("sort=size"), ["a", "b.gz", "z.txt"]);
        assert_eq!(sorted("sort=size&order=desc"), ["a", "z.txt", "b.gz"]);
        assert_eq!(sorted("sort=kind&order=desc"), ["a", "z.txt", "b.gz"]);
    }

    #[test]
    fn every_page_is_a_part_of_the_whole() {
        let names: String = (0..50).map(|i| format!("{:02}", i * 37 % 50)).collect();
        let all: Vec<Kept> = (0..50)
            .map(|i| Kept {
                size: 0,
                modified: 0,
                at: i * 2,
                length: 2,
                is_folder: false,
            })
            .collect();
        let shown = |from: usize, count: usize| -> Vec<String> {
            let asked = Asked::of(&format!("from={from}&count={count}"));
            let mut all = all.clone();
            let shown = page_of(&mut all, &asked, names.as_bytes()).iter();
            shown
                .map(|kept| String::from_utf8_lossy(kept.name(names.as_bytes())).into_owned())
                .collect()
        };
        for (from, count) in [(0, 7), (7, 7), (45, 7), (49, 1), (50, 7), (99, 7), (0, 50)] {
            let wanted: Vec<_> = (from..from + count)
                .filter(|i| *i < 50)
                .map(|i| format!("{i:02}"))
                .collect();
            assert_eq!(shown(from, count), wanted, "{count} from {from}");
        }
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
