//! Reading into an application's buffer.
//!
//! Few bytes are copied under the lock, many without it. What comes while a reader with a large buffer waits is not
//! copied at all, if the link can place it ([`stack_core::Placement`]) and this thread drives.

use super::payload::SMALL;
use crate::driver::caller;
use crate::driver::placing::WaitingReader;
use crate::net::socket::Socket;
use stack_core::{EndpointId, Error, Instant, Interest, Placement};
use stack_host::Host;
use stack_packet::Rope;
use std::cell::Cell;
use std::time::Duration;
use trans_tcp::Tcp;

/// Smallest buffer that is offered to links. Those that are full sooner gain nothing with 64 KiB and lose with 16 KiB, as
/// a batch ends with them (docs/performance.md).
const LARGE: usize = 128 * 1024;

/// Reads what has come, at least a byte; none at the end of the stream.
pub(super) fn read(
    socket: &Socket<Tcp>,
    timeout: Option<Duration>,
    buffer: &mut [u8],
) -> Result<usize, Error> {
    let max = buffer.len();
    if max <= SMALL {
        return socket.block(Interest::Readable, timeout, |tcp, cx, id| tcp.read(cx, id, buffer));
    }
    if max < LARGE {
        return Ok(read_rope(socket, timeout, max)?.peek(0, buffer));
    }
    let placed = Cell::new(0);
    let mut reader = Reader { id: socket.id, buffer, placed: &placed };
    let rope = socket.block_with(
        Interest::Readable,
        timeout,
        |tcp, cx, id| if placed.get() > 0 { Ok(Rope::new()) } else { tcp.read_rope(cx, id, max) },
        |here, deadline| caller::wait(socket.stack.shared(), here, deadline, Some(&mut reader)),
    )?;
    Ok(if placed.get() > 0 { placed.get() } else { rope.peek(0, reader.buffer) })
}

/// Takes what has come, at least a byte and at most `max`, by reference; none at the end of the stream.
pub(super) fn read_rope(socket: &Socket<Tcp>, timeout: Option<Duration>, max: usize) -> Result<Rope, Error> {
    socket.block(Interest::Readable, timeout, |tcp, cx, id| tcp.read_rope(cx, id, max))
}

/// A thread that waits, its buffer, and how much of that has been read.
struct Reader<'a> {
    id: EndpointId,
    buffer: &'a mut [u8],
    placed: &'a Cell<usize>,
}

impl WaitingReader for Reader<'_> {
    fn offer(&mut self, host: &mut Host, now: Instant) -> Option<Placement<'_>> {
        let next = host.transport::<Tcp>(now)?.0.next_text(self.id)?;
        Some(Placement::new(next, self.buffer))
    }

    fn settle(&mut self, host: &mut Host, now: Instant) {
        self.placed.set(host.transport::<Tcp>(now).map_or(0, |(tcp, _)| tcp.take_placed()));
    }

    fn is_served(&self) -> bool {
        self.placed.get() > 0
    }
}
