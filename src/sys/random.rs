//! Randomness for processes that are shut in. Run by children.
//!
//! The crate that the others use looks for getrandom(2) by name when it is first called, and a statically linked program has no
//! names to look through: it then opens /dev/random, which is not there behind walls.

use super::{Errno, Result};

/// Fills `buffer` with random bytes from the kernel (getrandom(2)).
///
/// # Errors
/// ENOSYS before Linux 3.17.
pub fn fill(buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        // SAFETY: getrandom writes at most `rest.len()` bytes at `rest`, which is ours alone for the length of the call.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match Errno::result(got) {
            Ok(got) => filled += got.unsigned_abs(),
            Err(Errno::EINTR) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_is_filled() {
        // More than one call gives (256 bytes are never cut short).
        let mut seen = [0u8; 4096];
        for _ in 0..8 {
            let mut bytes = [0; 4096];
            super::fill(&mut bytes).expect("getrandom");
            for (seen, byte) in seen.iter_mut().zip(bytes) {
                *seen |= byte;
            }
        }
        assert!(seen.iter().all(|bits| *bits != 0));
    }
}
