//! The carrier's side of the WebSocket handshake.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode, Uri};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};

use crate::engine::address::AddressBook;
use crate::engine::http::{basic, readable};
use crate::engine::random;
use crate::engine::recorder::Recorder;
use crate::trace::{TraceKind, Way};

/// A WebSocket that the carrier wants to open.
#[derive(Clone)]
#[non_exhaustive]
pub struct Upgrade {
    /// `ws://` or `wss://`, as the carrier knows it. User and password become Basic authentication; a fragment is
    /// never sent.
    pub url: String,
    /// Headers beside those of the handshake itself.
    pub headers: Vec<(String, String)>,
    /// How long the whole handshake may take (wall time).
    pub timeout: Duration,
}

impl Upgrade {
    /// Without further headers, to be done within ten seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: vec![],
            timeout: Duration::from_secs(10),
        }
    }

    /// With a header more.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgrade")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why there is no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeFailure {
    /// The URL cannot be read, or leads away from the server under test.
    #[error("{0}")]
    Url(String),
    /// Nobody took the connection.
    #[error("the connection was refused")]
    Refused,
    /// The app did not switch protocols.
    #[error("the app answered {0} instead of 101")]
    Status(StatusCode),
    /// The answer is no WebSocket handshake.
    #[error("the handshake is broken: {0}")]
    Handshake(String),
    /// It took too long.
    #[error("the handshake was not done in time")]
    Timeout,
}

/// An open media socket.
#[derive(Debug)]
pub struct MediaSocket {
    pub(crate) socket: WebSocketStream<TcpStream>,
    /// From the first packet to the end of the handshake (wall time).
    pub(crate) opened_after: Duration,
}

/// The defaults of the library take 128 KiB for each socket; a media message needs one.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(4 * 1024 * 1024))
        .max_frame_size(Some(4 * 1024 * 1024))
}

pub(crate) async fn open(
    addresses: &AddressBook,
    recorder: &Recorder,
    upgrade: &Upgrade,
) -> Result<MediaSocket, UpgradeFailure> {
    let begun = tokio::time::Instant::now();
    let result = match timeout(upgrade.timeout, handshake(addresses, recorder, upgrade)).await {
        Ok(result) => result,
        Err(_) => Err(UpgradeFailure::Timeout),
    };
    let head = match &result {
        Ok(_) => "101 Switching Protocols".to_owned(),
        Err(failure) => failure.to_string(),
    };
    recorder.trace(
        Way::FromApp,
        TraceKind::Handshake,
        head,
        vec![],
        String::new(),
        0,
    );
    result.map(|socket| MediaSocket {
        socket,
        opened_after: begun.elapsed(),
    })
}

async fn handshake(
    addresses: &AddressBook,
    recorder: &Recorder,
    upgrade: &Upgrade,
) -> Result<WebSocketStream<TcpStream>, UpgradeFailure> {
    let target = addresses
        .target(&upgrade.url)
        .map_err(|error| UpgradeFailure::Url(error.to_string()))?;
    let unwritable = || UpgradeFailure::Url("the URL cannot be written into a request".into());
    let uri: Uri = format!("ws://{}:{}{}", target.host, target.port, target.path)
        .parse()
        .map_err(|_| unwritable())?;
    let mut request = Request::builder()
        .uri(uri)
        .header("Host", &target.host_header)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", STANDARD.encode(random::bytes::<16>()));
    if let Some(userinfo) = &target.userinfo {
        request = request.header("Authorization", basic(userinfo));
    }
    for (name, value) in &upgrade.headers {
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(|_| unwritable())?;
    recorder.trace(
        Way::ToApp,
        TraceKind::Handshake,
        format!("GET {}", upgrade.url),
        readable(request.headers()),
        String::new(),
        0,
    );

    let bare_host = target.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare_host, target.port))
        .await
        .map_err(|_| UpgradeFailure::Refused)?;
    // Frames are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config())).await {
        Ok((socket, response)) => {
            if response.headers().contains_key("sec-websocket-extensions") {
                return Err(UpgradeFailure::Handshake(
                    "the app chose an extension that was not offered".into(),
                ));
            }
            Ok(socket)
        }
        Err(tungstenite::Error::Http(response)) => Err(UpgradeFailure::Status(response.status())),
        Err(error) => Err(UpgradeFailure::Handshake(error.to_string())),
    }
}
