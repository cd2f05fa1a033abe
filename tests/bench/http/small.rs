//! `http-small`: GET of 1 KiB, again and again over one connection.

use super::Http;
use crate::machine::World;
use crate::network;
use crate::peers::{Contestant, Product, Way};
use crate::server::Ours;
use crate::stats::Goal;
use crate::table::{Aim, Side, table};
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

pub(super) const NAME: &str = "kilobyte";
pub(super) const SIZE: u64 = 1024;
/// Requests in a run.
const REQUESTS: usize = 40_000;

pub(super) fn small_file(world: &World) -> PathBuf {
    let file = world.library.join(NAME);
    fs::write(&file, [b'x'; SIZE as usize]).expect("the small file");
    file
}

/// Measures.
pub(crate) fn run(world: &World) {
    let file = small_file(world);
    let mut servers = vec![Contestant::ours_by_http(
        world,
        "forkftpd",
        Ours::default(),
        0,
    )];
    let theirs = Contestant::all_theirs(world, &Product::HTTP, Way::Plain);
    servers.extend(theirs);
    let aims = [
        Aim::Beside("nginx", Goal::Shown),
        Aim::Best(Goal::Shown),
        Aim::Cpu("nginx", Goal::Shown),
    ];
    let under = network::under(world.unpaced());
    let count = REQUESTS / world.part;
    let target = format!("/{NAME}");
    let sides = servers
        .iter()
        .map(|server| {
            let target = &target;
            Side::of(server, &aims, move || {
                let mut http = Http::connect(server.address);
                server.measure(count as f64 / 1e6, || {
                    let began = Instant::now();
                    for _ in 0..count {
                        http.discard(target, SIZE);
                    }
                    count as f64 / began.elapsed().as_secs_f64()
                })
            })
        })
        .collect();
    let what = format!(
        "GET of 1 KiB, {count} times over one connection, one after the other, {}",
        world.unpaced()
    );
    table(world.runs, &what, ["requests/s", "us/request"], sides);
    drop(under);
    fs::remove_file(file).expect("remove");
}
