//! The files that the broker alone may have: that they are sound, and that nobody else can read or replace them.

use super::patient::Patient;
use super::proc;
use super::report::{Report, Topic};
use crate::broker;
use crate::proof::Secret;
use crate::users::Users;
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
        let mut found = None;
        file("users_file", path, patient, &mut topic, |path| {
            found = Some(Users::load(path)?);
            Ok(())
        });
        // That it is broken, or kept from us, was said.
        if let Some(users) = found {
            replaced(path, &users, patient, &mut topic);
        }
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

/// Whether the server can put a new users file in the place of this one, where it has to: the first login of somebody whose password another
/// server hashed replaces the hash.
fn replaced(path: &Path, users: &Users, patient: &Patient, topic: &mut Topic<'_>) {
    let hashed = users.iter();
    let hashed = hashed.filter(|(_, user)| user.stored.imported().is_some());
    let (hashed, folder) = (hashed.count(), folder_of(path));
    let (Ok(facts), 1..) = (std::fs::metadata(folder), hashed) else {
        return;
    };
    let (mode, starter) = (facts.mode(), patient.starter);
    let may = starter == 0 || mode & 0o022 != 0 || facts.uid() == starter && mode & 0o200 != 0;
    let running = patient.running.as_ref();
    let mounts = running.and_then(|running| running.process.text("mountinfo"));
    let real = folder.canonicalize();
    let mount = mounts.and_then(|mounts| proc::mount_of(&mounts, &real.ok()?));
    let fixed = mount.is_some_and(|mount| mount.options.first().is_some_and(|word| word == "ro"));
    if may && !fixed {
        return topic.ok(format!("users_file: {hashed} passwords as another server hashed them, and the server can replace them"));
    }
    topic.warning(
        format!("users_file: the server may not write to {}: passwords that another server hashed ({hashed}) are never replaced, and their users do not get in by the drive protocol", folder.display()),
        format!("move it where the server may write, with users_file = \"/var/lib/forkftp/users.toml\", and chown {starter} it"),
    );
}

fn file(
    key: &str,
    path: &Path,
    patient: &Patient,
    topic: &mut Topic<'_>,
    load: impl FnOnce(&Path) -> Result<(), Vec<String>>,
) {
    let at = path.display();
    if patient.is_withheld(path) {
        return topic.hint(
            format!("{key} {at}: not looked at: only who may read it can"),
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
    let credential = patient.is_credential(path);
    let starter = if credential { 0 } else { patient.starter };
    let (owner, mode) = (facts.uid(), facts.mode() & 0o777);
    if credential && patient.running.is_some() {
        return topic.ok(format!("{key} {at}: handed over by the service manager"));
    }
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
    let folder = folder_of(path);
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

/// The folder in which the file has its name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        None => Path::new("/"),
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
    }
}
