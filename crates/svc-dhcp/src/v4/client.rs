//! The client on a stack: one socket on port 68, and what it is granted given to the interface.

use super::apply::{configure, withdraw};
use super::lease::Lease;
use super::machine::{ClientConfig, Machine, Output, To};
use super::{CLIENT_PORT, SERVER_PORT};
use crate::Error;
use stack_core::Instant;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::time::sleep;
use ustack::tokio::UdpSocket;
use ustack::{AddressState, NicId, SocketOption, Stack, SystemRng};

/// Longest message that we read, in bytes: what we say that we take, with room.
const BUFFER: usize = 2048;
/// How often an address is looked at while the stack probes whether another station has it (RFC 5227 §2.1: up to 9 s).
const LOOK: Duration = Duration::from_millis(500);

/// What has become of the interface's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The interface has the address, or keeps it for longer.
    Configured(Lease),
    /// It has lost it.
    Lost(Lease),
}

/// A client for one interface. Call [`next`](Self::next) again and again: nothing happens in between. Dropped, it leaves the
/// address in place until its lease ends on the server; [`release`](Self::release) gives it back.
pub struct Client {
    stack: Stack,
    nic: NicId,
    socket: UdpSocket,
    machine: Machine,
    /// What the interface has of us.
    applied: Option<Lease>,
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
        let machine = Machine::new(stack.now(), config, Box::new(SystemRng::new()?));
        Ok(Self { stack: stack.clone(), nic, socket, machine, applied: None })
    }

    /// The lease that the interface has now.
    pub fn lease(&self) -> Option<&Lease> {
        self.applied.as_ref()
    }

    /// Runs the client until something has become of the address. It needs a runtime with timers. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// The stack refuses what was granted, or is gone.
    pub async fn next(&mut self) -> Result<Event, Error> {
        let mut buffer = [0; BUFFER];
        loop {
            let now = self.stack.now();
            if self.is_contested() {
                let declined = self.machine.decline(now);
                if let Some(event) = self.carry_out(declined)? {
                    return Ok(event);
                }
                let Some(lost) = self.applied.take() else { continue };
                withdraw(&self.stack, self.nic, &lost);
                return Ok(Event::Lost(lost));
            }
            let output = self.machine.poll(now);
            if output.is_some() {
                if let Some(event) = self.carry_out(output)? {
                    return Ok(event);
                }
                continue;
            }
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    let (len, from) = received?;
                    if from.port() != SERVER_PORT {
                        continue;
                    }
                    let output = self.machine.receive(self.stack.now(), buffer.get(..len).unwrap_or_default());
                    if let Some(event) = self.carry_out(output)? {
                        return Ok(event);
                    }
                }
                () = sleep(self.patience(now)) => {}
            }
        }
    }

    /// Gives the address back, and ends.
    ///
    /// # Errors
    /// The stack is gone.
    pub async fn release(mut self) -> Result<(), Error> {
        let now = self.stack.now();
        if let Some(Output::Send { message, to }) = self.machine.release(now) {
            self.send(&message, to)?;
        }
        if let Some(lease) = self.applied.take() {
            // The message goes from the address that it gives back.
            tokio::task::yield_now().await;
            withdraw(&self.stack, self.nic, &lease);
        }
        Ok(())
    }

    /// Until the machine has something to do, or the address deserves a look.
    fn patience(&self, now: Instant) -> Duration {
        let until = self.machine.deadline().saturating_since(now);
        if self.is_tentative() { until.min(LOOK) } else { until.min(Duration::from_secs(3600)) }
    }

    fn carry_out(&mut self, output: Option<Output>) -> Result<Option<Event>, Error> {
        match output {
            None => Ok(None),
            Some(Output::Send { message, to }) => {
                self.send(&message, to)?;
                Ok(None)
            }
            Some(Output::Configured(lease)) => {
                configure(&self.stack, self.nic, &lease, self.applied.as_ref())?;
                tracing::info!(address = %lease.address, server = %lease.server, "leased an address");
                self.applied = Some(lease.clone());
                Ok(Some(Event::Configured(lease)))
            }
            Some(Output::Lost(lease)) => {
                withdraw(&self.stack, self.nic, &lease);
                tracing::warn!(address = %lease.address, "the lease has ended");
                self.applied = None;
                Ok(Some(Event::Lost(lease)))
            }
        }
    }

    /// What does not go out now is sent again when the machine says so.
    fn send(&self, message: &[u8], to: To) -> Result<(), Error> {
        let address = match to {
            To::Everyone => Ipv4Addr::BROADCAST,
            To::Server(server) => server,
        };
        match self.socket.try_send_to(message, SocketAddrV4::new(address, SERVER_PORT).into()) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(error.into()),
            Err(error) => {
                tracing::debug!(%address, %error, "a message was not sent");
                Ok(())
            }
        }
    }

    fn state(&self) -> Option<AddressState> {
        let ours = self.applied.as_ref()?.address.addr();
        let nics = self.stack.nics();
        let nic = nics.iter().find(|info| info.id == self.nic)?;
        nic.addresses.iter().find(|address| address.net.addr() == ours).map(|address| address.state)
    }

    fn is_tentative(&self) -> bool {
        self.state() == Some(AddressState::Tentative)
    }

    /// Another station has the address: the stack has marked it, or has taken it away.
    fn is_contested(&self) -> bool {
        self.applied.is_some() && matches!(self.state(), None | Some(AddressState::Duplicate))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("nic", &self.nic)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// A socket on a port of one interface, whatever addresses it has.
pub(super) fn bind(stack: &Stack, nic: NicId, port: u16) -> Result<UdpSocket, Error> {
    let options = [SocketOption::BindToNic(Some(nic)), SocketOption::Broadcast(true)];
    Ok(UdpSocket::bind_with(stack, (Ipv4Addr::UNSPECIFIED, port), &options)?)
}
