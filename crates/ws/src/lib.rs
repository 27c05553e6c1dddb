//! WebSocket media sockets on tungstenite.
//!
//! [`WsSocket`] makes a core [`MediaSocket`] of any byte stream on which a WebSocket handshake is done; [`upgrade_response`]
//! writes the server's half of that handshake for any HTTP server. No extension is ever negotiated: compression costs
//! more than it saves on media, and one carrier's streams break behind some proxies when it is on.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use futures_util::{SinkExt, StreamExt};
//! use telephony_core::media::WireMessage;
//! use telephony_ws::{WsOptions, WsSocket};
//!
//! let (ours, theirs) = tokio::io::duplex(4096);
//! let mut server = WsSocket::server(ours, WsOptions::default()).await;
//! let mut client = WsSocket::client(theirs, WsOptions::default()).await;
//! client.send(WireMessage::text("hello")).await.unwrap();
//! assert_eq!(server.next().await.unwrap().unwrap(), WireMessage::text("hello"));
//! # }
//! ```

use bytes::Bytes;
use futures_util::{Sink, Stream, ready};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use telephony_core::media::{SocketError, WireMessage};
use telephony_core::{Error, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes, handshake};

#[cfg(doc)]
use telephony_core::media::MediaSocket;

/// Sizes of a socket. The defaults fit telephone audio: a message of a carrier has 200 to 8,000 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WsOptions {
    /// Bytes read at once; twice as much is allocated for each socket, and this much is cleared before each look. Default
    /// 1 KiB: one message of 20 ms. The library's own default of 128 KiB is what most of a call's memory would be.
    pub read_buffer: usize,
    /// Bytes gathered before they are written without a flush. Default 4 KiB.
    pub write_buffer: usize,
    /// The largest message that is taken; a larger one ends the socket. Default 1 MiB.
    pub max_message: usize,
}

impl Default for WsOptions {
    fn default() -> Self {
        Self {
            read_buffer: 1 << 10,
            write_buffer: 4 << 10,
            max_message: 1 << 20,
        }
    }
}

impl WsOptions {
    fn config(self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(self.read_buffer)
            .write_buffer_size(self.write_buffer)
            // Beyond this a write fails; the driver stops writing long before.
            .max_write_buffer_size(self.write_buffer + 2 * self.max_message)
            .max_message_size(Some(self.max_message))
            .max_frame_size(Some(self.max_message))
    }
}

/// Checks a WebSocket upgrade and writes its answer: `101 Switching Protocols`. Send it, then make a [`WsSocket::server`]
/// of the upgraded connection.
///
/// # Errors
/// [`Malformed`](telephony_core::ErrorKind::Malformed) if this is no upgrade to WebSocket version 13.
pub fn upgrade_response(
    method: &http::Method,
    headers: &http::HeaderMap,
) -> Result<http::Response<()>> {
    let mut request = http::Request::new(());
    *request.method_mut() = method.clone();
    *request.headers_mut() = headers.clone();
    handshake::server::create_response(&request)
        .map_err(|error| Error::malformed("this is no WebSocket upgrade").with_source(error))
}

/// A WebSocket as a [`MediaSocket`]. Pings are answered by themselves; closing says code 1000 and waits for the peer's.
pub struct WsSocket<S> {
    socket: WebSocketStream<S>,
    closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WsSocket<S> {
    /// The server's end of a connection on which the handshake is done.
    pub async fn server(io: S, options: WsOptions) -> Self {
        Self::over(io, Role::Server, options).await
    }

    /// The client's end of a connection on which the handshake is done.
    pub async fn client(io: S, options: WsOptions) -> Self {
        Self::over(io, Role::Client, options).await
    }

    async fn over(io: S, role: Role, options: WsOptions) -> Self {
        let socket = WebSocketStream::from_raw_socket(io, role, Some(options.config())).await;
        Self {
            socket,
            closing: false,
        }
    }
}

impl<S> fmt::Debug for WsSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsSocket")
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WsSocket<S> {
    type Item = Result<WireMessage, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Some(Ok(WireMessage::Text(Bytes::from(text)))),
                Some(Ok(Message::Binary(bytes))) => Some(Ok(WireMessage::Binary(bytes))),
                // Pings are answered by tungstenite; a close is followed by the end.
                Some(Ok(_)) => continue,
                Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) | None => None,
                Some(Err(error)) => Some(Err(failure(error))),
            });
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<WireMessage> for WsSocket<S> {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.socket).poll_ready(cx).map_err(failure)
    }

    fn start_send(mut self: Pin<&mut Self>, message: WireMessage) -> Result<(), SocketError> {
        let message = match message {
            WireMessage::Text(text) => Message::Text(
                Utf8Bytes::try_from(text).map_err(|error| SocketError::Broken(Box::new(error)))?,
            ),
            WireMessage::Binary(bytes) => Message::Binary(bytes),
            _ => {
                return Err(SocketError::Broken(
                    "this kind of message does not fit a WebSocket".into(),
                ));
            }
        };
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(failure)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(failure)
    }

    /// Sends a normal close and reads until the peer's: dropping the connection with unread audio in it would reset it, and
    /// the peer would never see the close. The caller sets the deadline.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if !self.closing {
            let close = Message::Close(Some(CloseFrame {
                code: CloseCode::Normal,
                reason: Utf8Bytes::default(),
            }));
            match ready!(Pin::new(&mut self.socket).poll_ready(cx)) {
                Ok(()) => {}
                Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => {
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(failure(error))),
            }
            match Pin::new(&mut self.socket).start_send(close) {
                Ok(()) => self.closing = true,
                Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => {
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(failure(error))),
            }
        }
        match ready!(Pin::new(&mut self.socket).poll_flush(cx)) {
            Ok(()) | Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => {}
            Err(error) => return Poll::Ready(Err(failure(error))),
        }
        while let Some(message) = ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            if message.is_err() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn failure(error: WsError) -> SocketError {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => SocketError::Closed,
        WsError::Capacity(_) => SocketError::TooLarge,
        error => SocketError::Broken(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{SinkExt, StreamExt};
    use http::{HeaderMap, HeaderValue, Method};

    async fn pair() -> (
        WsSocket<tokio::io::DuplexStream>,
        WsSocket<tokio::io::DuplexStream>,
    ) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let options = WsOptions::default();
        (
            WsSocket::server(ours, options).await,
            WsSocket::client(theirs, options).await,
        )
    }

    #[tokio::test]
    async fn closing_says_1000_and_both_ends_see_the_end() {
        let (mut server, client) = pair().await;
        let mut raw = client.socket;
        let closer = tokio::spawn(async move {
            server.close().await.unwrap();
            server.next().await.is_none()
        });
        let close = raw.next().await.unwrap().unwrap();
        assert!(matches!(close, Message::Close(Some(frame)) if frame.code == CloseCode::Normal));
        assert!(raw.next().await.is_none_or(|last| last.is_err()));
        assert!(closer.await.unwrap());
    }

    #[tokio::test]
    async fn a_message_over_the_bound_is_an_error() {
        let (mut server, mut client) = pair().await;
        let sender = tokio::spawn(async move {
            client
                .send(WireMessage::Binary(vec![0; (1 << 20) + 1].into()))
                .await
        });
        assert!(matches!(
            server.next().await,
            Some(Err(SocketError::TooLarge))
        ));
        drop(server);
        let _ = sender.await.unwrap();
    }

    #[tokio::test]
    async fn text_that_is_not_utf8_is_refused() {
        let (mut server, _client) = pair().await;
        assert!(
            server
                .send(WireMessage::Text(Bytes::from_static(&[0xff])))
                .await
                .is_err()
        );
    }

    #[test]
    fn only_an_upgrade_is_answered_with_101() {
        let mut headers = HeaderMap::new();
        assert!(upgrade_response(&Method::GET, &headers).is_err());
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let response = upgrade_response(&Method::GET, &headers).unwrap();
        // The example of RFC 6455, section 1.3.
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert!(response.headers().get("sec-websocket-extensions").is_none());
    }
}
