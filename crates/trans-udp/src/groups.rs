//! Groups of a socket, and from whom it wants them: RFC 3678, with the errors of Linux where the RFC leaves them open.
//!
//! A membership is of one group on one interface. It is EXCLUDE when the group was joined as a whole, and its list is of
//! blocked sources; INCLUDE when sources were joined one by one, and it ends with the last of them. The two don't mix.
//!
//! What is delivered: a socket that is a member of a group gets it from the sources that it wants and by the interfaces on
//! which it is a member. One that is no member gets what its port and address match, if somebody else on the host has joined
//! the group, as everywhere (Linux: `IP_MULTICAST_ALL`).

use crate::Udp;
use crate::socket::Socket;
use core::net::IpAddr;
use stack_core::{
    Cast, EndpointId, Error, FilterMode, NicId, RouteQuery, RxPacket, SocketOption, SourceFilter, TransportCx,
};

/// A group of a socket.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    group: IpAddr,
    /// The interface that the application named.
    named: Option<NicId>,
    /// The interface that it was: the routing table may choose another one by the time of leaving.
    nic: NicId,
    filter: SourceFilter,
}

/// How a list of sources changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

impl Udp {
    /// # Errors
    /// [`Error::NotSupported`] for what is no option of groups; else as the operations below.
    pub(crate) fn change_membership(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        use Change::{Add, Remove};
        use FilterMode::{Exclude, Include};
        match option {
            SocketOption::JoinGroup(group, nic) => self.join(cx, id, group, nic, SourceFilter::everything()),
            SocketOption::LeaveGroup(group, nic) => self.leave(cx, id, group, nic),
            SocketOption::JoinSource(group, source, nic) => {
                let source = checked(group, source)?;
                match self.sockets.open_mut(id)?.position(group, nic) {
                    Some(_) => self.change_source(cx, id, (group, nic), source, (Include, Add)),
                    None => self.join(cx, id, group, nic, SourceFilter::new(Include, [source])),
                }
            }
            SocketOption::LeaveSource(group, source, nic) => {
                self.change_source(cx, id, (group, nic), source.to_canonical(), (Include, Remove))
            }
            SocketOption::BlockSource(group, source, nic) => {
                self.change_source(cx, id, (group, nic), checked(group, source)?, (Exclude, Add))
            }
            SocketOption::UnblockSource(group, source, nic) => {
                self.change_source(cx, id, (group, nic), source.to_canonical(), (Exclude, Remove))
            }
            _ => Err(Error::NotSupported),
        }
    }

    /// # Errors
    /// [`Error::DuplicateAddress`] if the socket is a member, [`Error::LimitReached`], [`Error::InvalidArgument`] if it
    /// is no group, [`Error::UnknownNic`], [`Error::NoRoute`] if no interface is named and none leads to the group.
    fn join(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        group: IpAddr,
        nic: Option<NicId>,
        filter: SourceFilter,
    ) -> Result<(), Error> {
        let max_groups = self.config.max_groups;
        let socket = self.sockets.open_mut(id)?;
        let group = group.to_canonical();
        if !group.is_multicast() {
            return Err(Error::InvalidArgument);
        }
        if !socket.families.contains(group) {
            return Err(Error::AddressFamily);
        }
        if socket.position(group, nic).is_some() {
            return Err(Error::DuplicateAddress);
        }
        if socket.groups.len() >= max_groups {
            return Err(Error::LimitReached);
        }
        let named = nic.or(socket.options.nic);
        let nic = match named {
            Some(nic) => nic,
            None => cx.host.route(&RouteQuery { nic: None, local: None, remote: group })?.hop.nic,
        };
        cx.host.set_group(nic, group, None, Some(&filter))?;
        socket.groups.push(Membership { group, named, nic, filter });
        Ok(())
    }

    /// Ends a membership, whatever its sources (RFC 3678 §4.1.3).
    ///
    /// # Errors
    /// [`Error::BadLocalAddress`] if the socket is no member.
    fn leave(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        group: IpAddr,
        nic: Option<NicId>,
    ) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        let found = socket.position(group, nic).ok_or(Error::BadLocalAddress)?;
        let Membership { group, nic, filter, .. } = socket.groups.swap_remove(found);
        cx.host.set_group(nic, group, Some(&filter), None)
    }

    /// Changes the list of a membership of that mode; an INCLUDE without sources is none.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the socket is no member or one of the other mode, [`Error::BadLocalAddress`] if the
    /// source is on the list, or not on it, already, [`Error::LimitReached`].
    fn change_source(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        (group, nic): (IpAddr, Option<NicId>),
        source: IpAddr,
        (mode, change): (FilterMode, Change),
    ) -> Result<(), Error> {
        let max_sources = self.config.max_sources;
        let socket = self.sockets.open_mut(id)?;
        let found = socket.position(group, nic).ok_or(Error::InvalidArgument)?;
        let member = socket.groups.get_mut(found).ok_or(Error::InvalidArgument)?;
        if member.filter.mode() != mode {
            return Err(Error::InvalidArgument);
        }
        let mut filter = member.filter.clone();
        let changed = if change == Change::Add { filter.insert(source) } else { filter.remove(source) };
        if !changed {
            return Err(Error::BadLocalAddress);
        }
        if filter.sources().len() > max_sources {
            return Err(Error::LimitReached);
        }
        let after = Some(&filter).filter(|filter| !filter.is_nothing());
        cx.host.set_group(member.nic, member.group, Some(&member.filter), after)?;
        if after.is_some() {
            member.filter = filter;
        } else {
            socket.groups.swap_remove(found);
        }
        Ok(())
    }
}

/// A source of a group.
///
/// # Errors
/// [`Error::InvalidArgument`] if it can be no source, [`Error::AddressFamily`] if it is of another family.
fn checked(group: IpAddr, source: IpAddr) -> Result<IpAddr, Error> {
    let source = source.to_canonical();
    if source.is_multicast() || source.is_unspecified() {
        return Err(Error::InvalidArgument);
    }
    let same = source.is_ipv4() == group.to_canonical().is_ipv4();
    same.then_some(source).ok_or(Error::AddressFamily)
}

impl Socket {
    /// The membership that an application means.
    fn position(&self, group: IpAddr, nic: Option<NicId>) -> Option<usize> {
        let (group, named) = (group.to_canonical(), nic.or(self.options.nic));
        self.groups.iter().position(|member| member.group == group && member.named == named)
    }

    /// Whether a packet to a group may be delivered to this socket (R9776-3.1-a, R9777-4.1-a).
    pub(crate) fn wants(&self, packet: &RxPacket) -> bool {
        if packet.ip.cast != Cast::Multicast {
            return true;
        }
        let mut of_group = self.groups.iter().filter(|member| member.group == packet.ip.dst).peekable();
        let wanted =
            |member: &Membership| member.nic == packet.meta.nic && member.filter.admits(packet.ip.src);
        of_group.peek().is_none() || of_group.any(wanted)
    }

    /// Ends all memberships.
    pub(crate) fn leave_all(&mut self, cx: &mut TransportCx<'_>) {
        for Membership { group, nic, filter, .. } in core::mem::take(&mut self.groups) {
            // The interface may be gone, and its groups with it.
            let _ = cx.host.set_group(nic, group, Some(&filter), None);
        }
    }
}
