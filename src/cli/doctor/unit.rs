//! What a systemd unit keeps from the server without saying so: another view of the library, and settings that take away what it
//! needs.

use super::patient::{Patient, Running};
use super::proc;
use super::report::{Report, Topic};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where units of this name stand, what the administrator wrote first.
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const UNIT: &str = "forkftpd.service";

/// Settings that take away what the server needs.
const TRAPS: [(&str, &str); 3] = [
    (
        "DynamicUser=",
        "it brings RestrictSUIDSGID=, which takes openat2 away: nothing can be served",
    ),
    (
        "RestrictSUIDSGID=",
        "it takes openat2 away: nothing can be served",
    ),
    (
        "PrivateNetwork=",
        "nobody reaches the server but by sockets that systemd hands over",
    ),
];

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("unit");
    let texts = units();
    if texts.is_empty() {
        topic.ok(format!("there is no {UNIT}"));
    }
    for (path, text) in &texts {
        let mut trapped = false;
        for (setting, means) in TRAPS {
            if text.lines().any(|line| is_on(line.trim(), setting)) {
                trapped = true;
                topic.error(
                    format!("{}: {setting}yes: {means}", path.display()),
                    format!("systemctl edit {UNIT}, and take {setting} out; then systemctl restart {UNIT}"),
                );
            }
        }
        if !trapped {
            topic.ok(format!(
                "{}: nothing in it takes away what is needed",
                path.display()
            ));
        }
    }
    if let Some(running) = &patient.running {
        of_the_running(running, patient, &mut topic);
    }
}

/// The unit and what is laid over it.
fn units() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => {
            found.push((path, text));
            true
        }
        Err(_) => false,
    };
    let first = FOLDERS.iter().map(|folder| Path::new(folder).join(UNIT));
    for path in first {
        if read(path) {
            break;
        }
    }
    for folder in FOLDERS {
        let over = Path::new(folder).join(format!("{UNIT}.d"));
        for entry in std::fs::read_dir(over).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "conf") {
                read(entry.path());
            }
        }
    }
    found
}

fn is_on(line: &str, setting: &str) -> bool {
    let value = line.strip_prefix(setting).map(str::trim);
    value.is_some_and(|value| matches!(value, "yes" | "true" | "on" | "1"))
}

/// Whether the running server sees the library that we see, and may write there.
fn of_the_running(running: &Running, patient: &Patient, topic: &mut Topic<'_>) {
    let library = &patient.config.library;
    let shown = library.display();
    let Ok(real) = library.canonicalize() else {
        return topic.note(format!("{shown}: not compared with what the running server sees: it is not there, or kept from us"));
    };
    let beneath = real.strip_prefix("/").unwrap_or(&real);
    let theirs = running.process.path("root").join(beneath);
    let same = |one: &std::fs::Metadata, other: &std::fs::Metadata| {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    };
    match (std::fs::metadata(&theirs), std::fs::metadata(&real)) {
        (Ok(there), Ok(here)) if same(&there, &here) => {
            topic.ok(format!("the running server sees the same {shown}"));
        }
        (Ok(_), Ok(_)) => topic.error(
            format!("the running server sees another folder at {shown} than this shell: PrivateTmp=, ProtectHome=, TemporaryFileSystem= or RootDirectory= of its unit"),
            format!("systemctl edit {UNIT}: [Service] BindPaths={}", real.display()),
        ),
        (Err(error), Ok(_)) if error.kind() == std::io::ErrorKind::PermissionDenied => topic.hint(
            format!("what the running server sees at {shown} was not looked at: only root may"),
            "sudo forkftpd doctor",
        ),
        (Err(error), Ok(_)) => topic.error(
            format!("the running server does not see {shown}: {error}"),
            format!("systemctl edit {UNIT}: [Service] BindPaths={}", real.display()),
        ),
        (_, Err(error)) => topic.note(format!("{shown}: {error}")),
    }
    let mounts = running.process.text("mountinfo");
    match mounts.and_then(|mounts| proc::mount_of(&mounts, &real)) {
        Some(mount) if mount.options.first().is_some_and(|option| option == "ro") => topic.error(
            format!("{shown} is read-only for the running server (ProtectSystem=, ProtectHome=)"),
            format!("systemctl edit {UNIT}: [Service] ReadWritePaths={}", real.display()),
        ),
        Some(_) => topic.ok(format!("{shown} is not mounted read-only for the running server")),
        None => topic.hint(
            format!("whether {shown} is read-only for the running server was not looked at: only root may"),
            "sudo forkftpd doctor",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_where_they_are_on() {
        assert!(is_on("DynamicUser=yes", "DynamicUser="));
        assert!(is_on("DynamicUser= true", "DynamicUser="));
        for off in [
            "DynamicUser=no",
            "#DynamicUser=yes",
            "DynamicUser=",
            "User=x",
        ] {
            assert!(!is_on(off, "DynamicUser="), "{off}");
        }
    }
}
