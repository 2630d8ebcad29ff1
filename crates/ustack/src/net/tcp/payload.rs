//! How bytes get between an application's buffer and a connection: copied while the stack is unlocked, if they are many.
//!
//! Few bytes are copied under the lock, which is shorter than anything else would be, and lets small writes share a
//! block. Many are handed over by reference, and copied before the lock or after it.

use crate::net::blocks::Blocks;
use bytes::Bytes;
use stack_core::{EndpointId, Error, TransportCx};
use std::io::IoSlice;
use trans_tcp::Tcp;

/// Up to so many bytes are copied under the lock.
pub(crate) const SMALL: usize = 4096;
/// Bytes of one write that are copied and handed over at a time: several super-packets, so that few are not full.
pub(crate) const CHUNK: usize = 256 * 1024;

/// What is to be written.
pub(crate) enum Outgoing<'a> {
    /// Few bytes, to be copied under the lock.
    Small(&'a [u8]),
    /// Copied already.
    Chunk(Bytes),
}

impl<'a> Outgoing<'a> {
    /// The first bytes of `bytes`, as many as are written at a time.
    pub(crate) fn of(bytes: &'a [u8], blocks: &Blocks) -> Self {
        if bytes.len() <= SMALL {
            Self::Small(bytes)
        } else {
            let chunk = &bytes[..bytes.len().min(CHUNK)];
            let mut copy = blocks.buffer(chunk.len());
            copy.extend_from_slice(chunk);
            Self::Chunk(copy.freeze())
        }
    }

    /// Queues as much as there is room for.
    pub(crate) fn write(
        &self,
        tcp: &mut Tcp,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
    ) -> Result<usize, Error> {
        match self {
            Self::Small(bytes) => tcp.write(cx, id, bytes),
            Self::Chunk(bytes) => tcp.write_bytes(cx, id, &mut bytes.clone()),
        }
    }
}

/// Several buffers as one write: of many bytes one chunk is made.
pub(crate) fn gather<'a>(buffers: &'a [IoSlice<'_>], blocks: &Blocks) -> Outgoing<'a> {
    let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    let Some(first) = buffers.iter().find(|buffer| !buffer.is_empty()) else { return Outgoing::Small(&[]) };
    if first.len() == total || first.len() >= CHUNK {
        return Outgoing::of(first, blocks);
    }
    let mut chunk = blocks.buffer(total.min(CHUNK));
    for buffer in buffers {
        let room = CHUNK - chunk.len();
        chunk.extend_from_slice(&buffer[..buffer.len().min(room)]);
    }
    Outgoing::Chunk(chunk.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(outgoing: &Outgoing<'_>) -> Vec<u8> {
        match outgoing {
            Outgoing::Small(bytes) => bytes.to_vec(),
            Outgoing::Chunk(bytes) => bytes.to_vec(),
        }
    }

    #[test]
    fn buffers_are_gathered_in_order_up_to_a_chunk() {
        let blocks = Blocks::default();
        let (a, b) = (vec![1; 10], vec![2; CHUNK]);
        let gathered = bytes(&gather(&[IoSlice::new(&a), IoSlice::new(&[]), IoSlice::new(&b)], &blocks));
        assert_eq!((gathered.len(), gathered[9], gathered[10]), (CHUNK, 1, 2));
        assert_eq!(bytes(&gather(&[IoSlice::new(&[]), IoSlice::new(&a)], &blocks)), a);
        assert_eq!(bytes(&gather(&[], &blocks)), [0; 0]);
        assert_eq!(bytes(&gather(&[IoSlice::new(&b), IoSlice::new(&a)], &blocks)), b);
    }

    #[test]
    fn many_bytes_are_written_a_chunk_at_a_time() {
        let blocks = Blocks::default();
        assert_eq!(bytes(&Outgoing::of(&[7; SMALL], &blocks)).len(), SMALL);
        assert_eq!(bytes(&Outgoing::of(&[7; 3 * CHUNK], &blocks)).len(), CHUNK);
    }
}
