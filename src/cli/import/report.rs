//! What becomes of each key of the other server's configuration, as a table for the operator. Run by `forkftpd import`.

use crate::log::quoted;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is one of ours.
    Ours,
    /// It needs nothing here.
    Nothing,
    /// It cannot be had, and nobody is less safe for it.
    Missing,
    /// It cannot be had, and protected something.
    Unsafe,
}

#[derive(Debug)]
struct Line {
    fate: Fate,
    place: String,
    key: String,
    says: String,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
}

/// Longest key with its value that is printed.
const KEY: usize = 60;

impl Report {
    /// Notes what becomes of `key`, as it stands at `place`. `says` is ours, because, or what to do instead.
    pub(super) fn note(&mut self, fate: Fate, place: &str, key: &str, says: impl Into<String>) {
        let shown: String = key.chars().take(KEY).collect();
        let printable = |c: char| c.is_ascii_graphic() || c == ' ';
        let key = match shown.chars().all(printable) {
            true => shown,
            false => quoted(&shown).to_string(),
        };
        self.lines.push(Line {
            fate,
            place: place.to_owned(),
            key,
            says: says.into(),
        });
    }

    pub(super) fn ours(&mut self, place: &str, key: &str, says: impl Into<String>) {
        self.note(Fate::Ours, place, key, says);
    }

    pub(super) fn nothing(&mut self, place: &str, key: &str, says: impl Into<String>) {
        self.note(Fate::Nothing, place, key, says);
    }

    pub(super) fn missing(&mut self, place: &str, key: &str, says: impl Into<String>) {
        self.note(Fate::Missing, place, key, says);
    }

    pub(super) fn less_safe(&mut self, place: &str, key: &str, says: impl Into<String>) {
        self.note(Fate::Unsafe, place, key, says);
    }

    /// True when something that protected the other server is lost.
    pub(super) fn is_unsafe(&self) -> bool {
        self.lines.iter().any(|line| line.fate == Fate::Unsafe)
    }

    /// True when a line about a key that begins with `key` has this fate.
    #[cfg(test)]
    pub(super) fn says(&self, fate: Fate, key: &str) -> bool {
        let fits = |line: &&Line| line.fate == fate && line.key.starts_with(key);
        self.lines.iter().any(|line| fits(&line))
    }

    /// The whole, for standard output.
    pub(super) fn table(&self) -> String {
        let parts = [
            ("Taken over:", &[Fate::Ours][..]),
            ("Needs nothing here:", &[Fate::Nothing]),
            ("Not to be had as it was:", &[Fate::Unsafe, Fate::Missing]),
        ];
        let mut text = String::new();
        for (title, fates) in parts {
            let lines = || {
                fates
                    .iter()
                    .flat_map(|fate| self.lines.iter().filter(move |line| line.fate == *fate))
            };
            if lines().next().is_none() {
                continue;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(title);
            text.push('\n');
            for line in lines() {
                let mark = if line.fate == Fate::Unsafe { '!' } else { ' ' };
                let arrow = if line.fate == Fate::Ours { "->" } else { "--" };
                text.push_str(&format!(
                    "{mark} {}: {}\n      {arrow} {}\n",
                    line.place, line.key, line.says
                ));
            }
        }
        text
    }
}
