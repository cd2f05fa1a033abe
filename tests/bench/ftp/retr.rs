//! `ftp-retr`: a large file, to one client and to four at once, under each congestion control, beside the peers and a bare
//! sendfile loop. `ftps-retr`: the same to one client under TLS, beside the peers.

use super::Ftp;
use super::secure::Tls;
use crate::get::{NAME, large_file_of, random_block};
use crate::machine::World;
use crate::network;
use crate::peer::{PIECE, Peer, Reading};
use crate::peers::{Contestant, Product, Way};
use crate::server::{Ours, Server};
use crate::stats::{Goal, Run, rate, say};
use crate::table::{Aim, Part, Side, table};
use std::fs;
use std::sync::Barrier;
use std::time::{Duration, Instant};

const SENDFILE: &str = "bare sendfile";

/// Measures without TLS.
pub(crate) fn run(world: &World) {
    let block = random_block();
    let file = large_file_of(world, &block);
    let mut servers = vec![Contestant::ours(world, "forkftpd", Ours::default())];
    servers.extend(Contestant::all_theirs(world, &Product::FTP, Way::Plain));
    let bare = Server::bare(world.unpaced(), &["sendfile", &file.to_string_lossy()]);
    for server in &servers {
        let mut ftp = Ftp::login(server.address).binary();
        ftp.check(NAME, world.large, &block);
        ftp.quit();
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
        Aim::Best(Goal::AtLeast(1.0)),
        Aim::Beside(SENDFILE, Goal::AtLeast(0.9)),
        Aim::Cpu("vsftpd", Goal::AtMost(1.0)),
    ];
    let mut sides: Vec<Side> = servers
        .iter()
        .map(|server| {
            Side::of(server, &aims, || {
                let login = || Ftp::login(server.address).binary();
                let mut ready: Vec<Ftp> = (0..streams).map(|_| login()).collect();
                let run = server.measure(gigabytes, || {
                    all_at_once(world.large, &mut ready, |ftp| {
                        ftp.discard(NAME, world.large)
                    })
                });
                ready.into_iter().for_each(Ftp::quit);
                run
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
                    let began = Instant::now();
                    peer.send(b"g", false);
                    peer.take(world.large, Reading::Discards, &mut space);
                    began.elapsed()
                })
            })
        }),
    });
    let what = format!(
        "RETR {} MiB, {streams} at once, {congestion}, receiver discards",
        world.large >> 20
    );
    table(world.runs, &what, ["GB/s", "s/GB"], sides);
}

/// Has all clients get a file of `size` bytes at the same time, and returns the rate of all together.
fn all_at_once<C: Send>(
    size: u64,
    clients: &mut [C],
    get: impl Fn(&mut C) -> Duration + Sync,
) -> f64 {
    let start = Barrier::new(clients.len());
    let bytes = size * clients.len() as u64;
    let took = std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(|| {
                    start.wait();
                    get(client)
                })
            })
            .collect();
        let ended = running.into_iter().map(|one| one.join().expect("a client"));
        ended.max()
    });
    rate(bytes, took.unwrap_or_default())
}

/// Measures under TLS.
pub(crate) fn run_secure(world: &World) {
    let block = random_block();
    let file = large_file_of(world, &block);
    let tls = Tls::new(world);
    let ours = Ours {
        tls: true,
        ..Ours::default()
    };
    let mut servers = vec![Contestant::ours(world, "forkftpd", ours)];
    servers.extend(Contestant::all_theirs(world, &Product::FTP, Way::Tls));
    for server in &servers {
        let mut ftp = Ftp::login_securely(server.address, &tls).binary();
        ftp.check(NAME, world.large, &block);
        let resumed = if ftp.resumed() {
            "resumes"
        } else {
            "does NOT resume"
        };
        say(&format!(
            "{}: a data connection {resumed} the session",
            server.name
        ));
        ftp.quit();
    }
    let gigabytes = world.large as f64 / 1e9;
    let aims = [
        Aim::Beside("vsftpd", Goal::AtLeast(1.2)),
        Aim::Best(Goal::Shown),
        Aim::Cpu("vsftpd", Goal::Shown),
    ];
    let _under = network::under(world.unpaced());
    let get = |server: &Contestant| -> Run {
        let mut ftp = Ftp::login_securely(server.address, &tls).binary();
        let run = server.measure(gigabytes, || {
            rate(world.large, ftp.discard(NAME, world.large))
        });
        ftp.quit();
        run
    };
    let sides = servers
        .iter()
        .map(|server| Side::of(server, &aims, || get(server)))
        .collect();
    let what = format!(
        "RETR {} MiB under TLS 1.3, AES-128-GCM, {}, receiver does not open what comes",
        world.large >> 20,
        world.unpaced()
    );
    table(world.runs, &what, ["GB/s", "s/GB"], sides);
    fs::remove_file(file).expect("remove");
}
