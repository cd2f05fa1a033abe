//! The ports: those that are listened at, and those of passive data connections, against clients, the kernel's own choice, and other
//! programs.

use super::patient::Patient;
use super::proc::{self, Listening, number};
use super::report::{Report, Topic};
use crate::config::{Address, Listen};
use crate::sys::net;
use crate::sys::{Errno, privs};
use std::net::SocketAddr;
use std::path::Path;

/// Data connections of a range for each client that may come: one that moves, and one that is just being made.
const EACH: u64 = 2;
/// Ports of others that are named.
const NAMED: usize = 5;

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("ports");
    for listen in &patient.config.listen {
        match &listen.address {
            Address::Tcp(address) if patient.passed.contains(&listen.address) => {
                congestion(listen, &mut topic);
                waits(*address, &mut topic);
            }
            Address::Tcp(address) if patient.running.is_none() && !patient.hidden => {
                planned(listen, *address, patient, &mut topic);
            }
            // The service manager listens there, and knows why it could not.
            Address::Tcp(_) | Address::Systemd(_) => congestion(listen, &mut topic),
            Address::Unix(_) => {}
        }
    }
    let listening = others(patient, &mut topic);
    for listen in patient.ftp() {
        passive(listen, patient, &listening, &mut topic);
    }
}

/// Whether the service manager listens where its socket unit says.
fn waits(address: SocketAddr, topic: &mut Topic<'_>) {
    match proc::listening() {
        Some(listening) if listening.iter().any(|socket| socket.port == address.port()) => {
            topic.ok(format!("{address}: the socket of a unit, and it is there"));
        }
        Some(_) => topic.hint(
            format!("{address}: the socket of a unit that is not started: nobody is served there"),
            "systemctl enable forkftpd.socket forkftpd-ftp.socket forkftpd-http.socket (those that are wanted), and then systemctl restart forkftpd",
        ),
        None => topic.note(format!("{address}: whether the socket of its unit is there is not to be had")),
    }
}

/// Listens for a moment where the server will.
fn planned(listen: &Listen, address: SocketAddr, patient: &Patient, topic: &mut Topic<'_>) {
    let at = &listen.address;
    let port = address.port();
    // As the server's user may; root may everything.
    let free = number(Path::new("/proc/sys/net/ipv4/ip_unprivileged_port_start")).unwrap_or(1024);
    if privs::is_root() && patient.starter != 0 && port != 0 && u64::from(port) < free {
        topic.hint(
            format!("{at}: ports below {free} take a capability, since the server is started as uid {}", patient.starter),
            "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, or a socket unit that listens for it",
        );
    }
    match net::listen_tcp(address, 1, listen.congestion.as_deref()) {
        Ok(_) => topic.ok(format!("{at} is free")),
        Err(Errno::EADDRINUSE) => topic.error(
            format!(
                "{at}: another program listens there{}",
                if patient.config.control.is_none() {
                    ", or this server, which is not asked without a control socket"
                } else {
                    ""
                }
            ),
            format!("ss -ltnp 'sport = :{port}' says which: end it, or take another address"),
        ),
        Err(Errno::EADDRNOTAVAIL) => topic.error(
            format!("{at}: this machine has no such address"),
            "ip address shows those it has; address = \"0.0.0.0:PORT\" takes all",
        ),
        Err(Errno::EACCES) => topic.error(
            format!("{at}: this user may not listen at ports below {free}"),
            "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, a start as root with user = \"forkftp\", or a port from 1024 on",
        ),
        Err(Errno::ENOENT | Errno::EPERM) if listen.congestion.is_some() => {
            congestion(listen, topic);
        }
        Err(errno) => topic.error(
            format!("{at}: cannot be listened at: {}", errno.desc()),
            "another address in forkftpd.toml",
        ),
    }
}

/// Whether the kernel has the congestion control that is named.
fn congestion(listen: &Listen, topic: &mut Topic<'_>) {
    let Some(name) = &listen.congestion else {
        return;
    };
    let at = &listen.address;
    let list = |file: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{file}"));
        text.map(|text| text.trim().to_owned())
    };
    let has = |list: &str| list.split_whitespace().any(|found| found == name);
    match (
        list("tcp_available_congestion_control"),
        list("tcp_allowed_congestion_control"),
    ) {
        (Ok(there), _) if !has(&there) => topic.error(
            format!("{at}: congestion = \"{name}\", and this kernel has: {there}"),
            format!("modprobe tcp_{name}, and in /etc/modules-load.d; or take congestion out"),
        ),
        (_, Ok(allowed)) if !has(&allowed) => topic.error(
            format!("{at}: congestion = \"{name}\" is for root alone; others may take: {allowed}"),
            format!("sysctl -w net.ipv4.tcp_allowed_congestion_control='{allowed} {name}'"),
        ),
        (Ok(_), _) => topic.ok(format!("{at}: the kernel has congestion = \"{name}\"")),
        (Err(error), _) => topic.note(format!(
            "{at}: whether the kernel has congestion = \"{name}\" is not to be had: {error}"
        )),
    }
}

/// The sockets that others listen at.
fn others(patient: &Patient, topic: &mut Topic<'_>) -> Vec<Listening> {
    let Some(mut listening) = proc::listening() else {
        topic.note("the ports that others listen at are not to be had (/proc/net/tcp)");
        return Vec::new();
    };
    let Some(running) = &patient.running else {
        return if patient.hidden {
            Vec::new()
        } else {
            listening
        };
    };
    // Its own listening sockets, and those of data connections that wait.
    let mut own = Vec::new();
    let mut processes = running.process.children();
    processes.push(running.status.pid);
    for pid in processes {
        own.extend(proc::sockets_of(&proc::Process::of(pid)).unwrap_or_default());
    }
    if own.is_empty() {
        if patient
            .ftp()
            .any(|listen| listen.ftp.passive_ports.is_some())
        {
            topic.hint(
                "which ports of passive_ports belong to other programs was not looked at: only root may",
                "sudo forkftpd doctor",
            );
        }
        return Vec::new();
    }
    listening.retain(|socket| !own.contains(&socket.inode));
    listening
}

fn passive(listen: &Listen, patient: &Patient, others: &[Listening], topic: &mut Topic<'_>) {
    let at = &listen.address;
    let most = patient.config.max_clients;
    let (from, to) = net::ephemeral_ports();
    let Some((first, last)) = listen.ftp.passive_ports else {
        if at.is_local() {
            topic.ok(format!("{at}: data connections at any port of {from}-{to}"));
        } else {
            topic.hint(
                format!(
                    "{at}: no passive_ports: a firewall has to let in every port of {from}-{to}"
                ),
                format!(
                    "passive_ports = \"{}\" in forkftpd.toml",
                    better(most, from)
                ),
            );
        }
        return;
    };
    let range = format!("{at}: passive_ports = \"{first}-{last}\"");
    let ports = u64::from(last - first) + 1;
    // No address has more to itself than all clients together.
    if ports < u64::from(most) {
        topic.warning(
            format!("{range} are {ports} ports, and max_clients = {most}: no more than {ports} transfer at once, fewer when they are quick to begin another, and the others are refused (425)"),
            format!("passive_ports = \"{}\" in forkftpd.toml, or max_clients = {}", better(most, from), (ports / EACH).max(1)),
        );
    } else {
        topic.ok(format!("{range}: {ports} ports for max_clients = {most}"));
    }
    if first <= to && from <= last {
        if reserved(first, last) {
            topic.ok(format!(
                "{range} are reserved from the kernel's own choice of ports"
            ));
        } else {
            topic.hint(
                format!("{range} overlap {from}-{to}, from which the kernel takes ports for this machine's own connections (ip_local_port_range): those are then missing here"),
                format!("sysctl -w net.ipv4.ip_local_reserved_ports={first}-{last}, and in /etc/sysctl.d"),
            );
        }
    } else {
        topic.ok(format!(
            "{range} are none of {from}-{to}, which the kernel takes"
        ));
    }
    let Address::Tcp(own) = listen.address else {
        return;
    };
    let in_the_way = others.iter().filter(|socket| socket.takes(own.ip()));
    let mut taken: Vec<u16> = in_the_way.map(|socket| socket.port).collect();
    taken.retain(|port| (first..=last).contains(port));
    taken.sort_unstable();
    taken.dedup();
    if taken.is_empty() {
        topic.ok(format!("{range}: no other program listens there"));
    } else {
        let named: Vec<_> = taken.iter().take(NAMED).map(u16::to_string).collect();
        let dots = if taken.len() > NAMED { ", ..." } else { "" };
        topic.warning(
            format!(
                "{range}: other programs listen at {} of them: {}{dots}",
                taken.len(),
                named.join(", ")
            ),
            format!(
                "ss -ltnp 'sport = :{}' says which; or take another range",
                taken[0]
            ),
        );
    }
    for other in &patient.config.listen {
        if let Address::Tcp(address) = &other.address
            && (first..=last).contains(&address.port())
        {
            topic.warning(
                format!("{range}: this server itself listens at {address}"),
                format!(
                    "passive_ports = \"{}\" in forkftpd.toml",
                    better(most, from)
                ),
            );
        }
    }
}

/// A range that is large enough, and below those ports that the kernel takes from `from` on.
fn better(clients: u32, from: u16) -> String {
    let wanted = u16::try_from((u64::from(clients) * EACH).clamp(100, 20_000)).unwrap_or(20_000);
    let first = from.checked_sub(wanted).filter(|first| *first >= 10_000);
    let first = first.map_or(10_000, |first| first - first % 100);
    format!("{first}-{}", first + wanted - 1)
}

/// True when the kernel takes none of these (ip_local_reserved_ports).
fn reserved(first: u16, last: u16) -> bool {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports");
    let text = text.unwrap_or_default();
    let ranges = text.trim().split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some((from.parse::<u16>().ok()?, to.parse::<u16>().ok()?))
    });
    covers(ranges, first, last)
}

/// True when these ranges, in their order, hold all ports from `first` to `last`.
fn covers(ranges: impl Iterator<Item = (u16, u16)>, first: u16, last: u16) -> bool {
    let mut next = u32::from(first);
    for (from, to) in ranges {
        if u32::from(from) <= next && next <= u32::from(to) {
            next = u32::from(to) + 1;
        }
    }
    next > u32::from(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(better(1000, 32768), "30700-32699");
        assert_eq!(better(10, 32768), "32600-32699");
        assert_eq!(better(u32::MAX, 1024), "10000-29999");
        for (ranges, whole) in [
            (&[(50000, 50999)][..], true),
            (&[(49000, 50500), (50501, 60000)], true),
            (&[(49000, 50500), (50502, 60000)], false),
            (&[(50001, 50999)], false),
            (&[], false),
        ] {
            assert_eq!(
                covers(ranges.iter().copied(), 50000, 50999),
                whole,
                "{ranges:?}"
            );
        }
        assert!(covers([(0, u16::MAX)].into_iter(), 1, u16::MAX));
    }
}
