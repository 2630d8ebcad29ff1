//! The sockets: slots with generations, so that a stale handle finds nothing.

use crate::socket::Socket;
use alloc::vec::Vec;
use stack_core::{EndpointId, Error};

#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    socket: Option<Socket>,
}

impl Table {
    /// Sockets in the table.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Puts a socket into a free slot.
    ///
    /// # Errors
    /// [`Error::LimitReached`] if there are `limit` sockets.
    pub(crate) fn insert(&mut self, socket: Socket, limit: usize) -> Result<EndpointId, Error> {
        if self.len() >= limit {
            return Err(Error::LimitReached);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).map_err(|_| Error::LimitReached)?;
                self.slots.push(Slot::default());
                index
            }
        };
        let slot = self.slots.get_mut(index as usize).ok_or(Error::LimitReached)?;
        slot.socket = Some(socket);
        Ok(EndpointId { index, generation: slot.generation })
    }

    /// A socket, whether its handle was given up or not.
    pub(crate) fn find_mut(&mut self, id: EndpointId) -> Option<&mut Socket> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation == id.generation { slot.socket.as_mut() } else { None }
    }

    /// A socket whose handle was not given up.
    pub(crate) fn open_mut(&mut self, id: EndpointId) -> Result<&mut Socket, Error> {
        self.find_mut(id).filter(|socket| !socket.closed).ok_or(Error::UnknownEndpoint)
    }

    /// As [`open_mut`](Self::open_mut), to look at.
    pub(crate) fn open(&self, id: EndpointId) -> Result<&Socket, Error> {
        let slot = self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation);
        slot.and_then(|slot| slot.socket.as_ref())
            .filter(|socket| !socket.closed)
            .ok_or(Error::UnknownEndpoint)
    }

    /// Frees the slot for the next generation.
    pub(crate) fn remove(&mut self, id: EndpointId) {
        let Some(slot) = self.slots.get_mut(id.index as usize) else { return };
        if slot.generation == id.generation && slot.socket.take().is_some() {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.index);
        }
    }
}
