//! The client on a stack: a socket on port 546 of one interface, and the address given to it.

use super::lease::Lease;
use super::machine::{ClientConfig, Machine};
use super::{CLIENT_PORT, Event, SERVER_PORT};
use crate::Error;
use crate::run::{Output, Role, Runner};
use ipnet::IpNet;
use stack_core::Instant;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use ustack::tokio::UdpSocket;
use ustack::{AddressState, NicId, SocketOption, Stack, SystemRng};

/// All servers and relay agents on the link (RFC 8415 §7.1).
const EVERYONE: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

impl Role for Machine {
    type Lease = Lease;
    type To = ();
    const SERVER_PORT: u16 = SERVER_PORT;

    fn deadline(&self) -> Instant {
        self.deadline()
    }

    fn poll(&mut self, now: Instant) -> Option<Output<Lease, ()>> {
        self.poll(now)
    }

    fn receive(&mut self, now: Instant, bytes: &[u8]) -> Option<Output<Lease, ()>> {
        self.receive(now, bytes)
    }

    fn decline(&mut self, now: Instant) -> Option<Output<Lease, ()>> {
        self.decline(now)
    }

    fn release(&mut self, now: Instant) -> Option<Output<Lease, ()>> {
        self.release(now)
    }

    fn destination((): (), nic: NicId) -> SocketAddr {
        SocketAddrV6::new(EVERYONE, SERVER_PORT, 0, nic.0).into()
    }

    fn address(lease: &Lease) -> Option<IpAddr> {
        lease.address.map(IpAddr::V6)
    }

    /// DHCP grants an address and no prefix: what is on the link, routers say (RFC 8415 §18.2.10.1). Whether another station
    /// has it is asked first, always.
    fn configure(
        stack: &Stack,
        nic: NicId,
        lease: &Lease,
        before: Option<&Lease>,
        state: AddressState,
    ) -> Result<(), Error> {
        if before.is_some_and(|before| before.address == lease.address) {
            return Ok(());
        }
        before.into_iter().for_each(|before| Self::withdraw(stack, nic, before));
        let Some(address) = Self::address(lease) else { return Ok(()) };
        let given = stack.with_host(|host, now| host.add_address_in(now, nic, IpNet::from(address), state));
        given.map_err(|error| Error::Refused { address, error })
    }

    fn withdraw(stack: &Stack, nic: NicId, lease: &Lease) {
        let Some(address) = Self::address(lease) else { return };
        if let Err(error) = stack.remove_address(nic, address) {
            tracing::debug!(%address, %error, "a leased address was gone already");
        }
    }
}

/// A client for one interface, which needs a link-local address before. Call [`next`](Self::next) again and again: nothing
/// happens in between. Dropped, it leaves the address in place until its lease ends on the server;
/// [`release`](Self::release) gives it back.
pub struct Client {
    runner: Runner<Machine>,
}

impl Client {
    /// A client for an interface, with identifiers of its link address unless the settings say otherwise.
    ///
    /// # Errors
    /// There is no such interface, its port 546 is taken, or there are no random numbers.
    pub fn new(stack: &Stack, nic: NicId, mut config: ClientConfig) -> Result<Self, Error> {
        let nics = stack.nics();
        let info = nics.iter().find(|info| info.id == nic).ok_or(Error::NoNic(nic))?;
        config.link_address = config.link_address.or(info.link_address);
        let options = [SocketOption::BindToNic(Some(nic))];
        // Without a scope the address takes IPv4 as well, which nobody sends here.
        let socket = UdpSocket::bind_with(stack, (Ipv6Addr::UNSPECIFIED, CLIENT_PORT), &options)?;
        let machine = Machine::new(stack.now(), config, Box::new(SystemRng::new()?));
        Ok(Self { runner: Runner::new(stack, nic, socket, machine, AddressState::Tentative) })
    }

    /// What the interface has now, be its address in use or still asked about.
    pub fn lease(&self) -> Option<&Lease> {
        self.runner.applied.as_ref()
    }

    /// Runs the client until something has become of the interface. It needs a runtime with timers. Dropping the future
    /// loses nothing.
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
