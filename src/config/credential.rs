//! Files that the service manager hands over: `credential:NAME` stands for the file NAME among the credentials that it gave to this process
//! (systemd.exec(5), LoadCredential=). A process that it gave none, as root's own commands are, takes NAME beside the configuration.

use super::check::{Checker, Set};
use super::file::Placed;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a path begins with that is a credential's name.
const PREFIX: &str = "credential:";

impl Checker<'_> {
    /// As `path`, for a file that is only read: it may be a credential, too.
    pub(super) fn path_or_credential(
        &mut self,
        flag: Option<PathBuf>,
        name: &str,
        file: Placed<PathBuf>,
    ) -> Option<Set<PathBuf>> {
        let written = match &file {
            Some(file) if flag.is_none() => file.get_ref().to_str(),
            _ => None,
        };
        let Some(credential) = written.and_then(|text| text.strip_prefix(PREFIX)) else {
            return self.path(flag, name, file);
        };
        let given = std::env::var_os("CREDENTIALS_DIRECTORY");
        let found = find(credential, given, self.folder());
        let place = file.as_ref().map(|file| self.place(file.span().start));
        let value = found.unwrap_or_else(|what| {
            self.wrong(place.as_deref(), what);
            PathBuf::from(PREFIX)
        });
        Some(Set { value, place })
    }
}

/// The file of the credential `name`: among those that were `given` to this process, or `beside` the configuration, where those are that
/// the unit of the package gives to the service.
fn find(name: &str, given: Option<OsString>, beside: Option<&Path>) -> Result<PathBuf, String> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(format!(
            "{PREFIX}{name}: the name of a credential, as in the unit's LoadCredential=NAME:FILE"
        ));
    }
    let given = given.as_ref().map(Path::new);
    Ok(given.or(beside).unwrap_or(Path::new("")).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_name_in_the_folder_that_was_given_or_beside_the_configuration() {
        let given = || Some(OsString::from("/run/c"));
        let beside = Some(Path::new("/etc/f"));
        for (given, beside, path) in [
            (given(), beside, "/run/c/tls.key"),
            (None, beside, "/etc/f/tls.key"),
            (None, None, "tls.key"),
        ] {
            let found = find("tls.key", given, beside);
            assert_eq!(found.as_deref(), Ok(Path::new(path)));
        }
        for name in ["", "a/b", "..", ".x"] {
            let said = find(name, given(), beside).expect_err(name);
            assert!(said.contains("LoadCredential="), "{said}");
        }
    }
}
