//! The dialer over real channels and sockets of this machine: in a thread, where what it does is looked at, and once as the process
//! it is, behind its walls.

use super::place::Place;
use super::run::Dialer;
use crate::config::{Ftp, Listen};
use crate::ipc::{self, Dial, Dialed, Newcomer, SessionId};
use crate::sys::{Errno, channel, net};
use crate::wire::Protocol;
use nix::poll::{PollFd, PollFlags, poll};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A dialer in a thread, and the listener's end of its channel.
struct Running {
    control: Option<OwnedFd>,
    thread: Option<JoinHandle<crate::sys::Result<()>>>,
}

impl Running {
    fn start(places: Vec<Place>) -> Running {
        let (control, theirs) = channel::pair().expect("pair");
        let mut dialer = Dialer::new(theirs).expect("dialer");
        dialer.places = places;
        Running {
            control: Some(control),
            thread: Some(std::thread::spawn(move || dialer.serve())),
        }
    }

    /// One place, where clients are connected to.
    fn active() -> Running {
        let ftp = Ftp {
            active: true,
            ..Ftp::default()
        };
        Running::start(vec![Place {
            ftp,
            congestion: None,
            ephemeral: (32768, 60999),
        }])
    }

    /// The child's end of the channel of a client at `peer`, that came to `local`.
    fn child(&self, peer: &str, local: &str) -> OwnedFd {
        let (child, end) = channel::pair().expect("pair");
        let newcomer = Newcomer {
            session: SessionId::new(1, 1),
            place: 0,
            peer: peer.parse().expect("address"),
            local: local.parse().expect("address"),
        };
        let control = self.control.as_ref().expect("control");
        ipc::send(control.as_fd(), &newcomer, &[end.as_fd()], true).expect("sent");
        child
    }

    /// Ends with its last child.
    fn end(mut self) {
        self.control = None;
        let thread = self.thread.take().expect("thread");
        eventually("the dialer ends", || thread.is_finished());
        assert_eq!(thread.join().expect("no panic"), Ok(()));
    }
}

fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < until, "{what}: never");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &OwnedFd, question: Dial) {
    ipc::send(child.as_fd(), &question, &[], true).expect("asked");
}

/// None at the end of the channel.
fn hear(child: &OwnedFd) -> Option<(Dialed, Option<OwnedFd>)> {
    let mut answers = [PollFd::new(child.as_fd(), PollFlags::POLLIN)];
    let millis = PATIENCE.as_millis() as u16;
    assert_eq!(poll(&mut answers, millis), Ok(1), "there is no answer");
    match ipc::receive(child.as_fd(), false) {
        Ok(heard) => heard.map(|(answer, brought)| (answer, brought.into_iter().next())),
        Err(Errno::ECONNRESET) => None,
        Err(other) => panic!("{other}"),
    }
}

fn passive(child: &OwnedFd) -> (OwnedFd, u16) {
    send(child, Dial::Passive);
    match hear(child) {
        Some((Dialed::Listening { port, .. }, Some(socket))) => (socket, port),
        other => panic!("{other:?}"),
    }
}

fn refused(child: &OwnedFd, question: Dial) -> String {
    send(child, question);
    match hear(child) {
        Some((Dialed::Refused { message }, None)) => message,
        other => panic!("{other:?}"),
    }
}

fn accept(socket: &OwnedFd, peer: IpAddr) -> OwnedFd {
    let mut taken = None;
    eventually("the client's connection", || {
        taken = net::accept_from(socket.as_fd(), peer).expect("accept");
        taken.is_some()
    });
    taken.expect("a connection")
}

/// True when the other end has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn the_client_and_nobody_else_is_accepted() {
    let running = Running::active();
    for (peer, local, at) in [
        ("127.0.0.1:4000", "127.0.0.1:21", "127.0.0.1"),
        ("[::1]:4000", "[::1]:21", "::1"),
        (
            "[::ffff:127.0.0.1]:4000",
            "[::ffff:127.0.0.1]:21",
            "127.0.0.1",
        ),
    ] {
        let child = running.child(peer, local);
        let (socket, port) = passive(&child);
        let own = net::local_address(socket.as_fd()).expect("address");
        let at: IpAddr = at.parse().expect("address");
        assert_eq!(own, SocketAddr::new(at, port));
        assert_eq!(
            net::accept_from(socket.as_fd(), at)
                .expect("accept")
                .map(drop),
            None
        );
        // One from the machine's other address was faster.
        let mut thief = at.is_ipv4().then(|| {
            let from = "127.0.0.2:0".parse().expect("address");
            let (fd, _) = crate::sys::connect::begin_from(from, own, None).expect("connect");
            let stream = TcpStream::from(fd);
            stream.set_nonblocking(false).expect("mode");
            stream
        });
        let mut client = TcpStream::connect(own).expect("connect");
        let peer = peer.parse::<SocketAddr>().expect("address").ip();
        let mut data = TcpStream::from(accept(&socket, peer));
        let nothing = net::receive_now(data.as_fd(), &mut [0]);
        assert_eq!(nothing, Err(crate::sys::Errno::EAGAIN), "nothing has come");
        data.write_all(b"x").expect("write");
        let mut byte = [0];
        client.read_exact(&mut byte).expect("read");
        assert_eq!(byte, *b"x");
        if let Some(thief) = &mut thief {
            assert!(is_closed(thief), "somebody else was served");
        }
        drop(socket);
        // The dialer kept nothing of it.
        eventually("nobody listens any more", || {
            TcpStream::connect(own).is_err()
        });
    }
    running.end();
}

#[test]
fn the_client_and_nobody_else_is_connected_to() {
    let running = Running::active();
    for at in ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"] {
        let client = TcpListener::bind(at).expect("bind");
        let at = client.local_addr().expect("address");
        // The port of the control connection is another.
        let peer = SocketAddr::new(at.ip(), 4000).to_string();
        let local = if at.is_ipv4() {
            "127.0.0.1:21"
        } else {
            "[::1]:21"
        };
        let child = running.child(&peer, local);
        send(&child, Dial::Active { port: at.port() });
        let Some((Dialed::Connected, Some(socket))) = hear(&child) else {
            panic!("not connected");
        };
        let (mut taken, from) = client.accept().expect("accept");
        assert_eq!(
            from.ip(),
            local.parse::<SocketAddr>().expect("address").ip()
        );
        assert_eq!(net::local_address(socket.as_fd()), Ok(from));
        net::send_now(socket.as_fd(), b"x", false).expect("send");
        drop(socket);
        let mut all = Vec::new();
        taken
            .read_to_end(&mut all)
            .expect("the dialer keeps nothing");
        assert_eq!(all, b"x");
        let low = refused(&child, Dial::Active { port: 1023 });
        assert!(low.contains("below 1024"), "{low}");
        drop(client);
        let closed = refused(&child, Dial::Active { port: at.port() });
        assert!(closed.contains("cannot be connected to"), "{closed}");
        // It is not for want of luck that nobody listens there.
        passive(&child);
    }
    running.end();
}

#[test]
fn a_question_gives_up_what_is_under_way() {
    let running = Running::active();
    // Nobody is there, or nobody may be reached: either way an answer follows each question, in their order.
    let child = running.child("192.0.2.1:4000", "127.0.0.1:21");
    for _ in 0..3 {
        send(&child, Dial::Active { port: 4000 });
    }
    send(&child, Dial::Passive);
    for _ in 0..3 {
        let answer = hear(&child);
        assert!(
            matches!(answer, Some((Dialed::Refused { .. }, None))),
            "{answer:?}"
        );
    }
    assert!(matches!(
        hear(&child),
        Some((Dialed::Listening { .. }, Some(_)))
    ));
    // What is under way keeps nobody waiting, nor the dialer from its end.
    send(&child, Dial::Active { port: 4000 });
    passive(&running.child("127.0.0.1:4000", "127.0.0.1:21"));
    drop(child);
    running.end();
}

#[test]
fn many_questions_at_once_are_answered_in_their_order() {
    let running = Running::active();
    let child = running.child("127.0.0.1:4000", "127.0.0.1:21");
    for turn in 0..8 {
        send(&child, Dial::Passive);
        send(&child, Dial::Active { port: turn });
    }
    for _ in 0..8 {
        let listening = hear(&child);
        assert!(matches!(
            listening,
            Some((Dialed::Listening { .. }, Some(_)))
        ));
        assert!(matches!(hear(&child), Some((Dialed::Refused { .. }, None))));
    }
    drop(child);
    running.end();
}

#[test]
fn garbage_ends_its_own_channel_alone() {
    let running = Running::active();
    let other = running.child("127.0.0.1:4000", "127.0.0.1:21");
    let long = vec![b'['; 2 * ipc::MAX_MESSAGE];
    let garbage: [&[u8]; 6] = [
        b"x",
        b"",
        b"{}",
        b"\"Passive\" \"Passive\"",
        b"{\"Active\":{\"port\":4000,\"peer\":\"192.0.2.1\"}}",
        &long,
    ];
    for garbage in garbage {
        let child = running.child("127.0.0.1:4000", "127.0.0.1:21");
        channel::send(child.as_fd(), garbage, &[], true).expect("sent");
        assert!(hear(&child).is_none(), "{garbage:?} was answered");
        passive(&other);
    }
    // A descriptor belongs to no question.
    let child = running.child("127.0.0.1:4000", "127.0.0.1:21");
    let brought = [other.as_fd()];
    ipc::send(child.as_fd(), &Dial::Passive, &brought, true).expect("sent");
    assert!(hear(&child).is_none(), "it was answered");
    passive(&other);
    drop(other);
    running.end();
}

#[test]
fn deaths_of_children_change_nothing_for_the_others() {
    let running = Running::active();
    let other = running.child("127.0.0.1:4000", "127.0.0.1:21");
    for turn in 0..100 {
        let child = running.child("127.0.0.1:4000", "127.0.0.1:21");
        // With an answer unread, and before there is one.
        for _ in 0..turn % 4 {
            send(&child, Dial::Passive);
        }
        drop(child);
    }
    passive(&other);
    // One that takes none of its answers is not waited for, and not for ever served.
    let deaf = running.child("127.0.0.1:4000", "127.0.0.1:21");
    eventually("it is cut off", || {
        let sent = ipc::send(deaf.as_fd(), &Dial::Passive, &[], false);
        matches!(sent, Err(Errno::EPIPE | Errno::ECONNRESET))
    });
    passive(&other);
    drop(other);
    running.end();
}

#[test]
fn what_the_dialer_is_told_of_no_place_is_refused() {
    let running = Running::start(Vec::new());
    let child = running.child("127.0.0.1:4000", "127.0.0.1:21");
    assert!(refused(&child, Dial::Passive).contains("no such place"));
    drop(child);
    running.end();
}

#[test]
fn sessions_outlive_the_listeners_channel() {
    let mut running = Running::active();
    let child = running.child("127.0.0.1:4000", "127.0.0.1:21");
    passive(&child);
    running.control = None;
    passive(&child);
    assert!(!running.thread.as_ref().expect("thread").is_finished());
    drop(child);
    running.end();
}

/// In a program of one test, which alone may fork: this is how the one below starts it.
const ALONE: &str = "FORKFTP_TEST_ALONE";

/// The process that it is, behind its walls: whatever it does for its living is in its table.
#[test]
fn the_process_works_behind_its_walls() {
    if std::env::var_os(ALONE).is_some() {
        return walled();
    }
    let name = "dialer::tests::the_process_works_behind_its_walls";
    let ran = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

/// One field of /proc/PID/status.
fn status(pid: &str, field: &str) -> String {
    let all = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect("a field").trim().to_owned()
}

fn walled() {
    // With SIGCHLD ignored, as in the listener, nobody has to wait for it.
    crate::sys::signal::ignore_sigchld().expect("SIGCHLD");
    let folder = tempfile::tempdir().expect("folder");
    let flags = crate::config::Flags {
        file: Some("/dev/null".into()),
        library: Some(folder.path().into()),
        listen: vec!["127.0.0.1:0".into()],
        no_secret: true,
        user: crate::sys::privs::is_root().then(|| "nobody".into()),
        ..Default::default()
    };
    let mut config = crate::config::Config::load(&flags).expect("configuration");
    let start = |config: &_| super::Control::start(config, 4, || ()).expect("started");
    assert!(start(&config).is_none(), "nobody needs one");
    let listen: &mut Listen = &mut config.listen[0];
    listen.protocol = Protocol::Ftp;
    listen.ftp.active = true;
    listen.congestion = Some("cubic".into());
    let control = start(&config).expect("a dialer");
    assert!(control.serves(&config) && !control.is_gone());
    let server = TcpListener::bind("127.0.0.1:0").expect("bind");
    let session = SessionId::new(1, 1);
    let introduced = |control: &super::Control| {
        let _client = TcpStream::connect(server.local_addr().expect("address")).expect("connect");
        let (socket, peer) = net::accept(server.as_fd()).expect("accept").expect("one");
        let net::Peer::Net(peer) = peer else {
            panic!("{peer}")
        };
        let newcomer = control.newcomer(session, &config.listen[0], socket.as_fd(), peer);
        let (child, end) = channel::pair().expect("pair");
        control
            .introduce(&newcomer.expect("a place"), &end)
            .expect("introduced");
        child
    };
    let child = introduced(&control);
    let (socket, port) = passive(&child);
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(net::local_address(socket.as_fd()), Ok(at));
    let client = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = client.local_addr().expect("address").port();
    send(&child, Dial::Active { port });
    assert!(matches!(hear(&child), Some((Dialed::Connected, Some(_)))));
    drop(client);
    refused(&child, Dial::Active { port });
    // Who it is.
    let children = std::fs::read_to_string("/proc/thread-self/children").expect("children");
    let pid = children.split_whitespace().next().expect("a child");
    assert_eq!(status(pid, "Name"), "forkftpd:dial");
    assert_eq!(status(pid, "Seccomp"), "2");
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(status(pid, "CapEff"), "0000000000000000");
    if crate::sys::privs::is_root() {
        assert_eq!(status(pid, "CapBnd"), "0000000000000000");
        assert_ne!(status(pid, "Uid").split_whitespace().next(), Some("0"));
    }
    // More than it has room for: some are lost, and those that are there are told so.
    let crowd: Vec<OwnedFd> = (0..100).map(|_| introduced(&control)).collect();
    let (mut there, mut lost) = (0, 0);
    for one in &crowd {
        match ipc::send(one.as_fd(), &Dial::Passive, &[], true).map(|()| hear(one)) {
            Ok(Some((Dialed::Listening { .. } | Dialed::Refused { .. }, _))) => there += 1,
            Ok(None) | Err(_) => lost += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(there > 32 && lost > 16, "{there} there, {lost} lost");
    let why = refused(&child, Dial::Passive);
    assert!(why.contains("no port can be opened"), "{why}");
    drop(crowd);
    eventually("it has room again", || {
        send(&child, Dial::Passive);
        matches!(hear(&child), Some((Dialed::Listening { .. }, _)))
    });
    measure(&child);
    // The listener has another one now: it goes on with its session, and ends after it.
    let status = format!("/proc/{pid}/status");
    drop(control);
    passive(&child);
    drop(child);
    eventually("it ends", || !std::path::Path::new(&status).exists());
}

/// With FORKFTP_DIALER_SHOW, what a listening socket costs a child.
fn measure(child: &OwnedFd) {
    if std::env::var_os("FORKFTP_DIALER_SHOW").is_none() {
        return;
    }
    let began = Instant::now();
    for _ in 0..10_000 {
        passive(child);
    }
    let _ = writeln!(std::io::stderr(), "{:?}", began.elapsed() / 10_000);
}
