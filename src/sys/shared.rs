//! Memory that a parent and its children see together: one page per child, of plain atomic counters.
//!
//! The listener maps all pages; a child keeps its own and gives the others back, so that it cannot read or
//! disturb another's. One page it may be shown besides, which it cannot write.

use super::{Errno, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes in a page of the array: the unit in which a child can give memory back.
pub const PAGE: usize = 4096;
/// Counters in a page.
pub const CELLS: usize = PAGE / 8;
/// One page of counters, all starting at zero.
pub type Cells = [AtomicU64; CELLS];

/// An array of shared pages, alive until the process ends.
#[derive(Debug)]
pub struct Pages {
    base: NonNull<Cells>,
    count: usize,
    /// Set in a child that gave the others' pages back.
    kept: Cell<Option<usize>>,
}

impl Pages {
    /// Maps `count` zeroed pages that later children share. Pages never touched cost nothing.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(count: usize) -> Result<Pages> {
        let length = NonZeroUsize::new(count * PAGE).ok_or(Errno::EINVAL)?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe {
            mmap_anonymous(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                flags,
            )
        }?;
        Ok(Pages {
            base: base.cast(),
            count,
            kept: Cell::new(None),
        })
    }

    /// Number of pages.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Page `index`.
    ///
    /// # Panics
    /// When `index` is out of range, or this process gave that page back.
    #[must_use]
    pub fn page(&self, index: usize) -> &Cells {
        assert!(index < self.count, "page {index} of {}", self.count);
        assert!(
            self.kept.get().is_none_or(|kept| kept == index),
            "page {index} was given back"
        );
        // SAFETY: `index` is below `count`, so the address lies inside the mapping.
        let page = unsafe { self.base.add(index) };
        // SAFETY: the page is mapped as long as `self` lives, aligned to its size, zero or written through atomics only; and
        // atomics may be shared between processes.
        unsafe { page.as_ref() }
    }

    /// In a child: gives back every page but `index`, and returns that one for the rest of the process's life. With it comes the
    /// last page, to be read and no more, if that is to be `shown`.
    ///
    /// # Errors
    /// As mprotect(2): then the last page was given back, too.
    ///
    /// # Panics
    /// When `index` is out of range, or it was called before.
    pub fn keep_only(&self, index: usize, shown: bool) -> Result<(&'static Cells, Option<Shown>)> {
        assert!(index < self.count, "page {index} of {}", self.count);
        assert!(
            self.kept.replace(Some(index)).is_none(),
            "pages were given back before"
        );
        let last = self.count - 1;
        let shown = shown && index != last;
        self.unmap(0, index);
        self.unmap(index + 1, last - index - usize::from(shown));
        // SAFETY: `index` is below `count`, so the address lies inside the mapping.
        let page = unsafe { self.base.add(index) };
        // SAFETY: as in `page`; this page stays mapped, because `unmap` runs once in a process and not on it.
        let own = unsafe { page.as_ref() };
        if !shown {
            return Ok((own, None));
        }
        // SAFETY: `last` is below `count`, so the address lies inside the mapping.
        let page = unsafe { self.base.add(last) };
        let shown = Shown(page);
        // SAFETY: the page is mapped, and nothing in this process writes it: `page` gives no reference to it any more.
        unsafe { mprotect(page.cast(), PAGE, ProtFlags::PROT_READ) }?;
        Ok((own, Some(shown)))
    }

    /// In a process that is no child: gives back every page, for the rest of its life. None may be asked for any more.
    pub fn keep_none(&self) {
        // No page has this number.
        if self.kept.replace(Some(self.count)).is_none() {
            self.unmap(0, self.count);
        }
    }

    fn unmap(&self, first: usize, count: usize) {
        if count == 0 {
            return;
        }
        // SAFETY: `first` is at most `self.count`, so the address lies inside the mapping or at its end.
        let from = unsafe { self.base.add(first) };
        // SAFETY: the range lies inside the mapping, and `page` gives no reference into it from now on; the child's
        // life began with this call, so that none is left over from before.
        let _ = unsafe { munmap(from.cast(), count * PAGE) };
    }
}

/// A page that this process may read, and not write. Given back when it is dropped.
#[derive(Debug)]
pub struct Shown(NonNull<Cells>);

impl Shown {
    /// What stands in counter `index`; 0 for one that there is not.
    #[must_use]
    pub fn read(&self, index: usize) -> u64 {
        // SAFETY: the page is mapped until this value is dropped, and readable; atomics may be shared between processes.
        let cells = unsafe { self.0.as_ref() };
        cells.get(index).map_or(0, |cell| cell.load(Relaxed))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // SAFETY: the page is this value's alone, and gives no reference away that outlives a call.
        let _ = unsafe { munmap(self.0.cast(), PAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_child_writes_its_page_and_its_parent_reads_it() {
        let pages = Pages::new(3).expect("map");
        let child = super::super::process::spawn(|| {
            if let Ok((own, None)) = pages.keep_only(1, false) {
                own[5].store(42, Ordering::Relaxed);
            }
            super::super::process::exit(0)
        })
        .expect("spawn");
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child.pid), None).expect("wait");
        assert_eq!(pages.page(1)[5].load(Ordering::Relaxed), 42);
        assert_eq!(pages.page(2)[5].load(Ordering::Relaxed), 0);
    }
    #[test]
    fn a_page_that_is_shown_is_read_and_given_back() {
        let pages = Pages::new(4).expect("map");
        pages.page(3)[7].store(9, Ordering::Relaxed);
        let child = super::super::process::spawn(|| {
            if let Ok((own, Some(shown))) = pages.keep_only(1, true) {
                own[0].store(shown.read(7) + shown.read(CELLS), Ordering::Relaxed);
                let cell = shown.0;
                drop(shown);
                // msync(2) knows what is mapped, and here for what.
                own[1].store(u64::from(is_mapped(cell)), Ordering::Relaxed);
                own[2].store(u64::from(is_mapped(NonNull::from(own))), Ordering::Relaxed);
            }
            super::super::process::exit(0)
        })
        .expect("spawn");
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child.pid), None).expect("wait");
        let said: Vec<_> = (0..3)
            .map(|index| pages.page(1)[index].load(Ordering::Relaxed))
            .collect();
        assert_eq!(said, [9, 0, 1]);
    }

    fn is_mapped(page: NonNull<Cells>) -> bool {
        // SAFETY: msync changes no memory, and answers ENOMEM for what is not mapped.
        let synced =
            unsafe { nix::sys::mman::msync(page.cast(), PAGE, nix::sys::mman::MsFlags::MS_ASYNC) };
        synced.is_ok()
    }

    #[test]
    fn a_page_that_is_shown_cannot_be_written() {
        let pages = Pages::new(2).expect("map");
        let child = super::super::process::spawn(|| {
            if let Ok((_, Some(shown))) = pages.keep_only(0, true) {
                // SAFETY: the page is mapped; that writing ends this process is what is asked here.
                let cells = unsafe { shown.0.as_ref() };
                cells[0].store(1, Ordering::Relaxed);
            }
            super::super::process::exit(0)
        })
        .expect("spawn");
        let pid = nix::unistd::Pid::from_raw(child.pid);
        let ended = nix::sys::wait::waitpid(pid, None).expect("wait");
        let killed = matches!(
            ended,
            nix::sys::wait::WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGSEGV, _)
        );
        assert!(killed, "{ended:?}");
        assert_eq!(pages.page(1)[0].load(Ordering::Relaxed), 0);
    }
}
