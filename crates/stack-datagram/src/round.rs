//! The round of sockets with something to send: one packet from each in turn, so that none keeps the others waiting.

use crate::{DatagramSocket, Sockets};
use stack_core::{EndpointId, TransportCx};

/// Places that an empty send queue keeps: a burst's queue is not kept for an idle socket.
const IDLE_PLACES: usize = 8;

impl<S: DatagramSocket> Sockets<S> {
    /// Queues what a socket has written, with what it is charged, and gives the socket a turn. Its room was checked.
    pub fn enqueue(&mut self, id: EndpointId, outgoing: S::Outgoing, charge: usize) {
        if let Some(socket) = self.find_mut(id) {
            socket.base_mut().send.push(outgoing, charge);
            self.schedule(id);
        }
    }

    /// Gives a socket with something to send a turn.
    pub fn schedule(&mut self, id: EndpointId) {
        let Some(socket) = self.find_mut(id) else { return };
        let base = socket.base_mut();
        if !base.scheduled && !base.send.is_empty() {
            base.scheduled = true;
            self.round.push_back(id);
        }
    }

    /// Takes `budget` turns at most and hands what is to be sent to `send`; returns whether somebody is left with
    /// something.
    pub fn transmit(
        &mut self,
        cx: &mut TransportCx<'_>,
        budget: usize,
        mut send: impl FnMut(S::Outgoing),
    ) -> bool {
        for _ in 0..budget {
            let Some(id) = self.round.pop_front() else { break };
            if let Some(outgoing) = self.turn(cx, id) {
                send(outgoing);
            }
        }
        !self.round.is_empty()
    }

    /// What a socket sends whose turn it is. A closed socket goes with its last packet.
    fn turn(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Option<S::Outgoing> {
        let base = self.find_mut(id)?.base_mut();
        let outgoing = base.send.pop().map(|(outgoing, _)| outgoing);
        if base.send.is_below_limit() {
            cx.wake(&mut base.writable);
        }
        if !base.send.is_empty() {
            self.round.push_back(id);
            return outgoing;
        }
        base.scheduled = false;
        base.send.shrink_to(IDLE_PLACES);
        if base.closed {
            self.remove(id);
        }
        outgoing
    }
}
