//! Taking connections, with bounds that a server on the open internet needs.

use crate::server::ServerOptions;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long HTTP answers that are being written have when everything else is over.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How long to wait when the machine has no room for another connection.
const OUT_OF_ROOM: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop`, then lets answers that are being written come to their end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    stop: CancellationToken,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(
        options.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = async {
                // The permit first: who cannot be served waits in the listener's own queue.
                let permit = Arc::clone(&room).acquire_owned().await;
                (permit, listener.accept().await)
            } => accepted,
            () = stop.cancelled() => break,
        };
        let (permit, stream, peer) = match accepted {
            (Ok(permit), Ok((stream, peer))) => (permit, stream, peer),
            (_, Err(error)) if is_of_one_connection(&error) => continue,
            (_, Err(error)) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(OUT_OF_ROOM).await;
                continue;
            }
            (Err(_), _) => break,
        };
        // Media frames are small and must not wait for each other.
        let _ = stream.set_nodelay(true);
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(options.head_deadline)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stop = stop.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            // How a connection ends is the peer's business.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(LAST_ANSWERS, connection).await;
                }
            }
            drop(permit);
        });
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Whether the peer went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
