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
