//! Servers to compare with: vsftpd, pure-ftpd and ProFTPD by FTP, nginx, dufs and miniserve by HTTP, started by the scripts in `peers/`;
//! and ours beside them, each for the same user, with the same library, the same certificate and the same way to be measured.

use crate::machine::World;
use crate::meter::Meter;
use crate::server::{Ours, Server, born_of, give_to_server, leaves_with_us};
use crate::stats::{Run, say};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Fetching a package may take a while.
const PATIENCE: Duration = Duration::from_secs(90);
/// What the last child does after its client has gone belongs to it.
const AFTERMATH: Duration = Duration::from_millis(10);

/// Who logs in, here and at forkftpd.
pub(crate) const USER: &str = "bench";
/// With this password.
pub(crate) const PASSWORD: &str = "forkftp-bench-password";
/// It as `openssl passwd -6 -salt forkftpbench` prints it: SHA-512-crypt, 5,000 rounds.
const PASSWORD_HASH: &str = "$6$forkftpbench$GAmoVYsMAuIU.M5ogqGC8TrqW1yObUlrQcmmXaUA8xFuYfZqfg1dYgYi7iSElgtKQ5bZQ3IItz257UKeTeQCQ.";

/// What the figures' headings say about the accounts.
pub(crate) const ACCOUNTS: &str = "accounts: the peers keep SHA-512-crypt at 5,000 rounds and hash at every login; forkftpd keeps SCRAM-SHA-256 at 4,096 \
     rounds, and remembers for a while that a password was right";

/// One of those to compare with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Vsftpd,
    PureFtpd,
    Proftpd,
    Nginx,
    Dufs,
    Miniserve,
}

impl Product {
    /// Those that speak FTP.
    pub(crate) const FTP: [Product; 3] = [Product::Vsftpd, Product::PureFtpd, Product::Proftpd];
    /// Those that speak HTTP.
    pub(crate) const HTTP: [Product; 3] = [Product::Nginx, Product::Dufs, Product::Miniserve];

    /// Its name; its script's too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Product::Vsftpd => "vsftpd",
            Product::PureFtpd => "pure-ftpd",
            Product::Proftpd => "proftpd",
            Product::Nginx => "nginx",
            Product::Dufs => "dufs",
            Product::Miniserve => "miniserve",
        }
    }

    fn script(self) -> PathBuf {
        let name = format!("tests/bench/peers/{}.sh", self.name());
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    /// Where its package is kept.
    fn package(self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("peers")
            .join(self.name())
    }

    /// Has the package here, while there is a network to fetch it from. What goes wrong is said when it is started.
    pub(crate) fn fetch(self) {
        let mut command = Command::new(self.script());
        command.arg("fetch").arg(self.package());
        let _ = command.stdin(Stdio::null()).output();
    }
}

/// How a server is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Without TLS.
    Plain,
    /// With TLS for those who ask for it.
    Tls,
    /// Without TLS; uploads go to a hidden file, and are moved into place.
    Atomic,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::Plain => "plain",
            Way::Tls => "tls",
            Way::Atomic => "atomic",
        }
    }
}

/// A running server of either kind; it ends when this is dropped.
pub(crate) struct Contestant {
    /// What it is called in a table.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    running: Running,
}

enum Running {
    Ours(Server),
    Theirs { child: Child, meter: Meter },
}

impl Contestant {
    /// Starts ours, for FTP.
    pub(crate) fn ours(world: &World, name: &str, ours: Ours) -> Contestant {
        Contestant::of(name, Server::ftp(world, ours))
    }

    /// Starts ours, for HTTP, with so many warm children.
    pub(crate) fn ours_by_http(world: &World, name: &str, ours: Ours, prefork: u32) -> Contestant {
        Contestant::of(name, Server::http(world, ours, prefork))
    }

    fn of(name: &str, server: Server) -> Contestant {
        Contestant {
            name: name.to_owned(),
            address: server.address,
            running: Running::Ours(server),
        }
    }

    /// Starts one of the others.
    ///
    /// # Errors
    /// Why it is not to be had.
    pub(crate) fn theirs(world: &World, kind: Product, way: Way) -> Result<Contestant, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        give_to_server(&world.library);
        // The port is free now; they cannot choose one themselves.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = world.aside(&format!("{}-{number}", kind.name()));
        let log = world.aside(&format!("{}-{number}.log", kind.name()));
        let to = std::fs::File::create(&log).map_err(|error| error.to_string())?;
        let mut child = leaves_with_us(&mut Command::new(kind.script()))
            .arg(way.word())
            .args([kind.package(), scratch])
            .arg(address.port().to_string())
            .arg(&world.library)
            .args([USER, PASSWORD_HASH])
            .args(world.certificate())
            .stdin(Stdio::null())
            .stdout(to.try_clone().map_err(|error| error.to_string())?)
            .stderr(to)
            .spawn()
            .map_err(|error| error.to_string())?;
        // The shell becomes the server under the same number; what that forks at its start belongs to it as well.
        let meter = Meter::of(child.id());
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(_)) = child.try_wait() {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(said.trim().replace('\n', "; "));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(Contestant {
                    name: kind.name().to_owned(),
                    address,
                    running: Running::Theirs { child, meter },
                });
            }
            if Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it did not start in time".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Those of `kinds` that are to be had; about the rest it is said why not.
    pub(crate) fn all_theirs(world: &World, kinds: &[Product], way: Way) -> Vec<Contestant> {
        let start = |kind: &Product| match Contestant::theirs(world, *kind, way) {
            Ok(server) => Some(server),
            Err(why) => {
                say(&format!("{} is not to be had: {why}", kind.name()));
                None
            }
        };
        kinds.iter().filter_map(start).collect()
    }

    /// Does `work`, and divides the CPU time that the server took for it by `units`.
    pub(crate) fn measure(&self, units: f64, work: impl FnOnce() -> f64) -> Run {
        match &self.running {
            Running::Ours(server) => server.measure(units, work),
            Running::Theirs { meter, .. } => {
                let before = meter.seconds();
                let value = work();
                std::thread::sleep(AFTERMATH);
                Run {
                    value,
                    cpu: (meter.seconds() - before) / units,
                    ..Run::default()
                }
            }
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.running, Running::Ours(_))
    }

    /// The process that was started first; all others of the server descend from it.
    pub(crate) fn pid(&self) -> u32 {
        match &self.running {
            Running::Ours(server) => server.pid(),
            Running::Theirs { child, .. } => child.id(),
        }
    }
}

/// A process and all that descend from it.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let below = born_of(pid).into_iter().flat_map(family);
    [pid].into_iter().chain(below).collect()
}

impl Drop for Contestant {
    fn drop(&mut self) {
        if let Running::Theirs { child, .. } = &mut self.running {
            // Some of their sessions outlive the server, and wait for a client for a long time.
            for pid in family(child.id()) {
                let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
            }
            let _ = child.wait();
        }
    }
}
