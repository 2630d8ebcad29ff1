//! A server for `iperf3 -c`: TCP and UDP, both directions, one test at a time, written from the protocol as it is
//! seen on the wire.
//!
//! | file | answers |
//! | --- | --- |
//! | `protocol.rs` | what the messages look like |
//! | `session.rs` | in which order they come |
//! | `tcp.rs`, `udp.rs` | what moves in between |
//! | `measure.rs` | what is counted |
//!
//! Left out: SCTP, authentication, and settings of sockets that the client asks for (window, congestion control,
//! segment size), which are ignored; its `-N` is honoured. A second client is told that the server is busy.

mod measure;
mod protocol;
mod session;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use crate::limit::{Gate, Guarded};
use crate::net::Network;
use protocol::{COOKIE_LEN, Cookie, State, write_state};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The port that clients try.
pub(crate) const PORT: u16 = 5201;
/// The answer to a connection beyond the limit.
pub(crate) const REFUSAL: &[u8] = &[State::AccessDenied.byte()];
/// Time for the cookie of a new connection.
const GREETING: Duration = Duration::from_secs(5);
/// Connections of a test that wait to be given their role.
const WAITING: usize = 256;

/// The server; clones share the one test that may run.
struct Server<N: Network> {
    network: N,
    datagrams: Arc<N::Datagrams>,
    running: Arc<Mutex<Option<Running<N>>>>,
}

/// The test that runs.
struct Running<N: Network> {
    cookie: Cookie,
    connections: mpsc::Sender<session::Numbered<Guarded<N::Stream>>>,
}

/// What a new connection is.
enum Role<N: Network> {
    Control(mpsc::Receiver<session::Numbered<Guarded<N::Stream>>>),
    Data(mpsc::Sender<session::Numbered<Guarded<N::Stream>>>),
    Refused,
}

/// Serves tests on a listener and a datagram socket of the same port, for ever.
pub(crate) async fn serve<N: Network>(network: N, mut gate: Gate<N::Listener>, datagrams: N::Datagrams) {
    let server = Server { network, datagrams: Arc::new(datagrams), running: Arc::default() };
    let mut number = 0;
    loop {
        let (stream, peer) = gate.next().await;
        number += 1;
        server.network.spawn(server.clone().greet(stream, peer, number));
    }
}

impl<N: Network> Server<N> {
    async fn greet(self, mut stream: Guarded<N::Stream>, peer: SocketAddr, number: u64) {
        let mut cookie = [0; COOKIE_LEN];
        if !matches!(timeout(GREETING, stream.read_exact(&mut cookie)).await, Ok(Ok(_))) {
            return;
        }
        match self.role(cookie) {
            Role::Control(connections) => {
                let _free = FreeOnDrop(Arc::clone(&self.running));
                match session::run(&self.network, stream, connections, &self.datagrams).await {
                    Ok(summary) => tracing::info!(%peer, "iperf3 {summary}"),
                    Err(error) => tracing::warn!(%peer, "iperf3 test failed: {error}"),
                }
            }
            // Full only if a client connects far more often than it said; then the connection just ends.
            Role::Data(connections) => drop(connections.try_send((number, stream))),
            Role::Refused => {
                tracing::info!(%peer, "iperf3 client refused: another test is running");
                let _ = timeout(GREETING, write_state(&mut stream, State::AccessDenied)).await;
            }
        }
    }

    fn role(&self, cookie: Cookie) -> Role<N> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match &*running {
            Some(test) if test.cookie == cookie => Role::Data(test.connections.clone()),
            Some(_) => Role::Refused,
            None => {
                let (connections, receiver) = mpsc::channel(WAITING);
                *running = Some(Running { cookie, connections });
                Role::Control(receiver)
            }
        }
    }
}

impl<N: Network> Clone for Server<N> {
    fn clone(&self) -> Self {
        let network = self.network.clone();
        Self { network, datagrams: Arc::clone(&self.datagrams), running: Arc::clone(&self.running) }
    }
}

/// Lets the next test begin however this one ends.
struct FreeOnDrop<N: Network>(Arc<Mutex<Option<Running<N>>>>);

impl<N: Network> Drop for FreeOnDrop<N> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
