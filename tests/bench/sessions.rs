//! `sessions`: clients come and go, eight at once: each connects, proves the secret, gets 1 KiB and quits. Beside a bare
//! loop that accepts, forks, and whose child sends 1 KiB and exits: what do protocol, proof, broker and walls cost? And
//! from connecting to the first byte: does a client of a warm child notice that there are walls?

use crate::bare::ANSWER;
use crate::crowd::{AT_ONCE, come_and_go};
use crate::machine::World;
use crate::peer::Peer;
use crate::server::Server;
use crate::stats::{Goal, Run, Series, disturbance, in_turns, say};
use std::fs;
use std::time::{Duration, Instant};

/// Sessions in a run.
const SESSIONS: usize = 8_000;
/// The file's name in the library.
const NAME: &str = "kilobyte";
/// What a session may cost: so many times the bare loop, and so many microseconds for broker and walls.
const TIMES_BARE: f64 = 3.0;
const AND_MORE: f64 = 300.0;
/// Clients of warm children in a run, one after the other.
const GREETED: usize = 400;
/// Between two of them, so that the next meets a child that waits already.
const PAUSE: Duration = Duration::from_millis(3);

/// Measures forking for each client and warm children beside the bare loop; then how soon warm children speak.
pub(crate) fn run(world: &World) {
    let file = world.library.join(NAME);
    fs::write(&file, ANSWER).expect("the small file");
    let congestion = world.unpaced();
    costs(world, congestion, SESSIONS / world.part);
    first_bytes(world, congestion, GREETED / world.part);
    fs::remove_file(file).expect("remove");
}

fn costs(world: &World, congestion: &str, count: usize) {
    let bare = Server::bare(congestion, &["fork"]);
    let ways: [(&str, &[&str]); 2] = [
        ("forked at accept", &[]),
        ("--prefork 16", &["--prefork", "16"]),
    ];
    let servers = ways.map(|(_, flags)| {
        let open = [flags, &["--sandbox", "off"]].concat();
        [flags, &open].map(|flags| Server::forkftpd(world, congestion, flags))
    });
    let [[forked, forked_open], [warm, warm_open]] = &servers;
    let (runs, noise) = in_turns(
        world.runs,
        &mut [
            &mut || drive(world, forked, count),
            &mut || drive(world, forked_open, count),
            &mut || drive(world, warm, count),
            &mut || drive(world, warm_open, count),
            &mut || raw(&bare, count),
        ],
    );
    for (way, (name, _)) in ways.iter().enumerate() {
        let sides = [2 * way, 2 * way + 1, 4].map(|side| &runs[side][..]);
        report(name, count, congestion, sides, noise);
    }
}

fn report(way: &str, count: usize, congestion: &str, runs: [&[Run]; 3], noise: f64) {
    let [rate, _, bare_rate] = runs.map(|side| Series::of(side, |run| run.value));
    let [cpu, open_cpu, bare_cpu] = runs.map(|side| Series::of(side, |run| run.cpu));
    let over = cpu.with(&bare_cpu, |ours, bare| ours - TIMES_BARE * bare);
    let walls = cpu.with(&open_cpu, |full, open| full - open);
    say(&format!(
        "{count} sessions, {AT_ONCE} at once, {way}, {congestion}: connect, proof, get 1 KiB, quit\n    \
         forkftpd {rate} sessions/s | bare accept, fork, send {bare_rate} sessions/s | ratio {}\n    \
         server CPU {cpu} us/session | {bare_cpu} us/session | ratio {} | less {TIMES_BARE} times bare {over} us | {}\n    \
         of it the broker {} us, the listener {} us; the walls (full less --sandbox off, {open_cpu} us) {walls} us | {}",
        rate.over(&bare_rate),
        cpu.over(&bare_cpu),
        Goal::AtMost(AND_MORE).verdict(over.median()),
        Series::of(runs[0], |run| run.broker),
        Series::of(runs[0], |run| run.listener),
        disturbance(noise)
    ));
}

/// The walls of a warm child stand before its client comes. Whether they cost that client anything shows beside the noise: a
/// server without walls is measured twice in each round, and what the walls seem to cost is to be no more than what
/// nothing at all seemed to cost in one round or another.
fn first_bytes(world: &World, congestion: &str, count: usize) {
    let warm = ["--prefork", "16"];
    let full = Server::forkftpd(world, congestion, &warm);
    let open = Server::forkftpd(
        world,
        congestion,
        &[&warm[..], &["--sandbox", "off"]].concat(),
    );
    let (runs, noise) = in_turns(
        world.runs,
        &mut [
            &mut || greeted(&full, count),
            &mut || greeted(&open, count),
            &mut || greeted(&open, count),
        ],
    );
    let times = |side: usize| Series::of(&runs[side], |run| run.value);
    let less = |one: usize, other: usize| times(one).with(&times(other), |a, b| a - b);
    let (walls, nothing) = (less(0, 1), less(2, 1));
    say(&format!(
        "from connecting to the first byte of a warm child, {count} clients one after the other, medians, {congestion}\n    \
         with walls {} us | without {} us | without, again {} us\n    \
         the walls {walls} us, nothing at all {nothing} us: beyond its largest? {} | {}",
        times(0),
        times(1),
        times(2),
        Goal::AtMost(nothing.farthest()).verdict(walls.median()),
        disturbance(noise)
    ));
}

/// How long clients wait for the hello: the median, in microseconds.
fn greeted(server: &Server, count: usize) -> Run {
    let mut waits = Series::default();
    for _ in 0..count {
        let began = Instant::now();
        Peer::connect(server.address, None).hear_something();
        waits.add(began.elapsed().as_secs_f64() * 1e6);
        std::thread::sleep(PAUSE);
    }
    Run {
        value: waits.median(),
        ..Run::default()
    }
}

fn drive(world: &World, server: &Server, count: usize) -> Run {
    server.measure(count as f64 / 1e6, || {
        come_and_go(count, |_| {
            let mut peer = Peer::drive(server.address, None, &world.secret);
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
    })
}

fn raw(server: &Server, count: usize) -> Run {
    server.measure(count as f64 / 1e6, || {
        come_and_go(count, |_| {
            assert_eq!(Peer::connect(server.address, None).drain(), ANSWER.len());
        })
    })
}
