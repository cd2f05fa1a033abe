//! The address that FTP clients are told: whose it is, and whether what is sent there arrives here. It is dialled, and what answers is
//! compared with what this process says at the other end.

use super::dial::{Dialled, compare_greetings, dial_ourselves, open};
use super::patient::Patient;
use super::report::{Report, Topic};
use crate::config::{Address, Encryption, Listen};
use crate::sys::{Result, machine, net};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("address");
    let own = match machine::own_addresses() {
        Ok(own) => own,
        Err(errno) => {
            return topic.note(format!(
                "this machine's addresses are not to be had: {}",
                errno.desc()
            ));
        }
    };
    for listen in patient.ftp() {
        let Address::Tcp(at) = listen.address else {
            continue;
        };
        let ftp = &listen.ftp;
        let mut told: Vec<IpAddr> = ftp.passive_address.into_iter().collect();
        for (_, address) in &ftp.passive_networks {
            if !told.contains(address) {
                told.push(*address);
            }
        }
        if ftp.passive_address.is_none() {
            untold(listen, at, patient, &own, &mut topic);
        }
        for address in told {
            of(address, at, &own, &mut topic);
            data(address, listen, at, patient, &own, &mut topic);
            control(address, listen, at, patient, &own, &mut topic);
        }
    }
}

/// Clients are told the address that they came to.
fn untold(
    listen: &Listen,
    at: SocketAddr,
    patient: &Patient,
    own: &[IpAddr],
    topic: &mut Topic<'_>,
) {
    let shown = &listen.address;
    if listen.address.is_local() {
        return topic.ok(format!(
            "{shown}: clients are told the address that they came to"
        ));
    }
    let here = |ip: &&IpAddr| !ip.is_loopback() && (at.ip().is_unspecified() || **ip == at.ip());
    let reached: Vec<&IpAddr> = own
        .iter()
        .filter(here)
        .filter(|ip| !is_link_local(ip))
        .collect();
    if reached.is_empty() {
        return topic.note(format!(
            "{shown}: this machine has no address but its loopback ones: clients elsewhere do not reach it now"
        ));
    }
    let what = match reached.iter().find(|ip| !is_private(ip)) {
        Some(public) => {
            return topic.ok(format!(
                "{shown}: clients are told the address that they came to, as {public}"
            ));
        }
        None => {
            let reached: Vec<_> = reached.iter().map(ToString::to_string).collect();
            format!(
                "{shown}: this machine has private addresses only ({}), and clients are told them by PASV",
                reached.join(", ")
            )
        }
    };
    let fix = "passive_address = \"the public address, or its name\" in forkftpd.toml; EPSV, which tells none, works without";
    if patient.container.is_some() {
        topic.warning(
            format!("{what}: from outside the container nobody reaches them"),
            fix,
        );
    } else {
        topic.hint(
            format!("{what}: clients beyond a router do not reach them"),
            fix,
        );
    }
}

/// Whose the address is.
fn of(address: IpAddr, at: SocketAddr, own: &[IpAddr], topic: &mut Topic<'_>) {
    let local = Address::Tcp(at).is_local();
    if address.is_unspecified() {
        topic.error(
            format!("passive_address {address} is no address that anybody can connect to"),
            "passive_address = \"the public address, or its name\" in forkftpd.toml",
        );
    } else if address.is_loopback() && !local {
        topic.warning(
            format!("clients of {at} are told {address}: only those on this machine get there"),
            "passive_address = \"the public address, or its name\" in forkftpd.toml",
        );
    } else if own.contains(&address) {
        topic.ok(format!(
            "{address}, which clients are told, is this machine's"
        ));
    } else if is_private(&address) {
        topic.note(format!("{address}, which clients are told, is a private address of another machine: a router has to pass on what comes there"));
    } else {
        topic.ok(format!("{address}, which clients are told, is not this machine's own: a router has to pass on what comes there"));
    }
}

/// Dials a port of data connections at which this process listens for the moment.
fn data(
    address: IpAddr,
    listen: &Listen,
    at: SocketAddr,
    patient: &Patient,
    own: &[IpAddr],
    topic: &mut Topic<'_>,
) {
    let (opened, port) = match open(at.ip(), listen.ftp.passive_ports) {
        Ok((socket, port)) => (Ok(socket), port),
        Err(errno) => (Err(errno), 0),
    };
    let to = SocketAddr::new(address, port);
    let dialled = ours(to, opened, "no port could be opened", patient);
    say(
        &dialled,
        &format!("{address} port {port} (data connections)"),
        own.contains(&address),
        port,
        topic,
    );
}

/// Dials the port that is listened at: the running server's, and else one of our own.
fn control(
    address: IpAddr,
    listen: &Listen,
    at: SocketAddr,
    patient: &Patient,
    own: &[IpAddr],
    topic: &mut Topic<'_>,
) {
    let port = at.port();
    if port == 0 {
        return;
    }
    let to = SocketAddr::new(address, port);
    let dialled = if patient.running.is_some()
        || patient.hidden
        || patient.passed.contains(&listen.address)
    {
        let greets = listen.tls != Encryption::Implicit;
        compare_greetings(to, at, greets, patient.until)
    } else {
        // Why there is none is said where the ports are looked at.
        let opened = net::listen_tcp(at, 8, None);
        ours(to, opened, "nothing of ours listens there", patient)
    };
    say(
        &dialled,
        &format!("{address} port {port} (where {} listens)", listen.address),
        own.contains(&address),
        port,
        topic,
    );
}

/// Dials `to`, where this process listens for the moment; or says what there is in place of that.
fn ours(to: SocketAddr, opened: Result<OwnedFd>, without: &str, patient: &Patient) -> Dialled {
    match opened {
        Ok(socket) => dial_ourselves(to, &socket, patient.until),
        Err(errno) => Dialled::Untried(format!("{without}: {}", errno.desc())),
    }
}

fn say(dialled: &Dialled, what: &str, own: bool, port: u16, topic: &mut Topic<'_>) {
    match dialled {
        Dialled::Ourselves => topic.ok(format!("{what}: dialled, and it is this machine that answers")),
        Dialled::Another => topic.warning(
            format!("{what}: dialled, and another machine or program answers: the address is another's, or a router keeps what comes from inside (no hairpin NAT)"),
            "the router's forwarding of these ports to this machine; then try it from outside",
        ),
        Dialled::Nobody(why) if own => topic.error(
            format!("{what}: dialled from this very machine, and {why}: a firewall here is in the way"),
            format!("nft add rule inet filter input tcp dport {port} accept (where your table and chain have these names)"),
        ),
        Dialled::Nobody(why) => topic.warning(
            format!("{what}: dialled from here, and {why}. The address may be wrong, a firewall or a missing forwarding in the way; or the router only does not pass on what comes from inside (hairpin NAT), and all is well from outside"),
            format!("try it from outside while the server runs: nc -vz ADDRESS {port}"),
        ),
        Dialled::Untried(why) => topic.note(format!("{what}: not dialled: {why}")),
    }
}

/// RFC 1918, RFC 6598 (carriers' NAT), RFC 4193, and what does not leave a link.
fn is_private(ip: &IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || first == 100 && second & 0xc0 == 64
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses() {
        for (text, private) in [
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("::ffff:192.168.1.1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("203.0.113.5", false),
        ] {
            assert_eq!(
                is_private(&text.parse().expect("address")),
                private,
                "{text}"
            );
        }
    }
}
