//! TCP as a whole: one TCP against hand-made segments (`script`), and two of them over a bad wire (`world`), both in
//! virtual time. The scenarios are in files by mechanism.

mod host;
mod line;
mod script;
mod world;

mod close;
mod congestion;
mod data;
mod ecn;
mod forward;
mod fuzz;
mod loss;
mod mtu;
mod network;
mod open;
mod options;
mod pacing;
mod placement;
mod reset;
mod sack;
mod turns;
mod undo;
mod window;
