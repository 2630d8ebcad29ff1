//! The families that scenarios are run over, with the addresses of both ends: the same scenario, word for word.

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// The address of our stack.
    pub(crate) fn ours(self) -> &'static str {
        match self {
            Self::V4 => "10.77.0.2",
            Self::V6 => "fd77::2",
        }
    }

    /// The address of the kernel's side.
    pub(crate) fn kernels(self) -> &'static str {
        match self {
            Self::V4 => "10.77.0.1",
            Self::V6 => "fd77::1",
        }
    }

    /// An address with the length of the subnet's prefix.
    pub(crate) fn in_subnet(self, address: &str) -> String {
        let length = match self {
            Self::V4 => 24,
            Self::V6 => 64,
        };
        format!("{address}/{length}")
    }

    /// The first bytes of an IP packet that are header.
    pub(crate) fn header_len(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }

    /// The flag that programs have for it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::V4 => "-4",
            Self::V6 => "-6",
        }
    }

    /// What a case's name has behind its mode.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::V4 => "",
            Self::V6 => "-v6",
        }
    }
}

/// `ADDRESS:PORT`, in brackets where it has colons of its own.
pub(crate) fn with_port(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
