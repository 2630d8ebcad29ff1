//! How an interface is found and attached to.

use crate::receive::PacketReceive;
use crate::sys::{self, Switch};
use crate::transmit::{PacketCounters, PacketTransmit};
use crate::{Interface, PacketConfig, PacketError};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netdevice;
use rustix::net::sockopt;
use stack_core::{LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkReceive, LinkTransmit, Medium};
use std::sync::Arc;

/// Most frames in one system call.
const MAX_BATCH: usize = 64;
/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;
/// Memory that the kernel charges for a frame of the usual MTU: a buffer of 2 KiB and its description.
const FRAME_CHARGE: usize = 2304;

/// An interface that we are attached to. The kernel goes on to use it, too.
#[derive(Debug)]
pub struct Packet {
    fd: Arc<OwnedFd>,
    name: String,
    index: u32,
    station: LinkAddress,
    mtu: u32,
    vnet: bool,
    uso: bool,
    batch: usize,
    queue_packets: u32,
    counters: Arc<PacketCounters>,
}

impl Packet {
    /// Attaches to an interface of the network namespace of this thread. The interface stays as it is: down, if it is down.
    ///
    /// # Errors
    /// The message says which step failed, why, and what can be done about it.
    pub fn open(config: &PacketConfig) -> Result<Self, PacketError> {
        let fd = sys::socket().map_err(|errno| PacketError::Open { source: errno.into() })?;
        let (name, index) = find(fd.as_fd(), &config.interface)?;
        let ask =
            |what, errno: Errno| PacketError::Configure { what, name: name.clone(), source: errno.into() };
        let (hardware, address) =
            sys::hardware(fd.as_fd(), &name).map_err(|errno| ask("read the address", errno))?;
        if hardware != ETHERNET {
            return Err(PacketError::NotEthernet { name, hardware });
        }
        let mtu = sys::mtu(fd.as_fd(), &name).map_err(|errno| ask("read the MTU", errno))?;
        let station = config.station.unwrap_or(address);
        let vnet = config.offload && sys::set(fd.as_fd(), Switch::VnetHeader).is_ok();
        for (switch, what) in [
            (Switch::IgnoreOutgoing, "leave out our own frames"),
            (Switch::AuxiliaryData, "ask for the VLAN tags"),
        ] {
            sys::set(fd.as_fd(), switch).map_err(|errno| ask(what, errno))?;
        }
        // Before the socket is bound, or it might fill with frames of all interfaces.
        let receive_buffer = buffers(fd.as_fd(), config).map_err(|errno| ask("set the buffers", errno))?;
        sys::bind(fd.as_fd(), index).map_err(|errno| ask("attach to the frames", errno))?;
        if station != address {
            sys::be_promiscuous(fd.as_fd(), index)
                .map_err(|errno| ask("see frames for our station", errno))?;
        }
        Ok(Self {
            fd: Arc::new(fd),
            name,
            index,
            station,
            mtu,
            vnet,
            uso: vnet && knows_uso(rustix::system::uname().release().to_str().unwrap_or_default()),
            batch: config.batch.clamp(1, MAX_BATCH),
            queue_packets: u32::try_from(receive_buffer / FRAME_CHARGE).unwrap_or(u32::MAX).max(1),
            counters: Arc::default(),
        })
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The index of the interface.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Whether super-packets and incomplete checksums pass.
    pub fn has_offload(&self) -> bool {
        self.vnet
    }

    /// What could not be written, and what we came too late for; stays readable when the interface is in use.
    pub fn counters(&self) -> Arc<PacketCounters> {
        Arc::clone(&self.counters)
    }
}

fn find(fd: BorrowedFd<'_>, interface: &Interface) -> Result<(String, u32), PacketError> {
    let found = match interface {
        Interface::Name(name) => netdevice::name_to_index(fd, name).map(|index| (name.clone(), index)),
        Interface::Index(index) => netdevice::index_to_name(fd, *index).map(|name| (name, *index)),
    };
    found.map_err(|_| PacketError::NoInterface { interface: interface.clone() })
}

/// Makes the buffers as large as we may, and says how many bytes the kernel lets wait for us.
fn buffers(fd: BorrowedFd<'_>, config: &PacketConfig) -> Result<usize, Errno> {
    sockopt::set_socket_recv_buffer_size_force(fd, config.receive_buffer)
        .or_else(|_| sockopt::set_socket_recv_buffer_size(fd, config.receive_buffer))?;
    sockopt::set_socket_send_buffer_size(fd, config.send_buffer)?;
    sockopt::socket_recv_buffer_size(fd)
}

/// Whether the kernel takes and gives UDP super-packets: from Linux 6.2 on.
fn knows_uso(release: &str) -> bool {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 2)
}

impl AsFd for Packet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl LinkEndpoint for Packet {
    fn capabilities(&self) -> LinkCapabilities {
        LinkCapabilities {
            rx_checksum: self.vnet,
            tx_checksum: self.vnet,
            tso4: self.vnet,
            tso6: self.vnet,
            uso: self.uso,
            max_gso: if self.vnet { 65_535 } else { 0 },
            batch: self.batch,
            queue_packets: Some(self.queue_packets),
            ..LinkCapabilities::plain(Medium::Ethernet, self.mtu)
        }
    }

    fn link_address(&self) -> Option<LinkAddress> {
        Some(self.station)
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        vec![self.counters()]
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let counters = Arc::clone(&self.counters);
        let receive = PacketReceive::new(
            Arc::clone(&self.fd),
            self.index,
            self.vnet,
            self.batch,
            Arc::clone(&counters),
        );
        let transmit = PacketTransmit::new(self.fd, self.index, self.vnet, self.batch, counters);
        (Box::new(receive), Box::new(transmit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_cut_udp() {
        let known = ["6.18.44-fc-v669", "6.2.0", "7.0", "10.1-rc1"].map(knows_uso);
        let unknown = ["6.1.99", "5.15.0-generic", "", "linux"].map(knows_uso);
        assert_eq!((known, unknown), ([true; 4], [false; 4]));
    }
}
