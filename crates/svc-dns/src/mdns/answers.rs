//! Which packets are answers to a one-shot query, and what is taken from them (RFC 6762 §6, §6.7, §11, §18).
//!
//! Everything else is ignored without a word, as the RFC asks: what comes from another port than 5353 or from beyond the
//! link, answers to other questions, errors, and what can't be read.

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, Record, RecordType};
use std::net::SocketAddr;
use ustack::NicId;

/// The port of multicast DNS (RFC 6762 §3).
pub(super) const PORT: u16 = 5353;
/// The bit that responders set in the class of records that are the only ones (RFC 6762 §10.2).
const CACHE_FLUSH: u16 = 0x8000;

/// What the link says.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The records that were asked for, each once.
    pub answers: Vec<Record>,
    /// The interface over which each of them came.
    pub nics: Vec<NicId>,
    /// What responders add because it will be asked for next: of a service where it is and how to talk to it
    /// (RFC 6763 §12), each once.
    pub additionals: Vec<Record>,
}

/// A question and what belongs to it.
pub(super) struct Question {
    pub(super) id: u16,
    pub(super) name: Name,
    pub(super) kinds: Vec<RecordType>,
}

/// Where a packet came from.
pub(super) struct Origin {
    pub(super) from: SocketAddr,
    pub(super) nic: NicId,
    /// Whether that is on the link of the interface, no router in between.
    pub(super) on_link: bool,
}

impl Origin {
    /// R6762-6-a: from port 5353. R6762-11-a: from the link.
    fn is_responder(&self) -> bool {
        self.from.port() == PORT && self.on_link
    }
}

impl Answers {
    /// Takes what a packet answers, as long as there is room for `room` records; says whether it answered at all.
    pub(super) fn take(&mut self, question: &Question, origin: &Origin, packet: &[u8], room: usize) -> bool {
        if !origin.is_responder() {
            return false;
        }
        let Some(message) = read(packet, question.id) else { return false };
        let before = self.answers.len();
        for record in message.answers.into_iter().filter(usable) {
            let asked = question.kinds.iter().any(|kind| matches(*kind, record.record_type()));
            if asked && record.name == question.name {
                self.add(record, origin.nic, room);
            } else {
                self.add_about(record, room);
            }
        }
        message.additionals.into_iter().filter(usable).for_each(|record| self.add_about(record, room));
        self.answers.len() > before
    }

    /// Whether there is an answer of each kind.
    pub(super) fn cover(&self, kinds: &[RecordType]) -> bool {
        kinds.iter().all(|kind| self.answers.iter().any(|record| matches(*kind, record.record_type())))
    }

    fn add(&mut self, record: Record, nic: NicId, room: usize) {
        let mut others = self.answers.iter().zip(&self.nics);
        if self.has_room(room) && !others.any(|(other, at)| same(other, &record) && *at == nic) {
            self.answers.push(record);
            self.nics.push(nic);
        }
    }

    fn add_about(&mut self, record: Record, room: usize) {
        if self.has_room(room) && !self.additionals.iter().any(|other| same(other, &record)) {
            self.additionals.push(record);
        }
    }

    fn has_room(&self, room: usize) -> bool {
        self.answers.len() + self.additionals.len() < room
    }
}

/// A response without an error (RFC 6762 §18.3, §18.11) that repeats our id (R6762-6.7-a).
fn read(packet: &[u8], id: u16) -> Option<Message> {
    let message = Message::from_vec(packet).ok()?;
    let is_answer = message.message_type == MessageType::Response
        && message.op_code == OpCode::Query
        && message.response_code == ResponseCode::NoError
        && message.id == id;
    is_answer.then_some(message)
}

/// Of the Internet's class, whatever the top bit says, and not taken back (RFC 6762 §10.1).
fn usable(record: &Record) -> bool {
    let class = u16::from(record.dns_class) & !CACHE_FLUSH;
    class == u16::from(DNSClass::IN) && record.ttl > 0
}

fn matches(wanted: RecordType, kind: RecordType) -> bool {
    wanted == RecordType::ANY || wanted == kind
}

fn same(a: &Record, b: &Record) -> bool {
    a.name == b.name && a.data == b.data
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::RData;
    use hickory_proto::rr::rdata::A;
    use proptest::prelude::*;

    const NIC: NicId = NicId(1);

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn question() -> Question {
        Question { id: 7, name: name("host.local."), kinds: vec![RecordType::A] }
    }

    fn address(owner: &str, last: u8) -> Record {
        Record::from_rdata(name(owner), 10, RData::A(A::new(10, 0, 0, last)))
    }

    fn response(records: impl IntoIterator<Item = Record>) -> Message {
        let mut message = Message::response(7, OpCode::Query);
        message.add_answers(records);
        message
    }

    fn taken(from: &str, packet: &[u8]) -> Answers {
        let mut answers = Answers::default();
        let from: SocketAddr = from.parse().unwrap();
        let on_link = from.ip().to_string().starts_with("10.");
        answers.take(&question(), &Origin { from, nic: NIC, on_link }, packet, 4);
        answers
    }

    // R6762-6-a, R6762-11-a
    #[test]
    fn only_responders_on_the_link_are_heard() {
        let packet = response([address("host.local.", 1)]).to_vec().unwrap();
        for (from, heard, why) in [
            ("10.0.0.9:5353", 1, "on the link"),
            ("10.0.0.9:5354", 0, "another port"),
            ("192.0.2.1:5353", 0, "beyond the router"),
        ] {
            assert_eq!(taken(from, &packet).answers.len(), heard, "{why}");
        }
    }

    // R6762-6.7-a
    #[test]
    fn what_does_not_answer_the_question_is_left_out() {
        let wrong_id = {
            let mut message = response([address("host.local.", 1)]);
            message.metadata.id = 8;
            message
        };
        let error = {
            let mut message = response([address("host.local.", 1)]);
            message.metadata.response_code = ResponseCode::NXDomain;
            message
        };
        let mut query = Message::query();
        query.metadata.id = 7;
        query.add_answer(address("host.local.", 1));
        for message in [wrong_id, error, query, response([address("other.local.", 1)])] {
            assert!(taken("10.0.0.9:5353", &message.to_vec().unwrap()).answers.is_empty(), "{message:?}");
        }
    }

    #[test]
    fn each_record_is_taken_once_without_regard_to_the_flush_bit_and_never_when_taken_back() {
        let mut flush = address("host.local.", 1);
        flush.dns_class = DNSClass::from(0x8001);
        let mut goodbye = address("host.local.", 2);
        goodbye.ttl = 0;
        let message = response([flush, goodbye, address("HOST.local.", 1)]);
        let found = taken("10.0.0.9:5353", &message.to_vec().unwrap());
        assert_eq!(found.answers.len(), 1, "{:?}", found.answers);
    }

    #[test]
    fn records_are_bounded() {
        let message = response((0..100).map(|last| address("host.local.", last)));
        assert_eq!(taken("10.0.0.9:5353", &message.to_vec().unwrap()).answers.len(), 4);
    }

    proptest! {
        #[test]
        fn no_packet_is_too_strange(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
            taken("10.0.0.9:5353", &packet);
        }

        #[test]
        fn no_damage_to_an_answer_is_too_strange(at in 0_usize..60, byte: u8, cut in 0_usize..60) {
            let mut packet = response([address("host.local.", 1), address("host.local.", 2)]).to_vec().unwrap();
            let len = packet.len();
            packet[at % len] = byte;
            packet.truncate(len - cut % len);
            taken("10.0.0.9:5353", &packet);
        }
    }
}
