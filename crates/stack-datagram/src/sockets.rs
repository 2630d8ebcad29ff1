//! The sockets of a transport: slots with generations, so that a stale handle finds nothing.

use crate::{Memory, SocketBase};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::Waker;
use stack_core::{EndpointId, Error, Interest, Readiness, TransportCx};

/// A socket that has what all have.
pub trait DatagramSocket {
    /// What waits to be read.
    type Received;
    /// What waits to be sent.
    type Outgoing;

    /// What all have.
    fn base(&self) -> &SocketBase<Self::Received, Self::Outgoing>;

    /// As [`base`](Self::base), to change.
    fn base_mut(&mut self) -> &mut SocketBase<Self::Received, Self::Outgoing>;

    /// What can be done now.
    fn readiness(&self) -> Readiness {
        self.base().readiness()
    }
}

/// The sockets of one transport, and their turns to send.
///
/// Invariant: a socket with something to send stands in the round exactly once (its `scheduled` flag).
#[derive(Debug)]
pub struct Sockets<S> {
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    /// Who has something to send, in the order of their turns.
    pub(crate) round: VecDeque<EndpointId>,
}

#[derive(Debug)]
struct Slot<S> {
    generation: u32,
    socket: Option<S>,
}

impl<S> Default for Sockets<S> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), round: VecDeque::new() }
    }
}

impl<S: DatagramSocket> Sockets<S> {
    /// Sockets that exist, those included that are closed but have something to send.
    pub fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Puts a socket into a free slot.
    ///
    /// # Errors
    /// [`Error::LimitReached`] if there are `limit` sockets.
    pub fn insert(&mut self, socket: S, limit: usize) -> Result<EndpointId, Error> {
        if self.count() >= limit {
            return Err(Error::LimitReached);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).map_err(|_| Error::LimitReached)?;
                self.slots.push(Slot { generation: 0, socket: None });
                index
            }
        };
        let slot = self.slots.get_mut(index as usize).ok_or(Error::LimitReached)?;
        slot.socket = Some(socket);
        Ok(EndpointId { index, generation: slot.generation })
    }

    /// A socket, whether its handle was given up or not.
    pub(crate) fn find_mut(&mut self, id: EndpointId) -> Option<&mut S> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation == id.generation { slot.socket.as_mut() } else { None }
    }

    /// A socket whose handle was not given up.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    pub fn open_mut(&mut self, id: EndpointId) -> Result<&mut S, Error> {
        self.find_mut(id).filter(|socket| !socket.base().closed).ok_or(Error::UnknownEndpoint)
    }

    /// As [`open_mut`](Self::open_mut), to look at.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    pub fn open(&self, id: EndpointId) -> Result<&S, Error> {
        let slot = self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation);
        slot.and_then(|slot| slot.socket.as_ref())
            .filter(|socket| !socket.base().closed)
            .ok_or(Error::UnknownEndpoint)
    }

    /// Frees the slot for the next generation.
    pub fn remove(&mut self, id: EndpointId) {
        let Some(slot) = self.slots.get_mut(id.index as usize) else { return };
        if slot.generation == id.generation && slot.socket.take().is_some() {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.index);
        }
    }

    /// Gives the handle up: nobody reads any more, what was written is still sent, and then the socket goes.
    pub fn close(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, memory: &mut Memory) {
        let Ok(socket) = self.open_mut(id) else { return };
        let base = socket.base_mut();
        base.wake_both(cx);
        memory.give_back(base.receive.clear());
        if base.send.is_empty() {
            self.remove(id);
        } else {
            base.closed = true;
        }
    }

    /// What can be done now; all closed for an unknown handle.
    pub fn readiness(&self, id: EndpointId) -> Readiness {
        let gone = Readiness { read_closed: true, write_closed: true, ..Readiness::default() };
        self.open(id).map_or(gone, S::readiness)
    }

    /// Wakes this waker once when the readiness changes towards the interest.
    pub fn register(&mut self, id: EndpointId, interest: Interest, waker: &Waker) {
        if let Ok(socket) = self.open_mut(id) {
            socket.base_mut().register(interest, waker);
        }
    }
}
