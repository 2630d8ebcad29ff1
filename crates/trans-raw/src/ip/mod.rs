//! Raw IP sockets: what one is, and where its parts are.

mod bind;
mod checksum;
mod filter;
mod header;
mod receive;
mod send;

pub use filter::IcmpFilter;
pub use receive::RawMessage;

use crate::Raw;
use crate::raw::IPPROTO_RAW;
use crate::socket::{Kind, Socket};
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{EndpointId, Error, Families, NicId, TransportCx};
use stack_datagram::Peer;
use stack_wire::ip::protocol;

/// Where the checksum of an ICMPv6 message lies: it is computed and verified always (RFC 3542 §3.1).
const ICMPV6_CHECKSUM: u16 = 2;

#[derive(Debug)]
pub(crate) struct IpSocket {
    /// Of one family.
    pub(crate) families: Families,
    pub(crate) protocol: u8,
    /// The address that it is bound to, with its zone.
    pub(crate) local: Option<Peer>,
    /// Where a connected socket sends to and receives from.
    pub(crate) peer: Option<Peer>,
    pub(crate) header_included: bool,
    pub(crate) checksum_offset: Option<u16>,
    pub(crate) filter: IcmpFilter,
    pub(crate) groups: Vec<Membership>,
}

/// A group that the socket joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) group: IpAddr,
    /// The interface that the application named.
    pub(crate) named: Option<NicId>,
    /// The interface that it was: the routing table may choose another one by the time of leaving.
    pub(crate) nic: NicId,
}

impl IpSocket {
    fn new(families: Families, protocol: u8) -> Self {
        Self {
            families,
            protocol,
            local: None,
            peer: None,
            header_included: protocol == IPPROTO_RAW,
            checksum_offset: None,
            filter: IcmpFilter::PASS_ALL,
            groups: Vec::new(),
        }
    }

    pub(crate) fn is_icmpv6(&self) -> bool {
        self.families == Families::V6 && self.protocol == protocol::ICMPV6
    }

    fn is_icmp(&self) -> bool {
        self.is_icmpv6() || (self.families == Families::V4 && self.protocol == protocol::ICMP)
    }

    /// Where the checksum is that is computed and verified for it.
    fn checksum_at(&self) -> Option<u16> {
        if self.is_icmpv6() { Some(ICMPV6_CHECKSUM) } else { self.checksum_offset }
    }
}

impl Raw {
    /// A new raw IP socket of one family and protocol number. With [`IPPROTO_RAW`] it only sends, and each packet brings its
    /// network header (`socket(AF_INET, SOCK_RAW, protocol)`).
    ///
    /// # Errors
    /// [`Error::AddressFamily`] for both families in one; [`Error::LimitReached`].
    pub fn create_ip(
        &mut self,
        cx: &mut TransportCx<'_>,
        families: Families,
        protocol: u8,
    ) -> Result<EndpointId, Error> {
        if families == Families::Dual {
            return Err(Error::AddressFamily);
        }
        let socket = Socket::new(Kind::Ip(IpSocket::new(families, protocol)), &self.config);
        let id = self.sockets.insert(socket, self.config.max_sockets)?;
        if protocol != IPPROTO_RAW {
            self.ip_sockets.push(id);
            self.update_taps(cx);
        }
        Ok(id)
    }

    /// Sets which types of messages a raw ICMP socket takes (`ICMP_FILTER`, `ICMP6_FILTER`).
    ///
    /// # Errors
    /// [`Error::NotSupported`] for sockets of another protocol, [`Error::UnknownEndpoint`].
    pub fn set_icmp_filter(&mut self, id: EndpointId, filter: IcmpFilter) -> Result<(), Error> {
        let (ip, _) = self.sockets.open_mut(id)?.ip_mut()?;
        if !ip.is_icmp() {
            return Err(Error::NotSupported);
        }
        ip.filter = filter;
        Ok(())
    }
}
