//! Fast Open cookies: RFC 7413 §4.1.1.

/// A Fast Open cookie: empty (a request for one) or 4 to 16 octets, an even number (RFC 7413 §4.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FastOpenCookie {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl FastOpenCookie {
    /// Octets of the longest cookie.
    pub const MAX: usize = 16;
    /// The request for a cookie.
    pub const REQUEST: Self = Self { bytes: [0; Self::MAX], len: 0 };

    /// A cookie of these octets; `None` when a cookie cannot have this length.
    pub fn new(cookie: &[u8]) -> Option<Self> {
        if !matches!(cookie.len(), 0 | 4 | 6 | 8 | 10 | 12 | 14 | 16) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..cookie.len())?.copy_from_slice(cookie);
        Some(Self { bytes, len: cookie.len() as u8 })
    }

    /// The octets of the cookie.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Whether this is the request for a cookie.
    pub const fn is_request(&self) -> bool {
        self.len == 0
    }
}
