//! How many connections are served at once, and what the others are told.
//!
//! A connection holds a permit until it is dropped. One that gets none is answered with its service's refusal and
//! closed; so that the client can read it, what the client has sent is read and thrown away for a moment.

use crate::net::{Listener, Stream};
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// Refusals that are under way at the same time; further connections are closed without a word.
const REFUSING: usize = 64;
/// How long one may take.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Pause after a failed accept, so that a lasting failure does not burn a processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The number of connections that all services share.
#[derive(Clone)]
pub(crate) struct Limit {
    permits: Arc<Semaphore>,
    refusing: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
    count: usize,
}

impl Limit {
    pub(crate) fn new(count: usize) -> Self {
        let permits = Arc::new(Semaphore::new(count));
        Self { permits, refusing: Arc::new(Semaphore::new(REFUSING)), refused: Arc::default(), count }
    }

    /// Puts a listener behind this limit.
    pub(crate) fn gate<L: Listener>(&self, listener: L, refusal: &'static [u8]) -> Gate<L> {
        Gate { listener, limit: self.clone(), refusal }
    }

    fn refuse(&self, mut stream: impl Stream, refusal: &'static [u8]) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if refused.is_power_of_two() {
            let count = self.count;
            tracing::warn!(
                "connections refused so far: {refused}; {count} are served at once (--max-connections)"
            );
        }
        let Ok(turn) = Arc::clone(&self.refusing).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _turn = turn;
            let _ = timeout(REFUSAL_TIME, async {
                stream.write_bytes(Bytes::from_static(refusal)).await?;
                tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
                while !stream.read_bytes().await?.is_empty() {}
                io::Result::Ok(())
            })
            .await;
        });
    }
}

/// A listener that hands out no more connections than the limit allows.
pub(crate) struct Gate<L> {
    listener: L,
    limit: Limit,
    refusal: &'static [u8],
}

impl<L: Listener> Gate<L> {
    /// The next connection that may be served.
    pub(crate) async fn next(&mut self) -> (Guarded<L::Stream>, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => match Arc::clone(&self.limit.permits).try_acquire_owned() {
                    Ok(permit) => return (Guarded { stream, _permit: permit }, peer),
                    Err(_) => self.limit.refuse(stream, self.refusal),
                },
                Err(error) => {
                    tracing::debug!("accept failed: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl<L: Listener> axum::serve::Listener for Gate<L> {
    type Io = Guarded<L::Stream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        self.next().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its permit.
pub(crate) struct Guarded<S> {
    stream: S,
    _permit: OwnedSemaphorePermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Stream> Stream for Guarded<S> {
    fn read_bytes(&mut self) -> impl Future<Output = io::Result<Bytes>> + Send {
        self.stream.read_bytes()
    }

    fn write_bytes(&mut self, bytes: Bytes) -> impl Future<Output = io::Result<()>> + Send {
        self.stream.write_bytes(bytes)
    }

    fn retransmits(&self) -> Option<u64> {
        self.stream.retransmits()
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream.set_nodelay(nodelay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Network;
    use crate::net::kernel::Kernel;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn connections_beyond_the_limit_are_told_so() {
        let mut gate = Limit::new(1).gate(Kernel.listen(0).await.unwrap(), b"too many");
        let address = gate.listener.local_addr().unwrap();
        let _first = TcpStream::connect(address).await.unwrap();
        let (served, _) = gate.next().await;

        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"hello").await.unwrap();
        let mut told = String::new();
        tokio::select! {
            _ = gate.next() => panic!("the limit was ignored"),
            read = second.read_to_string(&mut told) => { read.unwrap(); }
        }
        assert_eq!(told, "too many");

        drop(served);
        let _third = TcpStream::connect(address).await.unwrap();
        gate.next().await;
    }
}
