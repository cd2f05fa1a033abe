//! The digest of a file in a field: `Repr-Digest` (RFC 9530, section 3), a dictionary of digests by their names (RFC 9651,
//! section 3.2). Pure.
//!
//! Of those SHA-256 alone is known here. Others may stand beside it; they are not looked at.

use crate::digest::{Kind, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// It is no dictionary of digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadDigest;

const NAME: &[u8] = b"sha-256";

/// The SHA-256 among the `values` of all fields; None when there is none.
///
/// # Errors
/// When something stands there that is no digest, or SHA-256 twice.
pub fn parse<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<Value>, BadDigest> {
    let mut found = None;
    for member in values.flat_map(|value| value.split(|&b| b == b',')) {
        let (name, digest) = member_of(member.trim_ascii()).ok_or(BadDigest)?;
        if name != NAME {
            continue;
        }
        let value = Value::new(Kind::Sha256, &digest).ok_or(BadDigest)?;
        if found.replace(value).is_some() {
            return Err(BadDigest);
        }
    }
    Ok(found)
}

/// The field that says `value`; None for what has no name there.
#[must_use]
pub fn field(value: &Value) -> Option<String> {
    (value.kind() == Kind::Sha256)
        .then(|| format!("sha-256=:{}:", STANDARD.encode(value.as_bytes())))
}

/// `name=:base64:`, and parameters that say nothing here.
fn member_of(member: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let equals = memchr::memchr(b'=', member)?;
    let (name, value) = (&member[..equals], &member[equals + 1..]);
    let is_name = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(b);
    if name.is_empty() || !name.iter().all(is_name) {
        return None;
    }
    let text = value.strip_prefix(b":")?;
    let end = memchr::memchr(b':', text)?;
    let after = &text[end + 1..];
    if !after.is_empty() && after[0] != b';' {
        return None;
    }
    Some((name, STANDARD.decode(&text[..end]).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hasher;

    const EMPTY: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

    fn read(fields: &[&str]) -> Result<Option<Value>, BadDigest> {
        parse(fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn a_digest_is_said_and_understood() {
        let empty = Hasher::new(Kind::Sha256).finish();
        assert_eq!(field(&empty).as_deref(), Some(EMPTY));
        assert_eq!(field(&Hasher::new(Kind::Md5).finish()), None);
        for fields in [
            &[EMPTY][..],
            &[&format!("sha-512=:AAAA:, {EMPTY}")],
            &[&format!("{EMPTY};x=1"), "md5=::"],
            &["unixsum=:AAA=:", EMPTY],
        ] {
            assert_eq!(read(fields), Ok(Some(empty)), "{fields:?}");
        }
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["md5=:AAAA:"]), Ok(None));
    }

    #[test]
    fn what_is_none_is_refused() {
        let twice = format!("{EMPTY}, {EMPTY}");
        for field in [
            "",
            ",",
            "sha-256",
            "sha-256=",
            "sha-256=::",
            "sha-256=:AAAA:",
            "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU:",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:x",
            "SHA-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "=:AAAA:",
            "md5=:!:",
            &format!("{EMPTY},"),
            &twice,
        ] {
            assert_eq!(read(&[field]), Err(BadDigest), "{field:?}");
        }
        assert_eq!(read(&[EMPTY, EMPTY]), Err(BadDigest));
        assert_eq!(parse([&b"\xff=:AAAA:"[..]].into_iter()), Err(BadDigest));
    }
}
