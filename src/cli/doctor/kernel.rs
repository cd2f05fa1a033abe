//! The walls: what the kernel has of them, what the configuration asks for, and whether the processes of a running server stand
//! behind them.

use super::eyes::Eyes;
use super::patient::{Patient, Running};
use super::proc::Process;
use super::report::{Report, Topic};
use crate::config::Level;
use crate::sys::{Errno, machine};

/// The version of Landlock that the walls need: that of Linux 6.2.
const LANDLOCK: u32 = 3;

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("kernel");
    let told = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = told.trim();
    let level = patient.config.sandbox;
    match (machine::landlock_version(), level) {
        (_, Level::Off) => {}
        (Ok(version), _) if version >= LANDLOCK => {
            topic.ok(format!("Linux {release} has Landlock version {version}"));
        }
        (found, _) => {
            let (what, fix) = match found {
                Ok(version) => (
                    format!(
                        "Linux {release} has Landlock version {version}, and {LANDLOCK} is needed"
                    ),
                    "a kernel from 6.2 on; or sandbox = \"no-landlock\" in forkftpd.toml",
                ),
                Err(Errno::EOPNOTSUPP) => (
                    format!("Linux {release} has Landlock, and it is turned off"),
                    "landlock at the front of the boot parameter lsm= (cat /sys/kernel/security/lsm)",
                ),
                Err(Errno::EPERM) => (
                    "Landlock is kept from programs here by a filter of system calls".into(),
                    "in a unit: SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self; in a container: a newer runtime",
                ),
                Err(errno) => (
                    format!("Linux {release} has no Landlock ({})", errno.desc()),
                    "a kernel from 6.2 on; or sandbox = \"no-landlock\" in forkftpd.toml",
                ),
            };
            if level == Level::Full {
                topic.error(
                    format!("{what}: with sandbox = \"full\" nobody is served"),
                    fix,
                );
            } else {
                topic.warning(
                    format!("{what}: children are kept in by seccomp alone"),
                    fix,
                );
            }
        }
    }
    match std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.contains("kill_process") => topic.ok("seccomp is there"),
        Ok(_) | Err(_) if level == Level::Off => {}
        Ok(actions) => topic.error(
            format!("seccomp cannot end a process here: {}", actions.trim()),
            "a kernel from 4.14 on",
        ),
        Err(error) => topic.note(format!("what seccomp can do is not to be had: {error}")),
    }
    match level {
        Level::Full => topic.ok("sandbox = \"full\""),
        _ => topic.warning(
            format!(
                "sandbox = \"{}\": a child that is taken over reaches more than its library",
                level.as_str()
            ),
            "sandbox = \"full\" in forkftpd.toml",
        ),
    }
    if patient.serves == 0 && patient.eyes != Eyes::Strangers {
        topic.problem("clients would be served by root: set user = \"forkftp\" in forkftpd.toml");
    }
    if let Some(running) = &patient.running {
        children(running, patient, &mut topic);
    }
}

/// Looks at the processes that have a client now.
fn children(running: &Running, patient: &Patient, topic: &mut Topic<'_>) {
    let sessions = &running.status.sessions;
    let (mut looked, mut gone) = (0, 0);
    for session in sessions {
        let Ok(pid) = u32::try_from(session.pid) else {
            continue;
        };
        let process = Process::of(pid);
        let Some(wrong) = wrong_with(&process, patient) else {
            gone += 1;
            continue;
        };
        looked += 1;
        for what in wrong {
            topic.error(
                format!("the child {pid}, which serves {}: {what}", session.address),
                format!("kill {pid}; report this with the output of forkftpd check"),
            );
        }
    }
    match (looked, gone) {
        (0, 0) => topic.ok("no child has a client now, whose walls could be looked at"),
        (0, _) => topic.note("the walls of the children were not looked at: they have gone, or /proc does not show them"),
        (looked, _) => topic.ok(format!("{looked} children were looked at")),
    }
}

/// What is wrong with a child that serves; None when it is gone.
fn wrong_with(process: &Process, patient: &Patient) -> Option<Vec<String>> {
    let mut wrong = Vec::new();
    let (uid, _) = process.user()?;
    let stranger = patient.eyes == Eyes::Strangers;
    if uid == 0 || (!stranger && uid != patient.serves) {
        wrong.push(format!("it is uid {uid}, and not {}", patient.serves));
    }
    let capabilities = process.status("CapEff")?;
    if capabilities.bytes().any(|digit| digit != b'0') {
        wrong.push(format!("it has capabilities ({capabilities})"));
    }
    if process.status("NoNewPrivs")? != "1" {
        wrong.push("it may gain privileges by exec".to_owned());
    }
    if patient.config.sandbox != Level::Off && process.status("Seccomp")? != "2" {
        wrong.push("no filter of system calls is in force".to_owned());
    }
    Some(wrong)
}
