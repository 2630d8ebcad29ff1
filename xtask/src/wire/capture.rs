//! tshark as the referee of our captures: no malformed packet and no bad
//! checksum, with every checksum check switched on.

use std::time::Duration;

use super::family::Family;
use super::lab::Lab;
use super::{Outcome, ensure};

const LIMIT: Duration = Duration::from_secs(60);
/// Checks that tshark leaves off by default, because it usually sees packets
/// before the card has completed them. Ours are complete.
const CHECKS: [&str; 6] =
    ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
/// What must not occur. In the text of a random file, where tshark does not follow the response, it takes one segment in
/// about 600 for something behind HTTP, and calls it malformed; all headers of ours are read by then. Status 0 is a bad
/// checksum. A TCP checksum of 0xffff means 0 and is called bad by tshark; the kernel writes it where it completes a
/// checksum in software, as UDP needs it (`skb_checksum_help`), and may.
fn wrong() -> String {
    format!(
        "(_ws.malformed && !http) || ip.checksum.status == 0 || udp.checksum.status == 0 || \
         icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || igmp.checksum.status == 0 || \
         (tcp.checksum.status == 0 && !(tcp.checksum == 0xffff && (ip.src == {} || ipv6.src == {})))",
        Family::V4.kernels(),
        Family::V6.kernels()
    )
}
/// How many wrong packets a message names.
const NAMED: usize = 5;

/// Fails unless the capture has packets and tshark finds all of them right.
pub(crate) fn check(lab: &Lab, path: &str) -> Outcome {
    let first = tshark(lab, path, &["-c", "1", "-T", "fields", "-e", "frame.number"])?;
    ensure!(first.trim() == "1", "the capture {path} has no packets");
    let wrong = tshark(lab, path, &["-Y", &wrong()])?;
    let lines: Vec<&str> = wrong.lines().collect();
    ensure!(
        lines.is_empty(),
        "tshark finds {} packets malformed or with a bad checksum:\n    {}",
        lines.len(),
        lines.iter().take(NAMED).copied().collect::<Vec<_>>().join("\n    ")
    );
    Ok(())
}

/// Fails unless the capture has packets of each of these kinds, in tshark's words.
pub(super) fn contains(lab: &Lab, path: &str, filters: &[&str]) -> Outcome {
    for filter in filters {
        let found = tshark(lab, path, &["-Y", filter])?;
        ensure!(!found.trim().is_empty(), "the capture has no packet that is `{filter}`");
    }
    Ok(())
}

fn tshark(lab: &Lab, path: &str, args: &[&str]) -> Outcome<String> {
    let mut all = vec!["-r", path, "-n"];
    all.extend(CHECKS);
    all.extend(args);
    Ok(lab.check("tshark", &all, LIMIT)?.text())
}
