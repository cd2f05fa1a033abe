//! A ledger read line by line, also from files that were packed with gzip. No line and no file is ever in memory as a whole but one.

use super::{Entry, LONGEST};
use flate2::bufread::MultiGzDecoder;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Read from the disk at once.
const BUFFER: usize = 256 * 1024;

/// One file of a ledger.
pub struct Reader {
    from: Box<dyn BufRead>,
    path: PathBuf,
    /// Lines so far.
    number: u64,
    line: Vec<u8>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({}:{})", self.path.display(), self.number)
    }
}

/// A line that was read.
#[derive(Debug)]
pub struct Read<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// As it stands there, without its end; of one that is too long only the beginning.
    pub bytes: &'a [u8],
    /// What it says; none where it is damaged.
    pub entry: Option<Entry>,
}

impl Reader {
    /// Opens a file; one that begins as gzip's do is unpacked.
    ///
    /// # Errors
    /// As open(2) and read(2).
    pub fn open(path: &Path) -> std::io::Result<Reader> {
        // Not to be kept waiting by a pipe of that name.
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let mut plain = BufReader::with_capacity(BUFFER, file);
        let from: Box<dyn BufRead> = if plain.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Reader {
            from,
            path: path.to_owned(),
            number: 0,
            line: Vec::new(),
        })
    }

    /// Where it reads.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next line; none at the end, behind which there may be more later where the file is still written to.
    ///
    /// # Errors
    /// As read(2); for packed files also when they are damaged.
    pub fn next_entry(&mut self) -> std::io::Result<Option<Read<'_>>> {
        self.line.clear();
        let mut whole = true;
        loop {
            let available = match self.from.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                if self.line.is_empty() {
                    return Ok(None);
                }
                break;
            }
            let end = memchr::memchr(b'\n', available);
            let piece = &available[..end.unwrap_or(available.len())];
            let room = LONGEST - self.line.len();
            whole &= piece.len() <= room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let taken = piece.len() + usize::from(end.is_some());
            self.from.consume(taken);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        Ok(Some(Read {
            number: self.number,
            entry: if whole {
                Entry::parse(&self.line)
            } else {
                None
            },
            bytes: &self.line,
        }))
    }
}

/// Calls `each` with every line of all `files`, one after the other, and where it stands. Returns the last reader, at its end.
///
/// # Errors
/// A line for the operator: a file cannot be read. What `each` returns as an error ends it, too.
pub fn all(
    files: &[PathBuf],
    mut each: impl FnMut(&Path, Read<'_>) -> Result<(), String>,
) -> Result<Option<Reader>, String> {
    let mut last = None;
    for path in files {
        let say = |error: std::io::Error| format!("ledger {}: {error}", path.display());
        let mut reader = Reader::open(path).map_err(say)?;
        while let Some(read) = reader.next_entry().map_err(say)? {
            each(path, read)?;
        }
        last = Some(reader);
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const SOUND: &str = r#"{"time":"2026-01-01T00:00:00Z","deed":"lost","count":1}"#;

    fn read_all(path: &Path) -> Vec<(u64, bool, usize)> {
        let mut seen = Vec::new();
        all(&[path.to_owned()], |_, read| {
            seen.push((read.number, read.entry.is_some(), read.bytes.len()));
            Ok(())
        })
        .expect("read");
        seen
    }

    #[test]
    fn damaged_lines_cost_themselves_alone() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let long = "x".repeat(3 * BUFFER);
        let length = SOUND.len();
        std::fs::write(file.path(), format!("{SOUND}\n{long}\n\n{SOUND}\n{SOUND}")).expect("write");
        assert_eq!(
            read_all(file.path()),
            [
                (1, true, length),
                (2, false, LONGEST),
                (3, false, 0),
                (4, true, length),
                // No end, and whole all the same.
                (5, true, length),
            ]
        );
    }

    #[test]
    fn packed_files_are_read_and_damage_in_them_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let lines = format!("{SOUND}\n").repeat(5000);
        packed.write_all(lines.as_bytes()).expect("pack");
        let packed = packed.finish().expect("pack");
        std::fs::write(file.path(), &packed).expect("write");
        assert_eq!(read_all(file.path()).len(), 5000);
        std::fs::write(file.path(), &packed[..packed.len() - 9]).expect("write");
        let cut = all(&[file.path().to_owned()], |_, _| Ok(()));
        assert!(cut.is_err());
    }

    #[test]
    fn what_is_added_behind_the_end_is_read_later() {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        writeln!(file, "{SOUND}").expect("write");
        let mut reader = all(&[file.path().to_owned()], |_, _| Ok(()))
            .expect("read")
            .expect("reader");
        assert!(reader.next_entry().expect("end").is_none());
        writeln!(file, "{SOUND}").expect("write");
        assert_eq!(reader.next_entry().expect("read").expect("line").number, 2);
    }
}
