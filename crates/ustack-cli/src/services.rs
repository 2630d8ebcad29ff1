//! The small services of every old host: echo (RFC 862), discard (RFC 863) and chargen (RFC 864).
//!
//! Over TCP each takes bytes by reference where the network can hand them out so. Chargen sends as fast as the connection
//! takes it, and leaves what it is sent unread. Over UDP there are echo and discard; datagrams from a port on which such
//! services live are not answered, so that nobody can make two of them talk to each other for ever.

use crate::limit::{Gate, Guarded};
use crate::net::{Datagrams, Network, Stream};
use bytes::{BufMut, Bytes, BytesMut};
use std::io;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

pub(crate) const ECHO_PORT: u16 = 7;
pub(crate) const DISCARD_PORT: u16 = 9;
pub(crate) const CHARGEN_PORT: u16 = 19;
/// Services whose answers would be answered: echo, daytime, quote of the day, chargen, time.
const CHATTERS: [u16; 5] = [ECHO_PORT, 13, 17, CHARGEN_PORT, 37];
/// Pause after a failed receive, so that a lasting failure does not burn a processor.
const PAUSE: Duration = Duration::from_millis(10);

/// Printable characters of a line of chargen, and how many a line shows (RFC 864).
const PRINTABLE: std::ops::RangeInclusive<u8> = b' '..=b'~';
const LINE: usize = 72;
/// How often the whole pattern of 95 lines stands in the block that is sent: about 440 KiB.
const PATTERNS: usize = 64;

/// The block that chargen sends again and again.
static CHARGEN: LazyLock<Bytes> = LazyLock::new(|| {
    let lines = PRINTABLE.count();
    let mut block = BytesMut::with_capacity(PATTERNS * lines * (LINE + 2));
    for line in 0..PATTERNS * lines {
        block.extend(PRINTABLE.cycle().skip(line % lines).take(LINE));
        block.put_slice(b"\r\n");
    }
    block.freeze()
});

/// Serves each connection of a listener in a task of its own, for ever.
pub(crate) async fn serve<N, F>(
    network: N,
    mut gate: Gate<N::Listener>,
    name: &'static str,
    service: impl Fn(Guarded<N::Stream>) -> F,
) where
    N: Network,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        let (stream, peer) = gate.next().await;
        let served = service(stream);
        network.spawn(async move {
            match served.await {
                Ok(()) => tracing::debug!(%peer, "{name}: done"),
                Err(error) => tracing::debug!(%peer, "{name}: {error}"),
            }
        });
    }
}

/// Sends back what comes.
pub(crate) async fn echo(mut stream: impl Stream) -> io::Result<()> {
    loop {
        let bytes = stream.read_bytes().await?;
        if bytes.is_empty() {
            return stream.shutdown().await;
        }
        stream.write_bytes(bytes).await?;
        tokio::task::consume_budget().await;
    }
}

/// Throws away what comes.
pub(crate) async fn discard(mut stream: impl Stream) -> io::Result<()> {
    while !stream.read_bytes().await?.is_empty() {
        tokio::task::consume_budget().await;
    }
    Ok(())
}

/// Sends the pattern until the peer has had enough.
pub(crate) async fn chargen(mut stream: impl Stream) -> io::Result<()> {
    loop {
        stream.write_bytes(CHARGEN.clone()).await?;
        tokio::task::consume_budget().await;
    }
}

/// Sends back each datagram, for ever.
pub(crate) async fn echo_datagrams(socket: impl Datagrams) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, peer)) if !CHATTERS.contains(&peer.port()) => {
                if let Err(error) = socket.send_to(&buffer[..length], peer).await {
                    tracing::debug!(%peer, "echo: {error}");
                }
            }
            Ok(_) => {}
            Err(error) => pause(error).await,
        }
    }
}

/// Throws away each datagram, for ever.
pub(crate) async fn discard_datagrams(socket: impl Datagrams) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if let Err(error) = socket.recv_from(&mut buffer).await {
            pause(error).await;
        }
    }
}

async fn pause(error: io::Error) {
    tracing::debug!("a datagram socket: {error}");
    tokio::time::sleep(PAUSE).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;
    use crate::net::kernel::Kernel;
    use std::net::SocketAddr;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpStream, UdpSocket};

    async fn gate() -> (Gate<tokio::net::TcpListener>, SocketAddr) {
        let listener = Kernel.listen(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        (Limit::new(9).gate(listener, b""), address)
    }

    #[test]
    fn the_pattern_of_chargen() {
        let block = CHARGEN.clone();
        let lines: Vec<&[u8]> = block.chunks(LINE + 2).collect();
        assert_eq!(lines[0][..5], *b" !\"#$");
        assert_eq!(lines[1][..5], *b"!\"#$%");
        assert_eq!(&lines[94][..3], b"~ !");
        assert_eq!(lines[95], lines[0]);
        assert!(lines.iter().all(|line| line.ends_with(b"\r\n")));
        // Where one block ends the next goes on.
        assert_eq!(lines.len() % 95, 0);
    }

    #[tokio::test]
    async fn echo_returns_everything_and_ends_after_the_peer() {
        let (gate, address) = gate().await;
        tokio::spawn(serve(Kernel, gate, "echo", echo));
        let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let copy = sent.clone();
        tokio::spawn(async move {
            write.write_all(&copy).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let mut back = Vec::new();
        read.read_to_end(&mut back).await.unwrap();
        assert!(back == sent, "{} bytes came back", back.len());
    }

    #[tokio::test]
    async fn discard_ends_without_an_answer() {
        let (gate, address) = gate().await;
        tokio::spawn(serve(Kernel, gate, "discard", discard));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[1; 100_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn chargen_goes_on_across_blocks() {
        let (gate, address) = gate().await;
        tokio::spawn(serve(Kernel, gate, "chargen", chargen));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut got = vec![0; 2 * CHARGEN.len()];
        stream.read_exact(&mut got).await.unwrap();
        let (first, second) = got.split_at(CHARGEN.len());
        assert!(first == &CHARGEN[..] && second == first);
    }

    #[tokio::test]
    async fn datagrams_come_back() {
        let socket = Kernel.datagrams(0).await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(echo_datagrams(socket));
        let ours = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        ours.connect(address).await.unwrap();
        for size in [0, 1, 1472, 60_000] {
            ours.send(&vec![7; size]).await.unwrap();
            let mut buffer = vec![0; 1 << 16];
            assert_eq!(ours.recv(&mut buffer).await.unwrap(), size);
        }
    }
}
