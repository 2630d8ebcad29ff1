//! System calls that need `unsafe`: the ioctls of the tun driver and of network devices, and reading into memory that
//! was never written. Everything that leaves this module is safe to call.

use bytes::BytesMut;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, readv, retry_on_intr};
use rustix::ioctl::{IntegerSetter, Opcode, Updater, ioctl, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::ffi::c_int;
use std::io::IoSliceMut;

/// What is set and read through a socket, by the name of the device (`netdevice(7)`).
#[derive(Clone, Copy)]
pub(crate) enum Property {
    Mtu,
    TxQueueLen,
    Flags,
}

/// `IFF_UP`: the device is up.
pub(crate) const UP: i32 = 1;

const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
const TUNGETFEATURES: Opcode = opcode::read::<u32>(b'T', 207);
const TUNSETOFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);
const TUNGETIFF: Opcode = opcode::read::<u32>(b'T', 210);
const TUNGETVNETHDRSZ: Opcode = opcode::read::<c_int>(b'T', 215);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);
const SIOCGIFFLAGS: Opcode = 0x8913;
const SIOCSIFFLAGS: Opcode = 0x8914;
const SIOCGIFMTU: Opcode = 0x8921;
const SIOCSIFMTU: Opcode = 0x8922;
const SIOCGIFTXQLEN: Opcode = 0x8942;
const SIOCSIFTXQLEN: Opcode = 0x8943;

/// `struct ifreq`: a name, and a union of which we use the first two or four bytes. The union is 24 bytes with 64-bit
/// pointers and 16 with 32-bit ones: this is never shorter than what the kernel copies.
#[repr(C, align(8))]
struct IfReq {
    name: [u8; 16],
    value: [u8; 24],
}

impl IfReq {
    fn new(name: &str) -> Result<Self, Errno> {
        let mut request = Self { name: [0; 16], value: [0; 24] };
        // The last byte of the name stays zero.
        request.name[..15].get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name.as_bytes());
        Ok(request)
    }

    fn name(&self) -> String {
        let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(self.name.len());
        String::from_utf8_lossy(&self.name[..end]).into_owned()
    }

    fn set_short(&mut self, value: u16) {
        self.value[..2].copy_from_slice(&value.to_ne_bytes());
    }

    fn short(&self) -> u16 {
        u16::from_ne_bytes([self.value[0], self.value[1]])
    }

    fn set_int(&mut self, value: i32) {
        self.value[..4].copy_from_slice(&value.to_ne_bytes());
    }

    fn int(&self) -> i32 {
        let [a, b, c, d, ..] = self.value;
        i32::from_ne_bytes([a, b, c, d])
    }
}

/// Attaches a descriptor of `/dev/net/tun` to a device; returns the device's name.
pub(crate) fn set_iff(fd: BorrowedFd<'_>, name: &str, flags: u16) -> Result<String, Errno> {
    let mut request = IfReq::new(name)?;
    request.set_short(flags);
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, and `IfReq` is one.
    unsafe { ioctl(fd, Updater::<TUNSETIFF, IfReq>::new(&mut request))? };
    Ok(request.name())
}

/// Name and flags of the device that a descriptor is attached to.
pub(crate) fn iff(fd: BorrowedFd<'_>) -> Result<(String, u16), Errno> {
    let mut request = IfReq::new("")?;
    // SAFETY: TUNGETIFF writes one `ifreq`, and `IfReq` is one.
    unsafe { ioctl(fd, Updater::<TUNGETIFF, IfReq>::new(&mut request))? };
    Ok((request.name(), request.short()))
}

/// The flags that this kernel's driver knows.
pub(crate) fn features(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut features = 0u32;
    // SAFETY: TUNGETFEATURES writes one unsigned int.
    unsafe { ioctl(fd, Updater::<TUNGETFEATURES, u32>::new(&mut features))? };
    Ok(features)
}

/// Says which offloads we take.
pub(crate) fn set_offload(fd: BorrowedFd<'_>, flags: u32) -> Result<(), Errno> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value and touches no memory.
    unsafe { ioctl(fd, IntegerSetter::<TUNSETOFFLOAD>::new_usize(flags as usize)) }
}

/// Bytes of the virtio-net header.
pub(crate) fn vnet_header_len(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut len: c_int = 0;
    // SAFETY: TUNGETVNETHDRSZ writes one int.
    unsafe { ioctl(fd, Updater::<TUNGETVNETHDRSZ, c_int>::new(&mut len))? };
    usize::try_from(len).map_err(|_| Errno::INVAL)
}

/// Sets the bytes of the virtio-net header.
pub(crate) fn set_vnet_header_len(fd: BorrowedFd<'_>, len: usize) -> Result<(), Errno> {
    let mut len = len as c_int;
    // SAFETY: TUNSETVNETHDRSZ reads one int.
    unsafe { ioctl(fd, Updater::<TUNSETVNETHDRSZ, c_int>::new(&mut len)) }
}

/// Reads a property of a device in the network namespace of this thread.
pub(crate) fn property(name: &str, property: Property) -> Result<i32, Errno> {
    let mut request = IfReq::new(name)?;
    match property {
        Property::Mtu => netdevice::<SIOCGIFMTU>(&mut request)?,
        Property::TxQueueLen => netdevice::<SIOCGIFTXQLEN>(&mut request)?,
        Property::Flags => {
            netdevice::<SIOCGIFFLAGS>(&mut request)?;
            return Ok(i32::from(request.short()));
        }
    }
    Ok(request.int())
}

/// Sets a property of a device in the network namespace of this thread.
pub(crate) fn set_property(name: &str, property: Property, value: i32) -> Result<(), Errno> {
    let mut request = IfReq::new(name)?;
    request.set_int(value);
    match property {
        Property::Mtu => netdevice::<SIOCSIFMTU>(&mut request),
        Property::TxQueueLen => netdevice::<SIOCSIFTXQLEN>(&mut request),
        Property::Flags => {
            request.set_short(value as u16);
            netdevice::<SIOCSIFFLAGS>(&mut request)
        }
    }
}

fn netdevice<const OPCODE: Opcode>(request: &mut IfReq) -> Result<(), Errno> {
    let socket: OwnedFd = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .or_else(|_| {
            // A kernel without IPv4 still has local sockets, and any socket will do.
            socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        })?;
    // SAFETY: the six requests that this is called with read and write one `ifreq`, and `IfReq` is one.
    unsafe { ioctl(socket.as_fd(), Updater::<OPCODE, IfReq>::new(request)) }
}

/// `struct iovec`: memory for the kernel to write to, which need not have been written before.
#[derive(Clone, Copy)]
#[repr(C)]
struct Iovec {
    base: *mut u8,
    len: usize,
}

impl Iovec {
    const NONE: Self = Self { base: std::ptr::dangling_mut(), len: 0 };

    fn of(target: &mut Target<'_>) -> Self {
        match target {
            Target::Spare(buffer, len) => {
                let spare = buffer.spare_capacity_mut();
                Self { base: spare.as_mut_ptr().cast(), len: spare.len().min(*len) }
            }
            Target::Memory(memory) => Self { base: memory.as_mut_ptr(), len: memory.len() },
        }
    }
}

/// Where a part of a packet is read to.
pub(crate) enum Target<'a> {
    /// Behind what a buffer holds: so many bytes at most, as far as it has room already.
    Spare(&'a mut BytesMut, usize),
    /// Over what is there.
    Memory(&'a mut [u8]),
}

/// Targets that one packet can be spread over.
const MAX_TARGETS: usize = 3;

/// Reads one packet: first `header` is filled, then each target in turn. Returns how many bytes went to the targets.
pub(crate) fn read_packet<const N: usize>(
    fd: BorrowedFd<'_>,
    header: &mut [u8],
    mut targets: [Target<'_>; N],
) -> Result<usize, Errno> {
    const { assert!(N <= MAX_TARGETS) };
    if let ([target], true) = (&mut targets[..], header.is_empty()) {
        return read_plain(fd, target);
    }
    let header_len = header.len();
    let mut vectors = [Iovec::NONE; 1 + MAX_TARGETS];
    vectors[0] = Iovec { base: header.as_mut_ptr(), len: header_len };
    let mut room = [0; N];
    for ((vector, target), room) in vectors[1..].iter_mut().zip(&mut targets).zip(&mut room) {
        *vector = Iovec::of(target);
        *room = vector.len;
    }
    // SAFETY: `IoSliceMut` is documented to have the layout of `iovec`, which `Iovec` has; they are empty, or point into
    // disjoint memory that is exclusively borrowed until the end of this function. No `&mut [u8]` is made of the
    // memory that was never written: `readv` only passes the array on to the kernel, which only writes.
    let mut vectors: [IoSliceMut<'_>; 1 + MAX_TARGETS] = unsafe { std::mem::transmute(vectors) };
    // The kernel spends time on an empty vector, too.
    let first = usize::from(header_len == 0);
    let got = retry_on_intr(|| readv(fd, &mut vectors[first..=N]))?;
    let packet = got.saturating_sub(header_len);
    let mut rest = packet;
    for (target, room) in targets.into_iter().zip(room) {
        let here = rest.min(room);
        rest -= here;
        if let Target::Spare(buffer, _) = target {
            // SAFETY: the kernel has filled the vectors in order with `got` bytes in all, so that many bytes behind the
            // length of the buffer are written, and they lie within its capacity.
            unsafe { buffer.set_len(buffer.len() + here) };
        }
    }
    Ok(packet)
}

/// The same for one target and no header: one buffer costs the kernel less than a vector of one.
fn read_plain(fd: BorrowedFd<'_>, target: &mut Target<'_>) -> Result<usize, Errno> {
    match target {
        Target::Memory(memory) => retry_on_intr(|| read(fd, &mut **memory)),
        Target::Spare(buffer, len) => {
            let spare = buffer.spare_capacity_mut();
            let room = spare.len().min(*len);
            let read = retry_on_intr(|| Ok(read(fd, &mut spare[..room])?.0.len()))?;
            // SAFETY: the kernel has filled so many bytes behind the buffer's length, within its capacity.
            unsafe { buffer.set_len(buffer.len() + read) };
            Ok(read)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::socketpair;

    #[test]
    fn a_packet_fills_header_then_small_then_big() {
        let (reader, writer) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::empty(), None).unwrap();
        for (len, expected) in [(3, 0), (4, 0), (9, 5), (12, 8), (20, 16)] {
            let sent: Vec<u8> = (0..len).collect();
            rustix::io::write(&writer, &sent).unwrap();
            let (mut small, mut big) = (BytesMut::from(&b"S"[..]), BytesMut::from(&b"B"[..]));
            small.reserve(8);
            big.reserve(100);
            let mut header = [0xff; 4];
            let targets = [Target::Spare(&mut small, 8), Target::Spare(&mut big, 100)];
            let got = read_packet(reader.as_fd(), &mut header, targets).unwrap();
            assert_eq!((got, small.len() - 1), (expected, expected.min(8)), "{len}");
            assert_eq!((small[0], big[0]), (b'S', b'B'));
            let mut all = header[..sent.len().min(4)].to_vec();
            all.extend_from_slice(&small[1..]);
            all.extend_from_slice(&big[1..]);
            assert_eq!(all, sent);
        }
    }

    #[test]
    fn properties_of_the_loopback_device_can_be_read() {
        assert!(property("lo", Property::Mtu).unwrap() > 0);
        assert_eq!(property("no-such-device0", Property::Mtu), Err(Errno::NODEV));
        assert_eq!(property("a-name-that-is-too-long", Property::Mtu), Err(Errno::NAMETOOLONG));
    }
}
