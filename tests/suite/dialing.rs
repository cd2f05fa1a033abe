//! Data connections of FTP: the process that makes them, what becomes of sessions without it, and that no child can make one.

use super::server::{PATIENCE, Server, eventually};
use super::walls::{MODES, child_at, open_files, skip, status, tcp_inode, tcp_state};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A client, by hand.
pub struct Ftp {
    pub socket: BufReader<TcpStream>,
}

impl Ftp {
    /// Connects, and hears the greeting.
    pub fn connect(server: &Server) -> Ftp {
        let socket = TcpStream::connect(&server.address).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let mut ftp = Ftp {
            socket: BufReader::new(socket),
        };
        assert!(ftp.reply().starts_with("220"));
        ftp
    }

    /// The same, and is in.
    pub fn enter(server: &Server) -> Ftp {
        let mut ftp = Ftp::connect(server);
        ftp.log_in();
        ftp
    }

    pub fn log_in(&mut self) {
        let mut said = self.ask("USER anonymous");
        if said.starts_with("331") {
            said = self.ask("PASS x");
        }
        assert!(said.starts_with("230"), "{said}");
    }

    pub fn local(&self) -> SocketAddr {
        self.socket.get_ref().local_addr().expect("address")
    }

    /// The last line of a reply.
    pub fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.socket.read_line(&mut line).expect("a reply");
            assert!(read > 0, "hung up");
            if line.get(3..4) == Some(" ") && line.as_bytes()[..3].iter().all(u8::is_ascii_digit) {
                return line;
            }
        }
    }

    pub fn send(&mut self, command: &str) {
        let line = format!("{command}\r\n");
        self.socket
            .get_mut()
            .write_all(line.as_bytes())
            .expect("sent");
    }

    pub fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.reply()
    }

    /// Where the server listens for a data connection.
    pub fn passive(&mut self) -> SocketAddr {
        let said = self.ask("EPSV");
        let port = said.split('|').nth(3).and_then(|port| port.parse().ok());
        let port: u16 = port.unwrap_or_else(|| panic!("{said}"));
        SocketAddr::new(
            self.socket.get_ref().peer_addr().expect("address").ip(),
            port,
        )
    }

    fn get(&mut self, mut data: TcpStream) -> Vec<u8> {
        data.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let mut content = Vec::new();
        data.read_to_end(&mut content).expect("data");
        let said = self.reply();
        assert!(said.starts_with("226"), "{said}");
        content
    }

    /// A file, by a passive data connection.
    pub fn get_passive(&mut self, name: &str) -> Vec<u8> {
        let data = TcpStream::connect(self.passive()).expect("connect");
        self.send(&format!("RETR {name}"));
        let said = self.reply();
        assert!(said.starts_with("150"), "{said}");
        self.get(data)
    }
}

const CONFIG: &str = "[anonymous]\nrights = [\"list\", \"get\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\nlogin = \"none\"\ntls = \"off\"\n";

/// A server that speaks FTP, with one file.
pub fn serve(listen: &str, mode: &[&str]) -> Server {
    let prefork = match mode {
        ["--prefork", count] => format!("prefork = {count}\n"),
        _ => String::new(),
    };
    Server::configured(&format!("{prefork}{CONFIG}{listen}"), &[], |library| {
        std::fs::write(library.join("file"), b"content").expect("a file");
    })
}

fn dialers(server: &Server) -> Vec<u32> {
    server.offspring("forkftpd:dial")
}

fn the_dialer(server: &Server) -> u32 {
    let mut found = Vec::new();
    eventually("there is one dialer", || {
        found = dialers(server);
        found.len() == 1
    });
    found[0]
}

#[test]
fn data_connections_come_by_the_dialer_either_way() {
    for mode in MODES {
        let server = serve("active = true\n", mode);
        let mut ftp = Ftp::enter(&server);
        assert_eq!(ftp.get_passive("file"), b"content");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let said = ftp.ask(&format!("EPRT |1|127.0.0.1|{port}|"));
        assert!(said.starts_with("200"), "{said}");
        ftp.send("RETR file");
        let (data, from) = listener.accept().expect("accept");
        assert_eq!(from.ip(), ftp.local().ip());
        let said = ftp.reply();
        assert!(said.starts_with("150"), "{said}");
        assert_eq!(ftp.get(data), b"content");
        // It keeps nothing of them.
        let dialer = the_dialer(&server);
        if open_files(dialer).is_empty() {
            return skip("the descriptors of the dialer cannot be seen here");
        }
        let of_tcp = |(_, link): &(u32, String)| {
            link.starts_with("socket:") && tcp_inode(link).and_then(tcp_state).is_some()
        };
        assert!(!open_files(dialer).iter().any(of_tcp), "{mode:?}");
    }
}

#[test]
fn who_is_faster_than_the_client_is_not_served() {
    for mode in MODES {
        let server = serve("", mode);
        let mut ftp = Ftp::enter(&server);
        let at = ftp.passive();
        let from = "127.0.0.2:0".parse().expect("address");
        let (thief, _) = forkftp::sys::connect::begin_from(from, at, None).expect("connect");
        let mut thief = TcpStream::from(thief);
        thief.set_nonblocking(false).expect("mode");
        thief.set_read_timeout(Some(PATIENCE)).expect("timeout");
        ftp.send("RETR file");
        let mut stolen = Vec::new();
        // Closed, or reset.
        let _ = thief.read_to_end(&mut stolen);
        assert!(stolen.is_empty(), "{stolen:?}");
        let data = TcpStream::connect(at).expect("connect");
        assert!(ftp.reply().starts_with("150"));
        assert_eq!(ftp.get(data), b"content");
    }
}

#[test]
fn the_dialer_has_no_rights_and_no_listening_socket() {
    let server = serve("", &[]);
    let dialer = the_dialer(&server);
    eventually("it is shut in", || status(dialer, "Seccomp") == "2");
    assert_eq!(status(dialer, "NoNewPrivs"), "1");
    assert_eq!(status(dialer, "Threads"), "1");
    assert_eq!(status(dialer, "CapEff"), "0000000000000000");
    if super::walls::is_root() {
        assert_eq!(status(dialer, "CapBnd"), "0000000000000000");
        assert_eq!(status(dialer, "Groups"), "");
        assert!(!status(dialer, "Uid").starts_with("0 "));
    }
    for (fd, link) in open_files(dialer) {
        let standard = fd <= 2;
        let own =
            link.contains("eventpoll") || tcp_inode(&link).is_none() && link.starts_with("socket:");
        assert!(standard || own, "{fd}: {link}");
    }
}

#[test]
fn nobody_needs_a_dialer_without_ftp() {
    let server = Server::start(&[]);
    assert!(dialers(&server).is_empty());
}

#[test]
fn a_dialer_that_dies_is_missed_by_its_sessions_alone() {
    for mode in MODES {
        let server = serve("", mode);
        let mut ftp = Ftp::enter(&server);
        assert_eq!(ftp.get_passive("file"), b"content");
        let old = the_dialer(&server);
        kill(Pid::from_raw(old as i32), Signal::SIGKILL).expect("kill");
        eventually("another one is there", || {
            let found = dialers(&server);
            found.len() == 1 && found[0] != old
        });
        // One socket may have been made ahead of the death.
        let said = [ftp.ask("EPSV"), ftp.ask("EPSV")];
        assert!(said[1].starts_with('4'), "{said:?}");
        // The session is whole otherwise.
        let said = ftp.ask("TYPE I");
        assert!(said.starts_with("200"), "{said}");
        // A warm child of the time before may still come first.
        eventually("new sessions have the new one", || {
            let mut ftp = Ftp::enter(&server);
            ftp.ask("EPSV").starts_with("229")
        });
        assert_eq!(Ftp::enter(&server).get_passive("file"), b"content");
    }
}

#[test]
fn other_settings_get_another_dialer_and_old_sessions_keep_theirs() {
    for mode in MODES {
        let server = serve("passive_ports = \"41000-41099\"\n", mode);
        let mut old = Ftp::enter(&server);
        assert!((41_000..=41_099).contains(&old.passive().port()));
        let first = the_dialer(&server);
        // What stays as it is keeps its dialer.
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        assert_eq!(the_dialer(&server), first);
        let file = server.folder().join("forkftpd.toml");
        let text = std::fs::read_to_string(&file).expect("configuration");
        let changed = text.replace("41000-41099", "41100-41199");
        std::fs::write(&file, changed).expect("configuration");
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        let mut new = Ftp::enter(&server);
        // A warm child of the time before may still come first.
        eventually("new sessions have the new settings", || {
            let fits = (41_100..=41_199).contains(&new.passive().port());
            if !fits {
                new = Ftp::enter(&server);
            }
            fits
        });
        assert!((41_000..=41_099).contains(&old.passive().port()));
        assert_eq!(dialers(&server).len(), 2);
        assert!(old.ask("QUIT").starts_with("221"));
        eventually("the old one has ended", || {
            let found = dialers(&server);
            found.len() == 1 && found[0] != first
        });
        assert_eq!(new.get_passive("file"), b"content");
    }
}

#[test]
fn the_dialer_ends_with_the_listener_and_its_last_session() {
    let server = serve("", &[]);
    let mut ftp = Ftp::enter(&server);
    ftp.passive();
    let dialer = the_dialer(&server);
    // In a terminal it goes to all.
    kill(Pid::from_raw(dialer as i32), Signal::SIGTERM).expect("kill");
    ftp.passive();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{dialer}/stat"));
        // Whoever inherits it may be slow to ask how it ended.
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    eventually("it has ended", gone);
}

/// What takes hold of living children: see `probe`.
#[cfg(target_arch = "x86_64")]
mod probing {
    use super::super::probe::Arg::{At, N, Null};
    use super::super::probe::{Held, Outcome, hold_child};
    use super::*;
    use nix::errno::Errno;

    /// The state of a listening socket in /proc/net/tcp.
    const LISTENS: &str = "0A";

    /// A client of a session with a listening data socket, its child, and that socket there.
    fn session(server: &Server) -> Result<(Ftp, Held, i64), String> {
        let mut ftp = Ftp::enter(server);
        ftp.passive();
        let pid = child_at(server, ftp.local())
            .ok_or("the descriptors of children cannot be seen here")?;
        let found = open_files(pid).into_iter().find(|(_, link)| {
            link.starts_with("socket:")
                && tcp_inode(link).and_then(tcp_state).as_deref() == Some(LISTENS)
        });
        let (data, _) = found.expect("a listening socket");
        let held = hold_child(pid, &server.library())?;
        Ok((ftp, held, i64::from(data)))
    }

    fn address_of(socket: &TcpListener) -> Vec<u8> {
        let port = socket.local_addr().expect("address").port();
        let mut address = vec![0; 16];
        address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        address[2..4].copy_from_slice(&port.to_be_bytes());
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        address
    }

    /// Takes from the data socket what it is, so that it could become another: the state in which it might connect.
    fn close_it(held: &mut Held, data: i64) {
        let both = N(libc::SHUT_RDWR.into());
        assert_eq!(
            held.call(libc::SYS_shutdown, &[N(data), both]),
            Outcome::Gave(0)
        );
    }

    #[test]
    fn an_ftp_child_makes_binds_and_connects_nothing() {
        use libc::*;
        let elsewhere = TcpListener::bind("127.0.0.1:0").expect("bind");
        elsewhere.set_nonblocking(true).expect("mode");
        let address = || At(address_of(&elsewhere));
        let one = || At(vec![1, 0, 0, 0]);
        let fast = || N((MSG_FASTOPEN | MSG_NOSIGNAL).into());
        let fast_high = || N(0x1_0000_0000 | i64::from(MSG_FASTOPEN));
        let message = || At(vec![0; size_of::<msghdr>()]);
        for mode in MODES {
            let server = serve("active = true\n", mode);
            let tries = |data: i64| {
                let data = N(data);
                vec![
                    (
                        "socket",
                        SYS_socket,
                        vec![N(AF_INET.into()), N(SOCK_STREAM.into()), N(0)],
                    ),
                    (
                        "socket of IPv6",
                        SYS_socket,
                        vec![N(AF_INET6.into()), N(SOCK_STREAM.into()), N(0)],
                    ),
                    (
                        "socketpair",
                        SYS_socketpair,
                        vec![
                            N(AF_UNIX.into()),
                            N(SOCK_STREAM.into()),
                            N(0),
                            At(vec![0; 8]),
                        ],
                    ),
                    ("bind", SYS_bind, vec![data.clone(), address(), N(16)]),
                    ("listen", SYS_listen, vec![data.clone(), N(1)]),
                    ("connect", SYS_connect, vec![data.clone(), address(), N(16)]),
                    ("accept", SYS_accept, vec![data.clone(), Null, Null]),
                    (
                        "sendto fastopen",
                        SYS_sendto,
                        vec![data.clone(), one(), N(1), fast(), address(), N(16)],
                    ),
                    (
                        "sendto fastopen, high bits set",
                        SYS_sendto,
                        vec![data.clone(), one(), N(1), fast_high(), address(), N(16)],
                    ),
                    (
                        "sendmsg fastopen",
                        SYS_sendmsg,
                        vec![data.clone(), message(), fast()],
                    ),
                    (
                        "sendmmsg",
                        SYS_sendmmsg,
                        vec![data.clone(), message(), N(1), N(0)],
                    ),
                    (
                        "setsockopt TCP_FASTOPEN_CONNECT",
                        SYS_setsockopt,
                        vec![
                            data.clone(),
                            N(IPPROTO_TCP.into()),
                            N(TCP_FASTOPEN_CONNECT.into()),
                            one(),
                            N(4),
                        ],
                    ),
                    (
                        "setsockopt SO_REUSEADDR",
                        SYS_setsockopt,
                        vec![
                            data.clone(),
                            N(SOL_SOCKET.into()),
                            N(SO_REUSEADDR.into()),
                            one(),
                            N(4),
                        ],
                    ),
                ]
            };
            for index in 0..tries(0).len() {
                let (_ftp, mut held, data) = match session(&server) {
                    Ok(session) => session,
                    Err(reason) => return skip(&reason),
                };
                close_it(&mut held, data);
                let (what, number, arguments) = tries(data).swap_remove(index);
                let outcome = held.call(number, &arguments);
                assert_eq!(outcome, Outcome::Killed(Signal::SIGSYS), "{mode:?} {what}");
            }
            // What is left to it goes nowhere: sending, without the flag, on a socket that is not connected.
            let (_ftp, mut held, data) = session(&server).expect("as before");
            close_it(&mut held, data);
            let plain = N(MSG_NOSIGNAL.into());
            let sent = held.call(SYS_sendto, &[N(data), one(), N(1), plain, address(), N(16)]);
            assert_eq!(sent, Outcome::Refused(Errno::EPIPE));
        }
        assert!(elsewhere.accept().is_err(), "somebody connected");
    }

    /// Without the walls a socket that was given for listening connects wherever its holder wants: it is the walls that forbid it.
    #[test]
    fn without_the_walls_a_listening_socket_connects_elsewhere() {
        let elsewhere = TcpListener::bind("127.0.0.1:0").expect("bind");
        let folder_off = format!("sandbox = \"off\"\n{CONFIG}");
        let server = Server::configured(&folder_off, &[], |_| ());
        let (_ftp, mut held, data) = match session(&server) {
            Ok(session) => session,
            Err(reason) => return skip(&reason),
        };
        close_it(&mut held, data);
        let flags = N((libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL).into());
        let byte = At(vec![b'x']);
        let to = At(address_of(&elsewhere));
        let sent = held.call(libc::SYS_sendto, &[N(data), byte, N(1), flags, to, N(16)]);
        // Where the kernel does not know the other end for it, it says that it has begun.
        assert!(
            matches!(
                sent,
                Outcome::Gave(1) | Outcome::Refused(Errno::EINPROGRESS)
            ),
            "{sent:?}"
        );
        elsewhere.accept().expect("it is connected");
    }
}
