//! Uploads: counted, hashed, thrown away.

use super::{accepts, body};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Answers with length and SHA-256, as two lines or, if the client asks for it, as JSON.
pub(super) async fn receive(headers: HeaderMap, mut upload: Body) -> Response {
    let (mut length, mut hash) = (0, Sha256::new());
    while let Some(piece) = body::next(&mut upload).await {
        match piece {
            Ok(piece) => {
                length += piece.len() as u64;
                hash.update(&piece);
            }
            Err(error) => {
                tracing::debug!("an upload broke off after {length} bytes: {error}");
                return StatusCode::BAD_REQUEST.into_response();
            }
        }
        tokio::task::consume_budget().await;
    }
    let sha256 = hex(&hash.finalize());
    if accepts(&headers, "application/json") {
        let json = serde_json::json!({ "length": length, "sha256": sha256 });
        ([(header::CONTENT_TYPE, "application/json")], format!("{json}\n")).into_response()
    } else {
        format!("length {length}\nsha256 {sha256}\n").into_response()
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
