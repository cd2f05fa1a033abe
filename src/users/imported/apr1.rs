//! Apache's form of MD5-crypt (`$apr1$`), as htpasswd makes it. A thousand rounds of MD5 are little: what is kept in it is replaced soon.

use super::CRYPT;
use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

/// True when `hash` is that of `password`.
pub(super) fn check(password: &[u8], hash: &str) -> bool {
    let mut fields = hash.split('$').skip(2);
    let (Some(salt), Some(stored)) = (fields.next(), fields.next()) else {
        return false;
    };
    encoded(&digest(password, salt.as_bytes()))
        .as_bytes()
        .ct_eq(stored.as_bytes())
        .into()
}

fn digest(password: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner = Md5::digest([password, salt, password].concat());
    let mut begin = Md5::new();
    begin.update(password);
    begin.update(b"$apr1$");
    begin.update(salt);
    for (at, _) in password.iter().enumerate() {
        begin.update([inner[at % 16]]);
    }
    let mut bits = password.len();
    while bits > 0 {
        // As the first of them did it: a zero byte, or the password's first.
        begin.update([if bits & 1 == 1 { 0 } else { password[0] }]);
        bits >>= 1;
    }
    let mut last: [u8; 16] = begin.finalize().into();
    for round in 0..1000 {
        let mut next = Md5::new();
        let (odd, even): (&[u8], &[u8]) = if round % 2 == 1 {
            (password, &last)
        } else {
            (&last, password)
        };
        next.update(odd);
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(even);
        last = next.finalize().into();
    }
    last
}

/// In the order and alphabet of MD5-crypt.
fn encoded(digest: &[u8; 16]) -> String {
    let mut text = String::with_capacity(22);
    let mut put = |mut value: u32, characters: usize| {
        for _ in 0..characters {
            text.push(char::from(CRYPT[(value & 0x3f) as usize]));
            value >>= 6;
        }
    };
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let byte = |at: usize| u32::from(digest[at]);
        put(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    put(u32::from(digest[11]), 2);
    text
}
