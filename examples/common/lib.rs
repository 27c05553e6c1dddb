//! What the examples and the end-to-end tests share.

use std::future::Future;
use std::io;
use tokio::net::TcpListener;

/// Logs to stderr; `RUST_LOG` says how much, by default warnings only.
pub fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A second call in one process finds a subscriber already, which is fine.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
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
