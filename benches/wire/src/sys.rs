//! The system calls that std does not offer, each behind a safe function.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use libc::{c_int, c_void, socklen_t};

const DESCRIPTORS: libc::rlim_t = 1_000_000;
/// How long a connect, read or write may wait before it counts as stalled.
const TIMEOUT: libc::timeval = libc::timeval { tv_sec: 3, tv_usec: 0 };
/// `IP_BIND_ADDRESS_NO_PORT`: leave the choice of a port to connect.
const BIND_ADDRESS_NO_PORT: c_int = 24;

/// Allows this process as many descriptors as the kernel lets it have.
pub fn raise_descriptor_limit() {
    let limit = libc::rlimit { rlim_cur: DESCRIPTORS, rlim_max: DESCRIPTORS };
    // SAFETY: the pointer is to a live struct of the right type. Failure leaves
    // the limit as it was, which a load notices by itself.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

/// Connects a TCP socket without Nagle's delay, from a given address if any.
pub fn connect(to: SocketAddrV4, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    // SAFETY: no pointers; the result is checked before it is owned.
    let fd = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `fd` is a descriptor that nobody else owns.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    if let Some(from) = from {
        set_option(fd, libc::IPPROTO_IP, BIND_ADDRESS_NO_PORT, &1)?;
        let address = socket_address(SocketAddrV4::new(from, 0));
        // SAFETY: the address lives through the call and the length is its own.
        check(unsafe { libc::bind(fd, (&raw const address).cast(), length_of(&address)) })?;
    }
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, &1)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &TIMEOUT)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &TIMEOUT)?;
    let address = socket_address(to);
    // SAFETY: as for bind.
    check(unsafe { libc::connect(fd, (&raw const address).cast(), length_of(&address)) })?;
    Ok(stream)
}

/// Bytes written to the socket that the peer has not acknowledged.
pub fn unacknowledged(stream: &TcpStream) -> u64 {
    let mut bytes: c_int = 0;
    // SAFETY: TIOCOUTQ writes one int to the pointer.
    unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    u64::try_from(bytes).unwrap_or_default()
}

/// Makes the close of the socket a reset, so that nothing of a finished load
/// stays in the network.
pub fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    set_option(
        stream.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_LINGER,
        &libc::linger { l_onoff: 1, l_linger: 0 },
    )
}

/// Lengthens the queue of connections that wait to be accepted.
pub fn set_backlog(listener: &TcpListener, backlog: c_int) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(listener.as_raw_fd(), backlog) }).map(drop)
}

/// Sets the receive buffer of a socket, in bytes.
pub fn set_receive_buffer(socket: &UdpSocket, bytes: c_int) -> io::Result<()> {
    set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes)
}

/// Sends one payload `count` times with one call; returns how many went out.
pub fn send_many(socket: &UdpSocket, payload: &[u8], count: usize) -> usize {
    let mut piece = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
    // SAFETY: all-zero is a valid message header: no name, no data, no flags.
    let mut header: libc::mmsghdr = unsafe { zeroed() };
    header.msg_hdr.msg_iov = &raw mut piece;
    header.msg_hdr.msg_iovlen = 1;
    let mut headers = vec![header; count];
    // SAFETY: the headers and the piece they point to live through the call,
    // and the kernel only reads the payload.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) };
    usize::try_from(sent).unwrap_or_default()
}

/// An epoll instance; tokens are the watched descriptors.
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` is a descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches a descriptor, level-triggered, until it is closed.
    pub fn watch(&self, fd: RawFd, writable: bool) -> io::Result<()> {
        let events = if writable { libc::EPOLLOUT } else { libc::EPOLLIN };
        let mut event = libc::epoll_event { events: events as u32, u64: fd as u64 };
        // SAFETY: the event lives through the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) })
            .map(drop)
    }

    /// Waits for descriptors that are ready and puts them into `ready`.
    pub fn wait(&self, ready: &mut Vec<RawFd>) -> io::Result<()> {
        const MOST: usize = 256;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; MOST];
        // SAFETY: the array has room for as many events as the call may write.
        let count =
            check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), MOST as c_int, -1) })?;
        ready.clear();
        ready.extend(events.iter().take(count as usize).map(|event| event.u64 as RawFd));
        Ok(())
    }
}

/// Opens a TUN device that exists, with the virtio-net header and TCP
/// segmentation offload if `vnet`. Reads and writes do not wait.
pub fn open_tun(name: &str, vnet: bool) -> io::Result<File> {
    let device =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: all-zero is a valid interface request.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "device name too long"));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let header = if vnet { libc::IFF_VNET_HDR } else { 0 };
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | header) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one interface request.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    let offload = if vnet { libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 } else { 0 };
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(offload)) })?;
    Ok(device)
}

/// Moves this thread, and with it what it opens, into the network namespace of
/// that name.
pub fn enter_namespace(name: &str) -> io::Result<()> {
    let namespace = File::open(format!("/run/netns/{name}"))?;
    // SAFETY: no pointers; the descriptor is open.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Waits until the device has something to read.
pub fn wait_readable(device: &File) {
    let mut poll = libc::pollfd { fd: device.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd. An interrupted wait is a short wait.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

fn set_option<T>(fd: RawFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value lives through the call and the length is its own.
    let result =
        unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast::<c_void>(), length_of(value)) };
    check(result).map(drop)
}

fn socket_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn length_of<T>(_value: &T) -> socklen_t {
    size_of::<T>() as socklen_t
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
