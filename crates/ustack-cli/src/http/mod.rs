//! The web server: a page that says what there is, files below a folder, bytes as many as wanted, and uploads that are
//! hashed and thrown away.
//!
//! | file | answers |
//! | --- | --- |
//! | `page.rs` | what `/` shows |
//! | `files.rs` | which file a path names |
//! | `body.rs` | how long answers are streamed |
//! | `upload.rs` | what is said of an upload |

mod body;
mod files;
mod page;
mod upload;

use crate::limit::Gate;
use crate::net::Listener;
use crate::units;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use std::io;
use std::sync::Arc;

pub(crate) use files::Root;
pub(crate) use page::About;
pub(crate) use upload::hex;

pub(crate) const PORT: u16 = 80;
/// The answer to a connection beyond the limit.
pub(crate) const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 58\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    too many connections at once; try again or raise the limit";

struct Site {
    about: About,
    root: Option<Root>,
}

/// Serves the site on a listener, for ever.
pub(crate) async fn serve(gate: Gate<impl Listener>, about: About, root: Option<Root>) -> io::Result<()> {
    axum::serve(gate, router(about, root)).await
}

fn router(about: About, root: Option<Root>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/bytes/{count}", get(bytes))
        .route("/upload", put(upload::receive).post(upload::receive))
        .fallback(file)
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(Site { about, root }))
}

async fn index(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let files = site.root.as_ref().map(|root| root.names());
    if accepts(&headers, "text/html") {
        let page = page::html(&site.about, files.as_deref());
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
    } else {
        page::text(&site.about, files.as_deref()).into_response()
    }
}

async fn bytes(Path(count): Path<String>) -> Response {
    match units::size(&count) {
        Ok(count) => {
            let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
            (headers, Body::new(body::Pattern::new(count))).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("/bytes/{count}: {error}\n")).into_response(),
    }
}

async fn file(State(site): State<Arc<Site>>, method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let allow = [(header::ALLOW, "GET, HEAD")];
        let text = "files are only read here; to upload: curl -T FILE http://.../upload\n";
        return (StatusCode::METHOD_NOT_ALLOWED, allow, text).into_response();
    }
    let missing = |reason: String| (StatusCode::NOT_FOUND, reason).into_response();
    let Some(root) = &site.root else {
        return missing(format!("{}: no files are served; start with --dir PATH\n", uri.path()));
    };
    match root.open(uri.path()) {
        Ok((file, length, kind)) => {
            ([(header::CONTENT_TYPE, kind)], Body::new(body::File::new(file, length))).into_response()
        }
        Err(error) => missing(format!("{}: {error}\n", uri.path())),
    }
}

/// Whether the client asks for this kind of answer by name.
fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;
    use crate::net::Network;
    use crate::net::kernel::Kernel;
    use std::fmt::Write as _;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Answer {
        status: u16,
        head: String,
        body: Vec<u8>,
    }

    async fn start(root: Option<Root>) -> SocketAddr {
        let listener = Kernel.listen(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Limit::new(9).gate(listener, REFUSAL);
        let about = About { addresses: vec!["10.77.0.2".parse().unwrap()] };
        tokio::spawn(async move { serve(gate, about, root).await });
        address
    }

    async fn ask(server: SocketAddr, request: &str, body: &[u8]) -> Answer {
        let mut stream = tokio::net::TcpStream::connect(server).await.unwrap();
        let (request, more) = request.split_once('\n').unwrap_or((request, ""));
        let mut head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}");
        if !body.is_empty() {
            write!(head, "content-length: {}\r\n", body.len()).unwrap();
        }
        stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        let split = all.windows(4).position(|four| four == b"\r\n\r\n").expect("no end of the head");
        let head = String::from_utf8(all[..split].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: all[split + 4..].to_vec() }
    }

    #[tokio::test]
    async fn the_page_and_the_bytes() {
        let server = start(None).await;
        let page = ask(server, "GET /", b"").await;
        assert_eq!(page.status, 200);
        assert!(String::from_utf8_lossy(&page.body).contains("ping 10.77.0.2"), "{:?}", page.body);
        for (path, length) in [("/bytes/0", 0), ("/bytes/12345", 12_345), ("/bytes/2M", 2_000_000)] {
            let answer = ask(server, &format!("GET {path}"), b"").await;
            assert_eq!((answer.status, answer.body.len()), (200, length), "{path}");
            assert!(answer.head.contains(&format!("content-length: {length}")), "{}", answer.head);
        }
        let head = ask(server, "HEAD /bytes/77", b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        let wrong = ask(server, "GET /bytes/many", b"").await;
        assert_eq!(wrong.status, 400);
        let absent = ask(server, "GET /blob", b"").await;
        assert_eq!(absent.status, 404);
        assert!(String::from_utf8_lossy(&absent.body).contains("--dir"));
    }

    #[tokio::test]
    async fn files_and_nothing_but_files() {
        let outside = std::env::temp_dir().join(format!("ustack-http-{}", std::process::id()));
        let dir = outside.join("dir");
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        let blob: Vec<u8> = (0..600_000_u32).map(|i| (i % 253) as u8).collect();
        std::fs::write(dir.join("blob"), &blob).unwrap();
        std::fs::write(dir.join("sub/a b.txt"), "hello").unwrap();
        std::fs::write(outside.join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink("../secret", dir.join("link")).unwrap();
        let server = start(Some(Root::new(&dir).unwrap())).await;

        let answer = ask(server, "GET /blob", b"").await;
        assert!(answer.status == 200 && answer.body == blob);
        let answer = ask(server, "GET /sub/a%20b.txt", b"").await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
        assert!(answer.head.contains("text/plain"));
        for path in [
            "/../secret",
            "/sub/../../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "//secret",
            "/link",
            "/sub",
            "/none",
            "/blob%00",
        ] {
            let answer = ask(server, &format!("GET {path}"), b"").await;
            assert_eq!(answer.status, 404, "{path}");
        }
        let answer = ask(server, "DELETE /blob", b"").await;
        assert_eq!(answer.status, 405);
        std::fs::remove_dir_all(outside).unwrap();
    }

    #[tokio::test]
    async fn uploads_are_counted_and_hashed() {
        let server = start(None).await;
        let answer = ask(server, "PUT /upload", b"abc").await;
        let text = String::from_utf8(answer.body).unwrap();
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(text, format!("length 3\nsha256 {hash}\n"));
        let answer = ask(server, "POST /upload\naccept: application/json\r\n", b"abc").await;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((&json["length"], &json["sha256"]), (&3.into(), &hash.into()));
    }

    #[test]
    fn the_refusal_is_an_answer() {
        let text = std::str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{} bytes", body.len());
    }
}
