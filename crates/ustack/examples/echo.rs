//! run: ci
//! Two stacks in one process, joined by a channel: one echoes, the other asks. No device, no root.
//!
//! cargo run -p ustack --example echo
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{Read, Write};
use std::net::Shutdown;
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::net::{TcpListener, TcpStream};
use ustack::{NicConfig, Stack};

fn stack(link: ChannelLink, address: &str) -> Result<Stack, Box<dyn std::error::Error>> {
    let nic = NicConfig::new(link).address(address.parse()?);
    Ok(Stack::builder().default_protocols().nic(nic).build()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (left, right) = pair(ChannelConfig::default());
    let (server, client) = (stack(left, "10.0.0.1/24")?, stack(right, "10.0.0.2/24")?);

    let listener = TcpListener::bind(&server, "10.0.0.1:7")?;
    let echo = std::thread::spawn(move || -> std::io::Result<u64> {
        let (mut stream, peer) = listener.accept()?;
        println!("server: {peer} is here");
        std::io::copy(&mut stream.try_clone()?, &mut stream)
    });

    let mut stream = TcpStream::connect(&client, "10.0.0.1:7")?;
    stream.write_all(b"Hello, stack!")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    println!("client: {answer}");
    println!("client: round trip {:?}", stream.info()?.srtt);

    let echoed = echo.join().expect("the server does not panic")?;
    assert_eq!((answer.as_str(), echoed), ("Hello, stack!", 13));
    Ok(())
}
