//! Whether this is a container, where addresses and ports are not those that clients see; and the firewall, as far as it can be
//! known.

use super::patient::Patient;
use super::proc::Process;
use super::report::Report;
use crate::config::Address;
use crate::sys::privs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the firewall's program may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most that is read of its rules, bytes.
const MOST_RULES: u64 = 1 << 20;

/// The kind of container that this process runs in; None for none that shows itself.
pub(super) fn kind() -> Option<String> {
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".into());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    // Written by systemd-nspawn, LXC and others for the first process.
    if let Ok(kind) = std::fs::read_to_string("/run/systemd/container") {
        return Some(kind.trim().to_owned());
    }
    let groups = Process::own().text("cgroup").unwrap_or_default();
    ["kubepods", "docker", "lxc", "libpod"]
        .into_iter()
        .find(|name| groups.contains(name))
        .map(str::to_owned)
}

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("surroundings");
    let ports = ports(patient);
    match &patient.container {
        None => topic.ok("no container shows itself"),
        Some(kind) if ports.is_empty() => {
            topic.ok(format!(
                "a container ({kind}), and nothing is served beyond it"
            ));
        }
        Some(kind) => {
            let published: Vec<_> = ports
                .iter()
                .map(|ports| format!("-p {ports}:{ports}"))
                .collect();
            topic.hint(
                format!(
                    "a container ({kind}): only published ports reach it, each under its own number"
                ),
                format!(
                    "{}; and passive_address = \"the host's address\" where FTP is served",
                    published.join(" ")
                ),
            );
        }
    }
    if ports.is_empty() {
        return;
    }
    if !privs::is_root() {
        return topic.hint(
            "the firewall was not looked at: only root may",
            "sudo forkftpd doctor",
        );
    }
    match rules() {
        None => topic.note("the firewall was not looked at: there is no nft that answers"),
        Some(rules) if drops(&rules) => topic.hint(
            "the firewall drops what it was not told of (nft list ruleset)",
            format!("nft add rule inet filter input tcp dport '{{ {} }}' accept (where your table and chain have these names)", ports.join(", ")),
        ),
        Some(_) => topic.ok("no chain of nftables drops by default what comes in"),
    }
}

/// The ports that clients elsewhere need, as one writes them: `21`, `50000-50999`.
fn ports(patient: &Patient) -> Vec<String> {
    let mut ports = Vec::new();
    for listen in &patient.config.listen {
        if let Address::Tcp(address) = &listen.address
            && !listen.address.is_local()
        {
            ports.push(address.port().to_string());
            ports.extend(
                listen
                    .ftp
                    .passive_ports
                    .map(|(first, last)| format!("{first}-{last}")),
            );
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

fn drops(rules: &str) -> bool {
    let mut lines = rules.lines();
    lines.any(|line| line.contains("hook input") && line.contains("policy drop"))
}

/// What `nft list ruleset` says, if it says it soon.
fn rules() -> Option<String> {
    let mut nft = Command::new("nft")
        .args(["list", "ruleset"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = nft.stdout.take()?;
    // Read beside the waiting: more rules than a pipe holds would never end.
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        out.take(MOST_RULES).read_to_string(&mut text).map(|_| text)
    });
    let until = Instant::now() + PATIENCE;
    while !reading.is_finished() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = nft.kill();
    let ended = nft.wait().ok()?;
    let text = reading.join().ok()?.ok()?;
    ended.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_drops_is_seen() {
        let chain = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n";
        assert!(drops(chain));
        assert!(!drops(&chain.replace("drop", "accept")));
        assert!(!drops(&chain.replace("input priority", "forward priority")));
    }
}
