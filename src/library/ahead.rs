//! Room on the disk for an upload whose length was announced, taken before its bytes come: the filesystem has to look for it a few
//! times then, and not for each piece. Run by children.

use crate::sys::file;
use std::os::fd::BorrowedFd;

/// Taken at once: no more lies idle because of somebody who announced what never comes.
const STRETCH: u64 = 64 * 1024 * 1024;
/// For less it is not worth a call.
const LEAST: u64 = 4 * 1024 * 1024;

/// Of one upload.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Where the file is to end; 0 when nothing is taken any more.
    end: u64,
    /// Room was taken up to here.
    taken: u64,
}

impl Ahead {
    /// For `coming` bytes after the first `begin`.
    pub(super) fn new(begin: u64, coming: u64) -> Ahead {
        if coming < LEAST {
            return Ahead::default();
        }
        Ahead {
            end: begin.saturating_add(coming),
            taken: begin,
        }
    }

    /// What is up to `end` is going to be written. Where no room can be taken it is written without: whether it fits is found then.
    pub(super) fn reach(&mut self, file: BorrowedFd<'_>, end: u64) {
        if end <= self.taken || end > self.end {
            return;
        }
        let until = end.max(self.taken.saturating_add(STRETCH)).min(self.end);
        match file::allocate(file, self.taken, until - self.taken) {
            Ok(()) => self.taken = until,
            Err(_) => self.end = 0,
        }
    }

    /// Up to where there is room that was taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Gives back what is beyond the `written` bytes, which are all that the file will have for now.
    pub(super) fn trim(&mut self, file: BorrowedFd<'_>, written: u64) {
        self.end = 0;
        if self.taken > written {
            self.taken = written;
            // The file is as it should be also where that fails.
            let _ = file::truncate(file, written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    /// Size, and bytes on the disk.
    fn of(file: &std::fs::File) -> (u64, u64) {
        let facts = file.metadata().expect("metadata");
        (facts.len(), facts.blocks() * 512)
    }

    #[test]
    fn room_is_taken_a_stretch_at_a_time_and_given_back() {
        let file = tempfile::tempfile().expect("file");
        let fd = file.as_fd();
        let mut ahead = Ahead::new(0, 2 * STRETCH);
        ahead.reach(fd, 1000);
        let (size, taken) = of(&file);
        assert!(size == 0 && (STRETCH..STRETCH * 3 / 2).contains(&taken));
        file::write_at(fd, &[7; 1000], 0).expect("write");
        ahead.reach(fd, STRETCH);
        assert_eq!(of(&file), (1000, taken));
        ahead.reach(fd, STRETCH + 1);
        let (size, both) = of(&file);
        assert!(size == 1000 && both >= 2 * STRETCH);
        ahead.trim(fd, 1000);
        let (size, left) = of(&file);
        assert!(size == 1000 && left <= 64 * 1024, "{left}");
        // From then on as it comes.
        ahead.reach(fd, 2 * STRETCH);
        assert_eq!(of(&file), (size, left));
    }

    #[test]
    fn none_is_taken_for_little_or_beyond_what_was_announced() {
        let file = tempfile::tempfile().expect("file");
        Ahead::new(0, LEAST - 1).reach(file.as_fd(), 1000);
        let mut ahead = Ahead::new(LEAST, LEAST);
        ahead.reach(file.as_fd(), LEAST);
        ahead.reach(file.as_fd(), 2 * LEAST + 1);
        assert_eq!(of(&file), (0, 0));
        ahead.reach(file.as_fd(), LEAST + 1);
        let (size, taken) = of(&file);
        assert!(size == 0 && (LEAST..2 * LEAST).contains(&taken));
        // All that was taken is used: nothing is cut off.
        file::write_at(file.as_fd(), b"x", 2 * LEAST - 1).expect("write");
        ahead.trim(file.as_fd(), 2 * LEAST);
        assert_eq!(of(&file), (2 * LEAST, taken));
    }

    #[test]
    fn where_none_can_be_taken_nothing_is_lost() {
        let (reads, _writes) = std::io::pipe().expect("pipe");
        let mut ahead = Ahead::new(0, u64::MAX);
        ahead.reach(reads.as_fd(), 1);
        assert_eq!((ahead.end, ahead.taken), (0, 0));
    }
}
