//! The two directions of a connection in two hands.

use super::TcpStream;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The reading half of a borrowed connection; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(super) &'a TcpStream);

/// The writing half of a borrowed connection; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(super) &'a TcpStream);

/// The reading half of a connection; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing half of a connection; see [`TcpStream::into_split`]. Dropping it ends our side.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    shutdown_on_drop: bool,
}

/// The two halves belong to different connections; both are handed back.
#[derive(Debug, thiserror::Error)]
#[error("these halves are not of one connection; pair each with the half that it was split from")]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

pub(super) fn owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    (OwnedReadHalf(Arc::clone(&stream)), OwnedWriteHalf { stream, shutdown_on_drop: true })
}

fn reunite(read: OwnedReadHalf, mut write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.0, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.shutdown_on_drop = false;
    drop(write);
    // The halves were the only two owners, so this is the last one.
    Arc::try_unwrap(read.0).map_err(|stream| {
        let write = OwnedWriteHalf { stream: Arc::clone(&stream), shutdown_on_drop: true };
        ReuniteError(OwnedReadHalf(stream), write)
    })
}

impl OwnedReadHalf {
    /// Makes the connection whole again.
    ///
    /// # Errors
    /// The halves are of different connections.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }
}

impl OwnedWriteHalf {
    /// Makes the connection whole again.
    ///
    /// # Errors
    /// The halves are of different connections.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Gives the half up without ending our side.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // Whoever drops it does not want to hear that there was nothing to end.
            let _ = self.stream.end_writing();
        }
    }
}

macro_rules! reads {
    ($half:ty) => {
        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.stream().poll_read_into(cx, buffer)
            }
        }

        impl $half {
            /// Waits until a read would not block.
            ///
            /// # Errors
            /// There is no connection any more.
            pub async fn readable(&self) -> io::Result<()> {
                self.stream().readable().await
            }

            /// Reads what is there.
            ///
            /// # Errors
            /// `WouldBlock` if nothing is; why the connection ended.
            pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.stream().try_read(buffer)
            }

            /// Reads up to `max` bytes without copying them; none at the end of the stream.
            ///
            /// # Errors
            /// Why the connection ended.
            pub async fn read_bytes(&self, max: usize) -> io::Result<bytes::Bytes> {
                self.stream().read_bytes(max).await
            }

            /// Copies what the next read would give, and leaves it there.
            ///
            /// # Errors
            /// Why the connection ended.
            pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.stream().peek(buffer).await
            }
        }
    };
}

macro_rules! writes {
    ($half:ty) => {
        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_bytes(cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_buffers(cx, buffers)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.stream().end_writing())
            }
        }

        impl $half {
            /// Waits until a write would not block.
            ///
            /// # Errors
            /// There is no connection any more.
            pub async fn writable(&self) -> io::Result<()> {
                self.stream().writable().await
            }

            /// Writes what there is room for.
            ///
            /// # Errors
            /// `WouldBlock` if there is none; why the connection ended.
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                self.stream().try_write(bytes)
            }

            /// Writes a part of `bytes` without copying it, and removes it from them.
            ///
            /// # Errors
            /// Why the connection ended.
            pub async fn write_bytes(&self, bytes: &mut bytes::Bytes) -> io::Result<()> {
                self.stream().write_bytes(bytes).await
            }
        }
    };
}

macro_rules! halves {
    ($($half:ty),+) => {
        $(impl $half {
            /// Our address.
            ///
            /// # Errors
            /// The socket is gone.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.stream().local_addr()
            }

            /// The peer's address.
            ///
            /// # Errors
            /// There is no connection any more.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream().peer_addr()
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                self.stream()
            }
        })+
    };
}

impl ReadHalf<'_> {
    fn stream(&self) -> &TcpStream {
        self.0
    }
}

impl WriteHalf<'_> {
    fn stream(&self) -> &TcpStream {
        self.0
    }
}

impl OwnedReadHalf {
    fn stream(&self) -> &TcpStream {
        &self.0
    }
}

impl OwnedWriteHalf {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

reads!(ReadHalf<'_>);
reads!(OwnedReadHalf);
writes!(WriteHalf<'_>);
writes!(OwnedWriteHalf);
halves!(ReadHalf<'_>, WriteHalf<'_>, OwnedReadHalf, OwnedWriteHalf);
