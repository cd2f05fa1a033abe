//! The processes and what parts them, looked at from outside: who they are, what they hold, what they remember, and how
//! they do when one of them is gone.

use super::peer::{Frame, Peer, put, request};
use super::server::{PATIENCE, SECRET, Server, as_user, eventually, forkftpd, refusal_of};
use super::service::manager::Manager;
use forkftp::proof::{Mac, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Both ways in which children come to be.
pub const MODES: [&[&str]; 2] = [&[], &["--prefork", "2"]];

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says why something is not looked at here; the test harness keeps no account of it.
pub fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "not looked at: {reason}");
}

/// Makes a folder beside the library.
pub fn outside(server: &Server) -> PathBuf {
    let library = server.library();
    let folder = library.parent().expect("a folder").join("outside");
    std::fs::create_dir(&folder).expect("a folder");
    folder
}

/// Anybody may read and change it.
pub fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("chmod");
}

/// Makes a file that of the user who serves, so that only walls keep children from it.
pub fn give_to_server(path: &Path) {
    if is_root() {
        std::os::unix::fs::chown(path, Some(nobody().uid.as_raw()), None).expect("chown");
    }
}

/// What the descriptors of a process are, as far as one may see.
pub fn open_files(pid: u32) -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            let link = std::fs::read_link(entry.path()).ok()?;
            Some((fd, link.to_str()?.to_owned()))
        })
        .collect();
    files.sort_unstable();
    files
}

/// True when descriptor `fd` of a process is `path`, whatever it is called there.
pub fn is_same(pid: u32, fd: u32, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(one), Ok(other)) = (
        std::fs::metadata(format!("/proc/{pid}/fd/{fd}")),
        std::fs::metadata(path),
    ) else {
        return false;
    };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The child that serves this peer, which its log says once; None when its descriptors cannot be seen.
pub fn child_of(server: &Server, peer: &Peer) -> Option<u32> {
    child_at(server, peer.socket.local_addr().expect("address"))
}

/// The same of the client at `address`.
pub fn child_at(server: &Server, address: std::net::SocketAddr) -> Option<u32> {
    let line = server.wait_for(&format!("connected peer={address}"));
    let (_, rest) = line.split_once("child[").expect("a process");
    let pid = rest.split(']').next().expect("a number").parse();
    let pid = pid.expect("a number");
    (!open_files(pid).is_empty()).then_some(pid)
}

/// What a socket is: this table of the machine's connections says nothing of others than TCP.
pub fn tcp_state(inode: &str) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("connections");
    let line = table.lines().find(|line| {
        // A machine may have many: most are told apart without taking them to pieces.
        line.contains(inode) && line.split_whitespace().nth(9) == Some(inode)
    });
    Some(line?.split_whitespace().nth(3)?.to_owned())
}

/// The state of a listening socket in that table.
pub const LISTENS: &str = "0A";

/// The inode behind a link of a descriptor, if it is a TCP socket's.
pub fn tcp_inode(link: &str) -> Option<&str> {
    let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    let unix = std::fs::read_to_string("/proc/net/unix").expect("sockets");
    let known = |line: &str| line.split_whitespace().nth(6) == Some(inode);
    (!unix.lines().any(known)).then_some(inode)
}

/// A field of /proc/PID/status.
pub fn status(pid: u32, field: &str) -> String {
    let all = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let words: Vec<_> = line.expect("a field").split_whitespace().collect();
    words.join(" ")
}

fn prove(peer: &mut Peer) {
    let proof = peer.proof(Mac::Sha256, Role::Client);
    assert_eq!(peer.ask('A', &proof).letter, 'K');
    peer.list(&json!({"path": ""}));
}

pub fn broker_of(server: &Server) -> u32 {
    let brokers = server.offspring("forkftpd:broker");
    assert_eq!(brokers.len(), 1, "{brokers:?}");
    brokers[0]
}

pub fn nobody() -> nix::unistd::User {
    let found = nix::unistd::User::from_name("nobody").expect("users");
    found.expect("a user called nobody")
}

pub fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid as i32), signal).expect("kill");
}

#[test]
fn a_broker_keeps_no_more_than_it_needs() {
    let server = Server::start(&["--proof"]);
    let broker = broker_of(&server);
    assert_eq!(status(broker, "NoNewPrivs"), "1");
    assert_eq!(status(broker, "Groups"), status(server.pid(), "Groups"));
    let set = |name| u64::from_str_radix(&status(broker, name), 16).expect("a set");
    // chown, dac_override, dac_read_search, fowner, sys_admin
    let needed = 0b1111 | 1 << 21;
    for name in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(set(name) & !needed, 0, "{name}");
    }
    if is_root() {
        assert_eq!(set("CapBnd"), 0);
    }
}

#[test]
fn processes_are_who_they_should_be() {
    for mode in MODES {
        let server = Server::start(&[&["--proof"], mode].concat());
        let (mut proved, waiting) = (Peer::connect(&server), Peer::connect(&server));
        prove(&mut proved);
        assert_eq!(status(server.pid(), "Threads"), "1");
        assert_eq!(status(broker_of(&server), "Threads"), "1");
        for peer in [&proved, &waiting] {
            let Some(pid) = child_of(&server, peer) else {
                return skip("the descriptors of children cannot be seen here");
            };
            eventually("it is shut in", || status(pid, "Seccomp") == "2");
            assert_eq!(status(pid, "NoNewPrivs"), "1");
            assert_eq!(status(pid, "Threads"), "1");
            assert_eq!(status(pid, "CapEff"), "0000000000000000");
            let user = nobody();
            let (uid, gid) = if is_root() {
                (user.uid.as_raw(), user.gid.as_raw())
            } else {
                (
                    nix::unistd::getuid().as_raw(),
                    nix::unistd::getgid().as_raw(),
                )
            };
            let four = |id: u32| [id.to_string().as_str(); 4].join(" ");
            assert_eq!(status(pid, "Uid"), four(uid));
            assert_eq!(status(pid, "Gid"), four(gid));
            let core = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
            let core = core.lines().find(|line| line.starts_with("Max core"));
            assert!(core.expect("limit").contains(" 0 "), "{core:?}");
            if let Ok(maps) = std::fs::read_to_string(format!("/proc/{pid}/maps")) {
                let both = |line: &&str| {
                    let rights = line.split_whitespace().nth(1).expect("rights");
                    rights.contains('w') && rights.contains('x')
                };
                assert_eq!(maps.lines().find(both), None, "written and executed");
            }
            if is_root() {
                assert_eq!(status(pid, "Groups"), "");
                for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                    assert_eq!(status(pid, set), "0000000000000000", "{set}");
                }
                for folder in ["root", "cwd"] {
                    match std::fs::read_dir(format!("/proc/{pid}/{folder}")) {
                        Ok(entries) => assert_eq!(entries.count(), 0, "{folder}"),
                        Err(error) => skip(&format!("/proc/PID/{folder} of a child: {error}")),
                    }
                }
            } else {
                skip("the root folder and the bounding set of a child: only root can change them");
            }
        }
    }
}

/// What the descriptors of a child are for; a name for what has no business there.
fn business(pid: u32, fd: u32, link: &str, server: &Server) -> &'static str {
    let library = server.library();
    if fd <= 2 {
        return "standard";
    }
    if link.starts_with("pipe:") {
        return "drain";
    }
    if is_same(pid, fd, &library) {
        return "root";
    }
    if is_same(pid, fd, &library.join(".forkftp/stage")) {
        return "stage";
    }
    if is_same(pid, fd, &library.join(".forkftp/partial")) {
        return "partial";
    }
    if link.contains("forkftpd-empty") {
        return "WALL empty folder";
    }
    if link.contains("landlock") {
        return "WALL landlock ruleset";
    }
    if !link.starts_with("socket:[") {
        return "STRANGE";
    }
    match tcp_inode(link).map(tcp_state) {
        Some(Some(state)) if state == LISTENS => "LISTENING",
        Some(_) => "client",
        None => "broker",
    }
}

/// The business of every descriptor of the children of three clients: two that have not proved the secret, one that has.
fn look(mode: &[&str]) -> Option<[Vec<&'static str>; 3]> {
    let server = Server::start(&[&["--proof"], mode].concat());
    let first = Peer::connect(&server);
    let mut second = Peer::connect(&server);
    prove(&mut second);
    let third = Peer::connect(&server);
    let mut sockets = HashSet::new();
    let mut seen = [&first, &second, &third].into_iter().map(|peer| {
        let pid = child_of(&server, peer)?;
        eventually("it is shut in", || status(pid, "Seccomp") == "2");
        let files = open_files(pid);
        for (_, link) in files.iter().filter(|(_, link)| link.starts_with("socket:")) {
            assert!(sockets.insert(link.clone()), "{link} is another child's");
        }
        let mut all: Vec<_> = files
            .iter()
            .map(|(fd, link)| business(pid, *fd, link, &server))
            .collect();
        all.sort_unstable();
        // The drain pipe's reading end is there twice.
        all.dedup_by(|a, b| a == b && *a == "drain");
        Some(all)
    });
    Some([seen.next()??, seen.next()??, seen.next()??])
}

/// What the descriptors of a process are for, and how many there are for each.
pub fn holds(server: &Server, pid: u32) -> HashMap<&'static str, usize> {
    let library = server.library();
    // Of each user.
    let partials = server.staged("partial");
    let mut all = HashMap::new();
    for (fd, link) in open_files(pid) {
        let business = if fd <= 2 {
            "standard"
        } else if link.starts_with("pipe:") {
            "drain"
        } else if is_same(pid, fd, &library) {
            "root"
        } else if is_same(pid, fd, &library.join(".forkftp/stage")) {
            "stage"
        } else if partials.iter().any(|folder| is_same(pid, fd, folder)) {
            "partial"
        } else if link.contains("eventpoll") {
            "epoll"
        } else if !link.starts_with("socket:[") {
            "STRANGE"
        } else {
            match tcp_inode(&link).map(tcp_state) {
                Some(Some(state)) if state == LISTENS => "lent",
                Some(_) => "client",
                None => "channel",
            }
        };
        *all.entry(business).or_default() += 1;
    }
    all
}

fn without_walls(seen: &[&'static str]) -> Vec<&'static str> {
    let mut seen = seen.to_vec();
    seen.retain(|business| !business.starts_with("WALL"));
    seen
}

#[test]
fn a_child_holds_what_its_phase_needs() {
    for mode in MODES {
        let Some([first, second, third]) = look(mode) else {
            return skip("the descriptors of children cannot be seen here");
        };
        let before = [
            "broker", "client", "drain", "standard", "standard", "standard",
        ];
        assert_eq!(without_walls(&first), before, "{mode:?}");
        assert_eq!(without_walls(&third), before, "{mode:?}");
        let after = without_walls(&second);
        let library: Vec<_> = after
            .iter()
            .filter(|what| ["root", "stage", "partial"].contains(what))
            .collect();
        assert_eq!(library.len(), 3, "{after:?}");
        assert!(
            after
                .iter()
                .all(|what| before.contains(what) || library.contains(&what)),
            "{after:?}"
        );
    }
}

#[test]
fn a_child_does_not_keep_what_its_walls_were_made_of() {
    for mode in MODES {
        let Some(seen) = look(mode) else {
            return skip("the descriptors of children cannot be seen here");
        };
        for child in seen {
            assert_eq!(child, without_walls(&child), "{mode:?}");
        }
    }
}

/// Whether any of `wanted` stands in the memory of a process; `Err` when it cannot be read.
pub fn remembers(pid: u32, wanted: &[Vec<u8>]) -> std::io::Result<bool> {
    let memory = std::fs::File::open(format!("/proc/{pid}/mem"))?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut found = false;
    let mut scanned = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().expect("range"), words.next().expect("rights"));
        if !rights.starts_with('r') || line.contains("[vvar") || line.contains("[vsyscall") {
            continue;
        }
        let (from, to) = range.split_once('-').expect("range");
        let number = |text| u64::from_str_radix(text, 16).expect("address");
        let mut content = vec![0; (number(to) - number(from)) as usize];
        // Shared pages of the scoreboard given back meanwhile, and the like.
        if memory.read_exact_at(&mut content, number(from)).is_err() {
            continue;
        }
        scanned += content.len();
        found |= wanted.iter().any(|wanted| contains(&content, wanted));
    }
    assert!(scanned > 1 << 20, "hardly any memory of {pid} was read");
    Ok(found)
}

pub fn contains(content: &[u8], wanted: &[u8]) -> bool {
    let mut rest = content;
    while let Some(at) = rest.iter().position(|byte| *byte == wanted[0]) {
        if rest[at..].starts_with(wanted) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[test]
fn the_secret_is_in_the_memory_of_the_broker_alone() {
    let secret = SECRET.as_bytes();
    let pad = |with: u8| secret.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
    // Itself, as text, and as it stands in an HMAC.
    let wanted = [
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        pad(0x36),
        pad(0x5c),
    ];
    for mode in MODES {
        // Memory is looked through slowly where much is done at once.
        let server = Server::start(&[&["--proof", "--handshake-seconds", "600"], mode].concat());
        let (mut proved, _waiting) = (Peer::connect(&server), Peer::connect(&server));
        let broker = broker_of(&server);
        for _ in 0..2 {
            for pid in server.children().into_iter().chain([server.pid()]) {
                let name = status(pid, "Name").into_bytes();
                match remembers(pid, &wanted) {
                    Ok(found) => {
                        assert!(!found, "the secret is in {:?}", String::from_utf8(name));
                    }
                    Err(error) => return skip(&format!("memory of children: {error}")),
                }
                // What does stand in it is found.
                let library = server.library().to_str().expect("text").as_bytes().to_vec();
                assert!(remembers(pid, &[library]).expect("memory"));
            }
            // The second time after a good proof.
            prove_once(&mut proved);
        }
        match remembers(broker, &wanted) {
            Ok(found) => {
                assert!(is_root(), "another process of its user reads the broker");
                assert!(found, "not even the broker remembers it");
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
                assert!(!is_root() || no_ptrace(), "root cannot read it: {error}");
            }
        }
    }
}

fn no_ptrace() -> bool {
    // Bit 19 of the capabilities: CAP_SYS_PTRACE.
    u64::from_str_radix(&status(std::process::id(), "CapEff"), 16).expect("set") & (1 << 19) == 0
}

fn prove_once(peer: &mut Peer) {
    let proof = peer.proof(Mac::Sha256, Role::Client);
    let answer = peer.ask('A', &proof);
    // The second answer comes in a session that knows no such request any more.
    assert!(matches!(answer.letter, 'K' | 'E'));
}

#[test]
fn processes_of_the_serving_user_cannot_look_into_children() {
    if !is_root() {
        return skip("without root the tests are of the serving user themselves");
    }
    let server = Server::start(&["--proof"]);
    let mut peer = Peer::connect(&server);
    prove(&mut peer);
    let Some(child) = child_of(&server, &peer) else {
        return skip("the descriptors of children cannot be seen here");
    };
    let user = nobody();
    for pid in [child, broker_of(&server), server.pid()] {
        for file in ["mem", "environ", "fd/0"] {
            let read = std::process::Command::new("head")
                .args(["-c", "1", &format!("/proc/{pid}/{file}")])
                .uid(user.uid.as_raw())
                .gid(user.gid.as_raw())
                .stdin(Stdio::null())
                .output()
                .expect("head");
            let said = String::from_utf8_lossy(&read.stderr);
            assert!(said.contains("Permission denied"), "{file}: {said}");
        }
    }
}

/// Longer than the life after which the death of a broker is taken for an accident.
const BROKER_LIFE: Duration = Duration::from_millis(2200);

#[test]
fn without_a_broker_sessions_go_on_and_a_new_one_comes() {
    for mode in MODES {
        let server = Server::prepared(&[&["--proof"], mode].concat(), |library| {
            std::fs::write(library.join("file"), b"content").expect("a file");
        });
        let mut old = Peer::connect(&server);
        prove(&mut old);
        let mut waiting = Peer::connect(&server);
        std::thread::sleep(BROKER_LIFE);
        let broker = broker_of(&server);
        signal(broker, Signal::SIGKILL);
        eventually("a new broker", || {
            let now = server.offspring("forkftpd:broker");
            now.len() == 1 && now[0] != broker
        });
        assert_eq!(old.get("file"), b"content", "a session goes on");
        // One that had not proved the secret can ask nobody any more.
        let proof = waiting.proof(Mac::Sha256, Role::Client);
        waiting.send(&request('A', &proof));
        assert!(
            waiting.next().is_none_or(|frame| frame.letter == 'E'),
            "nobody answers for the broker"
        );
        let mut new = connect_until_hello(&server);
        prove(&mut new);
        assert_eq!(new.get("file"), b"content");
        new.send(&put(json!({"path": "new", "size": 3}), b"new"));
        new.expect('K');
        assert_eq!(old.get("new"), b"new");
    }
}

/// A connection that a child of the new broker answers: warm ones of the old are on their way out.
fn connect_until_hello(server: &Server) -> Peer {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(peer) = try_connect(server) {
            return peer;
        }
        assert!(Instant::now() < until, "nobody is served any more");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A connection, if it is greeted.
fn try_connect(server: &Server) -> Option<Peer> {
    let socket = TcpStream::connect(&server.address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let mut head = [0];
    let greeted = socket.peek(&mut head).is_ok_and(|n| n == 1) && head[0] == b'H';
    drop(socket);
    greeted.then(|| Peer::connect(server))
}

#[test]
fn a_broker_that_does_not_stay_ends_the_service() {
    for mode in MODES {
        let server = Server::start(&[&["--proof", "--drain-seconds", "5"], mode].concat());
        let mut peer = Peer::connect(&server);
        prove(&mut peer);
        std::thread::sleep(BROKER_LIFE);
        // Old age, then young, as soon as there is one: after three of those no other comes.
        let address = server.address.clone();
        eventually("the end", || {
            for broker in server.offspring("forkftpd:broker") {
                let _ = kill(Pid::from_raw(broker as i32), Signal::SIGKILL);
            }
            server.offspring("forkftpd:broker").is_empty() && TcpStream::connect(&address).is_err()
        });
        let code = server.wait();
        assert!(code.is_some_and(|code| code != 0), "{code:?}");
        // Children that were killed a moment ago may still be on their way out.
        eventually("nobody listens", || TcpStream::connect(&address).is_err());
        // Cut off, whatever it was at.
        let mut rest = Vec::new();
        let _ = peer.socket.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[test]
fn a_broker_is_not_ended_by_a_signal_to_end() {
    let server = Server::start(&["--proof"]);
    let broker = broker_of(&server);
    signal(broker, Signal::SIGTERM);
    // Before it answers the second, it has seen what came before the first.
    for _ in 0..2 {
        prove(&mut Peer::connect(&server));
    }
    assert_eq!(broker_of(&server), broker);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    eventually("the broker has left with its listener", || {
        !Path::new(&format!("/proc/{broker}")).exists()
    });
}

/// A process that is stopped, until this is dropped.
pub struct Stopped(u32);

impl Stopped {
    pub fn new(pid: u32) -> Stopped {
        signal(pid, Signal::SIGSTOP);
        let stopped = Stopped(pid);
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat"));
        eventually("it has stopped", || {
            stat().is_ok_and(|stat| stat.contains(") T "))
        });
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0 as i32), Signal::SIGCONT);
    }
}

#[test]
fn a_broker_that_hangs_holds_up_no_one_for_ever() {
    for mode in MODES {
        let server = Server::start(&[&["--proof", "--handshake-seconds", "2"], mode].concat());
        let mut old = Peer::connect(&server);
        prove(&mut old);
        let broker = broker_of(&server);
        let stopped = Stopped::new(broker);
        let begun = Instant::now();
        let mut waiting: Vec<_> = (0..4)
            .map(|_| {
                let socket = TcpStream::connect(&server.address).expect("connect");
                socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
                socket
            })
            .collect();
        // Those that have the library ask the broker for nothing.
        assert!(old.list(&json!({"path": ""})).is_empty());
        for socket in &mut waiting {
            let mut said = Vec::new();
            let _ = socket.read_to_end(&mut said);
            assert!(!said.starts_with(b"H"), "nobody greets without the broker");
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        drop(stopped);
        let mut new = connect_until_hello(&server);
        prove(&mut new);
        assert_eq!(broker_of(&server), broker);
    }
}

#[test]
fn a_server_with_a_hanging_broker_can_be_ended() {
    let server = Server::start(&["--proof", "--drain-seconds", "1"]);
    let broker = broker_of(&server);
    let stopped = Stopped::new(broker);
    server.signal(Signal::SIGTERM);
    let until = Instant::now() + Duration::from_secs(10);
    let ended = || std::fs::read_to_string(format!("/proc/{}/stat", server.pid()));
    let mut gone = false;
    while !gone && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        gone = ended().map_or(true, |stat| stat.contains(") Z "));
    }
    drop(stopped);
    assert!(gone, "the listener waits for its broker, for ever");
}

#[test]
fn every_client_gets_a_nonce_of_its_own() {
    for mode in MODES {
        let server = Server::start(
            &[
                &[
                    "--proof",
                    "--max-per-address",
                    "100",
                    "--max-clients",
                    "100",
                ],
                mode,
            ]
            .concat(),
        );
        // All knock before any is heard.
        let mut peers: Vec<_> = (0..64)
            .map(|_| TcpStream::connect(&server.address).expect("connect"))
            .collect();
        let hellos: Vec<_> = peers.drain(..).map(greeting).collect();
        let nonces: HashSet<_> = hellos
            .iter()
            .map(|(_, hello)| hello.json()["nonce"].as_str().expect("nonce").to_owned())
            .collect();
        assert_eq!(nonces.len(), 64);
        assert!(nonces.iter().all(|nonce| nonce.len() == 64));
        let words: HashSet<_> = nonces.iter().map(|nonce| &nonce[..16]).collect();
        assert_eq!(words.len(), 64);
    }
}

fn greeting(socket: TcpStream) -> (TcpStream, Frame) {
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let copy = socket.try_clone().expect("descriptor");
    let hello = Frame {
        letter: '?',
        payload: Vec::new(),
    };
    let mut peer = Peer {
        socket: copy,
        hello,
    };
    (socket, peer.expect('H'))
}

/// Runs `forkftpd serve` with these arguments, which refuses to: what it says.
fn refuses(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("scratch folder");
    let mut command = forkftpd();
    command
        .args(["serve", "--config", "/dev/null", "--no-secret"])
        .args(["--listen", "127.0.0.1:0", "--library"])
        .arg(folder.path())
        .args(arguments);
    refusal_of(command)
}

#[test]
fn root_serves_nobody() {
    if !is_root() {
        return skip("what root is refused: these tests are not run by root");
    }
    let said = refuses(&[]);
    assert!(said.contains("--user NAME"), "a remedy: {said}");
    let said = refuses(&["--user", "root"]);
    assert!(said.contains("never served by root"), "{said}");
    let said = refuses(&["--user", "no-such-user"]);
    assert!(said.contains("no user \"no-such-user\""), "{said}");
}

#[test]
fn fewer_walls_are_said_loudly() {
    for level in ["off", "no-landlock", "full"] {
        let folder = tempfile::tempdir().expect("scratch folder");
        let library = folder.path().join("library");
        std::fs::create_dir(&library).expect("library");
        super::server::give_away(folder.path(), &library);
        let manager = Manager::new(folder.path());
        let mut child = forkftpd()
            .env("NOTIFY_SOCKET", manager.path())
            .args(["serve", "--config", "/dev/null", "--no-secret"])
            .args(["--listen", "127.0.0.1:0", "--sandbox", level, "--library"])
            .arg(&library)
            .args(as_user())
            // Louder than what is usually said.
            .args(["--log-level", "warn"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("forkftpd");
        manager.wait_for("READY=1");
        child.kill().expect("kill");
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("stderr");
        stderr.read_to_string(&mut said).expect("read");
        child.wait().expect("wait");
        let loud = said.contains("sandbox of the children") && said.contains(level);
        assert_eq!(loud, level != "full", "{level}: {said}");
    }
}
