//! Hooks: what they are told, what they can change, and what they carry from place to place.

mod common;

use common::*;
use stack_core::*;
use stack_host::NicConfig;

/// Place, ingress, egress, and what the place before found out.
type Sight = (&'static str, Option<u32>, Option<u32>, u64);

/// Notes where a packet was seen, with the interfaces and the length; and sends elsewhere what goes to 10.0.0.9.
#[derive(Default)]
struct Witness {
    seen: Vec<Sight>,
    lens: Vec<usize>,
}

impl Witness {
    fn note(&mut self, place: &'static str, cx: &HookCx<'_>, len: usize, policy: &mut u64) -> HookVerdict {
        let nic = |nic: &Option<NicView<'_>>| nic.as_ref().map(|nic| nic.id.0);
        self.seen.push((place, nic(&cx.ingress), nic(&cx.egress), *policy));
        self.lens.push(len);
        *policy += 1;
        HookVerdict::Accept
    }
}

impl Hook for Witness {
    fn prerouting(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        self.note("prerouting", cx, packet.len(), &mut packet.meta.policy)
    }
    fn input(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        self.note("input", cx, packet.len(), &mut packet.meta.policy)
    }
    fn forward(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        self.note("forward", cx, packet.len(), &mut packet.meta.policy)
    }
    fn output(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> HookVerdict {
        if packet.ip.dst == ip("10.0.0.9") {
            packet.ip.dst = ip("10.0.1.9");
        }
        self.note("output", cx, packet.len(), &mut packet.policy)
    }
    fn postrouting(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> HookVerdict {
        self.note("postrouting", cx, packet.len(), &mut packet.policy)
    }
}

/// A router with interfaces 1 (10.0.0.1) and 2 (10.0.1.1), watched.
fn router() -> stack_host::Host {
    let mut host = host();
    host.add_nic(T0, NicId(2), NicConfig::new("nic2", LinkCapabilities::plain(Medium::Ip, 1500))).unwrap();
    host.add_address(T0, NicId(2), net("10.0.1.1/24")).unwrap();
    for nic in [1, 2] {
        host.set_forwarding(NicId(nic), true).unwrap();
    }
    host.add_hook(Box::new(Witness::default()));
    host
}

fn seen(host: &mut stack_host::Host) -> Vec<Sight> {
    std::mem::take(&mut host.hook::<Witness>().expect("it was added").seen)
}

#[test]
fn each_place_knows_its_interfaces_and_what_the_place_before_found_out() {
    let mut host = router();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    let mut inbound = packet("10.0.0.2", "10.0.0.1", 7, b"in");
    inbound.meta.policy = 99; // of another host
    receive(&mut host, 1, inbound);
    assert_eq!(seen(&mut host), [("prerouting", Some(1), None, 0), ("input", Some(1), None, 1)]);
    receive(&mut host, 1, packet("10.0.0.2", "10.0.1.2", 7, b"through"));
    host.transmit(T0, 10);
    assert_eq!(
        seen(&mut host),
        [
            ("prerouting", Some(1), None, 0),
            ("forward", Some(1), Some(2), 1),
            ("postrouting", None, Some(2), 2),
        ]
    );
    send(&mut host, None, "10.0.1.2", b"out");
    assert_eq!(seen(&mut host), [("output", None, Some(2), 0), ("postrouting", None, Some(2), 1)]);
    send(&mut host, None, "10.0.0.1", b"to ourselves");
    let places: Vec<_> = seen(&mut host).into_iter().map(|(place, _, _, policy)| (place, policy)).collect();
    assert_eq!(places, [("output", 0), ("postrouting", 1), ("prerouting", 2), ("input", 3)]);
}

#[test]
fn another_destination_is_another_route() {
    let mut host = router();
    send(&mut host, None, "10.0.0.9", b"elsewhere");
    assert_eq!(sent(&mut host, 1), []);
    assert_eq!(sent(&mut host, 2).len(), 1);
    assert_eq!(seen(&mut host)[1], ("postrouting", None, Some(2), 1));
}

#[test]
fn a_hook_of_another_type_is_not_found() {
    struct Other;
    impl Hook for Other {}
    let mut host = router();
    assert!(host.hook::<Other>().is_none());
    host.add_hook(Box::new(Other));
    assert!(host.hook::<Other>().is_some() && host.hook::<Witness>().is_some());
}

#[test]
fn what_goes_in_fragments_is_seen_whole_and_once() {
    let mut host = router();
    send(&mut host, None, "10.0.1.2", &[7; 4000]);
    let lens = host.hook::<Witness>().unwrap().lens.clone();
    assert!(lens.len() == 2 && lens.iter().all(|len| *len >= 4000), "{lens:?}");
}
