//! `small`: ten thousand files of 4 KiB through one connection, asked for without waiting; beside vsftpd, where each needs
//! a data connection of its own and an answer before the next. `small-put`: as many puts, which are only shown.

use crate::ftp::Ftp;
use crate::machine::World;
use crate::peer::{Peer, Reading, frame};
use crate::peers::{Contestant, Product, Way};
use crate::server::{Server, give_to_server};
use crate::stats::{Goal, Run, Series, compare, disturbance, in_turns, say};
use forkftp::digest::{Hasher, Kind};
use std::fs::{self, File};
use std::time::Instant;

const FILES: usize = 10_000;
const SIZE: usize = 4096;
/// The folder's name in the library.
const FOLDER: &str = "small";

/// Measures gets beside vsftpd.
pub(crate) fn run(world: &World) {
    let count = FILES / world.part;
    let folder = world.library.join(FOLDER);
    fs::create_dir(&folder).expect("mkdir");
    for index in 0..count {
        fs::write(folder.join(name(index)), [index as u8; SIZE]).expect("a small file");
    }
    gets(world, world.unpaced(), count);
    fs::remove_dir_all(&folder).expect("remove");
}

/// Measures puts, with and without waiting for the disk.
pub(crate) fn run_puts(world: &World) {
    for durability in ["full", "none"] {
        puts(world, world.unpaced(), FILES / world.part, durability);
    }
}

fn name(index: usize) -> String {
    format!("f{index:05}")
}

fn gets(world: &World, congestion: &str, count: usize) {
    let forkftpd = Server::forkftpd(world, congestion, &[]);
    let requests: Vec<u8> = (0..count)
        .flat_map(|index| {
            let path = format!(r#"{{"path":"{FOLDER}/{}"}}"#, name(index));
            frame(b'G', path.as_bytes())
        })
        .collect();
    let ours = || {
        let mut peer = Peer::drive(forkftpd.address, Some(congestion), &world.secret);
        peer.read_ahead(256 * 1024);
        let run = forkftpd.measure(count as f64 / 1e6, || {
            let began = Instant::now();
            get_all(&mut peer, &requests, count);
            count as f64 / began.elapsed().as_secs_f64()
        });
        peer.quit();
        run
    };
    let what = format!("get {count} files of 4 KiB, {congestion}, one connection, pipelined");
    match Contestant::theirs(world, Product::Vsftpd, Way::Plain) {
        Ok(vsftpd) => {
            let theirs = || {
                let mut client = Ftp::login(vsftpd.address).binary();
                client.ask(&format!("CWD {FOLDER}"), "250");
                vsftpd.measure(count as f64 / 1e6, || {
                    let began = Instant::now();
                    for index in 0..count {
                        let got = client.retrieve(&format!("RETR {}", name(index)));
                        assert_eq!(got, SIZE, "bytes of a small file");
                    }
                    count as f64 / began.elapsed().as_secs_f64()
                })
            };
            let beside = "vsftpd one by one (EPSV, RETR; the system's congestion control)";
            let words = [beside, "files/s", "us/file"];
            compare(world.runs, &what, words, Goal::AtLeast(10.0), ours, theirs);
        }
        Err(why) => {
            say(&format!(
                "vsftpd is not to be had, nothing to compare with: {why}"
            ));
            alone(world, &what, ours);
        }
    }
}

/// Sends all requests from a thread of their own, and takes the answers meanwhile.
fn get_all(peer: &mut Peer, requests: &[u8], count: usize) {
    let sender = peer.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send(requests, false));
        for _ in 0..count {
            peer.expect(b'K');
            let header = peer.header();
            assert_eq!((header.letter, header.length as usize), (b'D', SIZE));
            peer.take(SIZE as u64, Reading::Copies, &mut [0; SIZE]);
            peer.expect(b'Z');
        }
    });
}

/// Each run has a folder of its own, and all stay until the end of the program: for a minute after files were removed, ext4
/// passes over their inodes one by one (`recently_deleted` in its ialloc.c), which costs several times more than all else.
/// For the same reason a run soon after another, or beside programs that remove many files, is slower.
fn puts(world: &World, congestion: &str, count: usize, durability: &str) {
    let forkftpd = Server::forkftpd(world, congestion, &["--durability", durability]);
    let what = format!(
        "put {count} files of 4 KiB, {congestion}, one connection, pipelined, durability {durability}"
    );
    let mut runs = 0;
    alone(world, &what, || {
        let name = format!("{FOLDER}-{durability}-{runs}");
        runs += 1;
        let folder = world.library.join(&name);
        fs::create_dir(&folder).expect("mkdir");
        give_to_server(&folder);
        let requests: Vec<u8> = (0..count)
            .flat_map(|index| put_request(&name, index))
            .collect();
        let mut peer = Peer::drive(forkftpd.address, Some(congestion), &world.secret);
        peer.read_ahead(64 * 1024);
        let run = forkftpd.measure(count as f64 / 1e6, || {
            let began = Instant::now();
            let sender = peer.sender();
            std::thread::scope(|scope| {
                scope.spawn(|| sender.send(&requests, false));
                for _ in 0..count {
                    peer.expect(b'K');
                }
            });
            count as f64 / began.elapsed().as_secs_f64()
        });
        peer.quit();
        let stored = fs::read_dir(&folder).expect("list").count();
        assert_eq!(stored, count, "files that were put");
        let library = File::open(&world.library).expect("the library");
        nix::unistd::syncfs(library).expect("syncfs");
        run
    });
}

/// `P`, `D` and `Z` of one file.
fn put_request(folder: &str, index: usize) -> Vec<u8> {
    let content = [index as u8; SIZE];
    let mut hasher = Hasher::new(Kind::default());
    hasher.update(&content);
    let digest = hasher.finish().to_hex();
    let start = format!(r#"{{"path":"{folder}/{}","size":{SIZE}}}"#, name(index));
    let end = format!(r#"{{"size":{SIZE},"digest":"{digest}"}}"#);
    [
        frame(b'P', start.as_bytes()),
        frame(b'D', &content),
        frame(b'Z', end.as_bytes()),
    ]
    .concat()
}

/// Runs one side alone, and shows it.
fn alone(world: &World, what: &str, mut side: impl FnMut() -> Run) {
    let (runs, noise) = in_turns(world.runs, &mut [&mut side]);
    let rates = Series::of(&runs[0], |run| run.value);
    let cpu = Series::of(&runs[0], |run| run.cpu);
    say(&format!(
        "{what}\n    forkftpd {rates} files/s | server CPU {cpu} us/file | {} | {}",
        Goal::Shown.verdict(rates.median()),
        disturbance(noise)
    ));
}
