//! What the examples and the end-to-end tests share: a server from the environment, a server on loopback, a tiny HTTP
//! client, and how a program ends.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

pub mod front;
pub mod node;
pub mod own_redis;
pub mod simulated;

use std::fmt;
use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use telephony::media::{MediaEvent, Streamer};
use telephony::ws::{WsOptions, WsSocket};
use telephony::{
    Answer, BoxError, CallHandler, CallServer, Calls, CallsOptions, IncomingCall, MemoryStore,
    PublicUrl, ServerOptions, Telephony,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long an HTTP request of [`post`] and [`get`] may take.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// Serves `handler` for every carrier whose variables are set, until the process is asked to end.
///
/// Listens on `TELEPHONY_LISTEN` (default 127.0.0.1:8080); `TELEPHONY_PUBLIC_URL` is where carriers reach it. Prints the
/// URLs for the carriers' consoles.
///
/// # Errors
/// That names the variable which is missing or wrong; if it cannot listen.
pub async fn serve_from_environment(
    handler: impl CallHandler,
    options: ServerOptions,
) -> Result<(), BoxError> {
    let listen = std::env::var("TELEPHONY_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let public = std::env::var("TELEPHONY_PUBLIC_URL").map_err(
        |_| "set TELEPHONY_PUBLIC_URL to the https URL under which carriers reach this server",
    )?;
    let public = PublicUrl::new(&public).map_err(|error| {
        format!(
            "TELEPHONY_PUBLIC_URL is not what it should be: {}",
            error.detail()
        )
    })?;
    let ports = telephony::ports()?;
    let store = Arc::new(MemoryStore::default());
    let calls = Calls::with(
        public.clone(),
        store,
        ports.clone(),
        CallsOptions::default(),
    );
    let server = CallServer::with(calls, handler, options);
    for account in telephony::from_env(&ports)? {
        server.add_account(account);
    }
    // Before the first line that says that it is up.
    let end = end_signal()?;
    let listener = TcpListener::bind(&listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    for account in server.accounts() {
        print_console_urls(&public, &*account);
    }
    server.serve(listener, end).await?;
    Ok(())
}

fn print_console_urls(public: &PublicUrl, account: &dyn Telephony) {
    let label = account.account();
    // A carrier that signs nothing is known by a secret of ours in the URL. The shell fills it in, so that it is not shown.
    let secret = match account.capabilities().signed_webhooks {
        true => String::new(),
        false => {
            let carrier = account.provider().as_str().to_ascii_uppercase();
            format!("?key=${carrier}_WEBHOOK_SECRET")
        }
    };
    println!("put into the console of {}:", account.provider());
    println!("  calls   {public}/{label}/call{secret}");
    println!("  events  {public}/{label}/events{secret}");
    println!("  status  {public}/{label}/status{secret}");
}

/// The smallest app that can be heard: it says back whatever the caller says.
#[derive(Debug, Clone, Copy)]
pub struct Echo;

#[async_trait::async_trait]
impl CallHandler for Echo {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        while let Some(event) = stream.recv().await {
            if let MediaEvent::Audio(frame) = event
                && stream.send(frame.payload).await.is_err()
            {
                break;
            }
        }
    }
}

/// A server on a free port of 127.0.0.1, for demonstrations and tests. Dropping it ends it.
#[derive(Debug)]
pub struct Loopback {
    /// Its base URL.
    pub url: String,
    /// The server.
    pub server: CallServer,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Loopback {
    /// Serves `accounts` with `handler`.
    ///
    /// # Errors
    /// If there is no free port.
    pub async fn start(
        handler: impl CallHandler,
        accounts: impl IntoIterator<Item = Arc<dyn Telephony>>,
    ) -> Result<Self, BoxError> {
        let (listener, url) = free_port().await?;
        let server = CallServer::new(PublicUrl::new(&url)?, handler);
        for account in accounts {
            server.add_account(account);
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = server.clone();
        let task =
            tokio::spawn(
                async move { serving.serve(listener, async { drop(stopped.await) }).await },
            );
        Ok(Self {
            url,
            server,
            stop,
            task,
        })
    }

    /// Ends it, live calls included.
    ///
    /// # Errors
    /// If it failed.
    pub async fn stop(self) -> Result<(), BoxError> {
        drop(self.stop);
        Ok(self.task.await??)
    }
}

/// Logs to stderr; `RUST_LOG` says how much, by default warnings only.
pub fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A second call in one process finds a subscriber already, which is fine.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .try_init();
}

/// A free port of 127.0.0.1, and the URL of a server on it.
///
/// # Errors
/// If there is none.
pub async fn free_port() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// Is done when the process is asked to end: Ctrl-C, or `SIGTERM` where there is one.
///
/// # Errors
/// If the signals cannot be listened to.
pub fn end_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// The command line is wrong: exit code 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; --help says what there is", self.0)
    }
}

impl std::error::Error for Usage {}

/// How a program ends: 0; 1 after an error, which goes to stderr; 2 if that is a [`Usage`].
#[must_use]
pub fn exit_code(result: Result<(), BoxError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// Gives up after `limit`.
///
/// # Errors
/// Those of `work`; that it was not done in time.
pub async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(format!("not done after {} s", limit.as_secs()).into()))
}

/// Prints a step of a demonstration.
///
/// # Errors
/// If it is not `fine`.
pub fn expect(fine: bool, what: impl fmt::Display) -> Result<(), BoxError> {
    println!("{what}");
    match fine {
        true => Ok(()),
        false => Err(format!("not as it should be: {what}").into()),
    }
}

/// Posts to an `http://` URL: the status, and the body of the answer.
///
/// # Errors
/// If there is no answer.
pub async fn post(
    url: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Result<(u16, Vec<u8>), BoxError> {
    within(REQUEST_DEADLINE, request("POST", url, headers, body)).await
}

/// Gets an `http://` URL: the status, and the body.
///
/// # Errors
/// If there is no answer.
pub async fn get(url: &str) -> Result<(u16, Vec<u8>), BoxError> {
    within(REQUEST_DEADLINE, request("GET", url, &[], "")).await
}

/// Opens a WebSocket at a `ws://` URL.
///
/// # Errors
/// If it is refused.
pub async fn open_socket(
    url: &str,
    headers: &[(&str, String)],
) -> Result<WsSocket<TcpStream>, BoxError> {
    let url = url.replacen("ws://", "http://", 1);
    let mut all = vec![
        ("upgrade", "websocket".to_owned()),
        ("sec-websocket-version", "13".to_owned()),
        // Any 16 bytes: a real client draws them, so that no cache can answer.
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
    ];
    all.extend_from_slice(headers);
    let opened = async {
        let mut tcp = send("GET", &url, "upgrade", &all, "").await?;
        let mut head = Vec::new();
        // Byte by byte: what comes after the head belongs to the socket.
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await?);
        }
        match status_of(&head)? {
            101 => Ok(WsSocket::client(tcp, WsOptions::default()).await),
            status => Err(format!("the socket is refused: {status}").into()),
        }
    };
    within(REQUEST_DEADLINE, opened).await
}

async fn request(
    method: &str,
    url: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Result<(u16, Vec<u8>), BoxError> {
    let mut tcp = send(method, url, "close", headers, body).await?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = answer.split_off(end.ok_or("the answer is not HTTP")? + 4);
    Ok((status_of(&answer)?, body))
}

async fn send(
    method: &str,
    url: &str,
    connection: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Result<TcpStream, BoxError> {
    let rest = url.strip_prefix("http://").ok_or("not an http:// URL")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\n");
    head.push_str(&format!("connection: {connection}\r\n"));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = body.len();
    let mut tcp = TcpStream::connect(host).await?;
    tcp.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())
        .await?;
    Ok(tcp)
}

fn status_of(head: &[u8]) -> Result<u16, BoxError> {
    let code = head
        .get(9..12)
        .and_then(|code| std::str::from_utf8(code).ok());
    Ok(code.ok_or("the answer is not HTTP")?.parse()?)
}
