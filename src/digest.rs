//! Digests of file contents. Used by the library (children) and by the client.

use md5::Digest as _;
use serde::{Deserialize, Serialize};

/// Which digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// BLAKE3, 32 bytes: the default, several times faster than the others.
    #[default]
    Blake3,
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256,
    /// MD5 (RFC 1321), 16 bytes: finds damage, proves nothing against malice.
    Md5,
}

impl Kind {
    /// All, the best first.
    pub const ALL: [Kind; 3] = [Kind::Blake3, Kind::Sha256, Kind::Md5];

    /// The name on the wire and on command lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Blake3 => "blake3",
            Kind::Sha256 => "sha256",
            Kind::Md5 => "md5",
        }
    }

    /// Bytes of a value.
    #[must_use]
    pub fn length(self) -> usize {
        if self == Kind::Md5 { 16 } else { 32 }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Kind, String> {
        Kind::ALL
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| format!("no digest {text}: blake3, sha256 or md5"))
    }
}

/// A finished digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    kind: Kind,
    bytes: [u8; 32],
}

impl Value {
    /// The value from its bytes; None when their number does not fit.
    #[must_use]
    pub fn new(kind: Kind, given: &[u8]) -> Option<Value> {
        let mut bytes = [0; 32];
        bytes.get_mut(..given.len())?.copy_from_slice(given);
        (given.len() == kind.length()).then_some(Value { kind, bytes })
    }

    /// The value from hexadecimal text.
    #[must_use]
    pub fn from_hex(kind: Kind, text: &str) -> Option<Value> {
        Value::new(kind, &hex::decode(text).ok()?)
    }

    /// Which digest this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.kind.length()]
    }

    /// Lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.as_bytes())
    }
}

/// A digest being computed.
// The sizes differ, but there is one of these per transfer: a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Clone)]
pub enum Hasher {
    /// BLAKE3.
    Blake3(blake3::Hasher),
    /// SHA-256.
    Sha256(sha2::Sha256),
    /// MD5.
    Md5(md5::Md5),
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind().as_str())
    }
}

impl Hasher {
    /// Starts one.
    #[must_use]
    pub fn new(kind: Kind) -> Hasher {
        match kind {
            Kind::Blake3 => Hasher::Blake3(blake3::Hasher::new()),
            Kind::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Kind::Md5 => Hasher::Md5(md5::Md5::new()),
        }
    }

    /// Which digest it computes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Hasher::Blake3(_) => Kind::Blake3,
            Hasher::Sha256(_) => Kind::Sha256,
            Hasher::Md5(_) => Kind::Md5,
        }
    }

    /// Takes further bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Md5(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all that was taken in.
    #[must_use]
    pub fn finish(&self) -> Value {
        let kind = self.kind();
        let mut bytes = [0; 32];
        match self {
            Hasher::Blake3(hasher) => bytes.copy_from_slice(hasher.finalize().as_bytes()),
            Hasher::Sha256(hasher) => bytes.copy_from_slice(&hasher.clone().finalize()),
            Hasher::Md5(hasher) => bytes[..16].copy_from_slice(&hasher.clone().finalize()),
        }
        Value { kind, bytes }
    }
}

/// A check sum being computed that somebody asked for by name: a digest, or the CRC-32 of old clients, which only finds
/// damage and is no `Kind`: nothing is proved by it, offered by it or kept with a file.
// As above: there is one of these at a time.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum Checksum {
    /// One of the digests.
    Digest(Hasher),
    /// CRC-32 (IEEE 802.3, as in zip and gzip), 4 bytes.
    Crc32(crc32fast::Hasher),
}

impl Checksum {
    /// Starts one by a digest.
    #[must_use]
    pub fn digest(kind: Kind) -> Checksum {
        Checksum::Digest(Hasher::new(kind))
    }

    /// Starts a CRC-32.
    #[must_use]
    pub fn crc32() -> Checksum {
        Checksum::Crc32(crc32fast::Hasher::new())
    }

    /// Takes further bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Checksum::Digest(hasher) => hasher.update(bytes),
            Checksum::Crc32(hasher) => hasher.update(bytes),
        }
    }

    /// The sum of all that was taken in, in lower-case hexadecimal, with its leading zeros.
    #[must_use]
    pub fn finish(self) -> String {
        match self {
            Checksum::Digest(hasher) => hasher.finish().to_hex(),
            Checksum::Crc32(hasher) => format!("{:08x}", hasher.finalize()),
        }
    }
}

/// Computes one of each kind, and forgets it. What the crates find out about the processor at their first use, by instructions
/// that are slow in virtual machines, is then known to every process forked later.
pub fn warm_up() {
    let bytes = [0; 8192];
    for kind in Kind::ALL {
        let mut hasher = Hasher::new(kind);
        hasher.update(&bytes);
        std::hint::black_box(hasher.finish());
    }
    let mut sum = Checksum::crc32();
    sum.update(&bytes);
    std::hint::black_box(sum.finish());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_abc() {
        for (kind, hex) in [
            (Kind::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (
                Kind::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                Kind::Blake3,
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            ),
        ] {
            let mut hasher = Hasher::new(kind);
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish().to_hex(), hex);
            assert_eq!(Value::from_hex(kind, hex), Some(hasher.finish()));
            assert_eq!(Value::from_hex(kind, &hex[2..]), None);
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let mut sum = Checksum::digest(kind);
            sum.update(b"abc");
            assert_eq!(sum.finish(), hex);
        }
    }

    #[test]
    fn the_check_value_of_crc_32_and_its_leading_zeros() {
        let crc = |bytes: &[u8]| {
            let mut sum = Checksum::crc32();
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            sum.update(head);
            sum.update(tail);
            sum.finish()
        };
        assert_eq!(crc(b"123456789"), "cbf43926");
        assert_eq!(crc(b""), "00000000");
        assert_eq!(crc(b"adfcc"), "000576a0");
    }
}
