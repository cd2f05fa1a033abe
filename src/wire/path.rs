//! Paths below the library root. `RelPath` has one constructor; past it there is nothing left to check about the text.

use crate::error::{Code, Refusal};

/// Longest path, in bytes (PATH_MAX less the ending NUL, limits.h).
pub const MAX_PATH: usize = 4095;
/// Longest name of one file or folder, in bytes (NAME_MAX).
pub const MAX_NAME: usize = 255;

/// A path that leads nowhere but down: parts joined by `/`, none empty, `.`, `..` or hidden, no control byte.
/// The empty path is the root itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RelPath(Vec<u8>);

/// Why some bytes are no `RelPath`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// A part begins with a dot: such names are absent for everybody.
    Hidden,
    /// An empty part, `.` or `..`.
    Part,
    /// A control byte (0 to 31, or 127).
    Control,
    /// A part over `MAX_NAME`, or all over `MAX_PATH`.
    Long,
}

impl RelPath {
    /// Checks `bytes`. A leading or trailing slash is not taken off here: the two ends of the wire agree on one spelling.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<RelPath, Bad> {
        if bytes.is_empty() {
            return Ok(RelPath::default());
        }
        if bytes.len() > MAX_PATH {
            return Err(Bad::Long);
        }
        for part in bytes.split(|&b| b == b'/') {
            check_part(part)?;
        }
        Ok(RelPath(bytes.to_vec()))
    }

    /// The root of the library.
    #[must_use]
    pub fn root() -> RelPath {
        RelPath::default()
    }

    /// True for the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as it was given.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The folder and the name in it; None for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(RelPath, &[u8])> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|&b| b == b'/') {
            Some(slash) => (RelPath(self.0[..slash].to_vec()), &self.0[slash + 1..]),
            None => (RelPath::root(), &self.0[..]),
        })
    }

    /// The path of `name` in the same folder; None where none can be called that, and for the root.
    #[must_use]
    pub fn beside(&self, name: &[u8]) -> Option<RelPath> {
        let joined = match self.split_last()? {
            (above, _) if above.is_root() => name.to_vec(),
            (above, _) => [above.as_bytes(), b"/", name].concat(),
        };
        let path = RelPath::parse(&joined).ok();
        path.filter(|_| !name.contains(&b'/'))
    }

    /// Every folder on the way to this path, from the top, without the root and without the path itself.
    pub fn folders_above(&self) -> impl Iterator<Item = RelPath> + '_ {
        self.0
            .iter()
            .enumerate()
            .filter(|&(_, &b)| b == b'/')
            .map(|(slash, _)| RelPath(self.0[..slash].to_vec()))
    }
}

/// True when `name`, read from a folder on the disk, is one that clients are shown and can ask for.
#[must_use]
pub fn is_served_name(name: &[u8]) -> bool {
    check_part(name).is_ok()
}

fn check_part(part: &[u8]) -> Result<(), Bad> {
    match part {
        b"" | b"." | b".." => Err(Bad::Part),
        _ if part.len() > MAX_NAME => Err(Bad::Long),
        _ if part.iter().any(u8::is_ascii_control) => Err(Bad::Control),
        [b'.', ..] => Err(Bad::Hidden),
        // A part read from the wire has been split at slashes; one from the disk cannot have any.
        _ => Ok(()),
    }
}

impl Bad {
    /// The refusal of a request that wants to read there: what is hidden is absent.
    #[must_use]
    pub fn when_reading(self) -> Refusal {
        match self {
            Bad::Hidden => Refusal::from(Code::NotFound),
            other => other.when_writing(),
        }
    }

    /// The refusal of a request that wants to write there.
    #[must_use]
    pub fn when_writing(self) -> Refusal {
        Refusal::new(
            Code::Name,
            match self {
                Bad::Hidden => "names that begin with a dot are not kept here",
                Bad::Part => "a path has no empty part, no . and no ..",
                Bad::Control => "names with control characters are not kept here",
                Bad::Long => "the name is too long",
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for good in ["", "a", "a/b", "a b/ü", "a..b", "..."] {
            let parsed = RelPath::parse(good.as_bytes());
            assert_eq!(parsed.is_ok(), good != "...", "{good}");
        }
        for (bad, why) in [
            (&b"/"[..], Bad::Part),
            (b"/a", Bad::Part),
            (b"a/", Bad::Part),
            (b"a//b", Bad::Part),
            (b".", Bad::Part),
            (b"..", Bad::Part),
            (b"a/../b", Bad::Part),
            (b"a/./b", Bad::Part),
            (b".forkftp/stage/x", Bad::Hidden),
            (b"a/.b", Bad::Hidden),
            (b"a\nb", Bad::Control),
            (b"a\0b", Bad::Control),
            (b"\x7f", Bad::Control),
            (&[b'x'; 256], Bad::Long),
            (&[b'x'; 4096], Bad::Long),
        ] {
            assert_eq!(
                RelPath::parse(bad),
                Err(why),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
        assert!(RelPath::parse(b"latin \xfc").is_ok(), "names are bytes");
    }

    #[test]
    fn taken_apart() {
        let path = RelPath::parse(b"a/b/c").expect("path");
        let (folder, name) = path.split_last().expect("two parts");
        assert_eq!((folder.as_bytes(), name), (&b"a/b"[..], &b"c"[..]));
        let above: Vec<_> = path.folders_above().map(|p| p.0).collect();
        assert_eq!(above, [b"a".to_vec(), b"a/b".to_vec()]);
        assert_eq!(RelPath::root().split_last(), None);
        let beside = |name: &[u8]| path.beside(name).map(|path| path.0);
        assert_eq!(beside(b"d"), Some(b"a/b/d".to_vec()));
        assert_eq!((beside(b".."), beside(b"d/e")), (None, None));
    }

    proptest! {
        #[test]
        fn what_passes_leads_down(bytes: Vec<u8>) {
            if let Ok(path) = RelPath::parse(&bytes) {
                prop_assert_eq!(path.as_bytes(), &bytes[..]);
                prop_assert!(bytes.split(|&b| b == b'/').all(|p| bytes.is_empty() || is_served_name(p)));
                prop_assert!(!bytes.iter().any(u8::is_ascii_control));
            }
        }
    }
}
