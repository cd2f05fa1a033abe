//! Clients that come and go: a number of them at once, each connection made anew.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Clients at once.
pub(crate) const AT_ONCE: usize = 8;

/// Has `AT_ONCE` threads run `count` sessions together, and returns how many a second. `session` is told the number of its thread.
pub(crate) fn come_and_go(count: usize, session: impl Fn(usize) + Sync) -> f64 {
    let begun = AtomicUsize::new(0);
    let began = Instant::now();
    let (begun, session) = (&begun, &session);
    std::thread::scope(|scope| {
        for thread in 0..AT_ONCE {
            scope.spawn(move || {
                while begun.fetch_add(1, Ordering::Relaxed) < count {
                    session(thread);
                }
            });
        }
    });
    count as f64 / began.elapsed().as_secs_f64()
}
