//! Devices and addresses of the kernel's side, through rtnetlink: looked up, listed, and given. Neither the `ip` program
//! nor `/sys` is needed, which may show another network namespace.
//!
//! Messages are `nlmsghdr`, `ifinfomsg` or `ifaddrmsg`, and attributes (`linux/netlink.h`, `linux/rtnetlink.h`,
//! `linux/if_addr.h`), numbers in the order of the machine.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, netdevice, netlink, recv, send,
    socket_with,
};
use stack_core::IpNet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const REQUEST: u16 = 0x001;
const ACKNOWLEDGE: u16 = 0x004;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Use the address at once, without a search for duplicates (IPv6): we are the only neighbour.
const IFA_F_NODAD: u8 = 0x02;
const HEADER_LEN: usize = 16;
const ADDRESS_LEN: usize = 8;
const LINK_LEN: usize = 16;
/// `IFF_UP` of `linux/if.h`.
const UP: u32 = 1;
/// `AF_INET` and `AF_INET6` as they stand in messages.
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// A conversation with the kernel about its addresses.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        // No protocol number: that of rtnetlink is 0.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        connect(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
        Ok(Self(socket))
    }

    /// The index of a device, if there is one of this name.
    pub(super) fn index(&self, name: &str) -> Option<u32> {
        netdevice::name_to_index(&self.0, name).ok()
    }

    /// The name of the device with this index.
    pub(super) fn name(&self, index: u32) -> Option<String> {
        netdevice::index_to_name(&self.0, index).ok()
    }

    /// Whether a device has been brought up.
    pub(super) fn is_up(&self, index: u32) -> io::Result<bool> {
        let mut body = [0; LINK_LEN];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        self.request(RTM_GETLINK, REQUEST | ACKNOWLEDGE, &body)?;
        let mut up = false;
        self.messages(|kind, body| {
            up |= kind == RTM_NEWLINK && number(body, 8).is_some_and(|flags| flags & UP != 0);
        })?;
        Ok(up)
    }

    /// Gives an address to the device with this index.
    pub(super) fn add_address(&self, index: u32, net: IpNet) -> io::Result<()> {
        let octets = octets(net.addr());
        let family = if net.addr().is_ipv4() { FAMILY_V4 } else { FAMILY_V6 };
        let mut body = vec![family, net.prefix_len(), IFA_F_NODAD, 0];
        body.extend(index.to_ne_bytes());
        for kind in [IFA_LOCAL, IFA_ADDRESS] {
            body.extend((4 + octets.len() as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(&octets);
        }
        self.request(RTM_NEWADDR, REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE, &body)?;
        self.messages(|_, _| {})
    }

    /// All addresses of this host, with the index of the device of each.
    pub(super) fn addresses(&self) -> io::Result<Vec<(u32, IpAddr)>> {
        self.request(RTM_GETADDR, REQUEST | DUMP, &[0; ADDRESS_LEN])?;
        let mut found = Vec::new();
        self.messages(|kind, body| found.extend((kind == RTM_NEWADDR).then(|| address(body)).flatten()))?;
        Ok(found)
    }

    fn request(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let mut message = Vec::with_capacity(HEADER_LEN + body.len());
        message.extend(((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        send(&self.0, &message, SendFlags::empty())?;
        Ok(())
    }

    /// Hands out the messages of an answer up to its end, which is an error number or `DONE`.
    fn messages(&self, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let (length, _) = recv(&self.0, &mut buffer, RecvFlags::empty())?;
            let mut rest = &buffer[..length];
            while let Some((kind, body, next)) = split_message(rest) {
                match kind {
                    NLMSG_ERROR => return outcome(body),
                    NLMSG_DONE => return Ok(()),
                    _ => each(kind, body),
                }
                rest = next;
            }
        }
    }
}

/// Kind and body of the first message, and what follows it.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = number(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER_LEN..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The negative error number of an acknowledgement; 0 is success.
fn outcome(body: &[u8]) -> io::Result<()> {
    let code = number(body, 0).unwrap_or(0) as i32;
    if code == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(code.wrapping_neg()).into()) }
}

/// Device and address of one `RTM_NEWADDR`. On a point-to-point link `IFA_ADDRESS` is the other end's.
fn address(body: &[u8]) -> Option<(u32, IpAddr)> {
    let index = number(body, 4)?;
    let mut attributes = body.get(ADDRESS_LEN..)?;
    let mut found = None;
    while let Some((kind, value, next)) = split_attribute(attributes) {
        if kind == IFA_LOCAL || (kind == IFA_ADDRESS && found.is_none()) {
            found = ip(value);
        }
        attributes = next;
    }
    Some((index, found?))
}

fn split_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
    let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
    let value = bytes.get(4..length)?;
    Some((kind, value, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_its_loopback() {
        let netlink = Netlink::new().unwrap();
        let index = netlink.index("lo").unwrap();
        assert_eq!(netlink.name(index).as_deref(), Some("lo"));
        let addresses = netlink.addresses().unwrap();
        assert!(addresses.contains(&(index, IpAddr::from([127, 0, 0, 1]))), "{addresses:?}");
        assert!(netlink.is_up(index).unwrap());
        assert_eq!((netlink.index("no-such-device"), netlink.name(u32::MAX / 2)), (None, None));
        assert!(netlink.is_up(u32::MAX / 2).is_err());
    }

    #[test]
    fn an_address_for_a_device_that_is_not_there_is_an_error() {
        let error = Netlink::new().unwrap().add_address(u32::MAX / 2, "192.0.2.1/32".parse().unwrap());
        // ENODEV, or EPERM without the right to try.
        assert!(error.is_err());
    }

    #[test]
    fn messages_that_are_cut_end_the_list() {
        assert_eq!(split_message(&[16, 0, 0, 0]), None);
        assert_eq!(split_attribute(&[9, 0, 1, 0, 1]), None);
        assert_eq!(address(&[0; 7]), None);
    }
}
