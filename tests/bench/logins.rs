//! `logins`: users come, log in and leave, eight at once. At forkftpd by SCRAM-SHA-256, by clients that keep the keys they made of
//! their password, as every device does that comes again; at vsftpd by a password, which that has to hash each time
//! (SHA-512-crypt, 5,000 rounds).

use crate::crowd::{AT_ONCE, come_and_go};
use crate::ftp::Ftp;
use crate::machine::World;
use crate::peer::Peer;
use crate::peers::{Contestant, PASSWORD, Product, USER, Way};
use crate::server::{Door, Server};
use crate::stats::{Goal, Run, Series, disturbance, in_turns, say};
use forkftp::proof;
use forkftp::scram::{Binding, ClientLogin, KeyCache};
use std::sync::{Mutex, PoisonError};

/// Logins in a run.
const LOGINS: usize = 4_000;
/// The same at vsftpd, where each takes longer.
const THEIR_LOGINS: usize = 800;
/// At least so many times the logins a second of vsftpd.
const GOAL: f64 = 5.0;

/// Measures with and without the proof of the secret, both beside vsftpd.
pub(crate) fn run(world: &World) {
    let congestion = world.unpaced();
    let (count, their_count) = (LOGINS / world.part, THEIR_LOGINS / world.part);
    let ways = [
        ("connect, proof, login, quit", true),
        ("connect, login, quit", false),
    ];
    let servers = ways.map(|(_, proof)| {
        let door = Door {
            proof,
            login: true,
            tls: false,
        };
        Server::with_door(world, congestion, door, &[])
    });
    // One device each, that goes on from run to run.
    let devices: [Mutex<KeyCache>; AT_ONCE] = Default::default();
    let mut with_proof = || drive(world, &servers[0], true, &devices, count);
    let mut without = || drive(world, &servers[1], false, &devices, count);
    let (runs, noise) = match Contestant::theirs(world, Product::Vsftpd, Way::Plain) {
        Ok(vsftpd) => {
            let mut theirs = || {
                vsftpd.measure(their_count as f64 / 1e6, || {
                    come_and_go(their_count, |_| Ftp::login(vsftpd.address).quit())
                })
            };
            in_turns(
                world.runs,
                &mut [&mut with_proof, &mut without, &mut theirs],
            )
        }
        Err(why) => {
            say(&format!(
                "vsftpd is not to be had, nothing to compare with: {why}"
            ));
            in_turns(world.runs, &mut [&mut with_proof, &mut without])
        }
    };
    for (way, (words, _)) in ways.iter().enumerate() {
        say(&format!(
            "{words}: {count} logins, {AT_ONCE} at once, keys kept, {congestion}\n    {}\n    {}",
            report(&runs[way], runs.get(2)),
            disturbance(noise)
        ));
    }
}

fn report(ours: &[Run], theirs: Option<&Vec<Run>>) -> String {
    let [rate, cpu, broker] = [
        Series::of(ours, |run| run.value),
        Series::of(ours, |run| run.cpu),
        Series::of(ours, |run| run.broker),
    ];
    let cost = format!("server CPU {cpu} us/login, {broker} of it the broker's");
    let Some(theirs) = theirs else {
        let shown = Goal::Shown.verdict(rate.median());
        return format!("forkftpd {rate} logins/s | {cost} | {shown}");
    };
    let their_rate = Series::of(theirs, |run| run.value);
    let their_cpu = Series::of(theirs, |run| run.cpu);
    let ratio = rate.over(&their_rate);
    format!(
        "forkftpd {rate} logins/s | vsftpd (USER, PASS, QUIT) {their_rate} logins/s | ratio {ratio} | {}\n    \
         {cost} | vsftpd {their_cpu} us/login | ratio {}",
        Goal::AtLeast(GOAL).verdict(ratio.median()),
        cpu.over(&their_cpu)
    )
}

fn drive(
    world: &World,
    server: &Server,
    proof: bool,
    devices: &[Mutex<KeyCache>],
    count: usize,
) -> Run {
    let keys = |thread: usize| {
        devices[thread]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    let run = server.measure(count as f64 / 1e6, || {
        come_and_go(count, |thread| {
            let mut peer = Peer::connect(server.address, None);
            if proof {
                peer.prove(&world.secret);
            } else {
                peer.expect(b'H');
            }
            log_in(&mut peer, &mut keys(thread));
            peer.quit();
        })
    });
    let hashed = (0..AT_ONCE).map(|thread| keys(thread).made()).max();
    assert_eq!(hashed, Some(1), "keys are made once");
    run
}

/// Logs in as `USER`, and sees to it that the server knows the user too.
fn log_in(peer: &mut Peer, keys: &mut KeyCache) {
    let nonce = proof::nonce().expect("randomness");
    let (login, message) =
        ClientLogin::begin(USER, PASSWORD, &nonce, Binding::None, false).expect("a login");
    let next = say_login(peer, &message);
    let (end, message) = login.respond_with(&next, keys).expect("an answer");
    let last = say_login(peer, &message);
    end.verify(&last).expect("the server's signature");
}

fn say_login(peer: &mut Peer, message: &str) -> String {
    peer.request(b'U', &serde_json::json!({ "message": message }).to_string());
    let answer = peer.expect_json(b'K');
    answer["message"].as_str().expect("message").to_owned()
}
