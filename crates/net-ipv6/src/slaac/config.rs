//! What can be chosen about addresses that interfaces form themselves.

use core::time::Duration;

/// What comes behind the prefix of a stable address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Identifiers {
    /// Numbers that stay the same on a link and tell nothing elsewhere (RFC 7217, recommended by RFC 8064 §3).
    #[default]
    Opaque,
    /// The hardware address (RFC 4291 appendix A); opaque where there is none.
    Eui64,
}

/// Addresses that interfaces form themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlaacConfig {
    /// Form a link-local address when an interface comes up; off.
    pub link_local: bool,
    /// Form an address with each prefix that a router advertises for that; off. Needs
    /// [`router_discovery`](crate::NdConfig::router_discovery).
    pub addresses: bool,
    /// How stable addresses are made.
    pub identifiers: Identifiers,
    /// The secret of opaque identifiers (RFC 7217 §5): to have the same addresses after a restart, give the same secret.
    /// None: one is drawn when an interface first needs it.
    pub secret: Option<[u8; 16]>,
    /// Form temporary addresses beside the stable ones and prefer them for connections of our own (RFC 8981); off.
    pub temporary: bool,
    /// How long a temporary address is valid at most; 2 days (RFC 8981 §3.8, `TEMP_VALID_LIFETIME`).
    pub temporary_valid: Duration,
    /// How long it is preferred at most; 1 day (`TEMP_PREFERRED_LIFETIME`), less a random part of up to 0.4 of it.
    pub temporary_preferred: Duration,
}

impl Default for SlaacConfig {
    fn default() -> Self {
        Self {
            link_local: false,
            addresses: false,
            identifiers: Identifiers::Opaque,
            secret: None,
            temporary: false,
            temporary_valid: Duration::from_secs(2 * 24 * 3600),
            temporary_preferred: Duration::from_secs(24 * 3600),
        }
    }
}
