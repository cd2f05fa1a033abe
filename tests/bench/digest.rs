//! `digest`: the first get of a file computes its digest while it is sent. Beside reading the file and computing the digest
//! alone: what does sending cost on top?

use crate::bare::read_and_hash;
use crate::get::{NAME, large_file};
use crate::machine::World;
use crate::meter::this_thread;
use crate::peer::{PIECE, Peer, Reading};
use crate::server::Server;
use crate::stats::{Goal, Run, compare, rate};
use forkftp::digest::Kind;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Measures each digest under each congestion control.
pub(crate) fn run(world: &World) {
    let path = large_file(world);
    let mut space = vec![0; PIECE];
    let gigabytes = world.large as f64 / 1e9;
    for congestion in &world.congestions {
        let forkftpd = Server::forkftpd(world, congestion, &[]);
        for kind in Kind::ALL {
            let expected = read_and_hash(&path, kind);
            let mut age = 0;
            compare(
                world.runs,
                &format!(
                    "first get of {} MiB, {} computed, {congestion}, {}",
                    world.large >> 20,
                    kind.as_str(),
                    Reading::Discards.words()
                ),
                ["pread + digest", "GB/s", "s/GB"],
                Goal::AtLeast(0.8),
                || {
                    age += 1;
                    touch(&path, age);
                    let mut peer = Peer::drive(forkftpd.address, Some(congestion), &world.secret);
                    let run = forkftpd.measure(gigabytes, || {
                        let began = Instant::now();
                        let digest = peer.get(NAME, kind.as_str(), Reading::Discards, &mut space);
                        let rate = rate(world.large, began.elapsed());
                        assert_eq!(digest, expected, "the digest that came with the file");
                        rate
                    });
                    peer.quit();
                    run
                },
                || {
                    let (began, used) = (Instant::now(), this_thread());
                    read_and_hash(&path, kind);
                    Run {
                        value: rate(world.large, began.elapsed()),
                        cpu: (this_thread() - used) / gigabytes,
                        ..Run::default()
                    }
                },
            );
        }
    }
    fs::remove_file(path).expect("remove");
}

/// Gives the file another time of change, so that no kept digest fits any more.
fn touch(path: &Path, hours: u64) {
    let moment = SystemTime::now() - Duration::from_secs(3600 * hours);
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(moment))
        .expect("touch");
}
