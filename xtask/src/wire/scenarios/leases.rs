//! `ustack serve --dhcp` with dnsmasq as the server of addresses, and `ustack serve --grant` with udhcpc as a client.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::daemons::{dnsmasq, stop};
use crate::wire::lab::Lab;
use crate::wire::process::Input;
use crate::wire::serve::DEVICE;
use crate::wire::{Outcome, capture, ensure};

/// Starting, and one exchange.
const PATIENCE: Duration = Duration::from_secs(25);
/// A lease, and asking on the link whether another station has the address (RFC 5227 §2.1).
const LEASE: Duration = Duration::from_secs(30);

/// On a link with servers of DHCP for both families: addresses that nobody gave us, services on them, and the leases given
/// back at the end.
pub(crate) fn dhcp(lab: &Lab) -> Outcome {
    lab.check("sysctl", &["-q", "net.ipv6.conf.all.forwarding=1"], PATIENCE)?;
    lab.namespace.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tap"])?;
    lab.namespace.address(DEVICE, "10.66.0.1/24")?;
    lab.namespace.address(DEVICE, "fd66::1/64")?;
    lab.namespace.ip(&["link", "set", DEVICE, "up"])?;
    let leases = lab.path("leases");
    let serving = format!(
        "interface={DEVICE}\nbind-dynamic\ndhcp-authoritative\ndhcp-leasefile={leases}\nenable-ra\n\
         dhcp-range=10.66.0.50,10.66.0.60,255.255.255.0,2m\ndhcp-range=fd66::50,fd66::60,64,2m\n"
    );
    let dnsmasq = dnsmasq(lab, &serving)?;
    let capture = lab.path("dhcp.pcapng");
    let mut args = vec!["serve", "--tun", DEVICE, "--dhcp", "--json", "--pcap", &capture];
    args.extend(lab.mode.flags());
    let program = lab.program()?.to_string_lossy().into_owned();
    let mut serve = lab.spawn(&program, &args, Input::End)?;
    let told = serve.wait_for_line("\"addresses\":[", LEASE)?;
    let leased = || fs::read_to_string(&leases).map_err(|error| format!("{leases}: {error}"));
    let granted = addresses(&leased()?);
    ensure!(granted.len() == 2, "leases of both families: `{}`", leased()?);
    for address in &granted {
        ensure!(told.contains(&format!("\"{address}\"")), "leased {address}, and said `{told}`");
        let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
        let page = lab.check("curl", &["-sS", "--fail", &format!("http://{host}/")], PATIENCE)?.text();
        ensure!(page.contains(address), "the page of {address}: {page}");
    }
    serve.signal("TERM")?;
    serve.wait(PATIENCE)?.success()?;
    let left = addresses(&leased()?);
    ensure!(left.is_empty(), "leases that were not given back: {left:?}");
    stop(dnsmasq)?;
    capture::check(lab, &capture)
}

/// The kernel's side gets an address from us, and uses it.
pub(crate) fn grant(lab: &Lab) -> Outcome {
    let capture = lab.path("grant.pcapng");
    let pool =
        ["--address", "10.66.0.1/24", "--host-address", "10.66.0.2/24", "--grant", "10.66.0.50-10.66.0.50"];
    let args = [&["serve", "--tun", DEVICE, "--pcap", &capture], &pool[..], lab.mode.flags()].concat();
    let program = lab.program()?.to_string_lossy().into_owned();
    let mut serve = lab.spawn(&program, &args, Input::End)?;
    serve.wait_for_line("ready", PATIENCE)?;
    lab.namespace.ip(&["address", "flush", "dev", DEVICE])?;
    let script = lab.path("bound");
    let bound = "#!/bin/sh\n[ \"$1\" != bound ] || ip address add \"$ip/$mask\" dev \"$interface\"\n";
    fs::write(&script, bound).map_err(|error| format!("{script}: {error}"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    lab.check("udhcpc", &["-i", DEVICE, "-n", "-q", "-f", "-s", &script], PATIENCE)?;
    let has = lab.check("ip", &["-4", "-o", "address", "show", "dev", DEVICE], PATIENCE)?.text();
    ensure!(has.contains("10.66.0.50/24"), "the address that was granted: `{has}`");
    let page = lab.check("curl", &["-sS", "--fail", "http://10.66.0.1/"], PATIENCE)?.text();
    ensure!(page.contains("10.66.0.1"), "the page: {page}");
    // The pool has one address, and another host finds none.
    let other = ["-i", DEVICE, "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", &script, "-C", "-x", "0x3d:07"];
    let other = lab.run("udhcpc", &other, PATIENCE)?;
    ensure!(!other.status.success(), "the pool was larger than it is");
    serve.signal("TERM")?;
    serve.wait(PATIENCE)?.success()?;
    capture::check(lab, &capture)
}

/// The addresses in a file of leases: when it ends, of whom, the address; of IPv6 behind the server's identifier.
fn addresses(leases: &str) -> Vec<String> {
    let of_hosts = leases.lines().filter(|line| !line.starts_with("duid"));
    of_hosts.filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect()
}
