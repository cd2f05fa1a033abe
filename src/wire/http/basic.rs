//! Name and password as programs send them with every request (Basic, RFC 7617). Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Longest name and password that are asked about, bytes.
pub const LONGEST: usize = 512;

/// Who somebody says they are.
#[derive(Debug)]
pub struct Basic {
    /// The name.
    pub user: String,
    /// What they say proves it.
    pub password: Zeroizing<String>,
}

impl Basic {
    /// What stands in a field Authorization; None for another scheme, and for what nobody's name and password can be.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Basic> {
        let at = value.iter().position(|&b| b == b' ')?;
        if !value[..at].eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let said = Zeroizing::new(STANDARD.decode(value[at..].trim_ascii()).ok()?);
        let said = std::str::from_utf8(&said).ok()?;
        // A name has no colon in it; a password may (section 2).
        let (user, password) = said.split_once(':')?;
        let fits = user.len() <= LONGEST && password.len() <= LONGEST;
        fits.then(|| Basic {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_are_parted_at_the_first_colon() {
        let said = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
        let cases = [
            // The example of the RFC.
            (
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(),
                Some(("Aladdin", "open sesame")),
            ),
            (
                said("ü:a:b").replace("Basic ", "bASIC   "),
                Some(("ü", "a:b")),
            ),
            (said(":"), Some(("", ""))),
            (said("nobody"), None),
            (said(&format!("{}:x", "u".repeat(LONGEST + 1))), None),
            (said(&format!("u:{}", "p".repeat(LONGEST + 1))), None),
            ("Basic".to_owned(), None),
            ("Basic \u{fc}".to_owned(), None),
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ".to_owned(), None),
            ("Basic /zo=".to_owned(), None),
            ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(), None),
        ];
        for (value, wanted) in cases {
            let found = Basic::parse(value.as_bytes());
            let found = found.as_ref().map(|b| (&b.user[..], b.password.as_str()));
            assert_eq!(found, wanted, "{value}");
        }
    }
}
