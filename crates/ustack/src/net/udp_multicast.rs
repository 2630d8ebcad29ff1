//! Groups of UDP sockets: joining them as a whole or source by source, and how datagrams to them are sent. Names as in
//! [`std::net::UdpSocket`], and in the crate socket2 where std has none.

use super::{UdpSocket, io_result, nic_of};
use crate::error::SocketError;
use stack_core::{Error, NicId, OptionName, SocketOption};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl UdpSocket {
    /// Receives a group, on the interface with this address; unspecified for any.
    ///
    /// # Errors
    /// It is no group, it was joined, or no interface has the address.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let nic = self.interface_of(*interface)?;
        self.set("join the group", SocketOption::JoinGroup((*group).into(), nic))
    }

    /// Stops to receive a group, whatever its sources.
    ///
    /// # Errors
    /// It was not joined.
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let nic = self.interface_of(*interface)?;
        self.set("leave the group", SocketOption::LeaveGroup((*group).into(), nic))
    }

    /// Receives a group, on the interface of this number; 0 for any.
    ///
    /// # Errors
    /// It is no group, it was joined, or there is no such interface.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.set("join the group", SocketOption::JoinGroup((*group).into(), nic_of(interface)))
    }

    /// Stops to receive a group, whatever its sources.
    ///
    /// # Errors
    /// It was not joined.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.set("leave the group", SocketOption::LeaveGroup((*group).into(), nic_of(interface)))
    }

    /// Receives what a source sends to a group (source-specific multicast, RFC 4607), on the interface with this address;
    /// unspecified for any. More sources of the group are joined one by one.
    ///
    /// # Errors
    /// It is no group, it was joined as a whole, the source was joined, or no interface has the address.
    pub fn join_ssm_v4(&self, source: &Ipv4Addr, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let nic = self.interface_of(*interface)?;
        self.set("join the source", SocketOption::JoinSource((*group).into(), (*source).into(), nic))
    }

    /// Stops to receive what a source sends to a group; of the last one, leaves the group.
    ///
    /// # Errors
    /// It was not joined.
    pub fn leave_ssm_v4(&self, source: &Ipv4Addr, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let nic = self.interface_of(*interface)?;
        self.set("leave the source", SocketOption::LeaveSource((*group).into(), (*source).into(), nic))
    }

    /// As [`join_ssm_v4`](Self::join_ssm_v4), on the interface of this number; 0 for any.
    ///
    /// # Errors
    /// As there.
    pub fn join_ssm_v6(&self, source: &Ipv6Addr, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let nic = nic_of(interface);
        self.set("join the source", SocketOption::JoinSource((*group).into(), (*source).into(), nic))
    }

    /// As [`leave_ssm_v4`](Self::leave_ssm_v4).
    ///
    /// # Errors
    /// As there.
    pub fn leave_ssm_v6(&self, source: &Ipv6Addr, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let nic = nic_of(interface);
        self.set("leave the source", SocketOption::LeaveSource((*group).into(), (*source).into(), nic))
    }

    /// Of a group that was joined as a whole on this interface (`None`: without naming one), receives nothing from `source`.
    ///
    /// # Errors
    /// It was not joined as a whole, or the source is blocked.
    pub fn block_source(&self, source: IpAddr, group: IpAddr, interface: Option<NicId>) -> io::Result<()> {
        self.set("block the source", SocketOption::BlockSource(group, source, interface))
    }

    /// Receives from a source again that was blocked.
    ///
    /// # Errors
    /// It is not blocked.
    pub fn unblock_source(&self, source: IpAddr, group: IpAddr, interface: Option<NicId>) -> io::Result<()> {
        self.set("unblock the source", SocketOption::UnblockSource(group, source, interface))
    }

    /// Whether datagrams to groups come back to members on this host; they do unless told otherwise.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.set("set the loop", SocketOption::MulticastLoop(on))
    }

    /// Whether datagrams to groups come back to members on this host.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        let option = io_result("read the loop", self.socket.option(OptionName::MulticastLoop))?;
        Ok(matches!(option, SocketOption::MulticastLoop(true)))
    }

    /// The same as [`set_multicast_loop_v4`](Self::set_multicast_loop_v4): a socket has one setting for both families.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.set_multicast_loop_v4(on)
    }

    /// The same as [`multicast_loop_v4`](Self::multicast_loop_v4).
    ///
    /// # Errors
    /// The socket is gone.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.multicast_loop_v4()
    }

    /// TTL or hop limit of datagrams to groups, 1 to 255; 1, which stays on the link, unless told otherwise (RFC 1112 §6.1).
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        let ttl = u8::try_from(ttl).map_err(|_| SocketError::new("set the TTL", Error::InvalidArgument))?;
        self.set("set the TTL", SocketOption::MulticastHopLimit(ttl))
    }

    /// TTL or hop limit of datagrams to groups.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        match io_result("read the TTL", self.socket.option(OptionName::MulticastHopLimit))? {
            SocketOption::MulticastHopLimit(ttl) => Ok(ttl.into()),
            _ => Ok(1),
        }
    }

    /// The same as [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4): a socket has one setting for both families.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.set_multicast_ttl_v4(hops)
    }

    /// The interface by which datagrams to groups leave, by its address; unspecified for the one that routes choose.
    ///
    /// # Errors
    /// No interface has the address.
    pub fn set_multicast_if_v4(&self, interface: &Ipv4Addr) -> io::Result<()> {
        let nic = self.interface_of(*interface)?;
        self.set("choose the interface", SocketOption::MulticastNic(nic))
    }

    /// The interface by which datagrams to groups leave, by its number; 0 for the one that routes choose.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
        self.set("choose the interface", SocketOption::MulticastNic(nic_of(interface)))
    }

    fn interface_of(&self, address: Ipv4Addr) -> io::Result<Option<NicId>> {
        if address.is_unspecified() {
            return Ok(None);
        }
        let nic = self.socket.stack.check_local_address(None, address.into());
        Ok(Some(nic.ok_or(SocketError::new("find the interface", Error::BadLocalAddress))?))
    }
}
