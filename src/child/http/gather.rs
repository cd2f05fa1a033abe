//! All entries of a folder, so that those can be shown that come first in an order. Run by a child.
//!
//! To sort, all of a folder has to be known: what is kept of an entry is small, and where there are too many of them they stand as the
//! disk gives them, which needs no memory at all.

use super::folder::{Asked, Entry, Sort};
use crate::error::{Code, Refusal};
use crate::library::{Library, Walk};
use crate::scoreboard::Slot;
use crate::sys::file::{Facts, Kind};
use crate::wire::http::target::OWN;
use crate::wire::path::RelPath;
use std::cmp::Ordering;

/// Most entries that are sorted.
const MOST_SORTED: usize = 500_000;
/// Most bytes of names that are kept for that.
const MOST_NAMES: usize = 64 * 1024 * 1024;
/// After so many entries it is said that there are more.
const OFTEN: u64 = 256;

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

    fn shown(self, names: &[u8]) -> Entry {
        Entry::new(self.name(names), self.is_folder, self.size, self.modified)
    }

    fn name(self, names: &[u8]) -> &[u8] {
        let at = self.at as usize;
        names
            .get(at..at + usize::from(self.length))
            .unwrap_or_default()
    }
}

/// The entries that are asked for.
///
/// # Errors
/// `NotFound`, also for a file, and those of reading the folder.
pub(super) fn gather(
    library: &Library,
    path: &RelPath,
    asked: &Asked,
    slot: Slot<'_>,
) -> Result<Listing, Refusal> {
    gather_of(library, path, asked, slot, MOST_SORTED)
}

fn gather_of(
    library: &Library,
    path: &RelPath,
    asked: &Asked,
    slot: Slot<'_>,
    most: usize,
) -> Result<Listing, Refusal> {
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
    let mut matching = Matching::new(library, path, asked, slot)?;
    while let Some((name, facts)) = matching.next_entry()? {
        listing.matching += 1;
        if !listing.sorted {
            continue;
        }
        if kept.len() == most || names.len() + name.len() > MOST_NAMES {
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
        listing.entries = entries.map(|kept| kept.shown(&names)).collect();
        return Ok(listing);
    }
    let mut again = Matching::new(library, path, asked, slot)?;
    let mut passed = 0;
    while listing.entries.len() < asked.count
        && let Some((name, facts)) = again.next_entry()?
    {
        passed += 1;
        if passed > asked.from {
            let kept = Kept::new(0, &name, &facts);
            listing.entries.push(kept.shown(&name));
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
struct Matching<'s> {
    walk: Walk,
    filter: String,
    is_root: bool,
    slot: Slot<'s>,
    /// Entries so far, whether they match or not.
    seen: u64,
}

impl<'s> Matching<'s> {
    fn new(
        library: &Library,
        path: &RelPath,
        asked: &Asked,
        slot: Slot<'s>,
    ) -> Result<Matching<'s>, Refusal> {
        Ok(Matching {
            walk: library.walk(path, false)?,
            filter: asked.filter.to_lowercase(),
            is_root: path.is_root(),
            slot,
            seen: 0,
        })
    }

    fn next_entry(&mut self) -> Result<Option<(Vec<u8>, Facts)>, Refusal> {
        while let Some((name, facts)) = self.walk.next_entry()? {
            if self.is_root && name == OWN {
                continue;
            }
            self.seen += 1;
            // While nothing goes to the client, this alone says that it is not forgotten.
            if self.seen.is_multiple_of(OFTEN) {
                self.slot.moved(1);
            }
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
    use crate::config::Files;

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
    fn what_is_too_much_to_sort_is_all_there_in_some_order() {
        let folder = tempfile::tempdir().expect("tempdir");
        let library = Library::open(folder.path(), Files::of_tests(), None).expect("library");
        for i in 0..40 {
            std::fs::write(folder.path().join(format!("file {i:02}")), "").expect("write");
        }
        let listed = |query: &str, most: usize| {
            let (asked, slot) = (Asked::of(query), Slot::unread());
            gather_of(&library, &RelPath::root(), &asked, slot, most).expect("list")
        };
        let whole = listed("", 40);
        assert!(whole.sorted && whole.entries[7].name == "file 07");
        let mut parts: Vec<Entry> = Vec::new();
        for from in [0, 15, 30] {
            let part = listed(&format!("from={from}&count=15"), 39);
            assert!(!part.sorted && part.total == 40 && part.matching == 40);
            parts.extend(part.entries);
        }
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(parts, whole.entries);
        // What a filter leaves may be few enough.
        assert!(listed("q=file%200", 10).sorted);
    }
}
