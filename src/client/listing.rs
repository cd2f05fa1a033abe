//! The command `list`: what is in a folder, for people and for programs. Run by the command and the shell.

use super::link::Link;
use super::{Result, show};
use crate::wire::drive::{Entry, Type};
use crate::wire::path::RelPath;
use std::io::{self, BufWriter, IsTerminal, Write};

/// How to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// With everything below.
    pub recursive: bool,
    /// With size and time.
    pub long: bool,
    /// One JSON object a line, as on the wire.
    pub json: bool,
}

/// Lists `path` on standard output, sorted. Returns the number of folders the server could not read.
///
/// # Errors
/// As `Client::list_all`. That standard output was closed is none.
pub fn run(link: &mut Link, path: &RelPath, manner: Manner) -> Result<u64> {
    let (entries, listed) = link.client()?.list_all(path, manner.recursive)?;
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let mut to = BufWriter::new(stdout.lock());
    // A reader that has gone has seen enough.
    let _ = entries
        .iter()
        .try_for_each(|entry| line(&mut to, entry, manner, terminal))
        .and_then(|()| to.flush());
    Ok(listed.unreadable)
}

/// On a terminal names are made harmless; into a pipe they go as they are, which is one line each: a name that was let
/// through has no control bytes.
fn line(to: &mut impl Write, entry: &Entry, manner: Manner, terminal: bool) -> io::Result<()> {
    if manner.json {
        serde_json::to_writer(&mut *to, entry)?;
        return to.write_all(b"\n");
    }
    if manner.long {
        write!(to, "{:>15}  {}  ", entry.size, show::time(entry.mtime))?;
    }
    if terminal {
        to.write_all(show::clean(&entry.name.0).as_bytes())?;
    } else {
        to.write_all(&entry.name.0)?;
    }
    to.write_all(if entry.kind == Type::Folder {
        b"/\n"
    } else {
        b"\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Name;

    #[test]
    fn lines() {
        let file = Entry {
            name: Name("a\u{202e}b\u{9b}\u{fc}".as_bytes().to_vec()),
            kind: Type::File,
            size: 12,
            mtime: 0,
            nsec: 0,
        };
        let folder = Entry {
            name: Name(b"d".to_vec()),
            kind: Type::Folder,
            size: 0,
            mtime: 0,
            nsec: 0,
        };
        let text = |entry: &Entry, manner: Manner, terminal: bool| {
            let mut out = Vec::new();
            line(&mut out, entry, manner, terminal).expect("write");
            String::from_utf8(out).expect("text")
        };
        let plain = Manner::default();
        assert_eq!(text(&file, plain, true), "a\\u{202e}b\\u{9b}ü\n");
        assert_eq!(text(&file, plain, false), "a\u{202e}b\u{9b}ü\n");
        assert_eq!(text(&folder, plain, true), "d/\n");
        assert!(
            text(
                &folder,
                Manner {
                    long: true,
                    ..plain
                },
                true
            )
            .starts_with("              0  ")
        );
        assert_eq!(
            text(
                &folder,
                Manner {
                    json: true,
                    ..plain
                },
                true
            ),
            "{\"name\":\"d\",\"type\":\"folder\",\"size\":0,\"mtime\":0}\n"
        );
    }
}
