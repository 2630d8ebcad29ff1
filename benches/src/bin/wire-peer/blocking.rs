//! Sockets as std has them, with a thread for each connection: bytes are copied through a buffer, or handed over.

use crate::services::{BLOCK, Counts, Service, UDP_ECHO, UDP_SINK, block};
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

/// What a thread does with a connection.
type Serve = fn(TcpStream, Service) -> io::Result<()>;

/// Serves the device until the process is killed.
pub(crate) fn run(stack: &Stack, serve: Serve) -> Result<(), Box<dyn Error>> {
    for (service, port) in Service::ALL {
        let listener = TcpListener::bind(stack, any(port))?;
        start(move || accept(&listener, service, serve))?;
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
fn accept(listener: &TcpListener, service: Service, serve: Serve) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        let (stream, _) = listener.accept()?;
        match service {
            Service::Hold => held.push(stream),
            service => start(move || serve(stream, service))?,
        }
    }
}

/// As with the standard library's sockets.
pub(crate) fn copying(mut stream: TcpStream, service: Service) -> io::Result<()> {
    let mut buffer = vec![0x5a; BLOCK];
    match service {
        Service::Hold => {}
        Service::Sink => while stream.read(&mut buffer)? > 0 {},
        Service::Source => loop {
            stream.write_all(&buffer)?;
        },
        Service::Echo => loop {
            match stream.read(&mut buffer[..DATAGRAM])? {
                0 => break,
                count => stream.write_all(&buffer[..count])?,
            }
        },
    }
    Ok(())
}

/// Nothing is copied.
pub(crate) fn by_reference(stream: TcpStream, service: Service) -> io::Result<()> {
    let (block, mut chunks) = (block(), Vec::new());
    match service {
        Service::Hold => {}
        Service::Sink => {
            while stream.read_chunks(BLOCK, &mut chunks)? > 0 {
                chunks.clear();
            }
        }
        Service::Source => loop {
            stream.write_bytes(block.clone())?;
        },
        Service::Echo => {
            while stream.read_chunks(BLOCK, &mut chunks)? > 0 {
                chunks.drain(..).try_for_each(|chunk| stream.write_bytes(chunk))?;
            }
        }
    }
    Ok(())
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
