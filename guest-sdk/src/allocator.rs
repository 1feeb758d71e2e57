//! Memory which is there from the start.
//!
//! An allocator which begins with nothing grows the memory at its first allocation, which costs about as much as the rest
//! of a small call. So the first half MiB comes from a static, whose pages cost nothing until they are touched. It is
//! given out in a row, and of what is freed only the last is given out again: a call is short. What does not fit comes
//! from the system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

const ARENA_BYTES: usize = 512 << 10;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    arena: UnsafeCell::new([0; ARENA_BYTES]),
    used: Cell::new(0),
};

struct Allocator {
    arena: UnsafeCell<[u8; ARENA_BYTES]>,
    used: Cell<usize>,
}

// SAFETY: components have one thread.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// Where `pointer` is in the arena.
    fn offset(&self, pointer: *mut u8) -> Option<usize> {
        let offset = pointer.addr().checked_sub(self.arena.get().addr())?;
        (offset < ARENA_BYTES).then_some(offset)
    }

    fn fits(&self, offset: usize, size: usize) -> bool {
        size <= ARENA_BYTES - offset
    }
}

// SAFETY: what lies below `used` was given out once, aligned and within the arena; the rest is the system's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.arena.get().addr();
        let offset = (start + self.used.get()).next_multiple_of(layout.align()) - start;
        if offset < ARENA_BYTES && self.fits(offset, layout.size()) {
            self.used.set(offset + layout.size());
            return self.arena.get().cast::<u8>().wrapping_add(offset);
        }
        // SAFETY: the caller's promises are those of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match self.offset(pointer) {
            Some(offset) if offset + layout.size() == self.used.get() => self.used.set(offset),
            Some(_) => {}
            // SAFETY: what is not in the arena came from the system.
            None => unsafe { System.dealloc(pointer, layout) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(pointer) else {
            // SAFETY: what is not in the arena came from the system.
            return unsafe { System.realloc(pointer, layout, size) };
        };
        if offset + layout.size() == self.used.get() && self.fits(offset, size) {
            self.used.set(offset + size);
            return pointer;
        }
        if size <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller promises that `size` makes a layout with the old alignment, and the new place is another.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(pointer, moved, layout.size());
            }
            moved
        }
    }
}
