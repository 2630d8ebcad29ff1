//! How a socket is made, its rings are mapped, and the program is attached.

use crate::receive::XdpReceive;
use crate::sys::{Descriptor, Entry, Map, Place, Program, Ring, Umem, attach};
use crate::transmit::XdpTransmit;
use crate::{XdpConfig, XdpError, program};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::xdp::{SocketAddrXdp, SocketAddrXdpFlags, XdpRingOffset, XdpUmemReg, XdpUmemRegFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netdevice, socket_with, sockopt};
use stack_core::{
    DropReason, LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkReceive, LinkTransmit, Medium,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Frames that the kernel may fill before we come.
const RECEIVE_FRAMES: u32 = 2048;
/// Frames that we may fill before the kernel has sent them.
const TRANSMIT_FRAMES: u32 = 1024;
/// Frames that are sent and not reported yet. Fewer than those above, so that a slow interface makes the transmit ring
/// long, by which the descriptor no longer polls writable.
const COMPLETIONS: u32 = 256;
/// Frames that are handed over in one batch.
pub(crate) const BATCH: usize = 32;

/// What holds the socket in its place; the program goes with the last half.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) fd: OwnedFd,
    _map: Map,
    _link: OwnedFd,
}

/// What could not be sent.
#[derive(Debug, Default)]
pub struct XdpCounters {
    too_large: AtomicU64,
}

impl XdpCounters {
    /// Frames larger than the memory of one.
    pub fn too_large(&self) -> u64 {
        self.too_large.load(Ordering::Relaxed)
    }

    pub(crate) fn count_too_large(&self) {
        self.too_large.fetch_add(1, Ordering::Relaxed);
    }
}

/// What ended here, and what the kernel says that ended in front of us.
struct Drops {
    counters: Arc<XdpCounters>,
    attachment: Arc<Attachment>,
}

impl LinkDrops for Drops {
    fn of(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::LinkRefused => self.counters.too_large(),
            DropReason::LinkQueueFull => sockopt::xdp_statistics(&self.attachment.fd).map_or(0, |all| {
                all.rx_dropped + all.rx_ring_full.unwrap_or(0) + all.rx_fill_ring_empty_descs.unwrap_or(0)
            }),
            _ => 0,
        }
    }
}

/// One queue of an interface, of which we have all frames. The kernel lets others have the queue again a moment after this
/// is gone.
#[derive(Debug)]
pub struct Xdp {
    attachment: Arc<Attachment>,
    umem: Arc<Umem>,
    receive: Ring<Descriptor>,
    fill: Ring<u64>,
    transmit: Ring<Descriptor>,
    completion: Ring<u64>,
    station: LinkAddress,
    mtu: u32,
    counters: Arc<XdpCounters>,
}

impl Xdp {
    /// Takes the frames of a queue away from the kernel.
    ///
    /// # Errors
    /// The message says which step failed, why, and what can be done about it.
    pub fn open(config: &XdpConfig) -> Result<Self, XdpError> {
        let chunk = config.chunk()?;
        let step = |what| {
            let name = config.interface.clone();
            move |errno: Errno| XdpError::Step { what, name, source: errno.into() }
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::XDP, SocketType::RAW, flags, None)
            .map_err(step("open an XDP socket for the queue"))?;
        let index =
            index(&config.interface).map_err(|_| XdpError::NoInterface { name: config.interface.clone() })?;
        let umem =
            Umem::new(chunk, RECEIVE_FRAMES + TRANSMIT_FRAMES).map_err(step("get memory for frames"))?;
        let rings = map_rings(fd.as_fd(), &umem).map_err(step("map the rings"))?;
        let map = Map::new(config.queue + 1).map_err(step("make a map for the queues"))?;
        let program = Program::load(&program::redirect(map.number())).map_err(step("load the program"))?;
        let options = SocketAddrXdpFlags::XDP_COPY | SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
        bind(&fd, &SocketAddrXdp::new(options, index, config.queue)).map_err(step("attach to the queue"))?;
        map.insert(config.queue, fd.as_fd()).map_err(step("enter the socket for the queue"))?;
        let link = attach(&program, index).map_err(step("attach the program"))?;
        let (receive, fill, transmit, completion) = rings;
        Ok(Self {
            attachment: Arc::new(Attachment { fd, _map: map, _link: link }),
            umem: Arc::new(umem),
            receive,
            fill,
            transmit,
            completion,
            station: config.station,
            mtu: config.mtu,
            counters: Arc::default(),
        })
    }

    /// What could not be sent; stays readable when the link is in use.
    pub fn counters(&self) -> Arc<XdpCounters> {
        Arc::clone(&self.counters)
    }
}

/// XDP sockets don't answer questions about interfaces; any other socket does.
fn index(name: &str) -> Result<u32, Errno> {
    let any = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    netdevice::name_to_index(&any, name)
}

type Rings = (Ring<Descriptor>, Ring<u64>, Ring<Descriptor>, Ring<u64>);

/// Tells the socket of its memory and of the sizes of its rings, and maps these.
fn map_rings(fd: BorrowedFd<'_>, umem: &Umem) -> Result<Rings, Errno> {
    sockopt::set_xdp_umem_reg(
        fd,
        XdpUmemReg {
            addr: umem.memory().address(),
            len: umem.memory().len() as u64,
            chunk_size: umem.chunk(),
            headroom: 0,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        },
    )?;
    sockopt::set_xdp_umem_fill_ring_size(fd, RECEIVE_FRAMES)?;
    sockopt::set_xdp_umem_completion_ring_size(fd, COMPLETIONS)?;
    sockopt::set_xdp_rx_ring_size(fd, RECEIVE_FRAMES)?;
    sockopt::set_xdp_tx_ring_size(fd, TRANSMIT_FRAMES)?;
    let offsets = sockopt::xdp_mmap_offsets(fd)?;
    fn map<T: Entry>(
        fd: BorrowedFd<'_>,
        place: Place,
        offsets: &XdpRingOffset,
        size: u32,
    ) -> Result<Ring<T>, Errno> {
        Ring::map(fd, place, offsets, size)
    }
    Ok((
        map(fd, Place::Receive, &offsets.rx, RECEIVE_FRAMES)?,
        map(fd, Place::Fill, &offsets.fr, RECEIVE_FRAMES)?,
        map(fd, Place::Transmit, &offsets.tx, TRANSMIT_FRAMES)?,
        map(fd, Place::Completion, &offsets.cr, COMPLETIONS)?,
    ))
}

impl AsFd for Xdp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.attachment.fd.as_fd()
    }
}

impl LinkEndpoint for Xdp {
    fn capabilities(&self) -> LinkCapabilities {
        LinkCapabilities {
            batch: BATCH,
            queue_packets: Some(RECEIVE_FRAMES),
            ..LinkCapabilities::plain(Medium::Ethernet, self.mtu)
        }
    }

    fn link_address(&self) -> Option<LinkAddress> {
        Some(self.station)
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        let (counters, attachment) = (self.counters(), Arc::clone(&self.attachment));
        vec![Arc::new(Drops { counters, attachment })]
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let Self { attachment, umem, receive, fill, transmit, completion, counters, .. } = *self;
        let chunk = u64::from(umem.chunk());
        let frames =
            |first: u32, count: u32| (first..first + count).map(move |frame| u64::from(frame) * chunk);
        let (ours, theirs) = (frames(0, RECEIVE_FRAMES), frames(RECEIVE_FRAMES, TRANSMIT_FRAMES));
        let receive = XdpReceive::new(Arc::clone(&attachment), Arc::clone(&umem), receive, fill, ours);
        let transmit = XdpTransmit::new(attachment, umem, transmit, completion, theirs.collect(), counters);
        (Box::new(receive), Box::new(transmit))
    }
}
