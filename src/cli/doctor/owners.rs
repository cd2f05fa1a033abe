//! Whose the library is, and who else may change it.

use super::library::Seen;
use super::patient::Patient;
use super::report::Report;
use crate::users::Users;

/// Writing, for others than the owner and the group.
const OTHERS_WRITE: u32 = 0o002;
/// Only who owns a file may remove it.
const STICKY: u32 = 0o1000;

pub(super) fn examine(patient: &Patient, seen: Option<&Seen>, report: &mut Report) {
    let mut topic = report.topic("owners");
    let library = patient.config.library.display();
    let uid = patient.serves;
    if let Some(seen) = seen.filter(|seen| seen.shut.is_none()) {
        match &seen.read_only {
            Some(why) => topic.error(
                format!("{library}: the server's user (uid {uid}) can make nothing there: {why}"),
                format!("chown {uid} {library} && chmod u+rwx {library}"),
            ),
            None => topic.ok(format!("{library}: uid {uid} may make files there")),
        }
        if let Some(private) = seen.private.filter(|private| private.owner != uid) {
            topic.error(
                format!("{library}/.forkftp belongs to uid {}, from a server that ran as another user, and uid {uid} serves", private.owner),
                format!("chown -R {uid} {library}/.forkftp"),
            );
        }
        if let Some(private) = seen.private.filter(|private| private.mode & 0o077 != 0) {
            topic.warning(
                format!(
                    "{library}/.forkftp has mode {:04o}: others see uploads that are not whole",
                    private.mode
                ),
                format!("chmod 700 {library}/.forkftp"),
            );
        }
        if let Some(root) = &seen.root {
            if root.mode & OTHERS_WRITE != 0 && root.mode & STICKY == 0 {
                topic.warning(
                    format!("{library} has mode {:04o}: every user of this machine changes what is served", root.mode),
                    format!("chmod o-w {library}"),
                );
            } else {
                topic.ok(format!("{library}: mode {:04o}", root.mode));
            }
            if root.owner != 0 && root.owner != uid && seen.read_only.is_none() {
                topic.note(format!(
                    "{library} belongs to uid {}, and uid {uid} serves: it writes there by its group, by others' rights or by an ACL",
                    root.owner
                ));
            }
        }
        if let Some(real) = &seen.real
            && let Some(above) = real.parent()
            && let Ok(facts) = std::fs::metadata(above)
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = facts.permissions().mode();
            if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
                let above = above.display();
                topic.warning(
                    format!("{above}, in which the library is, has mode {:04o}: every user can put another folder in its place", mode & 0o7777),
                    format!("chmod o-w {above}"),
                );
            }
        }
    }
    let umask = patient.config.files.umask;
    if umask & OTHERS_WRITE == 0 {
        topic.warning(
            format!(
                "umask = \"{umask:04o}\": every user of this machine may write to uploaded files"
            ),
            "umask = \"0022\" in forkftpd.toml",
        );
    } else {
        topic.ok(format!("umask = \"{umask:04o}\""));
    }
    homes(patient, seen, &mut topic);
}

/// Homes of users that are not there.
fn homes(patient: &Patient, seen: Option<&Seen>, topic: &mut super::report::Topic<'_>) {
    let Some(real) = seen.and_then(|seen| seen.real.as_ref()) else {
        return;
    };
    // What is wrong with the file is another topic's.
    let Some(Ok(users)) = patient.config.users_file.as_deref().map(Users::load) else {
        return;
    };
    for (name, user) in users.iter() {
        use std::os::unix::ffi::OsStrExt as _;
        let home = user.account.home.as_bytes();
        let home = real.join(std::ffi::OsStr::from_bytes(home));
        match std::fs::metadata(&home) {
            Ok(facts) if facts.is_dir() => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                topic.note(format!(
                    "the home of {name}, {}, was not looked at: {error}",
                    home.display()
                ));
            }
            _ => topic.warning(
                format!(
                    "the home of {name}, {}, is no folder: {name} cannot get in",
                    home.display()
                ),
                format!("install -d -o {} {}", patient.serves, home.display()),
            ),
        }
    }
}
