//! Multicast groups, with the kernel as sender, as member, and as a bridge that listens to reports.

use std::time::Duration;

use crate::wire::lab::Lab;
use crate::wire::serve::{self, DEVICE};
use crate::wire::{Outcome, capture, ensure};

const GROUP_V4: &str = "239.77.0.9";
const GROUP_V6: &str = "ff15::77:9";
const ADDRESSES: [&str; 5] = ["--autoconf", "--address", "fd77::2/64", "--host-address", "fd77::1/64"];
const JOIN: [&str; 4] = ["--join", GROUP_V4, "--join", GROUP_V6];
/// Reports of ours, as tshark sees them.
const REPORTS: [&str; 2] = [
    "igmp.type == 0x22 && ip.src == 10.77.0.2 && igmp.maddr == 239.77.0.9",
    "icmpv6.type == 143 && ipv6.src == fe80::/10 && icmpv6.mldr.mar.multicast_address == ff15::77:9",
];
const PROMPT: Duration = Duration::from_secs(5);

/// What the kernel sends to a group comes to our member, and what we send to it comes to the kernel's.
pub(crate) fn echo(lab: &Lab) -> Outcome {
    let path = lab.path("serve.pcapng");
    let serve = serve::start_with(lab, &[&ADDRESSES[..], &JOIN].concat(), Some(path.clone()))?;
    lab.namespace.ip(&["route", "add", "239.0.0.0/8", "dev", DEVICE, "src", lab.family.kernels()])?;
    // An address that can be sent from at once: its link-local one on a pair of our making is still being probed.
    lab.namespace.ip(&["address", "replace", "fd77::1/64", "dev", DEVICE, "nodad"])?;
    for group in [format!("{GROUP_V4}:7007"), format!("[{GROUP_V6}]:7007")] {
        lab.probe(&["group-echo", &group])?.wait(Duration::from_secs(20))?.success()?;
    }
    // Reports are told a second time within a second.
    std::thread::sleep(Duration::from_secs(2));
    serve.stop()?;
    capture::contains(lab, &path, &REPORTS)
}

/// A bridge with a querier of its own learns from our answers who is a member behind which port: in the old versions, which
/// it speaks at first, and in the new ones.
pub(crate) fn snooping(lab: &Lab) -> Outcome {
    for (versions, answers) in [
        (["1", "2"], ["igmp.type == 0x16 && ip.src == 10.77.0.2", "icmpv6.type == 131"]),
        (["2", "3"], ["igmp.record_type == 2 && ip.src == 10.77.0.2", "icmpv6.mldr.mar.record_type == 2"]),
    ] {
        let path = lab.path(&format!("serve-{}.pcapng", versions[0]));
        let serve = serve::start_with(lab, &[&ADDRESSES[..], &JOIN].concat(), Some(path.clone()))?;
        bridge(lab, versions)?;
        let learned = || lab.run("bridge", &["mdb", "show", "dev", "br0"], PROMPT).map(|ended| ended.text());
        let knows =
            |group: &str| learned().is_ok_and(|text| text.contains(&format!("port {DEVICE} grp {group}")));
        lab.eventually("the bridge to learn of our group of IPv4", || knows(GROUP_V4))?;
        lab.eventually("the bridge to learn of our group of IPv6", || knows(GROUP_V6))?;
        ensure!(!knows("224.0.0.1"), "nobody tells of 224.0.0.1:\n{}", learned()?);
        // It has to ask, from a link-local address, before it is answered: let all be said.
        std::thread::sleep(Duration::from_secs(8));
        lab.namespace.ip(&["link", "delete", "br0"])?;
        serve.stop()?;
        capture::contains(lab, &path, &[&REPORTS[..], &answers].concat())?;
    }
    Ok(())
}

/// Puts our device behind a bridge that asks every two seconds and wants to be answered within one.
fn bridge(lab: &Lab, [mld, igmp]: [&str; 2]) -> Outcome {
    let options =
        ["mcast_snooping", "1", "mcast_querier", "1", "mcast_igmp_version", igmp, "mcast_mld_version", mld];
    let times = [
        "mcast_query_interval",
        "200",
        "mcast_startup_query_interval",
        "200",
        "mcast_query_response_interval",
        "100",
    ];
    let make = [&["link", "add", "br0", "type", "bridge"][..], &options, &times].concat();
    lab.namespace.ip(&make)?;
    lab.namespace.ip(&["link", "set", DEVICE, "master", "br0"])?;
    lab.namespace.ip(&["link", "set", "br0", "up"])?;
    Ok(())
}
