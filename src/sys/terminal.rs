//! A terminal whose keys are wanted one by one, and how it is given back as it was.

use super::Result;
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use nix::sys::termios::{tcgetattr, tcsetattr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

/// As the terminal on standard input was.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal on standard input, giving each key as it is pressed, without an echo; given back as it was when this is dropped.
/// Keys that send signals are keys like others meanwhile.
#[derive(Debug)]
pub struct Keys(());

impl Keys {
    /// # Errors
    /// ENOTTY where there is no terminal.
    pub fn listen() -> Result<Keys> {
        let stdin = std::io::stdin();
        let before = tcgetattr(stdin.as_fd())?;
        let mut now = before.clone();
        let flags = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN;
        now.local_flags.remove(flags);
        now.input_flags.remove(InputFlags::IXON);
        now.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        now.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        // Known before it is changed: whoever gives it back finds it.
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        tcsetattr(stdin.as_fd(), SetArg::TCSADRAIN, &now)?;
        Ok(Keys(()))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal on standard input back as it was, if `Keys` has it. For a process that ends in another way than by dropping it.
pub fn give_back() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // Nothing is left to do about a terminal that has gone.
        let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, &before);
    }
}

/// Lines and columns of a terminal (ioctl_tty(2)).
///
/// # Errors
/// ENOTTY where there is no terminal.
pub fn size(terminal: BorrowedFd<'_>) -> Result<(u16, u16)> {
    nix::ioctl_read_bad!(window_size, libc::TIOCGWINSZ, libc::winsize);
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request writes one winsize, to `size`, which outlives the call.
    unsafe { window_size(terminal.as_raw_fd(), &raw mut size) }?;
    Ok((size.ws_row, size.ws_col))
}
