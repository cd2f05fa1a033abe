//! Paths as FTP clients write them, absolute or from the working folder, to paths below the library's root. Run by children
//! that serve FTP. `..` is resolved in the text alone: no folder on the disk is asked where it lies.

use crate::wire::path::{Bad, RelPath};

/// What `argument` means in the working folder `cwd`. A leading `/` begins at the root; `..` leads one up, at the root nowhere;
/// empty parts and `.` are left out. An empty argument is `cwd` itself.
///
/// # Errors
/// What `RelPath::parse` says about what is left.
pub fn resolve(cwd: &RelPath, argument: &[u8]) -> Result<RelPath, Bad> {
    let mut whole = if argument.first() == Some(&b'/') {
        Vec::new()
    } else {
        cwd.as_bytes().to_vec()
    };
    for part in argument.split(|&b| b == b'/') {
        match part {
            b"" | b"." => (),
            b".." => whole.truncate(whole.iter().rposition(|&b| b == b'/').unwrap_or(0)),
            name => {
                if !whole.is_empty() {
                    whole.push(b'/');
                }
                whole.extend_from_slice(name);
            }
        }
    }
    RelPath::parse(&whole)
}

/// The path from the root, with a leading slash, as PWD shows it.
#[must_use]
pub fn absolute(path: &RelPath) -> Vec<u8> {
    let mut shown = vec![b'/'];
    shown.extend_from_slice(path.as_bytes());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::path::{MAX_NAME, MAX_PATH};
    use proptest::prelude::*;

    fn parse(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    #[test]
    fn table() {
        for (cwd, argument, expected) in [
            ("", "", ""),
            ("a/b", "", "a/b"),
            ("a/b", ".", "a/b"),
            ("a/b", "c", "a/b/c"),
            ("a/b", "./c/", "a/b/c"),
            ("a/b", "..", "a"),
            ("a/b", "../..", ""),
            ("a/b", "../../../../c", "c"),
            ("", "..", ""),
            ("a/b", "/", ""),
            ("a/b", "/c//d///", "c/d"),
            ("a/b", "/../c", "c"),
            ("a", "b/../c", "a/c"),
            ("a", "missing/../c", "a/c"),
            ("a", ".hidden/../c", "a/c"),
            ("a", " b ", "a/ b "),
            ("a", "..b", ""),
            ("a", "...", ""),
        ] {
            let resolved = resolve(&parse(cwd), argument.as_bytes());
            if argument.starts_with("..b") || argument == "..." {
                assert_eq!(resolved, Err(Bad::Hidden), "{argument}");
            } else {
                assert_eq!(resolved, Ok(parse(expected)), "{cwd} {argument}");
            }
        }
        assert_eq!(resolve(&parse("a"), b"/.forkftp/stage"), Err(Bad::Hidden));
        assert_eq!(resolve(&parse("a"), b"b/.c/d"), Err(Bad::Hidden));
        assert_eq!(resolve(&parse("a"), b"b\nc"), Err(Bad::Control));
        assert_eq!(resolve(&parse("a"), b"b\0c"), Err(Bad::Control));
        assert_eq!(resolve(&parse("a"), &[b'x'; MAX_NAME + 1]), Err(Bad::Long));
        assert_eq!(
            resolve(&parse("a"), &b"x/".repeat(MAX_PATH / 2 + 1)),
            Err(Bad::Long)
        );
        assert!(resolve(&parse("a"), b"\xfc").is_ok(), "names are bytes");
        assert_eq!(absolute(&parse("")), b"/");
        assert_eq!(absolute(&parse("a/b")), b"/a/b");
    }

    proptest! {
        #[test]
        fn nothing_leads_out(cwd in "([a-c]{1,3}(/[a-c]{1,3}){0,3})?", argument in r"([a-c./]|\.\.|\PC){0,20}") {
            let cwd = parse(&cwd);
            if let Ok(path) = resolve(&cwd, argument.as_bytes()) {
                prop_assert_eq!(RelPath::parse(path.as_bytes()), Ok(path.clone()));
                prop_assert_eq!(resolve(&cwd, &absolute(&path)), Ok(path.clone()));
                prop_assert_eq!(resolve(&path, b"../."), Ok(path.split_last().map_or_else(RelPath::root, |(above, _)| above)));
            }
        }
    }
}
