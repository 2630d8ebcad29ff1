//! A client's machine on a stack, the same for both families: one socket, and what is granted given to the interface.

use crate::Error;
use stack_core::Instant;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::sleep;
use ustack::tokio::UdpSocket;
use ustack::{AddressState, NicId, Stack};

/// Longest message that is read, in bytes: what clients say that they take, with room.
const BUFFER: usize = 2048;
/// How often an address is looked at while the stack asks whether another station has it: up to 9 s with ARP
/// (RFC 5227 §2.1), one with neighbour discovery.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked at afterwards: it may be lost to another station at any time (RFC 5227 §2.4).
const WATCH: Duration = Duration::from_secs(10);

/// How long an address is kept that has been given back: the message goes from it, and its neighbour may have to be found.
const FAREWELL: Duration = Duration::from_millis(100);

/// What a machine wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output<L, T> {
    /// Send this to the servers' port.
    Send {
        /// The message.
        message: Vec<u8>,
        /// For whom.
        to: T,
    },
    /// This is granted, or for longer than before.
    Configured(L),
    /// This is granted no longer.
    Lost(L),
}

/// What has become of the interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<L> {
    /// It has what the lease says, and may use it; or keeps it for longer.
    Configured(L),
    /// It has lost it.
    Lost(L),
}

/// A machine that is run.
pub(crate) trait Role {
    type Lease: Clone;
    type To: Copy;
    /// Where answers come from, and questions go to.
    const SERVER_PORT: u16;

    fn deadline(&self) -> Instant;
    fn poll(&mut self, now: Instant) -> Option<Output<Self::Lease, Self::To>>;
    fn receive(&mut self, now: Instant, bytes: &[u8]) -> Option<Output<Self::Lease, Self::To>>;
    fn decline(&mut self, now: Instant) -> Option<Output<Self::Lease, Self::To>>;
    fn release(&mut self, now: Instant) -> Option<Output<Self::Lease, Self::To>>;

    /// Where a message goes, on this interface.
    fn destination(to: Self::To, nic: NicId) -> SocketAddr;
    /// The address of a lease, if it has one.
    fn address(lease: &Self::Lease) -> Option<IpAddr>;
    /// Gives the interface what the lease grants, in the place of what an older lease did.
    fn configure(
        stack: &Stack,
        nic: NicId,
        lease: &Self::Lease,
        before: Option<&Self::Lease>,
        state: AddressState,
    ) -> Result<(), Error>;
    /// Takes it away again.
    fn withdraw(stack: &Stack, nic: NicId, lease: &Self::Lease);
}

/// A machine, its socket, and what the interface has of it.
pub(crate) struct Runner<R: Role> {
    pub(crate) stack: Stack,
    pub(crate) nic: NicId,
    pub(crate) socket: UdpSocket,
    pub(crate) machine: R,
    /// The state that a new address begins with: in use, or to be asked about.
    pub(crate) first_state: AddressState,
    pub(crate) applied: Option<R::Lease>,
    /// The application knows of it.
    pub(crate) told: bool,
}

impl<R: Role> Runner<R> {
    pub(crate) fn new(
        stack: &Stack,
        nic: NicId,
        socket: UdpSocket,
        machine: R,
        first_state: AddressState,
    ) -> Self {
        Self { stack: stack.clone(), nic, socket, machine, first_state, applied: None, told: true }
    }

    /// Runs until something has become of the interface.
    pub(crate) async fn next(&mut self) -> Result<Event<R::Lease>, Error> {
        let mut buffer = [0; BUFFER];
        loop {
            let now = self.stack.now();
            let event = match self.look(now)? {
                Some(event) => Some(event),
                None => match self.machine.poll(now) {
                    Some(output) => self.carry_out(output)?,
                    None => self.listen(now, &mut buffer).await?,
                },
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// Waits for a message, or until there is something to do without one.
    async fn listen(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<Event<R::Lease>>, Error> {
        let until = self.machine.deadline().saturating_since(now);
        let tentative = self.state() == Some(AddressState::Tentative);
        let patience = until.min(if tentative { LOOK } else { WATCH });
        tokio::select! {
            received = self.socket.recv_from(buffer) => {
                let (len, from) = received?;
                let bytes = buffer.get(..len).filter(|_| from.port() == R::SERVER_PORT).unwrap_or_default();
                let output = self.machine.receive(self.stack.now(), bytes);
                output.map_or(Ok(None), |output| self.carry_out(output))
            }
            () = sleep(patience) => Ok(None),
        }
    }

    /// What has become of the address on the link: it may be used, or another station has it, and the stack has marked it
    /// or taken it away.
    fn look(&mut self, now: Instant) -> Result<Option<Event<R::Lease>>, Error> {
        let Some(lease) = self.applied.clone() else { return Ok(None) };
        match self.state() {
            Some(AddressState::Tentative) => Ok(None),
            Some(AddressState::Preferred | AddressState::Deprecated) => {
                Ok((!std::mem::replace(&mut self.told, true)).then_some(Event::Configured(lease)))
            }
            Some(AddressState::Duplicate) | None => {
                tracing::warn!(
                    address = R::address(&lease).map(tracing::field::display),
                    "another station has the leased address"
                );
                R::withdraw(&self.stack, self.nic, &lease);
                self.applied = None;
                if let Some(output) = self.machine.decline(now) {
                    self.carry_out(output)?;
                }
                Ok(self.told.then_some(Event::Lost(lease)))
            }
        }
    }

    fn carry_out(&mut self, output: Output<R::Lease, R::To>) -> Result<Option<Event<R::Lease>>, Error> {
        match output {
            Output::Send { message, to } => {
                self.send(&message, to)?;
                Ok(None)
            }
            Output::Configured(lease) => {
                R::configure(&self.stack, self.nic, &lease, self.applied.as_ref(), self.first_state)?;
                tracing::info!(address = R::address(&lease).map(tracing::field::display), "leased");
                self.applied = Some(lease);
                self.told = false;
                Ok(None)
            }
            Output::Lost(lease) => {
                R::withdraw(&self.stack, self.nic, &lease);
                tracing::warn!(
                    address = R::address(&lease).map(tracing::field::display),
                    "the lease has ended"
                );
                self.applied = None;
                Ok(self.told.then_some(Event::Lost(lease)))
            }
        }
    }

    /// What does not go out now is sent again when the machine says so.
    fn send(&self, message: &[u8], to: R::To) -> Result<(), Error> {
        let to = R::destination(to, self.nic);
        match self.socket.try_send_to(message, to) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(error.into()),
            Err(error) => {
                tracing::debug!(%to, %error, "a message was not sent");
                Ok(())
            }
        }
    }

    /// The state of the address; in use, where the lease has none.
    fn state(&self) -> Option<AddressState> {
        let Some(ours) = R::address(self.applied.as_ref()?) else { return Some(AddressState::Preferred) };
        let nics = self.stack.nics();
        let nic = nics.iter().find(|info| info.id == self.nic)?;
        nic.addresses.iter().find(|address| address.net.addr() == ours).map(|address| address.state)
    }

    /// Gives back what is granted, and ends.
    pub(crate) async fn release(mut self) -> Result<(), Error> {
        if let Some(Output::Send { message, to }) = self.machine.release(self.stack.now()) {
            self.send(&message, to)?;
        }
        if let Some(lease) = self.applied.take() {
            sleep(FAREWELL).await;
            R::withdraw(&self.stack, self.nic, &lease);
        }
        Ok(())
    }
}
