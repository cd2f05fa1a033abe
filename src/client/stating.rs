//! The command `stat`: what is under a name, for people and for programs. Run by the command and the shell.

use super::link::Link;
use super::{Result, show};
use crate::wire::drive::{Entry, Type};
use crate::wire::path::RelPath;
use std::io::Write;

/// Says on standard output what `path` is; with `json` as one JSON object, as on the wire.
///
/// # Errors
/// As `Client::stat`. That standard output was closed is none.
pub fn run(link: &mut Link, path: &RelPath, json: bool) -> Result<()> {
    let entry = link.client()?.stat(path)?;
    let text = if json {
        serde_json::to_string(&entry).unwrap_or_default() + "\n"
    } else {
        lines(&entry)
    };
    let mut to = std::io::stdout().lock();
    // A reader that has gone has seen enough.
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    Ok(())
}

fn lines(entry: &Entry) -> String {
    let name = format!("/{}", show::clean(&entry.name.0));
    let time = show::time(entry.mtime);
    match entry.kind {
        Type::Folder => format!("name     {name}\ntype     folder\nchanged  {time}\n"),
        Type::File => {
            let size = show::count(entry.size, "byte", "bytes");
            let about = if entry.size < 1024 {
                String::new()
            } else {
                format!(" ({})", show::size(entry.size))
            };
            format!("name     {name}\ntype     file\nsize     {size}{about}\nchanged  {time}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Name;

    #[test]
    fn what_is_said() {
        let mut entry = Entry {
            name: Name("a/\u{9b}b".as_bytes().to_vec()),
            kind: Type::File,
            size: 2048,
            mtime: i64::MAX,
            nsec: 0,
        };
        let time = i64::MAX;
        assert_eq!(
            lines(&entry),
            format!(
                "name     /a/\\u{{9b}}b\ntype     file\nsize     2048 bytes (2.0 KiB)\nchanged  @{time}\n"
            )
        );
        entry.size = 1;
        assert!(lines(&entry).contains("\nsize     1 byte\n"));
        entry.kind = Type::Folder;
        assert!(!lines(&entry).contains("size"));
    }
}
