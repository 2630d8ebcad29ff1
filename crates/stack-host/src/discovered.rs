//! What network endpoints have found out about their links, entered into the tables; and the news for people.

use crate::Host;
use crate::tables::Tables;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use stack_core::{DiscoveredRoute, LinkParameters, NetworkEvent};

/// News that are kept until somebody takes them; the oldest make room.
const MAX_EVENTS: usize = 256;

/// News that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<NetworkEvent>,
}

impl Events {
    /// Keeps one. What waits in the same words already is no news: routers repeat themselves.
    pub(crate) fn push(&mut self, event: NetworkEvent) {
        self.queue.retain(|waiting| *waiting != event);
        if self.queue.len() >= MAX_EVENTS {
            self.queue.pop_front();
        }
        self.queue.push_back(event);
    }
}

impl Tables {
    /// A router told of a route.
    pub(crate) fn discover(&mut self, route: &DiscoveredRoute) {
        if self.interface(route.nic).is_ok() {
            self.routes.discover(route);
            self.invalidate_routes();
        }
    }

    /// A route is gone that a router had told of.
    pub(crate) fn lose(&mut self, route: &DiscoveredRoute) {
        self.routes.lose(route);
        self.redirects.forget(route.nic, route.router);
        self.invalidate_routes();
    }

    /// A router has said what holds for all on the link.
    pub(crate) fn set_parameters(&mut self, parameters: &LinkParameters) {
        let LinkParameters { nic, mtu, reachable_time, retrans_timer } = *parameters;
        self.neighbors.set_timers(nic, reachable_time, retrans_timer);
        if let (Some(mtu), Ok(interface)) = (mtu, self.interface_mut(nic)) {
            if core::mem::replace(&mut interface.mtu_v6, mtu) != mtu {
                self.invalidate_routes();
            }
        }
    }
}

impl Host {
    /// What [`take_events`](Self::take_events) would take.
    pub fn events(&self) -> impl Iterator<Item = &NetworkEvent> {
        self.events.queue.iter()
    }

    /// Takes what has happened to interfaces since the last call, oldest first: addresses and routers that come and go,
    /// resolvers that routers name. At most 256 are kept, and of what is repeated in the same words the last.
    pub fn take_events(&mut self) -> Vec<NetworkEvent> {
        self.events.queue.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use stack_core::NicId;

    fn servers(router: u16) -> NetworkEvent {
        let router = [0xfe80, 0, 0, 0, 0, 0, 0, router].into();
        NetworkEvent::DnsServers {
            nic: NicId(1),
            router,
            servers: Vec::new(),
            lifetime: Duration::from_secs(9),
        }
    }

    #[test]
    fn floods_of_news_stay_bounded() {
        let mut events = Events::default();
        (0..10_000).for_each(|router| events.push(servers(router)));
        events.push(servers(9_990));
        assert_eq!(events.queue.len(), MAX_EVENTS);
        assert_eq!(events.queue.front(), Some(&servers(10_000 - MAX_EVENTS as u16)));
        assert_eq!(events.queue.back(), Some(&servers(9_990)), "said again: no second time");
    }
}
