//! Tests of sessions against a server that says exactly what a test wants, over a socket pair. Compiled for tests only.

mod commands;
mod gets;
mod handshake;
mod lists;
mod logins;
mod manages;
mod puts;

use super::{Client, Options};
use crate::digest::{Hasher, Kind};
use crate::wire::drive::letter;
use crate::wire::frame::{HEADER, Header};
use crate::wire::path::RelPath;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

/// The server's end.
struct Server(UnixStream);

impl Server {
    fn say(&mut self, letter: u8, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        self.0
            .write_all(
                &Header {
                    letter,
                    length: payload.len() as u32,
                }
                .encode(),
            )
            .expect("write");
        self.0.write_all(payload).expect("write");
    }

    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; HEADER];
        self.0.read_exact(&mut header).expect("read");
        let header = Header::decode(header).expect("header");
        let mut payload = vec![0; header.length as usize];
        self.0.read_exact(&mut payload).expect("read");
        (header.letter, payload)
    }

    fn hear_json(&mut self, letter: u8) -> serde_json::Value {
        let (found, payload) = self.hear();
        assert_eq!(char::from(found), char::from(letter));
        serde_json::from_slice(&payload).expect("json")
    }

    /// True when the client says nothing more and closes.
    fn closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0) | Err(_))
    }

    fn hello(&mut self, macs: &str) -> String {
        self.hello_of(macs, crate::wire::drive::COMMANDS)
    }

    fn hello_of(&mut self, macs: &str, commands: &str) -> String {
        let hello = format!(
            r#"{{"protocol":"forkftp/1","nonce":"{}","macs":[{macs}],"login":"none","digests":["blake3","sha256","md5"],"commands":"{commands}","limits":{{"control":65536,"data":8388608,"idle":300}},"new":1}}"#,
            "07".repeat(32)
        );
        self.say(letter::HELLO, &hello);
        hello
    }

    fn start(&mut self, size: usize) {
        self.say(
            letter::OK,
            format!(r#"{{"size":{size},"offset":0,"length":{size},"mtime":1700000000}}"#),
        );
    }

    fn file(&mut self, content: &[u8]) {
        self.start(content.len());
        self.say(letter::DATA, content);
        self.end(content);
    }

    fn end(&mut self, content: &[u8]) {
        self.say(
            letter::END,
            format!(r#"{{"digest":"{}"}}"#, blake3(content)),
        );
    }
}

fn blake3(content: &[u8]) -> String {
    let mut hasher = Hasher::new(Kind::Blake3);
    hasher.update(content);
    hasher.finish().to_hex()
}

fn options() -> Options {
    Options {
        stall_timeout: Duration::from_secs(10),
        ..Options::default()
    }
}

/// A client of a server that runs `script`, starting with its hello.
fn connect(
    options: &Options,
    script: impl FnOnce(Server) + Send + 'static,
) -> (super::Result<Client>, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().expect("pair");
    theirs
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("timeout");
    let server = std::thread::spawn(move || script(Server(theirs)));
    let twin = ours.try_clone().expect("clone");
    (Client::over(ours, twin, options), server)
}

/// A client past the handshake with a server that asks for no proof.
fn session(script: impl FnOnce(&mut Server) + Send + 'static) -> (Client, JoinHandle<()>) {
    let (client, server) = connect(&options(), |mut server| {
        server.hello("");
        script(&mut server);
    });
    (client.expect("session"), server)
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("path")
}
