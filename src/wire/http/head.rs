//! The head of a request (RFC 9112, sections 2 to 6; RFC 9110, section 6): method, target, fields, and how long the body is. Pure.
//!
//! httparse takes it apart. What it lets pass and two servers could understand differently is refused here, so that no request can
//! hide in another one (request smuggling, RFC 9112 section 11.2).

use super::target::about;
pub use super::target::{Target, decode, encode, resolve};
use zeroize::Zeroize;

/// Most bytes of a head.
pub const LONGEST_HEAD: usize = 16 * 1024;
/// Most bytes of a request target.
pub const LONGEST_TARGET: usize = 8 * 1024;
/// Most bytes of a method: no line that is taken whole is given up while it comes.
const LONGEST_METHOD: usize = 20;
/// Most fields.
const MOST_FIELDS: usize = 64;
/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Put,
    Post,
    Delete,
    Options,
    /// RFC 4918, section 9.3.
    Mkcol,
    /// RFC 4918, section 9.9.
    Move,
    /// Nothing that this server does.
    Other(String),
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Mkcol => "MKCOL",
            Method::Move => "MOVE",
            Method::Other(name) => name,
        }
    }

    /// True for those that change nothing (RFC 9110, section 9.2.1).
    #[must_use]
    pub fn is_safe(&self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options)
    }

    fn of(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "PUT" => Method::Put,
            "POST" => Method::Post,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "MKCOL" => Method::Mkcol,
            "MOVE" => Method::Move,
            other => Method::Other(other.to_owned()),
        }
    }
}

/// How the body is delimited (RFC 9112, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// A request, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What is to be done.
    pub method: Method,
    /// About what.
    pub target: Target,
    /// The target's path as it was written, for redirects and for the log.
    pub written: String,
    /// What stands after the question mark, as it was written; empty without one.
    pub query: String,
    /// False for HTTP/1.0.
    pub is_1_1: bool,
    /// Names in small letters, values without the blanks around them.
    pub(super) fields: Vec<(String, Vec<u8>)>,
    /// How the body is delimited.
    pub framing: Framing,
    /// The client would go on with this connection.
    pub keep_alive: bool,
    /// The client waits for 100 before it sends the body.
    pub expects_continue: bool,
}

/// Why bytes are no request that can be answered as one. The connection ends after the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The status that says it.
    pub status: u16,
    /// For people.
    pub why: &'static str,
}

pub(super) fn broken<T>(status: u16, why: &'static str) -> Result<T, Broken> {
    Err(Broken { status, why })
}

impl Head {
    /// The head at the beginning of `bytes`, and its length; None while it is not whole.
    ///
    /// # Errors
    /// What is wrong with it: nothing after it can be understood.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Broken> {
        // An empty line before a request is passed over (RFC 9112, section 2.2).
        let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let bytes = &bytes[skipped..];
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return unfinished(bytes);
        };
        let head = &bytes[..end + 4];
        if head.len() > LONGEST_HEAD {
            return too_long(head);
        }
        for newline in memchr::memchr_iter(b'\n', head) {
            if newline == 0 || head[newline - 1] != b'\r' {
                return broken(400, "a line ends with CR LF");
            }
        }
        let mut room = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut request = httparse::Request::new(&mut room);
        match request.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return broken(400, "the head does not end where it should"),
            Err(httparse::Error::TooManyHeaders) => return broken(431, "too many fields"),
            Err(httparse::Error::Version) => {
                return broken(505, "HTTP/1.0 and HTTP/1.1 are spoken here");
            }
            Err(_) => return broken(400, "that is no HTTP request"),
        }
        let (Some(method), Some(target), Some(version)) =
            (request.method, request.path, request.version)
        else {
            return broken(400, "that is no HTTP request");
        };
        if method.len() > LONGEST_METHOD {
            return broken(501, "that method is not known here");
        }
        if target.len() > LONGEST_TARGET {
            return broken(414, "the target is too long");
        }
        let fields = request
            .headers
            .iter()
            .map(|field| {
                (
                    field.name.to_ascii_lowercase(),
                    field.value.trim_ascii().to_vec(),
                )
            })
            .collect();
        Head::of(Method::of(method), target, version == 1, fields)
            .map(|head| Some((head, skipped + end + 4)))
    }

    fn of(
        method: Method,
        target: &str,
        is_1_1: bool,
        fields: Vec<(String, Vec<u8>)>,
    ) -> Result<Head, Broken> {
        let (target, written, query) = about(&method, target)?;
        let mut head = Head {
            method,
            target,
            written,
            query,
            is_1_1,
            fields,
            framing: Framing::None,
            keep_alive: is_1_1,
            expects_continue: false,
        };
        match head.all("host").count() {
            1 => {}
            0 if !is_1_1 => {}
            _ => return broken(400, "a request names one host"),
        }
        head.framing = head.body()?;
        let options: Vec<_> = head.listed("connection").collect();
        for option in options {
            match option.as_str() {
                "close" => head.keep_alive = false,
                "keep-alive" if !is_1_1 => head.keep_alive = true,
                _ => {}
            }
        }
        if let Some(expected) = head.text("expect") {
            if !expected.eq_ignore_ascii_case("100-continue") {
                return broken(417, "that cannot be expected here");
            }
            head.expects_continue = is_1_1 && head.framing != Framing::None;
        }
        Ok(head)
    }

    /// RFC 9112, section 6.3, with everything refused that is said twice.
    fn body(&self) -> Result<Framing, Broken> {
        let mut lengths = self.all("content-length");
        let mut codings = self.all("transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => broken(400, "a body has one length"),
            _ if lengths.next().is_some() || codings.next().is_some() => {
                broken(400, "a body has one length")
            }
            (Some(digits), None) => {
                // Up to 2^63, which every program can count.
                let fits = !digits.is_empty()
                    && digits.len() <= 18
                    && digits.iter().all(u8::is_ascii_digit);
                let length = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|text| text.parse().ok());
                match length {
                    Some(length) if fits => Ok(Framing::Length(length)),
                    _ => broken(400, "the length of the body is no number"),
                }
            }
            (None, Some(_)) if !self.is_1_1 => broken(400, "HTTP/1.0 knows no chunks"),
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (None, Some(_)) => broken(501, "no transfer coding but chunked is known here"),
        }
    }

    /// The values of all fields of that name, in small letters, as they came.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| &value[..])
    }

    /// The value of the one field of that name; None when there is none, or several.
    #[must_use]
    pub fn one<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        let mut all = self.all(name);
        all.next().filter(|_| all.next().is_none())
    }

    /// The same as text; None for one that is no UTF-8.
    #[must_use]
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        std::str::from_utf8(self.one(name)?).ok()
    }

    /// Overwrites and takes out the fields of that name: there was a password in them.
    pub fn forget(&mut self, name: &str) {
        for (known, value) in &mut self.fields {
            if known == name {
                value.zeroize();
            }
        }
        self.fields.retain(|(known, _)| known != name);
    }

    /// The members of a list that may stand in several fields (RFC 9110, section 5.6.1), in small letters.
    pub fn listed<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + use<'a> {
        self.all(name)
            .flat_map(|value| value.split(|&b| b == b','))
            .map(|member| String::from_utf8_lossy(member.trim_ascii()).to_ascii_lowercase())
            .filter(|member| !member.is_empty())
    }
}

/// A head whose end has not come.
fn unfinished<T>(bytes: &[u8]) -> Result<Option<T>, Broken> {
    if bytes.len() >= LONGEST_HEAD {
        return too_long(bytes);
    }
    // Whoever ends lines otherwise would be waited for in vain.
    match memchr::memchr(b'\n', bytes) {
        Some(at) if at == 0 || bytes[at - 1] != b'\r' => broken(400, "a line ends with CR LF"),
        None if bytes.len() > LONGEST_METHOD + LONGEST_TARGET + " / HTTP/1.1".len() => {
            too_long(bytes)
        }
        _ => Ok(None),
    }
}

fn too_long<T>(head: &[u8]) -> Result<T, Broken> {
    match memchr::memchr(b'\n', head) {
        Some(at) if at <= LONGEST_TARGET => broken(431, "the head is too long"),
        _ => broken(414, "the target is too long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::path::RelPath;

    fn parse(text: &str) -> Result<Head, Broken> {
        let (head, length) = Head::parse(text.as_bytes())?.expect("a whole head");
        assert_eq!(length, text.len());
        Ok(head)
    }

    fn status(text: &str) -> u16 {
        parse(text).expect_err(text).status
    }

    #[test]
    fn a_request_is_taken_apart() {
        let head = parse("\r\nPUT /a%20b/%C3%BC?x=%2F HTTP/1.1\r\nHost: h\r\ncontent-length:  5 \r\nX: 1\r\nX: 2\r\nConnection: foo, Close\r\nExpect: 100-Continue\r\n\r\n").expect("head");
        let path = RelPath::parse("a b/ü".as_bytes()).expect("path");
        assert_eq!(
            head.target,
            Target::Library {
                path,
                is_folder: false
            }
        );
        assert_eq!(
            (head.query.as_str(), head.framing),
            ("x=%2F", Framing::Length(5))
        );
        assert!(!head.keep_alive && head.expects_continue && head.is_1_1);
        assert_eq!(head.all("x").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!((head.one("x"), head.text("host")), (None, Some("h")));
        let head = parse("GET http://h/-/time HTTP/1.0\r\n\r\n").expect("head");
        assert!(head.target == Target::Own("time".into()) && !head.keep_alive);
        let root = parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .expect("head")
            .target;
        assert_eq!(
            root,
            Target::Library {
                path: RelPath::root(),
                is_folder: true
            }
        );
        assert_eq!(Head::parse(b"GET / HTTP/1.1\r\nHost: h\r\n"), Ok(None));
    }

    #[test]
    fn what_servers_could_differ_about_is_refused() {
        for (fields, code) in [
            ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Content-Length: +5\r\n", 400),
            ("Content-Length: 5, 5\r\n", 400),
            ("Content-Length: 0x5\r\n", 400),
            ("Content-Length:\r\n", 400),
            ("Content-Length: 99999999999999999999\r\n", 400),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                400,
            ),
            ("Transfer-Encoding: gzip, chunked\r\n", 501),
            ("Transfer-Encoding: identity\r\n", 501),
            ("Transfer-Encoding : chunked\r\n", 400),
            ("X: a\r\n b\r\n", 400),
            ("Host: other\r\n", 400),
            ("Expect: the spanish inquisition\r\n", 417),
            ("X: a\nY: b\r\n", 400),
            ("X: a\rb\r\n", 400),
            ("X\0: a\r\n", 400),
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            assert_eq!(status(&text), code, "{fields:?}");
        }
        assert_eq!(
            status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400
        );
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
        assert_eq!(status("GET / HTTP/1.1\nHost: h\n\r\n\r\n"), 400);
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_has_all_come() {
        let long = "a".repeat(LONGEST_TARGET + 100);
        let code = |text: &str| Head::parse(text.as_bytes()).expect_err("too long").status;
        assert_eq!(code(&format!("GET /{long}")), 414);
        assert_eq!(code(&format!("GET / HTTP/1.1\r\nX: {long}{long}")), 431);
        let many = "X: y\r\n".repeat(MOST_FIELDS + 1);
        assert_eq!(code(&format!("GET / HTTP/1.1\r\n{many}\r\n")), 431);
        assert_eq!(code("GET / HTTP/1.1\nHost"), 400);
    }
}
