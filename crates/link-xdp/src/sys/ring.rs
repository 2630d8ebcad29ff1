//! A ring that is shared with the kernel: one side writes entries and moves `producer`, the other reads them and moves
//! `consumer`. Both only grow; an entry's place is its number modulo the size, a power of two.

use super::memory::Mapping;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::xdp::XdpRingOffset;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// `XDP_RING_NEED_WAKEUP`.
const NEED_WAKEUP: u32 = 1;

/// What a ring can hold.
pub(crate) trait Entry: Copy + 'static {}

/// A frame: where it is, and how long (`struct xdp_desc`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Descriptor {
    pub(crate) address: u64,
    pub(crate) len: u32,
    pub(crate) options: u32,
}

impl Entry for Descriptor {}
/// Fill and completion rings hold addresses.
impl Entry for u64 {}

/// Which ring: where it is mapped.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Receive,
    Transmit,
    Fill,
    Completion,
}

impl Place {
    /// The offsets of `mmap` (`XDP_PGOFF_RX_RING` and the others).
    const fn offset(self) -> u64 {
        match self {
            Self::Receive => 0,
            Self::Transmit => 0x8000_0000,
            Self::Fill => 0x1_0000_0000,
            Self::Completion => 0x1_8000_0000,
        }
    }
}

/// Our side of a ring.
#[derive(Debug)]
pub(crate) struct Ring<T: Entry> {
    /// Keeps the pointers valid.
    _memory: Mapping,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: Option<NonNull<AtomicU32>>,
    entries: NonNull<T>,
    size: u32,
    /// Entries that we have written or read, published or not.
    ours: u32,
    entry: PhantomData<T>,
}

// SAFETY: the pointers lead into the ring's own mapping, which may be used by any thread; each ring has one owner.
unsafe impl<T: Entry> Send for Ring<T> {}

impl<T: Entry> Ring<T> {
    /// Maps a ring of `size` entries, a power of two.
    pub(crate) fn map(
        fd: BorrowedFd<'_>,
        place: Place,
        offsets: &XdpRingOffset,
        size: u32,
    ) -> Result<Self, Errno> {
        let entries = usize::try_from(offsets.desc).map_err(|_| Errno::INVAL)?;
        let memory = Mapping::shared(fd, entries + size as usize * size_of::<T>(), place.offset())?;
        Self::inside(memory, offsets, size)
    }

    /// A ring in memory that is mapped.
    fn inside(memory: Mapping, offsets: &XdpRingOffset, size: u32) -> Result<Self, Errno> {
        if !size.is_power_of_two() {
            return Err(Errno::INVAL);
        }
        let at = |offset: u64, len, align| {
            let place = usize::try_from(offset).ok().and_then(|offset| memory.at(offset, len));
            place.filter(|place| place.as_ptr().addr() % align == 0).ok_or(Errno::INVAL)
        };
        let word = |offset| at(offset, size_of::<AtomicU32>(), align_of::<AtomicU32>());
        let entries = at(offsets.desc, size as usize * size_of::<T>(), align_of::<T>())?;
        Ok(Self {
            producer: word(offsets.producer)?.cast(),
            consumer: word(offsets.consumer)?.cast(),
            flags: offsets.flags.map(word).transpose()?.map(NonNull::cast),
            entries: entries.cast(),
            _memory: memory,
            size,
            ours: 0,
            entry: PhantomData,
        })
    }

    /// Writes an entry; the kernel sees it after [`publish_written`](Self::publish_written). `false` if the ring is full.
    pub(crate) fn write(&mut self, entry: T) -> bool {
        if self.ours.wrapping_sub(word(self.consumer).load(Ordering::Acquire)) >= self.size {
            return false;
        }
        // SAFETY: the index is below the size, so the entry lies in the mapping, where it is aligned; as the kernel has
        // consumed its last use, it does not read it now.
        unsafe { self.entry(self.ours).write(entry) };
        self.ours = self.ours.wrapping_add(1);
        true
    }

    /// Hands what was written to the kernel.
    pub(crate) fn publish_written(&self) {
        word(self.producer).store(self.ours, Ordering::Release);
    }

    /// Reads the next entry, if the kernel has written one.
    pub(crate) fn read(&mut self) -> Option<T> {
        if self.ours == word(self.producer).load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: as above; the kernel has written the entry, and writes it again only once it is published as read. Any
        // bytes are a value of the two types of entries.
        let entry = unsafe { self.entry(self.ours).read() };
        self.ours = self.ours.wrapping_add(1);
        Some(entry)
    }

    /// Gives the places of what was read back to the kernel.
    pub(crate) fn publish_read(&self) {
        word(self.consumer).store(self.ours, Ordering::Release);
    }

    /// Whether the kernel has to be called to go on.
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.flags.is_none_or(|flags| word(flags).load(Ordering::Relaxed) & NEED_WAKEUP != 0)
    }

    fn entry(&self, number: u32) -> NonNull<T> {
        // SAFETY: the index is below the size, and so many entries lie in the mapping.
        unsafe { self.entries.add((number & (self.size - 1)) as usize) }
    }
}

/// A word that is shared with the kernel.
fn word<'a>(place: NonNull<AtomicU32>) -> &'a AtomicU32 {
    // SAFETY: the pointer was checked to lie in a mapping and to be aligned, and the mapping lives as long as the ring that
    // calls this; the kernel changes the word as an atomic one does.
    unsafe { place.as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSETS: XdpRingOffset = XdpRingOffset { producer: 0, consumer: 64, desc: 192, flags: Some(128) };

    /// A ring of four in memory of our own, and a function that plays the kernel: it moves a word.
    fn ring() -> Ring<Descriptor> {
        Ring::inside(Mapping::anonymous(4096).unwrap(), &OFFSETS, 4).unwrap()
    }

    fn descriptor(address: u64) -> Descriptor {
        Descriptor { address, len: 60, options: 0 }
    }

    #[test]
    fn a_producer_stops_when_the_ring_is_full_and_goes_on_where_entries_were_consumed() {
        let mut ring = ring();
        for start in [0, u32::MAX - 1] {
            ring.ours = start;
            word(ring.consumer).store(start, Ordering::Relaxed);
            assert_eq!((0..6).filter(|i| ring.write(descriptor(*i))).count(), 4);
            ring.publish_written();
            assert_eq!(word(ring.producer).load(Ordering::Relaxed), start.wrapping_add(4));
            word(ring.consumer).store(start.wrapping_add(1), Ordering::Relaxed);
            assert!(ring.write(descriptor(9)) && !ring.write(descriptor(10)));
        }
    }

    #[test]
    fn a_consumer_reads_what_was_produced_in_order() {
        let mut ring = ring();
        for i in 0..4 {
            assert!(ring.write(descriptor(i)));
        }
        // From here on the test is the producer, and the ring is read.
        word(ring.producer).store(3, Ordering::Relaxed);
        ring.ours = 0;
        let read: Vec<u64> = std::iter::from_fn(|| ring.read()).map(|entry| entry.address).collect();
        assert_eq!(read, [0, 1, 2]);
        ring.publish_read();
        assert_eq!(word(ring.consumer).load(Ordering::Relaxed), 3);
        assert!(!ring.needs_wakeup());
        word(ring.flags.unwrap()).store(1, Ordering::Relaxed);
        assert!(ring.needs_wakeup());
    }

    #[test]
    fn a_ring_that_does_not_fit_its_memory_is_refused() {
        let inside = |offsets: XdpRingOffset, size| {
            Ring::<Descriptor>::inside(Mapping::anonymous(4096).unwrap(), &offsets, size).err()
        };
        assert_eq!(inside(OFFSETS, 3), Some(Errno::INVAL));
        assert_eq!(inside(OFFSETS, 256), Some(Errno::INVAL));
        assert_eq!(inside(XdpRingOffset { desc: 193, ..OFFSETS }, 4), Some(Errno::INVAL));
        assert_eq!(inside(XdpRingOffset { producer: u64::MAX, ..OFFSETS }, 4), Some(Errno::INVAL));
    }
}
