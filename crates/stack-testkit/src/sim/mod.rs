//! A simulator of congestion: any number of flows between stacks of our own, over a topology, in virtual time.
//!
//! Each flow has two hosts: one writes as fast as TCP takes it, the other reads at once and compares every byte. Between
//! them lie [`Line`](link_impair::Line)s, shared or not, as the [`Topology`] says. Nothing is modelled but the network:
//! hosts are what programs have, packets are whole, of at most the MTU, with checksums computed and verified. A host
//! gets a packet at the very nanosecond at which it comes off its line, and each timer at its deadline.
//!
//! | file | answers |
//! | --- | --- |
//! | `config.rs` | what can be asked for |
//! | `topology.rs` | which lines there are, and which of them a flow takes |
//! | `agenda.rs` | what happens next |
//! | `flow.rs` | what the two programs of a flow do |
//! | `station.rs` | a host, and how it is given its turn |
//! | `pair.rs` | what makes up a flow |
//! | `run.rs` | how time goes on |
//! | `observer.rs` | what can be watched |
//! | `retransmissions.rs` | which bytes were on the wire before |
//! | `report.rs`, `figures.rs` | what a run comes to, and how it is reckoned |
//!
//! The same configuration gives the same packets at the same times. At one instant lines deliver first, then hosts take
//! their turns, each once with everything that has arrived for it.
//!
//! ```
//! use core::time::Duration;
//! use stack_testkit::sim::{FlowConfig, Network, SimConfig};
//!
//! let network = Network { rate: 10_000_000, ..Network::default() };
//! let flow = FlowConfig { rtt: Duration::from_millis(20), ..FlowConfig::default() };
//! let config = SimConfig { network, duration: Duration::from_secs(2), ..SimConfig::new(vec![flow]) };
//! let report = stack_testkit::sim::run(&config, &mut ()).unwrap();
//! assert!(report.flows[0].goodput_mbit > 8.0 && report.flows[0].goodput_mbit < 10.0);
//! ```

mod agenda;
mod config;
mod figures;
mod flow;
mod observer;
mod pair;
mod report;
mod retransmissions;
mod run;
mod station;
mod topology;

pub use config::{FlowConfig, Network, SimConfig, SimError, Topology};
pub use observer::{Direction, FlowSample, Observer, Sample};
pub use report::{FlowReport, QueueReport, Report, jain};
pub use retransmissions::Retransmissions;
pub use run::run;
