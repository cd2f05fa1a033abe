//! What a request is about (RFC 9112, section 3.2): something in the library, something of the server's own, or nothing that can be. Pure.
//!
//! There is one way from what is written to a path, for targets and for whatever else names one.

use super::head::{Broken, Method, broken};
use crate::wire::path::{Bad, RelPath};

/// Below this, names are the server's own, and not the library's.
pub const OWN: &[u8] = b"-";

/// What the request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Something in the library.
    Library {
        /// Which.
        path: RelPath,
        /// It was written with a slash at its end, as folders are.
        is_folder: bool,
    },
    /// Nothing that could be in the library, and why.
    Nowhere(Bad),
    /// Something of the server's own: what stands after `/-/`.
    Own(String),
    /// The server as a whole (`*`).
    Server,
}

/// What a target is about (RFC 9112, section 3.2), its path, and its query.
pub(super) fn about(method: &Method, target: &str) -> Result<(Target, String, String), Broken> {
    if target == "*" {
        return if *method == Method::Options {
            Ok((Target::Server, target.to_owned(), String::new()))
        } else {
            broken(400, "that is about nothing")
        };
    }
    // To a proxy, and to everybody who is asked like one.
    let origin = ["http://", "https://"]
        .iter()
        .find_map(|scheme| target.strip_prefix(scheme));
    let target = match origin {
        Some(rest) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        None => target,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_bare = origin.is_some() && path.is_empty();
    let Some(below) = path.strip_prefix('/').or(is_bare.then_some("")) else {
        return broken(400, "a target begins with a slash");
    };
    let found = resolve(below)?;
    let written = if path.is_empty() { "/" } else { path };
    Ok((found, written.to_owned(), query.to_owned()))
}

/// Where a path leads that begins with a slash, without it.
///
/// # Errors
/// A `%` that is none of an escape, or an escaped slash: others take it for one, or for none.
pub fn resolve(below: &str) -> Result<Target, Broken> {
    let bytes = decode(below.as_bytes()).ok_or(Broken {
        status: 400,
        why: "a % is followed by two hexadecimal digits",
    })?;
    let slashes = |bytes: &[u8]| memchr::memchr_iter(b'/', bytes).count();
    if slashes(&bytes) != slashes(below.as_bytes()) {
        return broken(400, "a name has no slash in it");
    }
    let (path, is_folder) = match bytes.strip_suffix(b"/") {
        Some(b"") => return Ok(Target::Nowhere(Bad::Part)),
        Some(path) => (path, true),
        None => (&bytes[..], bytes.is_empty()),
    };
    let mut parts = path.splitn(2, |&b| b == b'/');
    if parts.next() == Some(OWN) {
        let own = parts.next().unwrap_or(b"");
        return Ok(Target::Own(String::from_utf8_lossy(own).into_owned()));
    }
    Ok(match RelPath::parse(path) {
        Ok(path) => Target::Library { path, is_folder },
        Err(bad) => Target::Nowhere(bad),
    })
}

/// The bytes behind `%XX`; None where a `%` is followed by anything else.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let sound = memchr::memchr_iter(b'%', text).all(|at| {
        text.get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    sound.then(|| percent_encoding::percent_decode(text).collect())
}

/// A path of the library as it stands in a target, with a slash before it: every byte that could mean something else is escaped.
#[must_use]
pub fn encode(path: &RelPath) -> String {
    const NAMES: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let path = percent_encoding::percent_encode(path.as_bytes(), &NAMES);
    format!("/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_was_escaped_leads_where_it_did() {
        for (path, escaped) in [
            ("", "/"),
            ("a/b", "/a/b"),
            ("a b/ü?#%", "/a%20b/%C3%BC%3F%23%25"),
            // Browsers take two slashes, and a backslash for one of them, for the beginning of a host's name.
            ("\\example.org", "/%5Cexample.org"),
            ("-", "/-"),
        ] {
            let path = RelPath::parse(path.as_bytes()).expect("path");
            assert_eq!(encode(&path), escaped);
            if escaped != "/-" {
                let found = resolve(&escaped[1..]).expect("target");
                assert!(matches!(found, Target::Library { path: p, .. } if p == path));
            }
        }
    }

    #[test]
    fn names_that_lead_elsewhere_lead_nowhere() {
        for (path, bad) in [
            ("/../etc", Bad::Part),
            ("/%2e%2e/etc", Bad::Part),
            ("/a//b", Bad::Part),
            ("//", Bad::Part),
            ("/a/./b", Bad::Part),
            ("/.forkftp/stage", Bad::Hidden),
            ("/a%00b", Bad::Control),
            ("/a%0d%0ab", Bad::Control),
        ] {
            let (target, written, query) = about(&Method::Get, path).expect("target");
            assert_eq!(target, Target::Nowhere(bad), "{path}");
            assert_eq!((&*written, &*query), (path, ""));
        }
        for path in ["/a%2fb", "/%", "/%1", "/%zz", "a", "*", "?x", ""] {
            let broken = about(&Method::Get, path).expect_err(path);
            assert_eq!(broken.status, 400, "{path}");
        }
    }
}
