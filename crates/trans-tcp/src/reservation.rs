//! A claim on a local port: how it was asked for, in one byte, so that whatever holds it last can give it back.

use crate::tuple::Tuple;
use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU8;
use stack_core::{Families, NicId, PortRequest, TransportCx};

const HELD: u8 = 1;
const V6: u8 = 1 << 1;
const DUAL: u8 = 1 << 2;
const ANY_LOCAL: u8 = 1 << 3;
const TOWARDS_PEER: u8 = 1 << 4;
const SHARED: u8 = 1 << 5;
const ON_NIC: u8 = 1 << 6;

/// The shape of a granted [`PortRequest`]; addresses and port are those of its holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reservation(NonZeroU8);

impl Reservation {
    /// What is needed to give back what `request` was granted.
    pub(crate) fn of(request: &PortRequest) -> Self {
        let mut bits = HELD;
        bits |= match request.families {
            Families::V4 => 0,
            Families::V6 => V6,
            Families::Dual => DUAL,
        };
        for (set, bit) in [
            (request.local.is_none(), ANY_LOCAL),
            (request.remote.is_some(), TOWARDS_PEER),
            (request.shared, SHARED),
            (request.nic.is_some(), ON_NIC),
        ] {
            bits |= if set { bit } else { 0 };
        }
        Self(NonZeroU8::new(bits).unwrap_or(NonZeroU8::MIN))
    }

    /// Gives it back.
    pub(crate) fn release(
        self,
        cx: &mut TransportCx<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        nic: Option<NicId>,
    ) {
        cx.release_port(&self.request(local, remote, nic));
    }

    /// Gives back what a connection holds.
    pub(crate) fn release_tuple(self, cx: &mut TransportCx<'_>, tuple: &Tuple, nic: Option<NicId>) {
        self.release(cx, tuple.local_address(), tuple.remote_address(), nic);
    }

    fn request(self, local: SocketAddr, remote: SocketAddr, nic: Option<NicId>) -> PortRequest {
        let is = |bit| self.0.get() & bit != 0;
        let address: IpAddr = local.ip();
        PortRequest {
            families: if is(DUAL) {
                Families::Dual
            } else if is(V6) {
                Families::V6
            } else {
                Families::V4
            },
            local: (!is(ANY_LOCAL)).then_some(address),
            port: local.port(),
            remote: is(TOWARDS_PEER).then_some(remote),
            nic: nic.filter(|_| is(ON_NIC)),
            shared: is(SHARED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_what_was_asked_for() {
        let (local, remote) = ("10.0.0.1:5".parse().unwrap(), "10.0.0.2:6".parse().unwrap());
        for families in [Families::V4, Families::V6, Families::Dual] {
            for bits in 0..16u8 {
                let request = PortRequest {
                    families,
                    local: (bits & 1 == 0).then_some(SocketAddr::ip(&local)),
                    port: 5,
                    remote: (bits & 2 == 0).then_some(remote),
                    nic: (bits & 8 == 0).then_some(NicId(3)),
                    shared: bits & 4 == 0,
                };
                assert_eq!(Reservation::of(&request).request(local, remote, Some(NicId(3))), request);
            }
        }
    }
}
