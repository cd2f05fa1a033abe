//! `L`: listing a folder. Run by the client. Entries are handed on as they come; what is not a path below the listed folder
//! ends the connection, since an honest server never sends it.

use super::session::Client;
use super::{Error, Result};
use crate::error::{Code, Refusal};
use crate::wire::drive::{Entry, List, Listed, letter};
use crate::wire::name::Name;
use crate::wire::path::RelPath;

/// Longest line: a path of 4,095 bytes in the longest spelling JSON has (`\u0025XX` for each byte), and its numbers.
const MAX_LINE: usize = 48 * 1024;
/// Read at once.
const PIECE: usize = 64 * 1024;
/// Most bytes of names that `list_all` keeps: some two million entries.
pub const MAX_KEPT: usize = 256 << 20;

impl Client {
    /// Lists the folder `path`, with everything below it if `recursive`. `each` gets the entries in the order of the
    /// server's disk; its error ends the listing, and the connection. Holds one line at a time.
    ///
    /// # Errors
    /// `Refused`, `Lost`, `Protocol` (also for a name that leads elsewhere), `Interrupted`, and what `each` returns.
    pub fn list(
        &mut self,
        path: &RelPath,
        recursive: bool,
        mut each: impl FnMut(Entry) -> Result<()>,
    ) -> Result<Listed> {
        self.send(
            letter::LIST,
            &List {
                path: Name(path.as_bytes().to_vec()),
                recursive,
            },
        )?;
        self.flush()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < PIECE {
            buffer.resize(PIECE, 0);
        }
        let listed = self.entries(&mut buffer[..PIECE], &mut each);
        self.buffer = buffer;
        listed
    }

    /// The whole listing, sorted by name.
    ///
    /// # Errors
    /// As `list`; `Refused` with `Code::TooLarge` when the names come to more than `MAX_KEPT` bytes.
    pub fn list_all(&mut self, path: &RelPath, recursive: bool) -> Result<(Vec<Entry>, Listed)> {
        let mut entries = Vec::new();
        let mut kept = 0;
        let listed = self.list(path, recursive, |entry| {
            kept += entry.name.0.len() + size_of::<Entry>();
            if kept > MAX_KEPT {
                return Err(Error::Refused(Refusal::new(
                    Code::TooLarge,
                    "there are too many names to hold at once; take the folders one by one",
                )));
            }
            entries.push(entry);
            Ok(())
        })?;
        // By parts, so that what is in a folder follows it at once.
        entries.sort_unstable_by(|a, b| {
            a.name
                .0
                .split(|b| *b == b'/')
                .cmp(b.name.0.split(|b| *b == b'/'))
        });
        Ok((entries, listed))
    }

    fn entries(
        &mut self,
        buffer: &mut [u8],
        each: &mut impl FnMut(Entry) -> Result<()>,
    ) -> Result<Listed> {
        let mut rest = Vec::new();
        let mut count = 0u64;
        loop {
            let header = self.next_frame()?;
            match header.letter {
                letter::DATA => {}
                letter::ERROR => return Err(self.fault(header)),
                letter::END => {
                    let listed: Listed = self.parse(header)?;
                    if listed.entries != count {
                        return Err(self.protocol(format!(
                            "a list of {} entries with {count} lines",
                            listed.entries
                        )));
                    }
                    return Ok(listed);
                }
                other => return Err(self.unexpected(other, "a part of the list")),
            }
            let mut left = header.length;
            while left > 0 {
                let got = self
                    .reader
                    .data(&mut left, buffer)
                    .map_err(|broken| self.failed(broken))?;
                let mut bytes = &buffer[..got];
                while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
                    let outcome = if rest.is_empty() {
                        self.entry(&bytes[..end])
                    } else {
                        rest.extend_from_slice(&bytes[..end]);
                        self.entry(&rest)
                    };
                    rest.clear();
                    bytes = &bytes[end + 1..];
                    count += 1;
                    // What follows would have to be read to its end, however long: connecting again is cheaper.
                    outcome
                        .and_then(&mut *each)
                        .inspect_err(|_| self.abandon())?;
                }
                rest.extend_from_slice(bytes);
                if rest.len() > MAX_LINE {
                    return Err(self.protocol("a line of the list without end"));
                }
            }
            if !rest.is_empty() {
                return Err(self.protocol("a part of the list ends within a line"));
            }
        }
    }

    fn entry(&mut self, line: &[u8]) -> Result<Entry> {
        let entry: Entry = serde_json::from_slice(line)
            .map_err(|e| self.protocol(format!("a line of the list that is none ({e})")))?;
        match RelPath::parse(&entry.name.0) {
            Ok(path) if !path.is_root() => Ok(entry),
            _ => Err(self.protocol(format!(
                "it lists a name that no library has: {}",
                super::show::clean(&entry.name.0)
            ))),
        }
    }
}
