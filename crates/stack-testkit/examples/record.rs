//! Makes the recordings of two of our own hosts in `testdata/captures`:
//! `cargo run -p stack-testkit --example record -- testdata/captures`
//!
//! All are taken at the server, 10.0.0.2, in virtual time, so that running it again gives the same packets at the
//! same times. What each holds is told in `testdata/captures/README.md`.

use core::net::SocketAddr;
use core::time::Duration;
use link_channel::{ChannelConfig, pair};
use link_ethernet::Ethernet;
use link_impair::{Impair, ImpairConfig};
use link_pcap::{Capture, CaptureConfig, Pcap};
use net_arp::{Arp, ArpConfig};
use net_ipv4::{Ipv4, Ipv4Config};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use stack_core::{Instant, IpNet, LinkAddress};
use stack_host::Host;
use stack_testkit::SeededRng;
use stack_testkit::capture;
use stack_testkit::net::{HostId, Net, Socket, TCP, UDP};
use std::error::Error;
use std::fs::File;
use std::path::Path;
use trans_icmp::Icmp;
use trans_tcp::{Tcp, TcpConfig};
use trans_udp::{Udp, UdpConfig};

/// The wall clock of the recordings: 2026-01-01.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);
const CLIENT: &str = "10.0.0.1/24";
const SERVER: &str = "10.0.0.2/24";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("where to? give a folder")?;
    let folder = Path::new(&folder);
    request_reply(&folder.join("request-reply.pcapng"))?;
    lossy_upload(&folder.join("lossy-upload.pcapng"))?;
    let frames = folder.join("datagrams.pcapng");
    datagrams(&frames)?;
    as_pcap(&frames, &folder.join("datagrams.pcap"))?;
    std::fs::remove_file(frames)?;
    Ok(())
}

fn host(seed: u64) -> Result<Host, Box<dyn Error>> {
    let arp = ArpConfig { announce: false, ..ArpConfig::default() };
    let builder = Host::builder()
        .network(Ipv4::new(Ipv4Config::default()))
        .network(Arp::new(arp))
        .transport(Tcp::new(TcpConfig::default()))
        .transport(Udp::new(UdpConfig::default()))
        .transport(Icmp::v4())
        .rng(Box::new(SeededRng::new(seed)));
    Ok(builder.build()?)
}

/// Two hosts on a line of IP packets; the capture is taken at the server's end.
fn line(path: &Path, line: ImpairConfig) -> Result<(Net, HostId, HostId), Box<dyn Error>> {
    let mut net = Net::new();
    let (client, server) = (net.add_host("client", host(1)?), net.add_host("server", host(2)?));
    let capture = Capture::create(path, CaptureConfig::new(EPOCH))?;
    let (first, second) = pair(ChannelConfig::default());
    net.attach(client, Impair::new(first, line, 1), &[CLIENT.parse()?]);
    net.attach(server, Pcap::new(Impair::new(second, line, 2), &capture, "server")?, &[SERVER.parse()?]);
    Ok((net, client, server))
}

/// Two hosts on Ethernet; the capture holds whole frames.
fn ethernet(path: &Path) -> Result<(Net, HostId, HostId), Box<dyn Error>> {
    let delay = ImpairConfig { delay: Duration::from_millis(1), ..ImpairConfig::default() };
    let mut net = Net::new();
    let (client, server) = (net.add_host("client", host(3)?), net.add_host("server", host(4)?));
    let capture = Capture::create(path, CaptureConfig::new(EPOCH))?;
    let (a, b) = (LinkAddress([2, 0, 0, 0, 0, 1]), LinkAddress([2, 0, 0, 0, 0, 2]));
    let (first, second) = pair(ChannelConfig::ethernet(a, b));
    let client_net: IpNet = CLIENT.parse()?;
    net.attach(client, Ethernet::with_link_address_of(Impair::new(first, delay, 1))?, &[client_net]);
    let second = Pcap::new(Impair::new(second, delay, 2), &capture, "server")?;
    net.attach(server, Ethernet::with_link_address_of(second)?, &[SERVER.parse()?]);
    Ok((net, client, server))
}

/// A request, a reply of several segments, another request after a while, and an orderly end begun by the client.
fn request_reply(path: &Path) -> Result<(), Box<dyn Error>> {
    let delay = ImpairConfig { delay: Duration::from_millis(10), ..ImpairConfig::default() };
    let (mut net, client, server) = line(path, delay)?;
    let address: SocketAddr = "10.0.0.2:80".parse()?;
    let listener = Socket::listening(net.hosts(), server, address, 8)?;
    let socket = Socket::connecting(net.hosts(), client, TCP, address)?;
    net.run_for(Duration::from_millis(50));
    let peer = listener.accept(net.hosts())?;
    let mut buffer = vec![0; 65_536];
    for (request, reply) in [(120, 6_000), (80, 300)] {
        socket.write(net.hosts(), &vec![b'q'; request])?;
        net.run_for(Duration::from_millis(10));
        peer.read(net.hosts(), &mut buffer)?;
        net.run_for(Duration::from_millis(5));
        let body: Vec<u8> = (0..reply).map(|i: u32| i as u8).collect();
        peer.write(net.hosts(), &body)?;
        net.run_for(Duration::from_millis(200));
        socket.read(net.hosts(), &mut buffer)?;
        net.run_for(Duration::from_millis(300));
    }
    socket.close(net.hosts());
    net.run_for(Duration::from_millis(10));
    peer.read(net.hosts(), &mut buffer)?;
    peer.close(net.hosts());
    net.run_for(Duration::from_secs(120));
    net.assert_quiet();
    Ok(())
}

/// 60 kB from the client over a line that loses every twentieth packet: holes, duplicate ACKs, retransmissions; then a
/// reply, which has to be sent twice.
fn lossy_upload(path: &Path) -> Result<(), Box<dyn Error>> {
    let bad = ImpairConfig {
        delay: Duration::from_millis(20),
        loss: 0.05,
        reorder: 0.02,
        reorder_delay: Duration::from_millis(3),
        duplicate: 0.01,
        ..ImpairConfig::default()
    };
    let (mut net, client, server) = line(path, bad)?;
    let address: SocketAddr = "10.0.0.2:80".parse()?;
    let listener = Socket::listening(net.hosts(), server, address, 8)?;
    let socket = Socket::connecting(net.hosts(), client, TCP, address)?;
    let content: Vec<u8> = (0..60_000u32).map(|i| (i / 7) as u8).collect();
    net.run_for(Duration::from_secs(2));
    let peer = listener.accept(net.hosts())?;
    socket.write(net.hosts(), &content)?;
    let (mut buffer, mut read) = (vec![0; 65_536], 0);
    let limit = net.now() + Duration::from_secs(60);
    let whole = net.run_while(limit, |hosts| {
        while let Ok((count, _)) = peer.read(hosts, &mut buffer) {
            read += count;
        }
        read >= content.len()
    });
    if !whole {
        return Err("the upload did not arrive".into());
    }
    peer.write(net.hosts(), b"thank you")?;
    peer.close(net.hosts());
    net.run_for(Duration::from_secs(5));
    socket.read(net.hosts(), &mut buffer)?;
    socket.close(net.hosts());
    net.run_for(Duration::from_secs(200));
    Ok(())
}

/// ARP, datagrams and their echoes, a closed port, a large datagram in fragments, pings small and large.
fn datagrams(path: &Path) -> Result<(), Box<dyn Error>> {
    let (mut net, client, server) = ethernet(path)?;
    let echo: SocketAddr = "10.0.0.2:7".parse()?;
    let service = Socket::bound(net.hosts(), server, UDP, echo)?;
    let socket = Socket::connecting(net.hosts(), client, UDP, echo)?;
    let mut buffer = vec![0; 65_536];
    for len in [10, 1_000, 4_000] {
        socket.write(net.hosts(), &vec![b'd'; len])?;
        net.run_for(Duration::from_millis(10));
        let (count, from) = service.read(net.hosts(), &mut buffer)?;
        service.send_to(net.hosts(), &buffer[..count], from)?;
        net.run_for(Duration::from_millis(100));
    }
    let closed = Socket::connecting(net.hosts(), client, UDP, "10.0.0.2:9".parse()?)?;
    closed.write(net.hosts(), b"anybody there?")?;
    net.run_for(Duration::from_millis(100));
    for len in [0, 56, 2_000] {
        let now = net.now();
        let (icmp, mut cx) = net.host(client).transport::<Icmp<trans_icmp::V4>>(now).ok_or("no ICMP")?;
        let ping = stack_core::Endpoints::create(icmp, &mut cx, stack_core::Families::V4)?;
        icmp.send_echo(&mut cx, ping, 1, &vec![b'p'; len][..], Some("10.0.0.2:0".parse()?))?;
        net.run_for(Duration::from_millis(100));
    }
    net.run_until(Instant::from_secs(60));
    Ok(())
}

/// The same packets in the old format, with stamps in microseconds.
fn as_pcap(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(File::create(to)?, header)?;
    for captured in capture::read(from)? {
        let frame = [&captured.link[..], &captured.packet[..]].concat();
        let packet = PcapPacket::new(EPOCH + captured.at, frame.len() as u32, &frame);
        writer.write_packet(&packet)?;
    }
    Ok(())
}
