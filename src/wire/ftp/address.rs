//! Addresses of data connections as clients write them (RFC 959 section 4.1.2, RFC 2428). Run by children that serve FTP.
//! Only read here: who may be connected to is decided by the dialer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

/// Why the argument of EPRT or EPSV is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadExtended {
    /// Not what RFC 2428 says (501).
    Syntax,
    /// Another network protocol than IPv4 and IPv6 (522).
    Protocol,
}

/// What EPSV asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epsv {
    /// A port, by the protocol of the control connection.
    Any,
    /// A port, by IPv4.
    V4,
    /// A port, by IPv6.
    V6,
    /// That from now on nothing but EPSV be served.
    All,
}

/// PORT's `h1,h2,h3,h4,p1,p2`. The port may be any, 0 too.
#[must_use]
pub fn host_port(argument: &[u8]) -> Option<SocketAddrV4> {
    let mut numbers = [0u8; 6];
    let mut given = argument.split(|&b| b == b',');
    for number in &mut numbers {
        let text = given.next().filter(|text| text.len() <= 3)?;
        *number = u8::try_from(decimal(text)?).ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    given
        .next()
        .is_none()
        .then(|| SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
}

/// EPRT's `|1|192.0.2.1|6275|` or `|2|2001:db8::1|6275|`, with any printable byte in place of `|`. The port may be any, 0 too.
///
/// # Errors
/// What is wrong with it.
pub fn extended_port(argument: &[u8]) -> Result<SocketAddr, BadExtended> {
    let (&mark, rest) = argument.split_first().ok_or(BadExtended::Syntax)?;
    let parts: Vec<&[u8]> = rest.split(|&b| b == mark).take(5).collect();
    let &[protocol, address, port, b""] = &parts[..] else {
        return Err(BadExtended::Syntax);
    };
    if !mark.is_ascii_graphic() {
        return Err(BadExtended::Syntax);
    }
    let address = std::str::from_utf8(address).map_err(|_| BadExtended::Syntax)?;
    let address: IpAddr = match decimal(protocol).ok_or(BadExtended::Syntax)? {
        1 => address.parse().map(|v4: Ipv4Addr| v4.into()),
        2 => address.parse().map(|v6: Ipv6Addr| v6.into()),
        _ => return Err(BadExtended::Protocol),
    }
    .map_err(|_| BadExtended::Syntax)?;
    let port = decimal(port).and_then(|port| u16::try_from(port).ok());
    Ok(SocketAddr::new(address, port.ok_or(BadExtended::Syntax)?))
}

/// EPSV's argument: nothing, a protocol's number, or ALL.
///
/// # Errors
/// What is wrong with it.
pub fn epsv_argument(argument: &[u8]) -> Result<Epsv, BadExtended> {
    match argument {
        b"" => Ok(Epsv::Any),
        all if all.eq_ignore_ascii_case(b"ALL") => Ok(Epsv::All),
        number => match decimal(number).ok_or(BadExtended::Syntax)? {
            1 => Ok(Epsv::V4),
            2 => Ok(Epsv::V6),
            _ => Err(BadExtended::Protocol),
        },
    }
}

/// Digits and nothing else, below 2^64.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_table() {
        // RFC 959 has no example with numbers; RFC 1123 has the order.
        let port = |text: &str| host_port(text.as_bytes()).map(|address| address.to_string());
        assert_eq!(port("192,0,2,1,24,131").as_deref(), Some("192.0.2.1:6275"));
        assert_eq!(port("127,000,0,001,0,0").as_deref(), Some("127.0.0.1:0"));
        for bad in [
            "",
            "1,2,3,4,5",
            "1,2,3,4,5,6,7",
            "1,2,3,4,5,256",
            "256,2,3,4,5,6",
            "1,2,3,4,5,",
            "1,2,3,4,5,6,",
            ",1,2,3,4,5",
            "1,2,3,4,5,-6",
            "1,2,3,4,5,+6",
            "1,2,3,4,5, 6",
            "1.2.3.4.5.6",
            "1,2,3,4,5,0006",
            "(1,2,3,4,5,6)",
        ] {
            assert_eq!(port(bad), None, "{bad}");
        }
    }

    #[test]
    fn extended_ports_table() {
        let port = |text: &str| extended_port(text.as_bytes()).map(|address| address.to_string());
        // RFC 2428, section 2.
        assert_eq!(
            port("|1|132.235.1.2|6275|").as_deref(),
            Ok("132.235.1.2:6275")
        );
        assert_eq!(
            port("|2|1080::8:800:200C:417A|5282|").as_deref(),
            Ok("[1080::8:800:200c:417a]:5282")
        );
        assert_eq!(port("!1!192.0.2.1!1!").as_deref(), Ok("192.0.2.1:1"));
        for bad in [
            "",
            "|",
            "||||",
            "|1|192.0.2.1|1",
            "|1|192.0.2.1|1||",
            "|1|192.0.2.1|65536|",
            "|1|192.0.2.1||",
            "|1||1|",
            "|1|::1|1|",
            "|2|192.0.2.1|1|",
            "|1|192.0.2.256|1|",
            "|1|example.org|1|",
            "|2|fe80::1%lo|1|",
            "|x|192.0.2.1|1|",
            " 1 192.0.2.1 1 ",
            "|1|192.0.2.1|+1|",
            "|1|192.0.2.1|1|x",
        ] {
            assert_eq!(port(bad), Err(BadExtended::Syntax), "{bad}");
        }
        assert_eq!(port("|3|192.0.2.1|1|"), Err(BadExtended::Protocol));
    }

    #[test]
    fn epsv_table() {
        for (argument, expected) in [
            ("", Ok(Epsv::Any)),
            ("1", Ok(Epsv::V4)),
            ("2", Ok(Epsv::V6)),
            ("ALL", Ok(Epsv::All)),
            ("all", Ok(Epsv::All)),
            ("3", Err(BadExtended::Protocol)),
            ("x", Err(BadExtended::Syntax)),
            ("1 ", Err(BadExtended::Syntax)),
        ] {
            assert_eq!(epsv_argument(argument.as_bytes()), expected, "{argument}");
        }
    }

    #[test]
    fn decimals_stay_below_two_to_the_64() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"18446744073709551616"), None);
        assert_eq!(decimal(&[b'9'; 4000]), None);
        assert_eq!(decimal(&[b'0'; 4000]), Some(0));
    }
}
