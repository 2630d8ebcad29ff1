//! The side of the running stack: one question a connection, one answer, one connection at a time.

use super::PREFIX;
use super::tables::Table;
use rustix::process::geteuid;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use ustack::Stack;

/// Longest question, in bytes.
const LONGEST: u64 = 64;
/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers for the stack on this device until the program ends. Without the socket the stack serves all the same.
pub(crate) async fn serve(stack: Stack, device: String) {
    match open(&device) {
        Ok(listener) => answer_all(&listener, &stack).await,
        Err(error) => tracing::warn!("`ustack addr`, `route` and `neigh` can't ask this stack: {error}"),
    }
}

fn open(device: &str) -> io::Result<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("{PREFIX}{device}"))?;
    let listener = StdListener::bind_addr(&name)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn answer_all(listener: &UnixListener, stack: &Stack) {
    loop {
        // Without a descriptor for a client there may be one later.
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(PATIENCE).await;
            continue;
        };
        match timeout(PATIENCE, answer(client, stack)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("a question about tables was not answered: {error}"),
            Err(_) => tracing::debug!("a question about tables took too long"),
        }
    }
}

async fn answer(mut client: UnixStream, stack: &Stack) -> io::Result<()> {
    let user = client.peer_cred()?.uid();
    let mut question = String::new();
    BufReader::new((&mut client).take(LONGEST)).read_line(&mut question).await?;
    let answer = match Table::of_word(question.trim_end()) {
        _ if user != 0 && user != geteuid().as_raw() => {
            serde_json::json!({ "error": "another user runs it; ask as that one, or as root" })
        }
        Some(table) => serde_json::json!({ "rows": table.read(stack) }),
        None => serde_json::json!({ "error": "it does not know this question; is it of another version?" }),
    };
    client.write_all(answer.to_string().as_bytes()).await
}
