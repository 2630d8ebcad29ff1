//! How a raw IP socket gets its addresses, and its groups. Nothing is reserved: several sockets may have the same.

use super::Membership;
use crate::Raw;
use core::net::{IpAddr, SocketAddr};
use stack_core::{EndpointId, Error, NicId, RouteQuery, SourceFilter, TransportCx};
use stack_datagram::{Peer, agree};

impl Raw {
    /// Receives packets to this address only from now on, and sends from it.
    pub(crate) fn bind_ip(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        local: SocketAddr,
    ) -> Result<(), Error> {
        let (ip, options) = self.sockets.open_mut(id)?.ip_mut()?;
        let local = Peer::without_port(ip.families, local)?;
        let nic = agree(options.nic, local.zone)?;
        let any = local.ip.is_unspecified();
        if !any && !local.ip.is_multicast() && cx.host.owner(nic, local.ip).is_none() {
            return Err(Error::BadLocalAddress);
        }
        ip.local = (!any).then_some(local);
        Ok(())
    }

    /// Sends to this address from now on, and receives from it only.
    pub(crate) fn connect_ip(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        remote: SocketAddr,
    ) -> Result<(), Error> {
        let (ip, options) = self.sockets.open_mut(id)?.ip_mut()?;
        let peer = Peer::without_port(ip.families, remote)?;
        ip.route_to(cx, options, peer)?;
        ip.peer = Some(peer);
        Ok(())
    }

    /// Ends the association with the peer.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::UnknownEndpoint`].
    pub fn disconnect(&mut self, _: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        let (ip, _) = self.sockets.open_mut(id)?.ip_mut()?;
        ip.peer.take().map(|_| ()).ok_or(Error::NotConnected)
    }

    /// # Errors
    /// [`Error::DuplicateAddress`] if the socket is a member, [`Error::LimitReached`], [`Error::InvalidArgument`] if it
    /// is no group, [`Error::UnknownNic`], [`Error::NoRoute`] if no interface is named and none leads to the group.
    pub(crate) fn join(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        group: IpAddr,
        nic: Option<NicId>,
    ) -> Result<(), Error> {
        let max_groups = self.config.max_groups;
        let (ip, options) = self.sockets.open_mut(id)?.ip_mut()?;
        if !group.is_multicast() {
            return Err(Error::InvalidArgument);
        }
        if !ip.families.contains(group) {
            return Err(Error::AddressFamily);
        }
        let named = nic.or(options.nic);
        if ip.groups.iter().any(|member| member.group == group && member.named == named) {
            return Err(Error::DuplicateAddress);
        }
        if ip.groups.len() >= max_groups {
            return Err(Error::LimitReached);
        }
        let nic = match named {
            Some(nic) => nic,
            None => cx.host.route(&RouteQuery { nic: None, local: None, remote: group })?.hop.nic,
        };
        cx.host.set_group(nic, group, None, Some(&SourceFilter::everything()))?;
        ip.groups.push(Membership { group, named, nic });
        Ok(())
    }

    /// # Errors
    /// [`Error::BadLocalAddress`] if the socket is no member.
    pub(crate) fn leave(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        group: IpAddr,
        nic: Option<NicId>,
    ) -> Result<(), Error> {
        let (ip, options) = self.sockets.open_mut(id)?.ip_mut()?;
        let named = nic.or(options.nic);
        let found = ip.groups.iter().position(|member| member.group == group && member.named == named);
        let Membership { nic, .. } = ip.groups.swap_remove(found.ok_or(Error::BadLocalAddress)?);
        cx.host.set_group(nic, group, Some(&SourceFilter::everything()), None)
    }
}
