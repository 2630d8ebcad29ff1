//! Why there is no device: what failed, why, and what to do next.

use std::io;
use thiserror::Error;

/// Why a device could not be made, adopted or configured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TunError {
    /// `/dev/net/tun` can't be opened.
    #[error("cannot open /dev/net/tun: {source}; {}", open_hint(source))]
    Open {
        /// What the system says.
        source: io::Error,
    },
    /// The kernel has no device of this name to give.
    #[error("cannot attach to the device {name:?}: {source}; {}", attach_hint(source))]
    Attach {
        /// The name asked for; empty if the kernel was to pick one.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// No device can have this name.
    #[error(
        "{name:?} cannot be the name of a device: use 1 to 15 letters, digits, dots, dashes or underscores, or leave it out"
    )]
    InvalidName {
        /// The name asked for.
        name: String,
    },
    /// The descriptor to adopt is no TUN or TAP device.
    #[error(
        "the file descriptor is not attached to a TUN or TAP device: {source}; pass one on which TUNSETIFF has succeeded"
    )]
    NotTun {
        /// What the system says.
        source: io::Error,
    },
    /// The descriptor to adopt puts four bytes of packet information before each packet.
    #[error(
        "the device {name:?} was opened without IFF_NO_PI, so each packet has a prefix that is not understood here; open it with IFF_NO_PI"
    )]
    PacketInformation {
        /// The name of the device.
        name: String,
    },
    /// A property of the device could not be read or set.
    #[error("cannot {what} of the device {name:?}: {source}; {}", configure_hint(source))]
    Configure {
        /// What was tried, as in "set the MTU".
        what: &'static str,
        /// The name of the device.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

fn open_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "run with CAP_NET_ADMIN (sudo), or use `ustack demo`, which needs no root"
        }
        io::ErrorKind::NotFound => {
            "load the module with `modprobe tun`, or give the container --device /dev/net/tun"
        }
        _ => {
            "see whether this kernel has the tun driver (CONFIG_TUN), or use `ustack demo`, which needs no device"
        }
    }
}

fn attach_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "run with CAP_NET_ADMIN (sudo), have an administrator make the device for you \
             (`ip tuntap add mode tun user $USER name NAME`), or use `ustack demo`, which needs no root"
        }
        io::ErrorKind::ResourceBusy => "another program uses it: stop that or choose another name",
        io::ErrorKind::InvalidInput => {
            "a device of this name is there and of another kind: choose another name or another mode"
        }
        _ => "choose another name",
    }
}

fn configure_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "run with CAP_NET_ADMIN (sudo), or do it with `ip link` beforehand"
        }
        io::ErrorKind::InvalidInput => "the driver does not take this value",
        _ => "see whether the device is still there with `ip link`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn messages_say_what_why_and_what_next() {
        let open = TunError::Open { source: Errno::ACCESS.into() }.to_string();
        assert!(open.starts_with("cannot open /dev/net/tun: Permission denied"), "{open}");
        assert!(open.ends_with("use `ustack demo`, which needs no root"), "{open}");
        let cases = [
            (Errno::BUSY, "stop that or choose another name"),
            (Errno::PERM, "CAP_NET_ADMIN"),
            (Errno::INVAL, "another mode"),
        ];
        for (errno, remedy) in cases {
            let error = TunError::Attach { name: "tun7".into(), source: errno.into() }.to_string();
            assert!(error.contains("\"tun7\"") && error.contains(remedy), "{error}");
        }
    }
}
