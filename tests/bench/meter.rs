//! CPU time of a server with all its children. They are reaped by the kernel (SIGCHLD is ignored), so that no parent's
//! accounts hold them: a control group of the server's own does. Where none can be made, the machine's busy time less
//! this program's own stands for it, which counts other programs too.

use crate::stats::say;
use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where groups can be made, the file of one that holds its CPU time, the word before the number, and how many of its
/// units are a second.
const PLACES: [(&str, &str, &str, f64); 3] = [
    ("/sys/fs/cgroup/cpuacct", "cpuacct.usage", "", 1e9),
    ("/sys/fs/cgroup", "cpu.stat", "usage_usec ", 1e6),
    ("/sys/fs/cgroup/unified", "cpu.stat", "usage_usec ", 1e6),
];

/// Groups are named by this, the process that made them, and a number.
const PREFIX: &str = "forkftp-bench-";

/// The groups of all servers that run now.
static LIVING: Mutex<Vec<(PathBuf, &'static str, f64)>> = Mutex::new(Vec::new());

/// Reads the CPU time of one server.
pub(crate) enum Meter {
    Group {
        dir: PathBuf,
        file: PathBuf,
        before: &'static str,
        second: f64,
    },
    Machine,
}

impl Meter {
    /// A meter for process `pid` and all it starts from now on.
    pub(crate) fn of(pid: u32) -> Meter {
        match Meter::group() {
            Some(group) => match &group {
                Meter::Group { dir, .. }
                    if fs::write(dir.join("cgroup.procs"), pid.to_string()).is_ok() =>
                {
                    group.enlist();
                    group
                }
                _ => Meter::Machine,
            },
            None => Meter::Machine,
        }
    }

    /// A new empty group.
    fn group() -> Option<Meter> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        PLACES.iter().find_map(|(place, file, before, second)| {
            let name = format!(
                "{PREFIX}{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            let dir = Path::new(place).join(name);
            fs::create_dir(&dir).ok()?;
            let meter = Meter::Group {
                file: dir.join(file),
                dir,
                before,
                second: *second,
            };
            // Dropped again where the accounts are not kept.
            meter.read().is_some().then_some(meter)
        })
    }

    /// Removes empty groups whose makers were killed.
    pub(crate) fn sweep() {
        let entries = PLACES
            .iter()
            .filter_map(|(place, ..)| fs::read_dir(place).ok());
        for entry in entries.flatten().flatten() {
            let name = entry.file_name();
            let maker = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
            if maker.is_some_and(|pid| {
                pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()
            }) {
                // One that still holds processes is refused by the kernel.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    fn enlist(&self) {
        if let (
            Meter::Group {
                file,
                before,
                second,
                ..
            },
            Ok(mut living),
        ) = (self, LIVING.lock())
        {
            living.push((file.clone(), before, *second));
        }
    }

    fn read(&self) -> Option<f64> {
        match self {
            Meter::Group {
                file,
                before,
                second,
                ..
            } => read_group(file, before, *second),
            Meter::Machine => Some(machine_busy()? - own()),
        }
    }

    /// Seconds of CPU time so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.read().unwrap_or(f64::NAN)
    }

    /// How it is measured here, in words.
    pub(crate) fn method() -> &'static str {
        match Meter::group() {
            Some(_) => {
                "the server's own control group (listener and all children, user and system)"
            }
            None => {
                "the machine's busy time less the generator's own, since no control group can be made: other programs count too"
            }
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let Meter::Group { dir, file, .. } = self else {
            return;
        };
        if let Ok(mut living) = LIVING.lock() {
            living.retain(|(other, ..)| other != file);
        }
        // The last children may be on their way out.
        for _ in 0..100 {
            match fs::remove_dir(&*dir) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                _ => return,
            }
        }
        say(&format!("{} stays behind", dir.display()));
    }
}

fn read_group(file: &Path, before: &str, second: f64) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix(before))?;
    Some(number.trim().parse::<f64>().ok()? / second)
}

/// What others take of the machine, from a moment on: other programs, and the kernel's own threads, which write to the disk
/// for us too.
pub(crate) struct Others {
    taken: Option<f64>,
    since: Instant,
}

impl Others {
    /// From now on.
    pub(crate) fn now() -> Others {
        Others {
            taken: Others::taken(),
            since: Instant::now(),
        }
    }

    /// The share of one processor that others had since; not a number where servers have no accounts of their own.
    pub(crate) fn share(&self) -> f64 {
        match (self.taken, Others::taken()) {
            (Some(before), Some(now)) => (now - before) / self.since.elapsed().as_secs_f64(),
            _ => f64::NAN,
        }
    }

    /// Seconds that neither this program nor its servers used: busy and stolen time.
    fn taken() -> Option<f64> {
        let living = LIVING.lock().ok()?;
        if living.is_empty() {
            return None;
        }
        let ours: f64 = living
            .iter()
            .map(|(file, before, second)| read_group(file, before, *second))
            .sum::<Option<f64>>()?;
        Some(machine_busy()? - own() - ours)
    }
}

/// CPU seconds that the process `pid` itself has used so far, without those it forked (schedstat, proc(5)); not a number where the
/// kernel keeps no such account.
pub(crate) fn of_process(pid: u32) -> f64 {
    fs::read_to_string(format!("/proc/{pid}/schedstat"))
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or(f64::NAN, |nanoseconds| nanoseconds / 1e9)
}

/// CPU seconds of this thread.
pub(crate) fn this_thread() -> f64 {
    used(UsageWho::RUSAGE_THREAD)
}

/// Seconds that all processors together were not idle.
fn machine_busy() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> = text
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy: f64 = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|&at| ticks.get(at))
        .sum();
    let hertz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    Some(busy / hertz as f64)
}

/// Seconds that this program used.
fn own() -> f64 {
    used(UsageWho::RUSAGE_SELF)
}

fn used(who: UsageWho) -> f64 {
    getrusage(who).map_or(0.0, |used| {
        [used.user_time(), used.system_time()]
            .iter()
            .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
            .sum()
    })
}
