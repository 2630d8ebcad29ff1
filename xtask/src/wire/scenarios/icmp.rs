//! ping and traceroute.

use std::time::Duration;

use crate::wire::lab::Lab;
use crate::wire::serve;
use crate::wire::{Outcome, ensure};

/// Payload sizes: none, the default, the last that fits 1,500 bytes, the first
/// that needs a fragment, many fragments, the most that ping sends.
fn sizes(lab: &Lab) -> [usize; 6] {
    let fits = 1500 - lab.family.header_len() - 8;
    [0, 56, fits, fits + 1, 8000, 65_507]
}

/// Three echoes of each size all come back.
pub(crate) fn ping(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    for size in sizes(lab).map(|size| size.to_string()) {
        let args = ["-n", "-c", "3", "-i", "0.2", "-W", "2", "-s", &size, lab.ours()];
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
        args.push(lab.ours());
        let text = lab.check("traceroute", &args, Duration::from_secs(15))?.text();
        let hops: Vec<&str> = text.lines().skip(1).collect();
        let [hop] = hops.as_slice() else {
            return Err(format!("traceroute {}: expected one hop, got:\n{text}", method.join(" ")));
        };
        let mut words = hop.split_whitespace();
        ensure!(
            words.next() == Some("1") && words.next() == Some(lab.ours()),
            "traceroute: the hop is `{hop}`"
        );
    }
    serve.stop()
}
