//! Addresses that an interface forms itself: RFC 4862, with stable opaque identifiers (RFC 7217) and, as an option,
//! temporary addresses (RFC 8981).
//!
//! | question | file |
//! | --- | --- |
//! | what comes behind the prefix? | `identifier.rs` |
//! | what does an advertised prefix do? | `prefix.rs` |
//! | how do addresses grow old, and what follows them? | `lifetime.rs` |
//! | what can be chosen? | `config.rs` |
//!
//! Each address is probed before it is used (`nd/dad.rs`); for a duplicate another identifier is tried a few times. The
//! addresses have prefixes of 128 bits at the host: whether their prefix is on the link is another question, which
//! `nd/advert.rs` answers (RFC 5942 §4).

mod config;
mod identifier;
mod lifetime;
mod prefix;

pub use config::{Identifiers, SlaacConfig};

use crate::Endpoint;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use identifier::Secret;
use stack_core::{AddressState, Effect, Instant, InterfaceAddress, Ipv6Net, NetCx};

/// Addresses that an interface forms at most; Linux's `max_addresses`.
const MAX_ADDRESSES: usize = 16;
/// Identifiers tried after the first: RFC 7217 §6 (`IDGEN_RETRIES`), RFC 8981 §3.8 (`TEMP_IDGEN_RETRIES`).
const IDGEN_RETRIES: u8 = 3;
/// Prefixes of link-local addresses and of those that are formed: their identifiers have 64 bits.
const PREFIX_LEN: u8 = 64;
const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), PREFIX_LEN);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    LinkLocal,
    Stable,
    Temporary,
}

/// An address that was formed.
#[derive(Clone, Copy, Debug)]
struct Formed {
    address: Ipv6Addr,
    prefix: Ipv6Net,
    kind: Kind,
    /// `None` for ever.
    preferred_until: Option<Instant>,
    /// `None` for ever.
    valid_until: Option<Instant>,
    /// What the host was told of its age.
    deprecated: bool,
    /// Identifiers tried before this one (RFC 7217 §5, DAD_Counter).
    tries: u8,
    /// A temporary address.
    temporary: Option<Temporary>,
}

/// What a temporary address has besides.
#[derive(Clone, Copy, Debug)]
struct Temporary {
    /// Preferred and valid no longer than until then, whatever routers say.
    limits: (Instant, Instant),
    /// Another one has followed it.
    succeeded: bool,
}

impl Formed {
    fn is_preferred(&self, now: Instant) -> bool {
        self.preferred_until.is_none_or(|until| until > now)
    }
}

/// The addresses of one interface.
#[derive(Debug, Default)]
pub(crate) struct Slaac {
    formed: Vec<Formed>,
    secret: Option<Secret>,
    /// Another station has our hardware address (RFC 4862 §5.4.5).
    disabled: bool,
}

impl Slaac {
    /// Whether nothing of the family may be sent or received.
    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// The state of an address that nobody else has.
    pub(crate) fn state_of(&self, address: Ipv6Addr, now: Instant) -> AddressState {
        match self.formed.iter().find(|formed| formed.address == address) {
            Some(formed) if !formed.is_preferred(now) => AddressState::Deprecated,
            _ => AddressState::Preferred,
        }
    }

    /// The interface has the address no longer.
    pub(crate) fn forget(&mut self, address: Ipv6Addr) {
        self.formed.retain(|formed| formed.address != address);
    }
}

impl Endpoint {
    /// The interface came up: it gets a link-local address, if it has none (R4862-5.3-a).
    pub(crate) fn form_link_local(&mut self, cx: &mut NetCx<'_>) {
        let has_one = cx
            .nic
            .addresses
            .iter()
            .any(|own| matches!(own.address(), IpAddr::V6(address) if address.is_unicast_link_local()));
        if self.config.slaac.link_local && !has_one && !self.slaac.disabled {
            // There is room: it is the first.
            let _ = self.form(cx, Kind::LinkLocal, LINK_LOCAL, None, None);
        }
    }

    /// The interface goes down: what it formed is formed anew when it comes up.
    pub(crate) fn remove_formed_addresses(&mut self, cx: &mut NetCx<'_>) {
        let nic = cx.nic.id;
        for formed in core::mem::take(&mut self.slaac.formed) {
            cx.emit(Effect::RemoveAddress { nic, address: formed.address.into() });
        }
        self.slaac.disabled = false;
    }

    /// A duplicate was found: whether another address takes its place.
    pub(crate) fn replace_duplicate(&mut self, cx: &mut NetCx<'_>, address: Ipv6Addr) -> bool {
        let Some(old) = self.slaac.formed.iter().find(|formed| formed.address == address).copied() else {
            return false;
        };
        self.slaac.forget(address);
        if old.kind != Kind::Temporary && self.uses_hardware_address(cx) {
            // R4862-5.4.5-a: somebody has our hardware address, and nothing else would be unique either.
            self.slaac.disabled = old.kind == Kind::LinkLocal;
            return false;
        }
        if old.tries >= IDGEN_RETRIES {
            return false; // R7217-6-a
        }
        let nic = cx.nic.id;
        cx.emit(Effect::RemoveAddress { nic, address: address.into() });
        let tries = old.tries + 1;
        let address = self.identify(cx, old.kind, old.prefix, tries);
        self.add(cx, Formed { address, tries, ..old });
        true
    }

    /// Lists an address, and gives it to the host for probing.
    fn add(&mut self, cx: &mut NetCx<'_>, formed: Formed) {
        let len = if formed.kind == Kind::LinkLocal { PREFIX_LEN } else { 128 };
        let nic = cx.nic.id;
        let net = Ipv6Net::new_assert(formed.address, len).into();
        let temporary = formed.kind == Kind::Temporary;
        let address = InterfaceAddress { temporary, ..InterfaceAddress::new(net, AddressState::Tentative) };
        self.slaac.formed.push(formed);
        cx.emit(Effect::AddAddress { nic, address });
    }
}
