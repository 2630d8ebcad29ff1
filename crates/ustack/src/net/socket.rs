//! What all sockets have in common: a handle of an endpoint, and ways to wait for it.
//!
//! An operation is a function that answers at once, or [`Error::WouldBlock`]. Around it stand three ways to call it:
//! [`Socket::block`] parks the thread, [`Socket::poll`] leaves a task's waker, [`Socket::call`] does neither. The waker
//! is registered under the same lock under which the operation failed, so no wake is lost.

use super::wait::{Manner, ThisThread, Waiters};
use crate::driver::caller;
use crate::lock::lock;
use crate::stack::Stack;
use stack_core::{
    EndpointId, Endpoints, Error, Families, Interest, OptionName, SocketOption, TransportCx,
    TransportProtocol,
};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
#[cfg(feature = "tokio")]
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a packet's TTL is if nobody says (RFC 1700).
const DEFAULT_TTL: u32 = 64;

/// A transport protocol with sockets.
pub(crate) trait Sockets: TransportProtocol + Endpoints {
    /// Its type's name, for messages.
    const NAME: &'static str;
}

/// A handle of an endpoint; closes it when dropped.
pub(crate) struct Socket<T: Sockets> {
    pub(crate) stack: Stack,
    pub(crate) id: EndpointId,
    waiters: [Waiters; 2],
    /// Only of sockets that somebody has set something on.
    settings: Mutex<Option<Box<Settings>>>,
    nonblocking: AtomicBool,
    protocol: PhantomData<fn() -> T>,
}

/// What std keeps in the kernel's socket and we in the handle.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) broadcast: bool,
}

impl<T: Sockets> Socket<T> {
    /// A new, unbound socket.
    pub(crate) fn create(stack: &Stack, families: Families) -> Result<Self, Error> {
        let id = stack
            .with_transport::<T, _>(|protocol, cx| protocol.create(cx, families))
            .ok_or(Error::UnknownProtocol)??;
        Ok(Self::adopt(stack.clone(), id))
    }

    /// The handle of an endpoint that exists and has none.
    pub(crate) fn adopt(stack: Stack, id: EndpointId) -> Self {
        Self {
            stack,
            id,
            waiters: Default::default(),
            settings: Mutex::default(),
            nonblocking: AtomicBool::new(false),
            protocol: PhantomData,
        }
    }

    /// Runs an operation.
    pub(crate) fn call<R>(
        &self,
        operation: impl FnOnce(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let result = self.stack.with_transport::<T, _>(|protocol, cx| operation(protocol, cx, self.id));
        result.unwrap_or(Err(Error::UnknownProtocol))
    }

    /// Runs an operation; if it would block, the waker is told when to try again.
    fn attempt<R>(
        &self,
        interest: Interest,
        waker: &Waker,
        manner: Manner,
        operation: &mut impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut displaced = None;
        let result = self.call(|protocol, cx, id| {
            let result = operation(protocol, cx, id);
            if matches!(result, Err(Error::WouldBlock)) {
                let (joined, left) = self.waiters(interest).join(waker, manner);
                protocol.register(id, interest, &joined);
                displaced = left;
            }
            result
        });
        // A task may go with its last waker, and use this stack while it goes: not while the host is locked.
        drop(displaced);
        result
    }

    /// Runs an operation until it does not block, parking this thread in between; with a socket that is set not to
    /// block, once.
    ///
    /// # Errors
    /// Those of the operation; [`Error::WouldBlock`] also when the time is over.
    pub(crate) fn block<R>(
        &self,
        interest: Interest,
        timeout: Option<Duration>,
        operation: impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let wait = |here: &_, deadline| caller::wait(self.stack.shared(), here, deadline, None);
        self.block_with(interest, timeout, operation, wait)
    }

    /// The same with a way to wait, which tells whether there is a reason to try again.
    pub(crate) fn block_with<R>(
        &self,
        interest: Interest,
        timeout: Option<Duration>,
        mut operation: impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
        mut wait: impl FnMut(&ThisThread, Option<Instant>) -> bool,
    ) -> Result<R, Error> {
        let first = self.call(&mut operation);
        if !matches!(first, Err(Error::WouldBlock)) || self.is_nonblocking() {
            return first;
        }
        let here = ThisThread::new();
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let result = self.attempt(interest, &here.waker, Manner::Shared, &mut operation);
            if !matches!(result, Err(Error::WouldBlock)) {
                self.waiters(interest).leave(&here.waker);
                return result;
            }
            if !wait(&here, deadline) {
                self.waiters(interest).leave(&here.waker);
                return Err(Error::WouldBlock);
            }
        }
    }

    /// Runs an operation for a task, in the place of a task that polled before.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll<R>(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
    ) -> Poll<Result<R, Error>> {
        match self.attempt(interest, cx.waker(), Manner::Exclusive, &mut operation) {
            Err(Error::WouldBlock) => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    /// Runs an operation in an async function. Dropping the future in between loses nothing: an operation is done
    /// whole or not at all.
    #[cfg(feature = "tokio")]
    pub(crate) async fn wait<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&mut T, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
    ) -> Result<R, Error> {
        std::future::poll_fn(|cx| match self.attempt(interest, cx.waker(), Manner::Shared, &mut operation) {
            Err(Error::WouldBlock) => Poll::Pending,
            result => {
                self.waiters(interest).leave(cx.waker());
                Poll::Ready(result)
            }
        })
        .await
    }

    fn waiters(&self, interest: Interest) -> &Waiters {
        match interest {
            Interest::Readable => &self.waiters[0],
            Interest::Writable => &self.waiters[1],
        }
    }

    pub(crate) fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.call(|protocol, _, id| protocol.local_address(id))
    }

    pub(crate) fn peer_addr(&self) -> Result<SocketAddr, Error> {
        self.call(|protocol, _, id| protocol.remote_address(id))
    }

    pub(crate) fn set_option(&self, option: SocketOption) -> Result<(), Error> {
        self.call(|protocol, cx, id| protocol.set_option(cx, id, option))
    }

    pub(crate) fn option(&self, name: OptionName) -> Result<SocketOption, Error> {
        self.call(|protocol, _, id| protocol.option(id, name))
    }

    pub(crate) fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let hop_limit = u8::try_from(ttl).map_err(|_| Error::InvalidArgument);
        let set = hop_limit.and_then(|hop_limit| self.set_option(SocketOption::HopLimit(hop_limit)));
        super::io_result("set the TTL", set)
    }

    /// 0 is the network layer's default.
    pub(crate) fn ttl(&self) -> u32 {
        match self.option(OptionName::HopLimit) {
            Ok(SocketOption::HopLimit(limit @ 1..)) => u32::from(limit),
            _ => DEFAULT_TTL,
        }
    }

    pub(crate) fn take_error(&self) -> Result<Option<Error>, Error> {
        self.call(|protocol, _, id| Ok(protocol.take_error(id)))
    }

    pub(crate) fn settings(&self) -> Settings {
        lock(&self.settings).as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(lock(&self.settings).get_or_insert_default());
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    pub(crate) fn set_nonblocking(&self, on: bool) {
        self.nonblocking.store(on, Ordering::Relaxed);
    }
}

impl<T: Sockets> Drop for Socket<T> {
    fn drop(&mut self) {
        let id = self.id;
        self.stack.with_transport::<T, _>(|protocol, cx| protocol.close(cx, id));
    }
}

/// The families of a socket with this address: an unspecified IPv6 address takes IPv4 peers as well, as on Linux, and so
/// does an IPv4 address in the form of IPv6.
pub(crate) fn families_of(address: SocketAddr) -> Families {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unspecified() || v6.ip().to_ipv4_mapped().is_some() => {
            Families::Dual
        }
        _ => Families::of(address.ip()),
    }
}
