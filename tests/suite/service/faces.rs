//! A server of all three faces, and transfers by each of them that stop in the middle until they are told to go on.

use super::super::peer::{Peer, noise, put, request};
use super::super::server::{PATIENCE, Server, configure, eventually, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// More than the kernel holds of a connection.
const BIG: usize = 16 << 20;

/// The content of the file `big`.
fn big() -> &'static [u8] {
    static ONCE: OnceLock<Vec<u8>> = OnceLock::new();
    ONCE.get_or_init(|| noise(BIG, 7))
}

const CONFIG: &str = "control = \"control\"\n[anonymous]\nrights = [\"list\", \"get\", \"put\"]\n";

/// A table [[listen]] of each face, for everybody.
const LISTEN: [&str; 3] = [
    "protocol = \"drive\"\nproof = \"none\"\nlogin = \"none\"\n",
    "protocol = \"ftp\"\ntls = \"off\"\nlogin = \"none\"\n",
    "protocol = \"http\"\nlogin = \"none\"\n",
];

/// What serves all three faces at ports of 127.0.0.1, drive first, then FTP, then HTTP; with these keys at the top.
pub fn command(folder: &Path, keys: &str) -> Command {
    let mut config = format!("{keys}\ndurability = \"none\"\n{CONFIG}");
    for face in LISTEN {
        config += &format!("[[listen]]\naddress = \"127.0.0.1:0\"\n{face}");
    }
    let command = configure(folder, &config, &[], |library| {
        std::fs::write(library.join("big"), big()).expect("write");
        std::fs::write(library.join("small"), "small\n").expect("write");
    });
    let library = folder.join("library");
    std::fs::set_permissions(library, PermissionsExt::from_mode(0o777)).expect("mode");
    command
}

pub fn serve(keys: &str) -> Server {
    let folder = tempfile::tempdir().expect("scratch folder");
    let command = command(folder.path(), keys);
    launched(command, folder)
}

/// The server that this command starts, once it can be asked who is there.
pub fn launched(command: Command, folder: tempfile::TempDir) -> Server {
    let server = Server::commanded(command, folder, 3);
    let control = server.folder().join("control");
    eventually("a control socket", || control.exists());
    server
}

/// What `forkftpd who` says.
pub fn who(server: &Server) -> Value {
    let control = server.folder().join("control");
    let control = control.to_str().expect("path");
    let (code, text) = run(&["who", "--json", "--control", control]);
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Sessions in the middle of something.
pub fn busy(server: &Server) -> usize {
    let status = who(server);
    let sessions = status["sessions"].as_array().expect("sessions");
    sessions.iter().filter(|s| s["state"] == "busy").count()
}

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connect");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket.set_write_timeout(Some(PATIENCE)).expect("timeout");
    socket
}

/// A control connection of FTP, logged in.
pub struct Ftp(BufReader<TcpStream>);

impl Ftp {
    pub fn enter(address: &str) -> Ftp {
        let mut ftp = Ftp(BufReader::new(connect(address)));
        ftp.hear("220 ");
        ftp.say("USER anonymous", "331 ");
        ftp.say("PASS me", "230 ");
        ftp.say("TYPE I", "200 ");
        ftp
    }

    pub fn hear(&mut self, code: &str) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a reply");
        assert!(line.starts_with(code), "{code} is awaited: {line:?}");
        line
    }

    pub fn say(&mut self, line: &str, code: &str) -> String {
        write!(self.0.get_mut(), "{line}\r\n").expect("send");
        self.hear(code)
    }

    /// The data connection of a command.
    pub fn open(&mut self, line: &str) -> TcpStream {
        let said = self.say("EPSV", "229 ");
        let port = said.split('|').nth(3).expect("port");
        let data = connect(&format!("127.0.0.1:{port}"));
        self.say(line, "150 ");
        data
    }
}

fn http(address: &str, head: &str) -> TcpStream {
    let mut socket = connect(address);
    write!(
        socket,
        "{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .expect("send");
    socket
}

fn body_of(mut socket: TcpStream, status: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer");
    let end = answer
        .windows(4)
        .position(|at| at == b"\r\n\r\n")
        .expect("a head")
        + 4;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    answer.split_off(end)
}

/// A download and an upload on each face, all of them in the middle.
pub struct Transfers {
    drive: [Peer; 2],
    ftp: [(Ftp, TcpStream); 2],
    http: [TcpStream; 2],
}

/// What is uploaded.
fn sent(face: u64) -> Vec<u8> {
    noise(1 << 20, face)
}

impl Transfers {
    pub fn begin(addresses: &[String]) -> Transfers {
        let [drive, ftp, web] = addresses else {
            panic!("three faces")
        };
        let [mut down, mut up] = [Peer::connect_to(drive), Peer::connect_to(drive)];
        down.send(&request('G', &json!({"path": "big"})));
        let upload = Transfers::drive_upload();
        up.send(&upload[..upload.len() / 2]);
        let mut ftp_down = Ftp::enter(ftp);
        let down_data = ftp_down.open("RETR big");
        let mut ftp_up = Ftp::enter(ftp);
        let mut up_data = ftp_up.open("STOR up-ftp");
        let content = sent(2);
        up_data
            .write_all(&content[..content.len() / 2])
            .expect("send");
        let web_down = http(web, "GET /big HTTP/1.1");
        let content = sent(3);
        let mut web_up = http(
            web,
            &format!("PUT /up-http HTTP/1.1\r\nContent-Length: {}", content.len()),
        );
        web_up
            .write_all(&content[..content.len() / 2])
            .expect("send");
        Transfers {
            drive: [down, up],
            ftp: [(ftp_down, down_data), (ftp_up, up_data)],
            http: [web_down, web_up],
        }
    }

    fn drive_upload() -> Vec<u8> {
        put(json!({"path": "up-drive"}), &sent(1))
    }

    /// All go on, end well, and have moved every byte.
    pub fn finish(self, library: &Path) {
        let whole = big();
        let [mut down, mut up] = self.drive;
        assert!(down.receive() == whole, "the download by drive");
        let upload = Transfers::drive_upload();
        up.send(&upload[upload.len() / 2..]);
        up.expect('K');
        let [(mut ftp_down, mut down_data), (mut ftp_up, mut up_data)] = self.ftp;
        let mut came = Vec::new();
        down_data.read_to_end(&mut came).expect("data");
        assert!(came == whole, "the download by FTP");
        ftp_down.hear("226 ");
        let content = sent(2);
        up_data
            .write_all(&content[content.len() / 2..])
            .expect("send");
        up_data.shutdown(Shutdown::Write).expect("the end");
        ftp_up.hear("226 ");
        let [web_down, mut web_up] = self.http;
        assert!(body_of(web_down, "200") == whole, "the download by HTTP");
        let content = sent(3);
        web_up
            .write_all(&content[content.len() / 2..])
            .expect("send");
        body_of(web_up, "201");
        for (name, face) in [("up-drive", 1), ("up-ftp", 2), ("up-http", 3)] {
            let stored = std::fs::read(library.join(name)).expect(name);
            assert!(stored == sent(face), "{name}");
            std::fs::remove_file(library.join(name)).expect("remove");
        }
    }
}

/// One short session on each face, from the connection to the goodbye.
pub fn visit(addresses: &[String]) {
    let mut peer = Peer::connect_to(&addresses[0]);
    assert_eq!(peer.get("small"), b"small\n");
    let mut ftp = Ftp::enter(&addresses[1]);
    let mut data = ftp.open("RETR small");
    let mut came = String::new();
    data.read_to_string(&mut came).expect("data");
    assert_eq!(came, "small\n");
    ftp.hear("226 ");
    ftp.say("QUIT", "221 ");
    let socket = http(&addresses[2], "GET /small HTTP/1.1");
    assert_eq!(body_of(socket, "200"), b"small\n");
}

/// Does `what` while visitors come one after the other, at least one before, one meanwhile and one after; all of them are served.
pub fn visited(addresses: &[String], what: impl FnOnce(&dyn Fn())) {
    let (over, visits) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                visit(addresses);
                visits.fetch_add(1, Ordering::Relaxed);
            }
        });
        let another = || {
            let before = visits.load(Ordering::Relaxed);
            while visits.load(Ordering::Relaxed) < before + 2 && !visitor.is_finished() {
                std::thread::yield_now();
            }
        };
        another();
        what(&another);
        another();
        over.store(true, Ordering::Relaxed);
        visitor.join().expect("every visitor was served");
    });
}
