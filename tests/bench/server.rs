//! Starting and ending the two sides: `forkftpd`, and this program again as a bare loop.

use crate::bare;
use crate::machine::World;
use crate::meter::Meter;
use crate::stats::Run;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its CPU time.
    meter: Meter,
}

/// The `forkftpd` that is measured: the one built with this program, or another build to compare with.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("FORKFTP_BENCH_SERVER")
        .map_or_else(|| env!("CARGO_BIN_EXE_forkftpd").into(), PathBuf::from)
}

/// Has the program ended when this one ends, however that comes.
pub(crate) fn leaves_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: the closure makes one system call, which touches no memory; that is allowed after fork.
    unsafe {
        command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(Into::into))
    }
}

/// Root serves nobody: then it is nobody who serves, and the library has to be theirs.
fn as_user(world: &World) -> &'static [&'static str] {
    if !nix::unistd::geteuid().is_root() {
        return &[];
    }
    let given = Command::new("chown")
        .args(["-Rh", "nobody"])
        .arg(&world.library)
        .status();
    assert!(given.expect("chown").success());
    &["--user", "nobody"]
}

impl Server {
    /// Starts `forkftpd serve` on the library.
    pub(crate) fn forkftpd(world: &World, congestion: &str, flags: &[&str]) -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = world.aside(&format!("log-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut child = leaves_with_us(&mut Command::new(program()))
            .arg("serve")
            .args(as_user(world))
            // No configuration of this machine's.
            .args(["--config", "/dev/null"])
            .arg("--library")
            .arg(&world.library)
            .arg("--secret-file")
            .arg(&world.secret_file)
            .args(["--listen", "127.0.0.1:0", "--congestion", congestion])
            .args(["--drain-seconds", "1"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the server's log"))
            .spawn()
            .expect("forkftpd");
        let meter = Meter::of(child.id());
        let until = Instant::now() + PATIENCE;
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let address = said
                .split_once("drive://")
                .and_then(|(_, rest)| rest.split_once([' ', '\n']))
                .and_then(|(address, _)| address.parse().ok());
            if let Some(address) = address {
                return Server {
                    child,
                    address,
                    meter,
                };
            }
            let ended = child.try_wait().expect("forkftpd's state");
            if ended.is_some() || Instant::now() > until {
                let _ = child.kill();
                panic!("forkftpd does not listen; it said: {said}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts this program as the bare loop that `words` name.
    pub(crate) fn bare(congestion: &str, words: &[&str]) -> Server {
        let program = std::env::current_exe().expect("the path of this program");
        let mut child = leaves_with_us(&mut Command::new(program))
            .args([bare::FLAG, congestion])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a bare loop");
        let meter = Meter::of(child.id());
        let mut line = String::new();
        let said = child.stdout.take().expect("its output");
        BufReader::new(said)
            .read_line(&mut line)
            .expect("its address");
        let address = line.trim().parse().expect("its address");
        Server {
            child,
            address,
            meter,
        }
    }

    /// Process id of the listener.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Does `work`, which returns the value of the run, and divides the CPU time that the server took for it by `units`.
    pub(crate) fn measure(&self, units: f64, work: impl FnOnce() -> f64) -> Run {
        let before = self.meter.seconds();
        let value = work();
        // What the last child does after its client has gone belongs to it.
        std::thread::sleep(Duration::from_millis(10));
        Run {
            value,
            cpu: (self.meter.seconds() - before) / units,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        let _ = kill(pid, Signal::SIGTERM);
        let until = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
