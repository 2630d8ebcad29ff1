//! Who talks to whom: addresses, ports and protocol of one direction of a connection.
//!
//! An echo has its identifier in the place of the asking side's port and the type of the question in that of the other,
//! so that [`Tuple::inverse`] turns questions into answers as it does for ports.

use core::net::IpAddr;

/// One direction of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port; the identifier of a question; 0 for protocols without ports.
    pub src_port: u16,
    /// Destination port; the identifier of an answer; 0 for protocols without ports.
    pub dst_port: u16,
    /// Transport protocol.
    pub protocol: u8,
}

/// An address with its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// Which end of a tuple.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Source,
    Destination,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

impl Tuple {
    /// The other direction.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self { src: self.dst, dst: self.src, src_port: self.dst_port, dst_port: self.src_port, ..self }
    }

    pub(crate) const fn end(&self, side: Side) -> End {
        match side {
            Side::Source => End { address: self.src, port: self.src_port },
            Side::Destination => End { address: self.dst, port: self.dst_port },
        }
    }

    #[must_use]
    pub(crate) const fn with_end(self, side: Side, end: End) -> Self {
        match side {
            Side::Source => Self { src: end.address, src_port: end.port, ..self },
            Side::Destination => Self { dst: end.address, dst_port: end.port, ..self },
        }
    }
}
