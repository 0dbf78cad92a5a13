//! A global allocator that counts what each thread asks for.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread has asked for memory so far.
pub fn requests() -> u64 {
    REQUESTS.get()
}

fn count() {
    // A thread that is being torn down has no counter any more.
    let _ = REQUESTS.try_with(|requests| requests.set(requests.get() + 1));
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments; counting touches a
// thread-local cell that needs no memory and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn every_request_of_this_thread_is_counted_and_no_other_threads() {
    let before = requests();
    let mut values = Vec::<u64>::with_capacity(4);
    assert_eq!(requests(), before + 1);
    values.reserve(1000);
    assert_eq!(requests(), before + 2);
    let handle = std::thread::spawn(|| drop(std::hint::black_box(vec![0_u8; 100])));
    let during = requests();
    handle.join().unwrap();
    drop(values);
    assert_eq!(requests(), during);
}
