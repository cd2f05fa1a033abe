//! The measuring program: `cargo bench --bench bench -- [--quick] [NAMES...]`.
//!
//! Each figure sets `forkftpd` beside a bare loop that does only what has to be done (or beside vsftpd), both served to the
//! same load generator, in turns, and prints the ratio of each pair, its median, and the goal. It is the server that is
//! compared: the generator costs both sides the same. Client and server share the machine, so no rate is that of a server
//! with cores of its own; the ratios are what counts, and only those of one run. Rounds in which other programs took a share
//! of the machine are run again, up to a limit; how much the others took in those that count stands beside the figure.
//!
//! | name | what | beside |
//! |---|---|---|
//! | `get` | get of a large file whose digest is stored | accept, sendfile |
//! | `digest` | get of a large file whose digest is computed while it is sent | pread and that digest, no network |
//! | `put` | put of a large file, with and without waiting for the disk | recv, that digest, write, fdatasync |
//! | `small` | files of 4 KiB through one connection | vsftpd, one by one |
//! | `small-put` | puts of files of 4 KiB through one connection | |
//! | `sessions` | connect, proof, get 1 KiB, quit: 8 at once; how soon a warm child speaks | accept, fork, send 1 KiB, exit; the same without walls |
//! | `logins` | connect, proof or not, SCRAM, quit: 8 at once | vsftpd, by a password |
//! | `handshakes` | connect, TLS 1.3, the first words: 8 at once | accept, fork, the same with the key at hand |
//! | `idle` | memory of idle sessions, with login and TLS and without; and 2,000 of them at once | |
//! | `ftp-retr` | RETR of a large file, to one client and to four | vsftpd, pure-ftpd, ProFTPD; accept, fork, sendfile |
//! | `ftp-stor` | STOR of a large file, by durability and receipt | the three |
//! | `ftp-logins` | connect, USER, PASS, RETR 1 KiB, QUIT: 8 at once | the three |
//! | `ftp-small` | RETR of a thousand files of 4 KiB, one session | the three |
//! | `ftp-idle` | memory of idle sessions | the three |
//! | `ftps-retr`, `ftps-stor` | RETR and STOR under TLS 1.3 | the three |
//! | `ftp-cut` | what uploads that break off leave | the three, and two of them with uploads put aside |
//! | `http-get` | GET of a large file over a connection that stays, to one client and to four | nginx, dufs, miniserve; accept, fork, sendfile |
//! | `http-put` | PUT of a large file, by durability and receipt | dufs; recv, write |
//! | `http-conn` | connect, GET 1 KiB, close: 8 at once, forked and warm | the three |
//! | `http-small` | GET of 1 KiB over a connection that stays | the three |
//! | `http-page` | what a browser fetches for the page of a thousand files: bytes and requests | the three |
//!
//! Servers run with their default settings but for what each line names; their log, at its default level, goes to a file.
//! Everything happens in a folder of its own in `$FORKFTP_BENCH_DIR`, or in cargo's target folder, which is removed at the
//! end. Setting a congestion control other than the system's, the other FTP servers, and exact CPU figures need root: what
//! could not be had is said. The others come from Debian's packages, unpacked into cargo's target folder, dufs and miniserve from the PATH or
//! cargo's own folder; while FTP or HTTP is measured all of it happens in a network of its own ([`network`]). `$FORKFTP_BENCH_SERVER` is another build of `forkftpd` to measure. `--quick` does an eighth of the bytes, and fewer runs.
//!
//! The generator's own pieces: [`peer`] speaks the drive protocol, [`ftp`] FTP and [`http`] HTTP, [`peers`] starts the other servers, [`bare`] has the loops to compare with (this same program, started
//! again), [`server`] starts both, [`crowd`] has many clients come and go, [`meter`] reads CPU time, [`stats`] has medians and lines.

mod bare;
mod crowd;
mod digest;
mod ftp;
mod get;
mod handshakes;
mod http;
mod idle;
mod logins;
mod machine;
mod meter;
mod network;
mod peer;
mod peers;
mod put;
mod server;
mod sessions;
mod small;
mod stats;
mod table;

use machine::World;
use peers::Product;
use stats::say;

/// Measures, and prints what it found.
type Figure = fn(&World);

/// The figures by name, in the order of running.
const FIGURES: [(&str, Figure); 22] = [
    ("get", get::run),
    ("digest", digest::run),
    ("put", put::run),
    ("small", small::run),
    ("small-put", small::run_puts),
    ("sessions", sessions::run),
    ("logins", logins::run),
    ("handshakes", handshakes::run),
    ("idle", idle::run),
    ("ftp-retr", ftp::run_retr),
    ("ftp-stor", ftp::run_stor),
    ("ftp-logins", ftp::run_logins),
    ("ftp-small", ftp::run_small),
    ("ftp-idle", ftp::run_idle),
    ("ftps-retr", ftp::run_secure_retr),
    ("ftps-stor", ftp::run_secure_stor),
    ("ftp-cut", ftp::run_cut),
    ("http-get", http::run_get),
    ("http-put", http::run_put),
    ("http-conn", http::run_conn),
    ("http-small", http::run_small),
    ("http-page", http::run_page),
];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if given.first().is_some_and(|first| first == bare::FLAG) {
        return bare::run(&given[1..]);
    }
    let mut quick = false;
    let mut names = Vec::new();
    for word in &given {
        match word.as_str() {
            // Added by cargo.
            "--bench" => {}
            "--quick" => quick = true,
            name if FIGURES.iter().any(|(known, _)| *known == name) => names.push(name),
            other => {
                let known: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
                say(&format!(
                    "no figure {other}; there are: {}, and --quick",
                    known.join(", ")
                ));
                std::process::exit(2);
            }
        }
    }
    let chosen = |name: &str| names.is_empty() || names.contains(&name);
    let families = [("ftp", Product::FTP), ("http", Product::HTTP)];
    let measured = families.into_iter().filter(|(family, _)| {
        let mut figures = FIGURES.iter().map(|(name, _)| *name);
        figures.any(|name| name.starts_with(family) && chosen(name))
    });
    let wanted: Vec<Product> = measured.flat_map(|(_, kinds)| kinds).collect();
    if !wanted.is_empty() {
        wanted.into_iter().for_each(Product::fetch);
        // From here on nothing is to be fetched any more.
        network::enter();
    }
    let world = World::make(quick);
    for line in world.describe() {
        say(&line);
    }
    for (name, figure) in FIGURES {
        if chosen(name) {
            say(&format!("\n## {name}"));
            figure(&world);
        }
    }
    say(&format!("\nload at the end: {}", machine::load()));
}
