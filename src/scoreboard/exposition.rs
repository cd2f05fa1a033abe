//! What all children did, in Prometheus' text form (version 0.0.4): made by a child for HTTP, and by the listener for its control
//! socket, of the same numbers.

use super::Sum;
use crate::wire::Protocol;
use std::fmt::Write as _;

/// What each metric is called, its type, what it tells, and how it is read of a protocol's numbers.
type Row = (&'static str, &'static str, &'static str, fn(&Sum) -> u64);

#[rustfmt::skip]
const ROWS: [Row; 7] = [
    ("forkftp_connections_accepted_total", "counter", "Clients that were let in to be served.", |sum| sum.accepted),
    ("forkftp_connections_turned_away_total", "counter", "Clients that were told that the server is busy.", |sum| sum.turned_away),
    ("forkftp_received_bytes_total", "counter", "Bytes from clients.", |sum| sum.done.received),
    ("forkftp_sent_bytes_total", "counter", "Bytes to clients.", |sum| sum.done.sent),
    ("forkftp_logins_refused_total", "counter", "Logins and proofs that were refused.", |sum| sum.done.refused),
    ("forkftp_uploads_total", "counter", "Files that were stored.", |sum| sum.done.uploads),
    ("forkftp_downloads_total", "counter", "Files that were sent.", |sum| sum.done.downloads),
];

const PHASES: [&str; 3] = ["login", "idle", "busy"];

/// The text for a server that began so many milliseconds ago, and has so many children that wait for a client.
#[must_use]
pub fn exposition(uptime: u64, warm: u64, sum: impl Fn(Protocol) -> Sum) -> String {
    let mut text = String::with_capacity(4096);
    let mut gauge = |name: &str, what: &str, value: String| {
        let _ = write!(
            text,
            "# HELP {name} {what}\n# TYPE {name} gauge\n{name}{value}\n"
        );
    };
    let version = env!("CARGO_PKG_VERSION");
    gauge(
        "forkftp_info",
        "Which version this is.",
        format!("{{version=\"{version}\"}} 1"),
    );
    gauge(
        "forkftp_uptime_seconds",
        "Seconds since the server started.",
        format!(" {}.{:03}", uptime / 1000, uptime % 1000),
    );
    gauge(
        "forkftp_warm_children",
        "Children that wait for a client.",
        format!(" {warm}"),
    );
    let sums = Protocol::ALL.map(|protocol| (protocol.as_str(), sum(protocol)));
    let name = "forkftp_clients";
    let what = "Clients that are connected, by what they are at.";
    let _ = write!(text, "# HELP {name} {what}\n# TYPE {name} gauge\n");
    for (protocol, sum) in &sums {
        for (phase, living) in PHASES.iter().zip(sum.living) {
            let _ = writeln!(
                text,
                "{name}{{protocol=\"{protocol}\",phase=\"{phase}\"}} {living}"
            );
        }
    }
    for (name, kind, what, read) in ROWS {
        let _ = write!(text, "# HELP {name} {what}\n# TYPE {name} {kind}\n");
        for (protocol, sum) in &sums {
            let _ = writeln!(text, "{name}{{protocol=\"{protocol}\"}} {}", read(sum));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoreboard::Tally;

    #[test]
    fn each_number_stands_behind_its_name() {
        let text = exposition(61_005, 3, |protocol| match protocol {
            Protocol::Ftp => Sum {
                accepted: 7,
                turned_away: 2,
                done: Tally {
                    received: 10,
                    sent: 20,
                    refused: 30,
                    uploads: 40,
                    downloads: 50,
                },
                living: [1, 4, 5],
            },
            _ => Sum::default(),
        });
        for line in [
            concat!(
                "forkftp_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "forkftp_uptime_seconds 61.005",
            "forkftp_warm_children 3",
            "forkftp_clients{protocol=\"ftp\",phase=\"login\"} 1",
            "forkftp_clients{protocol=\"ftp\",phase=\"idle\"} 4",
            "forkftp_clients{protocol=\"ftp\",phase=\"busy\"} 5",
            "# TYPE forkftp_connections_accepted_total counter",
            "forkftp_connections_accepted_total{protocol=\"ftp\"} 7",
            "forkftp_connections_accepted_total{protocol=\"http\"} 0",
            "forkftp_connections_turned_away_total{protocol=\"ftp\"} 2",
            "forkftp_received_bytes_total{protocol=\"ftp\"} 10",
            "forkftp_sent_bytes_total{protocol=\"ftp\"} 20",
            "forkftp_logins_refused_total{protocol=\"ftp\"} 30",
            "forkftp_uploads_total{protocol=\"ftp\"} 40",
            "forkftp_downloads_total{protocol=\"ftp\"} 50",
        ] {
            assert_eq!(text.lines().filter(|l| *l == line).count(), 1, "{line}");
        }
        assert!(text.ends_with('\n'));
    }
}
