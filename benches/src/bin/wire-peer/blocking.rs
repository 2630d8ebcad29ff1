//! Sockets as std has them: a thread for each connection, bytes copied through a buffer.

use crate::services::{BLOCK, Counts, Service, UDP_ECHO, UDP_SINK};
use crate::stacks::any;
use std::error::Error;
use std::io::{self, Read, Write};
use std::thread;
use ustack::Stack;
use ustack::net::{TcpListener, TcpStream, UdpSocket};

/// Longest datagram, in bytes.
const DATAGRAM: usize = 65_536;
/// Buffers are on the heap: a thread needs next to nothing.
const THREAD_STACK: usize = 64 * 1024;

/// Serves the device until the process is killed.
pub(crate) fn run(stack: &Stack) -> Result<(), Box<dyn Error>> {
    for (service, port) in Service::ALL {
        let listener = TcpListener::bind(stack, any(port))?;
        start(move || accept(&listener, service))?;
    }
    let sink = UdpSocket::bind(stack, any(UDP_SINK))?;
    start(move || count(&sink))?;
    echo_datagrams(stack)
}

fn start(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().stack_size(THREAD_STACK);
    // How a connection ends is the load's to judge.
    thread.spawn(move || drop(work())).map(drop)
}

/// Gives each connection a thread, but those that are only held.
fn accept(listener: &TcpListener, service: Service) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        let (stream, _) = listener.accept()?;
        match service {
            Service::Hold => held.push(stream),
            Service::Sink => start(move || sink(stream))?,
            Service::Source => start(move || source(stream))?,
            Service::Echo => start(move || echo(stream))?,
        }
    }
}

fn sink(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn source(mut stream: TcpStream) -> io::Result<()> {
    let buffer = vec![0x5a; BLOCK];
    loop {
        stream.write_all(&buffer)?;
    }
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

fn count(socket: &UdpSocket) -> io::Result<()> {
    let (mut buffer, mut counts) = (vec![0; DATAGRAM], Counts::default());
    loop {
        let (count, from) = socket.recv_from(&mut buffer)?;
        if let Some(answer) = counts.take(&buffer[..count]) {
            socket.send_to(&answer, from)?;
        }
    }
}

/// The main thread's own service, so that the process lives.
fn echo_datagrams(stack: &Stack) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind(stack, any(UDP_ECHO))?;
    println!("ready");
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (count, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..count], from)?;
    }
}
