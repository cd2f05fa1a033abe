//! What so many clients need of descriptors, processes, memory and waiting room, against what there is.

use super::patient::Patient;
use super::proc::{Process, number};
use super::report::{Report, Topic};
use crate::client::show::size;
use crate::listener;
use crate::sys::process;
use std::path::Path;

/// Memory of an idle session under TLS with what the kernel and the broker keep for it, bytes.
const SESSION: u64 = 256 << 10;
/// The same of the processes that are always there.
const HOUSEHOLD: u64 = 16 << 20;
/// Processes that are always there: listener, broker, dialer and their passing ones.
const HOUSEHOLD_PROCESSES: u64 = 8;
/// What containers give where they give everything.
const MILLIARD: u64 = 1_000_000_000;

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("limits");
    backlog(patient, &mut topic);
    if patient.hidden {
        return topic.hint(
            "the running server's limits were not looked at: we may not ask for it",
            "sudo forkftpd doctor",
        );
    }
    let process = patient.process();
    descriptors(patient, &process, &mut topic);
    processes(patient, &process, &mut topic);
    memory(patient, &process, &mut topic);
}

fn descriptors(patient: &Patient, process: &Process, topic: &mut Topic<'_>) {
    let wanted = listener::descriptors_for(&patient.config);
    let most = patient.config.max_clients;
    let running = patient.running.is_some();
    let Some((soft, hard)) = process.limit("Max open files") else {
        return topic.note("the limit of descriptors is not to be had");
    };
    // The listener raises its soft limit itself.
    let has = if running {
        soft
    } else {
        hard.min(process::MOST_DESCRIPTORS)
    };
    let whose = if running {
        "the running server"
    } else {
        "this shell"
    };
    let fix = || {
        format!(
            "LimitNOFILE={} in the unit, or ulimit -n {} before the start",
            wanted.next_power_of_two(),
            wanted.next_power_of_two()
        )
    };
    if has < wanted {
        topic.error(
            format!("max_clients = {most} needs {wanted} descriptors, and {whose} may have {has}"),
            fix(),
        );
    } else {
        topic.ok(format!(
            "max_clients = {most} needs {wanted} descriptors; {whose} may have {has}"
        ));
    }
    if hard >= MILLIARD && hard < u64::MAX {
        topic.note(format!("the hard limit of descriptors is {hard}: this server does not mind (close_range), programs that close each one by one take minutes"));
    }
    let most_open = number(Path::new("/proc/sys/fs/nr_open")).unwrap_or(u64::MAX);
    let all = number_at(Path::new("/proc/sys/fs/file-nr"), 2).unwrap_or(u64::MAX);
    if wanted > most_open || wanted.saturating_mul(8) > all {
        topic.warning(
            format!("the whole machine may have {all} open files, one process {most_open}"),
            format!(
                "sysctl -w fs.nr_open={} fs.file-max={}",
                wanted * 2,
                wanted * 16
            ),
        );
    }
}

/// The number at a place in a line of numbers.
fn number_at(path: &Path, place: usize) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.split_whitespace().nth(place)?.parse().ok()
}

fn processes(patient: &Patient, process: &Process, topic: &mut Topic<'_>) {
    let config = &patient.config;
    let wanted = u64::from(config.max_clients) + u64::from(config.prefork) + HOUSEHOLD_PROCESSES;
    let of_the_group = process.control_group("pids", "pids.max", "pids.max");
    // Root may make as many as it likes, and its children are made by it.
    let of_the_user = process.limit("Max processes").map(|(soft, _)| soft);
    let of_the_user = of_the_user.filter(|_| patient.starter != 0);
    let kernel = |name: &str| number(&Path::new("/proc/sys/kernel").join(name));
    let rows = [
        (
            of_the_group,
            "the control group (TasksMax, pids.max)",
            format!(
                "TasksMax={} in the unit; for a container: --pids-limit {}",
                wanted * 2,
                wanted * 2
            ),
        ),
        (
            of_the_user,
            "the user's limit of processes",
            format!(
                "LimitNPROC={} in the unit, or ulimit -u {}",
                wanted * 2,
                wanted * 2
            ),
        ),
        (
            kernel("pid_max"),
            "kernel.pid_max",
            format!("sysctl -w kernel.pid_max={}", (wanted * 4).max(4_194_304)),
        ),
        (
            kernel("threads-max"),
            "kernel.threads-max",
            format!("sysctl -w kernel.threads-max={}", wanted * 4),
        ),
    ];
    for (has, what, fix) in rows {
        match has {
            Some(has) if has < wanted => topic.warning(
                format!(
                    "max_clients = {} needs {wanted} processes, and {what} allows {has}",
                    config.max_clients
                ),
                fix,
            ),
            Some(has) if has < u64::MAX => {
                topic.ok(format!("{wanted} processes at most; {what} allows {has}"))
            }
            _ => {}
        }
    }
}

fn memory(patient: &Patient, process: &Process, topic: &mut Topic<'_>) {
    let most = patient.config.max_clients;
    let there = patient.running.as_ref();
    let there = there.map_or(0, |running| running.status.sessions.len() as u64);
    let more = u64::from(most).saturating_sub(there);
    let wanted = more * SESSION + HOUSEHOLD;
    let machine = available();
    let group = process.control_group("memory", "memory.max", "memory.limit_in_bytes");
    let used = process.control_group("memory", "memory.current", "memory.usage_in_bytes");
    let group = group.map(|most| most.saturating_sub(used.unwrap_or(0)));
    let rows = [
        (machine, "this machine has"),
        (group, "the control group leaves"),
    ];
    for (has, who) in rows {
        let Some(has) = has else {
            continue;
        };
        if has < wanted {
            let fits = has.saturating_sub(HOUSEHOLD) / SESSION + there;
            topic.warning(
                format!(
                    "max_clients = {most}: {more} more idle sessions take about {}, and {who} {}",
                    size(wanted),
                    size(has)
                ),
                format!(
                    "max_clients = {fits} in forkftpd.toml, or more memory (MemoryMax= in a unit)"
                ),
            );
        } else {
            topic.ok(format!(
                "{more} more idle sessions take about {}; {who} {}",
                size(wanted),
                size(has)
            ));
        }
    }
    if machine.is_none() {
        topic.note("how much memory is available is not to be had");
    }
}

/// Bytes that programs may still have (proc(5), MemAvailable).
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

fn backlog(patient: &Patient, topic: &mut Topic<'_>) {
    let Some(most) = number(Path::new("/proc/sys/net/core/somaxconn")) else {
        return topic.note("net.core.somaxconn is not to be had");
    };
    for listen in &patient.config.listen {
        let (at, wanted) = (&listen.address, listen.backlog);
        if u64::from(wanted) > most {
            topic.hint(
                format!("{at}: backlog = {wanted}, and the kernel makes {most} of it (net.core.somaxconn)"),
                format!("sysctl -w net.core.somaxconn={wanted}, and in /etc/sysctl.d; or backlog = {most}"),
            );
        } else {
            topic.ok(format!(
                "{at}: {wanted} connections may wait, of {most} that the kernel allows"
            ));
        }
    }
}
