//! `ftp-small`: a thousand files of 4 KiB through one session, one after the other, each by a data connection of its own.

use super::Ftp;
use crate::machine::World;
use crate::network;
use crate::peers::{Contestant, Product, Way};
use crate::server::Ours;
use crate::stats::Goal;
use crate::table::{Aim, Side, table};
use std::fs;
use std::time::Instant;

const FILES: usize = 1_000;
const SIZE: usize = 4096;
const FOLDER: &str = "thousand";

/// Measures.
pub(crate) fn run(world: &World) {
    let folder = world.library.join(FOLDER);
    fs::create_dir(&folder).expect("mkdir");
    for index in 0..FILES {
        fs::write(folder.join(format!("f{index:04}")), [index as u8; SIZE]).expect("a small file");
    }
    let mut servers = vec![Contestant::ours(world, "forkftpd", Ours::default())];
    servers.extend(Contestant::all_theirs(world, &Product::FTP, Way::Plain));
    let aims = [
        Aim::Best(Goal::AtLeast(1.2)),
        Aim::Cpu("vsftpd", Goal::Shown),
    ];
    let under = network::under(world.unpaced());
    let sides = servers
        .iter()
        .map(|server| {
            Side::of(server, &aims, move || {
                let mut ftp = Ftp::login(server.address).binary();
                ftp.ask(&format!("CWD {FOLDER}"), "250");
                let run = server.measure(FILES as f64 / 1e6, || {
                    let began = Instant::now();
                    for index in 0..FILES {
                        assert_eq!(ftp.retrieve(&format!("RETR f{index:04}")), SIZE);
                    }
                    FILES as f64 / began.elapsed().as_secs_f64()
                });
                ftp.quit();
                run
            })
        })
        .collect();
    let what = format!(
        "RETR of {FILES} files of 4 KiB, one session, one after the other, {}",
        world.unpaced()
    );
    table(world.runs, &what, ["files/s", "us/file"], sides);
    drop(under);
    fs::remove_dir_all(&folder).expect("remove");
}
