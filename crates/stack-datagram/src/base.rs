//! What every socket has: two queues, who waits at them, which side was shut down, and the error that waits.

use crate::{Memory, Queue};
use core::task::Waker;
use stack_core::{DropReason, Error, Interest, Readiness, Shutdown, TransportCx};

/// The part of a socket that does not depend on the transport: `R` waits to be read, `T` to be sent.
#[derive(Debug)]
pub struct SocketBase<R, T> {
    /// What waits to be read.
    pub receive: Queue<R>,
    /// What waits to be sent.
    pub send: Queue<T>,
    /// Reported once, by the next call that reads or writes.
    pub error: Option<Error>,
    /// Reads end after what is queued.
    pub read_closed: bool,
    /// Writes fail.
    pub write_closed: bool,
    /// The socket stands in the round of those with something to send.
    pub(crate) scheduled: bool,
    /// The handle was given up; only what is unsent keeps the socket.
    pub(crate) closed: bool,
    pub(crate) readable: Option<Waker>,
    pub(crate) writable: Option<Waker>,
}

impl<R, T> SocketBase<R, T> {
    /// With empty queues of these limits, in bytes.
    pub fn new(receive_buffer: usize, send_buffer: usize) -> Self {
        Self {
            receive: Queue::new(receive_buffer),
            send: Queue::new(send_buffer),
            error: None,
            read_closed: false,
            write_closed: false,
            scheduled: false,
            closed: false,
            readable: None,
            writable: None,
        }
    }

    /// What can be done now, as far as it does not depend on the transport.
    pub fn readiness(&self) -> Readiness {
        let error = self.error.is_some();
        Readiness {
            readable: !self.receive.is_empty() || self.read_closed || error,
            writable: self.send.is_below_limit() || self.write_closed || error,
            read_closed: self.read_closed,
            write_closed: self.write_closed,
            urgent: false,
            error,
        }
    }

    /// Whether something may be queued to be read that is charged `charge`.
    ///
    /// # Errors
    /// [`DropReason::SocketBufferFull`], [`DropReason::MemoryPressure`].
    pub fn check_receive(&self, memory: &Memory, charge: usize) -> Result<(), DropReason> {
        if !self.receive.has_room(charge) {
            return Err(DropReason::SocketBufferFull);
        }
        if memory.fits(charge) { Ok(()) } else { Err(DropReason::MemoryPressure) }
    }

    /// Queues something to be read and wakes the reader; its room was checked.
    pub fn receive(&mut self, cx: &mut TransportCx<'_>, memory: &mut Memory, received: R, charge: usize) {
        memory.take(charge);
        self.receive.push(received, charge);
        self.wake_readable(cx);
    }

    /// Whether a read may look at the queue.
    ///
    /// # Errors
    /// The error that waited; it is reported and gone.
    pub fn check_read(&mut self) -> Result<(), Error> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Why there is nothing to be read.
    pub fn nothing(&self) -> Error {
        if self.read_closed { Error::ClosedForReceive } else { Error::WouldBlock }
    }

    /// Takes the oldest that waits to be read.
    ///
    /// # Errors
    /// The error that waited, [`Error::ClosedForReceive`] after a shutdown, [`Error::WouldBlock`].
    pub fn take(&mut self, memory: &mut Memory) -> Result<R, Error> {
        self.check_read()?;
        let (received, charge) = self.receive.pop().ok_or_else(|| self.nothing())?;
        memory.give_back(charge);
        Ok(received)
    }

    /// Whether a write may go on; whether there is room is another question.
    ///
    /// # Errors
    /// The error that waited, [`Error::ClosedForSend`] after a shutdown.
    pub fn check_write(&mut self) -> Result<(), Error> {
        match self.error.take() {
            Some(error) => Err(error),
            None if self.write_closed => Err(Error::ClosedForSend),
            None => Ok(()),
        }
    }

    /// Sets the receive buffer; a wish beyond `max` is cut.
    pub fn set_receive_buffer(&mut self, bytes: usize, max: usize) {
        self.receive.set_limit(bytes.min(max));
    }

    /// Sets the send buffer; a wish beyond `max` is cut.
    pub fn set_send_buffer(&mut self, cx: &mut TransportCx<'_>, bytes: usize, max: usize) {
        self.send.set_limit(bytes.min(max));
        if self.send.is_below_limit() {
            cx.wake(&mut self.writable);
        }
    }

    /// `Read` makes reads end after what is queued; `Write` makes writes fail. Nothing is sent.
    pub fn shutdown(&mut self, cx: &mut TransportCx<'_>, how: Shutdown) {
        self.read_closed |= matches!(how, Shutdown::Read | Shutdown::Both);
        self.write_closed |= matches!(how, Shutdown::Write | Shutdown::Both);
        self.wake_both(cx);
    }

    /// Undoes a shutdown: a socket without a peer reads and writes again.
    pub fn reopen(&mut self) {
        self.read_closed = false;
        self.write_closed = false;
    }

    /// Wakes who waits for something to read.
    pub fn wake_readable(&mut self, cx: &mut TransportCx<'_>) {
        cx.wake(&mut self.readable);
    }

    /// Wakes all who wait.
    pub fn wake_both(&mut self, cx: &mut TransportCx<'_>) {
        cx.wake(&mut self.readable);
        cx.wake(&mut self.writable);
    }

    pub(crate) fn register(&mut self, interest: Interest, waker: &Waker) {
        let place = match interest {
            Interest::Readable => &mut self.readable,
            Interest::Writable => &mut self.writable,
        };
        match place {
            Some(old) => old.clone_from(waker),
            None => *place = Some(waker.clone()),
        }
    }
}
