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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut converter, mut counter, mut out) =
            (Converter::new(), Converter::new(), Vec::new());
        for piece in pieces {
            let before = out.len();
            converter.to_wire(piece, &mut out);
            assert_eq!(counter.counted(piece), (out.len() - before) as u64);
        }
        out
    }

    fn stored(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut converter, mut out) = (Converter::new(), Vec::new());
        for piece in pieces {
            converter.from_wire(piece, &mut out);
        }
        converter.finish(&mut out);
        out
    }

    #[test]
    fn sent_table() {
        for (file, wire) in [
            ("", ""),
            ("a", "a"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\r\nb", "a\r\nb"),
            ("a\r\r\n", "a\r\r\n"),
            ("\n\n", "\r\n\r\n"),
            ("\r\n\n", "\r\n\r\n"),
            ("a\rb\r", "a\rb\r"),
        ] {
            assert_eq!(sent(&[file.as_bytes()]), wire.as_bytes(), "{file:?}");
        }
        assert_eq!(sent(&[b"a\r", b"\n"]), b"a\r\n");
        assert_eq!(sent(&[b"a\r", b"", b"\nb"]), b"a\r\nb");
        assert_eq!(sent(&[b"a\r\n", b"\n"]), b"a\r\n\r\n");
    }

    #[test]
    fn stored_table() {
        for (wire, file) in [
            ("", ""),
            ("a\r\nb\r\n", "a\nb\n"),
            ("a\nb", "a\nb"),
            ("a\rb", "a\rb"),
            ("a\r", "a\r"),
            ("a\r\r\n", "a\r\n"),
            ("\r\n\r\n", "\n\n"),
        ] {
            assert_eq!(stored(&[wire.as_bytes()]), file.as_bytes(), "{wire:?}");
        }
        assert_eq!(stored(&[b"a\r", b"\nb"]), b"a\nb");
        assert_eq!(stored(&[b"a\r", b"", b"\r", b"\n"]), b"a\r\n");
        assert_eq!(stored(&[b"a\r", b"b"]), b"a\rb");
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\r\n\nab\xff".to_vec()), 0..200)
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(file in text(), size in 1usize..20) {
            let pieces: Vec<_> = file.chunks(size).collect();
            prop_assert_eq!(sent(&pieces), sent(&[&file]));
            prop_assert_eq!(stored(&pieces), stored(&[&file]));
        }

        #[test]
        fn as_the_model_has_it(file in text()) {
            let text: String = file.iter().map(|&b| char::from(b)).collect();
            let bytes = |text: String| text.chars().map(|c| c as u8).collect::<Vec<_>>();
            let from_wire = text.replace("\r\n", "\n");
            prop_assert_eq!(sent(&[&file]), bytes(from_wire.replace('\n', "\r\n")));
            prop_assert_eq!(stored(&[&file]), bytes(from_wire));
        }

        #[test]
        fn there_and_back(mut lines in prop::collection::vec(text(), 0..10)) {
            for line in &mut lines {
                line.retain(|&b| b != b'\n');
                line.truncate(line.iter().rposition(|&b| b != b'\r').map_or(0, |last| last + 1));
            }
            let (file, wire) = (lines.join(&b"\n"[..]), lines.join(&b"\r\n"[..]));
            prop_assert_eq!(sent(&[&file]), wire.as_slice());
            prop_assert_eq!(stored(&[&wire]), file);
        }
    }
}
