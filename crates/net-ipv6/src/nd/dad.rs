//! Is an address free? Duplicate address detection: RFC 4862 §5.4, with the nonce of RFC 7527.
//!
//! ```text
//! Tentative → wait 0–1 s → solicitation from :: with a nonce → RetransTimer → free
//!                              ├─ somebody has it, or probes for it too ─→ duplicate
//!                              └─ our own nonce comes back ─→ three more solicitations, once (RFC 7527 §4.1)
//! ```
//!
//! What becomes of a duplicate is for whoever formed the address to say: another identifier is tried (`slaac/`), or the
//! address stays as a duplicate until somebody removes it. Optimistic addresses (RFC 4429) are left out.

use super::message::Message;
use super::random_below;
use crate::Endpoint;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use stack_core::{AddressState, DropReason, Effect, Instant, Medium, NetCx};
use stack_wire::icmpv6::kind;
use stack_wire::ndp::{option, solicited_node};

/// Longest delay before the first message of an interface: RFC 4861 §10, `MAX_RTR_SOLICITATION_DELAY`.
const MAX_DELAY: Duration = Duration::from_secs(1);
/// Solicitations after one that came back: RFC 7527 §4.1, RFC 4861 §10, `MAX_MULTICAST_SOLICIT`.
const AFTER_LOOP: u8 = 3;
/// Octets of a nonce: RFC 3971 §5.3.2 wants six at least.
const NONCE_LEN: usize = 6;

type Nonce = [u8; NONCE_LEN];

/// An address that is being probed.
#[derive(Clone, Copy, Debug)]
struct Probe {
    address: Ipv6Addr,
    /// Solicitations still to be sent.
    left: u8,
    deadline: Instant,
    /// Of the last solicitation.
    nonce: Option<Nonce>,
    looped: bool,
}

/// The addresses of one interface that are being probed; never more than it has addresses.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    list: Vec<Probe>,
}

impl Probes {
    pub(crate) fn next(&self) -> Option<Instant> {
        self.list.iter().map(|probe| probe.deadline).min()
    }

    pub(crate) fn remove(&mut self, address: Ipv6Addr) {
        self.list.retain(|probe| probe.address != address);
    }

    fn find(&mut self, address: Ipv6Addr) -> Option<&mut Probe> {
        self.list.iter_mut().find(|probe| probe.address == address)
    }
}

impl Endpoint {
    /// A tentative address wants to be used (R4862-5.4-a).
    pub(crate) fn probe(&mut self, cx: &mut NetCx<'_>, address: Ipv6Addr) {
        let asks = cx.nic.capabilities.medium == Medium::Ethernet && cx.nic.link_address.is_some();
        let left = self.config.nd.dad_transmits;
        if left == 0 || !asks {
            return self.address_is_free(cx, address);
        }
        // R4862-5.4.2-a
        let deadline = cx.now + random_below(cx, MAX_DELAY);
        self.nd.dad.remove(address);
        self.nd.dad.list.push(Probe { address, left, deadline, nonce: None, looped: false });
    }

    /// Sends what is due, and takes the addresses that nobody has claimed.
    pub(crate) fn continue_probing(&mut self, cx: &mut NetCx<'_>) {
        let (now, retrans_timer) = (cx.now, self.nd.retrans_timer);
        let mut free = Vec::new();
        for probe in self.nd.dad.list.iter_mut().filter(|probe| probe.deadline <= now) {
            if probe.left == 0 {
                free.push(probe.address);
                continue;
            }
            probe.left -= 1;
            probe.deadline = now + retrans_timer;
            probe.nonce = Some(ask(cx, probe.address));
        }
        for address in free {
            self.nd.dad.remove(address);
            self.address_is_free(cx, address);
        }
    }

    fn address_is_free(&mut self, cx: &mut NetCx<'_>, address: Ipv6Addr) {
        let state = self.slaac.state_of(address, cx.now);
        let nic = cx.nic.id;
        cx.emit(Effect::AddressState { nic, address: address.into(), state });
        self.address_is_ready(cx, address);
        self.told_from(cx, address);
    }

    /// Somebody solicits a tentative address: `src` says whether to find its owner, or to have it too. How the packet ends.
    pub(crate) fn tentative_solicited(
        &mut self,
        cx: &mut NetCx<'_>,
        address: Ipv6Addr,
        src: Ipv6Addr,
        nonce: Option<&[u8]>,
    ) -> DropReason {
        // R4862-5.4.3-a: who has a source only looks for an owner, and we are none yet.
        if !src.is_unspecified() {
            return DropReason::NotLocal;
        }
        let ours = self.nd.dad.find(address).filter(|probe| {
            nonce.is_some_and(|nonce| {
                probe.nonce.is_some_and(|ours| nonce.get(..NONCE_LEN) == Some(&ours[..]))
            })
        });
        match ours {
            // R7527-4.1-a
            Some(probe) if !probe.looped => {
                (probe.left, probe.looped) = (AFTER_LOOP, true);
                DropReason::NotLocal
            }
            Some(_) => DropReason::NotLocal,
            None => {
                self.duplicate(cx, address);
                DropReason::AddressConflict
            }
        }
    }

    /// Another station has the address, or wants it at the same time (R4862-5.4.4-a, R4862-5.4.5-a).
    pub(crate) fn duplicate(&mut self, cx: &mut NetCx<'_>, address: Ipv6Addr) {
        self.nd.dad.remove(address);
        let nic = cx.nic.id;
        if !self.replace_duplicate(cx, address) {
            cx.emit(Effect::AddressState { nic, address: address.into(), state: AddressState::Duplicate });
        }
    }
}

/// R4862-5.4.2-a, R7527-4.1-b
fn ask(cx: &mut NetCx<'_>, target: Ipv6Addr) -> Nonce {
    let [nonce @ .., _, _] = cx.host.random().to_be_bytes();
    let fixed = [&[0; 4][..], &target.octets()].concat();
    Message::new(kind::NEIGHBOR_SOLICIT, &fixed).option(option::NONCE, &nonce).send_to_group(
        cx,
        Ipv6Addr::UNSPECIFIED,
        solicited_node(target),
    );
    nonce
}

/// Whether the address is one of ours that is being probed.
pub(crate) fn is_tentative(cx: &NetCx<'_>, address: Ipv6Addr) -> bool {
    let address = IpAddr::V6(address);
    cx.nic.addresses.iter().any(|own| own.address() == address && own.state == AddressState::Tentative)
}
