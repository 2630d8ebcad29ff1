//! `ustack resolve`, with dnsmasq as name server and as the router that advertises it, and with avahi as a host that answers
//! for itself.

use std::time::Duration;

use super::daemons::{avahi, dnsmasq, stop};
use super::outward::ustack;
use crate::wire::lab::Lab;
use crate::wire::process::Input;
use crate::wire::serve::DEVICE;
use crate::wire::{Outcome, capture, ensure};

/// Addresses of one name: more than a datagram of 1,232 bytes holds.
const MANY: u32 = 120;
/// The router's side of a link that nobody configured for us.
const ROUTER: &str = "fd77:7::1/64";
/// Three solicitations and duplicate address detection.
const PATIENCE: Duration = Duration::from_secs(25);

/// Addresses, aliases of addresses, a name that is not there, and an answer that needs TCP; the packets checked by tshark.
pub(crate) fn resolve(lab: &Lab) -> Outcome {
    let many: String = (1..=MANY).map(|last| format!("host-record=many.test,10.1.0.{last}\n")).collect();
    let dnsmasq = dnsmasq(lab, &format!("host-record=host.test,10.9.8.7,fd99::7\n{many}"))?;
    let server = lab.family.kernels();
    let ask = |args: &[&str]| ustack(lab, &[&["resolve", "--server", server], args].concat(), Input::End);
    let (v4, v6) = (ask(&["-4", "host.test"])?, ask(&["-6", "--json", "host.test"])?);
    ensure!(v4.trim() == "10.9.8.7", "ustack resolve -4: `{}`", v4.trim());
    ensure!(v6.contains("\"addresses\":[\"fd99::7\"]"), "ustack resolve -6: `{}`", v6.trim());
    let name = ask(&["10.9.8.7"])?;
    ensure!(name.trim() == "host.test.", "ustack resolve 10.9.8.7: `{}`", name.trim());
    let all = ask(&["-4", "many.test"])?;
    ensure!(all.lines().count() == MANY as usize, "{MANY} addresses over TCP:\n{all}");
    let missing = ask(&["none.test"]).err().unwrap_or_default();
    ensure!(missing.contains("there is no name none.test"), "a name that is not there: `{missing}`");
    stop(dnsmasq)
}

/// On a link that nobody told us about: the server and the domain to search come from its router (RFC 8106).
pub(crate) fn advertised(lab: &Lab) -> Outcome {
    lab.check("sysctl", &["-q", "net.ipv6.conf.all.forwarding=1"], PATIENCE)?;
    lab.namespace.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tap"])?;
    lab.namespace.address(DEVICE, ROUTER)?;
    lab.namespace.ip(&["link", "set", DEVICE, "up"])?;
    let advertising = format!(
        "interface={DEVICE}\nbind-dynamic\nenable-ra\ndhcp-range=fd77:7::,ra-only,64\n\
         dhcp-option=option6:domain-search,lan.test\nhost-record=host.lan.test,fd77:7::99\n"
    );
    let dnsmasq = dnsmasq(lab, &advertising)?;
    let capture = lab.path("resolve.pcapng");
    let mut args = vec!["resolve", "--tun", DEVICE, "--address", "fd77:7::2/64", "--autoconf", "--json"];
    args.extend(lab.mode.flags());
    args.extend(["--pcap", &capture, "host"]);
    let program = lab.program()?.to_string_lossy().into_owned();
    let text = lab.spawn(&program, &args, Input::End)?.wait(PATIENCE)?.success()?.text();
    ensure!(text.contains("\"addresses\":[\"fd77:7::99\"]"), "ustack resolve host: `{}`", text.trim());
    ensure!(text.contains("\"servers\":[\"fe80::"), "the router's link-local address: `{}`", text.trim());
    stop(dnsmasq)?;
    capture::check(lab, &capture)
}

/// On a link where a host answers for itself: both families, each alone, and the names of its addresses.
pub(crate) fn on_link(lab: &Lab) -> Outcome {
    lab.namespace.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tap"])?;
    lab.namespace.address(DEVICE, "10.66.0.1/24")?;
    lab.namespace.address(DEVICE, "fd66::1/64")?;
    lab.namespace.ip(&["link", "set", DEVICE, "up"])?;
    let avahi = avahi(lab)?;
    let capture = lab.path("link.pcapng");
    let ask = |args: &[&str]| {
        let device = ["--tun", DEVICE, "--address", "10.66.0.2/24", "--address", "fd66::2/64"];
        let args = [&["resolve", "--mdns", "--pcap", &capture], &device[..], lab.mode.flags(), args].concat();
        let program = lab.program()?.to_string_lossy().into_owned();
        Ok::<_, String>(lab.spawn(&program, &args, Input::End)?.wait(PATIENCE)?.success()?.text())
    };
    lab.eventually("avahi-daemon to answer", || ask(&["neighbour.local"]).is_ok())?;
    for (question, answer) in [
        (&["neighbour.local"][..], "10.66.0.1\nfd66::1\n"),
        (&["-4", "neighbour.local"], "10.66.0.1\n"),
        (&["-6", "neighbour.local"], "fd66::1\n"),
        (&["10.66.0.1"], "neighbour.local.\n"),
        (&["fd66::1"], "neighbour.local.\n"),
    ] {
        let told = ask(question)?;
        ensure!(told == answer, "ustack resolve --mdns {question:?}: `{told}`");
    }
    let nobody = ask(&["-W", "1", "nobody.local"]).err().unwrap_or_default();
    ensure!(nobody.contains("nobody answered for nobody.local"), "a host that is not there: `{nobody}`");
    stop(avahi)?;
    capture::check(lab, &capture)
}
