//! The server's side of the shell: the link, the folder one is in, and names that were seen, for completion.

use super::complete;
use crate::client::Link;
use crate::wire::drive::{Entry, Type};
use crate::wire::path::RelPath;
use std::collections::HashMap;
use std::time::Duration;

/// The server's side of the shell.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) link: Link,
    pub(super) here: RelPath,
    /// Names by folder, and which of them are folders; for completion.
    cache: HashMap<Vec<u8>, Vec<(Vec<u8>, bool)>>,
}

/// Most names that are kept for completion.
const CACHED: usize = 100_000;
/// How long completion waits for the server.
const COMPLETION_WAIT: Duration = Duration::from_secs(2);

impl Remote {
    /// In the folder of the link's address.
    pub(super) fn new(link: Link) -> Remote {
        let here = link.url.path.clone();
        Remote {
            link,
            here,
            cache: HashMap::new(),
        }
    }

    /// Forgets names: they are about to change.
    pub(super) fn forget(&mut self) {
        self.cache.clear();
    }

    pub(super) fn resolve(&self, typed: &[u8]) -> std::result::Result<RelPath, String> {
        complete::resolve(&self.here, typed)
    }

    /// Names in `path`, from the cache or from the server if it answers soon.
    pub(super) fn names(&mut self, path: &RelPath) -> &[(Vec<u8>, bool)] {
        if !self.cache.contains_key(path.as_bytes()) {
            let names = self
                .link
                .patiently(COMPLETION_WAIT, |client| client.list_all(path, false).ok())
                .flatten();
            let Some((entries, _)) = names else {
                return &[];
            };
            self.remember(path, entries);
        }
        self.cache.get(path.as_bytes()).map_or(&[], Vec::as_slice)
    }

    /// Keeps what a list of `path` brought.
    pub(super) fn remember(&mut self, path: &RelPath, entries: Vec<Entry>) {
        let names: Vec<_> = entries
            .into_iter()
            .map(|entry| (entry.name.0, entry.kind == Type::Folder))
            .collect();
        if self.cache.values().map(Vec::len).sum::<usize>() + names.len() > CACHED {
            self.cache.clear();
        }
        if names.len() <= CACHED {
            self.cache.insert(path.as_bytes().to_vec(), names);
        }
    }
}
