//! What stands in a certificate that the operator or the user should know: names, dates, and the key's fingerprint. Read from
//! certificates of our own side only (RFC 5280, section 4.1), never from one that a peer sent: those are rustls's to judge.

use super::Fingerprint;
use std::net::IpAddr;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Host names and addresses it is for (subjectAltName).
    pub names: Vec<String>,
    /// First second in which it holds, since 1970.
    pub not_before: i64,
    /// Last second in which it holds, since 1970.
    pub not_after: i64,
    /// Of its public key.
    pub fingerprint: Fingerprint,
    /// Whose it is, and who signed it: names in DER, to be compared.
    pub subject: Vec<u8>,
    /// See `subject`.
    pub issuer: Vec<u8>,
    /// The object identifier of how it was signed, DER.
    signature: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERAL_TIME: u8 = 0x18;
/// `version` and `extensions` of a TBSCertificate.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// dNSName and iPAddress of a GeneralName.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17, subjectAltName.
const ALT_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// Signatures that can be forged: 1.2.840.113549.1.1.4 and .5, 1.2.840.10045.4.1 (RFC 3279, section 2.2).
const WEAK: [(&[u8], &str); 3] = [
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
        "MD5",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
        "SHA-1",
    ),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], "SHA-1"),
];

impl Facts {
    /// Reads a certificate, DER.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(der: &[u8]) -> Result<Facts, String> {
        facts(der).ok_or_else(|| "is no X.509 certificate".into())
    }

    /// True when it names itself as its signer.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// The digest of its signature, where that can be forged.
    #[must_use]
    pub fn weak_signature(&self) -> Option<&'static str> {
        let weak = WEAK.iter().find(|(id, _)| *id == self.signature);
        weak.map(|(_, digest)| *digest)
    }

    /// What is wrong with it at `now`, seconds since 1970; None when it holds.
    #[must_use]
    pub fn trouble(&self, now: i64) -> Option<String> {
        if now > self.not_after {
            Some(format!("expired on {}", day(self.not_after)))
        } else if now < self.not_before {
            Some(format!("is not valid before {}", day(self.not_before)))
        } else {
            None
        }
    }
}

/// The day of a moment, in UTC.
#[must_use]
pub fn day(moment: i64) -> String {
    jiff::Timestamp::from_second(moment).map_or_else(
        |_| moment.to_string(),
        |moment| moment.strftime("%Y-%m-%d").to_string(),
    )
}

/// One value and what comes after it (X.690, section 8.1): its tag, its content, all of it, the rest.
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

fn value(bytes: &[u8]) -> Option<Value<'_>> {
    let (&tag, after) = bytes.split_first()?;
    let (&first, mut after) = after.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        // Four bytes say more than any certificate has.
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) || after.len() < count {
            return None;
        }
        let (digits, rest) = after.split_at(count);
        after = rest;
        digits
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    if after.len() < length {
        return None;
    }
    let (content, rest) = after.split_at(length);
    let whole = &bytes[..bytes.len() - rest.len()];
    Some(Value {
        tag,
        content,
        whole,
        rest,
    })
}

/// The value at the beginning, which has this tag.
fn expect(bytes: &[u8], tag: u8) -> Option<Value<'_>> {
    value(bytes).filter(|found| found.tag == tag)
}

fn facts(der: &[u8]) -> Option<Facts> {
    let certificate = expect(der, SEQUENCE).filter(|found| found.rest.is_empty())?;
    let mut rest = expect(certificate.content, SEQUENCE)?.content;
    if let Some(version) = expect(rest, VERSION) {
        rest = version.rest;
    }
    let serial = value(rest)?;
    let algorithm = expect(serial.rest, SEQUENCE)?;
    let signature = expect(algorithm.content, OBJECT)?;
    let issuer = value(algorithm.rest)?;
    let validity = expect(issuer.rest, SEQUENCE)?;
    let not_before = value(validity.content)?;
    let not_after = value(not_before.rest)?;
    let subject = value(validity.rest)?;
    let key = expect(subject.rest, SEQUENCE)?;
    let mut names = Vec::new();
    let mut rest = key.rest;
    while let Some(part) = value(rest) {
        if part.tag == EXTENSIONS {
            names = alt_names(expect(part.content, SEQUENCE)?.content)?;
        }
        rest = part.rest;
    }
    Some(Facts {
        names,
        not_before: moment(&not_before)?,
        not_after: moment(&not_after)?,
        fingerprint: Fingerprint::of(key.whole),
        subject: subject.whole.to_vec(),
        issuer: issuer.whole.to_vec(),
        signature: signature.content.to_vec(),
    })
}

fn alt_names(mut extensions: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !extensions.is_empty() {
        let extension = expect(extensions, SEQUENCE)?;
        extensions = extension.rest;
        let id = expect(extension.content, OBJECT)?;
        if id.content != ALT_NAMES {
            continue;
        }
        // `critical` may stand between them.
        let mut part = value(id.rest)?;
        if part.tag != OCTETS {
            part = expect(part.rest, OCTETS)?;
        }
        let mut listed = expect(part.content, SEQUENCE)?.content;
        while !listed.is_empty() {
            let name = value(listed)?;
            listed = name.rest;
            match name.tag {
                DNS_NAME => names.push(std::str::from_utf8(name.content).ok()?.to_owned()),
                IP_ADDRESS => names.push(address(name.content)?.to_string()),
                _ => {}
            }
        }
    }
    Some(names)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Seconds since 1970 of `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280, section 4.1.2.5).
fn moment(time: &Value<'_>) -> Option<i64> {
    let text = std::str::from_utf8(time.content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, text) = match time.tag {
        UTC_TIME if text.len() == 12 => {
            let year: i16 = text[..2].parse().ok()?;
            (
                if year < 50 { 2000 + year } else { 1900 + year },
                &text[2..],
            )
        }
        GENERAL_TIME if text.len() == 14 => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let two = |at: usize| text[at..at + 2].parse::<i8>().ok();
    let date = jiff::civil::DateTime::new(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0);
    let zoned = date.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> (Vec<u8>, Vec<u8>) {
        use rcgen::PublicKeyData as _;
        let key = rcgen::KeyPair::generate().expect("key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut asked = rcgen::CertificateParams::new(names).expect("names");
        asked.not_before = rcgen::date_time_ymd(1999, 12, 31);
        asked.not_after = rcgen::date_time_ymd(2051, 1, 2);
        let made = asked.self_signed(&key).expect("certificate");
        (made.der().to_vec(), key.subject_public_key_info())
    }

    #[test]
    fn names_dates_and_key_are_read() {
        let (der, key) = made(&["files.example.org", "192.0.2.7", "2001:db8::7"]);
        let facts = Facts::read(&der).expect("facts");
        let names = ["files.example.org", "192.0.2.7", "2001:db8::7"];
        assert_eq!(facts.names, names);
        assert_eq!(facts.fingerprint, Fingerprint::of(&key));
        assert!(facts.is_self_signed());
        assert_eq!(facts.weak_signature(), None);
        // 1999 is written with two digits of the year, 2051 with four.
        assert_eq!(day(facts.not_before), "1999-12-31");
        assert_eq!(day(facts.not_after), "2051-01-02");
        assert_eq!(facts.trouble(facts.not_after), None);
        let said = facts.trouble(facts.not_after + 1).expect("expired");
        assert_eq!(said, "expired on 2051-01-02");
        let said = facts.trouble(facts.not_before - 1).expect("too early");
        assert_eq!(said, "is not valid before 1999-12-31");
    }

    #[test]
    fn a_damaged_certificate_is_refused_and_never_a_panic() {
        let (der, _) = made(&["h"]);
        for cut in 0..der.len() {
            assert!(Facts::read(&der[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..der.len() {
            for with in [0x00, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = der.clone();
                damaged[at] = with;
                let _ = Facts::read(&damaged);
            }
        }
    }
}
