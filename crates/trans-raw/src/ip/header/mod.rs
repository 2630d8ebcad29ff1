//! Network headers that applications write (`IP_HDRINCL`, `IPV6_HDRINCL`): what we fill in, and what we read of them.

mod v4;
mod v6;

use core::net::IpAddr;
use stack_core::Error;

/// What is read of a header, once it is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    pub(crate) src: IpAddr,
    /// Of what follows the network header and its extensions.
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
    pub(crate) traffic_class: u8,
    /// IPv6 only.
    pub(crate) flow_label: Option<u32>,
    /// Nobody on this host may cut it.
    pub(crate) dont_fragment: bool,
    /// Where the transport header begins, in bytes; `None` if there is none, as in later fragments.
    pub(crate) transport: Option<u16>,
}

/// Completes the header at the front of `packet`, of the family of `src`, the address that we would send from.
///
/// # Errors
/// [`Error::InvalidArgument`] if there is none of that family, [`Error::MessageTooLarge`] beyond what its length can say.
pub(crate) fn complete(
    packet: &mut [u8],
    src: IpAddr,
    ident: impl FnOnce() -> u16,
) -> Result<Written, Error> {
    match src {
        IpAddr::V4(src) => v4::complete(packet, src, ident),
        IpAddr::V6(_) => v6::complete(packet),
    }
}
