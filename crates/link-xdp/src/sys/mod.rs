//! What needs `unsafe`: memory that is shared with the kernel, and `bpf(2)`. Everything that leaves this module is safe to
//! call.

mod bpf;
mod memory;
mod ring;

pub(crate) use bpf::{Map, Program, attach};
pub(crate) use memory::Umem;
pub(crate) use ring::{Descriptor, Entry, Place, Ring};
