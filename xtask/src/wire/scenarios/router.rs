//! Our stack as a router between two kernels, in a namespace each: the example `router` of the facade.
//!
//! Where it hides one from the other, the kernel outside has no way back to the addresses inside, so whatever comes back
//! was translated.

use std::process::Command;
use std::time::Duration;

use crate::run::captured;
use crate::wire::family::Family;
use crate::wire::lab::Lab;
use crate::wire::namespace::Namespace;
use crate::wire::process::{Input, Process};
use crate::wire::scenarios::Mode;
use crate::wire::{Outcome, ensure};

const PROMPTLY: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);

/// The addresses of a family.
struct Plan {
    client: &'static str,
    inside: &'static str,
    /// On the device of the kernel outside, and beyond it.
    server: &'static str,
    beyond: &'static str,
    /// The router on that side.
    outside: &'static str,
    prefix: &'static str,
    /// The networks of the clients, which outside may have to be unreachable.
    within: &'static str,
}

const V4: Plan = Plan {
    client: "10.77.0.2",
    inside: "10.77.0.1",
    server: "192.0.2.2",
    beyond: "198.51.100.2",
    outside: "192.0.2.1",
    prefix: "/24",
    within: "10.0.0.0/8",
};
const V6: Plan = Plan {
    client: "fd77::2",
    inside: "fd77::1",
    server: "2001:db8::2",
    beyond: "2001:db8:5::2",
    outside: "2001:db8::1",
    prefix: "/64",
    within: "fd00::/8",
};

/// With the addresses of its own, the client is found.
pub(crate) fn forward(lab: &Lab) -> Outcome {
    cross(lab, false)
}

/// Hidden, it is the router that others see.
pub(crate) fn masquerade(lab: &Lab) -> Outcome {
    cross(lab, true)
}

/// A kernel that nobody configured: its address, its router and the way out come from our advertisements.
pub(crate) fn advertise(lab: &Lab) -> Outcome {
    let router = start(lab, &[])?;
    let client = Namespace::new()?;
    lab.namespace.ip(&["link", "set", "inside0", "netns", client.name()])?;
    client.ip(&["link", "set", "inside0", "up"])?;
    address(&lab.namespace, "outside0", V6.server, &V6)?;
    lab.namespace.ip(&["-6", "route", "add", V6.within, "via", V6.outside])?;
    lab.eventually("an address of the prefix", || {
        let text = client.ip(&["-6", "-o", "address", "show", "dev", "inside0", "scope", "global"]);
        text.is_ok_and(|text| {
            text.contains("fd77::") && text.contains("dynamic") && !text.contains("tentative")
        })
    })?;
    let way = client.ip(&["-6", "route", "show", "default"])?;
    ensure!(way.contains("via fe80::"), "the default route: `{way}`");
    run(&client, &["ping", "-n", "-c", "3", "-i", "0.2", "-w", "10", V6.server])?;
    router.terminate(PROMPTLY).map(drop)
}

/// Pings whole and in fragments, transfers both ways, and the hops of a route, by three methods.
fn cross(lab: &Lab, hides: bool) -> Outcome {
    let plan = match lab.family {
        Family::V4 => V4,
        Family::V6 => V6,
    };
    let router = start(lab, if hides { &["hide"] } else { &[] })?;
    let client = attach(lab, &plan, hides)?;
    let _far = beyond(lab, &plan)?;

    for size in ["56", "4000"] {
        run(&client, &["ping", "-n", "-c", "3", "-i", "0.2", "-w", "10", "-s", size, plan.server])?;
    }
    for direction in [&[][..], &["-R"]] {
        let server = lab.spawn("iperf3", &["-s", "-1", "-B", plan.server, "--forceflush"], Input::End)?;
        lab.eventually("iperf3 to listen", || listens(lab))?;
        run(&client, &[&["iperf3", "-c", plan.server, "-n", "20M"], direction].concat())?;
        server.wait(LIMIT)?.success()?;
    }
    for method in [&[][..], &["-I"], &["-T"]] {
        let trace = [&["traceroute", lab.family.flag(), "-n", "-q", "1", "-w", "3", "-m", "5"], method];
        let text = run(&client, &[&trace.concat()[..], &[plan.beyond]].concat())?;
        let hops: Vec<&str> =
            text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
        ensure!(hops == [plan.inside, plan.server, plan.beyond], "traceroute {}: {text}", method.join(" "));
    }
    router.terminate(PROMPTLY).map(drop)
}

/// The example, between two interfaces of the lab's kind.
fn start(lab: &Lab, more: &[&str]) -> Outcome<Process> {
    let kind = match lab.mode {
        Mode::Alone | Mode::Tun | Mode::TunPlain => "tun",
        Mode::Tap | Mode::TapPlain => "tap",
        Mode::Veth | Mode::VethPlain => "packet",
    };
    if lab.mode.is_veth() {
        pair(lab)?;
    }
    let program = lab.program()?.with_file_name("examples").join("router");
    let mut router = lab.spawn(&program.to_string_lossy(), &[&[kind], more].concat(), Input::End)?;
    router.wait_for_line("ready", PROMPTLY)?;
    Ok(router)
}

fn run(namespace: &Namespace, command: &[&str]) -> Outcome<String> {
    captured(Command::new("ip").args([&["netns", "exec", namespace.name()], command].concat()))
}

fn listens(lab: &Lab) -> bool {
    let sockets = captured(lab.namespace.command("ss").args(["-H", "-l", "-n", "-t", "sport = :5201"]));
    sockets.is_ok_and(|text| !text.trim().is_empty())
}

/// Interfaces that are there: ours are the ends that the kernel does not use.
fn pair(lab: &Lab) -> Outcome {
    for (theirs, ours) in [("inside0", "inside1"), ("outside0", "outside1")] {
        lab.namespace.ip(&["link", "add", theirs, "type", "veth", "peer", "name", ours])?;
        lab.namespace.sysctl(&format!("net.ipv6.conf.{ours}.disable_ipv6=1"))?;
        lab.namespace.ip(&["link", "set", ours, "up"])?;
    }
    Ok(())
}

/// Puts the inner device into a namespace of its own, and gives both kernels their addresses.
fn attach(lab: &Lab, plan: &Plan, hides: bool) -> Outcome<Namespace> {
    let client = Namespace::new()?;
    lab.namespace.ip(&["link", "set", "inside0", "netns", client.name()])?;
    address(&client, "inside0", plan.client, plan)?;
    address(&lab.namespace, "outside0", plan.server, plan)?;
    client.ip(&[lab.family.flag(), "route", "add", "default", "via", plan.inside])?;
    let back: &[&str] =
        if hides { &["unreachable", plan.within] } else { &[plan.within, "via", plan.outside] };
    lab.namespace.ip(&[&[lab.family.flag(), "route", "add"], back].concat())?;
    Ok(client)
}

/// A host behind the kernel outside.
fn beyond(lab: &Lab, plan: &Plan) -> Outcome<Namespace> {
    let far = Namespace::new()?;
    let near = format!("{}1", plan.beyond.trim_end_matches('2'));
    lab.namespace.ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far.name()])?;
    address(&lab.namespace, "near", &near, plan)?;
    address(&far, "far", plan.beyond, plan)?;
    far.ip(&[lab.family.flag(), "route", "add", "default", "via", &near])?;
    lab.namespace.sysctl("net.ipv4.ip_forward=1")?;
    lab.namespace.sysctl("net.ipv6.conf.all.forwarding=1")?;
    Ok(far)
}

fn address(namespace: &Namespace, device: &str, address: &str, plan: &Plan) -> Outcome {
    namespace.address(device, &format!("{address}{}", plan.prefix))?;
    namespace.ip(&["link", "set", device, "up"]).map(drop)
}
