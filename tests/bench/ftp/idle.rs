//! `ftp-idle`: what a session costs that has logged in, listed a folder, and waits: the memory of all processes of a server, with
//! page tables, while many such sessions are there, less what it is with one of them.

use super::Ftp;
use crate::idle::{page_tables, smaps};
use crate::machine::World;
use crate::peers::{Contestant, Product, Way, family};
use crate::server::Ours;
use crate::stats::{Goal, say};
use std::fs;
use std::time::Duration;

const SESSIONS: usize = 200;
/// Until the last has come to rest.
const REST: Duration = Duration::from_millis(300);
/// Of the best peer's.
const GOAL: f64 = 0.5;

/// Looks at each server once.
pub(crate) fn run(world: &World) {
    let file = world.library.join("listed");
    fs::write(&file, b"x").expect("a file to list");
    let mut servers = vec![Contestant::ours(world, "forkftpd", Ours::default())];
    servers.extend(Contestant::all_theirs(world, &Product::FTP, Way::Plain));
    let mut lines = format!(
        "an idle session after login and one NLST, {SESSIONS} of them: Pss and page tables of all processes"
    );
    let found: Vec<(bool, f64)> = servers
        .iter()
        .map(|server| {
            let cost = look(server);
            let [pss, tables, processes] = cost;
            lines += &format!(
                "\n    {:<28} {pss:.0} KiB + page tables {tables:.0} KiB = {:.0} KiB a session, {processes:.1} processes",
                server.name,
                pss + tables
            );
            (server.is_ours(), pss + tables)
        })
        .collect();
    let least = |ours: bool| {
        let those = found.iter().filter(|(whose, _)| *whose == ours);
        those.map(|(_, cost)| *cost).min_by(f64::total_cmp)
    };
    match (least(true), least(false)) {
        (Some(ours), Some(theirs)) => {
            let ratio = ours / theirs;
            let verdict = Goal::AtMost(GOAL).verdict(ratio);
            lines += &format!("\n    forkftpd beside the best peer: ratio {ratio:.2} | {verdict}");
        }
        _ => lines += "\n    forkftpd beside the others: none to be had",
    }
    say(&lines);
    fs::remove_file(file).expect("remove");
}

/// KiB of Pss, KiB of page tables, and processes that each further session adds.
fn look(server: &Contestant) -> [f64; 3] {
    let first = session(server);
    std::thread::sleep(REST);
    let before = of_tree(server.pid());
    let more: Vec<Ftp> = (1..SESSIONS).map(|_| session(server)).collect();
    std::thread::sleep(REST);
    let after = of_tree(server.pid());
    drop((first, more));
    std::array::from_fn(|at| (after[at] - before[at]) / (SESSIONS - 1) as f64)
}

fn session(server: &Contestant) -> Ftp {
    let mut ftp = Ftp::login(server.address).binary();
    assert!(ftp.retrieve("NLST") > 0, "a name");
    ftp
}

/// Sums over a process and all that descend from it; of the program's pages too, of which each has its share.
fn of_tree(pid: u32) -> [f64; 3] {
    let look = |pid| {
        let pss = smaps(pid, "Pss").unwrap_or(f64::NAN);
        [pss, page_tables(pid).unwrap_or(f64::NAN), 1.0]
    };
    let each = family(pid).into_iter().map(look);
    each.fold([0.0; 3], |sum, one| {
        std::array::from_fn(|at| sum[at] + one[at])
    })
}
