//! The files that the broker alone may read: where they are, and that no client can get them. Their content is the broker's to judge.

use super::check::{Checker, Set};
use super::file::Placed;
use super::{Encryption, Listen, Login, Protocol, Tls};
use std::path::{Path, PathBuf};

/// A file that the broker alone may read, when it is wanted.
pub(super) fn private(
    c: &mut Checker<'_>,
    wanted: bool,
    file: Option<Set<PathBuf>>,
    library: &Path,
    missing: &str,
) -> Option<PathBuf> {
    if !wanted {
        return None;
    }
    let Some(Set { value: path, place }) = file else {
        c.wrong(None, missing);
        return None;
    };
    // It may be made later.
    let real = path.canonicalize().or_else(|error| {
        let folder = path.parent().map(Path::canonicalize);
        folder.unwrap_or(Err(error))
    });
    if let (Ok(file), Ok(library)) = (real, library.canonicalize())
        && file.starts_with(&library)
    {
        let what = "lies in the library, where clients could get it: move it";
        c.wrong(place.as_deref(), format!("{} {what}", path.display()));
    }
    Some(path)
}

pub(super) fn tls(
    c: &mut Checker<'_>,
    listen: &[Listen],
    certificate: Placed<PathBuf>,
    key: Placed<PathBuf>,
    library: &Path,
) -> Option<Tls> {
    let wanted = listen
        .iter()
        .any(|listener| listener.tls != Encryption::Off);
    // What nobody needs may be absent among the credentials, too.
    let (certificate, key) = if wanted {
        let certificate = c.path_or_credential(None, "tls_certificate", certificate);
        (certificate, c.path_or_credential(None, "tls_key", key))
    } else {
        (None, None)
    };
    let missing = "clients are to speak TLS, and there is no key: make one with forkftpd cert new, and name the files with tls_certificate and tls_key";
    let key = private(c, wanted, key, library, missing)?;
    let Some(certificate) = certificate else {
        c.wrong(
            None,
            "tls_key is there, and tls_certificate is not: name the chain that belongs to it",
        );
        return None;
    };
    Some(Tls {
        certificate: certificate.value,
        key,
    })
}

/// Where share links are kept. Only who logs in by HTTP can make any.
pub(super) fn shares(
    c: &mut Checker<'_>,
    listen: &[Listen],
    file: Placed<PathBuf>,
    library: &Path,
) -> Option<PathBuf> {
    let makes = |listen: &Listen| listen.protocol == Protocol::Http && listen.login != Login::None;
    let wanted = file.is_some() && listen.iter().any(makes);
    let file = c.path(None, "shares_file", file);
    private(c, wanted, file, library, "")
}

/// Where it is written down what was done. It is added to for as long as the server runs: no other of its files can be that.
pub(super) fn ledger(
    c: &mut Checker<'_>,
    file: Placed<PathBuf>,
    library: &Path,
    others: &[Option<&Path>],
) -> Option<PathBuf> {
    let file = c.path(None, "ledger_file", file);
    let place = file.as_ref().and_then(|set| set.place.clone());
    let path = private(c, file.is_some(), file, library, "")?;
    if others.contains(&Some(&path)) {
        let what =
            "ledger_file names a file that is kept for something else: give it one of its own";
        c.wrong(place.as_deref(), what);
    }
    Some(path)
}
