//! TCP segments: the header as etherparse sees it, and the options that it does not know.

use super::Segment;
use crate::pkt::TcpOption;
use bytes::Bytes;
use etherparse::{TcpOptionElement, TcpOptionsIterator, TcpSlice};
use stack_wire::tcp::Flags;
use stack_wire::tcp_options::kind::FAST_OPEN;

pub(super) fn segment(packet: &Bytes, tcp: &TcpSlice<'_>) -> Segment {
    Segment {
        src_port: tcp.source_port(),
        dst_port: tcp.destination_port(),
        seq: tcp.sequence_number(),
        ack: tcp.acknowledgment_number(),
        flags: flags(tcp),
        window: tcp.window_size(),
        urgent: tcp.urgent_pointer(),
        options: options(tcp),
        payload: packet.slice_ref(tcp.payload()),
    }
}

fn flags(tcp: &TcpSlice<'_>) -> Flags {
    let bits = [
        (tcp.fin(), Flags::FIN),
        (tcp.syn(), Flags::SYN),
        (tcp.rst(), Flags::RST),
        (tcp.psh(), Flags::PSH),
        (tcp.ack(), Flags::ACK),
        (tcp.urg(), Flags::URG),
        (tcp.ece(), Flags::ECE),
        (tcp.cwr(), Flags::CWR),
        (tcp.ns(), Flags::AE),
    ];
    bits.into_iter().filter(|(set, _)| *set).fold(Flags::NONE, |flags, (_, flag)| flags | flag)
}

/// The options in order. Kinds that etherparse does not know are taken apart here; from one with an impossible length
/// on, the rest is one [`TcpOption::Raw`].
fn options(tcp: &TcpSlice<'_>) -> Vec<TcpOption> {
    let mut iterator = tcp.options_iterator();
    let mut options = Vec::new();
    loop {
        let rest = iterator.rest();
        let option = match iterator.next() {
            None if rest.is_empty() => return options,
            None => TcpOption::End,
            Some(Ok(TcpOptionElement::Noop)) => TcpOption::Nop,
            Some(Ok(TcpOptionElement::MaximumSegmentSize(mss))) => TcpOption::Mss(mss),
            Some(Ok(TcpOptionElement::WindowScale(shift))) => TcpOption::WindowScale(shift),
            Some(Ok(TcpOptionElement::SelectiveAcknowledgementPermitted)) => TcpOption::SackPermitted,
            Some(Ok(TcpOptionElement::SelectiveAcknowledgement(first, more))) => {
                TcpOption::Sack(core::iter::once(first).chain(more.into_iter().flatten()).collect())
            }
            Some(Ok(TcpOptionElement::Timestamp(val, ecr))) => TcpOption::Timestamps { val, ecr },
            Some(Err(_)) => match unknown(rest) {
                Some((option, behind)) => {
                    iterator = TcpOptionsIterator::from_slice(behind);
                    option
                }
                None => {
                    options.push(TcpOption::Raw(rest.to_vec()));
                    return options;
                }
            },
        };
        let is_end = option == TcpOption::End;
        options.push(option);
        if is_end {
            return options;
        }
    }
}

/// The option at the beginning, if its length is possible, and what is behind it.
fn unknown(rest: &[u8]) -> Option<(TcpOption, &[u8])> {
    const MD5: u8 = 19;
    const EXPERIMENT: u8 = 254;
    const FAST_OPEN_MAGIC: [u8; 2] = [0xf9, 0x89];
    const ACCECN: [u8; 2] = [172, 174];
    let [kind, len, ..] = *rest else { return None };
    let (whole, behind) = rest.split_at_checked(usize::from(len).max(2))?;
    let data = &whole[2..];
    let option = match (kind, data) {
        (FAST_OPEN, cookie) => TcpOption::FastOpen { cookie: cookie.to_vec(), experimental: false },
        (EXPERIMENT, [a, b, cookie @ ..]) if [*a, *b] == FAST_OPEN_MAGIC => {
            TcpOption::FastOpen { cookie: cookie.to_vec(), experimental: true }
        }
        (MD5, digest) => TcpOption::Md5(digest.to_vec()),
        (kind, counters) if ACCECN.contains(&kind) && counters.len() % 3 == 0 => {
            let counter = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            TcpOption::AccEcn {
                ect1_first: kind == ACCECN[1],
                counters: counters.chunks(3).map(counter).collect(),
            }
        }
        _ => TcpOption::Raw(whole.to_vec()),
    };
    (len >= 2).then_some((option, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_options_are_taken_apart() {
        let cookie = TcpOption::FastOpen { cookie: vec![7, 8], experimental: false };
        assert_eq!(unknown(&[34, 4, 7, 8, 1]), Some((cookie, &[1][..])));
        let early = TcpOption::FastOpen { cookie: vec![7], experimental: true };
        assert_eq!(unknown(&[254, 5, 0xf9, 0x89, 7]), Some((early, &[][..])));
        let counters = TcpOption::AccEcn { ect1_first: true, counters: vec![258, 0] };
        assert_eq!(unknown(&[174, 8, 0, 1, 2, 0, 0, 0]), Some((counters, &[][..])));
        assert_eq!(unknown(&[19, 3, 9]), Some((TcpOption::Md5(vec![9]), &[][..])));
        assert_eq!(unknown(&[99, 3, 9, 9]), Some((TcpOption::Raw(vec![99, 3, 9]), &[9][..])));
    }

    #[test]
    fn impossible_lengths_are_left_alone() {
        for rest in [&[99][..], &[99, 0], &[99, 1, 5], &[99, 9, 5]] {
            assert_eq!(unknown(rest), None, "{rest:?}");
        }
    }
}
