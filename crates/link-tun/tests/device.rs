//! Against the kernel: each test has a network namespace of its own, which ends with its thread. Without the right to
//! make one, or without `/dev/net/tun`, the tests say so and pass; with `USTACK_REQUIRE_DEVICES=1` they fail.
#![cfg(target_os = "linux")]

mod common;

use bytes::Bytes;
use common::{Wire, in_namespace, ip};
use link_tun::{Mode, Offload, Tun, TunConfig, TunError};
use rustix::fd::AsFd;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recvfrom, sendto, socket};
use stack_core::{Checksum, LinkEndpoint, LinkError, Medium, TxBatch};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

const TCP: u8 = 6;
const UDP: u8 = 17;
const KERNEL: [u8; 4] = [10, 9, 0, 1];
const OURS: [u8; 4] = [10, 9, 0, 2];

/// A device that is up, with the kernel at 10.9.0.1 behind it.
fn tun(name: &str, config: TunConfig) -> Tun {
    let mut tun = Tun::create(config.with_name(name)).unwrap();
    ip(&["address", "add", "10.9.0.1/24", "dev", name]);
    tun.set_up().unwrap();
    tun
}

#[test]
fn a_ping_of_the_kernel_arrives_and_is_answered() {
    in_namespace(|| {
        let mut wire = Wire::new(tun("ping0", TunConfig::tun()));
        let ping = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).unwrap();
        let to = std::net::SocketAddrV4::new(OURS.into(), 0);
        let request = b"\x08\x00\x4a\xd3\x12\x34\x00\x01some ping";
        sendto(&ping, request, SendFlags::empty(), &to).unwrap();

        let packet = wire.receive(|packet| packet.data[0] == 0x45 && packet.data[9] == 1);
        assert_eq!(packet.meta.ether_type, 0x0800);
        assert_eq!(&packet.data[20..], request);

        let mut reply = packet.data[20..].to_vec();
        reply[0] = 0;
        reply[2..4].fill(0);
        let sum = common::checksum(0, &reply);
        reply[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut batch = TxBatch::new();
        let out = batch.slot();
        out.push(Bytes::from(reply.clone())).unwrap();
        common::ipv4(out, 1, OURS, KERNEL);
        wire.transmit(&mut batch);
        let mut got = [0; 100];
        let (len, _, _) = recvfrom(&ping, &mut got, RecvFlags::empty()).unwrap();
        assert_eq!(&got[20..len], reply);
    });
}

#[test]
fn super_packets_pass_whole_in_both_directions() {
    in_namespace(|| {
        let device = tun("tso0", TunConfig::tun());
        assert!(device.offload().tso(), "{}", device.offload());
        let mut wire = Wire::new(device);
        let peer = std::thread::spawn(|| {
            let mut stream = TcpStream::connect("10.9.0.2:80").unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut got = vec![0; 20_000];
            stream.read_exact(&mut got).unwrap();
            assert!(got.iter().all(|byte| *byte == 7));
            stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
            let _ = stream.write_all(&vec![9; 4 << 20]);
        });
        let mut tcp = common::FakePeer::accept(&mut wire, OURS, KERNEL);

        // Ours to the kernel: cut by nobody, checksum computed by nobody.
        tcp.send(&mut wire, &[7; 20_000], 1400);

        // The kernel's to us.
        let mut largest = 0;
        let mut incomplete = 0;
        while largest < 60_000 {
            let packet = wire.receive(|packet| packet.data[9] == TCP);
            if packet.len() > 1500 {
                assert!(packet.meta.gso_size > 1000, "{:?}", packet.meta);
                assert_eq!(packet.meta.checksum, Checksum::Partial { start: 20, offset: 16 });
                let total = usize::from(u16::from_be_bytes([packet.data[2], packet.data[3]]));
                assert_eq!(total, packet.len());
                assert!(packet.more.pieces().flatten().all(|byte| *byte == 9));
                incomplete += 1;
            }
            largest = largest.max(packet.len());
            tcp.acknowledge(&mut wire, &packet);
        }
        assert!(incomplete > 0);
        tcp.reset(&mut wire);
        peer.join().unwrap();
    });
}

#[test]
fn without_offload_packets_are_ordinary_and_complete() {
    in_namespace(|| {
        let device = tun("plain0", TunConfig::tun().with_offload(false));
        assert_eq!(device.offload(), Offload::None);
        let claims = device.capabilities();
        assert!(!claims.tx_checksum && !claims.tso4 && !claims.uso && claims.max_gso == 0);
        let mut wire = Wire::new(device);
        let socket = UdpSocket::bind("10.9.0.1:5000").unwrap();
        socket.send_to(b"hello", "10.9.0.2:6000").unwrap();
        let packet = wire.receive(|packet| packet.data[0] == 0x45 && packet.data[9] == UDP);
        assert_eq!((packet.meta.checksum, packet.meta.gso_size), (Checksum::Unverified, 0));
        let pseudo = common::pseudo_header(KERNEL, OURS, UDP, packet.len() - 20);
        assert_eq!(common::checksum(pseudo, &packet.data[20..]), 0, "the checksum is complete and right");
    });
}

#[test]
fn a_persistent_device_forgets_the_offload_of_its_last_user() {
    in_namespace(|| {
        ip(&["tuntap", "add", "dev", "keep0", "mode", "tun"]);
        ip(&["address", "add", "10.9.0.1/24", "dev", "keep0"]);
        ip(&["link", "set", "keep0", "up"]);
        let first = Tun::create(TunConfig::tun().with_name("keep0")).unwrap();
        assert!(first.offload().checksum(), "{}", first.offload());
        drop(first);
        let second = Tun::create(TunConfig::tun().with_name("keep0").with_offload(false)).unwrap();
        assert_eq!(second.offload(), Offload::None);
        // The kernel takes up the new carrier in its own time.
        let is_up = || ip(&["link", "show", "keep0"]).contains("state UP");
        assert!((0..1000).any(|_| is_up()), "the device does not come up");
        let mut wire = Wire::new(second);
        let socket = UdpSocket::bind("10.9.0.1:5000").unwrap();
        socket.send_to(b"hello", "10.9.0.2:6000").unwrap();
        let packet = wire.receive(|packet| packet.data[0] == 0x45 && packet.data[9] == UDP);
        let pseudo = common::pseudo_header(KERNEL, OURS, UDP, packet.len() - 20);
        assert_eq!(common::checksum(pseudo, &packet.data[20..]), 0, "the checksum is complete and right");
    });
}

#[test]
fn what_we_write_is_received_and_udp_super_packets_are_cut() {
    in_namespace(|| {
        let device = tun("udp0", TunConfig::tun());
        let uso = device.offload().uso();
        let mut wire = Wire::new(device);
        let socket = UdpSocket::bind("10.9.0.1:5000").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut batch = TxBatch::new();
        common::udp(batch.slot(), OURS, KERNEL, b"one datagram");
        wire.transmit(&mut batch);
        let mut got = [0; 4000];
        assert_eq!(socket.recv(&mut got).unwrap(), 12);
        assert_eq!(&got[..12], b"one datagram");
        if !uso {
            return eprintln!("this kernel has no USO");
        }
        let out = batch.slot();
        common::udp(out, OURS, KERNEL, &[3; 2500]);
        out.gso_size = 1000;
        wire.transmit(&mut batch);
        for expected in [1000, 1000, 500] {
            assert_eq!(socket.recv(&mut got).unwrap(), expected);
        }
    });
}

#[test]
fn a_tap_device_carries_frames() {
    in_namespace(|| {
        let device = tun("tap0", TunConfig::tap());
        assert_eq!((device.mode(), device.capabilities().medium), (Mode::Tap, Medium::Ethernet));
        let mut wire = Wire::new(device);
        let socket = UdpSocket::bind("10.9.0.1:5000").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send_to(b"hello", "10.9.0.2:6000").unwrap();
        let request = wire.receive(|packet| packet.data[12..14] == [0x08, 0x06]);
        assert_eq!((request.data[..6].to_vec(), request.meta.ether_type), (vec![0xff; 6], 0));
        let kernel = request.data[6..12].to_vec();

        let mut batch = TxBatch::new();
        let out = batch.slot();
        common::udp(out, OURS, KERNEL, b"framed");
        let header = out.prepend(14).unwrap();
        header[..6].copy_from_slice(&kernel);
        header[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        header[12..].copy_from_slice(&[0x08, 0x00]);
        wire.transmit(&mut batch);
        let mut got = [0; 100];
        assert_eq!(socket.recv(&mut got).unwrap(), 6);
    });
}

#[test]
fn a_removed_device_is_closed() {
    in_namespace(|| {
        let mut wire = Wire::new(tun("gone0", TunConfig::tun()));
        ip(&["link", "delete", "gone0"]);
        assert_eq!(wire.try_receive(), Err(LinkError::Closed));
        let mut batch = TxBatch::new();
        common::udp(batch.slot(), OURS, KERNEL, b"to nobody");
        assert_eq!(wire.try_transmit(&mut batch), Err(LinkError::Closed));
        assert_eq!(batch.len(), 1);
    });
}

#[test]
fn a_device_that_is_down_drops_and_counts_until_it_is_up_again() {
    in_namespace(|| {
        let device = tun("down0", TunConfig::tun());
        let counters = device.counters();
        let mut wire = Wire::new(device);
        ip(&["link", "set", "down0", "down"]);
        let mut batch = TxBatch::new();
        common::udp(batch.slot(), OURS, KERNEL, b"lost");
        wire.transmit(&mut batch);
        assert_eq!((batch.len(), counters.dropped_down(), counters.refused()), (0, 1, 0));
        ip(&["link", "set", "down0", "up"]);
        let socket = UdpSocket::bind("10.9.0.1:5000").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        common::udp(batch.slot(), OURS, KERNEL, b"seen");
        wire.transmit(&mut batch);
        assert_eq!(socket.recv(&mut [0; 100]).unwrap(), 4);
    });
}

#[test]
fn a_malformed_packet_is_refused_and_counted() {
    in_namespace(|| {
        let device = tun("bad0", TunConfig::tun());
        let counters = device.counters();
        let mut wire = Wire::new(device);
        let mut batch = TxBatch::new();
        batch.slot().push(Bytes::from_static(b"\x15 no IP version")).unwrap();
        wire.transmit(&mut batch);
        assert_eq!((batch.len(), counters.refused()), (0, 1));
    });
}

#[test]
fn a_name_is_given_once_and_is_free_after_the_drop() {
    in_namespace(|| {
        let first = Tun::create(TunConfig::tun().with_name("once0")).unwrap();
        let Err(TunError::Attach { name, source }) = Tun::create(TunConfig::tun().with_name("once0")) else {
            panic!("the name is taken")
        };
        assert_eq!((name.as_str(), source.kind()), ("once0", ErrorKind::ResourceBusy));
        drop(first);
        assert!(!common::ip_succeeds(&["link", "show", "once0"]), "the device is gone");
        drop(Tun::create(TunConfig::tap().with_name("once0")).unwrap());
    });
}

#[test]
fn a_new_device_has_what_was_configured() {
    in_namespace(|| {
        let mut device = Tun::create(TunConfig::tun().with_name("shape%d").with_mtu(9000)).unwrap();
        assert_eq!(device.name(), "shape0");
        let shown = ip(&["-oneline", "link", "show", "shape0"]);
        assert!(shown.contains("mtu 9000") && shown.contains("qlen 1000"), "{shown}");
        let claims = device.capabilities();
        assert_eq!((claims.mtu, claims.queue_packets, claims.medium), (9000, Some(1000), Medium::Ip));
        device.set_mtu(1280).unwrap();
        assert_eq!(device.capabilities().mtu, 1280);
        let Err(TunError::Configure { what, .. }) = device.set_mtu(1) else { panic!("an MTU of 1") };
        assert_eq!(what, "set the MTU");
        assert!(Tun::create(TunConfig::tun()).unwrap().name().starts_with("tun"));
    });
}

#[test]
fn a_persistent_device_is_left_as_it_is() {
    in_namespace(|| {
        ip(&["tuntap", "add", "mode", "tun", "name", "stay0"]);
        ip(&["link", "set", "stay0", "mtu", "1400", "txqueuelen", "77", "up"]);
        let device = Tun::create(TunConfig::tun().with_name("stay0").with_mtu(9000)).unwrap();
        let claims = device.capabilities();
        assert_eq!((claims.mtu, claims.queue_packets), (1400, Some(77)));
        drop(device);
        assert!(common::ip_succeeds(&["link", "show", "stay0"]));
        let Err(error) = Tun::create(TunConfig::tap().with_name("stay0")) else { panic!("TAP on a TUN") };
        assert!(error.to_string().contains("another mode"), "{error}");
    });
}

#[test]
fn descriptors_of_others_are_adopted_with_their_header() {
    in_namespace(|| {
        for (name, config, header) in [
            ("lent0", TunConfig::tun(), true),
            ("lent1", TunConfig::tun().with_offload(false), false),
            ("lent2", TunConfig::tap(), true),
        ] {
            let mode = config.mode;
            let theirs = tun(name, config);
            let fd = theirs.as_fd().try_clone_to_owned().unwrap();
            let adopted = Tun::adopt(fd, TunConfig::tun()).unwrap();
            drop(theirs);
            assert_eq!((adopted.name(), adopted.mode()), (name, mode));
            assert_eq!(adopted.offload().has_header(), header);
            if mode == Mode::Tun {
                let mut wire = Wire::new(adopted);
                let mut batch = TxBatch::new();
                common::udp_complete(batch.slot(), OURS, KERNEL, b"x");
                let socket = UdpSocket::bind("10.9.0.1:5000").unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                wire.transmit(&mut batch);
                assert_eq!(socket.recv(&mut [0; 10]).unwrap(), 1, "{name}");
            }
        }
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(matches!(Tun::adopt(file.into(), TunConfig::tun()), Err(TunError::NotTun { .. })));
    });
}
