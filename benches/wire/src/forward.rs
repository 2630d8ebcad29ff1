//! Copies packets between two TUN devices in two namespaces, one thread for each
//! direction: the ceiling of any router in user space between such devices.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use crate::sys;

const BUFFER: usize = 70_000;

/// Copies between `device` here and `device` in the other namespace until one
/// of them goes.
pub fn run(device: &str, namespace: &str, vnet: bool) -> io::Result<()> {
    let here = sys::open_tun(device, vnet)?;
    sys::enter_namespace(namespace)?;
    let there = sys::open_tun(device, vnet)?;
    println!("ready");
    thread::scope(|scope| {
        let back = scope.spawn(|| copy(&there, &here));
        copy(&here, &there)?;
        back.join().unwrap_or(Ok(()))
    })
}

fn copy(mut from: &File, mut to: &File) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(count) => {
                // A packet that the other kernel has no room for is lost, as on a cable.
                let _ = to.write(buffer.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => sys::wait_readable(from),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // EIO: the device is down; it comes up again.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error),
        }
    }
}
