//! System calls that need `unsafe`: options and addresses of packet sockets, ioctls of network devices, and reading a batch
//! of frames into memory that was never written. Everything that leaves this module is safe to call.

use crate::pool::Buffers;
use crate::vlan::Tag;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use stack_core::LinkAddress;
use stack_packet::vnet;
use std::ffi::c_int;

/// What a packet socket is switched to.
#[derive(Clone, Copy)]
pub(crate) enum Switch {
    /// `PACKET_VNET_HDR`: a virtio-net header before each frame.
    VnetHeader,
    /// `PACKET_IGNORE_OUTGOING`: no frames that go out (Linux 4.20).
    IgnoreOutgoing,
    /// `PACKET_AUXDATA`: what the kernel knows of a frame, its VLAN tag above all, stands beside it.
    AuxiliaryData,
}

/// A packet socket that sees nothing until it is bound.
pub(crate) fn socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
}

pub(crate) fn set(fd: BorrowedFd<'_>, switch: Switch) -> Result<(), Errno> {
    let name = match switch {
        Switch::VnetHeader => libc::PACKET_VNET_HDR,
        Switch::IgnoreOutgoing => libc::PACKET_IGNORE_OUTGOING,
        Switch::AuxiliaryData => libc::PACKET_AUXDATA,
    };
    set_option(fd, name, &(1 as c_int))
}

/// Makes the interface hand over the frames of all stations, as long as the socket is open.
pub(crate) fn be_promiscuous(fd: BorrowedFd<'_>, index: u32) -> Result<(), Errno> {
    let membership = libc::packet_mreq {
        mr_ifindex: index as c_int,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(fd, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

fn set_option<T: Copy>(fd: BorrowedFd<'_>, name: c_int, value: &T) -> Result<(), Errno> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes from `value`, which are all there and borrowed until it returns.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    check(result)
}

/// Frames for which the socket had no room since the last call.
pub(crate) fn missed_frames(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut len = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `statistics`, which is that long and exclusively borrowed.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut statistics).cast(),
            &mut len,
        )
    };
    check(result).map(|()| statistics.tp_drops)
}

/// Attaches the socket to all frames of one interface.
pub(crate) fn bind(fd: BorrowedFd<'_>, index: u32) -> Result<(), Errno> {
    // SAFETY: `sockaddr_ll` is made of integers, of which all-zero bytes are values.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index as c_int;
    // SAFETY: the kernel reads as many bytes of `address` as it is long.
    let result = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    check(result)
}

/// The hardware type of an interface (`ARPHRD_`) and its address.
pub(crate) fn hardware(fd: BorrowedFd<'_>, name: &str) -> Result<(u16, LinkAddress), Errno> {
    let request = interface_request(fd, name, libc::SIOCGIFHWADDR)?;
    // SAFETY: after SIOCGIFHWADDR the union holds a `sockaddr`, which is made of integers.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr };
    let bytes = std::array::from_fn(|i| address.sa_data[i] as u8);
    Ok((address.sa_family, LinkAddress(bytes)))
}

/// The MTU of an interface, in bytes.
pub(crate) fn mtu(fd: BorrowedFd<'_>, name: &str) -> Result<u32, Errno> {
    let request = interface_request(fd, name, libc::SIOCGIFMTU)?;
    // SAFETY: after SIOCGIFMTU the union holds an integer.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    u32::try_from(mtu).map_err(|_| Errno::INVAL)
}

fn interface_request(fd: BorrowedFd<'_>, name: &str, opcode: libc::c_ulong) -> Result<libc::ifreq, Errno> {
    // SAFETY: `ifreq` is made of integers and of pointers that nobody follows, of which all-zero bytes are values.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(Errno::NAMETOOLONG);
    }
    request.ifr_name.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from as libc::c_char);
    // SAFETY: the requests that this is called with read and write one `ifreq`, which is exclusively borrowed.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), opcode as _, &mut request) })?;
    Ok(request)
}

fn check(result: c_int) -> Result<(), Errno> {
    if result == -1 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Room for one control message with a `tpacket_auxdata`, aligned as control messages are.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

/// What stands beside each frame of a batch.
pub(crate) struct Messages {
    vnet: bool,
    headers: Vec<[u8; vnet::LEN]>,
    controls: Vec<Control>,
    /// Bytes of each control that the kernel has written.
    control_lens: Vec<usize>,
}

impl Messages {
    pub(crate) fn new(frames: usize, vnet: bool) -> Self {
        Self {
            vnet,
            headers: vec![[0; vnet::LEN]; frames],
            controls: vec![Control([0; 64]); frames],
            control_lens: vec![0; frames],
        }
    }

    /// The virtio-net header of a frame of the last batch.
    pub(crate) fn vnet_header(&self, index: usize) -> &[u8; vnet::LEN] {
        &self.headers[index]
    }

    /// The VLAN tag that the kernel took off a frame of the last batch.
    pub(crate) fn vlan_tag(&self, index: usize) -> Option<Tag> {
        const HEADER: usize = size_of::<libc::cmsghdr>();
        const LEN: usize = size_of::<libc::tpacket_auxdata>();
        let written = self.controls[index].0.get(..self.control_lens[index])?;
        let (header, data) = written.split_at_checked(HEADER)?;
        // SAFETY: there are as many bytes as the header has, and it is made of integers.
        let header: libc::cmsghdr = unsafe { std::ptr::read_unaligned(header.as_ptr().cast()) };
        if (header.cmsg_level, header.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
            return None;
        }
        let data = data.get(..LEN)?;
        // SAFETY: there are as many bytes as the structure has, and it is made of integers.
        let known: libc::tpacket_auxdata = unsafe { std::ptr::read_unaligned(data.as_ptr().cast()) };
        let tagged = known.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
        let named = known.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        let protocol = if named { known.tp_vlan_tpid } else { libc::ETH_P_8021Q as u16 };
        tagged.then_some(Tag { protocol, control: known.tp_vlan_tci })
    }
}

/// Reads as many frames as there are, and as there are buffers for, without waiting: of each the virtio-net header and
/// what stands beside it into `messages`, then the frame into its small buffer, and the rest into its big one. The buffers
/// are empty before. Returns how many frames there were.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buffers: &mut [Buffers],
    messages: &mut Messages,
) -> Result<usize, Errno> {
    const VECTOR: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
    const MOST: usize = 64;
    let frames = buffers.len().min(messages.headers.len()).min(MOST);
    let header_len = if messages.vnet { vnet::LEN } else { 0 };
    let mut vectors = [[VECTOR; 3]; MOST];
    // SAFETY: `mmsghdr` is made of integers and pointers, of which all-zero bytes are values.
    let mut headers: [libc::mmsghdr; MOST] = unsafe { std::mem::zeroed() };
    for index in 0..frames {
        let Buffers { small, big } = &mut buffers[index];
        let (small, big) = (small.spare_capacity_mut(), big.spare_capacity_mut());
        vectors[index] = [
            libc::iovec { iov_base: messages.headers[index].as_mut_ptr().cast(), iov_len: header_len },
            libc::iovec { iov_base: small.as_mut_ptr().cast(), iov_len: small.len() },
            libc::iovec { iov_base: big.as_mut_ptr().cast(), iov_len: big.len() },
        ];
        let message = &mut headers[index].msg_hdr;
        // The kernel spends time on an empty vector, too.
        let skip = usize::from(header_len == 0);
        message.msg_iov = vectors[index][skip..].as_mut_ptr();
        message.msg_iovlen = (3 - skip) as _;
        message.msg_control = messages.controls[index].0.as_mut_ptr().cast();
        message.msg_controllen = size_of::<Control>() as _;
    }
    let received = retry_on_intr(|| {
        // SAFETY: each header points to its vectors, and these to disjoint memory as long as they say: the headers and
        // controls of `messages`, and the spare capacity of `buffers`. All of it is exclusively borrowed until this
        // function returns, and the kernel only writes to it.
        let result = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                headers.as_mut_ptr(),
                frames as _,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(result).map_err(|_| last_error())
    })?;
    for index in 0..received {
        messages.control_lens[index] =
            (headers[index].msg_hdr.msg_controllen as usize).min(size_of::<Control>());
        let len = (headers[index].msg_len as usize).saturating_sub(header_len);
        let [_, small_vector, big_vector] = &vectors[index];
        let in_small = len.min(small_vector.iov_len);
        let in_big = (len - in_small).min(big_vector.iov_len);
        // SAFETY: the kernel has filled the vectors of this message in order with `msg_len` bytes in all, so that many
        // bytes of each buffer, which was empty, are written, and they lie within its capacity.
        unsafe {
            buffers[index].small.set_len(in_small);
            buffers[index].big.set_len(in_big);
        }
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    /// Any socket will do for questions about interfaces.
    fn socket() -> OwnedFd {
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn properties_of_the_loopback_interface_can_be_read() {
        let fd = socket();
        assert!(mtu(fd.as_fd(), "lo").unwrap() > 0);
        assert_eq!(hardware(fd.as_fd(), "lo"), Ok((libc::ARPHRD_LOOPBACK, LinkAddress::UNSPECIFIED)));
        assert_eq!(mtu(fd.as_fd(), "no-such-if0"), Err(Errno::NODEV));
        assert_eq!(mtu(fd.as_fd(), "a-name-that-is-too-long"), Err(Errno::NAMETOOLONG));
        assert!(set(fd.as_fd(), Switch::VnetHeader).is_err(), "it is no packet socket");
    }

    #[test]
    fn a_tag_is_read_from_what_stands_beside_the_frame() {
        let aux = |status, tci, tpid| libc::tpacket_auxdata {
            tp_status: status,
            tp_len: 60,
            tp_snaplen: 60,
            tp_mac: 0,
            tp_net: 14,
            tp_vlan_tci: tci,
            tp_vlan_tpid: tpid,
        };
        let both = libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID;
        for (aux, want) in [
            (aux(0, 7, 0x8100), None),
            (aux(libc::TP_STATUS_VLAN_VALID, 7, 0), Some(Tag { protocol: 0x8100, control: 7 })),
            (aux(both, 0x2007, 0x88a8), Some(Tag { protocol: 0x88a8, control: 0x2007 })),
        ] {
            let mut messages = Messages::new(1, true);
            assert_eq!(messages.vlan_tag(0), None, "nothing was written");
            let header =
                libc::cmsghdr { cmsg_len: 36, cmsg_level: libc::SOL_PACKET, cmsg_type: libc::PACKET_AUXDATA };
            let place = messages.controls[0].0.as_mut_ptr();
            // SAFETY: both lie within the 64 bytes of the control, one behind the other.
            unsafe {
                place.cast::<libc::cmsghdr>().write_unaligned(header);
                place.add(size_of::<libc::cmsghdr>()).cast::<libc::tpacket_auxdata>().write_unaligned(aux);
            }
            messages.control_lens[0] = 40;
            assert_eq!(messages.vlan_tag(0), want);
            messages.control_lens[0] = 20;
            assert_eq!(messages.vlan_tag(0), None, "cut off");
        }
    }
}
