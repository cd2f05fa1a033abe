//! `ftp-stor`: a large file is put, beside the peers: by ours without waiting for the disk, with and without the receipt's digest, and
//! with waiting. `ftps-stor`: the same under TLS.

use super::Ftp;
use super::secure::Tls;
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

const BARE: &str = "bare recv, write";

/// Measures without TLS.
pub(crate) fn run(world: &World) {
    measure(world, None);
}

/// Measures under TLS.
pub(crate) fn run_secure(world: &World) {
    measure(world, Some(&Tls::new(world)));
}

fn measure(world: &World, tls: Option<&Tls>) {
    let size = world.large / 2;
    let block = random_block();
    let (way, aims) = match tls {
        None => {
            let best = |times| {
                vec![
                    Aim::Best(Goal::AtLeast(times)),
                    Aim::Beside(BARE, Goal::Shown),
                    Aim::Cpu("vsftpd", Goal::Shown),
                ]
            };
            let shown = vec![Aim::Best(Goal::Shown)];
            (Way::Plain, [best(1.2), best(0.9), shown])
        }
        Some(_) => {
            let best = |goal| vec![Aim::Beside("vsftpd", goal), Aim::Best(Goal::Shown)];
            (
                Way::Tls,
                [
                    best(Goal::AtLeast(1.2)),
                    best(Goal::Shown),
                    best(Goal::Shown),
                ],
            )
        }
    };
    let kinds = [("none", "none"), ("none", "sha256"), ("full", "sha256")];
    let mut servers: Vec<(Contestant, Vec<Aim>)> = kinds
        .into_iter()
        .zip(aims)
        .map(|((durability, receipt), aims)| {
            let ours = Ours {
                durability,
                receipt,
                tls: tls.is_some(),
            };
            let name = format!("forkftpd {durability}, {receipt}");
            (Contestant::ours(world, &name, ours), aims)
        })
        .collect();
    let theirs = Contestant::all_theirs(world, &Product::FTP, way);
    servers.extend(theirs.into_iter().map(|server| (server, Vec::new())));
    let target = world.library.join(NAME);
    let words = ["sink", &target.to_string_lossy(), "none", "none"];
    let bare = Server::bare(world.unpaced(), &words);
    let under = network::under(world.unpaced());
    for (server, _) in &servers {
        put(world, server, tls, size, &block);
    }
    let mut sides: Vec<Side> = servers
        .iter()
        .map(|(server, aims)| {
            let block = &block;
            Side::of(server, aims, move || {
                put_and_remove(world, server, tls, size, block)
            })
        })
        .collect();
    if tls.is_none() {
        sides.push(Side {
            name: BARE.into(),
            part: Part::Bare,
            run: Box::new(|| bare_put(world, &bare, size, &block)),
        });
    }
    let under_tls = if tls.is_some() {
        " under TLS 1.3, AES-128-GCM, sealed before"
    } else {
        ""
    };
    let what = format!(
        "STOR {} MiB{under_tls}, {}; forkftpd by durability and receipt, the peers as they are (none, none)",
        size >> 20,
        world.unpaced()
    );
    table(world.runs, &what, ["GB/s", "s/GB"], sides);
    drop(under);
}

/// Once, to see that what was put is there, byte for byte.
fn put(world: &World, server: &Contestant, tls: Option<&Tls>, size: u64, block: &[u8]) {
    let mut ftp = login(server, tls);
    ftp.store(NAME, size, block);
    ftp.quit();
    let path = world.library.join(NAME);
    let stored = fs::read(&path).expect("what was put");
    let mut rest = &stored[..];
    for piece in pieces(block, size) {
        assert!(
            rest.starts_with(piece),
            "{} stored something else",
            server.name
        );
        rest = &rest[piece.len()..];
    }
    assert!(rest.is_empty(), "{} stored more", server.name);
    remove(&path, size);
}

fn put_and_remove(
    world: &World,
    server: &Contestant,
    tls: Option<&Tls>,
    size: u64,
    block: &[u8],
) -> Run {
    let mut ftp = login(server, tls);
    let run = server.measure(size as f64 / 1e9, || {
        rate(size, ftp.store(NAME, size, block))
    });
    ftp.quit();
    remove(&world.library.join(NAME), size);
    run
}

fn login(server: &Contestant, tls: Option<&Tls>) -> Ftp {
    match tls {
        Some(tls) => Ftp::login_securely(server.address, tls).binary(),
        None => Ftp::login(server.address).binary(),
    }
}
