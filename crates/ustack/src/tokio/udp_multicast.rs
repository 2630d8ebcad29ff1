//! Groups of async UDP sockets: the calls of the blocking ones, none of which waits. Shapes as tokio has them.

use super::UdpSocket;
use stack_core::NicId;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl UdpSocket {
    /// As [`join_multicast_v4`](crate::net::UdpSocket::join_multicast_v4).
    ///
    /// # Errors
    /// As there.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.inner.join_multicast_v4(&group, &interface)
    }

    /// As [`leave_multicast_v4`](crate::net::UdpSocket::leave_multicast_v4).
    ///
    /// # Errors
    /// As there.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.inner.leave_multicast_v4(&group, &interface)
    }

    /// As [`join_multicast_v6`](crate::net::UdpSocket::join_multicast_v6).
    ///
    /// # Errors
    /// As there.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.join_multicast_v6(group, interface)
    }

    /// As [`leave_multicast_v6`](crate::net::UdpSocket::leave_multicast_v6).
    ///
    /// # Errors
    /// As there.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.leave_multicast_v6(group, interface)
    }

    /// As [`join_ssm_v4`](crate::net::UdpSocket::join_ssm_v4).
    ///
    /// # Errors
    /// As there.
    pub fn join_ssm_v4(&self, source: &Ipv4Addr, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.join_ssm_v4(source, group, interface)
    }

    /// As [`leave_ssm_v4`](crate::net::UdpSocket::leave_ssm_v4).
    ///
    /// # Errors
    /// As there.
    pub fn leave_ssm_v4(&self, source: &Ipv4Addr, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.leave_ssm_v4(source, group, interface)
    }

    /// As [`join_ssm_v6`](crate::net::UdpSocket::join_ssm_v6).
    ///
    /// # Errors
    /// As there.
    pub fn join_ssm_v6(&self, source: &Ipv6Addr, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.join_ssm_v6(source, group, interface)
    }

    /// As [`leave_ssm_v6`](crate::net::UdpSocket::leave_ssm_v6).
    ///
    /// # Errors
    /// As there.
    pub fn leave_ssm_v6(&self, source: &Ipv6Addr, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.leave_ssm_v6(source, group, interface)
    }

    /// As [`block_source`](crate::net::UdpSocket::block_source).
    ///
    /// # Errors
    /// As there.
    pub fn block_source(&self, source: IpAddr, group: IpAddr, interface: Option<NicId>) -> io::Result<()> {
        self.inner.block_source(source, group, interface)
    }

    /// As [`unblock_source`](crate::net::UdpSocket::unblock_source).
    ///
    /// # Errors
    /// As there.
    pub fn unblock_source(&self, source: IpAddr, group: IpAddr, interface: Option<NicId>) -> io::Result<()> {
        self.inner.unblock_source(source, group, interface)
    }

    /// As [`set_multicast_loop_v4`](crate::net::UdpSocket::set_multicast_loop_v4).
    ///
    /// # Errors
    /// As there.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.inner.set_multicast_loop_v4(on)
    }

    /// As [`set_multicast_loop_v6`](crate::net::UdpSocket::set_multicast_loop_v6).
    ///
    /// # Errors
    /// As there.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.inner.set_multicast_loop_v6(on)
    }

    /// As [`set_multicast_ttl_v4`](crate::net::UdpSocket::set_multicast_ttl_v4).
    ///
    /// # Errors
    /// As there.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_multicast_ttl_v4(ttl)
    }

    /// As [`set_multicast_hops_v6`](crate::net::UdpSocket::set_multicast_hops_v6).
    ///
    /// # Errors
    /// As there.
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.inner.set_multicast_hops_v6(hops)
    }

    /// As [`set_multicast_if_v4`](crate::net::UdpSocket::set_multicast_if_v4).
    ///
    /// # Errors
    /// As there.
    pub fn set_multicast_if_v4(&self, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.set_multicast_if_v4(interface)
    }

    /// As [`set_multicast_if_v6`](crate::net::UdpSocket::set_multicast_if_v6).
    ///
    /// # Errors
    /// As there.
    pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
        self.inner.set_multicast_if_v6(interface)
    }

    /// As [`multicast_loop_v4`](crate::net::UdpSocket::multicast_loop_v4).
    ///
    /// # Errors
    /// As there.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.inner.multicast_loop_v4()
    }

    /// As [`multicast_loop_v6`](crate::net::UdpSocket::multicast_loop_v6).
    ///
    /// # Errors
    /// As there.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.inner.multicast_loop_v6()
    }

    /// As [`multicast_ttl_v4`](crate::net::UdpSocket::multicast_ttl_v4).
    ///
    /// # Errors
    /// As there.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.inner.multicast_ttl_v4()
    }
}
