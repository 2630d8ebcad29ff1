//! Why a queue can't be used: what failed, why, and what to do next.

use std::io;
use thiserror::Error;

/// Why a queue could not be attached to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum XdpError {
    /// There is no such interface.
    #[error("there is no interface {name:?}; `ip link` lists what there is in this network namespace")]
    NoInterface {
        /// The name asked for.
        name: String,
    },
    /// A frame has to fit into one page.
    #[error("an MTU of {mtu} bytes is too large for frames in one buffer; give at most {most}")]
    MtuTooLarge {
        /// The MTU asked for, in bytes.
        mtu: u32,
        /// The largest that is possible, in bytes.
        most: u32,
    },
    /// A step failed.
    #[error("cannot {what} of {name}: {source}; {}", hint(source))]
    Step {
        /// What was tried, as in "load the program".
        what: &'static str,
        /// The name of the interface.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "run with CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF (sudo)",
        io::ErrorKind::ResourceBusy => {
            "see whether another program sits on the interface or its queue (`ip -d link`)"
        }
        _ => "see whether the kernel has XDP sockets (CONFIG_XDP_SOCKETS) and the interface this queue",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_why_and_what_next() {
        for (kind, word) in [
            (io::ErrorKind::PermissionDenied, "CAP_BPF"),
            (io::ErrorKind::ResourceBusy, "another program"),
            (io::ErrorKind::InvalidInput, "CONFIG_XDP_SOCKETS"),
        ] {
            let error =
                XdpError::Step { what: "load the program", name: "veth0".into(), source: kind.into() };
            let text = error.to_string();
            assert!(text.starts_with("cannot load the program of veth0: ") && text.contains(word), "{text}");
        }
    }
}
