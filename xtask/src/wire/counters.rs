//! What the kernel counts in a lab's namespace.

use std::time::Duration;

use crate::wire::Outcome;
use crate::wire::lab::Lab;

const LIMIT: Duration = Duration::from_secs(10);

/// All counters, at one time.
pub(crate) struct Counters(String);

impl Counters {
    pub(crate) fn read(lab: &Lab) -> Outcome<Self> {
        Ok(Self(lab.check("nstat", &["-asz"], LIMIT)?.text()))
    }

    /// A counter of `nstat`, whose lines have its name, its value and a rate; 0 for one that this kernel does not have.
    pub(crate) fn of(&self, name: &str) -> u64 {
        let line = self.0.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_whole_name() {
        let text = "#kernel\nTcpRetransSegs   7   0.0\nIpExtInCEPktsX 9 0.0\nIpExtInCEPkts 12 0.0\n";
        let counters = Counters(text.to_owned());
        assert_eq!((counters.of("IpExtInCEPkts"), counters.of("TcpRetransSegs")), (12, 7));
        assert_eq!(counters.of("TcpExtTCPDeliveredCE"), 0);
    }
}
