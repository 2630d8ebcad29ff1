//! run: ci
//! UDP within one stack, over its loopback addresses: a question, an answer, and a port where nobody listens.
//!
//! cargo run -p ustack --example udp
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;
use ustack::Stack;
use ustack::net::UdpSocket;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stack = Stack::builder().default_protocols().build()?;
    let server = UdpSocket::bind(&stack, "127.0.0.1:53")?;
    let client = UdpSocket::bind(&stack, "127.0.0.1:0")?;

    client.connect("127.0.0.1:53")?;
    client.send(b"what time is it?")?;
    let mut buffer = [0; 512];
    let (len, from) = server.recv_from(&mut buffer)?;
    println!("server: {from} asks: {}", String::from_utf8_lossy(&buffer[..len]));
    server.send_to(b"time for tea", from)?;
    let len = client.recv(&mut buffer)?;
    println!("client: the answer is: {}", String::from_utf8_lossy(&buffer[..len]));

    drop(server);
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    client.send(b"and now?")?;
    let error = client.recv(&mut buffer).expect_err("nobody is there to answer");
    println!("client: {error}");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    Ok(())
}
