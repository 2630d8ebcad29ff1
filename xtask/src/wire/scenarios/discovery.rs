//! Neighbour discovery and autoconfiguration, with the kernel as neighbour and radvd as router.

use std::fs;
use std::time::Duration;

use crate::wire::lab::Lab;
use crate::wire::process::Input;
use crate::wire::serve::{self, DEVICE};
use crate::wire::{Outcome, ensure};

/// The prefix that radvd advertises, and the kernel's address in it.
const PREFIX: &str = "fd77:7::";
const ROUTER: &str = "fd77:7::1";
/// An address of the kernel behind the router: reached only by the default route.
const BEYOND: &str = "fd99::1";

/// The kernel finds our link-local address among all nodes, asks for its link address, and is asked for its own.
pub(crate) fn neighbors(lab: &Lab) -> Outcome {
    let serve = serve::start_with(lab, &["--autoconf"], Some(lab.path("serve.pcapng")))?;
    let ours = find(lab, &[], "fe80:")?;
    lab.namespace.ip(&["-6", "neigh", "flush", "dev", DEVICE])?;
    ping(lab, &[], &format!("{ours}%{DEVICE}"))?;
    let known = lab.namespace.ip(&["-6", "neigh", "show", "dev", DEVICE])?;
    let line = known.lines().find(|line| line.starts_with(&ours)).unwrap_or_default();
    ensure!(line.contains("lladdr 02:75:0a:4d:00:02"), "the kernel knows of us: `{line}` in\n{known}");
    serve.stop()
}

/// From radvd we get an address, and a default route to what is not on the link.
pub(crate) fn autoconf(lab: &Lab) -> Outcome {
    let serve = serve::start_with(lab, &["--autoconf"], Some(lab.path("serve.pcapng")))?;
    lab.namespace.ip(&["-6", "address", "add", &format!("{ROUTER}/64"), "dev", DEVICE, "nodad"])?;
    lab.namespace.ip(&["-6", "address", "add", &format!("{BEYOND}/128"), "dev", "lo", "nodad"])?;
    lab.check("sysctl", &["-q", "net.ipv6.conf.all.forwarding=1"], Duration::from_secs(5))?;
    let config = lab.path("radvd.conf");
    let advertised = format!(
        "interface {DEVICE} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvLinkMTU 1400;\n\
         prefix {PREFIX}/64 {{ AdvOnLink on; AdvAutonomous on; }}; }};\n"
    );
    fs::write(&config, advertised).map_err(|error| format!("{config}: {error}"))?;
    let pid = lab.path("radvd.pid");
    let radvd = lab.spawn("radvd", &["-n", "-m", "stderr", "-C", &config, "-p", &pid], Input::End)?;
    let ours = find(lab, &["-I", ROUTER], PREFIX)?;
    ping(lab, &["-I", ROUTER], &ours)?;
    // The answer goes by the router.
    ping(lab, &["-I", BEYOND], &ours)?;
    radvd.signal("TERM")?;
    radvd.wait(Duration::from_secs(5))?;
    serve.stop()
}

/// Asks all nodes until one with an address of this kind answers.
fn find(lab: &Lab, from: &[&str], prefix: &str) -> Outcome<String> {
    let everyone = format!("ff02::1%{DEVICE}");
    let own = lab.namespace.ip(&["-6", "-brief", "address", "show", "dev", DEVICE])?;
    for _ in 0..20 {
        let args = [&["-6", "-n", "-c", "2", "-i", "0.5", "-W", "1"], from, &[&everyone]].concat();
        let text = lab.run("ping", &args, Duration::from_secs(10))?.text();
        let answers = text.lines().filter_map(|line| line.split("bytes from ").nth(1));
        let mut addresses =
            answers.filter_map(|rest| rest.split([' ', '%']).next()).map(|word| word.trim_end_matches(':'));
        if let Some(found) = addresses.find(|address| address.starts_with(prefix) && !own.contains(*address))
        {
            return Ok(found.to_owned());
        }
    }
    Err(format!("nobody with an address in {prefix} answers among all nodes"))
}

fn ping(lab: &Lab, from: &[&str], to: &str) -> Outcome {
    let args = [&["-6", "-n", "-c", "3", "-i", "0.2", "-W", "2"], from, &[to]].concat();
    let text = lab.run("ping", &args, Duration::from_secs(15))?.text();
    ensure!(text.contains(" 3 received"), "ping {} {to}:\n{text}", from.join(" "));
    Ok(())
}
