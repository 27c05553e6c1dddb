//! The end of a call: one signal that everything waits for.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::outcome::EndedBy;

/// What was waited for will not come: the call has ended, or the app has steered it elsewhere through the REST API. A
/// persona hands it up with `?`, looks whether there is something new to do, and otherwise says goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call has ended or goes on elsewhere")]
pub struct Ended;

/// Says that a call has ended, and by whom. The first word counts.
#[derive(Clone, Debug)]
pub struct Ending(Arc<watch::Sender<Option<(EndedBy, Instant)>>>);

impl Ending {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Ends the call; does nothing when it has ended. Whether it was this word that counted.
    pub fn end(&self, by: EndedBy) -> bool {
        self.0.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some((by, Instant::now()));
            }
            first
        })
    }

    /// Who ended the call, if it has ended.
    pub fn by(&self) -> Option<EndedBy> {
        self.0.borrow().map(|(by, _)| by)
    }

    /// When the call ended, if it has ended.
    pub fn at(&self) -> Option<Instant> {
        self.0.borrow().map(|(_, at)| at)
    }

    /// Waits until the call has ended.
    pub async fn ended(&self) -> EndedBy {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(ended) => ended.map_or(EndedBy::Carrier, |(by, _)| by),
            // The sender lives in `self`: it cannot be gone.
            Err(_) => EndedBy::Carrier,
        }
    }
}
