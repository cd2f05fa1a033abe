//! `sessions`: clients come and go, eight at once: each connects, proves the secret, gets 1 KiB and quits. Beside a bare
//! loop that accepts, forks, and whose child sends 1 KiB and exits: what do protocol, proof and counting cost?

use crate::bare::ANSWER;
use crate::machine::World;
use crate::peer::Peer;
use crate::server::Server;
use crate::stats::{Goal, Run, Series, disturbance, in_turns, say};
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Clients at once.
const AT_ONCE: usize = 8;
/// Sessions in a run.
const SESSIONS: usize = 8_000;
/// The file's name in the library.
const NAME: &str = "kilobyte";

/// Measures forking for each client and warm children, both beside the bare loop.
pub(crate) fn run(world: &World) {
    let file = world.library.join(NAME);
    fs::write(&file, ANSWER).expect("the small file");
    let congestion = world.unpaced();
    let count = SESSIONS / world.part;
    let bare = Server::bare(congestion, &["fork"]);
    let ways: [(&str, &[&str]); 2] = [
        ("forked at accept", &[]),
        ("--prefork 16", &["--prefork", "16"]),
    ];
    let servers = ways.map(|(_, flags)| Server::forkftpd(world, congestion, flags));
    let (runs, noise) = in_turns(
        world.runs,
        &mut [
            &mut || drive(world, &servers[0], count),
            &mut || drive(world, &servers[1], count),
            &mut || raw(&bare, count),
        ],
    );
    for (way, (name, _)) in ways.iter().enumerate() {
        report(name, count, congestion, [&runs[way], &runs[2]], noise);
    }
    fs::remove_file(file).expect("remove");
}

fn report(way: &str, count: usize, congestion: &str, runs: [&[Run]; 2], noise: f64) {
    let [our_rate, bare_rate] = runs.map(|side| Series::of(side, |run| run.value));
    let [our_cpu, bare_cpu] = runs.map(|side| Series::of(side, |run| run.cpu));
    let ratio = our_cpu.over(&bare_cpu);
    say(&format!(
        "{count} sessions, {AT_ONCE} at once, {way}, {congestion}: connect, proof, get 1 KiB, quit\n    \
         forkftpd {our_rate} sessions/s | bare accept, fork, send {bare_rate} sessions/s | ratio {}\n    \
         server CPU {our_cpu} us/session | {bare_cpu} us/session | ratio {ratio} | {} | {}",
        our_rate.over(&bare_rate),
        Goal::AtMost(3.0).verdict(ratio.median()),
        disturbance(noise)
    ));
}

fn drive(world: &World, server: &Server, count: usize) -> Run {
    at_once(server, count, |address| {
        let mut peer = Peer::drive(address, None, &world.secret);
        // Both requests in one packet, as a client does that knows what it wants.
        let get = crate::peer::frame(b'G', format!(r#"{{"path":"{NAME}"}}"#).as_bytes());
        let quit = crate::peer::frame(b'Q', b"{}");
        peer.send(&[get, quit].concat(), false);
        peer.expect(b'K');
        assert_eq!(peer.expect(b'D').len(), ANSWER.len());
        peer.expect(b'Z');
        peer.expect(b'K');
        assert_eq!(peer.drain(), 0, "bytes after the last answer");
    })
}

fn raw(server: &Server, count: usize) -> Run {
    at_once(server, count, |address| {
        assert_eq!(Peer::connect(address, None).drain(), ANSWER.len());
    })
}

/// Runs `count` sessions in `AT_ONCE` threads.
fn at_once(server: &Server, count: usize, session: impl Fn(SocketAddr) + Sync) -> Run {
    let begun = AtomicUsize::new(0);
    server.measure(count as f64 / 1e6, || {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while begun.fetch_add(1, Ordering::Relaxed) < count {
                        session(server.address);
                    }
                });
            }
        });
        count as f64 / began.elapsed().as_secs_f64()
    })
}
