//! What is said of an upload in whatever protocol it came: the name it got, what its receipt is known by, and its line in the log. Run
//! by a child.

use super::ask::Unanswered;
use super::deeds::{Deed, Doing};
use super::guest::Guest;
use crate::error::Refusal;
use crate::library::Published;
use crate::sys::random;
use crate::wire::name;
use crate::wire::path::RelPath;

/// What the receipt of an upload is known by.
///
/// # Errors
/// A kernel without randomness.
pub(super) fn new_id() -> Result<String, Refusal> {
    let mut bytes = [0; 8];
    random::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// The path of what was published, for which `asked` was asked: beside it, where that name was taken.
pub(super) fn path_of(asked: &RelPath, published: &Published) -> RelPath {
    asked
        .beside(&published.name)
        .unwrap_or_else(|| asked.clone())
}

/// The digest in a line for people, with a blank before it; nothing where there is none.
pub(super) fn digest_word(published: &Published) -> String {
    published
        .digest
        .as_ref()
        .map_or_else(String::new, |digest| {
            format!(" {}={}", digest.kind().as_str(), digest.to_hex())
        })
}

impl Guest {
    /// An upload was stored at `path`. When this returns, it is written down wherever it is to be: its client may hear of it.
    pub(super) fn has_stored(
        &self,
        path: &RelPath,
        doing: Doing,
        published: &Published,
        id: &str,
    ) -> Result<(), Unanswered> {
        let shown = name::encode(path.as_bytes());
        let deed = Deed {
            bytes: Some(published.size),
            id: Some(id),
            digest: published.digest,
            ..Deed::put(&shown, doing)
        };
        self.record().done_for_good(&deed, None)
    }

    /// One was not, of which `came` bytes came.
    pub(super) fn has_not_stored(&self, path: &RelPath, doing: Doing, came: u64, why: &Refusal) {
        let shown = name::encode(path.as_bytes());
        let deed = Deed {
            bytes: Some(came),
            more: &[("reason", &why.message)],
            ..Deed::put(&shown, doing)
        };
        self.record().done(&deed, Some(why));
    }
}
