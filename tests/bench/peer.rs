//! The load generator: the least client of the drive protocol, and of the bare loops, with the same reading and writing
//! for both.

use forkftp::proof::{self, Mac, Role, Secret, Transcript};
use forkftp::wire::frame::{HEADER, Header};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use serde_json::Value;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

/// Bytes received or sent at once in large transfers, and in a `D` frame.
pub(crate) const PIECE: usize = 1024 * 1024;

/// What is done with the bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The kernel throws them away (MSG_TRUNC, tcp(7)): the receiver costs nearly nothing.
    Discards,
    /// They are copied to this program, as every real client does.
    Copies,
}

impl Reading {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Reading::Discards => "receiver discards",
            Reading::Copies => "receiver copies",
        }
    }
}

/// One connection.
pub(crate) struct Peer {
    socket: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Small frames are received many at once; before a large transfer nothing is read ahead.
    ahead: bool,
}

impl Peer {
    /// Connects, and says nothing.
    pub(crate) fn connect(address: SocketAddr, congestion: Option<&str>) -> Peer {
        let socket = TcpStream::connect(address).expect("connect");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        if let Some(name) = congestion {
            setsockopt(&socket, sockopt::TcpCongestion, &name.into()).expect("TCP_CONGESTION");
        }
        Peer {
            socket,
            buffer: vec![0; 4096],
            start: 0,
            end: 0,
            ahead: true,
        }
    }

    /// Connects, and proves the secret.
    pub(crate) fn drive(address: SocketAddr, congestion: Option<&str>, secret: &Secret) -> Peer {
        let mut peer = Peer::connect(address, congestion);
        peer.prove(secret);
        peer
    }

    /// Hears the hello, and proves the secret.
    pub(crate) fn prove(&mut self, secret: &Secret) {
        let peer = self;
        let hello = peer.expect(b'H');
        let nonce = proof::nonce().expect("randomness");
        let seen = Transcript {
            hello: &hello,
            client_nonce: &nonce,
            channel: b"",
        };
        let mine = hex::encode(seen.prove(secret, Role::Client, Mac::Sha256));
        peer.request(
            b'A',
            &format!(
                r#"{{"nonce":"{}","mac":"hmac-sha256","proof":"{mine}"}}"#,
                hex::encode(nonce)
            ),
        );
        let answer = peer.expect_json(b'K');
        let theirs = hex::decode(text(&answer, "proof")).expect("the server's proof");
        assert!(
            seen.verify(secret, Role::Server, Mac::Sha256, &theirs),
            "the server does not know the secret"
        );
    }

    /// Makes the buffer fit for many small frames at once.
    pub(crate) fn read_ahead(&mut self, bytes: usize) {
        self.buffer.resize(bytes.max(self.buffer.len()), 0);
    }

    /// Sends all of `bytes`; `more` follows at once.
    pub(crate) fn send(&self, mut bytes: &[u8], more: bool) {
        let mut flags = MsgFlags::MSG_NOSIGNAL;
        if more {
            flags |= MsgFlags::from_bits_retain(libc::MSG_MORE);
        }
        while !bytes.is_empty() {
            let sent = send(self.socket.as_raw_fd(), bytes, flags).expect("send");
            bytes = &bytes[sent..];
        }
    }

    /// Sends a frame with a JSON payload.
    pub(crate) fn request(&self, letter: u8, payload: &str) {
        self.send(&frame(letter, payload.as_bytes()), false);
    }

    /// A second handle of the same connection, for a thread that only sends.
    pub(crate) fn sender(&self) -> Peer {
        Peer {
            socket: self.socket.try_clone().expect("dup"),
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ahead: false,
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        self.socket.shutdown(Shutdown::Write).expect("shutdown");
    }

    /// The next header.
    pub(crate) fn header(&mut self) -> Header {
        let mut bytes = [0; HEADER];
        self.read(&mut bytes);
        Header::decode(bytes).expect("a frame")
    }

    /// The payload of the next frame, which is to be `letter`.
    pub(crate) fn expect(&mut self, letter: u8) -> Vec<u8> {
        let header = self.header();
        let mut payload = vec![0; header.length as usize];
        self.read(&mut payload);
        assert!(
            header.letter == letter,
            "{} came in place of {}: {}",
            char::from(header.letter),
            char::from(letter),
            String::from_utf8_lossy(&payload)
        );
        payload
    }

    /// The JSON payload of the next frame, which is to be `letter`.
    pub(crate) fn expect_json(&mut self, letter: u8) -> Value {
        serde_json::from_slice(&self.expect(letter)).expect("JSON")
    }

    /// Receives `count` bytes and does nothing with them.
    pub(crate) fn take(&mut self, mut count: u64, reading: Reading, space: &mut [u8]) {
        let ready = (self.end - self.start).min(usize::try_from(count).unwrap_or(usize::MAX));
        self.start += ready;
        count -= ready as u64;
        let flags = match reading {
            Reading::Discards => MsgFlags::MSG_TRUNC,
            Reading::Copies => MsgFlags::empty(),
        };
        while count > 0 {
            let most = space
                .len()
                .min(usize::try_from(count).unwrap_or(usize::MAX));
            let got = recv(self.socket.as_raw_fd(), &mut space[..most], flags).expect("recv");
            assert!(got > 0, "the server hung up");
            count -= got as u64;
        }
    }

    /// Gets a large file; returns the digest that came with it.
    pub(crate) fn get(
        &mut self,
        name: &str,
        digest: &str,
        reading: Reading,
        space: &mut [u8],
    ) -> String {
        self.ahead = false;
        self.request(b'G', &format!(r#"{{"path":"{name}","digest":"{digest}"}}"#));
        let start = self.expect_json(b'K');
        let mut left = start["length"].as_u64().expect("length");
        while left > 0 {
            let header = self.header();
            assert_eq!(header.letter, b'D', "in the middle of a file");
            self.take(u64::from(header.length), reading, space);
            left -= u64::from(header.length);
        }
        text(&self.expect_json(b'Z'), "digest")
    }

    /// Puts a large file made of `block` again and again; returns the digest that the server found.
    pub(crate) fn put(
        &mut self,
        name: &str,
        size: u64,
        block: &[u8],
        digest: &str,
        value: &str,
    ) -> String {
        self.request(
            b'P',
            &format!(r#"{{"path":"{name}","size":{size},"digest":"{digest}"}}"#),
        );
        for piece in pieces(block, size) {
            let header = Header {
                letter: b'D',
                length: piece.len() as u32,
            };
            self.send(&header.encode(), true);
            self.send(piece, false);
        }
        self.request(b'Z', &format!(r#"{{"size":{size},"digest":"{value}"}}"#));
        text(&self.expect_json(b'K'), "digest")
    }

    /// Leaves politely.
    pub(crate) fn quit(mut self) {
        self.request(b'Q', "{}");
        self.expect(b'K');
    }

    /// Fills `into`.
    pub(crate) fn read(&mut self, into: &mut [u8]) {
        let mut done = 0;
        while done < into.len() {
            if self.start == self.end {
                self.start = 0;
                let most = if self.ahead {
                    self.buffer.len()
                } else {
                    self.buffer.len().min(into.len() - done)
                };
                let socket = self.socket.as_raw_fd();
                self.end = recv(socket, &mut self.buffer[..most], MsgFlags::empty()).expect("recv");
                assert!(self.end > 0, "the server hung up");
            }
            let count = (self.end - self.start).min(into.len() - done);
            into[done..done + count].copy_from_slice(&self.buffer[self.start..self.start + count]);
            self.start += count;
            done += count;
        }
    }

    /// Receives whatever comes first.
    pub(crate) fn hear_something(&mut self) {
        let got = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty());
        assert!(got.expect("recv") > 0, "the server hung up");
    }

    /// Receives until the end of the stream; returns how many bytes came.
    pub(crate) fn drain(&mut self) -> usize {
        let mut total = self.end - self.start;
        self.start = self.end;
        loop {
            let socket = self.socket.as_raw_fd();
            match recv(socket, &mut self.buffer, MsgFlags::empty()).expect("recv") {
                0 => return total,
                got => total += got,
            }
        }
    }
}

/// A whole frame.
pub(crate) fn frame(letter: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        letter,
        length: payload.len() as u32,
    };
    [&header.encode()[..], payload].concat()
}

/// `block` again and again until `size` bytes, in pieces of at most `PIECE`.
pub(crate) fn pieces(block: &[u8], size: u64) -> impl Iterator<Item = &[u8]> {
    let mut left = size;
    block.chunks(PIECE).cycle().map_while(move |piece| {
        let count = left.min(piece.len() as u64) as usize;
        left -= count as u64;
        (count > 0).then(|| &piece[..count])
    })
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().expect(key).to_owned()
}
