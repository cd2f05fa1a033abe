//! Cut uploads that wait for their clients, and what was left in the stage.

use super::library::Seen;
use super::patient::Patient;
use super::report::{Report, Topic};
use crate::client::show::{count, size};
use crate::library::Left;
use crate::sys::file;

pub(super) fn examine(patient: &Patient, seen: Option<&Seen>, report: &mut Report) {
    let mut topic = report.topic("partials");
    let Some(seen) = seen.filter(|seen| seen.shut.is_none()) else {
        return;
    };
    let Some(left) = &seen.left else {
        return topic.note("the staging area cannot be read: cut uploads were not counted");
    };
    let hours = patient.config.files.partial_hours;
    let free = seen.room.map(|room| room.free);
    judge(left, hours, free, patient.running.is_some(), &mut topic);
}

fn judge(left: &Left, hours: u32, free: Option<u64>, running: bool, topic: &mut Topic<'_>) {
    let sweep = if running {
        "systemctl restart forkftpd (it sweeps them when it starts and when it ends)"
    } else {
        "start the server: it sweeps them"
    };
    let oldest = left.oldest.map_or(String::new(), |oldest| {
        let waits = (file::now().seconds - oldest).max(0) / 3600;
        format!(", the oldest untouched for {waits} hours")
    });
    let many = count(left.partials, "cut upload", "cut uploads");
    let bytes = size(left.bytes);
    if left.stale > 0 {
        topic.warning(
            format!(
                "{many} of {bytes} wait{oldest}; {} of them longer than partial_hours = {hours}",
                left.stale
            ),
            sweep,
        );
    } else if free.is_some_and(|free| left.bytes > free / 4) {
        topic.warning(
            format!("{many} take {bytes}{oldest}, more than a quarter of what is free"),
            "a smaller partial_hours in forkftpd.toml, or quotas for users",
        );
    } else if left.partials > 0 {
        topic.ok(format!("{many} of {bytes} wait for their clients{oldest}"));
    } else {
        topic.ok("no cut upload waits");
    }
    if left.staged > 0 {
        let files = count(left.staged, "file", "files");
        topic.warning(
            format!("{files} in the stage, that no upload has written to for an hour"),
            sweep,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_too_long_or_takes_too_much_is_said() {
        let said = |left: &Left, free| {
            let mut report = Report::default();
            judge(left, 72, Some(free), true, &mut report.topic("partials"));
            report.text(true)
        };
        let few = Left {
            partials: 2,
            bytes: 4 << 20,
            oldest: Some(file::now().seconds - 100 * 3600),
            ..Left::default()
        };
        let fine = said(&few, 1 << 30);
        assert!(fine.contains("ok       2 cut uploads of 4.0 MiB"), "{fine}");
        let large = said(&few, 15 << 20);
        assert!(
            large.contains("WARNING") && large.contains("a quarter"),
            "{large}"
        );
        let stale = Left {
            stale: 1,
            staged: 3,
            ..few
        };
        let stale = said(&stale, 1 << 30);
        for words in [
            "1 of them longer than partial_hours = 72",
            "untouched for 100 hours",
            "3 files in the stage",
        ] {
            assert!(stale.contains(words), "{stale}");
        }
        assert!(stale.contains("do: systemctl restart forkftpd"), "{stale}");
    }
}
