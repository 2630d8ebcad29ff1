//! What can stand for an address and a port in `bind` and `connect`.

use crate::error::AddressError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address and a port, in one of the usual forms. Names are not resolved: the operating system's resolver would ask
/// another network, and the stack's is a crate above this one, `svc-dns`.
pub trait ToSocketAddr: sealed::Sealed {
    /// The address and port.
    ///
    /// # Errors
    /// It is a text and can't be read.
    fn to_socket_addr(&self) -> Result<SocketAddr, AddressError>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! into_socket_addr {
    ($($form:ty),+) => {
        $(
            impl sealed::Sealed for $form {}
            impl ToSocketAddr for $form {
                fn to_socket_addr(&self) -> Result<SocketAddr, AddressError> {
                    Ok(SocketAddr::from(*self))
                }
            }
        )+
    };
}

into_socket_addr!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl sealed::Sealed for str {}
impl ToSocketAddr for str {
    fn to_socket_addr(&self) -> Result<SocketAddr, AddressError> {
        self.parse().map_err(|_| AddressError(self.to_owned()))
    }
}

impl sealed::Sealed for String {}
impl ToSocketAddr for String {
    fn to_socket_addr(&self) -> Result<SocketAddr, AddressError> {
        self.as_str().to_socket_addr()
    }
}

impl sealed::Sealed for (&str, u16) {}
impl ToSocketAddr for (&str, u16) {
    fn to_socket_addr(&self) -> Result<SocketAddr, AddressError> {
        let (address, port) = self;
        let address: IpAddr = address.parse().map_err(|_| AddressError(format!("{address}:{port}")))?;
        Ok(SocketAddr::new(address, *port))
    }
}

impl<T: ToSocketAddr + ?Sized> sealed::Sealed for &T {}
impl<T: ToSocketAddr + ?Sized> ToSocketAddr for &T {
    fn to_socket_addr(&self) -> Result<SocketAddr, AddressError> {
        (**self).to_socket_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_taken() {
        let expected: SocketAddr = "10.77.0.2:80".parse().unwrap();
        assert_eq!(expected.to_socket_addr(), Ok(expected));
        assert_eq!("10.77.0.2:80".to_socket_addr(), Ok(expected));
        assert_eq!(("10.77.0.2", 80).to_socket_addr(), Ok(expected));
        assert_eq!(String::from("10.77.0.2:80").to_socket_addr(), Ok(expected));
        assert_eq!((Ipv4Addr::new(10, 77, 0, 2), 80).to_socket_addr(), Ok(expected));
        assert_eq!("[::1]:7".to_socket_addr().unwrap().port(), 7);
    }

    #[test]
    fn a_name_is_refused_with_the_reason() {
        let error = "localhost:80".to_socket_addr().unwrap_err();
        assert!(error.to_string().contains("resolve names before"), "{error}");
    }
}
