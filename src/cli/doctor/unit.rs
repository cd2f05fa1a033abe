//! What a systemd unit keeps from the server without saying so: another view of the library, and settings that take away what it
//! needs.

use super::library::Seen;
use super::patient::{Patient, Running};
use super::proc;
use super::report::{Report, Topic};
use crate::config::Address;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where units of this name stand, what the administrator wrote first.
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// The service.
pub(super) const NAME: &str = "forkftpd.service";

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

pub(super) fn examine(patient: &Patient, seen: Option<&Seen>, report: &mut Report) {
    let mut topic = report.topic("unit");
    let texts = units();
    if texts.is_empty() {
        topic.ok(format!("there is no {NAME}"));
    }
    for (path, text) in &texts {
        let mut trapped = false;
        for (setting, means) in TRAPS {
            if text.lines().any(|line| is_on(line.trim(), setting)) {
                trapped = true;
                topic.error(
                    format!("{}: {setting}yes: {means}", path.display()),
                    format!("systemctl edit {NAME}, and take {setting} out; then systemctl restart {NAME}"),
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
    let Some(running) = &patient.running else {
        return;
    };
    // A disk that has not answered is not asked again.
    match seen.and_then(|seen| seen.real.as_ref()) {
        Some(real) => of_the_running(running, patient, real, &mut topic),
        None => topic.note("whether the running server sees the same library was not looked at"),
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
    let first = FOLDERS.iter().map(|folder| Path::new(folder).join(NAME));
    for path in first {
        if read(path) {
            break;
        }
    }
    for folder in FOLDERS {
        let over = Path::new(folder).join(format!("{NAME}.d"));
        for entry in std::fs::read_dir(over).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "conf") {
                read(entry.path());
            }
        }
    }
    found
}

/// The folder of the files that the unit hands over as credentials under their own names.
pub(super) fn credentials() -> Option<PathBuf> {
    let texts = units();
    let lines = texts.iter().flat_map(|(_, text)| text.lines());
    let mut sources = lines.filter_map(|line| {
        let (name, file) = line
            .trim()
            .strip_prefix("LoadCredential=")?
            .split_once(':')?;
        let file = Path::new(file);
        (file.file_name()?.to_str()? == name).then(|| file.parent().map(Path::to_owned))?
    });
    sources.next()
}

/// Where the socket with this name is, as the socket units say.
pub(super) fn socket(name: &str) -> Option<Address> {
    let folders = FOLDERS
        .iter()
        .flat_map(std::fs::read_dir)
        .flatten()
        .flatten();
    let units = folders.filter(|entry| entry.path().extension().is_some_and(|end| end == "socket"));
    let mut texts = units.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    texts.find_map(|text| address_of(&text, name))
}

/// The address of the socket `name`, if this is the text of its unit.
fn address_of(text: &str, name: &str) -> Option<Address> {
    let value = |key: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(key)).map(str::trim)
    };
    if value("FileDescriptorName=") != Some(name) {
        return None;
    }
    let stream = value("ListenStream=")?;
    if stream.starts_with('/') {
        return Some(Address::Unix(stream.into()));
    }
    // A port alone is that of all addresses (systemd.socket(5)).
    let any = |port| SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port);
    let address = stream.parse().ok().or_else(|| stream.parse().ok().map(any));
    address.map(Address::Tcp)
}

fn is_on(line: &str, setting: &str) -> bool {
    let value = line.strip_prefix(setting).map(str::trim);
    value.is_some_and(|value| matches!(value, "yes" | "true" | "on" | "1"))
}

/// Whether the running server sees the library that we see, and may write there.
fn of_the_running(running: &Running, patient: &Patient, real: &Path, topic: &mut Topic<'_>) {
    let shown = patient.config.library.display();
    let beneath = real.strip_prefix("/").unwrap_or(real);
    let theirs = running.process.path("root").join(beneath);
    let same = |one: &std::fs::Metadata, other: &std::fs::Metadata| {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    };
    match (std::fs::metadata(&theirs), std::fs::metadata(real)) {
        (Ok(there), Ok(here)) if same(&there, &here) => {
            topic.ok(format!("the running server sees the same {shown}"));
        }
        (Ok(_), Ok(_)) => topic.error(
            format!("the running server sees another folder at {shown} than this shell: PrivateTmp=, ProtectHome=, TemporaryFileSystem= or RootDirectory= of its unit"),
            format!("systemctl edit {NAME}: [Service] BindPaths={}", real.display()),
        ),
        (Err(error), Ok(_)) if error.kind() == std::io::ErrorKind::PermissionDenied => topic.hint(
            format!("what the running server sees at {shown} was not looked at: only root may"),
            "sudo forkftpd doctor",
        ),
        (Err(error), Ok(_)) => topic.error(
            format!("the running server does not see {shown}: {error}"),
            format!("systemctl edit {NAME}: [Service] BindPaths={}", real.display()),
        ),
        (_, Err(error)) => topic.note(format!("{shown}: {error}")),
    }
    let mounts = running.process.text("mountinfo");
    match mounts.and_then(|mounts| proc::mount_of(&mounts, real)) {
        Some(mount) if mount.options.first().is_some_and(|option| option == "ro") => topic.error(
            format!("{shown} is read-only for the running server (ProtectSystem=, ProtectHome=)"),
            format!("systemctl edit {NAME}: [Service] ReadWritePaths={}", real.display()),
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

    #[test]
    fn sockets_are_found_by_their_names() {
        let unit =
            |stream: &str| format!("[Socket]\nListenStream={stream}\nFileDescriptorName=ftp\n");
        for (stream, shown) in [
            ("[::]:21", "[::]:21"),
            ("192.0.2.1:2121", "192.0.2.1:2121"),
            ("21", "[::]:21"),
            ("/run/s", "unix:/run/s"),
        ] {
            let address = address_of(&unit(stream), "ftp").expect(stream);
            assert_eq!(address.to_string(), shown);
        }
        assert_eq!(address_of(&unit("21"), "http"), None);
        assert_eq!(address_of(&unit("ftp"), "ftp"), None);
    }
}
