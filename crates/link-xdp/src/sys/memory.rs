//! Mappings, and the memory that frames lie in (UMEM).
//!
//! The kernel reads and writes the same bytes at any time, so no reference to them is ever made: they are copied by
//! pointer, and every address is checked before.

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::ptr::NonNull;

/// Memory that goes with this value.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; whoever has the value may use it.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference only the start can be read; the bytes are used by `Umem` and `Ring`, which say how.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// New memory, all zero.
    pub(crate) fn anonymous(len: usize) -> Result<Self, Errno> {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), len, access, flags) }?;
        Ok(Self { start: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, len })
    }

    /// Memory of a descriptor.
    pub(crate) fn shared(fd: BorrowedFd<'_>, len: usize, offset: u64) -> Result<Self, Errno> {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
        // SAFETY: as above.
        let start = unsafe { mmap(std::ptr::null_mut(), len, access, flags, fd, offset) }?;
        Ok(Self { start: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, len })
    }

    pub(crate) fn address(&self) -> u64 {
        self.start.as_ptr().addr() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A pointer to `len` bytes at `offset`, if they lie inside.
    pub(super) fn at(&self, offset: usize, len: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(len)?;
        // SAFETY: the offset lies within the mapping, or at its end.
        (end <= self.len).then(|| unsafe { self.start.add(offset) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever has pointers into it has the mapping, too. It can't fail for a mapping
        // that exists.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The memory of all frames, cut into chunks of one size.
#[derive(Debug)]
pub(crate) struct Umem {
    memory: Mapping,
    chunk: u32,
}

impl Umem {
    pub(crate) fn new(chunk: u32, chunks: u32) -> Result<Self, Errno> {
        Ok(Self { memory: Mapping::anonymous(chunk as usize * chunks as usize)?, chunk })
    }

    pub(crate) fn memory(&self) -> &Mapping {
        &self.memory
    }

    pub(crate) fn chunk(&self) -> u32 {
        self.chunk
    }

    /// Where the chunk begins that an address lies in.
    pub(crate) fn chunk_of(&self, address: u64) -> u64 {
        address & !u64::from(self.chunk - 1)
    }

    /// Appends `len` bytes at an address to `to`; `false`, with nothing appended, if they do not lie inside.
    pub(crate) fn read(&self, address: u64, len: u32, to: &mut bytes::BytesMut) -> bool {
        let len = len as usize;
        let from = usize::try_from(address).ok().and_then(|offset| self.memory.at(offset, len));
        let Some(from) = from else { return false };
        to.reserve(len);
        // SAFETY: `from` points to `len` bytes of the mapping, of which no reference exists; `to` has room for as many
        // behind its length, and they overlap not. What the kernel might write meanwhile only changes which bytes are
        // copied. Afterwards so many bytes of `to` are written.
        unsafe {
            std::ptr::copy_nonoverlapping(from.as_ptr(), to.spare_capacity_mut().as_mut_ptr().cast(), len);
            to.set_len(to.len() + len);
        }
        true
    }

    /// Writes pieces one behind the other into the chunk that begins at an address, and says how many bytes they are;
    /// `None` if they do not fit.
    pub(crate) fn write<'a>(&self, address: u64, pieces: impl Iterator<Item = &'a [u8]>) -> Option<u32> {
        let mut len = 0;
        for piece in pieces {
            if len + piece.len() > self.chunk as usize {
                return None;
            }
            let to = self.memory.at(usize::try_from(address).ok()? + len, piece.len())?;
            // SAFETY: `to` points to as many bytes of the mapping, of which no reference exists, so that `piece` does not
            // lie there.
            unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), to.as_ptr(), piece.len()) };
            len += piece.len();
        }
        u32::try_from(len).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    #[test]
    fn what_is_written_is_read_and_nothing_lies_outside() {
        let umem = Umem::new(2048, 4).unwrap();
        assert_eq!(umem.write(2048, [&b"two "[..], b"pieces"].into_iter()), Some(10));
        let mut read = BytesMut::from(&b">"[..]);
        assert!(umem.read(2048, 10, &mut read));
        assert_eq!(read, &b">two pieces"[..]);
        for (address, len) in [(8192, 1), (8191, 2), (u64::MAX, 1), (u64::MAX, u32::MAX), (0, 8193)] {
            assert!(!umem.read(address, len, &mut read), "{address} + {len}");
        }
        assert_eq!(read.len(), 11);
        assert_eq!(umem.write(0, [&[0; 2049][..]].into_iter()), None, "more than a chunk");
        assert_eq!(umem.write(8192, [&[0; 1][..]].into_iter()), None, "behind the end");
        assert_eq!([0, 2047, 2048, 2304].map(|address| umem.chunk_of(address)), [0, 0, 2048, 2048]);
    }
}
