//! Files of names and hashes: NAME:HASH and perhaps more, one a line, as pam_pwdfile, htpasswd, shadow(5) and ProFTPD's AuthUserFile have
//! them. Run by `forkftpd import`; what is in a hash is for `users::Imported` to judge.

use super::report::Report;
use crate::scram::user_name;
use crate::users::Imported;
use std::path::Path;

/// Largest file that is read, bytes.
const MAX_FILE: u64 = 16 << 20;

/// One line.
#[derive(Debug)]
pub(super) struct Entry {
    /// FILE:LINE.
    pub(super) place: String,
    /// In the one form of names.
    pub(super) name: String,
    /// In a form that is verified here; none when it is not.
    pub(super) hash: Option<String>,
    /// The fields behind the hash.
    pub(super) fields: Vec<String>,
}

/// A text file of the other server.
///
/// # Errors
/// It cannot be read, is larger than anybody writes, or no text.
pub(super) fn text_of(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let say = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(say)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(say)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("{}: larger than 16 MiB", path.display()));
    }
    // Comments may be in any encoding; keys and values are not.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The users of the file at `path`. Those without a password (`*`, `!`, nothing) are nobody who logs in.
///
/// # Errors
/// As `text_of`.
pub(super) fn read(path: &Path, report: &mut Report) -> Result<Vec<Entry>, String> {
    let text = text_of(path)?;
    let mut found: Vec<Entry> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{}:{}", path.display(), number + 1);
        let mut fields = line.split(':').map(str::to_owned);
        let (Some(name), Some(hash)) = (fields.next(), fields.next()) else {
            report.missing(&place, "a line", "not of the form NAME:HASH: look at it");
            continue;
        };
        if hash.is_empty() || hash.starts_with(['*', '!']) {
            continue;
        }
        let name = match user_name(&name) {
            Ok(name) => name,
            Err(why) => {
                report.missing(&place, &name, format!("no name of a user here: {why}"));
                continue;
            }
        };
        if found.iter().any(|entry| entry.name == name) {
            report.missing(&place, &name, "there twice: the first counts");
            continue;
        }
        let hash = match hash.parse::<Imported>() {
            Ok(_) => {
                report.ours(
                    &place,
                    &name,
                    "users.toml, with the password as it is hashed",
                );
                Some(hash)
            }
            Err(why) => {
                let add = format!(
                    "the password is not taken over ({why}): give a new one, with the command below"
                );
                report.missing(&place, &name, add);
                None
            }
        };
        found.push(Entry {
            place,
            name,
            hash,
            fields: fields.collect(),
        });
    }
    Ok(found)
}
