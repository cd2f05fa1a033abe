//! The files that the broker alone may have: that they are sound, and that nobody else can read or replace them.

use super::patient::Patient;
use super::report::{Report, Topic};
use crate::broker;
use crate::proof::Secret;
use crate::users::Users;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("secrets");
    let config = &patient.config;
    if let Some(path) = &config.secret_file {
        file("secret_file", path, patient, &mut topic, |path| {
            Secret::from_file(path).map(drop).map_err(|why| vec![why])
        });
    }
    if let Some(path) = &config.users_file {
        file("users_file", path, patient, &mut topic, |path| {
            Users::load(path).map(drop)
        });
    }
    // It is made by the broker when it is not there.
    if let Some(path) = config.shares_file.as_ref().filter(|path| path.exists()) {
        file("shares_file", path, patient, &mut topic, |path| {
            broker::list_shares(path).map(drop).map_err(|why| vec![why])
        });
    }
    if let Some(tls) = &config.tls {
        place("tls_key", &tls.key, patient, &mut topic);
    }
}

fn file(
    key: &str,
    path: &Path,
    patient: &Patient,
    topic: &mut Topic<'_>,
    load: impl FnOnce(&Path) -> Result<(), Vec<String>>,
) {
    let at = path.display();
    if std::fs::File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        return topic.hint(
            format!("{key} {at}: not looked at: permission denied"),
            "sudo forkftpd doctor",
        );
    }
    match load(path) {
        Ok(()) => topic.ok(format!("{key} {at}: sound, and private")),
        Err(problems) => problems
            .into_iter()
            .for_each(|problem| topic.problem(problem)),
    }
    place(key, path, patient, topic);
}

/// Whose file it is, and who could put another in its place.
fn place(key: &str, path: &Path, patient: &Patient, topic: &mut Topic<'_>) {
    let at = path.display();
    // That it is missing, or kept from us, was said.
    let Ok(facts) = std::fs::metadata(path) else {
        return;
    };
    let starter = patient.starter;
    let (owner, mode) = (facts.uid(), facts.mode() & 0o777);
    if starter != 0 && owner != starter && mode & 0o077 == 0 {
        topic.error(
            format!("{key} {at} is for uid {owner} alone (mode {mode:04o}), and the server is started as uid {starter}"),
            format!("chown {starter} {at}"),
        );
    } else if owner != 0 && owner != starter {
        topic.warning(
            format!("{key} {at} belongs to uid {owner}, who is neither root nor the one who starts the server: they may read and change it"),
            format!("chown {starter} {at}"),
        );
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let Ok(facts) = std::fs::metadata(folder) else {
        return;
    };
    let (owner, mode) = (facts.uid(), facts.mode() & 0o7777);
    // In a sticky folder nobody replaces what is another's.
    let replaces = mode & 0o022 != 0 && mode & 0o1000 == 0;
    if replaces {
        topic.warning(
            format!("{key}: its folder {} has mode {mode:04o}: others than its owner (uid {owner}) can put another file in its place", folder.display()),
            format!("chmod go-w {}", folder.display()),
        );
    }
    if owner != 0 && owner != starter {
        topic.warning(
            format!("{key}: its folder {} belongs to uid {owner}, who can put another file in its place", folder.display()),
            format!("chown {starter} {}", folder.display()),
        );
    }
}
