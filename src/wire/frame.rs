//! Frames: one ASCII letter, four bytes of length (big-endian), the payload. Read and written by children and clients
//! over any byte stream. Whatever way the stream was cut into packets, frames come out whole.

mod writer;

pub use writer::{Sink, Writer};

use std::io::{self, Read};

/// Bytes before each payload.
pub const HEADER: usize = 5;
/// Longest payload of every frame but `D`.
pub const MAX_CONTROL: usize = 64 * 1024;
/// Longest payload of a `D` frame that is accepted.
pub const MAX_DATA: usize = 8 * 1024 * 1024;
/// Payload of the `D` frames we send: small enough to report an error soon, large enough that a header costs nothing.
pub const DATA_CHUNK: usize = 1024 * 1024;
/// What a reader holds at first; it grows when the peer sends faster than requests are answered.
const FIRST_BUFFER: usize = 4 * 1024;
/// The first bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `A` to `Z`.
    pub letter: u8,
    /// Bytes of payload that follow.
    pub length: u32,
}

impl Header {
    /// The header as it is sent.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER] {
        let [a, b, c, d] = self.length.to_be_bytes();
        [self.letter, a, b, c, d]
    }

    /// Reads a header.
    ///
    /// # Errors
    /// `NoFrame` for a first byte that is no capital letter; `TooLong` above `MAX_DATA` for `D`, `MAX_CONTROL` for all others.
    pub fn decode([letter, a, b, c, d]: [u8; HEADER]) -> Result<Header, Broken> {
        if !letter.is_ascii_uppercase() {
            return Err(Broken::NoFrame(letter));
        }
        let length = u32::from_be_bytes([a, b, c, d]);
        let most = if letter == b'D' {
            MAX_DATA
        } else {
            MAX_CONTROL
        };
        if length as usize > most {
            return Err(Broken::TooLong { letter, length });
        }
        Ok(Header { letter, length })
    }
}

/// Why no further frame can be had from a stream.
#[derive(Debug)]
pub enum Broken {
    /// The stream itself failed.
    Io(io::Error),
    /// The stream ended within a frame.
    Truncated,
    /// This byte begins no frame.
    NoFrame(u8),
    /// More payload than that letter may have.
    TooLong {
        /// The frame's letter.
        letter: u8,
        /// The length it claims.
        length: u32,
    },
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Io(error) => write!(f, "{error}"),
            Broken::Truncated => f.write_str("the connection ended within a frame"),
            Broken::NoFrame(byte) => write!(f, "byte 0x{byte:02x} begins no frame"),
            Broken::TooLong { letter, length } => write!(
                f,
                "frame {} of {length} bytes is too long",
                char::from(*letter)
            ),
        }
    }
}

impl std::error::Error for Broken {}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Io(error)
    }
}

/// Takes frames from a stream.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> Reader<R> {
    /// Frames of `inner`.
    pub fn new(inner: R) -> Reader<R> {
        Reader {
            inner,
            buffer: vec![0; FIRST_BUFFER],
            start: 0,
            end: 0,
        }
    }

    /// The stream underneath.
    pub fn inner(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The next header; None when the stream ended before one began.
    ///
    /// # Errors
    /// `Broken`.
    pub fn header(&mut self) -> Result<Option<Header>, Broken> {
        if !self.gather(HEADER)? {
            return if self.end == self.start {
                Ok(None)
            } else {
                Err(Broken::Truncated)
            };
        }
        let mut bytes = [0; HEADER];
        bytes.copy_from_slice(&self.buffer[self.start..self.start + HEADER]);
        self.start += HEADER;
        Header::decode(bytes).map(Some)
    }

    /// The whole payload of a frame other than `D`.
    ///
    /// # Errors
    /// `Broken`.
    pub fn control(&mut self, header: Header) -> Result<&[u8], Broken> {
        let length = header.length as usize;
        if length > MAX_CONTROL {
            return Err(Broken::TooLong {
                letter: header.letter,
                length: header.length,
            });
        }
        if !self.gather(length)? {
            return Err(Broken::Truncated);
        }
        let from = self.start;
        self.start += length;
        Ok(&self.buffer[from..from + length])
    }

    /// Reads some of the `left` bytes of payload into `into`, at least one unless `left` or `into` is empty, and lowers `left`.
    ///
    /// # Errors
    /// `Broken`.
    pub fn data(&mut self, left: &mut u32, into: &mut [u8]) -> Result<usize, Broken> {
        let most = into.len().min(*left as usize);
        let ready = (self.end - self.start).min(most);
        let got = if ready > 0 {
            into[..ready].copy_from_slice(&self.buffer[self.start..self.start + ready]);
            self.start += ready;
            ready
        } else if most < FIRST_BUFFER {
            // Small payloads come by way of the buffer, with whatever follows them.
            if most > 0 && !self.gather(1)? {
                return Err(Broken::Truncated);
            }
            let ready = (self.end - self.start).min(most);
            into[..ready].copy_from_slice(&self.buffer[self.start..self.start + ready]);
            self.start += ready;
            ready
        } else {
            match read_some(&mut self.inner, &mut into[..most])? {
                0 => return Err(Broken::Truncated),
                got => got,
            }
        };
        *left -= got as u32;
        Ok(got)
    }

    /// Passes over the payload of a frame.
    ///
    /// # Errors
    /// `Broken`.
    pub fn skip(&mut self, header: Header) -> Result<(), Broken> {
        let mut left = header.length;
        let mut waste = [0; FIRST_BUFFER];
        while left > 0 {
            self.data(&mut left, &mut waste)?;
        }
        Ok(())
    }

    /// True while bytes of further frames are already here.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.end > self.start
    }

    /// Makes `wanted` bytes stand in the buffer; false when the stream ends first.
    fn gather(&mut self, wanted: usize) -> Result<bool, Broken> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        while self.end - self.start < wanted {
            if self.start > 0 && self.buffer.len() - self.start < wanted.max(FIRST_BUFFER) {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.buffer.len() || self.buffer.len() - self.start < wanted {
                let larger = (self.buffer.len() * 4).clamp(wanted, MAX_CONTROL + HEADER);
                self.buffer.resize(larger, 0);
            }
            match read_some(&mut self.inner, &mut self.buffer[self.end..])? {
                0 => return Ok(false),
                got => self.end += got,
            }
            // The peer is ahead of us: next time take more at once.
            if self.end == self.buffer.len() && self.buffer.len() < MAX_CONTROL + HEADER {
                let larger = (self.buffer.len() * 4).min(MAX_CONTROL + HEADER);
                self.buffer.resize(larger, 0);
            }
        }
        Ok(true)
    }
}

fn read_some<R: Read>(from: &mut R, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Sink for Vec<u8> {
        fn send(&mut self, bytes: &[u8], _: bool) -> io::Result<()> {
            self.extend_from_slice(bytes);
            Ok(())
        }
    }

    /// Gives its bytes in pieces of the given sizes, over and over.
    struct Pieces<'a>(&'a [u8], Vec<usize>, usize);
    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = self.1[self.2 % self.1.len()]
                .max(1)
                .min(into.len())
                .min(self.0.len());
            self.2 += 1;
            into[..most].copy_from_slice(&self.0[..most]);
            self.0 = &self.0[most..];
            Ok(most)
        }
    }

    #[test]
    fn headers() {
        let header = Header {
            letter: b'L',
            length: 258,
        };
        assert_eq!(header.encode(), [b'L', 0, 0, 1, 2]);
        assert_eq!(Header::decode(header.encode()).expect("header"), header);
        assert!(matches!(
            Header::decode(*b"GET /"),
            Err(Broken::TooLong { letter: b'G', .. })
        ));
        assert!(matches!(
            Header::decode([0x16, 3, 1, 0, 0]),
            Err(Broken::NoFrame(0x16))
        ));
        assert!(matches!(
            Header::decode([b'L', 0, 1, 0, 1]),
            Err(Broken::TooLong { .. })
        ));
        assert!(Header::decode([b'D', 0, 128, 0, 0]).is_ok());
        assert!(Header::decode([b'D', 0, 128, 0, 1]).is_err());
    }

    #[test]
    fn an_end_between_frames_is_an_end_and_within_one_is_not() {
        let whole = [b'Q', 0, 0, 0, 2, b'{', b'}'];
        for cut in 0..=whole.len() {
            let mut reader = Reader::new(&whole[..cut]);
            match (cut, reader.header()) {
                (0, Ok(None)) | (1..5, Err(Broken::Truncated)) => {}
                (5.., Ok(Some(header))) => {
                    assert_eq!(reader.control(header).is_ok(), cut == whole.len())
                }
                (cut, other) => panic!("cut at {cut}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            frames in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..20_000)), 0..12),
            pieces in proptest::collection::vec(1usize..30_000, 1..6),
        ) {
            let mut writer = Writer::new(Vec::new());
            for (data, payload) in &frames {
                writer.bytes(if *data { b'D' } else { b'N' }, payload).expect("write");
            }
            writer.flush().expect("flush");
            let sent = std::mem::take(writer.sink());
            let mut reader = Reader::new(Pieces(&sent, pieces, 0));
            for (data, payload) in &frames {
                let header = reader.header().expect("frame").expect("frame");
                prop_assert_eq!(header.letter, if *data { b'D' } else { b'N' });
                if *data {
                    let mut got = vec![0; payload.len()];
                    let (mut left, mut at) = (header.length, 0);
                    while left > 0 {
                        at += reader.data(&mut left, &mut got[at..]).expect("data");
                    }
                    prop_assert_eq!(&got, payload);
                } else {
                    prop_assert_eq!(reader.control(header).expect("control"), &payload[..]);
                }
            }
            prop_assert!(reader.header().expect("end").is_none());
        }

        #[test]
        fn any_bytes_are_refused_or_read_but_never_more(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes[..]);
            while let Ok(Some(header)) = reader.header() {
                if reader.skip(header).is_err() {
                    break;
                }
            }
            prop_assert!(reader.buffer.len() <= MAX_CONTROL + HEADER);
        }
    }
}
