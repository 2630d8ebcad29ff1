//! What can be asked of a device.

use crate::TunError;

/// What a device carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Mode {
    /// IP packets.
    #[default]
    Tun,
    /// Ethernet frames, header included.
    Tap,
}

/// How a device is to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunConfig {
    /// Its name, at most 15 bytes; a `%d` in it is numbered by the kernel. Default: none, the kernel picks `tun0`,
    /// `tap0` or the next that is free.
    pub name: Option<String>,
    /// What it carries. Default: IP packets.
    pub mode: Mode,
    /// Largest IP packet, in bytes. Default: 1500, the kernel's own default for these devices.
    pub mtu: u32,
    /// Ask for the virtio-net header, checksum offload and super-packets. Default: yes.
    pub offload: bool,
    /// Packets that wait in the device for us. Default: 1000, as Ethernet devices have; the 500 of the TUN driver
    /// overflow, and thereby lose packets, as soon as a sender without offload opens its window.
    pub tx_queue_len: u32,
    /// Let further [`Tun::create`](crate::Tun::create) of the same name attach further queues. Default: no, because
    /// packets of one flow overtake each other when two threads read them.
    pub multi_queue: bool,
}

/// Longest name of a device, in bytes (`IFNAMSIZ` with its final zero).
const NAME_MAX: usize = 15;

impl TunConfig {
    /// A TUN device.
    pub fn tun() -> Self {
        Self { name: None, mode: Mode::Tun, mtu: 1500, offload: true, tx_queue_len: 1000, multi_queue: false }
    }

    /// A TAP device.
    pub fn tap() -> Self {
        Self { mode: Mode::Tap, ..Self::tun() }
    }

    /// The same with this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The same with this MTU, in bytes.
    #[must_use]
    pub fn with_mtu(self, mtu: u32) -> Self {
        Self { mtu, ..self }
    }

    /// The same with offload asked for, or not.
    #[must_use]
    pub fn with_offload(self, offload: bool) -> Self {
        Self { offload, ..self }
    }

    /// The name, if the kernel can take it; empty where the kernel is to pick one.
    pub(crate) fn checked_name(&self) -> Result<&str, TunError> {
        let Some(name) = self.name.as_deref() else { return Ok("") };
        let taken = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':');
        if name.is_empty() || name.len() > NAME_MAX || !taken || name == "." || name == ".." {
            return Err(TunError::InvalidName { name: name.to_owned() });
        }
        Ok(name)
    }
}

impl Default for TunConfig {
    fn default() -> Self {
        Self::tun()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_can_not_take() {
        for name in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-letters-", "tün0", "a\0b"] {
            let refused = TunConfig::tun().with_name(name).checked_name().map(str::to_owned);
            assert!(matches!(refused, Err(TunError::InvalidName { .. })), "{name:?}");
        }
        for name in ["tun0", "fifteen-letters", "ustack%d"] {
            assert_eq!(TunConfig::tun().with_name(name).checked_name().unwrap(), name);
        }
        assert_eq!(TunConfig::tap().checked_name().unwrap(), "");
    }
}
