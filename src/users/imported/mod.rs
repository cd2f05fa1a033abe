//! Passwords that another server hashed, as the users file keeps them until the first good login. Checked by the broker's hashers; what a check
//! costs is bounded here, since the costs are written in the hash.
//!
//! | form | made by |
//! |---|---|
//! | `$6$`, `$5$` | SHA-512-crypt and SHA-256-crypt: shadow(5), openssl passwd |
//! | `$y$` | yescrypt: shadow(5) of today |
//! | `$7$` | scrypt, as libsodium writes it: pure-pw |
//! | `$argon2id$`, `$argon2i$` | argon2: pure-pw |
//! | `$2a$`, `$2b$`, `$2y$` | bcrypt: htpasswd -B |
//! | `$apr1$` | Apache: htpasswd |

mod apr1;
mod scrypt;

use password_hash::PasswordVerifier as _;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Most memory that one check takes, in KiB.
const MOST_KIB: u64 = 256 << 10;
/// Most memory that one argon2 goes over in all its passes, in KiB.
const MOST_PASSES_KIB: u64 = 1 << 20;
/// Most rounds of SHA-crypt: a second or so.
const MOST_ROUNDS: u32 = 1_000_000;
/// Fewest that are taken.
const LEAST_ROUNDS: u32 = 1000;
/// Highest cost of bcrypt: a second or so.
const MOST_COST: u32 = 14;
/// Longest password that is looked at, bytes: some of these forms work longer for longer ones.
const MAX_PASSWORD: usize = 256;
/// Longest hash, bytes.
const MAX_HASH: usize = 512;

/// How it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    ShaCrypt,
    Yescrypt,
    Scrypt,
    Argon2,
    Bcrypt,
    Apr1,
}

/// A hash that can be checked, at a cost that can be borne. Shown by no format but `Display`, which is for the users file alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Imported {
    form: Form,
    text: Zeroizing<String>,
}

impl fmt::Debug for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imported")
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Imported {
    /// True when it is the hash of `password`, as it was typed. Costs what the hash says, and for a password that is too long to be looked at
    /// as much as for a short one.
    #[must_use]
    pub fn check(&self, password: &str) -> bool {
        let possible = password.len() <= MAX_PASSWORD && !password.contains('\0');
        let typed = if possible { password } else { "no password" };
        let (bytes, hash) = (typed.as_bytes(), self.text.as_str());
        let same = match self.form {
            Form::ShaCrypt => sha_crypt::ShaCrypt::default()
                .verify_password(bytes, hash)
                .is_ok(),
            Form::Yescrypt => yescrypt::Yescrypt::default()
                .verify_password(bytes, hash)
                .is_ok(),
            Form::Scrypt => scrypt::check(bytes, hash),
            Form::Argon2 => argon2::Argon2::default()
                .verify_password(bytes, hash)
                .is_ok(),
            Form::Bcrypt => bcrypt::verify(bytes, hash).unwrap_or(false),
            Form::Apr1 => apr1::check(bytes, hash),
        };
        same && possible
    }

    /// What a check costs, to compare: roughly milliseconds.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut fields = self.text.split('$').skip(2);
        match self.form {
            Form::ShaCrypt => {
                number(
                    fields
                        .next()
                        .and_then(|field| field.strip_prefix("rounds=")),
                )
                .max(5000)
                    / 1000
            }
            Form::Yescrypt => yescrypt_kib(fields.next().unwrap_or("")).unwrap_or(0) / 512,
            Form::Scrypt => scrypt::kib(&self.text).unwrap_or(0) / 256,
            Form::Argon2 => argon2_cost(&self.text).map_or(0, |(kib, passes)| kib * passes / 1024),
            Form::Bcrypt => 1 << number(fields.next()).min(u64::from(MOST_COST)) >> 4,
            Form::Apr1 => 1,
        }
    }
}

/// The alphabet of crypt(5).
const CRYPT: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn is_crypt(text: &str) -> bool {
    text.bytes().all(|byte| CRYPT.contains(&byte))
}

/// The number that a character of crypt(5) stands for.
fn digit(byte: u8) -> Option<u32> {
    let at = CRYPT.iter().position(|known| *known == byte)?;
    u32::try_from(at).ok()
}

/// The memory of yescrypt with these parameters, in KiB; none for those that nobody writes.
fn yescrypt_kib(parameters: &str) -> Option<u64> {
    // The flavour, log2 N - 1 and r - 1. More would be parallelism, time and others that crypt(5) never writes.
    let &[b'j', log, r] = parameters.as_bytes() else {
        return None;
    };
    let (log, r) = (digit(log)? + 1, u64::from(digit(r)?) + 1);
    let blocks = 1_u64.checked_shl(log)?;
    (10..=24).contains(&log).then_some(blocks * r / 8)
}

/// The memory of argon2 in KiB, and its passes.
fn argon2_cost(text: &str) -> Option<(u64, u64)> {
    let parameters = text.split('$').nth(3)?;
    let of = |key: &str| -> Option<u64> {
        let mut all = parameters.split(',');
        all.find_map(|part| part.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
    };
    let (kib, passes, lanes) = (of("m")?, of("t")?, of("p")?);
    (passes > 0 && (1..=64).contains(&lanes)).then_some((kib, passes))
}

impl FromStr for Imported {
    type Err = String;

    /// # Errors
    /// It is of no form that is known or can be trusted, or costs more than can be borne. The reason has nothing of the hash.
    fn from_str(text: &str) -> Result<Imported, String> {
        let dear = || "checking it costs more than may be".to_owned();
        let damaged = || "the hash is damaged".to_owned();
        if text.len() > MAX_HASH || !text.is_ascii() {
            return Err("it is no hash".to_owned());
        }
        let fields: Vec<&str> = text.split('$').collect();
        let form = match fields[..] {
            ["", "1", ..] => return Err("MD5-crypt, which is guessed in no time".to_owned()),
            ["", "5" | "6", ref rest @ ..] => {
                let (salt, hash, rounds) = match *rest {
                    [salt, hash] => (salt, hash, 5000),
                    [rounds, salt, hash] => {
                        let rounds = rounds.strip_prefix("rounds=").ok_or_else(damaged)?;
                        (salt, hash, rounds.parse::<u32>().map_err(|_| dear())?)
                    }
                    _ => return Err(damaged()),
                };
                let length = if fields[1] == "6" { 86 } else { 43 };
                if salt.len() > 16 || hash.len() != length || !is_crypt(hash) {
                    return Err(damaged());
                }
                match rounds {
                    ..LEAST_ROUNDS => {
                        return Err("too few rounds: it is guessed in no time".to_owned());
                    }
                    LEAST_ROUNDS..=MOST_ROUNDS => Form::ShaCrypt,
                    _ => return Err(dear()),
                }
            }
            ["", "y", parameters, salt, hash] => {
                if hash.len() != 43 || salt.len() > 86 || !is_crypt(salt) || !is_crypt(hash) {
                    return Err(damaged());
                }
                match yescrypt_kib(parameters) {
                    Some(kib) if kib <= MOST_KIB => Form::Yescrypt,
                    _ => return Err(dear()),
                }
            }
            ["", "7", _, hash] => {
                if hash.len() != 43 || !is_crypt(hash) {
                    return Err(damaged());
                }
                match scrypt::kib(text) {
                    Some(kib) if kib <= MOST_KIB => Form::Scrypt,
                    _ => return Err(dear()),
                }
            }
            ["", "argon2id" | "argon2i", _, _, _, _] => {
                let (kib, passes) = argon2_cost(text).ok_or_else(damaged)?;
                if kib > MOST_KIB || kib.saturating_mul(passes) > MOST_PASSES_KIB {
                    return Err(dear());
                }
                argon2::PasswordHash::new(text).map_err(|_| damaged())?;
                Form::Argon2
            }
            ["", "2a" | "2b" | "2y", cost, rest] => {
                let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
                if rest.len() != 53 || !rest.bytes().all(base64) || cost.len() != 2 {
                    return Err(damaged());
                }
                match cost.parse() {
                    Ok(4..=MOST_COST) => Form::Bcrypt,
                    _ => return Err(dear()),
                }
            }
            ["", "apr1", salt, hash] if salt.len() <= 8 && hash.len() == 22 && is_crypt(hash) => {
                Form::Apr1
            }
            ["", _, ..] => return Err("a form of hash that is not known here".to_owned()),
            _ => return Err("it is no hash, or one of DES, which is guessed in no time".to_owned()),
        };
        Ok(Imported {
            form,
            text: Zeroizing::new(text.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests;
