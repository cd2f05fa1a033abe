//! The ledger: one line of JSON for each upload, download, deletion and rename, in a file that is only ever added to. Written by the
//! broker, which knows who did it, and by a client that keeps receipts of its own uploads; read by the commands that ask what was done.
//!
//! A line is whole or it is damaged: it is written in one piece, and what was cut short is never continued.

pub mod append;
pub mod files;
pub mod read;

use crate::digest::{Kind, Value};
use crate::error::Code;
use crate::wire::Protocol;
use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::IpAddr;

/// Longest line that is read, bytes: a rename has two paths, each byte of which may take six.
pub const LONGEST: usize = 64 * 1024;

/// What was done, or was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// A file came from a client.
    Upload,
    /// A file, a part of one, or a folder as an archive went to a client.
    Download,
    /// A file or folder was removed.
    Delete,
    /// A file or folder got another name.
    Rename,
}

impl Verb {
    /// The word in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Upload => "upload",
            Verb::Download => "download",
            Verb::Delete => "delete",
            Verb::Rename => "rename",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was begun, and broken off: the client left, or the process that served it was ended.
    Cut,
    /// It was not done.
    Refused(Code),
}

impl Outcome {
    /// The word in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Cut => "cut",
            Outcome::Refused(code) => code.as_str(),
        }
    }
}

impl From<Code> for Outcome {
    fn from(code: Code) -> Outcome {
        match code {
            Code::Cancelled => Outcome::Cut,
            code => Outcome::Refused(code),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Outcome, D::Error> {
        use serde::de::value::{Error, StrDeserializer};
        let word = std::borrow::Cow::<str>::deserialize(from)?;
        Ok(match &*word {
            "ok" => Outcome::Ok,
            "cut" => Outcome::Cut,
            word => {
                let word = StrDeserializer::<Error>::new(word);
                Outcome::Refused(Code::deserialize(word).unwrap_or(Code::Unknown))
            }
        })
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was over.
    pub time: Timestamp,
    /// What was done.
    pub deed: Verb,
    /// What came of it.
    pub outcome: Outcome,
    /// Of an upload that was stored: what its receipt is known by, 16 hexadecimal digits.
    pub id: Option<String>,
    /// The session, as it stands in the log.
    pub session: Option<String>,
    /// By whom; none for who did not log in.
    pub user: Option<String>,
    /// By which protocol; none for what the server does by itself, when the time of a file in a drop box is over.
    pub face: Option<Protocol>,
    /// From where; none for a peer without an address.
    pub address: Option<IpAddr>,
    /// The share link by which it was got.
    pub share: Option<String>,
    /// From the library's root, in the letters of `wire::name`. Where nothing was done it may be no path at all.
    pub path: String,
    /// The new path of a rename.
    pub to: Option<String>,
    /// Bytes that came or went; of a file that was removed, those it had.
    pub size: Option<u64>,
    /// Of the whole file.
    pub digest: Option<Value>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// Milliseconds, in UTC.
fn moment(time: Timestamp) -> String {
    format!("{time:.3}")
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("time", &moment(self.time))?;
        map.serialize_entry("deed", &self.deed)?;
        map.serialize_entry("outcome", &self.outcome)?;
        let mut word = |key, value: &Option<String>| match value {
            Some(value) => map.serialize_entry(key, value),
            None => Ok(()),
        };
        word("id", &self.id)?;
        word("session", &self.session)?;
        word("user", &self.user)?;
        if let Some(face) = self.face {
            map.serialize_entry("face", &face)?;
        }
        if let Some(address) = self.address {
            map.serialize_entry("address", &address.to_canonical())?;
        }
        if let Some(share) = &self.share {
            map.serialize_entry("share", share)?;
        }
        map.serialize_entry("path", &self.path)?;
        if let Some(path) = &self.to {
            map.serialize_entry("to", path)?;
        }
        if let Some(size) = self.size {
            map.serialize_entry("size", &size)?;
        }
        if let Some(digest) = &self.digest {
            map.serialize_entry(digest.kind().as_str(), &digest.to_hex())?;
        }
        map.serialize_entry("millis", &self.millis)?;
        map.end()
    }
}

impl Line {
    /// The line, with its end.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        with_end(self)
    }
}

/// Lines that could not be written when they were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// When this was written.
    pub time: Timestamp,
    /// How many they are.
    pub count: u64,
    /// When the first of them was due.
    pub since: Timestamp,
}

impl Serialize for Lost {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("time", &moment(self.time))?;
        map.serialize_entry("deed", "lost")?;
        map.serialize_entry("count", &self.count)?;
        map.serialize_entry("since", &moment(self.since))?;
        map.end()
    }
}

impl Lost {
    /// The line, with its end.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        with_end(self)
    }
}

fn with_end<T: Serialize>(line: &T) -> Vec<u8> {
    // Strings and numbers: there is nothing in it that JSON cannot say.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Something was done, or was to be.
    Deed(Box<Line>),
    /// Lines are missing here.
    Lost(Lost),
    /// Something that a newer server writes.
    Unknown,
}

/// Every key of every line. Unknown ones are passed over: a newer server may say more.
#[derive(Deserialize)]
struct Raw {
    time: Timestamped,
    deed: String,
    outcome: Option<Outcome>,
    id: Option<String>,
    session: Option<String>,
    user: Option<String>,
    face: Option<Protocol>,
    address: Option<IpAddr>,
    share: Option<String>,
    path: Option<String>,
    to: Option<String>,
    size: Option<u64>,
    sha256: Option<String>,
    blake3: Option<String>,
    md5: Option<String>,
    #[serde(default)]
    millis: u64,
    count: Option<u64>,
    since: Option<Timestamped>,
}

struct Timestamped(Timestamp);

impl<'de> Deserialize<'de> for Timestamped {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Timestamped, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        let time = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Timestamped(time))
    }
}

impl Entry {
    /// Reads one line, without its end. None for one that is damaged.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Entry> {
        let raw: Raw = serde_json::from_slice(line).ok()?;
        let Timestamped(time) = raw.time;
        let deed = match &*raw.deed {
            "upload" => Verb::Upload,
            "download" => Verb::Download,
            "delete" => Verb::Delete,
            "rename" => Verb::Rename,
            "lost" => {
                let (count, since) = (raw.count?, raw.since.map_or(time, |since| since.0));
                return Some(Entry::Lost(Lost { time, count, since }));
            }
            _ => return Some(Entry::Unknown),
        };
        let digests = [
            (Kind::Sha256, raw.sha256),
            (Kind::Blake3, raw.blake3),
            (Kind::Md5, raw.md5),
        ];
        let mut digest = None;
        for (kind, hex) in digests {
            if let Some(hex) = hex {
                digest = Some(Value::from_hex(kind, &hex)?);
            }
        }
        // By itself the server does nothing but remove.
        if raw.face.is_none() && deed != Verb::Delete {
            return None;
        }
        let path = raw.path?;
        crate::wire::name::decode(&path)?;
        if let Some(to) = &raw.to {
            crate::wire::name::decode(to)?;
        }
        Some(Entry::Deed(Box::new(Line {
            time,
            deed,
            outcome: raw.outcome?,
            id: raw.id,
            session: raw.session,
            user: raw.user,
            face: raw.face,
            address: raw.address,
            share: raw.share,
            path,
            to: raw.to,
            size: raw.size,
            digest,
            millis: raw.millis,
        })))
    }

    /// When it was written; none for what is not known.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        match self {
            Entry::Deed(line) => Some(line.time),
            Entry::Lost(lost) => Some(lost.time),
            Entry::Unknown => None,
        }
    }
}

/// True for what the receipt of an upload is known by: 16 hexadecimal digits.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            time: "2026-11-21T14:36:27.1234Z".parse().expect("time"),
            deed: Verb::Upload,
            outcome: Outcome::Ok,
            id: Some("0123456789abcdef".into()),
            session: None,
            user: Some("ann".into()),
            face: Some(Protocol::Ftp),
            address: Some("::ffff:192.0.2.7".parse().expect("address")),
            share: None,
            path: "in/a \"b\"%25.pdf".into(),
            to: None,
            size: Some(6),
            digest: Value::from_hex(Kind::Md5, "00112233445566778899aabbccddeeff"),
            millis: 12,
        }
    }

    #[test]
    fn a_line_has_its_keys_in_order_and_is_read_back() {
        let text = String::from_utf8(line().to_bytes()).expect("text");
        assert_eq!(
            text,
            concat!(
                r#"{"time":"2026-11-21T14:36:27.123Z","deed":"upload","outcome":"ok","id":"0123456789abcdef","user":"ann","#,
                r#""face":"ftp","address":"192.0.2.7","path":"in/a \"b\"%25.pdf","size":6,"md5":"00112233445566778899aabbccddeeff","millis":12}"#,
                "\n"
            )
        );
        let Some(Entry::Deed(read)) = Entry::parse(text.trim_end().as_bytes()) else {
            panic!("not read back");
        };
        assert_eq!(read.to_bytes(), text.as_bytes());
        let lost = Lost {
            time: line().time,
            count: 3,
            since: line().time,
        };
        let text = lost.to_bytes();
        assert_eq!(
            String::from_utf8_lossy(&text),
            "{\"time\":\"2026-11-21T14:36:27.123Z\",\"deed\":\"lost\",\"count\":3,\"since\":\"2026-11-21T14:36:27.123Z\"}\n"
        );
        let read = Entry::parse(text.trim_ascii_end());
        assert!(matches!(read, Some(Entry::Lost(Lost { count: 3, .. }))));
    }

    #[test]
    fn outcomes_are_read_whatever_they_say() {
        for (word, outcome) in [
            ("ok", Outcome::Ok),
            ("cut", Outcome::Cut),
            ("no-space", Outcome::Refused(Code::NoSpace)),
            ("of-tomorrow", Outcome::Refused(Code::Unknown)),
        ] {
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::from_str::<Outcome>(&json).expect(word), outcome);
        }
        assert_eq!(Outcome::from(Code::Cancelled), Outcome::Cut);
    }

    #[test]
    fn damage_is_seen() {
        let text = String::from_utf8(line().to_bytes()).expect("text");
        let sound = text.trim_end();
        for (bad, why) in [
            (&sound[..sound.len() - 1], "cut"),
            ("", "empty"),
            ("[1]", "no object"),
            (r#"{"deed":"upload"}"#, "no time"),
            (&sound.replace("2026-11-21T", "2026-13-21T"), "no such day"),
            (&sound.replace(":6,", ":-6,"), "a negative size"),
            (&sound.replace("00112233", "0011223"), "half a digest"),
            (&sound.replace("%25", "%2"), "a path that is none"),
            (&sound.replace("\"face\":\"ftp\",", ""), "no face"),
            (&format!("{sound}{sound}"), "two in one"),
        ] {
            assert_eq!(Entry::parse(bad.as_bytes()), None, "{why}");
        }
        for (other, why) in [
            (sound.replace("upload", "hook"), "a newer deed"),
            (
                sound.replace("\"millis\"", "\"more\":[1],\"millis\""),
                "a newer key",
            ),
        ] {
            assert!(Entry::parse(other.as_bytes()).is_some(), "{why}");
        }
        assert_eq!(
            Entry::parse(sound.replace("upload", "hook").as_bytes()),
            Some(Entry::Unknown)
        );
    }

    #[test]
    fn identifiers() {
        assert!(is_id("0123456789abcdef"));
        for bad in [
            "",
            "0123456789abcde",
            "0123456789ABCDEF",
            "0123456789abcdefg",
        ] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
