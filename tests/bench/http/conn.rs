//! `http-conn`: clients come and go, eight at once: each connects, gets 1 KiB, and closes. By ours forked when a client comes, and with warm
//! children; beside the peers, which have no process for each.

use super::Http;
use super::small::{NAME, SIZE, small_file};
use crate::crowd::{AT_ONCE, come_and_go};
use crate::machine::World;
use crate::network;
use crate::peers::{Contestant, Product, Way};
use crate::server::Ours;
use crate::stats::Goal;
use crate::table::{Aim, Side, table};
use std::fs;

/// Connections in a run.
const CONNECTIONS: usize = 8_000;
/// Warm children.
const WARM: u32 = 32;

/// Measures.
pub(crate) fn run(world: &World) {
    let file = small_file(world);
    let ours = |name, prefork| Contestant::ours_by_http(world, name, Ours::default(), prefork);
    let mut servers = vec![ours("forkftpd", 0), ours("forkftpd, warm", WARM)];
    let theirs = Contestant::all_theirs(world, &Product::HTTP, Way::Plain);
    servers.extend(theirs);
    let aims = [
        Aim::Beside("nginx", Goal::Shown),
        Aim::Cpu("nginx", Goal::Shown),
    ];
    let under = network::under(world.unpaced());
    let count = CONNECTIONS / world.part;
    let target = format!("/{NAME}");
    let sides = servers
        .iter()
        .map(|server| {
            let target = &target;
            Side::of(server, &aims, move || {
                server.measure(count as f64 / 1e6, || {
                    come_and_go(count, |_| {
                        Http::connect(server.address).discard(target, SIZE);
                    })
                })
            })
        })
        .collect();
    let what = format!(
        "{count} connections, {AT_ONCE} at once, {}: connect, GET 1 KiB, close",
        world.unpaced()
    );
    table(world.runs, &what, ["connections/s", "us/connection"], sides);
    drop(under);
    fs::remove_file(file).expect("remove");
}
