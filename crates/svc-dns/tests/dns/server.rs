//! A name server that says what a test wants, over UDP and TCP of a stack.

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ustack::Stack;
use ustack::tokio::{TcpListener, UdpSocket};

/// How a question arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// What is said to a question: a message, other bytes, or nothing.
pub(crate) type Says = Box<dyn Fn(&Message, Over) -> Option<Vec<u8>> + Send + Sync>;

/// A server that lives as long as the test's runtime.
pub(crate) struct Server {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers on port 53 of this address.
    pub(crate) async fn start(
        stack: &Stack,
        address: &str,
        says: impl Fn(&Message, Over) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let at = SocketAddr::new(address.parse().unwrap(), 53);
        let (udp, tcp) =
            (UdpSocket::bind(stack, at).await.unwrap(), TcpListener::bind(stack, at).await.unwrap());
        let asked = Arc::default();
        let desk = Arc::new(Desk { asked: Arc::clone(&asked), says: Box::new(says) });
        tokio::spawn(over_udp(udp, Arc::clone(&desk)));
        tokio::spawn(over_tcp(tcp, desk));
        Self { asked }
    }

    /// What has been asked since the last call: `name TYPE over Udp`, without regard to the order of A and AAAA.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

struct Desk {
    asked: Arc<Mutex<Vec<String>>>,
    says: Says,
}

impl Desk {
    fn answer(&self, packet: &[u8], over: Over) -> Option<Vec<u8>> {
        let message = Message::from_vec(packet).unwrap();
        let query = &message.queries[0];
        self.asked.lock().unwrap().push(format!("{} {} over {over:?}", query.name(), query.query_type()));
        (self.says)(&message, over)
    }
}

async fn over_udp(socket: UdpSocket, desk: Arc<Desk>) {
    loop {
        let (packet, from) = socket.recv_bytes().await.unwrap();
        if let Some(answer) = desk.answer(&packet, Over::Udp) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

async fn over_tcp(listener: TcpListener, desk: Arc<Desk>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            while let Ok(len) = stream.read_u16().await {
                let mut packet = vec![0; usize::from(len)];
                stream.read_exact(&mut packet).await.unwrap();
                if let Some(answer) = desk.answer(&packet, Over::Tcp) {
                    stream.write_u16(answer.len() as u16).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
    }
}

/// The response to a question with this code, without records.
pub(crate) fn response(question: &Message, code: ResponseCode) -> Message {
    let mut message = Message::response(question.id, question.op_code);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message.add_queries(question.queries.iter().cloned());
    message
}

/// Answers `name` with those of the addresses that are asked for; knows no other name.
pub(crate) fn knows(
    name: &str,
    addresses: &[&str],
    ttl: u32,
) -> impl Fn(&Message, Over) -> Option<Vec<u8>> + use<> {
    let name = Name::from_ascii(name).unwrap();
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    move |question, _| {
        let query = &question.queries[0];
        let code = if *query.name() == name { ResponseCode::NoError } else { ResponseCode::NXDomain };
        let mut message = response(question, code);
        if code == ResponseCode::NoError {
            message.add_answers(of_kind(query, &addresses, ttl));
        }
        Some(message.to_vec().unwrap())
    }
}

/// The addresses that a query asks for, as records.
pub(crate) fn of_kind(query: &Query, addresses: &[IpAddr], ttl: u32) -> Vec<Record> {
    let matching =
        addresses.iter().filter(|address| address.is_ipv4() == (query.query_type() == RecordType::A));
    let record = |address: &IpAddr| {
        let data = match address {
            IpAddr::V4(v4) => RData::A(A(*v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(*v6)),
        };
        Record::from_rdata(query.name().clone(), ttl, data)
    };
    matching.map(record).collect()
}
