//! `http-put`: a large file is put, by ours without waiting for the disk, with and without the receipt's digest, and with waiting; beside
//! dufs and a bare loop.

use super::Http;
use crate::get::random_block;
use crate::machine::World;
use crate::network;
use crate::peer::pieces;
use crate::peers::{Contestant, Product, Way};
use crate::put::{STORED as NAME, bare_put, remove};
use crate::server::{Ours, Server};
use crate::stats::{Goal, Run, rate};
use crate::table::{Aim, Part, Side, table};
use std::fs;
use std::time::Instant;

const BARE: &str = "bare recv, write";

/// Measures.
pub(crate) fn run(world: &World) {
    let size = world.large / 2;
    let block = random_block();
    let aims = |goal| {
        vec![
            Aim::Beside("dufs", goal),
            Aim::Beside(BARE, Goal::Shown),
            Aim::Cpu("dufs", Goal::Shown),
        ]
    };
    let kinds = [
        ("none", "none", Goal::AtLeast(1.2)),
        ("none", "sha256", Goal::AtLeast(1.2)),
        ("full", "sha256", Goal::Shown),
    ];
    let mut servers: Vec<(Contestant, Vec<Aim>)> = kinds
        .into_iter()
        .map(|(durability, receipt, goal)| {
            let ours = Ours {
                durability,
                receipt,
                tls: false,
            };
            let name = format!("forkftpd {durability}, {receipt}");
            let server = Contestant::ours_by_http(world, &name, ours, 0);
            (server, aims(goal))
        })
        .collect();
    let theirs = Contestant::all_theirs(world, &[Product::Dufs], Way::Plain);
    servers.extend(theirs.into_iter().map(|server| (server, Vec::new())));
    let target = world.library.join(NAME);
    let words = ["sink", &target.to_string_lossy(), "none", "none"];
    let bare = Server::bare(world.unpaced(), &words);
    let under = network::under(world.unpaced());
    for (server, _) in &servers {
        once(world, server, size, &block);
    }
    let mut sides: Vec<Side> = servers
        .iter()
        .map(|(server, aims)| {
            let block = &block;
            Side::of(server, aims, move || {
                put_and_remove(world, server, size, block)
            })
        })
        .collect();
    sides.push(Side {
        name: BARE.into(),
        part: Part::Bare,
        run: Box::new(|| bare_put(world, &bare, size, &block)),
    });
    let what = format!(
        "PUT {} MiB, {}; forkftpd by durability and receipt, dufs as it is (none, none)",
        size >> 20,
        world.unpaced()
    );
    table(world.runs, &what, ["GB/s", "s/GB"], sides);
    drop(under);
}

fn put(server: &Contestant, size: u64, block: &[u8]) -> f64 {
    let mut http = Http::connect(server.address);
    let began = Instant::now();
    let code = http.put(&format!("/{NAME}"), size, block);
    assert_eq!(code, 201, "PUT at {}", server.name);
    rate(size, began.elapsed())
}

/// Once, to see that what was put is there, byte for byte.
fn once(world: &World, server: &Contestant, size: u64, block: &[u8]) {
    put(server, size, block);
    let path = world.library.join(NAME);
    let stored = fs::read(&path).expect("what was put");
    let mut rest = &stored[..];
    for piece in pieces(block, size) {
        let same = rest.starts_with(piece);
        assert!(same, "{} stored something else", server.name);
        rest = &rest[piece.len()..];
    }
    assert!(rest.is_empty(), "{} stored more", server.name);
    remove(&path, size);
}

fn put_and_remove(world: &World, server: &Contestant, size: u64, block: &[u8]) -> Run {
    let run = server.measure(size as f64 / 1e9, || put(server, size, block));
    remove(&world.library.join(NAME), size);
    run
}
