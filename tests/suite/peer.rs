//! The other end of a connection, frame by frame: says what a test wants said, right or wrong.

use super::server::{PATIENCE, SECRET, Server};
use forkftp::digest::{Hasher, Kind};
use forkftp::proof::{Mac, Role, Secret, Transcript};
use forkftp::scram::{Binding, ClientLogin};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub letter: char,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload)
            .unwrap_or_else(|e| panic!("{} is no JSON: {e}", self.letter))
    }

    pub fn code(&self) -> String {
        assert_eq!(
            self.letter,
            'E',
            "{:?}",
            String::from_utf8_lossy(&self.payload)
        );
        self.json()["code"].as_str().expect("code").to_owned()
    }

    pub fn bytes(&self) -> Vec<u8> {
        frame(self.letter, &self.payload)
    }
}

/// The bytes of a frame.
pub fn frame(letter: char, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![letter as u8];
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The bytes of a frame with a JSON payload.
pub fn request(letter: char, payload: &Value) -> Vec<u8> {
    frame(letter, payload.to_string().as_bytes())
}

/// A connection.
pub struct Peer {
    pub socket: TcpStream,
    pub hello: Frame,
}

impl Peer {
    /// Connects, and hears the hello.
    pub fn connect(server: &Server) -> Peer {
        Peer::connect_to(&server.address)
    }

    /// The same at an address of its own.
    pub fn connect_to(address: &str) -> Peer {
        Peer::greeted(TcpStream::connect(address).expect("connect"))
    }

    /// The same from `source`, an address of this machine.
    pub fn connect_from(source: [u8; 4], address: &str) -> Peer {
        Peer::greeted(from(source, address))
    }

    fn greeted(socket: TcpStream) -> Peer {
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("timeout");
        socket.set_nodelay(true).expect("nodelay");
        let hello = read(&socket).expect("a first frame");
        Peer { socket, hello }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("send");
    }

    /// The next frame; None at the end of the stream.
    pub fn next(&mut self) -> Option<Frame> {
        read(&self.socket)
    }

    /// The next frame, which has this letter.
    pub fn expect(&mut self, letter: char) -> Frame {
        let frame = self
            .next()
            .unwrap_or_else(|| panic!("the stream ended before {letter}"));
        assert_eq!(
            frame.letter,
            letter,
            "{:?}",
            String::from_utf8_lossy(&frame.payload)
        );
        frame
    }

    /// The code of the next frame, an E.
    pub fn refusal(&mut self) -> String {
        self.next().expect("an E").code()
    }

    /// The stream ends here.
    pub fn expect_end(&mut self) {
        let next = self.next();
        assert!(next.is_none(), "{next:?}");
    }

    /// Sends a request and hears the first frame of its answer.
    pub fn ask(&mut self, letter: char, payload: &Value) -> Frame {
        self.send(&request(letter, payload));
        self.next().expect("an answer")
    }

    /// Logs in with a password: the last frame of the server, whose signature has been checked if it is a `K`.
    pub fn log_in(&mut self, user: &str, password: &str) -> Frame {
        let nonce = forkftp::proof::nonce().expect("randomness");
        let begun = ClientLogin::begin(user, password, &nonce, Binding::None, false);
        let (login, message) = begun.expect("a name and a password");
        let answer = self.ask('U', &json!({"message": message}));
        if answer.letter != 'K' {
            return answer;
        }
        let first = answer.json()["message"].as_str().expect("text").to_owned();
        let (login, message) = login.respond(&first).expect("a challenge");
        let answer = self.ask('U', &json!({"message": message}));
        if answer.letter == 'K' {
            let last = answer.json();
            let last = last["message"].as_str().expect("text");
            login.verify(last).expect("the server's signature");
        }
        answer
    }

    /// Tries to log in with a proof of the right form that no password gives: the server's last frame.
    pub fn fail_to_log_in(&mut self, user: &str) -> Frame {
        let answer = self.ask('U', &first_message(user));
        if answer.letter != 'K' {
            return answer;
        }
        let first = answer.json()["message"].as_str().expect("text").to_owned();
        let nonce = first.split(',').next().expect("a nonce");
        let proof = "A".repeat(43) + "=";
        self.ask(
            'U',
            &json!({"message": format!("c=biws,{nonce},p={proof}")}),
        )
    }

    /// Gets a whole file; the digest has been checked.
    pub fn get(&mut self, path: &str) -> Vec<u8> {
        self.send(&request('G', &json!({"path": path})));
        self.receive()
    }

    /// The answer to a `G` for a whole file.
    pub fn receive(&mut self) -> Vec<u8> {
        self.expect('K');
        let mut content = Vec::new();
        loop {
            let frame = self.next().expect("data");
            match frame.letter {
                'D' => content.extend_from_slice(&frame.payload),
                'Z' => {
                    assert_eq!(frame.json()["digest"], blake3(&content));
                    return content;
                }
                other => panic!(
                    "{other} in a file: {:?}",
                    String::from_utf8_lossy(&frame.payload)
                ),
            }
        }
    }

    /// The names of a listing, sorted.
    pub fn list(&mut self, payload: &Value) -> Vec<String> {
        self.send(&request('L', payload));
        let mut names = Vec::new();
        loop {
            let frame = self.next().expect("a listing");
            if frame.letter == 'Z' {
                assert_eq!(frame.json()["entries"], names.len());
                names.sort();
                return names;
            }
            assert_eq!(
                frame.letter,
                'D',
                "{:?}",
                String::from_utf8_lossy(&frame.payload)
            );
            for line in frame
                .payload
                .split(|&b| b == b'\n')
                .filter(|line| !line.is_empty())
            {
                let entry: Value = serde_json::from_slice(line).expect("an entry");
                names.push(entry["name"].as_str().expect("name").to_owned());
            }
        }
    }

    /// The `A` that proves the secret of the tests.
    pub fn proof(&self, mac: Mac, role: Role) -> Value {
        let nonce = [7; 32];
        let secret = Secret::new(SECRET.as_bytes()).expect("secret");
        let seen = Transcript {
            hello: &self.hello.payload,
            client_nonce: &nonce,
            channel: b"",
        };
        let proof = seen.prove(&secret, role, mac);
        json!({"nonce": hex(&nonce), "mac": mac, "proof": hex(&proof)})
    }
}

/// A connection from `source`, an address of this machine, with nothing heard yet.
pub fn from(source: [u8; 4], address: &str) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .expect("socket");
    let [a, b, c, d] = source;
    bind(fd.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).expect("bind");
    let there: std::net::SocketAddrV4 = address.parse().expect("an address");
    connect(fd.as_raw_fd(), &SockaddrIn::from(there)).expect("connect");
    TcpStream::from(fd)
}

/// The first `U` of a login.
pub fn first_message(user: &str) -> Value {
    json!({"message": format!("n,,n={user},r=abcdefghijklmnopqrstuvwx")})
}

/// The frames of a whole upload.
pub fn put(payload: Value, content: &[u8]) -> Vec<u8> {
    let mut bytes = request('P', &payload);
    for piece in content.chunks(300_000) {
        bytes.extend(frame('D', piece));
    }
    bytes.extend(request(
        'Z',
        &json!({"size": content.len(), "digest": blake3(content)}),
    ));
    bytes
}

fn read(mut socket: &TcpStream) -> Option<Frame> {
    let mut head = [0; 5];
    let mut got = 0;
    while got < head.len() {
        match socket.read(&mut head[got..]) {
            Ok(0) if got == 0 => return None,
            Ok(0) => panic!("the stream ended within a header"),
            Ok(n) => got += n,
            // A read with a deadline is not taken up again by the kernel (signal(7)).
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => panic!("read: {error}"),
        }
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut payload = vec![0; length as usize];
    socket.read_exact(&mut payload).expect("payload");
    Some(Frame {
        letter: char::from(head[0]),
        payload,
    })
}

pub fn blake3(content: &[u8]) -> String {
    let mut hasher = Hasher::new(Kind::Blake3);
    hasher.update(content);
    hasher.finish().to_hex()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes that no compression and no accident makes equal to others.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}
