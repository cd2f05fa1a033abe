//! Whether a request that changes something comes from a page of ours: a browser sends its user's requests, and with them those that any
//! page in it makes up (cross-site request forgery). Run by a child.
//!
//! Browsers say where a request comes from (Fetch Metadata, section 2.4; RFC 6454, section 7); programs, which have no pages, do
//! not, and pass.

use crate::config::Address;
use crate::wire::http::head::Head;
use std::net::IpAddr;

/// True when no other site's page asked for it. `secure` says that the client came by TLS.
pub(super) fn is_ours(head: &Head, secure: bool) -> bool {
    let mut sites = head.all("sec-fetch-site");
    let mut origins = head.all("origin");
    sites.all(|site| matches!(site, b"same-origin" | b"none"))
        && origins.all(|origin| is_host(origin, head, secure))
}

/// True when the request is for a name that this listening socket has. Whoever makes a page can have its name lead here later (DNS
/// rebinding), and then that page is, to a browser, one of ours: where no names are written that does not matter to an address
/// that everybody reaches anyway, but to one that only this machine does.
pub(super) fn is_for_us(head: &Head, address: &Address, names: &[String]) -> bool {
    let Some(host) = head.text("host") else {
        // HTTP/1.0 has none, and no browser speaks it.
        return head.one("host").is_none() && !head.is_1_1;
    };
    let name = name_of(host);
    if !names.is_empty() {
        return names.iter().any(|known| known.eq_ignore_ascii_case(name));
    }
    let is_loopback = matches!(address, Address::Tcp(_)) && address.is_local();
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    !is_loopback
        || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
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
    fn a_request_is_for_a_name_of_ours() {
        let address = |text: &str| Address::parse(text).expect("address");
        let (home, open) = (address("127.0.0.1:80"), address("0.0.0.0:80"));
        let proxied = address("unix:/run/s");
        let names = ["files.example.org".to_owned(), "10.0.0.1".to_owned()];
        for (host, wanted) in [
            ("localhost", [true, true, true, false]),
            ("LOCALHOST:8080", [true, true, true, false]),
            ("a.localhost", [true, true, true, false]),
            ("127.0.0.1:8080", [true, true, true, false]),
            ("[::1]:8080", [true, true, true, false]),
            ("[::1]", [true, true, true, false]),
            ("10.0.0.1", [true, true, true, true]),
            ("files.example.org", [false, true, true, true]),
            ("Files.Example.ORG:443", [false, true, true, true]),
            ("localhost.example.org:80", [false, true, true, false]),
            ("127.0.0.1.example.org", [false, true, true, false]),
            ("", [false, true, true, false]),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let (head, _) = Head::parse(text.as_bytes()).expect("head").expect("whole");
            let found = [
                (&home, &[][..]),
                (&open, &[]),
                (&proxied, &[]),
                (&open, &names),
            ]
            .map(|(address, names)| is_for_us(&head, address, names));
            assert_eq!(found, wanted, "{host}");
        }
        let old = b"GET / HTTP/1.0\r\n\r\n";
        let (head, _) = Head::parse(old).expect("head").expect("whole");
        assert!(is_for_us(&head, &home, &[]) && is_for_us(&head, &open, &names));
    }

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
