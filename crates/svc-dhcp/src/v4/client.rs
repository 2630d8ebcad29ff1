//! The client on a stack: a socket on port 68 of one interface.

use super::apply::{configure, withdraw};
use super::lease::Lease;
use super::machine::{ClientConfig, Machine, To};
use super::{CLIENT_PORT, Event, SERVER_PORT};
use crate::Error;
use crate::run::{Output, Role, Runner};
use stack_core::Instant;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use ustack::tokio::UdpSocket;
use ustack::{AddressState, NicId, SocketOption, Stack, SystemRng};

impl Role for Machine {
    type Lease = Lease;
    type To = To;
    const SERVER_PORT: u16 = SERVER_PORT;

    fn deadline(&self) -> Instant {
        self.deadline()
    }

    fn poll(&mut self, now: Instant) -> Option<Output<Lease, To>> {
        self.poll(now)
    }

    fn receive(&mut self, now: Instant, bytes: &[u8]) -> Option<Output<Lease, To>> {
        self.receive(now, bytes)
    }

    fn decline(&mut self, now: Instant) -> Option<Output<Lease, To>> {
        self.decline(now)
    }

    fn release(&mut self, now: Instant) -> Option<Output<Lease, To>> {
        self.release(now)
    }

    fn destination(to: To, _: NicId) -> SocketAddr {
        let address = match to {
            To::Everyone => Ipv4Addr::BROADCAST,
            To::Server(server) => server,
        };
        SocketAddr::from((address, SERVER_PORT))
    }

    fn address(lease: &Lease) -> Option<IpAddr> {
        Some(IpAddr::V4(lease.address.addr()))
    }

    fn configure(
        stack: &Stack,
        nic: NicId,
        lease: &Lease,
        before: Option<&Lease>,
        state: AddressState,
    ) -> Result<(), Error> {
        configure(stack, nic, lease, before, state)
    }

    fn withdraw(stack: &Stack, nic: NicId, lease: &Lease) {
        withdraw(stack, nic, lease);
    }
}

/// A client for one interface. Call [`next`](Self::next) again and again: nothing happens in between. Dropped, it leaves the
/// address in place until its lease ends on the server; [`release`](Self::release) gives it back.
pub struct Client {
    runner: Runner<Machine>,
}

impl Client {
    /// A client for an interface, with its link address unless the settings say otherwise.
    ///
    /// # Errors
    /// There is no such interface, its port 68 is taken, or there are no random numbers.
    pub fn new(stack: &Stack, nic: NicId, mut config: ClientConfig) -> Result<Self, Error> {
        let nics = stack.nics();
        let info = nics.iter().find(|info| info.id == nic).ok_or(Error::NoNic(nic))?;
        config.link_address = config.link_address.or(info.link_address);
        let socket = bind(stack, nic, CLIENT_PORT)?;
        let first_state = if config.probe { AddressState::Tentative } else { AddressState::Preferred };
        let machine = Machine::new(stack.now(), config, Box::new(SystemRng::new()?));
        Ok(Self { runner: Runner::new(stack, nic, socket, machine, first_state) })
    }

    /// The lease that the interface has now, be its address in use or still asked about.
    pub fn lease(&self) -> Option<&Lease> {
        self.runner.applied.as_ref()
    }

    /// Runs the client until something has become of the address. It needs a runtime with timers. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// The stack refuses what was granted, or is gone.
    pub async fn next(&mut self) -> Result<Event, Error> {
        self.runner.next().await
    }

    /// Gives the address back, and ends.
    ///
    /// # Errors
    /// The stack is gone.
    pub async fn release(self) -> Result<(), Error> {
        self.runner.release().await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("machine", &self.runner.machine).finish_non_exhaustive()
    }
}

/// A socket on a port of one interface, whatever addresses it has.
pub(super) fn bind(stack: &Stack, nic: NicId, port: u16) -> Result<UdpSocket, Error> {
    let options = [SocketOption::BindToNic(Some(nic)), SocketOption::Broadcast(true)];
    Ok(UdpSocket::bind_with(stack, (Ipv4Addr::UNSPECIFIED, port), &options)?)
}
