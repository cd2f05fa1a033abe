//! scrypt in the form of crypt(5) (`$7$`), which libsodium writes, and pure-pw with it: one character of log2 N, five each of r and p, the
//! salt as it stands, and the hash.

use super::{CRYPT, digit};
use subtle::ConstantTimeEq as _;
use yescrypt::{Mode, Params};

/// log2 N, r, p and the salt.
fn parts(hash: &str) -> Option<(u32, u32, u32, &str)> {
    let field = hash.split('$').nth(2)?;
    let (costs, salt) = field.split_at_checked(11)?;
    let number = |text: &str| {
        let digits = text.bytes().rev().map(digit);
        digits
            .into_iter()
            .try_fold(0_u32, |sum, digit| Some(sum << 6 | digit?))
    };
    let (log, r, p) = (
        number(&costs[..1])?,
        number(&costs[1..6])?,
        number(&costs[6..])?,
    );
    ((10..=24).contains(&log) && (1..=64).contains(&r) && p == 1).then_some((log, r, p, salt))
}

/// The memory it takes, in KiB; none for costs that nobody writes.
pub(super) fn kib(hash: &str) -> Option<u64> {
    let (log, r, ..) = parts(hash)?;
    Some((1_u64 << log) * u64::from(r) / 8)
}

/// True when `hash` is that of `password`.
pub(super) fn check(password: &[u8], hash: &str) -> bool {
    let compare = || -> Option<bool> {
        let (log, r, p, salt) = parts(hash)?;
        let stored = hash.split('$').nth(3)?;
        let params = Params::new(Mode::Classic, 1 << log, r, p).ok()?;
        let mut out = [0; 32];
        yescrypt::yescrypt(password, salt.as_bytes(), &params, &mut out).ok()?;
        Some(encoded(&out).as_bytes().ct_eq(stored.as_bytes()).into())
    };
    compare().unwrap_or(false)
}

/// Three bytes as four characters, the low bits first.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(43);
    for group in bytes.chunks(3) {
        let parts = group.iter().enumerate();
        let mut value = parts.fold(0_u32, |sum, (at, byte)| sum | u32::from(*byte) << (8 * at));
        for _ in 0..=group.len() {
            text.push(char::from(CRYPT[(value & 0x3f) as usize]));
            value >>= 6;
        }
    }
    text
}
