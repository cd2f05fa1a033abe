//! What is said of an upload in whatever protocol it came: the name it got, what its receipt is known by, and its line in the log. Run
//! by a child.

use super::guest::Guest;
use crate::error::Refusal;
use crate::library::Published;
use crate::sys::random;
use crate::wire::name;
use crate::wire::path::RelPath;
use std::fmt::Display;

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
    /// One line for an upload that was stored at `path`.
    pub(super) fn log_stored(&self, path: &RelPath, published: &Published, id: &str) {
        let shown = name::encode(path.as_bytes());
        let digest = published.digest.as_ref();
        let hex = digest.map(|digest| digest.to_hex()).unwrap_or_default();
        let mut fields: Vec<(&str, &dyn Display)> =
            vec![("path", &shown), ("bytes", &published.size), ("id", &id)];
        if let Some(digest) = digest {
            fields.push((digest.kind().as_str(), &hex));
        }
        self.log("put", &fields, None);
    }

    /// One line for one that was not, of which `came` bytes came.
    pub(super) fn log_unstored(&self, path: &RelPath, came: u64, why: &Refusal) {
        let shown = name::encode(path.as_bytes());
        let fields: [(&str, &dyn Display); 3] =
            [("path", &shown), ("bytes", &came), ("reason", &why.message)];
        self.log("put", &fields, Some(why));
    }
}
