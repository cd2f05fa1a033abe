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
