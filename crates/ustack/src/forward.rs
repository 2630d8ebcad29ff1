//! What forwarders of both transports, blocking and async, have in common: a request that is decided about once.

use crate::net::socket::{Socket, Sockets};
use crate::stack::Stack;
use stack_core::{EndpointId, Error, TransportCx};
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

/// A transport protocol with forwarders.
pub(crate) trait Forwards: Sockets {
    type Config;

    fn open(&mut self, config: Self::Config) -> Result<EndpointId, Error>;

    /// The oldest request that nobody has taken: its name, where to, and from whom.
    fn next(&mut self, forwarder: EndpointId) -> Result<(EndpointId, SocketAddr, SocketAddr), Error>;

    fn admit(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) -> Result<EndpointId, Error>;

    fn reject(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) -> Result<(), Error>;

    fn forget(&mut self, cx: &mut TransportCx<'_>, request: EndpointId);
}

#[cfg(feature = "tcp")]
impl Forwards for trans_tcp::Tcp {
    type Config = trans_tcp::ForwarderConfig;

    fn open(&mut self, config: Self::Config) -> Result<EndpointId, Error> {
        self.open_forwarder(config)
    }

    fn next(&mut self, forwarder: EndpointId) -> Result<(EndpointId, SocketAddr, SocketAddr), Error> {
        self.next_request(forwarder).map(|request| (request.id, request.local, request.remote))
    }

    fn admit(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) -> Result<EndpointId, Error> {
        self.accept_request(cx, request)
    }

    fn reject(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) -> Result<(), Error> {
        self.reject_request(cx, request)
    }

    fn forget(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) {
        self.forget_request(cx, request);
    }
}

#[cfg(feature = "udp")]
impl Forwards for trans_udp::Udp {
    type Config = trans_udp::ForwarderConfig;

    fn open(&mut self, config: Self::Config) -> Result<EndpointId, Error> {
        self.open_forwarder(config)
    }

    fn next(&mut self, forwarder: EndpointId) -> Result<(EndpointId, SocketAddr, SocketAddr), Error> {
        self.next_request(forwarder).map(|request| (request.id, request.local, request.remote))
    }

    fn admit(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) -> Result<EndpointId, Error> {
        self.accept_request(cx, request)
    }

    fn reject(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) -> Result<(), Error> {
        self.reject_request(cx, request)
    }

    fn forget(&mut self, cx: &mut TransportCx<'_>, request: EndpointId) {
        self.forget_request(cx, request);
    }
}

/// The socket of a new forwarder.
pub(crate) fn open<T: Forwards>(stack: &Stack, config: T::Config) -> Result<Socket<T>, Error> {
    let id =
        stack.with_transport::<T, _>(|protocol, _| protocol.open(config)).ok_or(Error::UnknownProtocol)??;
    Ok(Socket::adopt(stack.clone(), id))
}

/// A request that waits for a decision; dropped without one, it is forgotten.
pub(crate) struct Request<T: Forwards> {
    id: EndpointId,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    stack: Stack,
    decided: bool,
    protocol: PhantomData<fn() -> T>,
}

impl<T: Forwards> Request<T> {
    /// The next one of a forwarder, as an operation of its socket.
    pub(crate) fn next(
        stack: &Stack,
    ) -> impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<Self, Error> {
        move |protocol, _, forwarder| {
            let (id, local, remote) = protocol.next(forwarder)?;
            Ok(Self { id, local, remote, stack: stack.clone(), decided: false, protocol: PhantomData })
        }
    }

    /// The socket of the peer that asked.
    pub(crate) fn accept(mut self) -> Result<Socket<T>, Error> {
        let id = self.decide(|protocol, cx, request| protocol.admit(cx, request))?;
        self.decided = true;
        Ok(Socket::adopt(self.stack.clone(), id))
    }

    /// Has the peer told that nobody is there. A request that is gone needs no answer.
    pub(crate) fn reject(mut self) {
        self.decided = self.decide(|protocol, cx, request| protocol.reject(cx, request)).is_ok();
    }

    fn decide<R>(
        &self,
        decision: impl FnOnce(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let decided = self.stack.with_transport::<T, _>(|protocol, cx| decision(protocol, cx, self.id));
        decided.unwrap_or(Err(Error::UnknownProtocol))
    }
}

impl<T: Forwards> Drop for Request<T> {
    fn drop(&mut self) {
        if !self.decided {
            self.stack.with_transport::<T, _>(|protocol, cx| protocol.forget(cx, self.id));
        }
    }
}

impl<T: Forwards> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.remote, self.local)
    }
}

/// The methods that all requests have, over a field `request`.
macro_rules! request_methods {
    () => {
        /// Where the peer wants to get to: what it believes to be talking with.
        pub fn original_dst(&self) -> std::net::SocketAddr {
            self.request.local
        }

        /// Who asks.
        pub fn peer_addr(&self) -> std::net::SocketAddr {
            self.request.remote
        }
    };
}
pub(crate) use request_methods;

/// The methods that all forwarders have, over a field `socket`.
macro_rules! forwarder_methods {
    ($protocol:ty, $config:ty) => {
        /// Asks to be asked, from now on until the forwarder is dropped. What interfaces have to accept for it,
        /// [`Stack::set_promiscuous_mode`](crate::Stack::set_promiscuous_mode) says.
        ///
        /// # Errors
        /// The stack does not have the protocol, or has a forwarder for the same interfaces (`AddrInUse`).
        pub fn new(stack: &crate::Stack, config: $config) -> std::io::Result<Self> {
            let socket =
                crate::net::io_result("open a forwarder", crate::forward::open::<$protocol>(stack, config))?;
            Ok(Self { socket })
        }

        /// Changes any setting, by its name in the contract; what is accepted later begins with it.
        ///
        /// # Errors
        /// The protocol does not have it, or refuses the value.
        pub fn set_option(&self, option: stack_core::SocketOption) -> std::io::Result<()> {
            crate::net::io_result("change the setting", self.socket.set_option(option))
        }
    };
}
pub(crate) use forwarder_methods;
