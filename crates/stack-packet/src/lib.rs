//! Packet buffers.
#![no_std]
