//! Which lines there are, and which of them a flow takes in each direction.
//!
//! Each flow has a pair of lines of its own that carry its delay, one for each direction; bottlenecks are shared. A
//! bottleneck has the rate in both directions; what bounds and loses data works on data, not on acknowledgements.

use crate::sim::{SimConfig, Topology};
use crate::source::SeededRng;
use core::time::Duration;
use link_impair::{Carried, ImpairConfig, Line, Policer};
use std::sync::Arc;

/// Lines and the ways over them.
pub(super) struct Lines<T> {
    pub(super) lines: Vec<Line<T>>,
    /// Those that limit: where queues build up.
    pub(super) bottlenecks: Vec<usize>,
    pub(super) routes: Vec<Route>,
}

/// The lines that a flow's packets take, in their order.
pub(super) struct Route {
    pub(super) data: Vec<usize>,
    pub(super) acknowledgements: Vec<usize>,
}

/// A bottleneck's two directions.
struct Bottleneck {
    forth: usize,
    back: usize,
}

impl<T: Carried> Lines<T> {
    pub(super) fn new(config: &SimConfig, rng: &mut SeededRng) -> Self {
        let mut this = Self { lines: Vec::new(), bottlenecks: Vec::new(), routes: Vec::new() };
        let hops = match config.network.topology {
            Topology::ParkingLot { hops } => hops,
            _ => 1,
        };
        let bottlenecks: Vec<_> = (0..hops).map(|_| this.bottleneck(config, rng)).collect();
        this.bottlenecks = bottlenecks.iter().map(|bottleneck| bottleneck.forth).collect();
        for (number, flow) in config.flows.iter().enumerate() {
            let crossed = match number {
                0 => &bottlenecks[..],
                _ => core::slice::from_ref(&bottlenecks[(number - 1) % hops]),
            };
            let [forth, back] = [(); 2].map(|()| this.add(delay(flow.rtt / 2), rng));
            let data = crossed.iter().map(|line| line.forth).chain([forth]).collect();
            let acknowledgements = [back].into_iter().chain(crossed.iter().rev().map(|line| line.back));
            this.routes.push(Route { data, acknowledgements: acknowledgements.collect() });
        }
        this
    }

    fn bottleneck(&mut self, config: &SimConfig, rng: &mut SeededRng) -> Bottleneck {
        Bottleneck { forth: self.add(forth(config), rng), back: self.add(back(config), rng) }
    }

    fn add(&mut self, config: ImpairConfig, rng: &mut SeededRng) -> usize {
        self.lines.push(Line::new(config, rng.next(), Arc::default()));
        self.lines.len() - 1
    }
}

fn forth(config: &SimConfig) -> ImpairConfig {
    let (network, queue_bytes) = (&config.network, config.queue_bytes());
    let line = ImpairConfig {
        queue_packets: usize::MAX,
        loss: network.loss,
        burst_loss: network.burst_loss,
        reorder: network.reorder,
        reorder_delay: network.reorder_delay,
        ..ImpairConfig::default()
    };
    match network.topology {
        Topology::Policer => {
            ImpairConfig { policer: Some(Policer { rate: network.rate, burst: queue_bytes }), ..line }
        }
        _ => ImpairConfig {
            rate: Some(network.rate),
            queue_bytes,
            mark_above: network.mark_above.unwrap_or(usize::MAX),
            ..line
        },
    }
}

fn back(config: &SimConfig) -> ImpairConfig {
    let aggregation = match config.network.topology {
        Topology::Wifi { collect } => collect,
        _ => Duration::ZERO,
    };
    ImpairConfig {
        rate: Some(config.network.rate),
        queue_packets: usize::MAX,
        loss: config.network.ack_loss,
        aggregation,
        ..ImpairConfig::default()
    }
}

fn delay(delay: Duration) -> ImpairConfig {
    ImpairConfig { delay, ..ImpairConfig::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{FlowConfig, Network};
    use stack_core::TxPacket;

    fn routes(topology: Topology, flows: usize) -> Lines<Box<TxPacket>> {
        let network = Network { topology, ..Network::default() };
        let config = SimConfig { network, ..SimConfig::new(vec![FlowConfig::default(); flows]) };
        Lines::new(&config, &mut SeededRng::new(1))
    }

    #[test]
    fn flows_of_a_dumbbell_share_what_limits_and_nothing_else() {
        let lines = routes(Topology::Dumbbell, 2);
        let [a, b] = &lines.routes[..] else { panic!("two flows") };
        assert_eq!((a.data[0], a.acknowledgements[1]), (b.data[0], b.acknowledgements[1]));
        assert_eq!(lines.bottlenecks, [a.data[0]]);
        assert!(a.data[1] != b.data[1] && a.acknowledgements[0] != b.acknowledgements[0]);
        assert_eq!(lines.lines.len(), 2 + 4);
    }

    #[test]
    fn the_first_flow_of_a_parking_lot_crosses_all_and_others_one_each() {
        let lines = routes(Topology::ParkingLot { hops: 3 }, 5);
        let crossed: Vec<_> = lines.routes.iter().map(|route| &route.data[..route.data.len() - 1]).collect();
        let all = &lines.bottlenecks;
        assert_eq!(crossed, [&all[..], &all[..1], &all[1..2], &all[2..], &all[..1]]);
        assert!(lines.routes[0].acknowledgements.len() == 4);
    }

    #[test]
    fn the_default_queue_is_a_bandwidth_delay_product() {
        let mut config = SimConfig::new(vec![FlowConfig::default()]);
        assert_eq!(config.queue_bytes(), 625_000);
        config.network.rate = 1_000;
        assert_eq!(config.queue_bytes(), 15_000);
        config.network.queue_bytes = Some(77);
        assert_eq!(config.queue_bytes(), 77);
    }
}
