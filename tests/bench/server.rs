//! Starting and ending the two sides: `forkftpd`, and this program again as a bare loop.

use crate::bare;
use crate::machine::{World, field};
use crate::meter::{Meter, of_process};
use crate::stats::Run;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    broker: Option<u32>,
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
    give_to_server(&world.library);
    if nix::unistd::geteuid().is_root() {
        &["--user", "nobody"]
    } else {
        &[]
    }
}

/// Makes a folder that of the user who serves, with all that is in it.
pub(crate) fn give_to_server(folder: &Path) {
    if nix::unistd::geteuid().is_root() {
        let given = Command::new("chown")
            .args(["-Rh", "nobody"])
            .arg(folder)
            .status();
        assert!(given.expect("chown").success());
    }
}

/// Who may come in, and how: what no flag says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Door {
    /// Clients prove the secret.
    pub(crate) proof: bool,
    /// They log in as `USER`.
    pub(crate) login: bool,
    /// They speak TLS.
    pub(crate) tls: bool,
}

/// How ours serves FTP and HTTP: what no flag says.
#[derive(Clone, Copy)]
pub(crate) struct Ours {
    /// The key of that name.
    pub(crate) durability: &'static str,
    /// The key of that name.
    pub(crate) receipt: &'static str,
    /// Clients may ask for TLS.
    pub(crate) tls: bool,
}

impl Default for Ours {
    fn default() -> Ours {
        Ours {
            durability: "full",
            receipt: "sha256",
            tls: false,
        }
    }
}

impl Server {
    /// Starts `forkftpd serve` for FTP, for `USER`, as many sessions as come.
    pub(crate) fn ftp(world: &World, ours: Ours) -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = world.aside(&format!("forkftpd-ftp-{number}.toml"));
        let (users, [certificate, key]) = (world.weak_users_file(), world.certificate());
        let (durability, receipt) = (ours.durability, ours.receipt);
        let tls = if ours.tls {
            format!("tls_certificate = {certificate:?}\ntls_key = {key:?}\n")
        } else {
            String::new()
        };
        let may = if ours.tls { "optional" } else { "off" };
        let text = format!(
            "users_file = {users:?}\n{tls}durability = \"{durability}\"\nreceipt = \"{receipt}\"\n\
             [[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ndata_seconds = 5\nlogin = \"required\"\ntls = \"{may}\"\n"
        );
        fs::write(&path, text).expect("the configuration");
        Server::start(
            world,
            &path,
            &["--max-clients", "1000", "--max-per-address", "1000"],
        )
    }

    /// Starts `forkftpd serve` for HTTP, for everybody, who may do everything.
    pub(crate) fn http(world: &World, ours: Ours, prefork: u32) -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = world.aside(&format!("forkftpd-http-{number}.toml"));
        let (durability, receipt) = (ours.durability, ours.receipt);
        let text = format!(
            "durability = \"{durability}\"\nreceipt = \"{receipt}\"\nprefork = {prefork}\n\
             [anonymous]\nrights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]\n\
             [[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\nlogin = \"none\"\ntls = \"off\"\n"
        );
        fs::write(&path, text).expect("the configuration");
        Server::start(
            world,
            &path,
            &["--max-clients", "1000", "--max-per-address", "1000"],
        )
    }

    /// Starts `forkftpd serve` on the library, for whoever proves the secret.
    pub(crate) fn forkftpd(world: &World, congestion: &str, flags: &[&str]) -> Server {
        let flags = [
            &["--listen", "127.0.0.1:0", "--congestion", congestion],
            flags,
        ]
        .concat();
        // No configuration of this machine's.
        Server::start(world, Path::new("/dev/null"), &flags)
    }

    /// Starts `forkftpd serve` with such a door.
    pub(crate) fn with_door(world: &World, congestion: &str, door: Door, flags: &[&str]) -> Server {
        let path = world.aside("forkftpd.toml");
        let proof = if door.proof { "required" } else { "none" };
        let (login, tls) = (if door.login { "required" } else { "none" }, door.tls);
        let (users, [certificate, key]) = (world.users_file(), world.certificate());
        let text = format!(
            "users_file = {users:?}\ntls_certificate = {certificate:?}\ntls_key = {key:?}\n\
             [[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"{proof}\"\nlogin = \"{login}\"\ntls = {tls}\n\
             congestion = \"{congestion}\"\n"
        );
        fs::write(&path, text).expect("the configuration");
        Server::start(world, &path, flags)
    }

    fn start(world: &World, config: &Path, flags: &[&str]) -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = world.aside(&format!("log-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut child = leaves_with_us(&mut Command::new(program()))
            .arg("serve")
            .args(as_user(world))
            .arg("--config")
            .arg(config)
            .arg("--library")
            .arg(&world.library)
            .arg("--secret-file")
            .arg(&world.secret_file)
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
                .split_once("listening on ")
                .and_then(|(_, rest)| rest.split_once("://"))
                .and_then(|(_, rest)| rest.split_once([' ', '"', '\n']))
                .and_then(|(address, _)| address.parse().ok());
            if let Some(address) = address {
                return Server {
                    broker: broker_of(child.id()),
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
            broker: None,
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
        let used = || {
            let broker = self.broker.map_or(0.0, of_process);
            [self.meter.seconds(), of_process(self.pid()), broker]
        };
        let before = used();
        let value = work();
        // What the last child does after its client has gone belongs to it.
        std::thread::sleep(Duration::from_millis(10));
        let after = used();
        let [cpu, listener, broker] = std::array::from_fn(|i| (after[i] - before[i]) / units);
        Run {
            value,
            cpu,
            listener,
            broker,
        }
    }

    /// Process id of the broker, if it has one.
    pub(crate) fn broker(&self) -> Option<u32> {
        self.broker
    }

    /// The processes that serve clients.
    pub(crate) fn children(&self) -> Vec<u32> {
        let mut found = born_of(self.pid());
        found.retain(|pid| Some(*pid) != self.broker);
        found
    }
}

/// Processes whose parent is `parent`.
pub(crate) fn born_of(parent: u32) -> Vec<u32> {
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            field(&format!("/proc/{pid}/status"), "PPid").and_then(|ppid| ppid.parse().ok())
                == Some(parent)
        })
        .collect()
}

/// The broker of the listener `parent`. It is there before anything listens.
fn broker_of(parent: u32) -> Option<u32> {
    born_of(parent).into_iter().find(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim() == "forkftpd:broker")
    })
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
