//! run: ci
//! The same on tokio: a task for each connection, a hundred at a time.
//!
//! cargo run -p ustack --features tokio --example tokio_echo
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::tokio::{TcpListener, TcpStream};
use ustack::{NicConfig, Stack};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn stack(link: ChannelLink, address: &str) -> Result<Stack, Failure> {
    let nic = NicConfig::new(link).address(address.parse()?);
    Ok(Stack::builder().default_protocols().nic(nic).build()?)
}

async fn serve(listener: TcpListener) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let (mut read, mut write) = stream.into_split();
            if let Err(error) = copy(&mut read, &mut write).await {
                println!("server: {error}");
            }
        });
    }
}

async fn ask(stack: Stack, number: u32) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(&stack, "10.0.0.1:7").await?;
    stream.write_u32(number).await?;
    assert_eq!(stream.read_u32().await?, number);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (left, right) = pair(ChannelConfig::default());
    let (server, client) = (stack(left, "10.0.0.1/24")?, stack(right, "10.0.0.2/24")?);
    tokio::spawn(serve(TcpListener::bind(&server, "10.0.0.1:7").await?));

    let questions: Vec<_> = (0..100).map(|number| tokio::spawn(ask(client.clone(), number))).collect();
    for question in questions {
        question.await??;
    }
    println!("100 connections, 100 answers");
    Ok(())
}
