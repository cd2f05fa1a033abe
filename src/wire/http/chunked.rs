//! A body in chunks (RFC 9112, section 7.1), taken apart where it stands. Pure.
//!
//! Strict, since what one server takes for the end of a body another may not: sizes are bare hexadecimal digits, lines end with
//! CR LF, extensions and trailers are skipped within bounds.

/// Longest line of a size with its extensions, and most bytes of trailers.
const LONGEST_LINE: usize = 256;
const LONGEST_TRAILERS: usize = 4096;

/// How far a body has come.
#[derive(Debug, Default)]
pub struct Chunked {
    state: State,
    /// Of the line, or the trailers, under way.
    seen: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Digits of a size.
    #[default]
    Start,
    Size(u64),
    /// After the digits, up to the line's end.
    Extension(u64),
    /// CR was seen.
    SizeEnd(u64),
    Data(u64),
    DataEnd,
    DataEndLf,
    /// At the beginning of a trailer line; the body ends with an empty one.
    Trailer,
    TrailerLine,
    TrailerLf,
    LastLf,
    Over,
}

/// It is no body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadChunk;

impl Chunked {
    /// True when the last chunk and what follows it have been taken.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes in `bytes`, and moves the data among them to their beginning. Returns how many were taken in, all but for what follows the
    /// body, and how many data bytes stand at the beginning now.
    ///
    /// # Errors
    /// When they are none of a body in chunks: the connection is good for nothing any more.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<(usize, usize), BadChunk> {
        let (mut at, mut out) = (0, 0);
        while at < bytes.len() && self.state != State::Over {
            if let State::Data(left) = self.state {
                let take = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                bytes.copy_within(at..at + take, out);
                (at, out) = (at + take, out + take);
                let left = left - take as u64;
                self.state = if left == 0 {
                    State::DataEnd
                } else {
                    State::Data(left)
                };
                continue;
            }
            let byte = bytes[at];
            at += 1;
            self.seen += 1;
            let in_trailers = matches!(
                self.state,
                State::Trailer | State::TrailerLine | State::TrailerLf | State::LastLf
            );
            let most = if in_trailers {
                LONGEST_TRAILERS
            } else {
                LONGEST_LINE
            };
            if self.seen > most {
                return Err(BadChunk);
            }
            self.state = self.step(byte)?;
        }
        Ok((at, out))
    }

    fn step(&mut self, byte: u8) -> Result<State, BadChunk> {
        Ok(match (self.state, byte) {
            (State::Start, _) => State::Size(digit(byte).ok_or(BadChunk)?),
            (State::Size(size), b'\r') | (State::Extension(size), b'\r') => State::SizeEnd(size),
            (State::Size(size), b';') => State::Extension(size),
            (State::Size(size), _) => {
                let digit = digit(byte).ok_or(BadChunk)?;
                // One that would run over is none that anybody sends.
                if size >> 59 != 0 {
                    return Err(BadChunk);
                }
                State::Size(size << 4 | digit)
            }
            (State::Extension(size), b' '..=b'~' | b'\t') => State::Extension(size),
            (State::SizeEnd(size), b'\n') => {
                self.seen = 0;
                if size == 0 {
                    State::Trailer
                } else {
                    State::Data(size)
                }
            }
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => {
                self.seen = 0;
                State::Start
            }
            (State::Trailer, b'\r') => State::LastLf,
            (State::Trailer | State::TrailerLine, b' '..=b'~' | b'\t' | 0x80..) => {
                State::TrailerLine
            }
            (State::TrailerLine, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::Trailer,
            (State::LastLf, b'\n') => State::Over,
            _ => return Err(BadChunk),
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body brings, taken in pieces of `step` bytes, and whether it came to its end.
    fn read(body: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), BadChunk> {
        let mut chunked = Chunked::default();
        let (mut data, mut taken) = (Vec::new(), 0);
        for piece in body.chunks(step) {
            let mut piece = piece.to_vec();
            let (took, out) = chunked.decode(&mut piece)?;
            data.extend_from_slice(&piece[..out]);
            taken += took;
        }
        Ok((data, taken, chunked.is_over()))
    }

    #[test]
    fn bodies_are_taken_apart_however_they_come() {
        let body = b"5\r\nhello\r\n1;a=\"b\"\r\n \r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET /";
        for step in 1..body.len() {
            let (data, taken, over) = read(body, step).expect("body");
            assert!(
                over && data == b"hello 0123456789" && taken == body.len() - 5,
                "{step}"
            );
        }
    }

    #[test]
    fn what_servers_could_differ_about_is_refused() {
        for body in [
            &b"5\nhello\r\n0\r\n\r\n"[..],
            b"5 \r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"\r\n",
            b"-1\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5;\x00\r\nhello\r\n",
            b"fffffffffffffffff\r\n",
            b"0\r\nX: y\n\r\n",
        ] {
            for step in [1, 3, 1000] {
                assert_eq!(
                    read(body, step),
                    Err(BadChunk),
                    "{:?}",
                    String::from_utf8_lossy(body)
                );
            }
        }
        let long = [&b"5;"[..], &[b'a'; 300], b"\r\n"].concat();
        assert_eq!(read(&long, 7), Err(BadChunk));
    }
}
