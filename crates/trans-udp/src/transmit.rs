//! From the sockets' queues to the host: one packet from each socket in turn, built where it will lie.

use crate::Udp;
use crate::send_queue::Outgoing;
use stack_core::{Checksum, EndpointId, TransportCx, TxBatch};
use stack_wire::checksum::pseudo_header;
use stack_wire::{ip::protocol, udp};

impl Udp {
    /// Gives a socket with something to send a turn.
    pub(crate) fn schedule(&mut self, id: EndpointId) {
        let Some(socket) = self.sockets.find_mut(id) else { return };
        if !socket.send.scheduled && !socket.send.is_empty() {
            socket.send.scheduled = true;
            self.round.push_back(id);
        }
    }

    pub(crate) fn transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(id) = self.round.pop_front() else { break };
            let Some(outgoing) = self.next_of(cx, id) else { continue };
            self.schedule(id);
            let count = outgoing.count() as u64;
            if build(outgoing, out) {
                self.counters.out_datagrams += count;
            }
        }
        !self.round.is_empty()
    }

    /// The next packet of a socket whose turn it is. A closed socket goes with its last one.
    fn next_of(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Option<Outgoing> {
        let socket = self.sockets.find_mut(id)?;
        socket.send.scheduled = false;
        let outgoing = socket.send.pop();
        if socket.send.has_room() {
            cx.wake(&mut socket.writable);
        }
        if socket.closed && socket.send.is_empty() {
            self.sockets.remove(id);
        }
        outgoing
    }
}

/// Builds the packet in a slot of `out`; `false` if it can't be built.
fn build(outgoing: Outgoing, out: &mut TxBatch) -> bool {
    let Outgoing { payload, about } = outgoing;
    let payload_len = payload.len();
    let packet = out.slot();
    packet.ip = about.ip;
    packet.hop = about.hop;
    packet.bound_nic = about.bound_nic;
    packet.gso_size = about.gso_size;
    packet.mark = about.mark;
    packet.multicast_loop = about.multicast_loop;
    let header = udp::Emit { src_port: about.src_port, dst_port: about.dst_port, payload_len };
    let length = (udp::HEADER_LEN + payload_len) as u32;
    // R8200-8.1-b, R768-b: whoever completes the checksum turns a zero into ones.
    let pseudo = pseudo_header(about.ip.src, about.ip.dst, protocol::UDP, length);
    let written = packet.push(payload).is_ok()
        && packet.prepend(udp::HEADER_LEN).is_some_and(|out| header.write_partial(out, pseudo) > 0);
    packet.checksum = Checksum::Partial { start: 0, offset: udp::CHECKSUM_OFFSET as u16 };
    if !written {
        out.cancel();
    }
    written
}
