//! The least HTTP client, the same for all servers: one connection, one request after the other. It acknowledges what comes at once, or
//! servers that leave Nagle's algorithm on would stand still for 40 ms with each small file.

mod conn;
mod get;
mod page;
mod put;
mod small;

pub(crate) use conn::run as run_conn;
pub(crate) use get::run as run_get;
pub(crate) use page::run as run_page;
pub(crate) use put::run as run_put;
pub(crate) use small::run as run_small;

use crate::ftp::acknowledge_at_once;
use crate::peer::pieces;
use nix::sys::socket::{MsgFlags, recv};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of a head.
const LONGEST: usize = 64 * 1024;

/// A connection.
pub(crate) struct Http {
    socket: TcpStream,
    /// What came and belongs to no answer yet.
    unread: Vec<u8>,
    space: Vec<u8>,
}

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) code: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The value of a field, whose name is in small letters.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn length(&self) -> u64 {
        let length = self.field("content-length").and_then(|n| n.parse().ok());
        length.expect("a length")
    }
}

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> Http {
        let socket = TcpStream::connect(address).expect("connect");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("SO_RCVTIMEO");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        Http {
            socket,
            unread: Vec::new(),
            space: vec![0; 1024 * 1024],
        }
    }

    /// Sends a head with these further lines.
    pub(crate) fn say(&mut self, method: &str, target: &str, lines: &str) {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        self.socket.write_all(head.as_bytes()).expect("send");
    }

    /// The head of the next answer, with what came behind it left to be read.
    pub(crate) fn hear(&mut self) -> Head {
        loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let text = String::from_utf8(self.unread.drain(..end + 4).collect());
                let text = text.expect("a head");
                let mut lines = text.trim_end().split("\r\n");
                let first = lines.next().unwrap_or_default();
                let code = first.split(' ').nth(1).and_then(|code| code.parse().ok());
                let field = |line: &str| {
                    let (name, value) = line.split_once(':').expect("a field");
                    (name.to_ascii_lowercase(), value.trim().to_owned())
                };
                return Head {
                    code: code.unwrap_or_else(|| panic!("no answer: {first:?}")),
                    fields: lines.map(field).collect(),
                };
            }
            assert!(self.unread.len() < LONGEST, "a head without an end");
            self.more();
        }
    }

    fn more(&mut self) {
        let got = self.socket.read(&mut self.space).expect("receive");
        acknowledge_at_once(&self.socket);
        assert!(got > 0, "the server hung up");
        self.unread.extend_from_slice(&self.space[..got]);
    }

    /// GET of so many bytes, of which only those that come along with the head are copied (MSG_TRUNC, tcp(7)).
    pub(crate) fn discard(&mut self, target: &str, size: u64) {
        self.say("GET", target, "");
        let head = self.hear();
        assert_eq!((head.code, head.length()), (200, size), "GET {target}");
        let here = self
            .unread
            .len()
            .min(usize::try_from(size).unwrap_or(usize::MAX));
        self.unread.drain(..here);
        let mut left = size - here as u64;
        while left > 0 {
            let most = self
                .space
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let flags = MsgFlags::MSG_TRUNC;
            let got = recv(self.socket.as_raw_fd(), &mut self.space[..most], flags).expect("recv");
            assert!(got > 0, "the server hung up");
            left -= got as u64;
        }
    }

    /// GET, with what came, in whatever framing.
    pub(crate) fn fetch(&mut self, target: &str, lines: &str) -> (Head, Vec<u8>) {
        self.say("GET", target, lines);
        let head = self.hear();
        let body = if head.field("transfer-encoding") == Some("chunked") {
            self.chunks()
        } else {
            self.take(usize::try_from(head.length()).expect("a length"))
        };
        (head, body)
    }

    fn take(&mut self, size: usize) -> Vec<u8> {
        while self.unread.len() < size {
            self.more();
        }
        self.unread.drain(..size).collect()
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match self.unread.windows(2).position(|two| two == b"\r\n") {
                    Some(end) => break end,
                    None => self.more(),
                }
            };
            let line = self.take(end + 2);
            let size = std::str::from_utf8(&line[..end])
                .ok()
                .and_then(|line| usize::from_str_radix(line, 16).ok());
            let size = size.expect("a size");
            body.extend(self.take(size));
            self.take(2);
            if size == 0 {
                return body;
            }
        }
    }

    /// PUT of `size` bytes of `block`, over and over; returns the code of the answer.
    pub(crate) fn put(&mut self, target: &str, size: u64, block: &[u8]) -> u16 {
        self.say("PUT", target, &format!("Content-Length: {size}\r\n"));
        pieces(block, size).for_each(|piece| self.socket.write_all(piece).expect("send"));
        let head = self.hear();
        if let Some(length) = head.field("content-length") {
            let length = length.parse().expect("a length");
            self.take(length);
        }
        head.code
    }
}
