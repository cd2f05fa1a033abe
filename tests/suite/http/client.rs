//! A client of HTTP, answer by answer: says what a test wants said, in the clear or under TLS, right or wrong.

use crate::parity::client::{Tls, Wire, narrow, tcp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

/// An answer. Names of fields are in small letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body came to the end that was said.
    pub whole: bool,
}

impl Answer {
    /// The value of a field that stands there once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.fields.iter().filter(|(known, _)| known == name);
        let value = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} stands there twice");
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON: {e}: {self:?}"))
    }
}

/// A connection.
pub struct Http {
    wire: Wire,
    unread: Vec<u8>,
    /// Whether what was asked for is answered without a body, in order.
    heads: VecDeque<bool>,
    /// What stands in every request: its lines.
    pub always: String,
}

impl Http {
    pub fn knock(address: &str) -> Http {
        Http::over(Wire::Plain(tcp(address.parse().expect("address"))))
    }

    /// The same of a client that takes little before it reads.
    pub fn knock_narrowly(address: &str) -> Http {
        Http::over(Wire::Plain(narrow(address.parse().expect("address"))))
    }

    /// The same from `source`, an address of this machine.
    pub fn knock_from(source: [u8; 4], address: &str) -> Http {
        let socket = crate::parity::client::ready(crate::peer::from(source, address));
        Http::over(Wire::Plain(socket))
    }

    /// The same under TLS.
    pub fn knock_secure(address: &str, tls: &Tls) -> Http {
        let socket = tcp(address.parse().expect("address"));
        Http::over(tls.shake(socket).expect("TLS"))
    }

    fn over(wire: Wire) -> Http {
        Http {
            wire,
            unread: Vec::new(),
            heads: VecDeque::new(),
            always: "Host: localhost\r\n".into(),
        }
    }

    /// A connection whose requests are all of this user's, with the password of all tests. Nobody's when the name is empty.
    pub fn of(address: &str, user: &str) -> Http {
        Http::knock(address).by(user)
    }

    pub fn by(mut self, user: &str) -> Http {
        if !user.is_empty() {
            self.always += &format!("Authorization: {}\r\n", basic(user, "pencil"));
        }
        self
    }

    /// The same, let in: the library is lent.
    pub fn enter(address: &str, user: &str) -> Http {
        let mut http = Http::of(address, user);
        assert_eq!(http.json("/").code, 200, "{user}");
        http
    }

    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// The address that the server knows it by.
    pub fn address(&self) -> SocketAddr {
        self.wire.socket().local_addr().expect("address")
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("send");
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.wire.write_all(bytes)?;
        self.wire.flush()
    }

    /// Sends a head with these lines and what always stands there.
    pub fn say(&mut self, method: &str, target: &str, lines: &str) {
        let head = self.head(method, target, lines);
        self.send(head.as_bytes());
    }

    fn head(&mut self, method: &str, target: &str, lines: &str) -> String {
        self.heads.push_back(method == "HEAD");
        format!("{method} {target} HTTP/1.1\r\n{}{lines}\r\n", self.always)
    }

    /// The answer to a request without a body.
    pub fn ask(&mut self, method: &str, target: &str, lines: &str) -> Answer {
        self.say(method, target, lines);
        self.hear()
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "")
    }

    /// The same as a program asks that reads JSON.
    pub fn json(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "Accept: application/json\r\n")
    }

    /// The answer to a request with a body of a known length.
    pub fn pass(&mut self, method: &str, target: &str, lines: &str, body: &[u8]) -> Answer {
        let lines = format!("{lines}Content-Length: {}\r\n", body.len());
        let head = self.head(method, target, &lines);
        // A server that wants no more hangs up, and has said why.
        let _ = self.try_send(&[head.as_bytes(), body].concat());
        self.hear()
    }

    pub fn put(&mut self, target: &str, body: &[u8]) -> Answer {
        self.pass("PUT", target, "", body)
    }

    /// The answer to a request, which has this code.
    pub fn expect(&mut self, method: &str, target: &str, lines: &str, code: u16) -> Answer {
        let answer = self.ask(method, target, lines);
        assert_eq!(answer.code, code, "{method} {target}: {answer:?}");
        answer
    }

    /// The next answer.
    pub fn hear(&mut self) -> Answer {
        self.next().expect("an answer")
    }

    /// The next answer, without those that only say that it will come; None at the end of the connection, however it ended.
    pub fn next(&mut self) -> Option<Answer> {
        let mut answer = self.begin()?;
        let head_only = self.heads.pop_front().unwrap_or(false);
        if head_only || matches!(answer.code, 204 | 304) {
            return Some(answer);
        }
        let chunked = answer.field("transfer-encoding") == Some("chunked");
        let length = answer.field("content-length").map(str::to_owned);
        match length {
            Some(length) => {
                assert!(!chunked, "two lengths");
                let length = length.parse().expect("a length");
                answer.whole = self.fill(length);
                let there = length.min(self.unread.len());
                answer.body = self.unread.drain(..there).collect();
            }
            None if chunked => answer.whole = self.chunks(&mut answer.body),
            None => {
                assert_eq!(answer.field("connection"), Some("close"), "where it ends");
                while self.more() {}
                answer.body = std::mem::take(&mut self.unread);
            }
        }
        Some(answer)
    }

    /// The head of the next answer, with what came of its body left to be read.
    pub fn begin(&mut self) -> Option<Answer> {
        loop {
            let mut lines = Vec::new();
            loop {
                match self.line() {
                    Some(line) if line.is_empty() => break,
                    Some(line) => lines.push(line),
                    None => {
                        assert!(lines.is_empty(), "it ended within a head: {lines:?}");
                        return None;
                    }
                }
            }
            let code = lines[0].strip_prefix("HTTP/1.1 ").expect("HTTP");
            let code = code[..3].parse().expect("a code");
            if code == 100 {
                continue;
            }
            let field = |line: &String| {
                let (name, value) = line.split_once(": ").expect("a field");
                (name.to_ascii_lowercase(), value.to_owned())
            };
            return Some(Answer {
                code,
                fields: lines[1..].iter().map(field).collect(),
                body: Vec::new(),
                whole: true,
            });
        }
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(size) = self.line() else {
                return false;
            };
            let size = usize::from_str_radix(&size, 16).expect("a size");
            if !self.fill(size + 2) {
                return false;
            }
            body.extend(self.unread.drain(..size));
            assert_eq!(self.unread.drain(..2).collect::<Vec<_>>(), b"\r\n");
            if size == 0 {
                return true;
            }
        }
    }

    /// A line; None when the connection ended before.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.unread.split_off(at + 2);
                let line = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8(line[..at].to_vec()).expect("text"));
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// True once so many bytes are there; false when there will not be.
    pub fn fill(&mut self, count: usize) -> bool {
        while self.unread.len() < count {
            if !self.more() {
                return false;
            }
        }
        true
    }

    /// Reads on; false at the end, however the connection ended.
    fn more(&mut self) -> bool {
        let mut piece = [0; 65536];
        loop {
            return match self.wire.read(&mut piece) {
                Ok(0) => false,
                Ok(came) => {
                    self.unread.extend_from_slice(&piece[..came]);
                    true
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("nothing came in time");
                }
                // Reset, or cut under TLS.
                Err(_) => false,
            };
        }
    }

    /// What was waited for with `fill` is this, and is taken.
    pub fn expect_whole(&mut self, content: &[u8]) {
        let came: Vec<_> = self.unread.drain(..content.len()).collect();
        assert!(came == content, "something else");
        self.heads.clear();
    }

    /// True when something waits to be heard, if only the end.
    pub fn is_heard(&mut self) -> bool {
        let socket = self.wire.socket();
        socket.set_nonblocking(true).expect("socket");
        let there = socket.peek(&mut [0]);
        socket.set_nonblocking(false).expect("socket");
        !self.unread.is_empty() || !there.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The connection ends here.
    pub fn expect_end(&mut self) {
        let next = self.next();
        assert!(next.is_none(), "{next:?}");
    }
}

/// The value of `Authorization` for a name and a password (RFC 7617).
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A path as it stands in a target, from the root: every part percent-encoded.
pub fn target(path: &str) -> String {
    let encode = |part| {
        percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace("%2E", ".")
            .replace("%2D", "-")
    };
    let parts: Vec<_> = path.split('/').map(encode).collect();
    format!("/{}", parts.join("/"))
}
