//! What may stand in a message: names, passwords, nonces, attributes. Run by the broker and by the client on what the other
//! side sent, and by whoever makes users.

use super::{MAX_ITERATIONS, MAX_MESSAGE, MIN_ITERATIONS};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Longest name of a user, bytes.
const MAX_USER: usize = 64;
/// Longest password, bytes.
pub const MAX_PASSWORD: usize = 1024;
/// Lengths of a nonce that a client may send, characters.
const NONCE: std::ops::RangeInclusive<usize> = 16..=256;

/// The one form of a user's name (SASLprep, RFC 4013): what looks alike is written alike.
///
/// # Errors
/// Why it is none.
pub fn user_name(text: &str) -> Result<String, String> {
    let wrong = "no name for a user:";
    if text.len() > 4 * MAX_USER {
        return Err(format!("{wrong} longer than {MAX_USER} bytes"));
    }
    let name = stringprep::saslprep(text).map_err(|why| format!("{text:?} is {wrong} {why}"))?;
    match name.len() {
        0 => Err(format!("{text:?} is {wrong} nothing is left of it")),
        1..=MAX_USER if name.chars().any(char::is_control) => {
            Err(format!("{text:?} is {wrong} it has control characters"))
        }
        1..=MAX_USER if name.trim() != name => Err(format!(
            "{text:?} is {wrong} it begins or ends with a space"
        )),
        1..=MAX_USER => Ok(name.into_owned()),
        _ => Err(format!("{text:?} is {wrong} longer than {MAX_USER} bytes")),
    }
}

/// The one form of a password (SASLprep, RFC 4013), whatever keyboard it was typed on.
///
/// # Errors
/// Why it cannot be one; the sentence has nothing of it.
pub fn password(text: &str) -> Result<Zeroizing<String>, String> {
    if text.len() > MAX_PASSWORD {
        return Err(format!(
            "the password has more than {MAX_PASSWORD} bytes: use a shorter one"
        ));
    }
    let prepared = stringprep::saslprep(text).map_err(|_| {
        "the password has characters that no two keyboards write alike (control characters, unassigned ones, or right-to-left mixed with left-to-right): use others".to_owned()
    })?;
    if prepared.is_empty() {
        return Err("the password is empty: type one".into());
    }
    Ok(Zeroizing::new(prepared.into_owned()))
}

/// A name as it stands in a message (saslname, RFC 5802, section 7).
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name that `text`, without commas, stands for.
pub(super) fn unescape(text: &str) -> Result<String, String> {
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err("an = in the user's name that is neither =2C nor =3D".into()),
        };
        name.push(sign);
        name.push_str(rest);
    }
    Ok(name)
}

/// Refuses what is too long to be looked at.
pub(super) fn bounded(message: &str) -> Result<(), String> {
    if message.len() > MAX_MESSAGE {
        return Err(format!("a message of more than {MAX_MESSAGE} bytes"));
    }
    Ok(())
}

/// `printable` of RFC 5802, section 7: visible ASCII but the comma.
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// The nonce of a client.
pub(super) fn client_nonce(text: &str) -> Result<(), String> {
    if !NONCE.contains(&text.len()) || !is_printable(text) {
        return Err(format!(
            "a nonce that is not {} to {} printable characters",
            NONCE.start(),
            NONCE.end()
        ));
    }
    Ok(())
}

/// The value of the attribute `name` that `part` has to be.
pub(super) fn attribute(name: char, part: Option<&str>) -> Result<&str, String> {
    let part = part.unwrap_or_default();
    if part.starts_with("m=") {
        return Err("an extension that has to be understood, and is not".into());
    }
    part.strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('='))
        .ok_or_else(|| format!("the attribute {name}= is missing, or not in its place"))
}

/// What follows the known attributes: `x=value`, passed over (RFC 5802, section 5.1, "Unrecognized extensions").
pub(super) fn extensions<'a>(parts: impl Iterator<Item = &'a str>) -> Result<(), String> {
    for part in parts {
        let mut signs = part.bytes();
        let formed = signs.next().is_some_and(|b| b.is_ascii_alphabetic())
            && signs.next() == Some(b'=')
            && signs.next().is_some()
            && !part.contains('\0');
        if !formed || part.starts_with("m=") {
            return Err("an attribute that is none, or has to be understood and is not".into());
        }
    }
    Ok(())
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base 64 with its padding and nothing else (RFC 4648, section 4).
pub(super) fn decode(text: &str, what: &str) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text)
        .map_err(|_| format!("{what} is not base 64"))
}

pub(super) fn decode_key(text: &str, what: &str) -> Result<super::Key, String> {
    decode(text, what)?
        .try_into()
        .map_err(|_| format!("{what} does not have {} bytes", super::KEY))
}

/// A number of rounds, written as numbers are.
pub(super) fn iterations(text: &str) -> Result<u32, String> {
    let number = text
        .parse::<u32>()
        .ok()
        .filter(|number| number.to_string() == text)
        .ok_or("the iterations are no number")?;
    check_iterations(number)
}

pub(super) fn check_iterations(number: u32) -> Result<u32, String> {
    if (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&number) {
        return Ok(number);
    }
    Err(format!(
        "{number} iterations: {MIN_ITERATIONS} (RFC 7677) to {MAX_ITERATIONS} are taken"
    ))
}
