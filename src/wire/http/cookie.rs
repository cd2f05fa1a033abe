//! The one cookie that there is (RFC 6265): the token of a login in a browser. Pure.
//!
//! Under TLS its name says that nobody but this host has set it, and that it came by TLS (`__Host-`, RFC 6265bis, section 4.1.3.2): no
//! neighbour of a name like ours can slip a visitor a login of their own.

use super::head::Head;

/// Bytes of a token; in the cookie they are hexadecimal.
pub const TOKEN: usize = 32;
const PLAIN: &str = "forkftp";
const SECURE: &str = "__Host-forkftp";

fn name(secure: bool) -> &'static str {
    if secure { SECURE } else { PLAIN }
}

/// The value of the cookie, if the request has it. Of several the first counts.
#[must_use]
pub fn presented(head: &Head, secure: bool) -> Option<&str> {
    head.all("cookie")
        .flat_map(|field| field.split(|&b| b == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name(secure))
        .map(|(_, value)| value)
}

/// True for what could be a token: anything else need not be asked about.
#[must_use]
pub fn is_token(value: &str) -> bool {
    value.len() == 2 * TOKEN
        && value
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The field that has a browser keep `token` for so many seconds: no script sees it, and no other site's page sends it.
#[must_use]
pub fn keep(token: &str, seconds: u64, secure: bool) -> String {
    let name = name(secure);
    let only = if secure { "; Secure" } else { "" };
    format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{only}")
}

/// The field that has a browser forget it.
#[must_use]
pub fn drop(secure: bool) -> String {
    keep("", 0, secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &str) -> Head {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        Head::parse(text.as_bytes())
            .expect("head")
            .expect("whole")
            .0
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let cases: [(&str, bool, Option<&str>); 9] = [
            ("", false, None),
            ("Cookie: forkftp=a\r\n", false, Some("a")),
            ("Cookie: forkftp=a\r\n", true, None),
            ("Cookie: __Host-forkftp=b; forkftp=a\r\n", true, Some("b")),
            ("Cookie: x=1; forkftp=a;y=2\r\n", false, Some("a")),
            (
                "Cookie: x=forkftp=z\r\nCookie: forkftp=a; forkftp=b\r\n",
                false,
                Some("a"),
            ),
            ("Cookie: xforkftp=a; forkftp\r\n", false, None),
            ("Cookie: forkftp=\r\n", false, Some("")),
            ("Cookie: ;;=; forkftp=a=b\r\n", false, Some("a=b")),
        ];
        for (fields, secure, wanted) in cases {
            assert_eq!(presented(&head(fields), secure), wanted, "{fields}");
        }
    }

    #[test]
    fn a_token_is_so_many_digits() {
        assert!(is_token(&"0f".repeat(TOKEN)));
        for bad in [
            "",
            "0",
            &"0F".repeat(TOKEN),
            &"0f".repeat(TOKEN + 1),
            &"é".repeat(TOKEN),
        ] {
            assert!(!is_token(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_kept_is_kept_from_scripts_and_other_sites() {
        assert_eq!(
            keep("ab", 60, true),
            "__Host-forkftp=ab; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            drop(false),
            "forkftp=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        );
    }
}
