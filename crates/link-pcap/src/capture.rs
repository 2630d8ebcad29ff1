//! The file that links record into: an ordered queue before a writer.
//!
//! Records are written in the order in which they were made. One that may yet turn out to be dropped holds up those
//! behind it, but not without bound: beyond [`MAX_HELD`] bytes the oldest are written as they are.
//! Invariants: the first error ends the writing for good; nothing is held then.

use crate::format::{Framing, Writer};
use crate::record::Record;
use core::time::Duration;
use stack_core::{DropReason, LinkAddress};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of packets that wait in memory for what becomes of them.
const MAX_HELD: usize = 4 << 20;
/// Bytes that are collected before a system call.
const WRITE_BUFFER: usize = 128 * 1024;

/// How a capture is to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaptureConfig {
    /// Time from the UNIX epoch to the origin of the stack's clock: what makes wall-clock time of its instants.
    pub epoch: Duration,
    /// Bytes of each packet that are kept. Default: 262,144, that of tcpdump: whole super-packets.
    pub snaplen: u32,
}

impl CaptureConfig {
    /// Whole packets, with stamps counted from `epoch`.
    pub fn new(epoch: Duration) -> Self {
        Self { epoch, snaplen: 262_144 }
    }

    /// The same with so many bytes kept of each packet.
    #[must_use]
    pub fn with_snaplen(self, snaplen: u32) -> Self {
        Self { snaplen, ..self }
    }
}

/// How much was captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CaptureStatistics {
    /// Packets written to the file.
    pub packets: u64,
    /// Bytes of these packets, as far as they were kept.
    pub bytes: u64,
    /// Packets written before it was known whether the stack drops them, because too much waited.
    pub early: u64,
    /// Packets missing since writing failed.
    pub missing: u64,
    /// What the system said when writing failed; `None` if all is well.
    pub failed: Option<io::ErrorKind>,
}

/// A file that links record into; clones are the same file. It is complete when the last of them and of the links is
/// dropped, or after [`flush`](Self::flush).
#[derive(Clone)]
pub struct Capture {
    config: CaptureConfig,
    file: Arc<Mutex<Recorder>>,
}

impl Capture {
    /// Creates a file, or empties the one of that name.
    ///
    /// # Errors
    /// The file can't be created or written.
    pub fn create(path: impl AsRef<Path>, config: CaptureConfig) -> io::Result<Self> {
        Self::to_writer(File::create(path)?, config)
    }

    /// Captures to anything that takes bytes: a pipe, a socket, memory. It is buffered here.
    ///
    /// # Errors
    /// The first bytes can't be written.
    pub fn to_writer(to: impl Write + Send + 'static, config: CaptureConfig) -> io::Result<Self> {
        let writer = Writer::new(Box::new(BufWriter::with_capacity(WRITE_BUFFER, to)))?;
        let recorder = Recorder {
            writer: Some(writer),
            held: VecDeque::new(),
            held_bytes: 0,
            statistics: CaptureStatistics::default(),
        };
        Ok(Self { config, file: Arc::new(Mutex::new(recorder)) })
    }

    /// Writes everything that was recorded so far, known to be dropped or not.
    pub fn flush(&self) {
        self.lock().flush();
    }

    /// How much was captured so far.
    pub fn statistics(&self) -> CaptureStatistics {
        self.lock().statistics
    }

    pub(crate) fn config(&self) -> CaptureConfig {
        self.config
    }

    pub(crate) fn interface(
        &self,
        name: &str,
        framing: Framing,
        address: Option<LinkAddress>,
    ) -> io::Result<u32> {
        let mut recorder = self.lock();
        let failed = recorder.statistics.failed.unwrap_or(io::ErrorKind::BrokenPipe);
        let Some(writer) = &mut recorder.writer else { return Err(failed.into()) };
        writer.interface(name, framing, self.config.snaplen, address)
    }

    /// Appends records and writes as far as it is known what became of them. Takes all of `records`.
    pub(crate) fn append(&self, records: &mut Vec<Record>) {
        if !records.is_empty() {
            self.lock().append(records);
        }
    }

    /// Says what became of all pending records of an interface: `outcomes` has one entry for each, in their order, `None`
    /// for those that were not dropped.
    pub(crate) fn settle(&self, interface: u32, outcomes: &mut Vec<Option<DropReason>>) {
        if !outcomes.is_empty() {
            self.lock().settle(interface, outcomes);
            outcomes.clear();
        }
    }

    /// Whether writing has failed, so that nothing needs to be copied any more.
    pub(crate) fn miss(&self, packets: usize) -> bool {
        let mut recorder = self.lock();
        let failed = recorder.writer.is_none();
        if failed {
            recorder.statistics.missing += packets as u64;
        }
        failed
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        // A panic elsewhere leaves the queue as it was: there is nothing to repair.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl core::fmt::Debug for Capture {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Capture")
            .field("config", &self.config)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

struct Recorder {
    writer: Option<Writer>,
    held: VecDeque<Record>,
    held_bytes: usize,
    statistics: CaptureStatistics,
}

impl Recorder {
    fn append(&mut self, records: &mut Vec<Record>) {
        self.held_bytes += records.iter().map(|record| record.data.len()).sum::<usize>();
        self.held.extend(records.drain(..));
        self.write_known();
        while self.held_bytes > MAX_HELD {
            self.statistics.early += u64::from(self.held.front().is_some_and(|record| record.pending));
            self.write_front();
        }
    }

    fn settle(&mut self, interface: u32, outcomes: &[Option<DropReason>]) {
        // Records that were written early are missing at the front, so the match is made from the back.
        let pending =
            self.held.iter_mut().rev().filter(|record| record.pending && record.interface == interface);
        for (record, outcome) in pending.zip(outcomes.iter().rev()) {
            (record.pending, record.dropped) = (false, *outcome);
        }
        self.write_known();
    }

    fn write_known(&mut self) {
        while self.held.front().is_some_and(|record| !record.pending) {
            self.write_front();
        }
    }

    fn write_front(&mut self) {
        let Some(record) = self.held.pop_front() else { return };
        self.held_bytes -= record.data.len();
        let Some(writer) = &mut self.writer else {
            self.statistics.missing += 1;
            return;
        };
        match writer.record(&record) {
            Ok(()) => {
                self.statistics.packets += 1;
                self.statistics.bytes += record.data.len() as u64;
            }
            Err(error) => {
                self.statistics.missing += 1;
                self.fail(&error);
            }
        }
    }

    fn flush(&mut self) {
        while !self.held.is_empty() {
            self.write_front();
        }
        let result = self.writer.as_mut().map_or(Ok(()), Writer::flush);
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    /// Stops for good.
    fn fail(&mut self, error: &io::Error) {
        self.statistics.failed = Some(error.kind());
        self.writer = None;
        self.statistics.missing += self.held.len() as u64;
        self.held.clear();
        self.held_bytes = 0;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::format::tests::read;

    /// Memory that can be read while a capture writes to it, and that may break.
    #[derive(Clone, Default)]
    pub(crate) struct Memory {
        bytes: Arc<Mutex<Vec<u8>>>,
        limit: Option<usize>,
    }

    impl Memory {
        pub(crate) fn contents(&self) -> Vec<u8> {
            self.bytes.lock().unwrap().clone()
        }
    }

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut all = self.bytes.lock().unwrap();
            if self.limit.is_some_and(|limit| all.len() + bytes.len() > limit) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            all.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record(interface: u32, data: &[u8], pending: bool) -> Record {
        let len = data.len() as u32;
        let at = Duration::from_nanos(1_700_000_000_123_456_789);
        Record {
            interface,
            at,
            original_len: len,
            data: data.to_vec(),
            inbound: pending,
            dropped: None,
            pending,
        }
    }

    fn capture() -> (Capture, Memory) {
        let memory = Memory::default();
        let capture = Capture::to_writer(memory.clone(), CaptureConfig::new(Duration::ZERO)).unwrap();
        for name in ["a", "b"] {
            capture.interface(name, Framing::Raw, None).unwrap();
        }
        (capture, memory)
    }

    #[test]
    fn what_leaves_waits_behind_what_arrived_before() {
        let (capture, memory) = capture();
        capture.append(&mut vec![record(0, b"question", true), record(0, b"noise", true)]);
        capture.append(&mut vec![record(0, b"answer", false), record(1, b"other link", false)]);
        assert_eq!(capture.statistics().packets, 0);
        capture.settle(0, &mut vec![None, Some(DropReason::NoRoute)]);
        assert_eq!(capture.statistics().packets, 4);
        drop(capture);
        let read = read(&memory.contents());
        let order: Vec<&[u8]> = read.iter().map(|record| &record.data[..]).collect();
        assert_eq!(order, [&b"question"[..], b"noise", b"answer", b"other link"]);
        assert_eq!(read[1].comment.as_deref(), Some("dropped: no-route"));
        assert_eq!((read[0].comment.as_deref(), read[0].inbound, read[2].inbound), (None, true, false));
        assert_eq!(read[0].at, Duration::from_nanos(1_700_000_000_123_456_789));
        assert_eq!((read[0].interface.as_str(), read[3].interface.as_str()), ("a", "b"));
    }

    #[test]
    fn an_interface_settles_only_its_own() {
        let (capture, _memory) = capture();
        capture.append(&mut vec![record(0, b"a", true), record(1, b"b", true)]);
        capture.settle(1, &mut vec![None]);
        assert_eq!(capture.statistics().packets, 0, "the older one holds it up");
        capture.settle(0, &mut vec![None]);
        assert_eq!(capture.statistics().packets, 2);
    }

    #[test]
    fn memory_is_bounded_while_outcomes_are_awaited() {
        let (capture, memory) = capture();
        for _ in 0..6 {
            capture.append(&mut vec![record(0, &vec![0; 1 << 20], true)]);
        }
        let statistics = capture.statistics();
        assert_eq!((statistics.packets, statistics.early), (2, 2));
        capture.settle(0, &mut vec![None, None, None, None, None, Some(DropReason::Policy)]);
        drop(capture);
        let comments: Vec<bool> =
            read(&memory.contents()).iter().map(|read| read.comment.is_some()).collect();
        assert_eq!(comments, [false, false, false, false, false, true]);
    }

    #[test]
    fn a_full_disk_ends_the_capture_and_is_counted() {
        let memory = Memory { limit: Some(200_000), ..Memory::default() };
        let capture = Capture::to_writer(memory, CaptureConfig::new(Duration::ZERO)).unwrap();
        capture.interface("a", Framing::Raw, None).unwrap();
        assert!(!capture.miss(1));
        for _ in 0..10 {
            capture.append(&mut vec![record(0, &[0; 60_000], false)]);
        }
        let statistics = capture.statistics();
        assert_eq!(statistics.failed, Some(io::ErrorKind::StorageFull));
        assert_eq!(statistics.packets + statistics.missing, 10);
        assert!(capture.miss(5) && capture.statistics().missing == statistics.missing + 5);
        let error = capture.interface("b", Framing::Raw, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_flush_writes_what_waits() {
        let (capture, memory) = capture();
        capture.append(&mut vec![record(0, b"still pending", true)]);
        capture.flush();
        assert_eq!(read(&memory.contents()).len(), 1);
        capture.settle(0, &mut vec![Some(DropReason::Policy)]);
        capture.flush();
        assert_eq!(read(&memory.contents()).len(), 1);
    }
}
