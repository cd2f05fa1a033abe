//! TYPE A: lines end with CR LF on the wire and with LF in files (RFC 959, section 3.1.1.1). Run by children that serve FTP.
//!
//! A line that ends with CR LF in the file is sent as it is, not with a second CR: such a file came from somebody who meant
//! line ends, and whoever takes one CR away again would be left with one that nobody wrote. The price is that it comes
//! back with LF alone if it is sent here again in this type.

use memchr::{memchr, memchr_iter};

/// Converts one transfer, in one direction, in pieces of any size.
#[derive(Debug, Clone, Copy, Default)]
pub struct Converter {
    /// To the wire: the last byte was a CR. From the wire: a CR is held until it is known what follows.
    cr: bool,
}

impl Converter {
    /// At the beginning of a file.
    #[must_use]
    pub fn new() -> Converter {
        Converter::default()
    }

    /// Adds `from`, a piece of a file, to `into`, as it is to be sent.
    pub fn to_wire(&mut self, from: &[u8], into: &mut Vec<u8>) {
        into.reserve(from.len() + memchr_iter(b'\n', from).count());
        let mut rest = from;
        while let Some(end) = memchr(b'\n', rest) {
            into.extend_from_slice(&rest[..end]);
            let after_cr = if end == 0 {
                self.cr
            } else {
                rest[end - 1] == b'\r'
            };
            into.extend_from_slice(if after_cr { b"\n" } else { b"\r\n" });
            rest = &rest[end + 1..];
            self.cr = false;
        }
        into.extend_from_slice(rest);
        if let Some(&last) = rest.last() {
            self.cr = last == b'\r';
        }
    }

    /// Adds `from`, a piece of what was received, to `into`, as it is to be stored. A CR at its end is held back.
    pub fn from_wire(&mut self, from: &[u8], into: &mut Vec<u8>) {
        let Some(&first) = from.first() else {
            return;
        };
        into.reserve(from.len() + 1);
        if std::mem::take(&mut self.cr) && first != b'\n' {
            into.push(b'\r');
        }
        let mut rest = from;
        while let Some(cr) = memchr(b'\r', rest) {
            into.extend_from_slice(&rest[..cr]);
            match rest.get(cr + 1) {
                Some(b'\n') => into.push(b'\n'),
                Some(_) => {
                    into.push(b'\r');
                    rest = &rest[cr + 1..];
                    continue;
                }
                None => {
                    self.cr = true;
                    return;
                }
            }
            rest = &rest[cr + 2..];
        }
        into.extend_from_slice(rest);
    }

    /// After the last piece of what was received: a CR that was held back was the last byte.
    pub fn finish(&mut self, into: &mut Vec<u8>) {
        if std::mem::take(&mut self.cr) {
            into.push(b'\r');
        }
    }

    /// How many bytes `to_wire` would add: SIZE in TYPE A (RFC 3659, section 4).
    pub fn counted(&mut self, from: &[u8]) -> u64 {
        let bare = memchr_iter(b'\n', from)
            .filter(|&at| {
                if at == 0 {
                    !self.cr
                } else {
                    from[at - 1] != b'\r'
                }
            })
            .count();
        if let Some(&last) = from.last() {
            self.cr = last == b'\r';
        }
        (from.len() + bare) as u64
    }
}
