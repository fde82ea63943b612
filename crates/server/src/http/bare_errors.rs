//! Problem details in place of the bare errors that the HTTP implementation answers by itself, to requests that it cannot read: a
//! malformed head (400), a head or an address that is too long (431, 414).
//!
//! Such a request never reaches the router, so its answer is replaced where it is written. An answer of the router cannot be taken for
//! one: each carries a request id.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest bare answer.
const MAX_BARE_BYTES: usize = 512;

/// Stream of a connection that replaces bare errors.
#[derive(Debug)]
pub(super) struct WithProblems<S> {
    inner: S,
    /// Answer that is being written in place of a bare one of this length, and the number of its bytes that are written.
    replacement: Option<(Vec<u8>, usize, usize)>,
}

impl<S> WithProblems<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, replacement: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithProblems<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithProblems<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.replacement.is_none() {
            this.replacement = problem_for(buffer).map(|problem| (problem, 0, buffer.len()));
        }
        let Some((problem, written, length)) = &mut this.replacement else {
            return Pin::new(&mut this.inner).poll_write(context, buffer);
        };
        while *written < problem.len() {
            match ready!(Pin::new(&mut this.inner).poll_write(context, &problem[*written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        let length = *length;
        this.replacement = None;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A bare answer is one buffer.
        match buffers {
            [one] => self.poll_write(context, one),
            _ => Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Returns the problem to write in place of a bare answer; `None` for any other bytes.
fn problem_for(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() > MAX_BARE_BYTES {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let (status_line, headers) = head.split_once("\r\n")?;
    let status: u16 = status_line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let has = |name: &str| headers.split("\r\n").any(|line| line.to_ascii_lowercase().starts_with(name));
    if !(400..600).contains(&status) || !has("content-length: 0") || has("x-request-id:") {
        return None;
    }
    let (title, detail) = match status {
        414 => ("URI Too Long", "the address is too long: send long values in the body"),
        431 => (
            "Request Header Fields Too Large",
            "the head of the request is too long: send fewer or shorter headers",
        ),
        400 => ("Bad Request", "the head of the request is not HTTP/1.1"),
        _ => ("Error", "the request cannot be read"),
    };
    let id = kernel::id::new().to_string();
    let body = json!({ "type": "urn:wenyuan:problem:invalid", "title": title, "status": status, "detail": detail, "request_id": id })
        .to_string();
    let answer = format!(
        "HTTP/1.1 {status} {title}\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         x-content-type-options: nosniff\r\nx-request-id: {id}\r\n\r\n{body}",
        body.len()
    );
    tracing::debug!(http.status = status, request.id = id, "refused a request that cannot be read");
    Some(answer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_errors_alone_are_replaced() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: today\r\n\r\n";
        let problem = String::from_utf8(problem_for(bare).unwrap()).unwrap();
        assert!(problem.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{problem}");
        let (head, body) = problem.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{problem}");
        for other in [
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP",
            "{\"status\": 400}",
            "",
        ] {
            assert_eq!(problem_for(other.as_bytes()), None, "{other}");
        }
    }
}
