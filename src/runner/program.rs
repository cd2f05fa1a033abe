//! From a process of ours to the operator's program: everything that is taken away on the way, in order. Run by the process that a
//! supervisor makes for it.

use crate::config::{Limits, Program};
use crate::sys::execute::{self, Bound};
use crate::sys::privs::{self, Identity};
use crate::sys::{Errno, Result, process};
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// Descriptors that each process of it may have open.
const DESCRIPTORS: u64 = 1024;
/// How far it stands back for the server itself (nice(2)).
const YIELDS: i32 = 10;
/// Permission bits that its new files do not get.
const UMASK: u32 = 0o077;

/// What every program finds in its environment.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/bin:/bin"),
    ("LANG", "C.UTF-8"),
    ("HOME", "/"),
];

/// A program, as the kernel takes it.
#[derive(Debug)]
pub(super) struct Ready {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    identity: Option<Identity>,
    limits: Limits,
}

impl Ready {
    /// `more` stands in the environment besides.
    ///
    /// # Errors
    /// EINVAL for a zero byte, which is nowhere in a checked configuration.
    pub(super) fn new(program: &Program, more: &[(&str, String)]) -> Result<Ready> {
        let text = |text: String| CString::new(text).map_err(|_| Errno::EINVAL);
        let arguments = program.run.iter().cloned().map(text);
        let fixed = ENVIRONMENT
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let more = more.iter().map(|(key, value)| format!("{key}={value}"));
        Ok(Ready {
            arguments: arguments.collect::<Result<_>>()?,
            environment: fixed.chain(more).map(text).collect::<Result<_>>()?,
            identity: program.identity,
            limits: program.limits,
        })
    }

    /// Becomes the program, with `input` as its standard input, and its output and errors going to `output`. `parent` is the process that
    /// made this one. What goes wrong is written to `failed`, which is closed when nothing did.
    pub(super) fn run(
        &self,
        (input, output): (&OwnedFd, &OwnedFd),
        failed: &OwnedFd,
        parent: u32,
    ) -> Infallible {
        let (step, errno) = match self.shed((input, output), failed, parent) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        let _ = nix::unistd::write(failed, format!("{step}: {}", errno.desc()).as_bytes());
        process::exit(127)
    }

    fn shed(
        &self,
        (input, output): (&OwnedFd, &OwnedFd),
        failed: &OwnedFd,
        parent: u32,
    ) -> std::result::Result<Infallible, (&'static str, Errno)> {
        let step = |name: &'static str| move |errno: Errno| (name, errno);
        execute::default_signals().map_err(step("signals"))?;
        execute::new_session().map_err(step("setsid"))?;
        execute::standard_streams(input.as_fd(), output.as_fd()).map_err(step("dup2"))?;
        process::close_all_but(&[failed.as_fd()]).map_err(step("descriptors"))?;
        nix::unistd::chdir("/").map_err(step("chdir"))?;
        process::set_umask(UMASK);
        // A courtesy, and no wall: a service manager may have forbidden it.
        let _ = execute::yield_by(YIELDS);
        // Before it becomes another user: afterwards it cannot see who is there, where /proc hides that.
        let uid = self
            .identity
            .map_or_else(privs::own_uid, |identity| identity.uid);
        let processes = execute::tasks_of(uid) + u64::from(self.limits.processes);
        for (what, most) in [
            (Bound::Core, 0),
            // For what the supervisor's clock does not reach; with many threads no sooner than that.
            (
                Bound::Cpu,
                u64::from(self.limits.seconds) * processors() + 1,
            ),
            (Bound::Memory, self.limits.memory),
            (Bound::File, self.limits.largest_file),
            (Bound::Descriptors, DESCRIPTORS),
            (Bound::Processes, processes),
        ] {
            execute::bound(what, most).map_err(step("setrlimit"))?;
        }
        if let Some(identity) = self.identity {
            privs::become_user(identity).map_err(step("setresuid"))?;
        }
        privs::no_new_privs().map_err(step("no_new_privs"))?;
        execute::die_with(parent).map_err(step("PR_SET_PDEATHSIG"))?;
        execute::become_program(&self.arguments, &self.environment).map_err(step("execve"))
    }
}

fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}
