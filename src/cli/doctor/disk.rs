//! What is left on the disks that the server writes to.

use super::library::Seen;
use super::patient::Patient;
use super::report::{Report, Topic};
use crate::client::show::size;
use crate::sys::machine::Room;

/// Free inodes under which files are refused soon.
const FEW_INODES: u64 = 1000;
/// Bytes that a log or a ledger needs.
const LITTLE: u64 = 16 << 20;

pub(super) fn examine(patient: &Patient, seen: Option<&Seen>, report: &mut Report) {
    let mut topic = report.topic("disk");
    let Some(seen) = seen else {
        return;
    };
    let library = patient.config.library.display().to_string();
    if let Some(room) = &seen.room {
        of_the_library(&library, room, patient.config.files.keep_free, &mut topic);
        inodes(&library, room, &mut topic);
    }
    for (key, folder, room) in &seen.places {
        let folder = folder.display().to_string();
        match room {
            Ok(room) if room.free < LITTLE => topic.warning(
                format!("{key}: only {} are left at {folder}", size(room.free)),
                format!("df -h {folder}"),
            ),
            Ok(room) => {
                topic.ok(format!("{key}: {} are left at {folder}", size(room.free)));
                inodes(&folder, room, &mut topic);
            }
            // The folder may be for the broker's user alone.
            Err(why) if patient.starter == 0 && patient.serves != 0 => {
                topic.note(format!(
                    "{key}: {folder}: uid {} does not see it: {why}",
                    patient.serves
                ));
            }
            Err(why) => topic.error(
                format!("{key}: {folder}: {why}"),
                format!("install -d -o {} {folder}", patient.starter),
            ),
        }
    }
}

fn of_the_library(library: &str, room: &Room, keep_free: u64, topic: &mut Topic<'_>) {
    let (free, kept) = (size(room.free), size(keep_free));
    let left = room.free.saturating_sub(keep_free);
    if left == 0 {
        topic.error(
            format!("{library}: {free} are free, and keep_free = {kept} keeps them: every upload is refused"),
            format!("make room (du -xh {library} | sort -h | tail), or lower keep_free"),
        );
    } else if left < room.size / 50 {
        topic.warning(
            format!("{library}: {} may be uploaded before keep_free = {kept} is reached, of a disk of {}", size(left), size(room.size)),
            format!("make room: du -xh {library} | sort -h | tail"),
        );
    } else {
        topic.ok(format!(
            "{library}: {free} are free, and uploads leave {kept}"
        ));
    }
    if keep_free == 0 {
        topic.hint(
            "keep_free = 0: uploads may fill the disk to the last byte, and logs and other programs with it",
            "keep_free = \"64 MiB\" in forkftpd.toml",
        );
    }
}

fn inodes(folder: &str, room: &Room, topic: &mut Topic<'_>) {
    let free = room.free_inodes;
    if room.inodes == 0 {
        topic.ok(format!("{folder}: no fixed number of files"));
    } else if free == 0 {
        topic.error(
            format!("{folder}: not one more file can be made (inodes)"),
            format!("df -i {folder}; remove files"),
        );
    } else if free < FEW_INODES.min(room.inodes / 10) {
        topic.warning(
            format!(
                "{folder}: only {free} more files can be made, of {} (inodes)",
                room.inodes
            ),
            format!("df -i {folder}; remove files"),
        );
    } else {
        topic.ok(format!("{folder}: {free} more files can be made"));
    }
}
