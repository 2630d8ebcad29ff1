//! `bpf(2)`: a map of sockets, a program, and its place at an interface. Each is a descriptor, and gone with it.

use crate::program::Instruction;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
/// `BPF_MAP_TYPE_XSKMAP`.
const XSKMAP: u32 = 17;
/// `BPF_PROG_TYPE_XDP`.
const XDP_PROGRAM: u32 = 6;
/// `BPF_XDP`: where programs of that kind are attached.
const XDP: u32 = 37;
/// `XDP_FLAGS_SKB_MODE`: in the kernel's receive path, behind any driver.
const GENERIC: u32 = 1 << 1;

/// A map from queues to sockets.
#[derive(Debug)]
pub(crate) struct Map(OwnedFd);

impl Map {
    /// A map for queues below `queues`.
    pub(crate) fn new(queues: u32) -> Result<Self, Errno> {
        #[repr(C)]
        struct Attributes {
            kind: u32,
            key_len: u32,
            value_len: u32,
            entries: u32,
            flags: u32,
        }
        let attributes = Attributes { kind: XSKMAP, key_len: 4, value_len: 4, entries: queues, flags: 0 };
        // SAFETY: the attributes hold no pointer.
        unsafe { make(MAP_CREATE, &attributes) }.map(Self)
    }

    /// Puts a socket in the place of a queue.
    pub(crate) fn insert(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        #[repr(C)]
        struct Attributes {
            map: u32,
            pad: u32,
            key: u64,
            value: u64,
            flags: u64,
        }
        let value = socket.as_raw_fd();
        let attributes = Attributes {
            map: self.0.as_raw_fd() as u32,
            pad: 0,
            key: pointer(&queue),
            value: pointer(&value),
            flags: 0,
        };
        // SAFETY: key and value are as long as the map was told, and outlive the call.
        unsafe { bpf(MAP_UPDATE_ELEM, &attributes) }.map(|_| ())
    }

    /// The number that programs name it by.
    pub(crate) fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// A program that was found harmless.
#[derive(Debug)]
pub(crate) struct Program(OwnedFd);

impl Program {
    pub(crate) fn load(instructions: &[Instruction]) -> Result<Self, Errno> {
        #[repr(C)]
        struct Attributes {
            kind: u32,
            count: u32,
            instructions: u64,
            license: u64,
            log_level: u32,
            log_len: u32,
            log: u64,
            kernel_version: u32,
            flags: u32,
        }
        let license = c"MIT";
        let attributes = Attributes {
            kind: XDP_PROGRAM,
            count: u32::try_from(instructions.len()).map_err(|_| Errno::INVAL)?,
            instructions: instructions.as_ptr().addr() as u64,
            license: license.as_ptr().addr() as u64,
            log_level: 0,
            log_len: 0,
            log: 0,
            kernel_version: 0,
            flags: 0,
        };
        // SAFETY: the instructions are as many as said, the licence ends with a zero, and both outlive the call.
        unsafe { make(PROG_LOAD, &attributes) }.map(Self)
    }
}

/// Puts a program at an interface for as long as the descriptor is open.
pub(crate) fn attach(program: &Program, interface: u32) -> Result<OwnedFd, Errno> {
    #[repr(C)]
    struct Attributes {
        program: u32,
        interface: u32,
        place: u32,
        flags: u32,
    }
    let program = program.0.as_raw_fd() as u32;
    // SAFETY: the attributes hold no pointer.
    unsafe { make(LINK_CREATE, &Attributes { program, interface, place: XDP, flags: GENERIC }) }
}

fn pointer<T>(value: &T) -> u64 {
    std::ptr::from_ref(value).addr() as u64
}

/// # Safety
/// The attributes are those of a command that returns a descriptor, without bytes between their fields, and the pointers
/// among them are valid for what the command reads.
unsafe fn make<T>(command: libc::c_int, attributes: &T) -> Result<OwnedFd, Errno> {
    // SAFETY: as the caller promises.
    let fd = unsafe { bpf(command, attributes) }?;
    // SAFETY: the command has made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// The attributes are those of the command, without bytes between their fields, and the pointers among them are valid for
/// what the command reads.
unsafe fn bpf<T>(command: libc::c_int, attributes: &T) -> Result<libc::c_int, Errno> {
    let len = size_of::<T>() as libc::c_uint;
    // SAFETY: the kernel reads `len` bytes of the attributes, and what their pointers lead to, as the caller promises.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), len) };
    if result < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    }
    libc::c_int::try_from(result).map_err(|_| Errno::INVAL)
}
