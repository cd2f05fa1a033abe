//! What the library's filesystem can do, and what follows where it cannot.

use super::library::Seen;
use super::patient::Patient;
use super::proc::{self, Process};
use super::report::{Report, Topic};
use crate::library::{Features, Tried};

/// Milliseconds of a sync from which each upload is felt to wait.
const SLOW: u64 = 250;

/// Kinds of filesystem that do not behave as a local disk does, and what that means for a server.
const KINDS: [(&str, &str); 12] = [
    (
        "nfs",
        "another machine's change of a name is seen late, and locks are that server's: let no other program write here",
    ),
    (
        "cifs",
        "owners and permissions are what the mount says, and names may differ in case alone",
    ),
    (
        "smb",
        "owners and permissions are what the mount says, and names may differ in case alone",
    ),
    (
        "fuse",
        "what it can do depends on the program behind it, and so does what is left after that one dies",
    ),
    (
        "9p",
        "locks and extended attributes may be missing; a file that is replaced may still be read as the old one",
    ),
    (
        "virtiofs",
        "the host's filesystem is behind it: its limits hold, not those seen here",
    ),
    (
        "ceph",
        "another machine's change is seen late where attributes are cached",
    ),
    (
        "gluster",
        "another machine's change is seen late where attributes are cached",
    ),
    (
        "overlay",
        "in a container this is its own layer, and goes with it: serve a volume",
    ),
    (
        "tmpfs",
        "it is memory: everything is gone after a restart of the machine",
    ),
    (
        "ramfs",
        "it is memory: everything is gone after a restart of the machine",
    ),
    (
        "vfat",
        "it keeps neither owners nor permissions, and no file of 4 GiB",
    ),
];

pub(super) fn examine(patient: &Patient, seen: Option<&Seen>, report: &mut Report) {
    let mut topic = report.topic("filesystem");
    let Some(seen) = seen else {
        return;
    };
    if let Some(real) = &seen.real {
        let mounts = Process::own().text("mountinfo").unwrap_or_default();
        match proc::mount_of(&mounts, real) {
            Some(mount) => of_the_mount(&mount, patient, &mut topic),
            None => topic.note("the kernel does not say which filesystem the library is on"),
        }
    }
    if let Some(features) = &seen.features {
        of_the_features(features, &mut topic);
    }
}

fn of_the_mount(mount: &proc::Mount, patient: &Patient, topic: &mut Topic<'_>) {
    let library = patient.config.library.display();
    let kind = &mount.kind;
    let has = |option: &str| mount.options.iter().any(|found| found == option);
    match KINDS.iter().find(|(name, _)| kind.starts_with(name)) {
        Some((_, means)) => topic.note(format!("{library} is on {kind}: {means}")),
        None => topic.ok(format!("{library} is on {kind}")),
    }
    if has("ro") {
        topic.error(
            format!("{library} is mounted read-only: there can be no upload, nor the server's own folder"),
            format!("mount -o remount,rw $(findmnt -no TARGET -T {library})"),
        );
    }
    let quota = |option: &&String| {
        option.contains("quota") && !option.starts_with("no") && *option != "quota=off"
    };
    let quotas: Vec<&str> = mount
        .options
        .iter()
        .filter(quota)
        .map(String::as_str)
        .collect();
    if !quotas.is_empty() {
        topic.hint(
            format!("{library} is mounted with {}: a quota there ends uploads although the disk has room", quotas.join(",")),
            format!("quota -u '#{}' (package quota) says what is left to the server's user", patient.serves),
        );
    }
    if has("nobarrier") || has("barrier=0") {
        topic.warning(
            format!("{library} is mounted without barriers: after a power cut, uploads that were reported as stored may be gone"),
            format!("mount -o remount,barrier=1 $(findmnt -no TARGET -T {library})"),
        );
    }
}

fn of_the_features(features: &Features, topic: &mut Topic<'_>) {
    let rows = [
        ("openat2", &features.openat2, "nothing can be served"),
        (
            "files without a name (O_TMPFILE)",
            &features.unnamed,
            "uploads are staged under random names, and what a power cut leaves is swept at the next start",
        ),
        (
            "naming them (linkat)",
            &features.link,
            "uploads cannot be published",
        ),
        (
            "renaming without replacing (RENAME_NOREPLACE)",
            &features.rename_new,
            "links do it instead; where a new name is asked for while another program makes it, that one may be replaced",
        ),
        (
            "extended attributes",
            &features.attributes,
            "digests are computed at each download",
        ),
        (
            "taking room before writing (fallocate)",
            &features.allocate,
            "a full disk is found out in the middle of a large upload",
        ),
        (
            "names that differ in case",
            &features.case,
            "uploads of Name and NAME replace each other",
        ),
    ];
    let mut untried = Vec::new();
    for (name, tried, means) in rows {
        match tried {
            Tried::Works => topic.ok(format!("{name}: works")),
            Tried::Untried(why) => untried.push((name, why)),
            Tried::Fails(why) if name == "openat2" => topic.error(
                format!("{name}: {why}: {means}"),
                "a kernel from 5.6 on; in a unit: neither DynamicUser= nor RestrictSUIDSGID=",
            ),
            Tried::Fails(why) if tried == &features.link => topic.error(
                format!("{name}: {why}: {means}"),
                "serve a folder of a filesystem that has links: ext4, xfs, btrfs",
            ),
            Tried::Fails(why) => topic.note(format!("{name}: {why}: {means}")),
        }
    }
    if let Some((_, why)) = untried.first() {
        let names: Vec<_> = untried.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        topic.note(format!("not tried: {names}: {why}"));
    }
    match features.sync_millis {
        Some(millis) if millis >= SLOW => topic.hint(
            format!("a small file takes {millis} ms to be on the disk, and so does the end of each upload"),
            "durability = \"file\" in forkftpd.toml, where the last seconds before a power cut may be lost; or a faster disk",
        ),
        Some(millis) => topic.ok(format!("a small file is on the disk within {millis} ms")),
        None => topic.note("how long the disk takes for a small file was not measured: none could be written"),
    }
}
