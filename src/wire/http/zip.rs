//! A zip archive as it goes out, one entry after another (PKWARE's APPNOTE 6.3): stored, never compressed. Pure; used by children.
//!
//! What is kept of each entry is its line of the directory that ends an archive, and nothing else. There is no end without `finish`: an
//! archive that is cut is none.

use crc32fast::Hasher;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Bytes of an entry's line in the directory, at most, besides its name: the fixed part, the moment, sizes and place in 64 bits.
const LONGEST_LINE: u64 = 46 + 9 + 28;
/// What does not fit in 32 bits stands elsewhere, and this instead; for 16 bits the same.
const ELSEWHERE: u32 = u32::MAX;
const ELSEWHERE_16: u16 = u16::MAX;
/// The size follows the content, and names are UTF-8 (bits 3 and 11 of the flags; the first means nothing for a folder).
const SIZE_FOLLOWS: u16 = 1 << 3;
const UTF_8: u16 = 1 << 11;
/// Versions of the format that a reader has to know: the second for sizes in 64 bits.
const PLAIN: u16 = 20;
const LARGE: u16 = 45;
/// Made on Unix, so that the mode counts.
const UNIX: u16 = 3 << 8;
const FILE_MODE: u32 = 0o100_644;
const FOLDER_MODE: u32 = 0o040_755;
/// The attribute of folders where there are no modes.
const DOS_FOLDER: u32 = 1 << 4;

/// An archive under way.
#[derive(Debug, Default)]
pub struct Archive {
    directory: Vec<u8>,
    entries: u64,
    /// Bytes that were handed out.
    at: u64,
    open: Option<Entry>,
}

/// The entry under way.
#[derive(Debug)]
struct Entry {
    name: String,
    modified: i64,
    mode: u32,
    begins_at: u64,
    announced: u64,
    size: u64,
    sum: Hasher,
}

/// The content was not as long as it was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongSize;

/// Bytes that an entry of that name takes in the memory of who writes the archive, at most.
#[must_use]
pub fn weight(name: &str) -> u64 {
    LONGEST_LINE + name.len() as u64
}

/// The name in an archive of what is at `path`, in UTF-8, and no two alike. Programs that unpack it elsewhere take a backslash for a
/// slash, and a letter with a colon for a disk: these, and what is no UTF-8, are replaced, and stand in hexadecimal at the name's end.
#[must_use]
pub fn entry_name(path: &[u8]) -> String {
    let parts = path.split(|&b| b == b'/').enumerate();
    let parts: Vec<_> = parts
        .map(|(i, part)| {
            let drive = i == 0 && part.get(1) == Some(&b':') && part[0].is_ascii_alphabetic();
            part_name(part, drive)
        })
        .collect();
    parts.join("/")
}

fn part_name(part: &[u8], drive: bool) -> String {
    let mut name = String::with_capacity(part.len());
    let mut replaced = Vec::new();
    for chunk in part.utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            let is_drive = drive && name.len() == 1 && at == 1;
            if is_drive || matches!(c, '\\' | char::REPLACEMENT_CHARACTER) {
                name.push(char::REPLACEMENT_CHARACTER);
                put(&mut replaced, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                name.push(c);
            }
        }
        if !chunk.invalid().is_empty() {
            name.push(char::REPLACEMENT_CHARACTER);
            replaced.extend_from_slice(chunk.invalid());
        }
    }
    // What looks replaced by itself counts, too: so no other name becomes the same.
    if !replaced.is_empty() {
        name.push('~');
        name.push_str(&hex::encode(replaced));
    }
    name
}

impl Archive {
    /// Adds an empty folder, changed last at that second. Returns what goes out.
    pub fn folder(&mut self, name: &str, modified: i64) -> Vec<u8> {
        let head = self.begin(format!("{name}/"), modified, FOLDER_MODE, 0);
        if let Some(entry) = self.open.take() {
            self.list(&entry, 0);
        }
        head
    }

    /// Begins a file of `size` bytes, changed last at that second. Returns what goes out; the content follows.
    pub fn file(&mut self, name: String, modified: i64, size: u64) -> Vec<u8> {
        self.begin(name, modified, FILE_MODE, size)
    }

    /// Takes the next bytes of the file's content into account, which go out as they are.
    pub fn content(&mut self, bytes: &[u8]) {
        if let Some(entry) = &mut self.open {
            entry.sum.update(bytes);
            entry.size += bytes.len() as u64;
            self.at += bytes.len() as u64;
        }
    }

    /// Ends a file. Returns what goes out after its content.
    ///
    /// # Errors
    /// When there was more of it or less than was said.
    pub fn end_file(&mut self) -> Result<Vec<u8>, WrongSize> {
        let entry = self.open.take().ok_or(WrongSize)?;
        if entry.size != entry.announced {
            return Err(WrongSize);
        }
        let sum = entry.sum.clone().finalize();
        let mut out = Vec::with_capacity(24);
        put(&mut out, &0x0807_4b50_u32.to_le_bytes());
        put(&mut out, &sum.to_le_bytes());
        for _ in ["stored", "read"] {
            if is_large(entry.announced) {
                put(&mut out, &entry.size.to_le_bytes());
            } else {
                put(&mut out, &(entry.size as u32).to_le_bytes());
            }
        }
        self.at += out.len() as u64;
        self.list(&entry, sum);
        Ok(out)
    }

    /// The end of the archive: its directory, without which it is none.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let (begin, length, entries) = (self.at, self.directory.len() as u64, self.entries);
        let mut out = self.directory;
        if entries >= u64::from(ELSEWHERE_16) || is_large(length) || is_large(begin) {
            put(&mut out, &0x0606_4b50_u32.to_le_bytes());
            put(&mut out, &44_u64.to_le_bytes());
            put(&mut out, &(UNIX | LARGE).to_le_bytes());
            put(&mut out, &LARGE.to_le_bytes());
            // Of one disk, the first.
            put(&mut out, &[0; 8]);
            for number in [entries, entries, length, begin] {
                put(&mut out, &number.to_le_bytes());
            }
            put(&mut out, &0x0706_4b50_u32.to_le_bytes());
            put(&mut out, &[0; 4]);
            put(&mut out, &(begin + length).to_le_bytes());
            put(&mut out, &1_u32.to_le_bytes());
        }
        put(&mut out, &0x0605_4b50_u32.to_le_bytes());
        put(&mut out, &[0; 4]);
        let count = u16::try_from(entries).unwrap_or(ELSEWHERE_16);
        put(&mut out, &count.to_le_bytes());
        put(&mut out, &count.to_le_bytes());
        put(&mut out, &short(length).to_le_bytes());
        put(&mut out, &short(begin).to_le_bytes());
        put(&mut out, &[0; 2]);
        out
    }

    fn begin(&mut self, name: String, modified: i64, mode: u32, size: u64) -> Vec<u8> {
        let entry = Entry {
            name,
            modified,
            mode,
            begins_at: self.at,
            announced: size,
            size: 0,
            sum: Hasher::new(),
        };
        let mut extra = moment(modified);
        let mut sizes = 0_u32;
        if is_large(size) {
            // The real ones follow the content; that they are in 64 bits there is said here.
            sizes = ELSEWHERE;
            put(&mut extra, &1_u16.to_le_bytes());
            put(&mut extra, &16_u16.to_le_bytes());
            put(&mut extra, &[0; 16]);
        }
        let mut out = Vec::with_capacity(30 + entry.name.len() + extra.len());
        put(&mut out, &0x0403_4b50_u32.to_le_bytes());
        entry.common(&mut out, 0, sizes, sizes);
        put(&mut out, &(entry.name.len() as u16).to_le_bytes());
        put(&mut out, &(extra.len() as u16).to_le_bytes());
        put(&mut out, entry.name.as_bytes());
        put(&mut out, &extra);
        self.at += out.len() as u64;
        self.open = Some(entry);
        out
    }

    /// Adds the entry's line to the directory.
    fn list(&mut self, entry: &Entry, sum: u32) {
        let mut extra = moment(entry.modified);
        let mut large = Vec::new();
        if is_large(entry.size) {
            put(&mut large, &entry.size.to_le_bytes());
            put(&mut large, &entry.size.to_le_bytes());
        }
        if is_large(entry.begins_at) {
            put(&mut large, &entry.begins_at.to_le_bytes());
        }
        if !large.is_empty() {
            put(&mut extra, &1_u16.to_le_bytes());
            put(&mut extra, &(large.len() as u16).to_le_bytes());
            put(&mut extra, &large);
        }
        let out = &mut self.directory;
        put(out, &0x0201_4b50_u32.to_le_bytes());
        put(out, &(UNIX | LARGE).to_le_bytes());
        entry.common(out, sum, short(entry.size), short(entry.size));
        put(out, &(entry.name.len() as u16).to_le_bytes());
        put(out, &(extra.len() as u16).to_le_bytes());
        // No comment, the first disk, nothing known about the content.
        put(out, &[0; 6]);
        let mut attributes = entry.mode << 16;
        if entry.mode == FOLDER_MODE {
            attributes |= DOS_FOLDER;
        }
        put(out, &attributes.to_le_bytes());
        put(out, &short(entry.begins_at).to_le_bytes());
        put(out, entry.name.as_bytes());
        put(out, &extra);
        self.entries += 1;
    }
}

impl Entry {
    /// What stands both before the content and in the directory: from the version to the sizes.
    fn common(&self, out: &mut Vec<u8>, sum: u32, stored: u32, size: u32) {
        let (version, flags) = match self.mode {
            FOLDER_MODE => (PLAIN, UTF_8),
            _ if is_large(self.announced) => (LARGE, UTF_8 | SIZE_FOLLOWS),
            _ => (PLAIN, UTF_8 | SIZE_FOLLOWS),
        };
        let (time, date) = dos(self.modified);
        for number in [version, flags, 0, time, date] {
            put(out, &number.to_le_bytes());
        }
        for number in [sum, stored, size] {
            put(out, &number.to_le_bytes());
        }
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

fn is_large(number: u64) -> bool {
    number >= u64::from(ELSEWHERE)
}

fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

/// The moment in UTC, where 32 bits can name it (Info-ZIP's extended timestamp).
fn moment(seconds: i64) -> Vec<u8> {
    let mut out = Vec::new();
    if let Ok(seconds) = i32::try_from(seconds) {
        put(&mut out, &0x5455_u16.to_le_bytes());
        put(&mut out, &5_u16.to_le_bytes());
        put(&mut out, &[1]);
        put(&mut out, &seconds.to_le_bytes());
    }
    out
}

/// The same to two seconds, from 1980 to 2107, for who knows nothing else.
fn dos(seconds: i64) -> (u16, u16) {
    let Ok(moment) = Timestamp::from_second(seconds) else {
        return (0, 1 << 5 | 1);
    };
    let moment = TimeZone::UTC.to_datetime(moment);
    let number = |number: i8| u16::try_from(number).unwrap_or(0);
    match moment.year() {
        ..1980 => (0, 1 << 5 | 1),
        2108.. => (23 << 11 | 59 << 5 | 29, 127 << 9 | 12 << 5 | 31),
        year => (
            number(moment.hour()) << 11
                | number(moment.minute()) << 5
                | (number(moment.second()) / 2),
            (year - 1980) as u16 * 512 + number(moment.month()) * 32 + number(moment.day()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::path::RelPath;

    #[test]
    fn entries_lead_nowhere_but_down() {
        for path in [
            &b"a/b"[..],
            b"x\\..\\..\\evil",
            b"\\\\host\\share",
            b"C:/windows",
            b"c:\\x",
            b"a\xff/\xfe",
            b"a/C:x",
            "\u{fffd}/~".as_bytes(),
            "é:/x".as_bytes(),
        ] {
            RelPath::parse(path).expect("a name that the library can have");
            let name = entry_name(path);
            assert!(!name.starts_with('/') && !name.contains('\\'), "{name}");
            assert!(name.get(1..2) != Some(":"), "{name}");
            for part in name.split('/') {
                assert!(!part.is_empty() && part != "." && part != "..", "{name}");
            }
        }
        // Such paths there are none of, and so no such entries.
        for path in [&b"../a"[..], b"/a", b"a/../b", b"a//b", b"."] {
            assert!(RelPath::parse(path).is_err());
        }
        assert_eq!(entry_name("ü/b c".as_bytes()), "ü/b c");
        assert_eq!(entry_name(b"caf\xe9"), "caf\u{fffd}~e9");
        assert_eq!(entry_name(b"a\\b"), "a\u{fffd}b~5c");
        assert_eq!(entry_name(b"C:"), "C\u{fffd}~3a");
    }

    #[test]
    fn no_two_names_become_the_same() {
        let alphabet = [
            &b"\\"[..],
            b"\xff",
            b"\xe2\x82",
            b"~",
            b"5c",
            b"ff",
            b"\xef\xbf\xbd",
            b":",
            b"a",
        ];
        let mut seen = std::collections::HashMap::new();
        for one in alphabet {
            for two in alphabet {
                for three in alphabet {
                    let path = [one, two, three].concat();
                    if let Some(other) = seen.insert(entry_name(&path), path.clone()) {
                        assert_eq!(other, path);
                    }
                }
            }
        }
    }

    fn archive() -> (Vec<u8>, usize) {
        let mut archive = Archive::default();
        let mut out = archive.folder("d", 1_000_000_000);
        out.extend(archive.file("d/a".into(), 1_000_000_001, 5));
        archive.content(b"hel");
        archive.content(b"lo");
        out.extend(b"hello");
        out.extend(archive.end_file().expect("as long as it was said to be"));
        let begin = out.len();
        assert_eq!(begin as u64, archive.at);
        out.extend(archive.finish());
        (out, begin)
    }

    fn number(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"))
    }

    #[test]
    fn an_archive_ends_with_where_everything_is() {
        let (out, begin) = archive();
        let end = out.len() - 22;
        assert_eq!(number(&out, end), 0x0605_4b50);
        assert_eq!(number(&out, end + 8), 2 | 2 << 16);
        assert_eq!(number(&out, end + 12) as usize, end - begin);
        assert_eq!(number(&out, end + 16) as usize, begin);
        let line = begin + 46 + 2 + 9;
        assert_eq!(number(&out, line), 0x0201_4b50);
        assert_eq!(number(&out, line + 16), crc32fast::hash(b"hello"));
        assert_eq!((number(&out, line + 20), number(&out, line + 24)), (5, 5));
        let at = number(&out, line + 42) as usize;
        assert_eq!(number(&out, at), 0x0403_4b50);
        assert!((end - line) as u64 <= weight("d/a"));
    }

    #[test]
    fn what_is_large_is_said_in_64_bits() {
        let mut archive = Archive::default();
        let size = u64::from(u32::MAX) + 7;
        let head = archive.file("big".into(), i64::MAX, size);
        assert_eq!(head.len(), 30 + 3 + 20);
        assert_eq!(number(&head, 18), ELSEWHERE);
        assert_eq!(archive.end_file(), Err(WrongSize));
        let mut archive = Archive::default();
        let _ = archive.file("big".into(), i64::MIN, size);
        if let Some(entry) = &mut archive.open {
            entry.size = size;
        }
        archive.at += size;
        let tail = archive.end_file().expect("as large");
        assert_eq!(tail.len(), 24);
        assert_eq!(tail[8..16], size.to_le_bytes());
        let _ = archive.folder("after", 0);
        let begin = archive.at;
        let end = archive.finish();
        assert_eq!(end[end.len() - 98..][..4], 0x0606_4b50_u32.to_le_bytes());
        assert_eq!(end[end.len() - 50..][..8], begin.to_le_bytes());
        assert_eq!(number(&end, end.len() - 6), ELSEWHERE);
    }

    #[test]
    fn many_entries_are_counted() {
        let mut archive = Archive::default();
        for _ in 0..70_000 {
            let _ = archive.folder("f", 0);
        }
        let end = archive.finish();
        assert_eq!(number(&end, end.len() - 14), u32::MAX);
        assert_eq!(end[end.len() - 66..][..8], 70_000_u64.to_le_bytes());
    }

    #[test]
    fn moments_that_the_format_cannot_name_are_as_near_as_can_be() {
        assert_eq!(dos(0), (0, 1 << 5 | 1));
        assert_eq!(dos(i64::MAX), dos(i64::MIN));
        // 2001-09-09 01:46:40
        assert_eq!(
            dos(1_000_000_000),
            (1 << 11 | 46 << 5 | 20, 21 << 9 | 9 << 5 | 9)
        );
        assert_eq!(dos(5_000_000_000).1, 127 << 9 | 12 << 5 | 31);
        assert!(moment(i64::from(i32::MAX) + 1).is_empty() && moment(-1).len() == 9);
    }
}
