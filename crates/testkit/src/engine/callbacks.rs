//! Status callbacks: sent beside the call, and as unreliably as the test asks for.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::complaint::Finding;
use crate::engine::http::{HttpPort, Webhook, WebhookFailure, WebhookReply};
use crate::engine::recorder::Recorder;

/// How status callbacks reach the app.
///
/// The default is one of each, in order, each sent when the reply to the one before is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackDelivery {
    order: Order,
    repeats: usize,
    lost: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    AsTheyHappen,
    Swapped,
    Backwards,
}

impl CallbackDelivery {
    /// One of each, in order.
    pub fn reliable() -> Self {
        Self::default()
    }

    /// Each two change places: the second, the first, the fourth, the third.
    pub fn swapped(mut self) -> Self {
        self.order = Order::Swapped;
        self
    }

    /// All come after the end of the call, the last one first.
    pub fn backwards(mut self) -> Self {
        self.order = Order::Backwards;
        self
    }

    /// Each comes so many times more, with the same content.
    pub fn repeated(mut self, times_more: usize) -> Self {
        self.repeats = times_more.min(10);
        self
    }

    /// Those with this purpose, such as `"status completed"`, never come.
    pub fn losing(mut self, purpose: impl Into<String>) -> Self {
        self.lost.push(purpose.into());
        self
    }
}

/// Checks the reply to a callback.
pub type ReplyCheck =
    Arc<dyn Fn(&Result<WebhookReply, WebhookFailure>) -> Vec<Finding> + Send + Sync>;

/// A callback that is on its way.
pub(crate) struct Callback {
    pub(crate) webhook: Webhook,
    pub(crate) check: ReplyCheck,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}

/// A call has some dozen callbacks; an app that redirects in circles could make more.
pub(crate) const OUTBOX: usize = 256;

pub(crate) async fn deliver(
    delivery: CallbackDelivery,
    http: HttpPort,
    recorder: Recorder,
    mut outbox: mpsc::Receiver<Callback>,
) {
    let mut held: Vec<Callback> = vec![];
    while let Some(callback) = outbox.recv().await {
        if delivery.lost.contains(&callback.webhook.purpose) {
            continue;
        }
        match delivery.order {
            Order::AsTheyHappen => send(&delivery, &http, &recorder, callback).await,
            Order::Swapped => match held.pop() {
                Some(first) => {
                    send(&delivery, &http, &recorder, callback).await;
                    send(&delivery, &http, &recorder, first).await;
                }
                None => held.push(callback),
            },
            Order::Backwards => held.push(callback),
        }
    }
    for callback in held.into_iter().rev() {
        send(&delivery, &http, &recorder, callback).await;
    }
}

async fn send(
    delivery: &CallbackDelivery,
    http: &HttpPort,
    recorder: &Recorder,
    callback: Callback,
) {
    for _ in 0..=delivery.repeats {
        let (result, answer) = http.send(&callback.webhook).await;
        for finding in (callback.check)(&result) {
            recorder.complain(finding);
        }
        recorder.write(|record| record.callbacks.push(answer));
    }
}
