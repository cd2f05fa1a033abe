//! Who the client is that a proxy speaks for (X-Forwarded-For, X-Forwarded-Proto). Run by a child; it looks at these fields only where
//! the listener found that the connection comes from a proxy that the operator trusts.

use crate::config::Proxies;
use crate::wire::http::head::Head;
use std::net::{IpAddr, SocketAddr};

/// A proxy's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forwarded {
    pub(super) address: IpAddr,
    /// It speaks TLS with the proxy.
    pub(super) secure: bool,
}

impl Forwarded {
    /// Whom a proxy speaks for: each adds who it heard from at the end, so it is the last that is no proxy itself. What stands before
    /// that anybody can have written. None when the proxy does not say, and then it speaks for itself.
    pub(super) fn of(head: &Head, proxies: &Proxies) -> Option<Forwarded> {
        let said: Vec<String> = head.listed("x-forwarded-for").collect();
        let mut address = None;
        for entry in said.iter().rev() {
            let Some(heard) = parse(entry) else { break };
            address = Some(heard);
            if !proxies.include(address) {
                break;
            }
        }
        let secure = head.listed("x-forwarded-proto").last();
        Some(Forwarded {
            address: address?,
            secure: secure.as_deref() == Some("https"),
        })
    }
}

/// An address, as it is or with a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry
        .strip_prefix('[')
        .and_then(|entry| entry.strip_suffix(']'));
    let address: Option<IpAddr> = bare.unwrap_or(entry).parse().ok();
    let address = address.or_else(|| entry.parse().ok().map(|at: SocketAddr| at.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_is_no_proxy_is_the_client() {
        let proxies = Proxies {
            networks: vec!["10.0.0.0/8".parse().expect("network")],
            local: true,
        };
        let cases = [
            ("", None),
            ("X-Forwarded-For: \r\n", None),
            ("X-Forwarded-For: unknown\r\n", None),
            ("X-Forwarded-For: 192.0.2.1\r\n", Some("192.0.2.1")),
            ("X-Forwarded-For: 1.1.1.1, 192.0.2.1\r\n", Some("192.0.2.1")),
            (
                "X-Forwarded-For: 192.0.2.1, 10.1.1.1\r\n",
                Some("192.0.2.1"),
            ),
            ("X-Forwarded-For: 10.2.2.2, 10.1.1.1\r\n", Some("10.2.2.2")),
            ("X-Forwarded-For: x, 10.1.1.1\r\n", Some("10.1.1.1")),
            ("X-Forwarded-For: 192.0.2.1, x\r\n", None),
            (
                "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
                Some("192.0.2.1"),
            ),
            ("X-Forwarded-For: 192.0.2.1:5\r\n", Some("192.0.2.1")),
            ("X-Forwarded-For: [2001:DB8::1]:5\r\n", Some("2001:db8::1")),
            ("X-Forwarded-For: [2001:db8::1]\r\n", Some("2001:db8::1")),
            ("X-Forwarded-For: ::ffff:10.1.1.1\r\n", Some("10.1.1.1")),
            ("X-Forwarded-For: ::ffff:192.0.2.1\r\n", Some("192.0.2.1")),
        ];
        let of = |fields: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            let head = Head::parse(text.as_bytes()).expect("head").expect("whole");
            Forwarded::of(&head.0, &proxies)
        };
        for (fields, wanted) in cases {
            let found = of(fields).map(|found| found.address.to_string());
            assert_eq!(found.as_deref(), wanted, "{fields}");
        }
        for (protos, secure) in [
            ("", false),
            ("X-Forwarded-Proto: https\r\n", true),
            ("X-Forwarded-Proto: http\r\n", false),
            ("X-Forwarded-Proto: https, http\r\n", false),
            ("X-Forwarded-Proto: HTTPS\r\n", true),
        ] {
            let found = of(&format!("X-Forwarded-For: 192.0.2.1\r\n{protos}"));
            assert_eq!(found.map(|found| found.secure), Some(secure), "{protos}");
        }
    }
}
