//! How the question gets on the links, and how long answers are waited for.

use super::answers::{Answers, Origin, PORT, Question};
use super::{Mdns, MdnsConfig, is_reverse};
use crate::error::LookupError;
use futures_util::stream::{self, Stream, StreamExt};
use hickory_proto::ProtoError;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use ustack::contract::Medium;
use ustack::tokio::UdpSocket;
use ustack::{NicId, RouteQuery, SocketOption, Stack};

/// The groups (RFC 6762 §3).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// What responses are to have (RFC 6762 §11), and old responders look for in queries.
const HOP_LIMIT: u8 = 255;
/// Packets that are looked at for one question, answers or not.
const PACKETS: usize = 1024;
/// How long after the first answer others may come to a question of several kinds: the longest that a responder may wait
/// (RFC 6762 §6).
const LAGGARDS: Duration = Duration::from_millis(120);
/// Interfaces on which one question is asked.
const LINKS: usize = 16;

/// A packet, and the interface of the socket that has it.
type Heard = (NicId, SocketAddr, Vec<u8>);

/// A socket that asks on one interface over one family.
struct Asker {
    socket: UdpSocket,
    nic: NicId,
    group: SocketAddr,
}

impl Asker {
    fn new(stack: &Stack, nic: NicId, v4: bool) -> io::Result<Self> {
        let (any, group): (IpAddr, SocketAddr) = match v4 {
            true => (Ipv4Addr::UNSPECIFIED.into(), (GROUP_V4, PORT).into()),
            false => (Ipv6Addr::UNSPECIFIED.into(), SocketAddrV6::new(GROUP_V6, PORT, 0, nic.0).into()),
        };
        let options = [
            SocketOption::BindToNic(Some(nic)),
            SocketOption::MulticastNic(Some(nic)),
            SocketOption::MulticastHopLimit(HOP_LIMIT),
        ];
        let socket = UdpSocket::bind_with(stack, (any, 0), &options)?;
        Ok(Self { socket, nic, group })
    }

    /// Packets without end, for as long as the socket lives.
    fn heard(&self) -> impl Stream<Item = Heard> + '_ {
        stream::unfold(self, |asker| async move {
            loop {
                // What became of an earlier datagram is told once; there is no other error while the socket is open.
                if let Ok((packet, from)) = asker.socket.recv_bytes().await {
                    return Some(((asker.nic, from, packet.to_vec()), asker));
                }
            }
        })
    }
}

impl Mdns {
    /// Asks, and asks again, until the time is over or a name that is unique has its answers: those of all kinds, or the
    /// first and what comes soon after it, for a host may have addresses of one family only, and tells those of each family
    /// by itself.
    pub(super) async fn ask(&self, name: &Name, kinds: &[RecordType]) -> Result<Answers, LookupError> {
        let unreachable = |error: &dyn std::fmt::Display| LookupError::Unreachable {
            name: name.to_string(),
            reason: format!("it can't be asked for on any link ({error})"),
        };
        let askers = askers(&self.stack).map_err(|error| unreachable(&error))?;
        if askers.is_empty() {
            return Err(unreachable(&"no interface has an address"));
        }
        let (id, packet) = encode(name, kinds).map_err(|error| unreachable(&error))?;
        let question = Question { id, name: name.clone(), kinds: kinds.to_vec() };
        let heard: Vec<Pin<Box<dyn Stream<Item = Heard> + '_>>> =
            askers.iter().map(|asker| Box::pin(asker.heard()) as _).collect();
        let mut heard = stream::select_all(heard).take(PACKETS);
        let mut answers = Answers::default();
        let is_unique = kinds.iter().all(|kind| kind.is_ip_addr()) || is_reverse(name);
        for mut until in self.config.rounds() {
            let sent = send(&askers, &packet).await;
            sent.map_err(|error| unreachable(&error))?;
            while let Ok(Some((nic, from, packet))) = timeout_at(until, heard.next()).await {
                let origin = Origin { from, nic, on_link: is_on_link(&self.stack, nic, from.ip()) };
                if answers.take(&question, &origin, &packet, self.config.records) && is_unique {
                    until = until.min(Instant::now() + LAGGARDS);
                }
                if is_unique && answers.cover(kinds) {
                    return Ok(answers);
                }
            }
            if is_unique && !answers.answers.is_empty() {
                break;
            }
        }
        Ok(answers)
    }
}

impl MdnsConfig {
    /// When each round of waiting ends; a query goes out at the beginning of each. R6762-5.2-a: the time between them
    /// doubles at least.
    fn rounds(&self) -> impl Iterator<Item = Instant> + use<> {
        let (start, mut gap) = (Instant::now(), self.interval);
        let end = start + self.wait;
        let mut next = start;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            next = if gap.is_zero() { end } else { (next + gap).min(end) };
            gap *= 2;
            Some(next)
        })
    }
}

/// Whether packets to this address go there without a router (RFC 6762 §11).
fn is_on_link(stack: &Stack, nic: NicId, address: IpAddr) -> bool {
    let query = RouteQuery { nic: Some(nic), local: None, remote: address };
    stack.find_route(&query).is_ok_and(|route| route.nic() == nic && route.next_hop() == address)
}

/// A socket for each interface and each family of which it has addresses.
fn askers(stack: &Stack) -> io::Result<Vec<Asker>> {
    let nics =
        stack.nics().into_iter().filter(|nic| nic.enabled && nic.capabilities.medium != Medium::Loopback);
    let mut askers = Vec::new();
    for nic in nics.take(LINKS) {
        for v4 in [true, false] {
            if nic.addresses.iter().any(|own| own.address().is_ipv4() == v4) {
                askers.push(Asker::new(stack, nic.id, v4)?);
            }
        }
    }
    Ok(askers)
}

/// Sends on all links; fails only if no link takes it.
async fn send(askers: &[Asker], packet: &[u8]) -> io::Result<()> {
    let mut outcome = Ok(());
    let mut sent = false;
    for asker in askers {
        match asker.socket.send_to(packet, asker.group).await {
            Ok(_) => sent = true,
            Err(error) => outcome = Err(error),
        }
    }
    if sent { Ok(()) } else { outcome }
}

/// One question for each kind in one message (RFC 6762 §5.3), with an id by chance and without the wish for recursion
/// (§18.6).
fn encode(name: &Name, kinds: &[RecordType]) -> Result<(u16, Vec<u8>), ProtoError> {
    let mut message = Message::query();
    message.metadata.recursion_desired = false;
    for kind in kinds {
        message.add_query(Query::query(name.clone(), *kind));
    }
    Ok((message.id, message.to_vec()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use ustack::NicConfig;
    use ustack::link::channel::{ChannelConfig, pair};

    // R6762-11-a
    #[test]
    fn on_the_link_is_what_needs_no_router() {
        let (link, _other) = pair(ChannelConfig::default());
        let nic = NicConfig::new(link).id(NicId(1)).address("10.0.0.2/24".parse().unwrap());
        let nic = nic.address("fe80::2/64".parse().unwrap()).address("2001:db8::2/64".parse().unwrap());
        let nic = nic.gateway("10.0.0.1".parse().unwrap()).gateway("fe80::1".parse().unwrap());
        let stack = Stack::builder().default_protocols().nic(nic).build().unwrap();
        for (address, on_link) in [
            ("10.0.0.9", true),
            ("fe80::9", true),
            ("2001:db8::9", true),
            ("192.0.2.1", false),
            ("2001:db8:1::9", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(is_on_link(&stack, NicId(1), address.parse().unwrap()), on_link, "{address}");
        }
    }

    // R6762-5.2-a
    #[tokio::test(start_paused = true)]
    async fn queries_go_out_at_0_1_and_3_seconds() {
        let config = MdnsConfig { wait: Duration::from_secs(5), ..MdnsConfig::default() };
        let start = Instant::now();
        let ends: Vec<u64> = config.rounds().map(|end| (end - start).as_secs()).collect();
        assert_eq!(ends, [1, 3, 5]);
        let impatient = MdnsConfig { interval: Duration::ZERO, ..config };
        assert_eq!(impatient.rounds().count(), 1);
    }
}
