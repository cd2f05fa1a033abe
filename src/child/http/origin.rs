//! Whether a request that changes something comes from a page of ours: a browser sends its user's requests, and with them those that any
//! page in it makes up (cross-site request forgery). Run by a child.
//!
//! Browsers say where a request comes from (Fetch Metadata, section 2.4; RFC 6454, section 7); programs, which have no pages, do
//! not, and pass.

use crate::wire::http::head::Head;

/// True when no other site's page asked for it. `secure` says that the client came by TLS.
pub(super) fn is_ours(head: &Head, secure: bool) -> bool {
    let mut sites = head.all("sec-fetch-site");
    let mut origins = head.all("origin");
    sites.all(|site| matches!(site, b"same-origin" | b"none"))
        && origins.all(|origin| is_host(origin, head, secure))
}

/// True when `origin` is the host that the request was sent to, as it stands there, with its port. A browser leaves out the usual one in
/// both places.
fn is_host(origin: &[u8], head: &Head, secure: bool) -> bool {
    let host = match origin.strip_prefix(b"https://") {
        Some(host) => Some(host),
        // Who sits on the way can make up pages in the clear; where TLS is not seen from here, a proxy may have it.
        None if secure => None,
        None => origin.strip_prefix(b"http://"),
    };
    match (host, head.one("host")) {
        (Some(origin), Some(host)) => !host.is_empty() && origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_known_by_what_browsers_say() {
        let cases = [
            ("", true, true),
            ("Origin: http://h:1\r\n", true, false),
            ("Origin: https://h:1\r\n", true, true),
            ("Origin: HTTPS://h:1\r\n", false, false),
            ("Origin: https://H:1\r\n", true, true),
            ("Origin: https://h\r\n", false, false),
            ("Origin: https://h:1.evil\r\n", false, false),
            ("Origin: null\r\n", false, false),
            ("Origin: \r\n", false, false),
            ("Origin: https://\r\n", false, false),
            (
                "Origin: https://h:1\r\nOrigin: https://evil\r\n",
                false,
                false,
            ),
            ("Sec-Fetch-Site: same-origin\r\n", true, true),
            ("Sec-Fetch-Site: none\r\n", true, true),
            ("Sec-Fetch-Site: same-site\r\n", false, false),
            ("Sec-Fetch-Site: cross-site\r\n", false, false),
            ("Sec-Fetch-Site: else\r\n", false, false),
            (
                "Sec-Fetch-Site: none\r\nOrigin: https://evil\r\n",
                false,
                false,
            ),
            (
                "Sec-Fetch-Site: cross-site\r\nOrigin: https://h:1\r\n",
                false,
                false,
            ),
        ];
        for (fields, plain, secure) in cases {
            let text = format!("PUT / HTTP/1.1\r\nHost: h:1\r\n{fields}\r\n");
            let (head, _) = Head::parse(text.as_bytes()).expect("head").expect("whole");
            let found = (is_ours(&head, false), is_ours(&head, true));
            assert_eq!(found, (plain, secure), "{fields}");
        }
        let old = b"PUT / HTTP/1.0\r\nOrigin: http://h\r\n\r\n";
        let (head, _) = Head::parse(old).expect("head").expect("whole");
        assert!(!is_ours(&head, false), "no host to compare with");
    }
}
