//! Which offloads the kernel grants. It refuses an unknown flag as a whole, so less is tried step by step, from what the
//! newest kernels have (UDP segmentation, Linux 6.2) down to the bare header, and without a header last.

use rustix::io::Errno;
use std::fmt;

/// `TUN_F_CSUM`: we take packets whose checksum is not complete.
const CSUM: u32 = 0x01;
/// `TUN_F_TSO4`: we take TCP super-packets over IPv4.
const TSO4: u32 = 0x02;
/// `TUN_F_TSO6`: the same over IPv6.
const TSO6: u32 = 0x04;
/// `TUN_F_TSO_ECN`: also those with CWR set.
const TSO_ECN: u32 = 0x08;
/// `TUN_F_USO4`: we take UDP super-packets over IPv4.
const USO4: u32 = 0x20;
/// `TUN_F_USO6`: the same over IPv6.
const USO6: u32 = 0x40;

/// How much work the kernel does for us, and we for it; each step includes those below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Offload {
    /// None: one packet of at most the MTU a call, with its checksum complete.
    None,
    /// The virtio-net header says whether a checksum was verified; packets are ordinary.
    Header,
    /// Checksums are left to whoever puts the packet on a wire.
    Checksum,
    /// TCP super-packets.
    Tso,
    /// TCP super-packets with CWR among them (RFC 3168).
    TsoEcn,
    /// TCP and UDP super-packets.
    Uso,
}

impl Offload {
    /// What is tried, most first.
    const LADDER: [Self; 5] = [Self::Uso, Self::TsoEcn, Self::Tso, Self::Checksum, Self::Header];

    /// The argument of `TUNSETOFFLOAD`.
    const fn flags(self) -> u32 {
        match self {
            Self::None | Self::Header => 0,
            Self::Checksum => CSUM,
            Self::Tso => CSUM | TSO4 | TSO6,
            Self::TsoEcn => CSUM | TSO4 | TSO6 | TSO_ECN,
            Self::Uso => CSUM | TSO4 | TSO6 | TSO_ECN | USO4 | USO6,
        }
    }

    /// The first step at or below `most` that `set` takes; [`Offload::None`] if it takes none.
    pub(crate) fn negotiate(most: Self, mut set: impl FnMut(u32) -> Result<(), Errno>) -> Self {
        let steps = Self::LADDER.into_iter().filter(|step| *step <= most);
        steps.into_iter().find(|step| set(step.flags()).is_ok()).unwrap_or(Self::None)
    }

    /// Whether there is a virtio-net header.
    pub fn has_header(self) -> bool {
        self >= Self::Header
    }

    /// Whether checksums may be left incomplete.
    pub fn checksum(self) -> bool {
        self >= Self::Checksum
    }

    /// Whether TCP super-packets pass.
    pub fn tso(self) -> bool {
        self >= Self::Tso
    }

    /// Whether UDP super-packets pass.
    pub fn uso(self) -> bool {
        self >= Self::Uso
    }
}

impl fmt::Display for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no offload",
            Self::Header => "no offload behind a virtio-net header",
            Self::Checksum => "checksum offload",
            Self::Tso => "checksum offload and TSO",
            Self::TsoEcn => "checksum offload and TSO with ECN",
            Self::Uso => "checksum offload, TSO with ECN and USO",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that knows these flags and refuses all others, as Linux does.
    fn kernel(known: u32) -> impl FnMut(u32) -> Result<(), Errno> {
        move |asked| if asked & !known == 0 { Ok(()) } else { Err(Errno::INVAL) }
    }

    #[test]
    fn the_ladder_ends_where_the_kernel_agrees() {
        let cases = [
            (0x7f, Offload::Uso),
            (0x1f, Offload::TsoEcn),
            (CSUM | TSO4 | TSO6, Offload::Tso),
            (CSUM | TSO4, Offload::Checksum),
            (0, Offload::Header),
        ];
        for (known, expected) in cases {
            assert_eq!(Offload::negotiate(Offload::Uso, kernel(known)), expected, "{known:#x}");
        }
        assert_eq!(Offload::negotiate(Offload::Uso, |_| Err(Errno::NOTTY)), Offload::None);
    }

    #[test]
    fn no_more_is_asked_than_wanted() {
        let mut asked = Vec::new();
        let got = Offload::negotiate(Offload::Header, |flags| {
            asked.push(flags);
            Ok(())
        });
        assert_eq!((got, asked), (Offload::Header, vec![0]));
    }
}
