//! Sockets as tokio has them: a task for each connection, on tokio's threads behind the stack's own, or inline on the
//! thread that drives the stack. There payload is not copied; under tokio it goes through a buffer, as `AsyncRead` has it.

use crate::device::Device;
use crate::services::{BLOCK, Counts, Service, UDP_ECHO, UDP_SINK, block};
use crate::stacks::{any, stack};
use std::error::Error;
use std::io;
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ustack::tokio::{TcpListener, TcpStream, UdpSocket};
use ustack::{Stack, spawn_inline};

/// Bytes that an echo takes at a time, and the longest datagram.
const CHUNK: usize = 65_536;

type Task = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;
/// Starts a task; how it ends is the load's to judge.
type Spawn = fn(Task) -> io::Result<()>;

/// Serves the device on tokio's threads until the process is killed.
pub(crate) fn run_tokio(device: Device) -> Result<(), Box<dyn Error>> {
    let stack = stack(device)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(serve(&stack, spawn_on_tokio, copying))
}

/// Serves the device on this thread, which drives the stack as well.
pub(crate) fn run_inline(device: Device) -> Result<(), Box<dyn Error>> {
    let stack = stack(device)?;
    stack.run_inline(serve(&stack, spawn_here, by_reference))
}

fn spawn_on_tokio(task: Task) -> io::Result<()> {
    drop(tokio::spawn(task));
    Ok(())
}

fn spawn_here(task: Task) -> io::Result<()> {
    spawn_inline(async { drop(task.await) }).map_err(io::Error::other)
}

async fn serve(
    stack: &Stack,
    spawn: Spawn,
    connection: fn(TcpStream, Service) -> Task,
) -> Result<(), Box<dyn Error>> {
    for (service, port) in Service::ALL {
        let listener = TcpListener::bind(stack, any(port)).await?;
        spawn(Box::pin(accept(listener, service, spawn, connection)))?;
    }
    let sink = UdpSocket::bind(stack, any(UDP_SINK)).await?;
    spawn(Box::pin(count(sink)))?;
    let echo = UdpSocket::bind(stack, any(UDP_ECHO)).await?;
    println!("ready");
    loop {
        let (datagram, from) = echo.recv_bytes().await?;
        echo.send_to(&datagram, from).await?;
    }
}

async fn accept(
    listener: TcpListener,
    service: Service,
    spawn: Spawn,
    connection: fn(TcpStream, Service) -> Task,
) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        let (stream, _) = listener.accept().await?;
        if service == Service::Hold {
            held.push(stream);
        } else {
            spawn(connection(stream, service))?;
        }
    }
}

fn copying(mut stream: TcpStream, service: Service) -> Task {
    Box::pin(async move {
        match service {
            Service::Hold => {}
            Service::Sink => {
                let mut buffer = vec![0; BLOCK];
                while stream.read(&mut buffer).await? > 0 {}
            }
            Service::Source => {
                let buffer = block();
                loop {
                    stream.write_all(&buffer).await?;
                }
            }
            Service::Echo => {
                let mut buffer = vec![0; CHUNK];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => break,
                        count => stream.write_all(&buffer[..count]).await?,
                    }
                }
            }
        }
        Ok(())
    })
}

fn by_reference(stream: TcpStream, service: Service) -> Task {
    Box::pin(async move {
        match service {
            Service::Hold => {}
            Service::Sink => while !stream.read_bytes(BLOCK).await?.is_empty() {},
            Service::Source => {
                let block = block();
                loop {
                    stream.write_all_bytes(block.clone()).await?;
                }
            }
            Service::Echo => loop {
                match stream.read_bytes(BLOCK).await? {
                    end if end.is_empty() => break,
                    bytes => stream.write_all_bytes(bytes).await?,
                }
            },
        }
        Ok(())
    })
}

async fn count(socket: UdpSocket) -> io::Result<()> {
    let mut counts = Counts::default();
    loop {
        let (datagram, from) = socket.recv_bytes().await?;
        if let Some(answer) = counts.take(&datagram) {
            socket.send_to(&answer, from).await?;
        }
    }
}
