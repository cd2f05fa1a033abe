//! Lines of the control connection, out of whatever pieces it brings, with Telnet taken out (RFC 854, RFC 959 section 5.3).
//! Run by children that serve FTP. One fixed buffer a session: nothing a client sends makes it grow.

use memchr::memchr;
use zeroize::Zeroize;

/// Longest line that is served, in bytes, without its end and after Telnet is taken out.
pub const LONGEST_LINE: usize = 4096;

/// The most of a line that is kept: one byte over the longest tells that it is too long.
const KEPT: usize = LONGEST_LINE + 1;

/// The least that can be read at once while no line is whole.
const SLACK: usize = 1021;

/// Beside them the places of a CR and an IAC that are held back.
const SIZE: usize = KEPT + 2 + SLACK;

/// Telnet's bytes (RFC 854).
mod telnet {
    pub(super) const SE: u8 = 240;
    pub(super) const SB: u8 = 250;
    pub(super) const WILL: u8 = 251;
    pub(super) const DONT: u8 = 254;
    pub(super) const IAC: u8 = 255;
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line without its end. May be empty, and may hold any byte but LF.
    Command(Vec<u8>),
    /// A line over `LONGEST_LINE`. What it said is thrown away.
    TooLong,
}

/// Where Telnet stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Telnet {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After IAC WILL, WONT, DO or DONT: the option follows.
    Option,
    /// Within IAC SB.
    Negotiation,
    /// After IAC within IAC SB.
    NegotiationCommand,
}

/// The buffer and what is known about it. Lines that are whole lie at `start..unfinished`, each with LF as its end; the one
/// that is still coming at `unfinished..end`.
#[derive(Debug)]
pub struct Lines {
    buffer: Box<[u8]>,
    start: usize,
    unfinished: usize,
    end: usize,
    telnet: Telnet,
    /// A CR was read and not written: what follows decides what it is.
    cr: bool,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::new()
    }
}

impl Lines {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> Lines {
        Lines {
            buffer: vec![0; SIZE].into_boxed_slice(),
            start: 0,
            unfinished: 0,
            end: 0,
            telnet: Telnet::Text,
            cr: false,
        }
    }

    /// Where the next bytes are to be read to; `filled` then says how many came. It is empty only while `has_line`: a read
    /// into it then would look like the end of the stream, so lines are taken out first.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.unfinished -= self.start;
            self.end -= self.start;
            self.buffer[self.end..][..self.start].zeroize();
            self.start = 0;
        }
        let from = self.reading_from();
        &mut self.buffer[from..]
    }

    /// Takes in the first `n` bytes of what `room` gave.
    pub fn filled(&mut self, n: usize) {
        let from = self.reading_from();
        let to = from.saturating_add(n).min(self.buffer.len());
        for at in from..to {
            // What is written never passes what is read: each byte that is held back has its place kept free.
            let byte = self.buffer[at];
            self.take(byte);
        }
        // Where bytes were left out, what came in stands behind what is kept, for a second time.
        self.buffer[self.end..to].zeroize();
    }

    /// The next whole line.
    #[allow(clippy::should_implement_trait)] // None is no end: more may come.
    pub fn next(&mut self) -> Option<Line> {
        let waiting = &mut self.buffer[self.start..self.unfinished];
        let length = memchr(b'\n', waiting)?;
        let line = if length > LONGEST_LINE {
            Line::TooLong
        } else {
            Line::Command(waiting[..length].to_vec())
        };
        // It may have been a password.
        waiting[..=length].zeroize();
        self.start += length + 1;
        Some(line)
    }

    /// True when `next` would give a line.
    #[must_use]
    pub fn has_line(&self) -> bool {
        self.start < self.unfinished
    }

    /// True when nothing was read that is not yet given out: no line, no piece of one, nothing half of Telnet's. After AUTH
    /// TLS anything else is somebody's attempt to put words into the protected session (RFC 4217, section 15).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end && !self.cr && self.telnet == Telnet::Text
    }

    /// Forgets all that was read and not given out.
    pub fn clear(&mut self) {
        self.buffer.zeroize();
        (self.start, self.unfinished, self.end) = (0, 0, 0);
        (self.telnet, self.cr) = (Telnet::Text, false);
    }

    /// Behind what is kept, with a place left for each byte that was read and may still be written: a CR, an IAC.
    fn reading_from(&self) -> usize {
        self.end + usize::from(self.cr) + usize::from(self.telnet == Telnet::Command)
    }

    fn take(&mut self, byte: u8) {
        use telnet::{DONT, IAC, SB, SE, WILL};
        self.telnet = match (self.telnet, byte) {
            (Telnet::Text, IAC) => Telnet::Command,
            (Telnet::Text, _) => {
                self.text(byte);
                Telnet::Text
            }
            (Telnet::Command, IAC) => {
                self.text(IAC);
                Telnet::Text
            }
            (Telnet::Command, SB) => Telnet::Negotiation,
            (Telnet::Command, WILL..=DONT) => Telnet::Option,
            (Telnet::Command, SE..) => Telnet::Text,
            (Telnet::Command, _) => {
                // No command of Telnet's: a client that knows nothing of it sent a name in an 8-bit character set.
                self.text(IAC);
                self.text(byte);
                Telnet::Text
            }
            (Telnet::Option, _) => Telnet::Text,
            (Telnet::Negotiation, IAC) => Telnet::NegotiationCommand,
            (Telnet::Negotiation, _) => Telnet::Negotiation,
            (Telnet::NegotiationCommand, SE) => Telnet::Text,
            (Telnet::NegotiationCommand, _) => Telnet::Negotiation,
        };
    }

    /// One byte of text: CR LF and LF end the line, CR NUL is CR.
    fn text(&mut self, byte: u8) {
        let after_cr = std::mem::replace(&mut self.cr, byte == b'\r');
        match byte {
            b'\r' if after_cr => self.keep(b'\r'),
            b'\r' => (),
            b'\n' => {
                self.buffer[self.end] = b'\n';
                self.end += 1;
                self.unfinished = self.end;
            }
            0 if after_cr => self.keep(b'\r'),
            _ => {
                if after_cr {
                    self.keep(b'\r');
                }
                self.keep(byte);
            }
        }
    }

    /// Adds to the unfinished line, unless it is known to be too long.
    fn keep(&mut self, byte: u8) {
        if self.end - self.unfinished < KEPT {
            self.buffer[self.end] = byte;
            self.end += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All lines of `input`, read in pieces of these lengths, over and over.
    fn read(input: &[u8], pieces: &[usize]) -> (Vec<Line>, Lines) {
        let (mut lines, mut given, mut rest) = (Lines::new(), Vec::new(), input);
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let room = lines.room();
            let n = rest
                .len()
                .min(room.len())
                .min(*pieces.next().expect("a piece"));
            room[..n].copy_from_slice(&rest[..n]);
            lines.filled(n);
            rest = &rest[n..];
            while let Some(line) = lines.next() {
                given.push(line);
            }
            assert!(!lines.has_line());
            assert!(
                lines.room().len() >= SLACK,
                "an unfinished line leaves room"
            );
        }
        (given, lines)
    }

    fn commands(input: &[u8]) -> Vec<Vec<u8>> {
        let command = |line| match line {
            Line::Command(text) => text,
            Line::TooLong => b"TOO LONG".to_vec(),
        };
        read(input, &[usize::MAX])
            .0
            .into_iter()
            .map(command)
            .collect()
    }

    #[test]
    fn table() {
        for (input, expected) in [
            (&b"NOOP\r\n"[..], &[&b"NOOP"[..]][..]),
            (b"NOOP\n", &[b"NOOP"]),
            (b"NOOP\r\nQUIT\r\n", &[b"NOOP", b"QUIT"]),
            (b"\r\n\n", &[b"", b""]),
            (b"NOOP", &[]),
            (b"NOOP\r", &[]),
            // RFC 854, "The NVT Printer and Keyboard".
            (b"CWD a\r\0b\r\n", &[b"CWD a\rb"]),
            (b"CWD a\rb\r\n", &[b"CWD a\rb"]),
            (b"CWD a\r\r\n", &[b"CWD a\r"]),
            (b"CWD a\0\r\n", &[b"CWD a\0"]),
            // Interrupt and data mark before ABOR.
            (b"\xff\xf4\xff\xf2ABOR\r\n", &[b"ABOR"]),
            (b"NO\xff\xf1OP\r\n", &[b"NOOP"]),
            (
                b"\xff\xfb\x01\xff\xfc\x02\xff\xfd\x03\xff\xfe\x04NOOP\r\n",
                &[b"NOOP"],
            ),
            (b"\xff\xfd\nNOOP\r\n", &[b"NOOP"]),
            (b"\xff\xfa\x18\n\xff\xff\xf0\xff\xf0NOOP\r\n", &[b"NOOP"]),
            (b"RETR \xff\xff\r\n", &[b"RETR \xff"]),
            // Russian names of Windows clients that double nothing.
            (b"RETR \xe8\xff.txt\r\n", &[b"RETR \xe8\xff.txt"]),
            (b"RETR \xff\r\n", &[b"RETR \xff"]),
            (b"NOOP\r\xff\xf1\n", &[b"NOOP"]),
        ] {
            assert_eq!(
                commands(input),
                expected,
                "{}",
                String::from_utf8_lossy(input)
            );
        }
    }

    #[test]
    fn a_long_line_is_thrown_away_and_said_once() {
        let mut input = vec![b'x'; LONGEST_LINE];
        input.extend_from_slice(b"\r\nNOOP\r\n");
        assert_eq!(commands(&input)[0].len(), LONGEST_LINE);
        input.insert(0, b'x');
        assert_eq!(commands(&input), [&b"TOO LONG"[..], b"NOOP"]);
        let mut input = vec![b'x'; 1 << 20];
        input.extend_from_slice(b"\nNOOP\n");
        assert_eq!(commands(&input), [&b"TOO LONG"[..], b"NOOP"]);
        assert!(
            read(&vec![b'x'; 1 << 20], &[1000]).0.is_empty(),
            "nothing before its end"
        );
    }

    #[test]
    fn a_flood_of_telnet_yields_nothing() {
        for flood in [
            &b"\xff\xf1"[..],
            b"\xff\xfb\x01",
            b"\xff\xfa\x01\xff\xf0",
            b"\xff\xf4",
        ] {
            let (given, mut lines) = read(&flood.repeat(100_000), &[1021, 3, 7]);
            assert!(given.is_empty() && lines.is_empty(), "{flood:?}");
            assert_eq!(lines.buffer.len(), SIZE);
            assert_eq!(lines.room().len(), SIZE);
        }
    }

    #[test]
    fn lines_that_wait_are_kept_when_there_is_no_room() {
        let mut lines = Lines::new();
        loop {
            let room = lines.room();
            let n = room.len().min(700);
            if n == 0 {
                break;
            }
            room[..n].fill(b'\n');
            lines.filled(n);
        }
        assert!(lines.has_line());
        assert_eq!(std::iter::from_fn(|| lines.next()).count(), SIZE);
        assert!(lines.is_empty());
    }

    #[test]
    fn what_is_not_given_out_is_known() {
        for piece in [
            &b"x"[..],
            b"\r",
            b"\xff",
            b"\xff\xfb",
            b"\xff\xfa\x01",
            b"NOOP\r\n",
        ] {
            let mut lines = Lines::new();
            assert!(lines.is_empty());
            lines.room()[..piece.len()].copy_from_slice(piece);
            lines.filled(piece.len());
            assert!(!lines.is_empty(), "{piece:?}");
            lines.clear();
            assert!(lines.is_empty() && !lines.has_line());
            assert_eq!(lines.next(), None);
        }
    }

    #[test]
    fn a_password_does_not_linger() {
        let (_, mut lines) = read(b"USER u\r\nPASS secret\r\nNO", &[usize::MAX]);
        lines.room();
        let kept = lines.buffer.iter().filter(|&&byte| byte != 0).count();
        assert_eq!(kept, 2, "NO");
    }

    /// The same by another road: Telnet first, then lines.
    fn model(input: &[u8]) -> Vec<Line> {
        let (mut text, mut at) = (Vec::new(), 0);
        while at < input.len() {
            at += match &input[at..] {
                [255, 255, ..] => {
                    text.push(255);
                    2
                }
                [255, 251..=254, ..] => 3,
                [255, 250, inside @ ..] => {
                    let (mut end, mut found) = (0, false);
                    while !found && end < inside.len() {
                        found = inside[end..].starts_with(&[255, 240]);
                        end += if inside[end] == 255 { 2 } else { 1 };
                    }
                    2 + end
                }
                [255, 240..=249, ..] => 2,
                [255] => 1,
                [byte, ..] => {
                    text.push(*byte);
                    1
                }
                [] => 1,
            };
        }
        let mut lines: Vec<_> = text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        lines.pop();
        let line = |mut line: Vec<u8>| {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            let mut clean: Vec<u8> = Vec::new();
            // A NUL goes where a CR that takes it with it stood before.
            let mut after_cr = false;
            for byte in line {
                if !(byte == 0 && after_cr) {
                    clean.push(byte);
                }
                after_cr = byte == b'\r';
            }
            if clean.len() > LONGEST_LINE {
                Line::TooLong
            } else {
                Line::Command(clean)
            }
        };
        lines.into_iter().map(line).collect()
    }

    fn talk() -> impl Strategy<Value = Vec<u8>> {
        let special = prop::sample::select(vec![
            0u8, b'\r', b'\n', 240, 241, 250, 251, 254, 255, 255, b'a',
        ]);
        let piece = prop_oneof![
            8 => special.prop_map(|byte| vec![byte]),
            2 => any::<u8>().prop_map(|byte| vec![byte]),
            1 => Just(b"RETR name\r\n".to_vec()),
            1 => (4000usize..4200).prop_map(|n| vec![b'x'; n]),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(input in talk(), pieces in prop::collection::vec(1usize..1500, 1..6)) {
            let (whole, _) = read(&input, &[usize::MAX]);
            prop_assert_eq!(&whole, &read(&input, &pieces).0);
            prop_assert_eq!(&whole, &read(&input, &[1]).0);
            prop_assert_eq!(whole, model(&input));
        }
    }
}
