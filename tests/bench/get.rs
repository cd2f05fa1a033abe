//! `get`: a large file whose digest is stored goes by sendfile, unread: what does the protocol cost over sendfile alone?

use crate::machine::World;
use crate::peer::{PIECE, Peer, Reading};
use crate::server::Server;
use crate::stats::{Goal, compare, rate};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Instant;

/// The large file's name in the library.
pub(crate) const NAME: &str = "large";

/// Measures under each congestion control, with both kinds of receiver.
pub(crate) fn run(world: &World) {
    let file = large_file(world);
    for congestion in &world.congestions {
        let forkftpd = Server::forkftpd(world, congestion, &[]);
        let bare = Server::bare(congestion, &["sendfile", &file.to_string_lossy()]);
        for reading in [Reading::Discards, Reading::Copies] {
            one(world, &forkftpd, &bare, congestion, reading);
        }
    }
    fs::remove_file(file).expect("remove");
}

fn one(world: &World, forkftpd: &Server, bare: &Server, congestion: &str, reading: Reading) {
    let mut space = vec![0; PIECE];
    let mut other_space = space.clone();
    let gigabytes = world.large as f64 / 1e9;
    compare(
        world.runs,
        &format!(
            "get {} MiB, digest stored, {congestion}, {}",
            world.large >> 20,
            reading.words()
        ),
        ["bare sendfile", "GB/s", "s/GB"],
        Goal::AtLeast(0.9),
        || {
            let mut peer = Peer::drive(forkftpd.address, Some(congestion), &world.secret);
            let run = forkftpd.measure(gigabytes, || {
                let began = Instant::now();
                peer.get(NAME, "blake3", reading, &mut space);
                rate(world.large, began.elapsed())
            });
            peer.quit();
            run
        },
        || {
            let mut peer = Peer::connect(bare.address, Some(congestion));
            bare.measure(gigabytes, || {
                let began = Instant::now();
                peer.send(b"g", false);
                peer.take(world.large, reading, &mut other_space);
                rate(world.large, began.elapsed())
            })
        },
    );
}

/// Makes a large file of random bytes in the library, and waits until it is on the disk.
pub(crate) fn large_file(world: &World) -> PathBuf {
    large_file_of(world, &random_block())
}

/// The same, of `block` again and again.
pub(crate) fn large_file_of(world: &World, block: &[u8]) -> PathBuf {
    let path = world.library.join(NAME);
    let mut file = File::create(&path).expect("the large file");
    for piece in crate::peer::pieces(block, world.large) {
        file.write_all(piece).expect("write");
    }
    file.sync_all().expect("fsync");
    path
}

/// A few megabytes that do not compress.
pub(crate) fn random_block() -> Vec<u8> {
    let mut block = vec![0; 8 * PIECE];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut block))
        .expect("randomness");
    block
}
