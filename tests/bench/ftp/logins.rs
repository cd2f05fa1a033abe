//! `ftp-logins`: clients come and go, eight at once: each connects, logs in by a password, gets 1 KiB and leaves.

use super::Ftp;
use crate::crowd::{AT_ONCE, come_and_go};
use crate::machine::World;
use crate::network;
use crate::peers::{ACCOUNTS, Contestant, Product, Way};
use crate::server::Ours;
use crate::stats::{Goal, say};
use crate::table::{Aim, Side, table};
use std::fs;

/// Sessions in a run, of ours and of a peer, where each takes longer.
const SESSIONS: [usize; 2] = [4_000, 800];
const NAME: &str = "kilobyte";
const SIZE: usize = 1024;

/// Measures.
pub(crate) fn run(world: &World) {
    let file = world.library.join(NAME);
    fs::write(&file, [b'x'; SIZE]).expect("the small file");
    say(ACCOUNTS);
    let mut servers = vec![Contestant::ours(world, "forkftpd", Ours::default())];
    servers.extend(Contestant::all_theirs(world, &Product::FTP, Way::Plain));
    let aims = [
        Aim::Best(Goal::AtLeast(3.0)),
        Aim::Cpu("vsftpd", Goal::Shown),
    ];
    let under = network::under(world.unpaced());
    let sides = servers
        .iter()
        .map(|server| {
            let count = SESSIONS[usize::from(!server.is_ours())] / world.part;
            Side::of(server, &aims, move || {
                server.measure(count as f64 / 1e6, || {
                    come_and_go(count, |_| {
                        let mut ftp = Ftp::login(server.address).binary();
                        assert_eq!(ftp.retrieve(&format!("RETR {NAME}")), SIZE);
                        ftp.quit();
                    })
                })
            })
        })
        .collect();
    let what = format!(
        "{} sessions ({} at the peers), {AT_ONCE} at once, {}: connect, USER, PASS, TYPE, EPSV, RETR 1 KiB, QUIT",
        SESSIONS[0] / world.part,
        SESSIONS[1] / world.part,
        world.unpaced()
    );
    table(world.runs, &what, ["sessions/s", "us/session"], sides);
    drop(under);
    fs::remove_file(file).expect("remove");
}
