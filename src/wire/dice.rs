//! Chance for tests that make up what nobody would send. Run by the tests alone: a number of rounds, or for as long as
//! FORKFTP_FUZZ_SECONDS says; FORKFTP_FUZZ_SEED repeats a run that failed.

use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// A generator that is the same for the same seed (xorshift64*). Says the seed when the test fails.
pub(super) struct Dice {
    seed: u64,
    state: u64,
    /// Bytes that mean something to somebody, which come more often than others.
    special: &'static [u8],
}

impl Dice {
    pub(super) fn new(special: &'static [u8]) -> Dice {
        let seed = number("FORKFTP_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
        Dice {
            seed,
            state: seed | 1,
            special,
        }
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    pub(super) fn byte(&mut self) -> u8 {
        if self.below(2) == 0 {
            self.special[self.below(self.special.len())]
        } else {
            self.below(256) as u8
        }
    }

    /// Fewer than `n` bytes.
    pub(super) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..self.below(n)).map(|_| self.byte()).collect()
    }

    pub(super) fn one_of<T>(&mut self, all: &'static [T]) -> &'static T {
        &all[self.below(all.len())]
    }

    /// Changes `bytes` in up to four places.
    pub(super) fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(5) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => bytes.insert(at, self.byte()),
                1 if at < bytes.len() => bytes[at] = self.byte(),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => bytes.extend_from_within(at..),
            }
        }
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(
                std::io::stderr(),
                "repeat with FORKFTP_FUZZ_SEED={}",
                self.seed
            );
        }
    }
}

/// The numbers of so many rounds, or of as many as there is time for.
pub(super) fn rounds(usual: u64) -> impl Iterator<Item = u64> {
    let until =
        number("FORKFTP_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    (0..).take_while(move |&made| until.map_or(made < usual, |until| Instant::now() < until))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number")),
    )
}
