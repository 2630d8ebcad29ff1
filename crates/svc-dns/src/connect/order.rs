//! In which order addresses are tried: as RFC 6724 sorts them, the families taking turns (RFC 8305 §4).

use std::net::SocketAddr;

/// Addresses that wait to be tried.
#[derive(Default, Debug)]
pub(super) struct Waiting {
    addresses: Vec<SocketAddr>,
    /// The family of the last one that was taken.
    last_v4: Option<bool>,
}

impl Waiting {
    /// Adds what has been found, wherever it belongs among what waits.
    pub(super) fn add(&mut self, found: Vec<SocketAddr>, order: impl FnOnce(&mut [SocketAddr])) {
        for address in found {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        order(&mut self.addresses);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Whether any has been taken.
    pub(super) fn has_begun(&self) -> bool {
        self.last_v4.is_some()
    }

    /// The next one: of the other family than the last, if there is any (R8305-4-a, with a First Address Family Count of
    /// one).
    pub(super) fn take(&mut self) -> Option<SocketAddr> {
        let other = |address: &SocketAddr| self.last_v4.is_some_and(|last| address.is_ipv4() != last);
        let at = self.addresses.iter().position(other).unwrap_or(0);
        let address = (at < self.addresses.len()).then(|| self.addresses.remove(at))?;
        self.last_v4 = Some(address.is_ipv4());
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 80)).collect()
    }

    fn taken(waiting: &mut Waiting) -> Vec<String> {
        std::iter::from_fn(|| waiting.take()).map(|address| address.ip().to_string()).collect()
    }

    // R8305-4-a
    #[test]
    fn the_families_take_turns_from_the_preferred_one_on() {
        let mut waiting = Waiting::default();
        waiting.add(addresses(&["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"]), |_| ());
        assert_eq!(taken(&mut waiting), ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]);
    }

    #[test]
    fn what_comes_late_takes_its_turn_too() {
        let mut waiting = Waiting::default();
        waiting.add(addresses(&["10.0.0.1", "10.0.0.2"]), |_| ());
        assert_eq!(waiting.take(), addresses(&["10.0.0.1"]).pop());
        waiting.add(addresses(&["::1", "10.0.0.2"]), |all| all.sort_by_key(SocketAddr::is_ipv4));
        assert_eq!(taken(&mut waiting), ["::1", "10.0.0.2"], "each once");
    }
}
