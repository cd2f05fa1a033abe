//! What the library has to hold, as the ledger tells it: the last upload of every path, carried along by renames and ended by deletions. Memory is
//! taken for each path that lives, not for each line.

use crate::digest::Value;
use crate::ledger::{Line, Outcome, Verb};
use crate::wire::name;
use std::collections::BTreeMap;

/// The last upload of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Receipt {
    pub(in crate::cli) id: u64,
    pub(in crate::cli) size: u64,
    pub(in crate::cli) digest: Option<Value>,
    /// When it was stored, milliseconds since 1970.
    pub(in crate::cli) stored: i64,
    /// Something was to be removed that it lay in, and only a part of that was: nobody knows which.
    pub(in crate::cli) in_doubt: bool,
}

/// All paths that live.
#[derive(Debug, Default)]
pub(in crate::cli) struct Replay {
    live: BTreeMap<Box<[u8]>, Receipt>,
}

impl Replay {
    /// The next line.
    pub(in crate::cli) fn take(&mut self, line: &Line) {
        let Some(path) = name::decode(&line.path) else {
            return;
        };
        match (line.deed, line.outcome) {
            (Verb::Upload, Outcome::Ok) => {
                let receipt = Receipt {
                    id: line.id.as_deref().and_then(id).unwrap_or_default(),
                    size: line.size.unwrap_or_default(),
                    digest: line.digest,
                    stored: line.time.as_millisecond(),
                    in_doubt: false,
                };
                self.live.insert(path.into(), receipt);
            }
            (Verb::Delete, Outcome::Ok) => drop(self.cut_out(&path)),
            (Verb::Delete, Outcome::Cut) => {
                for below in self.below(&path) {
                    if let Some(receipt) = self.live.get_mut(&below) {
                        receipt.in_doubt = true;
                    }
                }
            }
            (Verb::Rename, Outcome::Ok) => {
                let to = line.to.as_deref().and_then(name::decode);
                let Some(to) = to else { return };
                let moved = self.cut_out(&path);
                // What had the name before is replaced.
                self.live.remove(&to[..]);
                for (old, receipt) in moved {
                    let new = [&to[..], &old[path.len()..]].concat();
                    self.live.insert(new.into(), receipt);
                }
            }
            _ => {}
        }
    }

    /// Takes `path`, and all below it, out.
    fn cut_out(&mut self, path: &[u8]) -> Vec<(Box<[u8]>, Receipt)> {
        let names = self.below(path);
        let out = names.into_iter().filter_map(|name| {
            let receipt = self.live.remove(&name)?;
            Some((name, receipt))
        });
        out.collect()
    }

    /// `path`, and all below it.
    fn below(&self, path: &[u8]) -> Vec<Box<[u8]>> {
        let own = self.live.get_key_value(path).map(|(name, _)| name.clone());
        let folder = if path.is_empty() {
            Vec::new()
        } else {
            [path, b"/"].concat()
        };
        let inside = self
            .live
            .range(Box::from(&folder[..])..)
            .take_while(|(name, _)| name.starts_with(&folder))
            .map(|(name, _)| name.clone());
        own.into_iter().chain(inside).collect()
    }

    /// How many there are, and their bytes.
    pub(in crate::cli) fn extent(&self) -> (u64, u64) {
        let bytes = self.live.values().map(|receipt| receipt.size).sum();
        (self.live.len() as u64, bytes)
    }

    /// Every path with its receipt, in order.
    pub(in crate::cli) fn receipts(&self) -> impl Iterator<Item = (&[u8], &Receipt)> {
        self.live.iter().map(|(path, receipt)| (&path[..], receipt))
    }

    /// True for a path that has a receipt.
    pub(in crate::cli) fn knows(&self, path: &[u8]) -> bool {
        self.live.contains_key(path)
    }

    /// What is told of the path now.
    pub(in crate::cli) fn receipt(&self, path: &[u8]) -> Option<&Receipt> {
        self.live.get(path)
    }
}

/// What a receipt is known by, as a number.
fn id(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Entry;

    /// Lines as `deed path [to]`; a deed with a question mark was cut.
    fn play(deeds: &[&str]) -> String {
        let mut replay = Replay::default();
        for (at, deed) in deeds.iter().enumerate() {
            let words: Vec<_> = deed.split(' ').collect();
            let (verb, outcome) = match words[0].strip_suffix('?') {
                Some(verb) => (verb, "cut"),
                None => (words[0], "ok"),
            };
            let mut line = serde_json::json!({
                "time": "2026-01-01T00:00:00Z", "deed": verb, "outcome": outcome, "face": "drive",
                "path": words[1], "size": at, "id": format!("{at:016x}"),
            });
            if let Some(to) = words.get(2) {
                line["to"] = (*to).into();
            }
            match Entry::parse(line.to_string().as_bytes()) {
                Some(Entry::Deed(line)) => replay.take(&line),
                other => panic!("{other:?}"),
            }
        }
        let told = replay.receipts().map(|(path, receipt)| {
            let doubt = if receipt.in_doubt { "?" } else { "" };
            let path = String::from_utf8_lossy(path);
            format!("{path}{doubt}={}", receipt.size)
        });
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_lives_is_followed() {
        for (deeds, left) in [
            (&["upload a", "upload b", "upload a"][..], "a=2 b=1"),
            (&["upload a", "delete a"], ""),
            (&["upload a", "download a", "upload? a"], "a=0"),
            (&["upload a", "rename a b", "upload a"], "a=2 b=0"),
            (&["upload a", "upload b", "rename a b"], "b=0"),
            // A folder with all in it, and not what begins alike.
            (
                &["upload d/a", "upload d/e/b", "upload dx", "rename d f"],
                "dx=2 f/a=0 f/e/b=1",
            ),
            (
                &["upload d/a", "upload d/e/b", "upload dx", "delete d"],
                "dx=2",
            ),
            (&["upload d/a", "upload dx", "delete? d"], "d/a?=0 dx=1"),
            (&["upload d/a", "delete? d", "upload d/a"], "d/a=2"),
            (&["rename never heard", "delete of"], ""),
            (&["upload a", "rename? a b"], "a=0"),
        ] {
            assert_eq!(play(deeds), left, "{deeds:?}");
        }
    }
}
