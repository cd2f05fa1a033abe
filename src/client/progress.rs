//! Progress bars on standard error. Run by the commands that move files; there is a `Meter` only where a person watches.

use super::show;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const FILE: &str =
    "{wide_msg} {bytes:>11} / {total_bytes:>11} {bytes_per_sec:>13} [{bar:16}] {eta:>5}";
const UNKNOWN: &str = "{wide_msg} {bytes:>11} {bytes_per_sec:>13}";

/// Files smaller than this are named at most every `PAUSE`: nobody can read faster, and drawing costs more than they do.
const SMALL: u64 = 1 << 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Bars: one for each connection, and one for all files together when there are several.
#[derive(Debug)]
pub struct Meter {
    bars: MultiProgress,
    total: Option<ProgressBar>,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    bar: ProgressBar,
    /// The bar is about the present file, not about one shortly before it.
    current: AtomicBool,
    named: Mutex<Option<Instant>>,
}

impl Meter {
    /// Bars for `count` files of `bytes` bytes together (if that is known) over `connections` connections.
    #[must_use]
    pub fn new(connections: usize, count: u64, bytes: Option<u64>) -> Meter {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let file = || File {
            bar: bars.add(ProgressBar::no_length().with_style(style(FILE))),
            current: AtomicBool::new(true),
            named: Mutex::new(None),
        };
        let files = (0..connections.max(1)).map(|_| file()).collect();
        let total = (count > 1).then(|| {
            let (bar, template) = match bytes {
                Some(bytes) => (ProgressBar::new(bytes), FILE),
                None => (ProgressBar::no_length(), UNKNOWN),
            };
            bars.add(
                bar.with_style(style(template))
                    .with_message(format!("all {count} files")),
            )
        });
        Meter { bars, total, files }
    }

    /// Connection `worker` begins with a file, of which `done` bytes are there already.
    pub fn begin(&self, worker: usize, name: &[u8], size: Option<u64>, done: u64) {
        if let Some(total) = &self.total
            && done > 0
        {
            total.inc(done);
        }
        let Some(File {
            bar,
            current,
            named,
        }) = self.files.get(worker)
        else {
            return;
        };
        let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
        let show = size.is_none_or(|size| size >= SMALL)
            || named.is_none_or(|then| then.elapsed() >= PAUSE);
        current.store(show, Ordering::Relaxed);
        if !show {
            return;
        }
        *named = Some(Instant::now());
        bar.reset();
        bar.set_style(style(if size.is_some() { FILE } else { UNKNOWN }));
        bar.set_message(show::clean(name));
        match size {
            Some(size) => bar.set_length(size),
            None => bar.unset_length(),
        }
        bar.set_position(done);
        bar.reset_eta();
    }

    /// Further bytes on connection `worker`.
    pub fn moved(&self, worker: usize, bytes: u64) {
        if let Some(File { bar, current, .. }) = self.files.get(worker)
            && current.load(Ordering::Relaxed)
        {
            bar.inc(bytes);
        }
        if let Some(total) = &self.total {
            total.inc(bytes);
        }
    }

    /// Runs `write` with the bars out of the way.
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bars.suspend(write)
    }

    /// Takes the bars away, for good.
    pub fn clear(&self) {
        let _ = self.bars.clear();
        // Bars that end one after the other would each leave a line behind.
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours, and a test parses them.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_sound() {
        for template in [FILE, UNKNOWN] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
        let meter = Meter::new(2, 3, Some(10));
        meter.begin(1, b"a\x1b[2J", Some(5), 1);
        meter.moved(1, 4);
        meter.moved(7, 1);
        meter.clear();
    }
}
