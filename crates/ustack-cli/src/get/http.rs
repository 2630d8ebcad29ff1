//! The client's side of HTTP/1.1 for one GET (RFC 9112): a request, the head of the answer, and its body in the three ways
//! in which a body can end.

use super::url::Url;
use crate::net::Stream;
use bytes::{Buf, Bytes};
use std::io;
use tokio::io::AsyncWriteExt;

/// Largest head of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Longest line between two pieces of a chunked body, in bytes.
const MAX_LINE: usize = 4096;

/// What an answer begins with.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    /// Where a redirection leads.
    pub(super) location: Option<String>,
    pub(super) length: Length,
}

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Length {
    Exact(u64),
    Chunked,
    UntilClose,
}

/// A connection on which an answer comes.
pub(super) struct Answer<S> {
    stream: S,
    /// Read and not yet used.
    rest: Bytes,
}

impl<S: Stream> Answer<S> {
    /// Sends the request and reads the head of its answer, over interim ones.
    pub(super) async fn ask(mut stream: S, url: &Url) -> io::Result<(Head, Self)> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: ustack/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            url.target,
            url.authority(),
            env!("CARGO_PKG_VERSION")
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Self { stream, rest: Bytes::new() };
        loop {
            let head = answer.head().await?;
            if !(100..200).contains(&head.status) {
                return Ok((head, answer));
            }
        }
    }

    async fn head(&mut self) -> io::Result<Head> {
        let mut lines = vec![self.line(MAX_HEAD).await?];
        let mut size = 0;
        loop {
            let line = self.line(MAX_HEAD).await?;
            if line.is_empty() {
                return parse(&lines);
            }
            size += line.len();
            if size > MAX_HEAD {
                return Err(invalid("the head of the answer has no end"));
            }
            lines.push(line);
        }
    }

    /// Hands the body to `sink` piece by piece; returns its length.
    pub(super) async fn body(
        &mut self,
        length: Length,
        mut sink: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<u64> {
        match length {
            Length::Exact(length) => self.pass(length, &mut sink).await.map(|()| length),
            Length::UntilClose => {
                let mut total = 0;
                loop {
                    let piece = self.piece().await?;
                    if piece.is_empty() {
                        return Ok(total);
                    }
                    total += piece.len() as u64;
                    sink(&piece)?;
                }
            }
            Length::Chunked => self.chunks(&mut sink).await,
        }
    }

    async fn chunks(&mut self, sink: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
        let mut total = 0;
        loop {
            let line = self.line(MAX_LINE).await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = u64::from_str_radix(digits, 16).map_err(|_| invalid("a chunk has no length"))?;
            if length == 0 {
                // Trailers, up to an empty line.
                while !self.line(MAX_LINE).await?.is_empty() {}
                return Ok(total);
            }
            self.pass(length, sink).await?;
            total += length;
            if !self.line(MAX_LINE).await?.is_empty() {
                return Err(invalid("a chunk is longer than it says"));
            }
        }
    }

    /// Hands on exactly `length` bytes.
    async fn pass(&mut self, length: u64, sink: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let mut piece = self.piece().await?;
            if piece.is_empty() {
                return Err(ended());
            }
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            self.rest = piece.split_off(wanted);
            left -= wanted as u64;
            sink(&piece)?;
        }
        Ok(())
    }

    async fn piece(&mut self) -> io::Result<Bytes> {
        if self.rest.is_empty() { self.stream.read_bytes().await } else { Ok(std::mem::take(&mut self.rest)) }
    }

    /// A line without its end.
    async fn line(&mut self, most: usize) -> io::Result<String> {
        let mut line = Vec::new();
        loop {
            if self.rest.is_empty() {
                self.rest = self.stream.read_bytes().await?;
                if self.rest.is_empty() {
                    return Err(ended());
                }
            }
            let end = self.rest.iter().position(|&byte| byte == b'\n');
            let taken = end.unwrap_or(self.rest.len());
            line.extend_from_slice(&self.rest[..taken]);
            self.rest.advance(end.map_or(taken, |end| end + 1));
            if line.len() > most {
                return Err(invalid("a line of the answer has no end"));
            }
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}

fn parse(lines: &[String]) -> io::Result<Head> {
    let no_http = || invalid("this is no answer of a web server");
    let (first, fields) = lines.split_first().ok_or_else(no_http)?;
    let mut words = first.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse().ok()).ok_or_else(no_http)?;
    if !version.starts_with("HTTP/1.") || !(100..1000).contains(&status) {
        return Err(no_http());
    }
    let reason = words.next().unwrap_or_default().trim().to_owned();
    let field = |name: &str| {
        let pairs = fields.iter().filter_map(|line| line.split_once(':'));
        pairs
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .next_back()
    };
    let length = if status < 200 || status == 204 || status == 304 {
        Length::Exact(0)
    } else if let Some(coding) = field("transfer-encoding") {
        let chunked = coding.eq_ignore_ascii_case("chunked");
        chunked.then_some(Length::Chunked).ok_or_else(|| invalid("the answer is coded in an unknown way"))?
    } else if let Some(length) = field("content-length") {
        Length::Exact(length.parse().map_err(|_| invalid("the length of the answer is no number"))?)
    } else {
        Length::UntilClose
    };
    Ok(Head { status, reason, location: field("location"), length })
}

fn ended() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the server closed the connection in the middle of its answer",
    )
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Network;
    use crate::net::kernel::Kernel;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    /// What a client makes of an answer that comes in pieces of `size` bytes.
    async fn client(answer: &'static [u8], size: usize) -> io::Result<(Head, Vec<u8>)> {
        let listener = Kernel.listen(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = [0; 1000];
            let count = stream.read(&mut request).await.unwrap();
            assert!(request[..count].starts_with(b"GET /x HTTP/1.1\r\nHost: "));
            for piece in answer.chunks(size) {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let url = Url::parse(&format!("http://{address}/x")).unwrap();
        let (head, mut answer) = Answer::ask(TcpStream::connect(address).await?, &url).await?;
        let mut body = Vec::new();
        let length = answer.body(head.length, |piece| {
            body.extend_from_slice(piece);
            Ok(())
        });
        assert_eq!(length.await?, body.len() as u64);
        Ok((head, body))
    }

    #[tokio::test]
    async fn bodies_of_every_kind() {
        let answers: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: t\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\nhello",
            b"HTTP/1.1 200\ncontent-length: 5\n\nhello world",
        ];
        for answer in answers {
            for size in [1, 7, 1000] {
                let (head, body) = client(answer, size).await.unwrap();
                assert_eq!((head.status, &body[..]), (200, &b"hello"[..]), "{}", answer.escape_ascii());
            }
        }
    }

    #[tokio::test]
    async fn answers_that_break_off_or_are_none() {
        let answers: [(&[u8], &str); 6] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "in the middle"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "in the middle"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "no length"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "unknown way"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "no answer of a web server"),
            (b"", "in the middle"),
        ];
        for (answer, part) in answers {
            let error = client(answer, 1000).await.unwrap_err().to_string();
            assert!(error.contains(part), "{}: {error}", answer.escape_ascii());
        }
    }

    #[tokio::test]
    async fn a_redirection_says_where_to() {
        let answer = b"HTTP/1.1 301 Moved Permanently\r\nLocation: http://x/y\r\ncontent-length: 0\r\n\r\n";
        let (head, _) = client(answer, 1000).await.unwrap();
        assert_eq!((head.status, head.reason.as_str()), (301, "Moved Permanently"));
        assert_eq!(head.location.as_deref(), Some("http://x/y"));
    }
}
