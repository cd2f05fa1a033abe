//! Memory that a parent and its children see together: one page per child, of plain atomic counters.
//!
//! The listener maps all pages; a child keeps its own and gives the others back, so that it cannot read or
//! disturb another's.

use super::{Errno, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

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

    /// In a child: gives back every page but `index`, and returns that one for the rest of the process's life.
    ///
    /// # Panics
    /// When `index` is out of range, or it was called before.
    #[must_use]
    pub fn keep_only(&self, index: usize) -> &'static Cells {
        assert!(index < self.count, "page {index} of {}", self.count);
        assert!(
            self.kept.replace(Some(index)).is_none(),
            "pages were given back before"
        );
        self.unmap(0, index);
        self.unmap(index + 1, self.count - index - 1);
        // SAFETY: `index` is below `count`, so the address lies inside the mapping.
        let page = unsafe { self.base.add(index) };
        // SAFETY: as in `page`; this page stays mapped, because `unmap` runs once in a process and not on it.
        unsafe { page.as_ref() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_child_writes_its_page_and_its_parent_reads_it() {
        let pages = Pages::new(3).expect("map");
        let child = super::super::process::spawn(|| {
            pages.keep_only(1)[5].store(42, Ordering::Relaxed);
            super::super::process::exit(0)
        })
        .expect("spawn");
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child.pid), None).expect("wait");
        assert_eq!(pages.page(1)[5].load(Ordering::Relaxed), 42);
        assert_eq!(pages.page(2)[5].load(Ordering::Relaxed), 0);
    }
}
