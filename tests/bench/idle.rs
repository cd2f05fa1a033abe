//! `idle`: what a session costs that waits for its client: private memory and page tables; and two thousand of them at
//! once, each of which still answers.

use crate::machine::{World, field};
use crate::peer::{Peer, frame};
use crate::server::Server;
use crate::stats::{Goal, Series, say};
use forkftp::sys::process::raise_descriptor_limit;
use std::fs;
use std::time::{Duration, Instant};

/// Sessions whose memory is looked at.
const LOOKED_AT: usize = 50;
/// Sessions held at once.
const MANY: usize = 2_000;

/// Looks at the memory of some sessions, then holds many.
pub(crate) fn run(world: &World) {
    raise_descriptor_limit().expect("descriptor limit");
    let congestion = world.unpaced();
    some(world, congestion);
    many(world, congestion);
}

fn some(world: &World, congestion: &str) {
    let server = Server::forkftpd(world, congestion, &[]);
    let sessions: Vec<Peer> = (0..LOOKED_AT)
        .map(|_| {
            let mut peer = Peer::drive(server.address, None, &world.secret);
            peer.request(b'L', r#"{"path":""}"#);
            while peer.pass() != b'Z' {}
            peer
        })
        .collect();
    // Until the last has come to rest.
    std::thread::sleep(Duration::from_millis(200));
    let memory = Memory::of_children(&server);
    assert_eq!(memory.count, sessions.len(), "children");
    say(&format!(
        "memory of an idle session after proof and one list, {LOOKED_AT} sessions\n    \
         Pss {} KiB + page tables {} KiB = {} KiB (private dirty {} KiB) | {}",
        memory.pss,
        memory.tables,
        memory.both,
        memory.dirty,
        Goal::AtMost(300.0).verdict(memory.both.median())
    ));
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
    let began = Instant::now();
    let mut sessions: Vec<Peer> = (0..count)
        .map(|_| Peer::drive(server.address, None, &world.secret))
        .collect();
    let connected = began.elapsed();
    std::thread::sleep(Duration::from_millis(500));
    let taken = free - available();
    let memory = Memory::of_children(&server);
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
         listener Rss {:.0} KiB, Pss {:.0} KiB; all at rest take {:.2} ms CPU a second\n    \
         answered an echo: {answered} of {count} in {:.2} s | {}",
        count as f64 / connected.as_secs_f64(),
        memory.count,
        memory.pss,
        memory.tables,
        memory.both,
        taken / count as f64,
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
        for pid in children(server.pid()) {
            let tables = field(&format!("/proc/{pid}/status"), "VmPTE")
                .as_deref()
                .and_then(kib);
            let (Some(pss), Some(dirty), Some(tables)) =
                (smaps(pid, "Pss"), smaps(pid, "Private_Dirty"), tables)
            else {
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

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            field(&format!("/proc/{pid}/status"), "PPid").and_then(|ppid| ppid.parse().ok())
                == Some(parent)
        })
        .collect()
}

/// A line of the sums over all mappings of a process, in KiB.
fn smaps(pid: u32, key: &str) -> Option<f64> {
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
