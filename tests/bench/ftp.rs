//! vsftpd to compare with: started from Debian's package by `vsftpd.sh`, asked one file after the other by the least FTP
//! client. That client acknowledges each answer at once, or vsftpd, which leaves Nagle's algorithm on, would stand still for
//! 40 ms with each file.

use crate::machine::World;
use crate::meter::Meter;
use crate::server::leaves_with_us;
use crate::stats::Run;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Fetching the package may take a while.
const PATIENCE: Duration = Duration::from_secs(90);

/// Who logs in, here and at forkftpd.
pub(crate) const USER: &str = "bench";
/// With this password.
pub(crate) const PASSWORD: &str = "forkftp-bench-password";
/// It as `openssl passwd -6 -salt forkftpbench` prints it: SHA-512-crypt, 5,000 rounds.
const PASSWORD_HASH: &str = "$6$forkftpbench$GAmoVYsMAuIU.M5ogqGC8TrqW1yObUlrQcmmXaUA8xFuYfZqfg1dYgYi7iSElgtKQ5bZQ3IItz257UKeTeQCQ.";

/// A running vsftpd; it ends when this is dropped.
pub(crate) struct Vsftpd {
    child: Child,
    address: SocketAddr,
    meter: Meter,
}

impl Vsftpd {
    /// Starts one that shows the library to anonymous clients.
    ///
    /// # Errors
    /// Why there is none to be had.
    pub(crate) fn start(world: &World) -> Result<Vsftpd, String> {
        Vsftpd::start_with(world, &[])
    }

    /// Starts one for `USER` with `PASSWORD`, hashed as Unix does since SHA-512-crypt, at its 5,000 rounds.
    ///
    /// # Errors
    /// As `start`.
    pub(crate) fn start_with_user(world: &World) -> Result<Vsftpd, String> {
        Vsftpd::start_with(world, &[USER, PASSWORD_HASH])
    }

    fn start_with(world: &World, more: &[&str]) -> Result<Vsftpd, String> {
        // The port is free now; vsftpd cannot choose one itself.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/vsftpd.sh");
        let log = world.aside("vsftpd-log");
        let to = std::fs::File::create(&log).map_err(|error| error.to_string())?;
        let mut child = leaves_with_us(&mut Command::new("sh"))
            .arg(script)
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("vsftpd-package"))
            .arg(world.aside("vsftpd"))
            .arg(address.port().to_string())
            .arg(&world.library)
            .args(more)
            .stdin(Stdio::null())
            .stdout(to.try_clone().map_err(|error| error.to_string())?)
            .stderr(to)
            .spawn()
            .map_err(|error| error.to_string())?;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(_)) = child.try_wait() {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(said.trim().replace('\n', "; "));
            }
            if TcpStream::connect(address).is_ok() {
                // The shell has become vsftpd under the same number.
                let meter = Meter::of(child.id());
                return Ok(Vsftpd {
                    child,
                    address,
                    meter,
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

    /// Does `work`, and divides the CPU time that vsftpd took for it by `units`.
    pub(crate) fn measure(&self, units: f64, work: impl FnOnce() -> f64) -> Run {
        let before = self.meter.seconds();
        let value = work();
        Run {
            value,
            cpu: (self.meter.seconds() - before) / units,
            ..Run::default()
        }
    }

    /// Logs in as anonymous, and goes into `folder`.
    pub(crate) fn login(&self, folder: &str) -> Ftp {
        let mut ftp = self.greet();
        ftp.ask("USER anonymous", "331");
        ftp.ask("PASS bench@localhost", "230");
        ftp.ask("TYPE I", "200");
        ftp.ask(&format!("CWD {folder}"), "250");
        ftp
    }

    /// Logs in as `USER`, and leaves at once.
    pub(crate) fn come_and_go(&self) {
        let mut ftp = self.greet();
        ftp.ask(&format!("USER {USER}"), "331");
        ftp.ask(&format!("PASS {PASSWORD}"), "230");
        ftp.ask("QUIT", "221");
        let mut rest = Vec::new();
        ftp.lines.read_to_end(&mut rest).expect("the end");
        assert!(rest.is_empty(), "bytes after the last answer");
    }

    /// Connects, and hears the greeting.
    fn greet(&self) -> Ftp {
        let control = TcpStream::connect(self.address).expect("connect");
        control.set_nodelay(true).expect("TCP_NODELAY");
        let mut ftp = Ftp {
            address: self.address,
            lines: BufReader::new(control.try_clone().expect("dup")),
            control,
            space: vec![0; 64 * 1024],
        };
        ftp.hear("220");
        ftp
    }
}

impl Drop for Vsftpd {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A logged-in control connection.
pub(crate) struct Ftp {
    address: SocketAddr,
    control: TcpStream,
    lines: BufReader<TcpStream>,
    space: Vec<u8>,
}

impl Ftp {
    /// Gets a file, and returns how many bytes it had.
    pub(crate) fn retrieve(&mut self, name: &str) -> usize {
        // 229 Entering Extended Passive Mode (|||PORT|)
        let answer = self.ask("EPSV", "229");
        let port = answer
            .split('|')
            .nth(3)
            .and_then(|port| port.parse().ok())
            .expect("a port");
        let mut data =
            TcpStream::connect(SocketAddr::new(self.address.ip(), port)).expect("connect");
        self.ask(&format!("RETR {name}"), "150");
        let mut total = 0;
        loop {
            match data.read(&mut self.space).expect("recv") {
                0 => break,
                got => total += got,
            }
        }
        // Closed first, as clients do: vsftpd waits for that before it says that all went.
        drop(data);
        self.hear("226");
        total
    }

    fn ask(&mut self, command: &str, code: &str) -> String {
        self.control
            .write_all(format!("{command}\r\n").as_bytes())
            .expect("send");
        self.hear(code)
    }

    /// The last line of the next answer, which is to begin with `code`.
    fn hear(&mut self, code: &str) -> String {
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).expect("an answer");
            acknowledge_at_once(&self.control);
            assert!(line.starts_with(code), "vsftpd said {line:?}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        }
    }
}

/// Has what was received acknowledged now. Holds for a moment only (TCP_QUICKACK, tcp(7)).
fn acknowledge_at_once(socket: &TcpStream) {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads one int from `on`, which outlives the call; the borrow keeps the socket open.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "TCP_QUICKACK");
}
