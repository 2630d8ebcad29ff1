//! ping and traceroute.

use std::time::Duration;

use crate::wire::lab::Lab;
use crate::wire::serve::{self, OURS};
use crate::wire::{Outcome, ensure};

/// Payload sizes: none, the default, the last that fits 1,500 bytes, the first
/// that needs a fragment, many fragments, the most that IPv4 can carry.
const SIZES: [&str; 6] = ["0", "56", "1472", "1473", "8000", "65507"];

/// Three echoes of each size all come back.
pub(crate) fn ping(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    for size in SIZES {
        let args = ["-n", "-c", "3", "-i", "0.2", "-W", "2", "-s", size, OURS];
        let ended = lab.run("ping", &args, Duration::from_secs(15))?;
        let text = ended.text();
        ensure!(text.contains(" 3 received"), "ping -s {size}: {}", summary(&text));
        ensure!(!text.contains("wrong data"), "ping -s {size}: other bytes came back");
    }
    serve.stop()
}

fn summary(text: &str) -> &str {
    text.lines().find(|line| line.contains(" received")).unwrap_or("no summary")
}

/// Our address is the first and last hop, whichever way it is probed.
pub(crate) fn traceroute(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    for method in [&[][..], &["-I"], &["-T", "-p", "80"]] {
        let mut args = vec!["-n", "-q", "1", "-w", "2", "-m", "3"];
        args.extend(method);
        args.push(OURS);
        let text = lab.check("traceroute", &args, Duration::from_secs(15))?.text();
        let hops: Vec<&str> = text.lines().skip(1).collect();
        let [hop] = hops.as_slice() else {
            return Err(format!("traceroute {}: expected one hop, got:\n{text}", method.join(" ")));
        };
        let mut words = hop.split_whitespace();
        ensure!(words.next() == Some("1") && words.next() == Some(OURS), "traceroute: the hop is `{hop}`");
    }
    serve.stop()
}
