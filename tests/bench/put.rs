//! `put`: a large file is received, hashed and written, with and without waiting for the disk. Beside the same three calls
//! in a bare loop.

use crate::get::random_block;
use crate::machine::World;
use crate::peer::{Peer, pieces};
use crate::server::Server;
use crate::stats::{Goal, Run, compare, rate};
use forkftp::digest::{Hasher, Kind};
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

const NAME: &str = "put";

/// What the file is called that other rooms put.
pub(crate) const STORED: &str = "stored";

/// Measures each digest without waiting, and the default one with waiting, under each congestion control.
pub(crate) fn run(world: &World) {
    let block = random_block();
    for congestion in &world.congestions {
        for kind in Kind::ALL {
            one(world, &block, congestion, kind, "none", Goal::AtLeast(0.8));
        }
        let kind = Kind::default();
        one(world, &block, congestion, kind, "full", Goal::AtLeast(0.9));
    }
}

fn one(world: &World, block: &[u8], congestion: &str, kind: Kind, durability: &str, goal: Goal) {
    let target = world.library.join(NAME);
    let forkftpd = Server::forkftpd(world, congestion, &["--durability", durability]);
    let bare = Server::bare(
        congestion,
        &["sink", &target.to_string_lossy(), kind.as_str(), durability],
    );
    let expected = digest_of(block, world.large, kind);
    let gigabytes = world.large as f64 / 1e9;
    let beside = if durability == "full" {
        "bare recv + digest + write + fdatasync"
    } else {
        "bare recv + digest + write"
    };
    compare(
        world.runs,
        &format!(
            "put {} MiB, {}, durability {durability}, {congestion}",
            world.large >> 20,
            kind.as_str()
        ),
        [beside, "GB/s", "s/GB"],
        goal,
        || {
            let mut peer = Peer::drive(forkftpd.address, Some(congestion), &world.secret);
            let run = forkftpd.measure(gigabytes, || {
                let began = Instant::now();
                let found = peer.put(NAME, world.large, block, kind.as_str(), &expected);
                assert_eq!(found, expected, "the digest that the server found");
                rate(world.large, began.elapsed())
            });
            peer.quit();
            remove(&target, world.large);
            run
        },
        || {
            let mut peer = Peer::connect(bare.address, Some(congestion));
            let run = bare.measure(gigabytes, || {
                let began = Instant::now();
                for piece in pieces(block, world.large) {
                    peer.send(piece, false);
                }
                peer.finish();
                let mut found = vec![0; kind.length()];
                peer.read(&mut found);
                assert_eq!(hex::encode(found), expected, "the digest of the bare loop");
                rate(world.large, began.elapsed())
            });
            remove(&target, world.large);
            run
        },
    );
}

/// `size` bytes into the file `stored` by way of a bare loop, the same calls and nothing else: what the machine can do.
pub(crate) fn bare_put(world: &World, bare: &Server, size: u64, block: &[u8]) -> Run {
    let mut peer = Peer::connect(bare.address, None);
    let run = bare.measure(size as f64 / 1e9, || {
        let began = Instant::now();
        pieces(block, size).for_each(|piece| peer.send(piece, false));
        peer.finish();
        peer.read(&mut [0]);
        rate(size, began.elapsed())
    });
    remove(&world.library.join(STORED), size);
    run
}

/// Takes the file away and lets the disk come to rest, so that each run begins alike.
pub(crate) fn remove(path: &Path, size: u64) {
    let stored = fs::metadata(path).expect("the file that was put");
    assert_eq!(stored.len(), size, "its size");
    fs::remove_file(path).expect("remove");
    let folder = File::open(path.parent().expect("a folder")).expect("the folder");
    nix::unistd::syncfs(folder).expect("syncfs");
}

fn digest_of(block: &[u8], size: u64, kind: Kind) -> String {
    let mut hasher = Hasher::new(kind);
    pieces(block, size).for_each(|piece| hasher.update(piece));
    hasher.finish().to_hex()
}
