//! `idle`: what a session costs that waits for its client: memory and page tables of its child, and what the broker
//! keeps for it; and two thousand of them at once, each of which still answers.

use crate::machine::{World, field};
use crate::peer::{Peer, frame};
use crate::peers::{PASSWORD, USER};
use crate::server::{Door, Server};
use crate::stats::{Goal, Series, say};
use forkftp::client::{Client, Login, Options, Trust, Url};
use forkftp::sys::process::raise_descriptor_limit;
use std::time::{Duration, Instant};

/// Sessions whose memory is looked at.
const LOOKED_AT: usize = 50;
/// KiB that each may have.
const GOAL: f64 = 350.0;
/// Until the last has come to rest.
const REST: Duration = Duration::from_millis(200);
/// Sessions held at once.
const MANY: usize = 2_000;

/// Looks at the memory of some sessions, then holds many.
pub(crate) fn run(world: &World) {
    raise_descriptor_limit().expect("descriptor limit");
    let congestion = world.unpaced();
    let doors = [
        ("proof", false, false),
        ("proof and login", true, false),
        ("proof and login under TLS", true, true),
    ];
    for (words, login, tls) in doors {
        let proof = true;
        some(world, congestion, (words, Door { proof, login, tls }));
    }
    many(world, congestion);
}

fn some(world: &World, congestion: &str, (words, door): (&str, Door)) {
    let server = Server::with_door(world, congestion, door, &[]);
    let (url, options) = client_of(world, &server, door);
    // What the first client makes the broker get is not counted for each.
    let first = begin(&url, &options);
    std::thread::sleep(REST);
    let before = of_broker(&server);
    let sessions: Vec<Client> = (0..LOOKED_AT).map(|_| begin(&url, &options)).collect();
    std::thread::sleep(REST);
    let memory = Memory::of_children(&server);
    assert_eq!(memory.count, sessions.len() + 1, "children");
    let broker = (of_broker(&server) - before) / LOOKED_AT as f64;
    let sum = memory.both.median() + broker;
    say(&format!(
        "memory of an idle session after {words} and one list, {LOOKED_AT} sessions\n    \
         child: Pss {} KiB + page tables {} KiB = {} KiB (private dirty {} KiB)\n    \
         the broker grew by {broker:.2} KiB a session: {sum:.0} KiB together | {}",
        memory.pss,
        memory.tables,
        memory.both,
        memory.dirty,
        Goal::AtMost(GOAL).verdict(sum)
    ));
    drop((first, sessions));
}

/// What the client at such a door has to know.
fn client_of(world: &World, server: &Server, door: Door) -> (Url, Options) {
    let scheme = if door.tls { "drives" } else { "drive" };
    let user = if door.login {
        format!("{USER}@")
    } else {
        String::new()
    };
    let url = format!("{scheme}://{user}{}", server.address);
    let login = door.login.then(|| Login::new(USER, PASSWORD));
    let options = Options {
        secret: Some(world.secret.clone()),
        login: login.transpose().expect("a login"),
        trust: Trust {
            authorities: Some(world.certificate()[0].clone()),
            ..Trust::default()
        },
        ..Options::default()
    };
    (url.parse().expect("a URL"), options)
}

fn begin(url: &Url, options: &Options) -> Client {
    let mut client = Client::connect(url, options).expect("connect");
    client
        .list(&url.path, false, |_| Ok(()))
        .expect("a listing");
    client
}

/// KiB of memory that the broker has for itself, with its page tables; not a number when it is not shown to this user. Nothing of
/// it is shared with those it did not fork; its share of the program would become smaller with every child.
fn of_broker(server: &Server) -> f64 {
    let look = |pid| Some(smaps(pid, "Anonymous")? + page_tables(pid)?);
    server.broker().and_then(look).unwrap_or(f64::NAN)
}

pub(crate) fn page_tables(pid: u32) -> Option<f64> {
    kib(&field(&format!("/proc/{pid}/status"), "VmPTE")?)
}

fn many(world: &World, congestion: &str) {
    let count = MANY / world.part;
    let most = (count + 100).to_string();
    let server = Server::forkftpd(
        world,
        congestion,
        &["--max-clients", &most, "--max-per-address", &most],
    );
    let free = available();
    let before = of_broker(&server);
    let began = Instant::now();
    let mut sessions: Vec<Peer> = (0..count)
        .map(|_| Peer::drive(server.address, None, &world.secret))
        .collect();
    let connected = began.elapsed();
    std::thread::sleep(Duration::from_millis(500));
    let taken = free - available();
    let memory = Memory::of_children(&server);
    let broker = of_broker(&server) - before;
    let listener = |key| smaps(server.pid(), key).unwrap_or(f64::NAN);
    let resting = server.measure(1.0, || {
        std::thread::sleep(Duration::from_secs(3));
        3.0
    });
    let began = Instant::now();
    let mut answered = 0;
    for (index, peer) in sessions.iter_mut().enumerate() {
        let word = index.to_be_bytes();
        peer.send(&frame(b'N', &word), false);
        answered += usize::from(peer.expect(b'N') == word);
    }
    say(&format!(
        "{count} idle sessions at once ({:.0} sessions/s while they came, one after the other)\n    \
         children {}, Pss {} KiB + page tables {} KiB = {} KiB; MemAvailable fell by {:.0} KiB a session (both socket ends, and whatever else ran)\n    \
         broker grew by {:.2} KiB a session; listener Rss {:.0} KiB, Pss {:.0} KiB; all at rest take {:.2} ms CPU a second\n    \
         answered an echo: {answered} of {count} in {:.2} s | {}",
        count as f64 / connected.as_secs_f64(),
        memory.count,
        memory.pss,
        memory.tables,
        memory.both,
        taken / count as f64,
        broker / count as f64,
        listener("Rss"),
        listener("Pss"),
        resting.cpu / resting.value * 1e3,
        began.elapsed().as_secs_f64(),
        Goal::AtLeast(1.0).verdict(answered as f64 / count as f64)
    ));
}

/// Memory of a server's children, in KiB.
#[derive(Default)]
struct Memory {
    count: usize,
    pss: Series,
    tables: Series,
    both: Series,
    dirty: Series,
}

impl Memory {
    fn of_children(server: &Server) -> Memory {
        let mut memory = Memory::default();
        for pid in server.children() {
            let (Some(pss), Some(dirty), Some(tables)) = (
                smaps(pid, "Pss"),
                smaps(pid, "Private_Dirty"),
                page_tables(pid),
            ) else {
                continue;
            };
            memory.count += 1;
            memory.pss.add(pss);
            memory.tables.add(tables);
            memory.both.add(pss + tables);
            memory.dirty.add(dirty);
        }
        memory
    }
}

/// A line of the sums over all mappings of a process, in KiB.
pub(crate) fn smaps(pid: u32, key: &str) -> Option<f64> {
    kib(&field(&format!("/proc/{pid}/smaps_rollup"), key)?)
}

fn kib(text: &str) -> Option<f64> {
    text.trim_end_matches("kB").trim().parse().ok()
}

/// KiB of memory that programs could still have.
fn available() -> f64 {
    field("/proc/meminfo", "MemAvailable")
        .as_deref()
        .and_then(kib)
        .unwrap_or(f64::NAN)
}
