//! A limit of bytes a second, shared by all connections of one command. Run by every thread that moves file bytes; it
//! sleeps, and notices the interrupt flag while it does.

use super::Result;
use super::connection::Interrupt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limit.
#[derive(Debug)]
pub struct Rate {
    per_second: u64,
    /// When what has been taken so far is paid for.
    paid_until: Mutex<Instant>,
}

impl Rate {
    /// At most `per_second` bytes a second; 0 counts as 1.
    #[must_use]
    pub fn new(per_second: u64) -> Rate {
        Rate {
            per_second: per_second.max(1),
            paid_until: Mutex::new(Instant::now()),
        }
    }

    /// Reads `500K`, `2M`, `1G` or plain bytes (K is 1024).
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> std::result::Result<u64, String> {
        let (digits, unit) = match text.as_bytes().last() {
            Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
            Some(b'G' | b'g') => (&text[..text.len() - 1], 1 << 30),
            _ => (text, 1),
        };
        let number = digits
            .parse::<u64>()
            .ok()
            .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        number
            .and_then(|n| n.checked_mul(unit))
            .filter(|n| *n > 0)
            .ok_or_else(|| format!("{text}: not a rate; write bytes a second, as in 500K or 2M"))
    }

    /// The largest piece to move at once, so that the flow stays even: an eighth of a second's worth, 1 KiB to 1 MiB.
    #[must_use]
    pub fn piece(&self) -> usize {
        (self.per_second / 8).clamp(1 << 10, 1 << 20) as usize
    }

    /// Waits until `bytes` more may move.
    ///
    /// # Errors
    /// `Error::Interrupted`.
    pub fn take(&self, bytes: usize, interrupt: &Interrupt) -> Result<()> {
        let until = self.reserve(bytes, Instant::now());
        loop {
            interrupt.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }

    /// The moment at which `bytes` more are paid for. Time in which nothing was taken is not saved up.
    fn reserve(&self, bytes: usize, now: Instant) -> Instant {
        let cost = Duration::from_secs_f64(bytes as f64 / self.per_second as f64);
        let mut paid_until = self
            .paid_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *paid_until = (*paid_until).max(now) + cost;
        *paid_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_table() {
        for (text, bytes) in [
            ("1", 1),
            ("500K", 500 << 10),
            ("2M", 2 << 20),
            ("1g", 1 << 30),
        ] {
            assert_eq!(Rate::parse(text), Ok(bytes));
        }
        for bad in ["", "K", "0", "-1", "+1", "1.5M", "2MB", "99999999999G"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_are_paid_for_in_order_and_idle_time_is_not_saved() {
        let rate = Rate::new(1000);
        let begin = Instant::now() + Duration::from_secs(10);
        assert_eq!(rate.reserve(500, begin), begin + Duration::from_millis(500));
        assert_eq!(
            rate.reserve(500, begin),
            begin + Duration::from_secs(1),
            "the second waits for the first"
        );
        let later = begin + Duration::from_secs(60);
        assert_eq!(rate.reserve(1000, later), later + Duration::from_secs(1));
        assert_eq!(Rate::new(u64::MAX).piece(), 1 << 20);
        assert_eq!(Rate::new(10).piece(), 1 << 10);
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        assert_eq!(
            Rate::new(1).take(1 << 20, &Interrupt::on(flag)),
            Err(crate::client::Error::Interrupted)
        );
    }
}
