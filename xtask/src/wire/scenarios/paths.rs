//! What routers of the kernel say about the way: that a packet is too big for it, and that there is a better one.

use std::fs;
use std::time::Duration;

use super::beyond::far_host;
use super::http::{make_blob, sha256};
use super::outward::ustack;
use crate::run::captured;
use crate::wire::counters::Counters;
use crate::wire::family::Family;
use crate::wire::lab::Lab;
use crate::wire::namespace::Namespace;
use crate::wire::process::Input;
use crate::wire::serve::DEVICE;
use crate::wire::{Outcome, capture, ensure};

const SIZE: usize = 4_000_000;
const LIMIT: Duration = Duration::from_secs(20);
const PORT: &str = "4000";
const NARROW: &str = "1300";

/// A host behind a link that is narrower than ours: a stream arrives whole, and so do datagrams, of IPv6 from the second on.
pub(crate) fn narrow(lab: &Lab) -> Outcome {
    let sum = make_blob(lab, SIZE)?;
    let (far, host) = far_host(lab)?;
    lab.namespace.ip(&["link", "set", "near", "mtu", NARROW])?;
    far.ip(&["link", "set", "far", "mtu", NARROW])?;
    let line = format!("nc {} -l -N {PORT} > {}", lab.family.flag(), lab.path("up"));
    let listener = lab.spawn("ip", &["netns", "exec", far.name(), "sh", "-c", &line], Input::End)?;
    lab.eventually("nc to listen", || {
        captured(far.command("ss").args(["-Htln"])).is_ok_and(|text| text.contains(&format!(":{PORT} ")))
    })?;
    let blob = fs::read(lab.path("blob")).map_err(|error| error.to_string())?;
    ustack(lab, &["nc", host, PORT], Input::Bytes(blob))?;
    listener.wait(LIMIT)?.success()?;
    let got = sha256(lab, "up")?;
    ensure!(got == sum, "the far host got SHA-256 {got}, expected {sum}");

    let text = ustack(lab, &["ping", "-c", "3", "-i", "0.2", "-s", "4000", host], Input::End)?;
    let (received, told) = match lab.family {
        Family::V4 => (" 3 received", ""),
        Family::V6 => (" 2 received", "Packet Too Big: the path takes 1300 bytes"),
    };
    ensure!(text.contains(received) && text.contains(told), "ustack ping -s 4000: {text}");
    Ok(())
}

/// The addresses of two routers on our link, of which the second one is nearer to a host.
struct Plan {
    ours: &'static str,
    first: &'static str,
    /// As we and the first one know it: of IPv6 by its link-local address, which redirects speak of (RFC 4861 §8).
    gateway: &'static str,
    second: &'static str,
    next: &'static str,
    host: &'static str,
    forwarded: &'static str,
}

const V4: Plan = Plan {
    ours: "10.66.0.2/24",
    first: "10.66.0.1/24",
    gateway: "10.66.0.1",
    second: "10.66.0.9/24",
    next: "10.66.0.9",
    host: "198.51.100.1",
    forwarded: "IpForwDatagrams",
};
const V6: Plan = Plan {
    ours: "fd66::2/64",
    first: "fe80::1/64",
    gateway: "fe80::1",
    second: "fe80::9/64",
    next: "fe80::9",
    host: "2001:db8:9::1",
    forwarded: "Ip6OutForwDatagrams",
};

/// The first packet goes by the first router, which says that the second one is the better way; the others go that way.
pub(crate) fn redirected(lab: &Lab) -> Outcome {
    let plan = if lab.family == Family::V4 { V4 } else { V6 };
    let _second = two_routers(lab, &plan)?;
    let capture = lab.path("redirect.pcapng");
    let mut args = vec!["ping", "-c", "4", "-i", "0.2", "--tun", DEVICE, "--address", plan.ours];
    args.extend(["--gateway", plan.gateway, "--pcap", &capture]);
    args.extend(lab.mode.flags());
    if lab.family == Family::V6 {
        args.push("--autoconf");
    }
    args.push(plan.host);
    let program = lab.program()?.to_string_lossy().into_owned();
    let text = lab.spawn(&program, &args, Input::End)?.wait(LIMIT)?.success()?.text();
    ensure!(text.contains(" 4 received"), "ustack ping: {text}");
    let forwarded = Counters::read(lab)?.of(plan.forwarded);
    ensure!(forwarded == 1, "the first router has forwarded {forwarded} of 4 packets");
    capture::check(lab, &capture)
}

/// A bridge with us, the first router and the second one, which has the host.
fn two_routers(lab: &Lab, plan: &Plan) -> Outcome<Namespace> {
    let (first, second) = (&lab.namespace, Namespace::new()?);
    for setting in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
        first.sysctl(setting)?;
        second.sysctl(setting)?;
    }
    first.ip(&["link", "add", "bridge", "type", "bridge"])?;
    first.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tap"])?;
    first.ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", second.name()])?;
    for port in ["near", DEVICE] {
        first.ip(&["link", "set", port, "master", "bridge", "up"])?;
    }
    // Redirects come from the one link-local address that we know.
    first.ip(&["link", "set", "bridge", "addrgenmode", "none", "up"])?;
    second.ip(&["link", "set", "far", "up"])?;
    first.address("bridge", plan.first)?;
    second.address("far", plan.second)?;
    second.address("far", plan.host)?;
    let family = lab.family.flag();
    first.ip(&[family, "route", "add", plan.host, "via", plan.next, "dev", "bridge"])?;
    // Of IPv6 neither has an address of our subnet.
    let (ours, _) = plan.ours.split_once('/').unwrap_or_default();
    for (namespace, device) in [(first, "bridge"), (&second, "far")] {
        namespace.ip(&[family, "route", "replace", ours, "dev", device])?;
    }
    Ok(second)
}
