//! The least FTP client, with and without TLS, the same for all servers. It acknowledges each answer at once, or servers that leave
//! Nagle's algorithm on would stand still for 40 ms with each file.

mod cut;
mod idle;
mod logins;
mod retr;
mod secure;
mod small;
mod stor;

pub(crate) use cut::run as run_cut;
pub(crate) use idle::run as run_idle;
pub(crate) use logins::run as run_logins;
pub(crate) use retr::{run as run_retr, run_secure as run_secure_retr};
pub(crate) use small::run as run_small;
pub(crate) use stor::{run as run_stor, run_secure as run_secure_stor};

use crate::peer::{PIECE, pieces};
use crate::peers::{PASSWORD, USER};
use nix::sys::socket::{MsgFlags, recv};
use secure::{Sealed, Tls};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A control connection.
pub(crate) struct Ftp {
    address: SocketAddr,
    lines: BufReader<secure::Control>,
    tls: Option<Tls>,
    space: Vec<u8>,
}

impl Ftp {
    /// Connects, and hears the greeting.
    pub(crate) fn greet(address: SocketAddr) -> Ftp {
        let control = connect(address);
        control.set_nodelay(true).expect("TCP_NODELAY");
        let mut ftp = Ftp {
            address,
            lines: BufReader::with_capacity(1024, secure::Control::Plain(control)),
            tls: None,
            space: Vec::new(),
        };
        ftp.hear("220");
        ftp
    }

    /// Connects, and logs in as `USER`.
    pub(crate) fn login(address: SocketAddr) -> Ftp {
        let mut ftp = Ftp::greet(address);
        ftp.give_password();
        ftp
    }

    /// The same under TLS, for the data too.
    pub(crate) fn login_securely(address: SocketAddr, tls: &Tls) -> Ftp {
        let mut ftp = Ftp::greet(address);
        ftp.ask("AUTH TLS", "234");
        let tls = tls.of_one_session();
        ftp.lines = BufReader::new(ftp.lines.into_inner().secured(&tls));
        ftp.tls = Some(tls);
        ftp.give_password();
        ftp.ask("PBSZ 0", "200");
        ftp.ask("PROT P", "200");
        ftp
    }

    fn give_password(&mut self) {
        self.ask(&format!("USER {USER}"), "331");
        self.ask(&format!("PASS {PASSWORD}"), "230");
    }

    /// Has files sent as they are.
    pub(crate) fn binary(mut self) -> Ftp {
        self.ask("TYPE I", "200");
        self
    }

    /// Leaves politely.
    pub(crate) fn quit(mut self) {
        self.ask("QUIT", "221");
    }

    /// Gets a file, or what else `command` brings, and returns how many bytes it had. They are copied to this program.
    pub(crate) fn retrieve(&mut self, command: &str) -> usize {
        self.space.resize(64 * 1024, 0);
        let mut data = self.passive();
        self.ask(command, "150");
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

    /// Gets a file of `size` bytes and does nothing with them; under TLS they are not even opened, so that it is the server that
    /// is measured. Returns how long it took from the command to the last word.
    pub(crate) fn discard(&mut self, name: &str, size: u64) -> Duration {
        self.space.resize(PIECE, 0);
        let data = self.passive();
        let began = Instant::now();
        self.ask(&format!("RETR {name}"), "150");
        let got = match &self.tls {
            Some(tls) => Sealed::begin(data, tls).pass_over(&mut self.space),
            None => throw_away(data, &mut self.space),
        };
        self.hear("226");
        assert_eq!(got, size, "bytes of {name}");
        began.elapsed()
    }

    /// Gets a file that is to be `block` again and again.
    pub(crate) fn check(&mut self, name: &str, size: u64, block: &[u8]) {
        let mut data = self.passive();
        self.ask(&format!("RETR {name}"), "150");
        let mut sealed = self
            .tls
            .as_ref()
            .map(|tls| Sealed::begin(data.try_clone().expect("dup"), tls));
        let from: &mut dyn Read = match &mut sealed {
            Some(sealed) => sealed,
            None => &mut data,
        };
        let mut piece = vec![0; PIECE];
        for expected in pieces(block, size) {
            let piece = &mut piece[..expected.len()];
            from.read_exact(piece).expect("the file");
            assert!(piece == expected, "{name} came back changed");
        }
        assert_eq!(
            from.read(&mut piece).expect("the end"),
            0,
            "bytes after the end"
        );
        if let Some(sealed) = sealed {
            sealed.close();
        }
        drop(data);
        self.hear("226");
    }

    /// Puts a file that is `block` again and again. Under TLS all of it is sealed before the clock runs. Returns how long it took
    /// from the first byte to the last word.
    pub(crate) fn store(&mut self, name: &str, size: u64, block: &[u8]) -> Duration {
        let mut data = self.passive();
        self.ask(&format!("STOR {name}"), "150");
        let began;
        match &self.tls {
            Some(tls) => {
                let mut sealed = Sealed::begin(data.try_clone().expect("dup"), tls);
                let bytes = sealed.seal(pieces(block, size));
                began = Instant::now();
                data.write_all(&bytes).expect("send");
            }
            None => {
                began = Instant::now();
                pieces(block, size).for_each(|piece| data.write_all(piece).expect("send"));
            }
        }
        data.shutdown(Shutdown::Write).expect("shutdown");
        self.hear("226");
        let took = began.elapsed();
        // What TLS said to nobody: a connection closed over it would be reset.
        throw_away(data, &mut vec![0; 4096]);
        took
    }

    /// Whether the last handshake of a data connection resumed the session of the control connection.
    pub(crate) fn resumed(&self) -> bool {
        self.tls.as_ref().is_some_and(Tls::resumed)
    }

    /// A data connection, as far as TCP.
    fn passive(&mut self) -> TcpStream {
        // 229 Entering Extended Passive Mode (|||PORT|)
        let answer = self.ask("EPSV", "229");
        let port = answer.split('|').nth(3).and_then(|port| port.parse().ok());
        connect(SocketAddr::new(self.address.ip(), port.expect("a port")))
    }

    /// Sends a command; returns the last line of the answer, which is to begin with `code`.
    pub(crate) fn ask(&mut self, command: &str, code: &str) -> String {
        let line = format!("{command}\r\n");
        self.lines
            .get_mut()
            .write_all(line.as_bytes())
            .expect("send");
        self.hear(code)
    }

    fn hear(&mut self, code: &str) -> String {
        let mut line = String::new();
        loop {
            let first = line.is_empty();
            line.clear();
            self.lines.read_line(&mut line).expect("an answer");
            acknowledge_at_once(self.lines.get_ref().socket());
            assert!(!line.is_empty(), "the server hung up in place of {code}");
            let says = line.starts_with(code);
            assert!(says || !first, "{line:?} came in place of {code}");
            if says && line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connect");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("SO_RCVTIMEO");
    socket
}

/// Receives until the end, copies nothing (MSG_TRUNC, tcp(7)), and returns how many bytes came.
fn throw_away(data: TcpStream, space: &mut [u8]) -> u64 {
    let mut total = 0;
    loop {
        match recv(data.as_raw_fd(), space, MsgFlags::MSG_TRUNC).expect("recv") {
            0 => return total,
            got => total += got as u64,
        }
    }
}

/// Has what was received acknowledged now. Holds for a moment only (TCP_QUICKACK, tcp(7)).
pub(crate) fn acknowledge_at_once(socket: &TcpStream) {
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
