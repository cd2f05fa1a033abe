//! An answer as it is put together: status, fields, content. Run by a child.

use crate::wire::http::status::reason;
use std::fmt::Write as _;
use std::time::SystemTime;

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    content: Vec<u8>,
}

/// How much content follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    Unknown,
}

impl Reply {
    /// Without content.
    pub(super) fn new(status: u16) -> Reply {
        Reply {
            status,
            fields: Vec::new(),
            content: Vec::new(),
        }
    }

    /// With content of that type.
    pub(super) fn with_content(status: u16, kind: &str, content: impl Into<Vec<u8>>) -> Reply {
        let mut reply = Reply::new(status).field("Content-Type", kind);
        reply.content = content.into();
        reply
    }

    /// One line for people.
    pub(super) fn text(status: u16, line: &str) -> Reply {
        Reply::with_content(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }

    /// For programs.
    pub(super) fn json(status: u16, value: &serde_json::Value) -> Reply {
        Reply::with_content(status, "application/json", format!("{value}\n"))
    }

    /// One field more. What stands in it that could end it is left out.
    pub(super) fn field(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        let mut value = value.into();
        value.retain(|c| !c.is_control());
        self.fields.push((name, value));
        self
    }

    /// The same with that content, whose type is among the fields already.
    pub(super) fn containing(mut self, content: Vec<u8>) -> Reply {
        self.content = content;
        self
    }

    #[allow(dead_code)]
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// The head. Whatever the content is, no browser guesses what it could be instead (nosniff).
    pub(super) fn head(&self, length: Length, chunks: bool, last: bool, old: bool) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nDate: {}\r\nServer: forkftp\r\nX-Content-Type-Options: nosniff\r\n",
            self.status,
            reason(self.status),
            httpdate::fmt_http_date(SystemTime::now()),
        );
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // These never have content (RFC 9110, section 8.6).
        let may_have = self.status >= 200 && self.status != 204 && self.status != 304;
        match length {
            Length::Known(length) if may_have => {
                let _ = write!(head, "Content-Length: {length}\r\n");
            }
            Length::Unknown if chunks => head.push_str("Transfer-Encoding: chunked\r\n"),
            _ => {}
        }
        if last {
            head.push_str("Connection: close\r\n");
        } else if old {
            head.push_str("Connection: keep-alive\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
