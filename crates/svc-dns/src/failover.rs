//! When the next server is asked: when one is silent, refuses, fails, or says what can't be read.
//!
//! hickory's pool goes on to the next server after errors of the connection only, so a server that answers without an
//! answer is made to look like one, and what it said is kept aside for people. NXDOMAIN and an empty answer are answers.

use crate::sockets::Sockets;
use futures_util::{Stream, StreamExt};
use hickory_net::tcp::TcpClientStream;
use hickory_net::udp::UdpClientStream;
use hickory_net::xfer::{DnsExchange, DnsHandle};
use hickory_net::{DnsError, NetError};
use hickory_proto::op::{DnsRequest, DnsResponse, ResponseCode};
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::{ConnectionProvider, PoolContext};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What went wrong last with any server: what is left to tell when none has an answer.
#[derive(Clone, Default)]
pub(crate) struct LastFailure(Arc<Mutex<Option<NetError>>>);

impl LastFailure {
    pub(crate) fn get(&self) -> Option<NetError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: NetError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// An answer, or a reason to ask somebody else.
    fn judge(&self, answer: Result<DnsResponse, NetError>) -> Result<DnsResponse, NetError> {
        let error = match answer {
            Ok(answer) => match answer.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => return Ok(answer),
                code => DnsError::ResponseCode(code).into(),
            },
            Err(error) => error,
        };
        self.note(error.clone());
        Err(match error {
            NetError::Dns(_) | NetError::Proto(_) => NetError::NoConnections,
            error => error,
        })
    }
}

/// Connections to servers, each with a time of its own to answer.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) sockets: Sockets,
    /// How long one server may take.
    pub(crate) timeout: Duration,
    pub(crate) failure: LastFailure,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Connection, NetError>> + Send>>;

impl ConnectionProvider for Connections {
    type Conn = Connection;
    type FutureConn = Connecting;
    type RuntimeProvider = Sockets;

    fn new_connection(
        &self,
        server: IpAddr,
        config: &ConnectionConfig,
        _: &PoolContext,
    ) -> Result<Connecting, NetError> {
        let server = SocketAddr::new(server, config.port);
        let Self { sockets, timeout, failure } = self.clone();
        match config.protocol {
            ProtocolConfig::Udp => Ok(Box::pin(async move {
                let stream = UdpClientStream::builder(server, sockets).with_timeout(Some(timeout));
                Ok(Connection { exchange: stream.exchange(), failure })
            })),
            ProtocolConfig::Tcp => Ok(Box::pin(async move {
                let exchange = TcpClientStream::exchange(server, None, timeout, None, sockets).await;
                match exchange {
                    Ok(exchange) => Ok(Connection { exchange, failure }),
                    Err(error) => {
                        failure.note(error.clone());
                        Err(error)
                    }
                }
            })),
        }
    }

    fn runtime_provider(&self) -> &Sockets {
        &self.sockets
    }
}

/// A connection to one server.
#[derive(Clone)]
pub(crate) struct Connection {
    exchange: DnsExchange<Sockets>,
    failure: LastFailure,
}

impl DnsHandle for Connection {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = Sockets;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let failure = self.failure.clone();
        Box::pin(self.exchange.send(request).map(move |answer| failure.judge(answer)))
    }
}
