//! What applications hand over to be sent.

use bytes::Bytes;

/// What can be sent: a slice, which is copied, or [`Bytes`], which are not. It is copied only once it is sure to be sent.
pub trait IntoPayload {
    /// Bytes of payload.
    fn len(&self) -> usize;
    /// Whether there is no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The payload.
    fn into_payload(self) -> Bytes;
}

impl IntoPayload for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }
    fn into_payload(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl<const N: usize> IntoPayload for &[u8; N] {
    fn len(&self) -> usize {
        N
    }
    fn into_payload(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl IntoPayload for Bytes {
    fn len(&self) -> usize {
        self.len()
    }
    fn into_payload(self) -> Bytes {
        self
    }
}
