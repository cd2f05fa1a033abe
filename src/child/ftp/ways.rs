//! How the next data connection is to come about: PASV, EPSV, PORT, EPRT. Run by a child, which asks the dialer.

use super::Handled;
use super::line::Line;
use super::opening::Way;
use crate::child::dial::Undialed;
use crate::log::{self, Level};
use crate::wire::ftp::command::{BadExtended, Epsv, epsv_argument, extended_port, host_port};
use crate::wire::ftp::reply;
use std::net::IpAddr;

/// PASV (RFC 959, section 4.1.2).
pub(super) fn pasv(line: &mut Line<'_>, _: &[u8]) -> Handled {
    if line.only_epsv {
        return line.control.say(501, "EPSV ALL was said.");
    }
    let Some((address, port)) = listen(line)? else {
        return Ok(());
    };
    match address {
        IpAddr::V4(address) => line.control.send(&reply::passive(address, port))?,
        IpAddr::V6(_) => {
            line.way = Way::Unsaid;
            line.control.say(425, "PASV knows IPv4 alone: EPSV.")?;
        }
    }
    line.prepare_next();
    Ok(())
}

/// EPSV (RFC 2428, section 3).
pub(super) fn epsv(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    let is_v4 = line
        .client
        .peer
        .address()
        .is_some_and(|peer| peer.to_canonical().is_ipv4());
    match epsv_argument(argument) {
        Ok(Epsv::All) => {
            line.only_epsv = true;
            return line.control.say(200, "Nothing but EPSV from now on.");
        }
        Ok(Epsv::V4) if !is_v4 => {
            return line.control.say(522, "Another network protocol: use (2).");
        }
        Ok(Epsv::V6) if is_v4 => {
            return line.control.say(522, "Another network protocol: use (1).");
        }
        Err(BadExtended::Protocol) => {
            let used = if is_v4 { 1 } else { 2 };
            let what = format!("Network protocol not supported, use ({used}).");
            return line.control.say(522, what);
        }
        Err(BadExtended::Syntax) => return line.control.say(501, "EPSV takes 1, 2 or ALL."),
        Ok(Epsv::Any | Epsv::V4 | Epsv::V6) => {}
    }
    match listen(line)? {
        Some((_, port)) => line.control.send(&reply::extended(port))?,
        None => return Ok(()),
    }
    line.prepare_next();
    Ok(())
}

/// Has a socket made that listens; where it listens, unless the client was told that there is none.
fn listen(line: &mut Line<'_>) -> Result<Option<(IpAddr, u16)>, super::End> {
    // The one before is closed: a port is good for one connection, and the client has one.
    line.way = Way::Unsaid;
    let asked = match &line.dialer {
        Some(dialer) => dialer.ask_passive(),
        None => Err(Undialed::Refused(
            "There are no data connections here.".into(),
        )),
    };
    match asked {
        Ok(passive) => {
            let place = (passive.advertised.to_canonical(), passive.port);
            line.way = Way::Passive(passive);
            Ok(Some(place))
        }
        Err(Undialed::Refused(message)) => line.control.say(425, message).map(|()| None),
        Err(Undialed::Gone(reason)) => {
            log::event(Level::Error, "no data connection", &[("reason", &reason)]);
            let what = "There are no data connections now; try again.";
            line.control.say(425, what).map(|()| None)
        }
    }
}

/// PORT (RFC 959, section 4.1.2).
pub(super) fn port(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    match host_port(argument) {
        Some(at) => active(line, (*at.ip()).into(), at.port()),
        None => line.control.say(501, "PORT takes six numbers."),
    }
}

/// EPRT (RFC 2428, section 2).
pub(super) fn eprt(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    match extended_port(argument) {
        Ok(at) => active(line, at.ip(), at.port()),
        Err(BadExtended::Protocol) => {
            let v6 = line
                .client
                .peer
                .address()
                .is_some_and(|peer| peer.to_canonical().is_ipv6());
            let used = if v6 { 2 } else { 1 };
            let what = format!("Network protocol not supported, use ({used}).");
            line.control.say(522, what)
        }
        Err(BadExtended::Syntax) => line.control.say(501, "EPRT takes |protocol|address|port|."),
    }
}

/// The dialer connects to the client's own address whatever stands here; what asks for another is told so (RFC 2577, section 3).
fn active(line: &mut Line<'_>, address: IpAddr, port: u16) -> Handled {
    line.way = Way::Unsaid;
    if line.only_epsv {
        return line.control.say(501, "EPSV ALL was said.");
    }
    if !line.world.listen.ftp.active {
        return line.control.say(
            502,
            "This server does not connect to clients: use EPSV or PASV.",
        );
    }
    let peer = line.client.peer.address().map(|peer| peer.to_canonical());
    if peer != Some(address.to_canonical()) || port < 1024 {
        let what = "That is not for you: your own address, and a port from 1024 on.";
        return line.control.say(501, what);
    }
    line.way = Way::Active(port);
    line.control.say(200, "That is where the data goes.")
}
