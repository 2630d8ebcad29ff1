//! For those who know netstack's API.
#![doc = include_str!("../../../docs/api-map.md")]
