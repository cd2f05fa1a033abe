//! The clock: certificates, logs and the times of files are judged by it.

use super::library::Seen;
use super::report::Report;
use crate::sys::{file, machine};
use crate::tls::certificate::day;

/// Seconds by which a disk's clock may be off.
const APART: i64 = 2;

pub(super) fn examine(seen: Option<&Seen>, report: &mut Report) {
    let mut topic = report.topic("clock");
    let now = file::now().seconds;
    // A clock that was never set begins with the firmware or the filesystem, years ago.
    let built = std::fs::metadata("/proc/self/exe").and_then(|facts| facts.modified());
    let built = built
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    match built.map(|built| built.as_secs().cast_signed()) {
        Some(built) if now < built - 86400 => topic.error(
            format!(
                "it says {}, and this program was installed on {}: it is wrong",
                day(now),
                day(built)
            ),
            "timedatectl set-ntp true",
        ),
        _ => topic.ok(format!("it says {}", day(now))),
    }
    match machine::clock_is_kept() {
        Ok(true) => topic.ok("something keeps it right (adjtimex)"),
        Ok(false) => topic.hint(
            "nothing is known to keep it right (adjtimex says unsynchronised; in a container or a virtual machine the host may)",
            "timedatectl set-ntp true",
        ),
        Err(errno) => topic.note(format!("whether it is kept right is not to be had: {}", errno.desc())),
    }
    let ahead = seen.and_then(|seen| seen.features.as_ref()?.ahead_seconds);
    match ahead {
        Some(ahead) if ahead.abs() > APART => topic.warning(
            format!("the library's disk stamps files {} seconds {} this machine's clock: clients that compare times fetch too much or too little", ahead.abs(), if ahead > 0 { "ahead of" } else { "behind" }),
            "let the server of that disk and this machine keep their clocks by the same NTP servers",
        ),
        Some(_) => topic.ok("the library's disk has the same time"),
        None => topic.note("the time of the library's disk was not compared: no file could be made there"),
    }
}
