//! Completion in the shell: commands, names on the server, names here. Run by the line editor while a key is handled, so it
//! waits little and fails silently.

use super::menu::{COMMANDS, Takes};
use super::remote::Remote;
use super::words;
use crate::wire::path::RelPath;
use rustyline::completion::{Completer, Pair};
use rustyline::{Context, Helper, Highlighter, Hinter, Validator};
use std::cell::RefCell;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

/// Most candidates that are offered.
const MOST: usize = 2000;

/// What the line editor asks.
#[derive(Helper, Hinter, Highlighter, Validator)]
pub(super) struct Names {
    pub(super) remote: Rc<RefCell<Remote>>,
    /// Every word is of this kind: an answer to a question, not a command.
    pub(super) only: Option<Takes>,
}

impl Completer for Names {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let split = words::split(line.get(..pos).unwrap_or_default());
        let (before, last) = match split.words.split_last() {
            Some((last, before)) if split.in_word => (before, last.as_slice()),
            _ => (&split.words[..], &b""[..]),
        };
        let takes = self
            .only
            .or_else(|| before.first().map(|verb| takes(verb, before)));
        let found = match takes {
            None => commands(last),
            Some(Takes::Nothing) => Vec::new(),
            Some(Takes::Remote { folders }) => self.remote(last, folders),
            Some(Takes::Local { folders }) => local(last, folders),
        };
        Ok((split.last_at, found))
    }
}

/// What kind of word may follow `before`.
fn takes(verb: &[u8], before: &[Vec<u8>]) -> Takes {
    if before.len() > 1
        && before
            .last()
            .is_some_and(|word| word == b"-o" || word == b"--output")
    {
        return Takes::Local { folders: false };
    }
    let verb = String::from_utf8_lossy(verb);
    let verb = verb.strip_prefix('-').unwrap_or(&verb);
    COMMANDS
        .iter()
        .find(|command| command.names.contains(&verb))
        .map_or(Takes::Nothing, |command| command.takes)
}

fn commands(begun: &[u8]) -> Vec<Pair> {
    COMMANDS
        .iter()
        .map(|command| command.names[0])
        .filter(|name| name.as_bytes().starts_with(begun))
        .map(|name| Pair {
            display: name.to_owned(),
            replacement: format!("{name} "),
        })
        .collect()
}

/// The folder part of a begun path, with its slash, and the begun name.
fn cut(begun: &[u8]) -> (&[u8], &[u8]) {
    begun.split_at(
        begun
            .iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |slash| slash + 1),
    )
}

/// The candidate for `name` in the folder written as `folder`.
fn pair(folder: &[u8], name: &[u8], is_folder: bool) -> Pair {
    let end = if is_folder { "/" } else { " " };
    Pair {
        display: crate::client::show::clean(name) + end.trim_end(),
        replacement: words::quote(&[folder, name].concat()) + end,
    }
}

impl Names {
    fn remote(&self, begun: &[u8], only_folders: bool) -> Vec<Pair> {
        let (folder, name) = cut(begun);
        let mut remote = self.remote.borrow_mut();
        let Ok(path) = remote.resolve(folder) else {
            return Vec::new();
        };
        let matches =
            |entry: &&(Vec<u8>, bool)| entry.0.starts_with(name) && (entry.1 || !only_folders);
        remote
            .names(&path)
            .iter()
            .filter(matches)
            .take(MOST)
            .map(|(name, is_folder)| pair(folder, name, *is_folder))
            .collect()
    }
}

fn local(begun: &[u8], only_folders: bool) -> Vec<Pair> {
    let (folder, name) = cut(begun);
    let path = if folder.is_empty() { &b"."[..] } else { folder };
    let Ok(entries) = std::fs::read_dir(std::ffi::OsStr::from_bytes(path)) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let own = entry.file_name();
            // Hidden names only where the user begins one.
            let wanted = own.as_bytes().starts_with(name)
                && (!own.as_bytes().starts_with(b".") || name.starts_with(b"."));
            let is_folder = wanted && entry.path().is_dir();
            (wanted && (is_folder || !only_folders))
                .then(|| pair(folder, own.as_bytes(), is_folder))
        })
        .take(MOST)
        .collect();
    found.sort_by(|a, b| a.replacement.cmp(&b.replacement));
    found
}

/// Where a path typed in the shell leads from `here`: `/` begins at the root, `.` and `..` are understood.
pub(super) fn resolve(here: &RelPath, typed: &[u8]) -> Result<RelPath, String> {
    let mut parts: Vec<&[u8]> = if typed.starts_with(b"/") || here.is_root() {
        Vec::new()
    } else {
        here.as_bytes().split(|b| *b == b'/').collect()
    };
    for part in typed.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    RelPath::parse(&parts.join(&b'/')).map_err(|bad| bad.when_reading().message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_resolve_within_the_library() {
        let here = RelPath::parse(b"a/b").expect("path");
        for (typed, wanted) in [
            ("", "a/b"),
            ("c", "a/b/c"),
            ("../c/", "a/c"),
            ("/c", "c"),
            ("../../../..", ""),
            ("./c/./d", "a/b/c/d"),
            ("/", ""),
        ] {
            assert_eq!(
                resolve(&here, typed.as_bytes()).expect(typed).as_bytes(),
                wanted.as_bytes(),
                "{typed}"
            );
        }
        assert!(resolve(&here, b".hidden").is_err());
        assert!(resolve(&here, b"a\nb").is_err());
    }

    #[test]
    fn words_are_completed_by_place() {
        let first = commands(b"p");
        assert_eq!(
            first.iter().map(|p| p.display.as_str()).collect::<Vec<_>>(),
            ["put", "pwd", "ping"]
        );
        assert_eq!(cut(b"a/b/c"), (&b"a/b/"[..], &b"c"[..]));
        let pair = pair(b"a/", b"b c\x1b", true);
        assert_eq!(
            (pair.display.as_str(), pair.replacement.as_str()),
            ("b c\\x1b/", "a/b\\ c\\x1b/")
        );
        assert!(matches!(
            takes(b"cd", &[b"cd".to_vec()]),
            Takes::Remote { folders: true }
        ));
        assert!(matches!(
            takes(b"3", &[b"3".to_vec()]),
            Takes::Local { folders: false }
        ));
        for verb in [&b"rm"[..], b"rename", b"touch", b"stat"] {
            assert_eq!(
                takes(verb, &[verb.to_vec(), b"-r".to_vec()]),
                Takes::Remote { folders: false }
            );
        }
        assert!(matches!(
            takes(b"get", &[b"get".to_vec(), b"-o".to_vec()]),
            Takes::Local { .. }
        ));
    }
}
