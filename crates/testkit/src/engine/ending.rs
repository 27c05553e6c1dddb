//! The end of a call: one signal that everything waits for.

use std::sync::Arc;

use tokio::sync::watch;

use crate::outcome::EndedBy;

/// The call has ended while something was waited for. A persona hands it up with `?` and then says goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call has ended")]
pub struct Ended;

/// Says that a call has ended, and by whom. The first word counts.
#[derive(Clone, Debug)]
pub struct Ending(Arc<watch::Sender<Option<EndedBy>>>);

impl Ending {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Ends the call; does nothing when it has ended.
    pub fn end(&self, by: EndedBy) {
        self.0.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(by);
            }
            first
        });
    }

    /// Who ended the call, if it has ended.
    pub fn by(&self) -> Option<EndedBy> {
        *self.0.borrow()
    }

    /// Waits until the call has ended.
    pub async fn ended(&self) -> EndedBy {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(by) => by.unwrap_or(EndedBy::Carrier),
            // The sender lives in `self`: it cannot be gone.
            Err(_) => EndedBy::Carrier,
        }
    }
}
