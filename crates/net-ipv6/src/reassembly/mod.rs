//! Fragments become packets: RFC 8200 §4.5, RFC 5722, RFC 7112; ECN: RFC 3168 §5.3. What holds for both families is in
//! [`stack_packet::Reassembly`].
//!
//! A packet is known by source, destination and identification (R8200-4.5-a), on one interface; what follows the
//! headers is what the first fragment says. A fragment that is a whole packet never comes here (RFC 6946).

#[cfg(test)]
mod tests;

use crate::extension::{self, Refusal};
use crate::{Endpoint, Ipv6Config, send_error};
use bytes::{Bytes, BytesMut};
use core::net::Ipv6Addr;
use stack_core::{DropReason, Effect, ErrorKind, NetCx, RxPacket};
use stack_packet::{Fragment, ReassemblyLimits, Whole};
use stack_wire::icmpv6::{self, parameter_problem as code};
use stack_wire::ip::protocol;
use stack_wire::ipv6::{HEADER_LEN, Header};
use stack_wire::ipv6_ext::{self, Chain, FRAGMENT_LEN};
use stack_wire::{tcp, udp};

/// Where the payload length lies in the fixed header, and the offset in a fragment header.
const PAYLOAD_LENGTH: usize = 4;
const FRAGMENT_OFFSET: usize = 2;

/// What the fragments of a packet have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    src: Ipv6Addr,
    dst: Ipv6Addr,
    ident: u32,
}

impl Endpoint {
    /// Takes a fragment whose fragment header begins at `at`. Hands out the packet if it was the last that was missing.
    ///
    /// # Errors
    /// Why the fragment was not taken.
    pub(crate) fn reassemble(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &RxPacket,
        header: &Header,
        at: usize,
    ) -> Result<Option<Bytes>, Refusal> {
        let (fragment, ident) = check(packet, at)?;
        let key = Key { src: header.src(), dst: header.dst(), ident };
        let inserted = self.reassembly.insert(cx.now, &limits(&self.config), key, &fragment);
        let finish = |whole: Whole| self.reassembly.finish(&whole, assemble(&whole));
        let made = inserted.and_then(|whole| whole.map(finish).transpose());
        self.tell_lost(cx);
        made.map_err(|loss| Refusal::silent(loss.into()))
    }

    /// Gives up what has waited too long, and says so where the first fragment is there to quote (R8200-4.5-b).
    pub(crate) fn expire_fragments(&mut self, cx: &mut NetCx<'_>) {
        while let Some(first) = self.reassembly.pop_expired(cx.now) {
            if let Some(packet) = first {
                send_error::send_error(cx, &packet, ErrorKind::ReassemblyTimeout);
            }
        }
        self.tell_lost(cx);
    }

    fn tell_lost(&mut self, cx: &mut NetCx<'_>) {
        while let Some((loss, packets)) = self.reassembly.pop_lost() {
            let nic = cx.nic.id;
            cx.emit(Effect::Dropped { nic, reason: loss.into(), packets });
        }
    }
}

fn limits(config: &Ipv6Config) -> ReassemblyLimits {
    ReassemblyLimits {
        timeout: config.reassembly_timeout,
        high: config.reassembly_high,
        low: config.reassembly_low,
    }
}

/// The fragment and its identification, if its lengths are possible and the first one has all headers.
fn check(packet: &RxPacket, at: usize) -> Result<(Fragment<'_>, u32), Refusal> {
    let rest = packet.data.get(at..).unwrap_or_default();
    let Ok((header, _)) = ipv6_ext::Fragment::parse(rest) else {
        return Err(Refusal::silent(DropReason::Truncated));
    };
    let refuse = |code, pointer| Err(Refusal::reported(DropReason::FragmentInvalid, code, pointer));
    let (start, more) = (header.offset(), header.more_fragments());
    let header_len = at + FRAGMENT_LEN;
    let len = packet.len().saturating_sub(header_len);
    if more && len % 8 != 0 {
        return refuse(code::HEADER_FIELD, PAYLOAD_LENGTH); // R8200-4.5-c
    }
    if at - HEADER_LEN + usize::from(start) + len > usize::from(u16::MAX) {
        return refuse(code::HEADER_FIELD, at + FRAGMENT_OFFSET); // R8200-4.5-d
    }
    if start == 0 && !has_all_headers(&packet.data) {
        return refuse(code::INCOMPLETE_CHAIN, 0); // R8200-4.5-f, R7112-5-b
    }
    Ok((Fragment { packet, header_len, start, more }, header.ident()))
}

/// Whether a first fragment has its whole header chain, the transport header included.
fn has_all_headers(packet: &[u8]) -> bool {
    Chain::walk(packet).is_some_and(|chain| {
        let upper = match chain.protocol {
            protocol::TCP => tcp::MIN_HEADER_LEN,
            protocol::UDP => udp::HEADER_LEN,
            protocol::ICMPV6 => icmpv6::HEADER_LEN,
            _ => 0,
        };
        chain.offset + upper <= packet.len()
    })
}

/// One packet of all fragments: the headers of the first without its fragment header; `None` if that is too long, or if
/// congestion would get lost (R3168-5-a).
fn assemble(whole: &Whole) -> Option<Bytes> {
    let (front, fragment) = whole.header().split_last_chunk::<FRAGMENT_LEN>()?;
    let mut header = BytesMut::from(front);
    let payload_len = front.len() - HEADER_LEN + whole.payload_len();
    let fields = Header::from_bytes_mut(&mut header)?;
    fields.payload_len.set(u16::try_from(payload_len).ok()?);
    fields.set_traffic_class(whole.traffic_class()?);
    *header.get_mut(extension::upper_named_at(front))? = fragment[0];
    Some(whole.assemble(&header))
}
