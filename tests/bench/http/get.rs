//! `http-get`: a large file over a connection that stays, to one client and to four at once, under each congestion control, beside the
//! peers and a bare sendfile loop.

use super::Http;
use crate::get::{NAME, large_file_of, random_block};
use crate::machine::World;
use crate::network;
use crate::peer::{PIECE, Peer, Reading};
use crate::peers::{Contestant, Product, Way};
use crate::server::{Ours, Server};
use crate::stats::{Goal, rate};
use crate::table::{Aim, Part, Side, table};
use std::fs;
use std::sync::Barrier;
use std::time::{Duration, Instant};

const SENDFILE: &str = "bare sendfile";

/// Measures.
pub(crate) fn run(world: &World) {
    let block = random_block();
    let file = large_file_of(world, &block);
    let mut servers = vec![Contestant::ours_by_http(
        world,
        "forkftpd",
        Ours::default(),
        0,
    )];
    let theirs = Contestant::all_theirs(world, &Product::HTTP, Way::Plain);
    servers.extend(theirs);
    let bare = Server::bare(world.unpaced(), &["sendfile", &file.to_string_lossy()]);
    let target = format!("/{NAME}");
    for server in &servers {
        // Once, to see that what comes is what is there.
        let first = block.len().min(1 << 20);
        let lines = format!("Range: bytes=0-{}\r\n", first - 1);
        let (head, body) = Http::connect(server.address).fetch(&target, &lines);
        assert_eq!(head.code, 206, "{}", server.name);
        assert!(
            body == block[..first],
            "{} sends something else",
            server.name
        );
    }
    network::under_each(&world.congestions, |congestion| {
        for streams in [1, 4] {
            one(world, &servers, &bare, congestion, streams);
        }
    });
    fs::remove_file(file).expect("remove");
}

fn one(world: &World, servers: &[Contestant], bare: &Server, congestion: &str, streams: usize) {
    let gigabytes = (world.large * streams as u64) as f64 / 1e9;
    let aims = [
        Aim::Beside("nginx", Goal::AtLeast(0.95)),
        Aim::Best(Goal::Shown),
        Aim::Beside(SENDFILE, Goal::AtLeast(0.9)),
        Aim::Cpu("nginx", Goal::Shown),
    ];
    let target = format!("/{NAME}");
    let mut sides: Vec<Side> = servers
        .iter()
        .map(|server| {
            let target = &target;
            // The same connections in all rounds.
            let mut ready: Vec<Http> = Vec::new();
            Side::of(server, &aims, move || {
                if ready.is_empty() {
                    ready.extend((0..streams).map(|_| Http::connect(server.address)));
                }
                server.measure(gigabytes, || {
                    all_at_once(world.large, &mut ready, |http| {
                        http.discard(target, world.large);
                    })
                })
            })
        })
        .collect();
    sides.push(Side {
        name: SENDFILE.into(),
        part: Part::Bare,
        run: Box::new(|| {
            let connect = || Peer::connect(bare.address, None);
            let mut ready: Vec<Peer> = (0..streams).map(|_| connect()).collect();
            bare.measure(gigabytes, || {
                all_at_once(world.large, &mut ready, |peer| {
                    let mut space = vec![0; PIECE];
                    peer.send(b"g", false);
                    peer.take(world.large, Reading::Discards, &mut space);
                })
            })
        }),
    });
    let what = format!(
        "GET {} MiB, {streams} at once, {congestion}, receiver discards",
        world.large >> 20
    );
    table(world.runs, &what, ["GB/s", "s/GB"], sides);
}

/// Has all clients get a file of `size` bytes at the same time, and returns the rate of all together.
fn all_at_once<C: Send>(size: u64, clients: &mut [C], get: impl Fn(&mut C) + Sync) -> f64 {
    let start = Barrier::new(clients.len());
    let bytes = size * clients.len() as u64;
    let took = std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(|| {
                    start.wait();
                    let began = Instant::now();
                    get(client);
                    began.elapsed()
                })
            })
            .collect();
        let ended = running.into_iter().map(|one| one.join().expect("a client"));
        ended.max()
    });
    rate(bytes, took.unwrap_or(Duration::ZERO))
}
