//! Room on the disk for an upload, taken before its bytes come: the filesystem has to look for it a few times then, and not for each
//! piece. Run by children.

use crate::sys::file;
use std::os::fd::BorrowedFd;

/// Taken at once: no more lies idle because of somebody who announced what never comes.
const STRETCH: u64 = 64 * 1024 * 1024;
/// For less it is not worth a call.
const LEAST: u64 = 4 * 1024 * 1024;
/// Room that nobody announced is taken where so many times as much is free: others are to find theirs.
const PLENTY: u64 = 16;

/// Of one upload.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Where its bytes begin.
    begin: u64,
    /// Where those end that were announced.
    announced: u64,
    /// Room was taken up to here.
    taken: u64,
    /// Beyond what was announced, nothing is taken before so much has come.
    ask_at: u64,
    /// What is beyond the last byte may be of a process before this one, which was killed.
    may_be_left: bool,
    /// No more is taken.
    is_over: bool,
}

impl Ahead {
    /// For `coming` bytes after the first `begin`, or more.
    pub(super) fn new(begin: u64, coming: u64) -> Ahead {
        let announced = if coming < LEAST { 0 } else { coming };
        Ahead {
            begin,
            announced: begin.saturating_add(announced),
            taken: begin,
            ask_at: begin.saturating_add(LEAST),
            may_be_left: false,
            is_over: false,
        }
    }

    /// What is up to `end` is going to be written. Of what was announced a stretch is taken; beyond, as much again as has come, if `is_free` says
    /// that the disk has so many bytes. Where no room can be taken it is written without: whether it fits is found then.
    pub(super) fn reach(
        &mut self,
        file: BorrowedFd<'_>,
        end: u64,
        is_free: impl FnOnce(u64) -> bool,
    ) {
        self.may_be_left = self.begin > 0;
        if end <= self.taken || self.is_over {
            return;
        }
        let (from, until) = if end <= self.announced {
            let stretch = self.taken.saturating_add(STRETCH).min(self.announced);
            (self.taken, end.max(stretch))
        } else {
            if end < self.ask_at {
                return;
            }
            let more = (end - self.begin).min(STRETCH);
            let until = end.saturating_add(more);
            if !is_free(more * PLENTY) {
                // Not at each piece: where the disk is a server's, that is a question to it.
                self.ask_at = until;
                return;
            }
            (end, until)
        };
        match file::allocate(file, from, until - from) {
            Ok(()) => self.taken = until,
            Err(_) => self.is_over = true,
        }
    }

    /// Up to where there is room that was taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Gives back what is beyond the `written` bytes, which are all that the file will have for now.
    pub(super) fn trim(&mut self, file: BorrowedFd<'_>, written: u64) {
        self.is_over = true;
        if self.taken > written || self.may_be_left {
            self.taken = self.taken.min(written);
            // Once: the next would change the file's time again.
            self.may_be_left = false;
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

    /// For what was announced nobody is asked.
    fn never(_: u64) -> bool {
        panic!("it was announced")
    }

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
        ahead.reach(fd, 1000, never);
        let (size, taken) = of(&file);
        assert!(size == 0 && (STRETCH..STRETCH * 3 / 2).contains(&taken));
        file::write_at(fd, &[7; 1000], 0).expect("write");
        ahead.reach(fd, STRETCH, never);
        assert_eq!(of(&file), (1000, taken));
        ahead.reach(fd, STRETCH + 1, never);
        let (size, both) = of(&file);
        assert!(size == 1000 && both >= 2 * STRETCH);
        ahead.trim(fd, 1000);
        let (size, left) = of(&file);
        assert!(size == 1000 && left <= 64 * 1024, "{left}");
        // From then on as it comes.
        ahead.reach(fd, 2 * STRETCH, never);
        assert_eq!(of(&file), (size, left));
    }

    #[test]
    fn none_is_taken_for_little_or_beyond_what_was_announced() {
        let file = tempfile::tempfile().expect("file");
        Ahead::new(0, LEAST - 1).reach(file.as_fd(), 1000, never);
        let mut ahead = Ahead::new(LEAST, LEAST);
        ahead.reach(file.as_fd(), LEAST, never);
        ahead.reach(file.as_fd(), 2 * LEAST + 1, |_| false);
        assert_eq!(of(&file), (0, 0));
        ahead.reach(file.as_fd(), LEAST + 1, never);
        let (size, taken) = of(&file);
        assert!(size == 0 && (LEAST..2 * LEAST).contains(&taken));
        // All that was taken is used: nothing is cut off.
        file::write_at(file.as_fd(), b"x", 2 * LEAST - 1).expect("write");
        ahead.trim(file.as_fd(), 2 * LEAST);
        assert_eq!(of(&file), (2 * LEAST, taken));
    }

    #[test]
    fn for_what_nobody_announced_as_much_again_as_came_is_taken_where_there_is_plenty() {
        let file = tempfile::tempfile().expect("file");
        let mut ahead = Ahead::new(0, 0);
        ahead.reach(file.as_fd(), LEAST - 1, |_| true);
        assert_eq!(of(&file), (0, 0));
        ahead.reach(file.as_fd(), LEAST, |bytes| bytes == PLENTY * LEAST);
        assert_eq!(ahead.taken(), 2 * LEAST);
        ahead.reach(file.as_fd(), 2 * LEAST, never);
        let (size, taken) = of(&file);
        assert!(size == 0 && (LEAST..2 * LEAST).contains(&taken));
        ahead.reach(file.as_fd(), 4 * STRETCH, |_| true);
        assert_eq!(ahead.taken(), 5 * STRETCH);
        ahead.trim(file.as_fd(), 0);
        assert_eq!(of(&file), (0, 0));
    }

    #[test]
    fn where_there_is_no_plenty_none_is_taken_and_that_is_not_asked_at_each_piece() {
        let file = tempfile::tempfile().expect("file");
        let mut ahead = Ahead::new(0, 0);
        ahead.reach(file.as_fd(), LEAST, |_| false);
        assert_eq!(of(&file), (0, 0));
        ahead.reach(file.as_fd(), 2 * LEAST - 1, never);
        ahead.reach(file.as_fd(), 2 * LEAST, |bytes| bytes == 2 * PLENTY * LEAST);
        assert_eq!(ahead.taken(), 4 * LEAST);
    }

    #[test]
    fn what_a_killed_process_took_is_given_back_by_the_next() {
        let file = tempfile::tempfile().expect("file");
        file::write_at(file.as_fd(), &[7; 1000], 0).expect("write");
        file::allocate(file.as_fd(), 1000, STRETCH).expect("room");
        let mut ahead = Ahead::new(1000, 0);
        // Nothing was written here: it is as it was found.
        ahead.trim(file.as_fd(), 1000);
        assert!(of(&file).1 >= STRETCH);
        let mut ahead = Ahead::new(1000, 0);
        ahead.reach(file.as_fd(), 1001, |_| true);
        file::write_at(file.as_fd(), b"x", 1000).expect("write");
        ahead.trim(file.as_fd(), 1001);
        let (size, left) = of(&file);
        assert!(size == 1001 && left <= 64 * 1024, "{left}");
    }

    #[test]
    fn where_none_can_be_taken_nothing_is_lost() {
        let (reads, _writes) = std::io::pipe().expect("pipe");
        let mut ahead = Ahead::new(0, u64::MAX);
        ahead.reach(reads.as_fd(), 1, never);
        assert_eq!((ahead.is_over, ahead.taken), (true, 0));
    }
}
