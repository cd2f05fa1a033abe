//! Progress bars on standard error. Run by the commands that move files; there is a `Meter` only where a person watches.

use super::show;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bars: one for each connection, and one for all files together when there are several.
#[derive(Debug)]
pub struct Meter {
    bars: MultiProgress,
    total: Option<ProgressBar>,
    files: Vec<ProgressBar>,
}

impl Meter {
    /// Bars for `count` files of `bytes` bytes together (if that is known) over `connections` connections.
    #[must_use]
    pub fn new(connections: usize, count: u64, bytes: Option<u64>) -> Meter {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let file_style = style(
            "{wide_msg} {bytes:>11} / {total_bytes:>11} {bytes_per_sec:>13} [{bar:16}] {eta:>5}",
        );
        let files = (0..connections.max(1))
            .map(|_| bars.add(ProgressBar::no_length().with_style(file_style.clone())))
            .collect();
        let total = (count > 1).then(|| match bytes {
            Some(bytes) => {
                let style = style("{wide_msg} {bytes:>11} / {total_bytes:>11} {bytes_per_sec:>13} [{bar:16}] {eta:>5}");
                bars.add(ProgressBar::new(bytes).with_style(style).with_message(format!("all {count} files")))
            }
            None => bars.add(ProgressBar::no_length().with_style(style("{wide_msg} {bytes:>11} {bytes_per_sec:>13}")).with_message(format!("all {count} files"))),
        });
        Meter { bars, total, files }
    }

    /// Connection `worker` begins with a file, of which `done` bytes are there already.
    pub fn begin(&self, worker: usize, name: &[u8], size: Option<u64>, done: u64) {
        let Some(bar) = self.files.get(worker) else {
            return;
        };
        bar.reset();
        bar.set_message(show::clean(name));
        match size {
            Some(size) => bar.set_length(size),
            None => bar.unset_length(),
        }
        bar.set_position(done);
        bar.reset_eta();
        if let Some(total) = &self.total {
            total.inc(done);
        }
    }

    /// Further bytes on connection `worker`.
    pub fn moved(&self, worker: usize, bytes: u64) {
        if let Some(bar) = self.files.get(worker) {
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

    /// Takes the bars away.
    pub fn clear(&self) {
        for bar in self.files.iter().chain(&self.total) {
            bar.finish_and_clear();
        }
        let _ = self.bars.clear();
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
        assert!(
            ProgressStyle::with_template(
                "{wide_msg} {bytes:>11} / {total_bytes:>11} {bytes_per_sec:>13} [{bar:16}] {eta:>5}"
            )
            .is_ok()
        );
        let meter = Meter::new(2, 3, Some(10));
        meter.begin(1, b"a\x1b[2J", Some(5), 1);
        meter.moved(1, 4);
        meter.moved(7, 1);
        meter.clear();
    }
}
