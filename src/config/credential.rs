//! Files that the service manager hands over: `credential:NAME` stands for the file NAME among the credentials that it gave to this process
//! (systemd.exec(5), LoadCredential=). Read by the listener and the broker, and by root's own commands.

use super::check::{Checker, Set};
use super::file::Placed;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a path begins with that is a credential's name.
const PREFIX: &str = "credential:";
/// Where systemd keeps those of the service, for root to see while it runs.
const OF_THE_SERVICE: &str = "/run/credentials/forkftpd.service";

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
        let found = find(credential, given, crate::sys::privs::is_root());
        let place = file.as_ref().map(|file| self.place(file.span().start));
        let value = found.unwrap_or_else(|what| {
            self.wrong(place.as_deref(), what);
            PathBuf::from(PREFIX)
        });
        Some(Set { value, place })
    }
}

/// The file of the credential `name`, where `given` are this process's own.
fn find(name: &str, given: Option<OsString>, root: bool) -> Result<PathBuf, String> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(format!(
            "{PREFIX}{name}: the name of a credential, as in the unit's LoadCredential=NAME:FILE"
        ));
    }
    if let Some(folder) = given {
        return Ok(Path::new(&folder).join(name));
    }
    let of_the_service = Path::new(OF_THE_SERVICE).join(name);
    if root && of_the_service.exists() {
        return Ok(of_the_service);
    }
    Err(format!(
        "{PREFIX}{name}: the service manager gives it to the service, and this process is not the service; root has it while that runs, \
         so start it, or name the file itself"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_name_in_the_folder_that_was_given() {
        let given = || Some(OsString::from("/run/c"));
        assert_eq!(
            find("tls.key", given(), false).as_deref(),
            Ok(Path::new("/run/c/tls.key"))
        );
        for name in ["", "a/b", "..", ".x"] {
            let said = find(name, given(), true).expect_err(name);
            assert!(said.contains("LoadCredential="), "{said}");
        }
        let said = find("secret", None, false).expect_err("no service");
        assert!(said.contains("not the service"), "{said}");
    }
}
