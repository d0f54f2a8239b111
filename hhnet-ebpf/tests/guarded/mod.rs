// SPDX-License-Identifier: Apache-2.0
//! Bytes that end where readable memory ends.

use std::ptr;

const PAGE: usize = 4096;

/// A copy of some bytes whose end is followed by a page without access, so that
/// reading one byte too many kills the test.
pub(crate) struct Guarded {
    mapping: *mut libc::c_void,
    length: usize,
}

impl Guarded {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        assert!(bytes.len() <= PAGE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, the kernel chooses where.
        let mapping = unsafe { libc::mmap(ptr::null_mut(), 2 * PAGE, access, flags, -1, 0) };
        assert_ne!(mapping, libc::MAP_FAILED);
        // SAFETY: both pages are ours; the bytes fit at the end of the first.
        unsafe {
            let second = mapping.cast::<u8>().add(PAGE);
            assert_eq!(libc::mprotect(second.cast(), PAGE, libc::PROT_NONE), 0);
            second
                .sub(bytes.len())
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Self {
            mapping,
            length: bytes.len(),
        }
    }

    /// The addresses of the first byte and after the last.
    pub(crate) fn bounds(&self) -> (usize, usize) {
        let end = self.mapping.expose_provenance() + PAGE;
        (end - self.length, end)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`, which nothing refers to any more.
        unsafe { libc::munmap(self.mapping, 2 * PAGE) };
    }
}
