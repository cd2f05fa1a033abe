//! Which lines of a ledger are meant.

use super::Moment;
use crate::ledger::{Line, Outcome, Verb};
use crate::wire::{Protocol, name};
use clap::Args;

/// What every line has to be that is shown.
#[derive(Debug, Default, Args)]
pub(super) struct Find {
    /// Not before this moment: 2026-05-01, 2026-05-01T13:45, or so long ago: 15m, 12h, 7d, 4w.
    #[arg(long, value_name = "MOMENT")]
    since: Option<Moment>,
    /// Before this moment.
    #[arg(long, value_name = "MOMENT")]
    until: Option<Moment>,
    /// By this user; "-" for those who did not log in.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Of this path, or of what lies below it, from the library's root.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The upload with this receipt.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// By this protocol.
    #[arg(long, value_name = "PROTOCOL")]
    face: Option<Protocol>,
    /// What was done.
    #[arg(long, value_name = "DEED")]
    deed: Option<Verb>,
    /// Only what failed or was cut.
    #[arg(long)]
    failed: bool,
}

impl Find {
    /// True for a line that is meant.
    pub(super) fn finds(&self, line: &Line) -> bool {
        self.is_in_time(line.time)
            && self
                .user
                .as_ref()
                .is_none_or(|user| line.user.as_deref().unwrap_or("-") == user)
            && self
                .path
                .as_ref()
                .is_none_or(|path| is_below(path, &line.path) || self.renames_to(path, line))
            && self
                .id
                .as_ref()
                .is_none_or(|id| line.id.as_ref() == Some(id))
            && self.face.is_none_or(|face| line.face == Some(face))
            && self.deed.is_none_or(|deed| line.deed == deed)
            && (!self.failed || line.outcome != Outcome::Ok)
    }

    /// True for a moment that is meant.
    pub(super) fn is_in_time(&self, time: jiff::Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since.0)
            && self.until.is_none_or(|until| time < until.0)
    }

    /// True when only moments are chosen: what is not about anybody is shown, too.
    pub(super) fn takes_all(&self) -> bool {
        let Find {
            user,
            path,
            id,
            face,
            deed,
            ..
        } = self;
        let texts = [user, path, id];
        texts.iter().all(|text| text.is_none()) && face.is_none() && deed.is_none()
    }

    fn renames_to(&self, path: &str, line: &Line) -> bool {
        line.to.as_ref().is_some_and(|to| is_below(path, to))
    }
}

/// True when `letters` are those of `path`, or of something below it.
fn is_below(path: &str, letters: &str) -> bool {
    let path = path.trim_matches('/').as_bytes();
    let found = name::decode(letters).unwrap_or_default();
    path.is_empty()
        || found
            .strip_prefix(path)
            .is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below() {
        for (path, letters, is) in [
            ("a", "a", true),
            ("/a/", "a/b", true),
            ("a", "ab", false),
            ("a/b", "a", false),
            ("/", "x", true),
            ("100%", "100%25", true),
        ] {
            assert_eq!(is_below(path, letters), is, "{path} {letters}");
        }
    }
}
