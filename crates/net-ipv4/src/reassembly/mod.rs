//! Fragments become datagrams: RFC 791 §3.2, RFC 1122 §3.3.2, with the tiny-fragment rules of RFC 1858 and RFC 3128;
//! ECN: RFC 3168 §5.3. What holds for both families is in [`stack_packet::Reassembly`].
//!
//! A datagram is known by source, destination, protocol and identification (R791-3.2-b), on one interface.

#[cfg(test)]
mod tests;

use crate::{Endpoint, Ipv4Config};
use bytes::{Bytes, BytesMut};
use core::net::Ipv4Addr;
use stack_core::{DropReason, Effect, ErrorKind, NetCx, RxPacket};
use stack_packet::{Fragment, ReassemblyLimits, Whole};
use stack_wire::checksum;
use stack_wire::ip::protocol;
use stack_wire::ipv4::Header;

/// The ports and, for TCP, all up to the flags: no first fragment of TCP is shorter (RFC 3128 §4, R815-x-c).
const MIN_TCP_FIRST: usize = 16;

/// What the fragments of a datagram have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    ident: u16,
}

impl Key {
    fn of(header: &Header) -> Self {
        Self { src: header.src(), dst: header.dst(), protocol: header.protocol(), ident: header.ident() }
    }
}

impl Endpoint {
    /// Takes a fragment. Hands out the datagram if it was the last that was missing.
    ///
    /// # Errors
    /// Why the fragment was not taken.
    pub(crate) fn reassemble(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &RxPacket,
        header: &Header,
    ) -> Result<Option<Bytes>, DropReason> {
        let fragment = check(packet, header)?;
        let limits = limits(&self.config);
        let inserted = self.reassembly.insert(cx.now, &limits, Key::of(header), &fragment);
        let finish = |whole: Whole| self.reassembly.finish(&whole, assemble(&whole));
        let made = inserted.and_then(|whole| whole.map(finish).transpose());
        self.tell_lost(cx);
        Ok(made?)
    }

    /// Gives up what has waited too long, and says so where the first fragment is there to quote (R1122-3.3.2-c).
    pub(crate) fn expire_fragments(&mut self, cx: &mut NetCx<'_>) {
        while let Some(first) = self.reassembly.pop_expired(cx.now) {
            if let Some(packet) = first {
                crate::send_error::send_error(cx, &packet, ErrorKind::ReassemblyTimeout);
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

fn limits(config: &Ipv4Config) -> ReassemblyLimits {
    ReassemblyLimits {
        timeout: config.reassembly_timeout,
        high: config.reassembly_high,
        low: config.reassembly_low,
    }
}

/// The fragment, if its lengths are possible.
fn check<'a>(packet: &'a RxPacket, header: &Header) -> Result<Fragment<'a>, DropReason> {
    let header_len = header.header_len();
    let len = packet.len().saturating_sub(header_len);
    let start = header.fragment_offset();
    let more = header.more_fragments();
    let tcp = header.protocol() == protocol::TCP;
    let impossible = len == 0
        || more && len % 8 != 0 // R791-3.2-a
        || usize::from(start) + len + header_len > usize::from(u16::MAX) // R815-x-b
        || tcp && start == 0 && len < MIN_TCP_FIRST
        || tcp && start == 8; // R815-x-c
    if impossible {
        Err(DropReason::FragmentInvalid)
    } else {
        Ok(Fragment { packet, header_len, start, more })
    }
}

/// One packet of all fragments, with the header of the first; `None` if it is too long (R815-x-b), or if congestion would
/// get lost (R3168-5-a).
fn assemble(whole: &Whole) -> Option<Bytes> {
    let mut header = BytesMut::from(whole.header());
    let total_len = u16::try_from(header.len() + whole.payload_len()).ok()?;
    let fields = Header::from_bytes_mut(&mut header)?;
    fields.total_len.set(total_len);
    fields.flags_fragment.set(0);
    fields.checksum.set(0);
    fields.tos = whole.traffic_class()?;
    let sum = checksum::ipv4_header(&header);
    Header::from_bytes_mut(&mut header)?.checksum.set(sum);
    Some(whole.assemble(&header))
}
