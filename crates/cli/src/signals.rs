//! When somebody wants the command to end.

use std::future::Future;

use crate::exit::{Failure, Result};

/// Is done at Ctrl-C, or `SIGTERM` where there is one.
pub(crate) fn end() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| Failure::usage(format!("signals cannot be listened to: {error}")))?;
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
