//! The server on a stack: one socket on port 67 that answers for one interface.

use super::SERVER_PORT;
use super::client::bind;
use super::leases::{Leases, Reply, ServerConfig};
use crate::Error;
use std::net::IpAddr;
use ustack::tokio::UdpSocket;
use ustack::{NicId, Stack};

/// Longest message that we read, in bytes.
const BUFFER: usize = 2048;

/// A server for one interface, whose address has to be the one in the settings.
#[derive(Debug)]
pub struct Server {
    stack: Stack,
    nic: NicId,
    socket: UdpSocket,
    leases: Leases,
}

impl Server {
    /// A server that has granted nothing yet.
    ///
    /// # Errors
    /// The pool does not fit the subnet, there is no such interface, or its port 67 is taken.
    pub fn new(stack: &Stack, nic: NicId, config: ServerConfig) -> Result<Self, Error> {
        if !stack.nics().iter().any(|info| info.id == nic) {
            return Err(Error::NoNic(nic));
        }
        let leases = Leases::new(config)?;
        Ok(Self { stack: stack.clone(), nic, socket: bind(stack, nic, SERVER_PORT)?, leases })
    }

    /// What is granted.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// Answers until the stack is gone. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The stack is gone.
    pub async fn run(&mut self) -> Result<(), Error> {
        let mut buffer = [0; BUFFER];
        loop {
            let (len, _) = self.socket.recv_from(&mut buffer).await?;
            let message = buffer.get(..len).unwrap_or_default();
            if let Some(reply) = self.leases.receive(self.stack.now(), message) {
                self.send(&reply);
            }
        }
    }

    /// A client that misses an answer asks again.
    fn send(&self, reply: &Reply) {
        if let Some(link) = reply.link {
            // It can't say yet that the address is its own.
            self.stack.add_link_address(self.nic, IpAddr::V4(*reply.to.ip()), link);
        }
        if let Err(error) = self.socket.try_send_to(&reply.message, reply.to.into()) {
            tracing::debug!(to = %reply.to, %error, "an answer was not sent");
        }
    }
}
