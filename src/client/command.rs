//! `X`: having a command of the server's operator run, and what becomes of its output. Run by the client.

use super::link::Link;
use super::session::Client;
use super::{Error, Result, show};
use crate::sys::Errno;
use crate::wire::drive::{Commands, Ended, Offer, Run, RunEnd, letter};
use std::io::{self, IsTerminal, Write};

/// Exit codes of `forkftp run` for what is no end of the command's own.
pub mod code {
    /// The command wrote more than the server lets it.
    pub const OUTPUT: u8 = 123;
    /// Its time was over.
    pub const TIME: u8 = 124;
    /// It was refused, or was never heard of again.
    pub const FAILED: u8 = 125;
    /// What is added to the number of the signal that killed it.
    pub const SIGNAL: u8 = 128;
}

/// Bytes taken off a frame at once.
const PIECE: usize = 64 * 1024;

impl Client {
    /// The commands that the server runs for this client.
    ///
    /// # Errors
    /// As any request: `Refused`, `Lost`, `Protocol`, `Interrupted`.
    pub fn commands(&mut self) -> Result<Vec<Offer>> {
        self.check_letter(letter::RUN)?;
        self.send(letter::RUN, &Run::default())?;
        self.flush()?;
        let listed: Commands = self.expect(letter::OK)?;
        Ok(listed.commands)
    }

    /// Has the server run the command `name`; its output and its errors go to `to`, as they come. Returns how it ended: that it failed is
    /// no error here.
    ///
    /// The connection's end, and so this value's, ends the command. Bytes come from the server as they are: not for a terminal.
    ///
    /// # Errors
    /// `Refused`, also after some of the output; `Lost`, `Protocol`, `Interrupted`; `Local` when `to` fails, which ends the connection.
    pub fn run(&mut self, name: &str, to: &mut impl Write) -> Result<RunEnd> {
        self.check_letter(letter::RUN)?;
        let name = Some(name.to_owned());
        self.send(letter::RUN, &Run { name })?;
        self.flush()?;
        loop {
            let header = self.next_frame()?;
            match header.letter {
                letter::DATA => {
                    let mut left = header.length;
                    let mut piece = std::mem::take(&mut self.buffer);
                    piece.resize(piece.len().max(PIECE), 0);
                    let passed = self.pass_on(&mut left, &mut piece, to);
                    self.buffer = piece;
                    passed?;
                }
                letter::END => return self.parse(header),
                letter::ERROR => return Err(self.fault(header)),
                other => return Err(self.unexpected(other, "output of the command")),
            }
        }
    }

    fn pass_on(&mut self, left: &mut u32, piece: &mut [u8], to: &mut impl Write) -> Result<()> {
        while *left > 0 {
            let got = match self.reader.data(left, piece) {
                Ok(got) => got,
                Err(broken) => return Err(self.failed(broken)),
            };
            let written = to.write_all(&piece[..got]);
            if let Err(error) = written.and_then(|()| to.flush()) {
                // Nobody reads on: the command is not to go on either.
                self.abandon();
                let number = error.raw_os_error();
                return Err(number.map_or_else(
                    || Error::here(format!("write: {error}")),
                    |number| Error::local("write", Errno::from_raw(number)),
                ));
            }
        }
        Ok(())
    }
}

/// Has `name` run, with its output on standard output: on a terminal made harmless, unless it is wanted `raw`.
///
/// # Errors
/// As `Client::run`.
pub fn run(link: &mut Link, name: &str, raw: bool) -> Result<RunEnd> {
    let stdout = io::stdout();
    let tames = stdout.is_terminal() && !raw;
    let mut to = stdout.lock();
    if !tames {
        return link.client()?.run(name, &mut to);
    }
    let mut to = Tame::new(to);
    let ended = link.client()?.run(name, &mut to)?;
    to.finish()
        .map_err(|error| Error::here(format!("write: {error}")))?;
    Ok(ended)
}

/// Shows the commands that there are on standard output, one a line.
///
/// # Errors
/// As `Client::commands`.
pub fn list(link: &mut Link) -> Result<()> {
    let offers = link.client()?.commands()?;
    let mut to = io::stdout().lock();
    for Offer { name, description } in offers {
        let (name, description) = (
            show::clean(name.as_bytes()),
            show::clean(description.as_bytes()),
        );
        // A reader that has gone has seen enough.
        let _ = writeln!(to, "{}", format!("{name:<20} {description}").trim_end());
    }
    Ok(())
}

/// How it ended, for people; None when all is well.
#[must_use]
pub fn reason(end: RunEnd) -> Option<String> {
    match end {
        RunEnd { exit: Some(0), .. } => None,
        RunEnd {
            exit: Some(code), ..
        } => Some(format!("exit code {code}")),
        RunEnd {
            signal: Some(signal),
            ..
        } => Some(format!("killed by signal {signal}")),
        RunEnd {
            ended: Some(Ended::Time),
            ..
        } => Some("ended: its time was over".into()),
        RunEnd {
            ended: Some(Ended::Output),
            ..
        } => Some("ended: it wrote more than the server lets it".into()),
        _ => Some("ended in a way that this program does not know".into()),
    }
}

/// The exit code of `forkftp run`: the command's own where it has one.
#[must_use]
pub fn exit_code(end: RunEnd) -> u8 {
    match end {
        RunEnd {
            exit: Some(code), ..
        } => code,
        RunEnd {
            signal: Some(signal),
            ..
        } => code::SIGNAL.saturating_add(signal),
        RunEnd {
            ended: Some(Ended::Time),
            ..
        } => code::TIME,
        RunEnd {
            ended: Some(Ended::Output),
            ..
        } => code::OUTPUT,
        _ => code::FAILED,
    }
}

/// Makes text harmless on its way to a terminal: everything but letters, newlines and tabs is written as an escape. A character that comes in
/// two pieces is waited for.
#[derive(Debug)]
struct Tame<W> {
    to: W,
    /// The beginning of a character.
    rest: Vec<u8>,
}

impl<W: Write> Tame<W> {
    fn new(to: W) -> Tame<W> {
        Tame {
            to,
            rest: Vec::new(),
        }
    }

    /// Writes what no more will be added to.
    fn finish(mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        self.to.write_all(show::clean(&rest).as_bytes())?;
        self.to.flush()
    }
}

impl<W: Write> Write for Tame<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let whole = all.len() - unfinished(&all);
        self.rest = all.split_off(whole);
        let mut text = String::with_capacity(all.len());
        for piece in all.split_inclusive(|byte| matches!(byte, b'\n' | b'\t')) {
            match piece.split_last() {
                Some((&end @ (b'\n' | b'\t'), before)) => {
                    text += &show::clean(before);
                    text.push(char::from(end));
                }
                _ => text += &show::clean(piece),
            }
        }
        self.to.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Bytes at the end that may be the beginning of a character of UTF-8.
fn unfinished(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let begin = bytes[from..].iter().rposition(|byte| *byte >= 0xc0);
    let Some(begin) = begin.map(|at| from + at) else {
        return 0;
    };
    match std::str::from_utf8(&bytes[begin..]) {
        Err(error) if error.error_len().is_none() => bytes.len() - begin,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tamed(pieces: &[&[u8]]) -> String {
        let mut shown = Vec::new();
        let mut tame = Tame::new(&mut shown);
        for piece in pieces {
            tame.write_all(piece).expect("write");
        }
        tame.finish().expect("finish");
        String::from_utf8(shown).expect("text")
    }

    #[test]
    fn a_terminal_is_not_reached_by_escapes() {
        for (bytes, shown) in [
            (&b"a\tb\nc"[..], "a\tb\nc"),
            (b"\x1b[31mred\x1b[0m\n", "\\x1b[31mred\\x1b[0m\n"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            (b"50%\r100%\n", "50%\\r100%\n"),
            ("ü\u{9b}1m\u{202e}".as_bytes(), "ü\\u{9b}1m\\u{202e}"),
            (b"\xff\xfe\n", "\\xff\\xfe\n"),
            (b"cut \xc3", "cut \\xc3"),
            ("文件 🦀\n".as_bytes(), "文件 🦀\n"),
        ] {
            assert_eq!(tamed(&[bytes]), shown);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(tamed(&single), shown, "byte by byte");
        }
    }

    #[test]
    fn codes_tell_the_ends_apart() {
        for (end, code) in [
            (RunEnd::exit(0), 0),
            (RunEnd::exit(3), 3),
            (RunEnd::exit(255), 255),
            (RunEnd::signal(9), 137),
            (RunEnd::signal(127), 255),
            (RunEnd::ended(Ended::Time), 124),
            (RunEnd::ended(Ended::Output), 123),
            (RunEnd::ended(Ended::Unknown), 125),
            (RunEnd::default(), 125),
        ] {
            assert_eq!(exit_code(end), code, "{end:?}");
            assert_eq!(reason(end).is_none(), code == 0);
        }
    }
}
