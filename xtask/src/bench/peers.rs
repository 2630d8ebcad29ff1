//! Who is measured, and where: each peer has namespaces of its own for the
//! whole run and a fresh process for each round.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{yardstick, yardstick_target};
use crate::run::{captured, checked};
use crate::wire::namespace::Namespace;
use crate::wire::process::{Input, Process};
use crate::workspace::{Target, Workspace};

/// The address that every peer serves.
pub(crate) const ADDRESS: &str = "10.9.0.2";
/// Prefix and count of further client addresses.
pub(crate) const SOURCES: [&str; 2] = ["10.9.1", "32"];
const DEVICE: &str = "tun0";
/// The device's queue towards us, in packets; 500, the default, drops.
const QUEUE: &str = "1000";
const READY: Duration = Duration::from_secs(5);
/// No peer lives longer than this.
const LIFE: Duration = Duration::from_secs(600);
/// Our own peer program: the package and its binary.
const OUR_PACKAGE: &str = "benches";
const OUR_BINARY: &str = "wire-peer";
const NULL_VNET: &str = "null-vnet";
const NULL_1500: &str = "null-1500";
const COPY_VNET: &str = "copy-vnet";
const COPY_1500: &str = "copy-1500";

/// Settings of the kernel's side, the same for every peer.
const SETTINGS: [&str; 7] = [
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv4.tcp_tw_reuse=1",
    "net.ipv4.ip_local_port_range=1024 65535",
    "net.ipv4.tcp_rmem=4096 131072 33554432",
    "net.ipv4.tcp_wmem=4096 1048576 16777216",
    "net.ipv4.tcp_max_syn_backlog=8192",
    "net.core.somaxconn=8192",
];

/// One thing to measure.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// The peer of the same attachment that it is compared with.
    pub(crate) limit: &'static str,
    attachment: Attachment,
    program: Program,
    args: Words,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attachment {
    /// A TUN device in the client's namespace, MTU 1500.
    Tun,
    /// A TUN device, and another one in a namespace of its own, with the services on kernel sockets behind it.
    TwoTuns,
    /// A TAP device there.
    Tap,
    /// A veth pair, of whose other end the peer takes the frames past the kernel.
    Packet,
    /// The same with all offloads off.
    PlainPacket,
    /// A veth pair into a namespace of the peer's own.
    Veth,
    /// The same with all offloads off.
    PlainVeth,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    /// `wire-bench`, the yardstick's own.
    Yardstick,
    /// Our stack behind the same services.
    Ours,
}

type Words = &'static [&'static str];

/// Our stack with super-packets.
const fn ours(name: &'static str, args: Words) -> Peer {
    Peer { name, limit: NULL_VNET, attachment: Attachment::Tun, program: Program::Ours, args }
}

/// Our stack with packets of one MTU.
const fn ours_plain(name: &'static str, args: Words) -> Peer {
    Peer { limit: NULL_1500, ..ours(name, args) }
}

/// Our stack, attached in another way.
const fn over(name: &'static str, limit: &'static str, attachment: Attachment, args: Words) -> Peer {
    Peer { limit, attachment, ..ours(name, args) }
}

/// A program of the yardstick itself.
const fn reference(name: &'static str, limit: &'static str, attachment: Attachment, args: Words) -> Peer {
    Peer { name, limit, attachment, program: Program::Yardstick, args }
}

/// Our stack as a router.
const fn router(name: &'static str, limit: &'static str, args: Words) -> Peer {
    Peer { name, limit, attachment: Attachment::TwoTuns, program: Program::Ours, args }
}

/// Every peer, in the order of the table.
pub(crate) const PEERS: &[Peer] = &[
    reference(NULL_VNET, NULL_VNET, Attachment::Tun, &["null", DEVICE, "vnet", "1460"]),
    reference(NULL_1500, NULL_1500, Attachment::Tun, &["null", DEVICE, "plain", "1460"]),
    reference("veth", NULL_VNET, Attachment::Veth, &["serve"]),
    reference("veth-1500", NULL_1500, Attachment::PlainVeth, &["serve"]),
    ours("ustack-loop", &[DEVICE, "--sockets", "loop"]),
    ours_plain("ustack-loop-1500", &[DEVICE, "--sockets", "loop", "--no-offload"]),
    over("ustack-loop-tap", NULL_VNET, Attachment::Tap, &[DEVICE, "--attach", "tap", "--sockets", "loop"]),
    over(
        "ustack-loop-tap-1500",
        NULL_1500,
        Attachment::Tap,
        &[DEVICE, "--attach", "tap", "--sockets", "loop", "--no-offload"],
    ),
    over(
        "ustack-loop-packet",
        NULL_VNET,
        Attachment::Packet,
        &[DEVICE, "--attach", "packet", "--sockets", "loop"],
    ),
    over(
        "ustack-loop-packet-1500",
        NULL_1500,
        Attachment::PlainPacket,
        &[DEVICE, "--attach", "packet", "--sockets", "loop", "--no-offload"],
    ),
    over(
        "ustack-loop-packet-1500-1by1",
        NULL_1500,
        Attachment::PlainPacket,
        &[DEVICE, "--attach", "packet", "--sockets", "loop", "--no-offload", "--batch", "1"],
    ),
    ours("ustack-inline", &[DEVICE, "--sockets", "inline"]),
    ours_plain("ustack-inline-1500", &[DEVICE, "--sockets", "inline", "--no-offload"]),
    ours("ustack-blocking", &[DEVICE, "--sockets", "blocking"]),
    ours_plain("ustack-blocking-1500", &[DEVICE, "--sockets", "blocking", "--no-offload"]),
    ours("ustack-blocking-bytes", &[DEVICE, "--sockets", "blocking-bytes"]),
    ours_plain("ustack-blocking-bytes-1500", &[DEVICE, "--sockets", "blocking-bytes", "--no-offload"]),
    ours("ustack-tokio", &[DEVICE, "--sockets", "tokio"]),
    ours_plain("ustack-tokio-1500", &[DEVICE, "--sockets", "tokio", "--no-offload"]),
    reference(COPY_VNET, COPY_VNET, Attachment::TwoTuns, &["forward", DEVICE, "vnet"]),
    reference(COPY_1500, COPY_1500, Attachment::TwoTuns, &["forward", DEVICE, "plain"]),
    router("ustack-forward", COPY_VNET, &[DEVICE, "--forward"]),
    router("ustack-forward-1500", COPY_1500, &[DEVICE, "--no-offload", "--forward"]),
];

/// The programs that were built for a run.
pub(crate) struct Programs {
    /// `wire-bench`: loads and reference peers.
    pub(crate) yardstick: PathBuf,
    ours: Option<PathBuf>,
}

impl Programs {
    /// Builds the yardstick, and our own peer where the workspace has it.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self, String> {
        checked(&mut yardstick(workspace, &["build", "--release"]))?;
        let is_ours = |target: &&Target| target.kind == "bin" && target.name == OUR_BINARY;
        let package = workspace.package(OUR_PACKAGE);
        let ours = package.and_then(|package| package.targets.iter().find(is_ours));
        if ours.is_some() {
            checked(&mut workspace.cargo(&["build", "--release", "-p", OUR_PACKAGE, "--bin", OUR_BINARY]))?;
        }
        let ours = ours.map(|_| workspace.target.join("release").join(OUR_BINARY));
        Ok(Self { yardstick: yardstick_target(workspace).join("release/wire-bench"), ours })
    }

    fn of(&self, peer: &Peer) -> Option<&PathBuf> {
        match peer.program {
            Program::Yardstick => Some(&self.yardstick),
            Program::Ours => self.ours.as_ref(),
        }
    }
}

/// A peer's namespaces, and its process while a round lasts.
pub(crate) struct Stand {
    pub(crate) peer: &'static Peer,
    client: Namespace,
    /// The peer's own, where it has one, or that of the services behind it.
    server: Option<Namespace>,
    /// The services behind it.
    services: Option<Process>,
    program: PathBuf,
    /// Programs run before all others of the machine.
    urgent: bool,
}

impl Stand {
    /// Makes the namespaces; `None` if the peer's program isn't there.
    pub(crate) fn new(
        peer: &'static Peer,
        programs: &Programs,
        urgent: bool,
    ) -> Result<Option<Self>, String> {
        let Some(program) = programs.of(peer) else { return Ok(None) };
        let client = namespace()?;
        let server = match peer.attachment {
            Attachment::Tun | Attachment::TwoTuns => {
                client.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tun"])?;
                (peer.attachment == Attachment::TwoTuns).then(behind).transpose()?
            }
            Attachment::Tap => {
                client.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tap"])?;
                None
            }
            Attachment::Veth | Attachment::PlainVeth | Attachment::Packet | Attachment::PlainPacket => {
                Some(veth(&client, peer.attachment)?)
            }
        };
        client.ip(&["address", "add", "10.9.0.1/8", "dev", DEVICE])?;
        client.ip(&["link", "set", DEVICE, "txqueuelen", QUEUE, "up"])?;
        for last in 1..=32 {
            client.ip(&["address", "add", &format!("10.9.1.{last}/32"), "dev", DEVICE])?;
        }
        let mut stand = Self { peer, client, server, services: None, program: program.clone(), urgent };
        if peer.attachment == Attachment::TwoTuns {
            stand.services = Some(stand.serve(&programs.yardstick)?);
        }
        Ok(Some(stand))
    }

    /// The services on kernel sockets, behind the peer.
    fn serve(&self, yardstick: &Path) -> Result<Process, String> {
        let inside = self.server.as_ref().unwrap_or(&self.client);
        let mut command = self.command(inside, &yardstick.to_string_lossy());
        let mut process = Process::spawn(command.arg("serve"), "serve", Input::End, Instant::now() + LIFE)?;
        process.wait_for_line("ready", READY)?;
        Ok(process)
    }

    /// Starts the peer and waits until it answers.
    pub(crate) fn start(&self) -> Result<Process, String> {
        let between = self.peer.attachment == Attachment::TwoTuns;
        let inside = self.server.as_ref().filter(|_| !between).unwrap_or(&self.client);
        let mut command = self.command(inside, &self.program.to_string_lossy());
        command.args(self.peer.args);
        command.args(self.server.as_ref().filter(|_| between).map(Namespace::name));
        let mut process = Process::spawn(&mut command, self.peer.name, Input::End, Instant::now() + LIFE)?;
        process.wait_for_line("ready", READY)?;
        Ok(process)
    }

    /// A program on the client's side.
    pub(crate) fn client(&self, program: &str) -> Command {
        self.command(&self.client, program)
    }

    fn command(&self, inside: &Namespace, program: &str) -> Command {
        if !self.urgent {
            return inside.command(program);
        }
        let mut command = inside.command("chrt");
        command.args(["--rr", "1", program]);
        command
    }

    /// The client's congestion control.
    pub(crate) fn congestion_control(&self) -> String {
        let mut command = self.client.command("sysctl");
        let answer = captured(command.args(["-n", "net.ipv4.tcp_congestion_control"])).unwrap_or_default();
        answer.trim().to_owned()
    }
}

fn namespace() -> Result<Namespace, String> {
    let namespace = Namespace::new()?;
    SETTINGS.iter().try_for_each(|setting| namespace.sysctl(setting))?;
    Ok(namespace)
}

/// The namespace of services behind a second device.
fn behind() -> Result<Namespace, String> {
    let server = namespace()?;
    server.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tun"])?;
    server.ip(&["address", "add", &format!("{ADDRESS}/8"), "dev", DEVICE])?;
    server.ip(&["link", "set", DEVICE, "txqueuelen", QUEUE, "up"])?;
    Ok(server)
}

fn veth(client: &Namespace, attachment: Attachment) -> Result<Namespace, String> {
    let server = namespace()?;
    client.ip(&["link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", server.name()])?;
    if matches!(attachment, Attachment::Veth | Attachment::PlainVeth) {
        server.ip(&["address", "add", &format!("{ADDRESS}/8"), "dev", DEVICE])?;
    }
    server.ip(&["link", "set", DEVICE, "up"])?;
    if matches!(attachment, Attachment::PlainVeth | Attachment::PlainPacket) {
        for end in [client, &server] {
            let mut command = end.command("ethtool");
            let off = ["tso", "gso", "gro", "tx", "rx"].iter().flat_map(|feature| [*feature, "off"]);
            captured(command.args(["-K", DEVICE]).args(off))?;
        }
    }
    Ok(server)
}
