//! Which files a ledger is made of: the one that is written to, and those that were rotated away. For the commands that read them.

use super::read::Reader;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a file begins with, for the order of several.
type Begins = (Option<jiff::Timestamp>, SystemTime);

/// The ledger `path`, and beside it what logrotate(8) made of it: `.1`, `.2.gz`, `-20260131`. Those that are there, the oldest first.
#[must_use]
pub fn with_rotated(path: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if let (Some(name), Ok(entries)) = (path.file_name(), std::fs::read_dir(folder)) {
        for entry in entries.flatten() {
            if is_rotated(name, &entry.file_name()) {
                all.push(folder.join(entry.file_name()));
            }
        }
    }
    if path.exists() {
        all.push(path.to_owned());
    }
    in_order(all)
}

/// True for `name` with a number or a date behind it.
fn is_rotated(name: &OsStr, other: &OsStr) -> bool {
    let Some(behind) = other.as_bytes().strip_prefix(name.as_bytes()) else {
        return false;
    };
    let behind = behind.strip_suffix(b".gz").unwrap_or(behind);
    match behind {
        [b'.' | b'-', rest @ ..] if !rest.is_empty() => {
            rest.iter().all(|b| b.is_ascii_digit() || *b == b'-')
        }
        _ => false,
    }
}

/// The files in the order of their first lines: names tell little, and clocks of files are changed by whoever copies them.
#[must_use]
pub fn in_order(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut all: Vec<(Begins, PathBuf)> =
        files.into_iter().map(|path| (begin(&path), path)).collect();
    // Those without a line come last: they have nothing to say.
    all.sort_by(|((a, old), _), ((b, new), _)| (a.is_none(), a, old).cmp(&(b.is_none(), b, new)));
    all.into_iter().map(|(_, path)| path).collect()
}

/// When the first line that is sound was written, and when the file was changed last.
fn begin(path: &Path) -> Begins {
    let changed = path.metadata().and_then(|facts| facts.modified());
    let first = Reader::open(path).ok().and_then(|mut reader| {
        while let Ok(Some(read)) = reader.next_entry() {
            let time = read.entry.and_then(|entry| entry.time());
            if time.is_some() {
                return time;
            }
        }
        None
    });
    (first, changed.unwrap_or(SystemTime::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names() {
        let name = OsStr::new("ledger.jsonl");
        for (other, is) in [
            ("ledger.jsonl.1", true),
            ("ledger.jsonl.12.gz", true),
            ("ledger.jsonl-20260131", true),
            ("ledger.jsonl-2026-01-31.gz", true),
            ("ledger.jsonl", false),
            ("ledger.jsonl.", false),
            ("ledger.jsonl.gz", false),
            ("ledger.jsonl.old", false),
            ("ledger.jsonl.1.swp", false),
            ("other.jsonl.1", false),
        ] {
            assert_eq!(is_rotated(name, OsStr::new(other)), is, "{other}");
        }
    }

    #[test]
    fn files_are_read_in_the_order_of_what_they_say() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        let line = |day: u32| {
            format!("{{\"time\":\"2026-01-{day:02}T00:00:00Z\",\"deed\":\"lost\",\"count\":1}}\n")
        };
        // Not in the order of their names, and the first begins with damage.
        std::fs::write(at("l"), line(20)).expect("write");
        std::fs::write(at("l.1"), format!("half\n{}", line(3))).expect("write");
        std::fs::write(at("l.2"), line(11)).expect("write");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, line(1).as_bytes()).expect("pack");
        std::fs::write(at("l.3.gz"), packed.finish().expect("pack")).expect("write");
        let found = with_rotated(&at("l"));
        assert_eq!(found, ["l.3.gz", "l.1", "l.2", "l"].map(at));
        std::fs::remove_file(at("l")).expect("remove");
        assert_eq!(with_rotated(&at("l")).len(), 3);
    }
}
