//! A network behind the kernel: the way there from our stack, and what a running stack tells of itself.

use std::time::Duration;

use serde_json::Value;

use crate::wire::family::Family;
use crate::wire::lab::Lab;
use crate::wire::namespace::Namespace;
use crate::wire::process::Input;
use crate::wire::serve::{self, DEVICE, nothing_left};
use crate::wire::{Outcome, ensure};
use crate::workspace::items;

const LIMIT: Duration = Duration::from_secs(20);

/// Two hops by datagrams and by echo requests: the kernel, and the host behind it.
pub(crate) fn traceroute(lab: &Lab) -> Outcome {
    let (_far, host) = far_host(lab)?;
    for method in [&[][..], &["-I"]] {
        let ours = lab.family.in_subnet(lab.ours());
        let mut args = vec!["traceroute", "--json", "-q", "1", "--tun", DEVICE, "--address", &ours];
        args.extend(lab.mode.flags());
        args.extend(method);
        args.push(host);
        let program = lab.program()?.to_string_lossy().into_owned();
        let text = lab.spawn(&program, &args, Input::End)?.wait(LIMIT)?.success()?.text();
        let trace: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let hops: Vec<&str> =
            items(&trace["hops"]).iter().filter_map(|hop| hop["probes"][0]["address"].as_str()).collect();
        ensure!(hops == [lab.family.kernels(), host], "traceroute {}: {text}", method.join(" "));
        nothing_left(lab)?;
    }
    Ok(())
}

/// `addr`, `route` and `neigh` say what the stack that `serve` runs has.
pub(crate) fn tables(lab: &Lab) -> Outcome {
    let serve = serve::start(lab)?;
    lab.check("ping", &["-n", "-c", "1", "-W", "2", lab.ours()], LIMIT)?;
    let addresses = table(lab, "addr")?;
    let device = items(&addresses).iter().find(|nic| nic["name"] == DEVICE).ok_or("no row for the device")?;
    let ours = lab.family.in_subnet(lab.ours());
    ensure!(items(&device["addresses"]).iter().any(|row| row["address"] == *ours), "addr: {addresses}");
    let routes = table(lab, "route")?;
    let kernel = lab.family.kernels();
    ensure!(items(&routes).iter().any(|row| row["gateway"] == kernel), "route: {routes}");
    let neighbors = table(lab, "neigh")?;
    let knows =
        items(&neighbors).iter().any(|row| row["address"] == kernel && row["link_address"].is_string());
    ensure!(knows == lab.mode.is_tap(), "neigh: {neighbors}");
    serve.stop()?;
    let program = lab.program()?.to_string_lossy().into_owned();
    let ended = lab.run(&program, &["addr"], LIMIT)?;
    ensure!(ended.status.code() == Some(1), "addr without a stack ended with {}", ended.status);
    Ok(())
}

fn table(lab: &Lab, command: &str) -> Outcome<Value> {
    let program = lab.program()?.to_string_lossy().into_owned();
    let text = lab.check(&program, &[command, lab.family.flag(), "--json"], LIMIT)?.text();
    serde_json::from_str(&text).map_err(|error| format!("{command}: {error}: {text}"))
}

/// A host in a namespace of its own, behind the kernel of the lab's; and its address.
pub(super) fn far_host(lab: &Lab) -> Outcome<(Namespace, &'static str)> {
    let far = Namespace::new()?;
    let (near_address, far_address, host) = match lab.family {
        Family::V4 => ("10.88.0.1/24", "10.88.0.2/24", "10.88.0.2"),
        Family::V6 => ("fd88::1/64", "fd88::2/64", "fd88::2"),
    };
    lab.namespace.ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far.name()])?;
    for (namespace, device, address) in [(&lab.namespace, "near", near_address), (&far, "far", far_address)] {
        namespace.address(device, address)?;
        namespace.ip(&["link", "set", device, "up"])?;
    }
    let gateway = near_address.split('/').next().unwrap_or_default();
    far.ip(&[lab.family.flag(), "route", "add", "default", "via", gateway])?;
    lab.namespace.sysctl("net.ipv4.ip_forward=1")?;
    lab.namespace.sysctl("net.ipv6.conf.all.forwarding=1")?;
    Ok((far, host))
}
