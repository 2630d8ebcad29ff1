//! How a device is opened, adopted and configured.

use crate::receive::TunReceive;
use crate::sys::{self, Property};
use crate::transmit::{TunCounters, TunTransmit};
use crate::{Mode, Offload, TunConfig, TunError};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::io::Errno;
use stack_core::{LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkReceive, LinkTransmit, Medium};
use stack_packet::vnet;
use std::sync::Arc;

/// `IFF_TUN`.
const IFF_TUN: u16 = 0x0001;
/// `IFF_TAP`.
const IFF_TAP: u16 = 0x0002;
/// `IFF_MULTI_QUEUE`.
const IFF_MULTI_QUEUE: u16 = 0x0100;
/// `IFF_NO_PI`: no packet information before each packet.
const IFF_NO_PI: u16 = 0x1000;
/// `IFF_VNET_HDR`: a virtio-net header before each packet.
const IFF_VNET_HDR: u16 = 0x4000;

/// Bytes of the longest virtio-net header that a device we adopt may use.
pub(crate) const MAX_VNET_LEN: usize = 32;
/// Packets that are read in one batch: of 1500 bytes, two super-packets.
pub(crate) const BATCH: usize = 90;

/// A TUN or TAP device that we are attached to. The device goes with it, unless it is persistent.
#[derive(Debug)]
pub struct Tun {
    fd: Arc<OwnedFd>,
    name: String,
    mode: Mode,
    mtu: u32,
    tx_queue_len: u32,
    offload: Offload,
    vnet_len: usize,
    counters: Arc<TunCounters>,
}

impl Tun {
    /// Makes a device in the network namespace of this thread, down as all new devices are; see
    /// [`set_up`](Self::set_up). A persistent device of that name is attached to and left as it is, whatever MTU and
    /// queue length the configuration asks for.
    ///
    /// # Errors
    /// The message says which step failed, why, and what can be done about it.
    pub fn create(config: TunConfig) -> Result<Self, TunError> {
        let wanted = config.checked_name()?;
        let existed = !wanted.is_empty() && sys::property(wanted, Property::Flags).is_ok();
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = open("/dev/net/tun", flags, rustix::fs::Mode::empty())
            .map_err(|errno| TunError::Open { source: errno.into() })?;
        let vnet = config.offload && sys::features(fd.as_fd()).unwrap_or(0) & u32::from(IFF_VNET_HDR) != 0;
        let name = sys::set_iff(fd.as_fd(), wanted, device_flags(&config, vnet))
            .map_err(|errno| TunError::Attach { name: wanted.to_owned(), source: errno.into() })?;
        if vnet {
            sys::set_vnet_header_len(fd.as_fd(), vnet::LEN)
                .map_err(configure("set the header length", &name))?;
        }
        if !existed {
            set(&name, Property::Mtu, config.mtu, "set the MTU")?;
            set(&name, Property::TxQueueLen, config.tx_queue_len, "set the queue length")?;
        }
        Self::attached(fd, name, config.mode, vnet, &config)
    }

    /// Takes over a descriptor on which somebody else has called `TUNSETIFF`, such as a privileged parent or a VPN
    /// service. Mode and virtio-net header are as they were chosen there; of the configuration, `offload` counts, and
    /// MTU and queue length where the device is in another network namespace and can't be asked.
    ///
    /// # Errors
    /// It is no such descriptor, or one with packet information before each packet.
    pub fn adopt(fd: OwnedFd, config: TunConfig) -> Result<Self, TunError> {
        let (name, flags) =
            sys::iff(fd.as_fd()).map_err(|errno| TunError::NotTun { source: errno.into() })?;
        if flags & IFF_NO_PI == 0 {
            return Err(TunError::PacketInformation { name });
        }
        fcntl_getfl(&fd)
            .and_then(|old| fcntl_setfl(&fd, old | OFlags::NONBLOCK))
            .map_err(configure("stop the blocking", &name))?;
        let mode = if flags & IFF_TAP == 0 { Mode::Tun } else { Mode::Tap };
        Self::attached(fd, name, mode, flags & IFF_VNET_HDR != 0, &config)
    }

    fn attached(
        fd: OwnedFd,
        name: String,
        mode: Mode,
        vnet: bool,
        config: &TunConfig,
    ) -> Result<Self, TunError> {
        let most = if config.offload { Offload::Uso } else { Offload::Header };
        let (offload, vnet_len) = if vnet {
            let granted = Offload::negotiate(most, |flags| sys::set_offload(fd.as_fd(), flags));
            // With the header there is always at least that step: it is on the wire whatever the kernel says.
            (
                granted.max(Offload::Header),
                header_len(fd.as_fd()).map_err(configure("read the header length", &name))?,
            )
        } else {
            // A persistent device keeps what its last user took, and would go on to leave checksums incomplete.
            sys::set_offload(fd.as_fd(), 0).map_err(configure("turn off the offload", &name))?;
            (Offload::None, 0)
        };
        let ask = |property, otherwise| {
            sys::property(&name, property)
                .ok()
                .and_then(|value| u32::try_from(value).ok())
                .unwrap_or(otherwise)
        };
        Ok(Self {
            mtu: ask(Property::Mtu, config.mtu),
            tx_queue_len: ask(Property::TxQueueLen, config.tx_queue_len),
            fd: Arc::new(fd),
            name,
            mode,
            offload,
            vnet_len,
            counters: Arc::new(TunCounters::default()),
        })
    }

    /// The name of the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the device carries.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How much offload the kernel granted: the step on which the attempts ended.
    pub fn offload(&self) -> Offload {
        self.offload
    }

    /// What could not be written; stays readable when the device is in use.
    pub fn counters(&self) -> Arc<TunCounters> {
        Arc::clone(&self.counters)
    }

    /// Brings the device up.
    ///
    /// # Errors
    /// Without the right to, or when the device is gone.
    pub fn set_up(&mut self) -> Result<(), TunError> {
        let read = sys::property(&self.name, Property::Flags);
        read.and_then(|flags| sys::set_property(&self.name, Property::Flags, flags | sys::UP))
            .map_err(configure("bring up the link", &self.name))
    }

    /// Sets the MTU, in bytes.
    ///
    /// # Errors
    /// Without the right to, for a size that the driver refuses, or when the device is gone.
    pub fn set_mtu(&mut self, mtu: u32) -> Result<(), TunError> {
        set(&self.name, Property::Mtu, mtu, "set the MTU")?;
        self.mtu = mtu;
        Ok(())
    }
}

impl AsFd for Tun {
    /// The descriptor: to hand a duplicate of it to another process, for example.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn device_flags(config: &TunConfig, vnet: bool) -> u16 {
    let mode = match config.mode {
        Mode::Tun => IFF_TUN,
        Mode::Tap => IFF_TAP,
    };
    let vnet = if vnet { IFF_VNET_HDR } else { 0 };
    let queues = if config.multi_queue { IFF_MULTI_QUEUE } else { 0 };
    mode | IFF_NO_PI | vnet | queues
}

/// The length of the virtio-net header on a descriptor; one that we don't know is made the shortest.
fn header_len(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let len = sys::vnet_header_len(fd)?;
    if (vnet::LEN..=MAX_VNET_LEN).contains(&len) {
        return Ok(len);
    }
    sys::set_vnet_header_len(fd, vnet::LEN)?;
    Ok(vnet::LEN)
}

fn set(name: &str, property: Property, value: u32, what: &'static str) -> Result<(), TunError> {
    i32::try_from(value)
        .map_err(|_| Errno::INVAL)
        .and_then(|value| sys::set_property(name, property, value))
        .map_err(configure(what, name))
}

fn configure(what: &'static str, name: &str) -> impl FnOnce(Errno) -> TunError {
    let name = name.to_owned();
    move |errno| TunError::Configure { what, name, source: errno.into() }
}

impl LinkEndpoint for Tun {
    fn capabilities(&self) -> LinkCapabilities {
        let medium = match self.mode {
            Mode::Tun => Medium::Ip,
            Mode::Tap => Medium::Ethernet,
        };
        LinkCapabilities {
            rx_checksum: self.offload.checksum(),
            tx_checksum: self.offload.checksum(),
            tso4: self.offload.tso(),
            tso6: self.offload.tso(),
            uso: self.offload.uso(),
            max_gso: if self.offload.tso() { 65_535 } else { 0 },
            batch: BATCH,
            queue_packets: Some(self.tx_queue_len),
            ..LinkCapabilities::plain(medium, self.mtu)
        }
    }

    /// None: the address that a TAP device shows in `ip link` is the kernel's.
    fn link_address(&self) -> Option<LinkAddress> {
        None
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        vec![self.counters()]
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let receive = TunReceive::new(Arc::clone(&self.fd), self.mode, self.vnet_len);
        let transmit = TunTransmit::new(self.fd, self.mode, self.vnet_len, self.counters);
        (Box::new(receive), Box::new(transmit))
    }
}
