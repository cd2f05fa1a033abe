//! Names of files as JSON strings, without loss: Unix names are bytes, JSON strings are Unicode.
//!
//! What is valid UTF-8 stands as it is, except `%`. Every other byte, and `%` itself, is written as `%XX`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::Write as _;

/// A file name or path as it travels: any bytes. Not checked; `path::RelPath` does that.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Name(pub Vec<u8>);

/// The text form of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for (i, plain) in chunk.valid().split('%').enumerate() {
            if i > 0 {
                text.push_str("%25");
            }
            text.push_str(plain);
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The bytes behind `text`; None when a `%` is not followed by two hexadecimal digits.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let whole = text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    });
    whole.then(|| percent_encoding::percent_decode_str(text).collect())
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        decode(&text)
            .map(Name)
            .ok_or_else(|| serde::de::Error::custom("a % without two hexadecimal digits"))
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Name {
        Name(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (bytes, text) in [
            (&b"plain name.txt"[..], "plain name.txt"),
            ("grün 文件".as_bytes(), "grün 文件"),
            (b"100%", "100%25"),
            (b"latin-1 \xfcber", "latin-1 %FCber"),
            (b"\xff\xfe", "%FF%FE"),
            (b"new\nline", "new\nline"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        assert_eq!(decode("%66oo").as_deref(), Some(&b"foo"[..]));
        for bad in ["%", "%4", "a%zz", "%%41"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_survives(bytes: Vec<u8>) {
            let json = serde_json::to_string(&Name(bytes.clone())).expect("json");
            prop_assert_eq!(serde_json::from_str::<Name>(&json).expect("json").0, bytes);
        }
    }
}
