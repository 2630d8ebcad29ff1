//! Answers that are made or read while they are sent, piece by piece.

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes of a piece.
const PIECE: usize = 256 * 1024;

/// Repeats from 0 to 250: a period that no packet size has.
static PATTERN: LazyLock<Bytes> =
    LazyLock::new(|| (0..PIECE).map(|index| (index % 251) as u8).collect::<Vec<_>>().into());

/// So many bytes of a pattern.
pub(super) struct Pattern {
    left: u64,
    /// Where in the pattern the next byte stands.
    at: usize,
}

impl Pattern {
    pub(super) fn new(count: u64) -> Self {
        Self { left: count, at: 0 }
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let end = PATTERN.len().min(self.at.saturating_add(left));
        let piece = PATTERN.slice(self.at..end);
        self.at = end % 251;
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A file, read off the thread that serves.
pub(super) struct File {
    left: u64,
    state: State,
}

enum State {
    Idle(std::fs::File),
    Reading(JoinHandle<io::Result<(std::fs::File, Bytes)>>),
    Done,
}

impl File {
    /// The first `length` bytes of the file.
    pub(super) fn new(file: std::fs::File, length: u64) -> Self {
        Self { left: length, state: State::Idle(file) }
    }
}

impl Body for File {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Idle(_) if self.left == 0 => return Poll::Ready(None),
                State::Idle(file) => {
                    let wanted = self.left.min(PIECE as u64) as usize;
                    self.state = State::Reading(spawn_blocking(move || read(file, wanted)));
                }
                State::Reading(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    let (file, piece) = read??;
                    self.left -= piece.len() as u64;
                    self.state = State::Idle(file);
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                State::Done => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn read(mut file: std::fs::File, wanted: usize) -> io::Result<(std::fs::File, Bytes)> {
    let mut piece = BytesMut::zeroed(wanted);
    let count = file.read(&mut piece)?;
    if count == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was cut while it was sent"));
    }
    piece.truncate(count);
    Ok((file, piece.freeze()))
}

/// The next piece of a body that is received; `None` at its end.
pub(super) async fn next(body: &mut axum::body::Body) -> Option<Result<Bytes, axum::Error>> {
    std::future::poll_fn(|cx| {
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                // Trailers are no part of the content.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_pattern_goes_on_across_pieces() {
        let count = PIECE as u64 * 2 + 1000;
        let mut body = axum::body::Body::new(Pattern::new(count));
        let mut all = Vec::new();
        while let Some(piece) = next(&mut body).await {
            all.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(all.len() as u64, count);
        assert!(all.iter().enumerate().all(|(index, &byte)| byte == (index % 251) as u8));
    }

    #[tokio::test]
    async fn a_file_that_shrinks_is_an_error() {
        let path = std::env::temp_dir().join(format!("ustack-body-{}", std::process::id()));
        std::fs::write(&path, b"short").unwrap();
        let mut body = axum::body::Body::new(File::new(std::fs::File::open(&path).unwrap(), 10));
        std::fs::remove_file(path).unwrap();
        assert_eq!(&next(&mut body).await.unwrap().unwrap()[..], b"short");
        assert!(next(&mut body).await.unwrap().is_err());
    }
}
