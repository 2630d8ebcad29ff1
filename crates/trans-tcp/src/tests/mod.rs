//! TCP as a whole: one TCP against hand-made segments (`script`), and two of them over a bad wire (`world`), both in
//! virtual time. The scenarios are in files by mechanism.

mod host;
mod script;
mod world;

mod data;
mod network;
mod open;
mod reset;
mod window;
