//! Lines of the control connection, out of whatever pieces it brings, with Telnet taken out (RFC 854, RFC 959 section 5.3).
//! Run by children that serve FTP. One fixed buffer a session: nothing a client sends makes it grow.

use memchr::memchr;
use zeroize::Zeroize;

/// Longest line that is served, in bytes, without its end and after Telnet is taken out.
pub const LONGEST_LINE: usize = 4096;

/// The most of a line that is kept: one byte over the longest tells that it is too long.
const KEPT: usize = LONGEST_LINE + 1;

/// Room that is left beside the longest unfinished line, its end and a held CR.
const SLACK: usize = 1021;

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
            self.start = 0;
        }
        // One byte may become two: the held CR and what shows that it was no line end.
        &mut self.buffer[self.end + usize::from(self.cr)..]
    }

    /// Takes in the first `n` bytes of what `room` gave.
    pub fn filled(&mut self, n: usize) {
        let from = self.end + usize::from(self.cr);
        for at in from..from.saturating_add(n).min(self.buffer.len()) {
            // The write position never passes the read position: room left a byte for the held CR.
            let byte = self.buffer[at];
            self.take(byte);
        }
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
        waiting[..length].zeroize();
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
