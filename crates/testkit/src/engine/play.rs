//! Plays one call from its first message to its last.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::complaint::Finding;
use crate::engine::address::AddressBook;
use crate::engine::call::{Call, Plan};
use crate::engine::callbacks::{OUTBOX, deliver};
use crate::engine::ending::Ending;
use crate::engine::http::HttpPort;
use crate::engine::line::Person;
use crate::engine::live::{CallDirection, LiveCall};
use crate::engine::recorder::{Record, Recorder};
use crate::outcome::{EndedBy, Outcome};
use crate::persona::Persona;

/// What happens in one call: the carrier's side of it.
///
/// A [`Persona`] plays calls that come in; a [`RestApi`](crate::engine::RestApi) makes one of these for each call that the
/// app places.
#[async_trait]
pub trait Flow: Send + Sync {
    /// Plays the whole call.
    async fn run(&self, call: &Call);
}

/// A call that comes in.
pub(crate) struct Incoming(pub(crate) Arc<dyn Persona>);

#[async_trait]
impl Flow for Incoming {
    async fn run(&self, call: &Call) {
        self.0.run(call).await;
    }
}

/// Does one thing, and another beside it for as long.
pub async fn beside<T>(main: impl Future<Output = T>, side: impl Future<Output = ()>) -> T {
    let mut main = std::pin::pin!(main);
    tokio::select! {
        biased;
        done = &mut main => return done,
        () = side => {}
    }
    main.await
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop<T = ()>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// After the end of a call, the last webhooks and callbacks may take this long (wall time).
const AFTERMATH: Duration = Duration::from_secs(30);

pub(crate) async fn play(flow: &dyn Flow, plan: Plan, live: LiveCall) {
    let recorder = live.recorder().clone();
    let ending = live.ending().clone();
    let Some(addresses) = addresses(&plan, live.direction()) else {
        recorder.complain(Finding::error(
            "bad-answer-url",
            "the answer URL or the public URL is missing or cannot be read",
        ));
        ending.end(EndedBy::Carrier);
        return;
    };
    let http = HttpPort::new(addresses, recorder.clone());
    let (outbox, waiting) = mpsc::channel(OUTBOX);
    live.set_outbox(outbox.downgrade());
    let mut callbacks = AbortOnDrop(tokio::spawn(deliver(
        plan.callbacks.clone(),
        http.clone(),
        recorder.clone(),
        waiting,
    )));
    let person = Person {
        line: Arc::clone(live.line()),
        tempo: plan.tempo,
        ending: ending.clone(),
        recorder: recorder.clone(),
        name: match live.direction() {
            CallDirection::Inbound => EndedBy::Caller,
            CallDirection::Outbound => EndedBy::Callee,
        },
    };
    let _person = AbortOnDrop(tokio::spawn(person.follow(plan.script.clone())));
    let deadline = plan.deadline;
    let call = Call {
        plan,
        recorder: recorder.clone(),
        line: Arc::clone(live.line()),
        ending: ending.clone(),
        live,
        http,
        outbox,
    };
    let finished = {
        let mut playing = std::pin::pin!(flow.run(&call));
        tokio::select! {
            () = &mut playing => true,
            () = sleep(deadline) => {
                recorder.complain(Finding::error(
                    "deadline",
                    format!("the call was not over after {} ms", deadline.as_millis()),
                ));
                ending.end(EndedBy::Carrier);
                timeout(AFTERMATH, playing).await.is_ok()
            }
        }
    };
    ending.end(EndedBy::Carrier);
    drop(call);
    let delivered = timeout(AFTERMATH, &mut callbacks.0).await.is_ok();
    if !finished || !delivered {
        recorder.complain(Finding::error(
            "aftermath",
            format!(
                "webhooks and callbacks were not done {} s after the end",
                AFTERMATH.as_secs()
            ),
        ));
    }
}

/// The URLs of an outbound call are in the request that places it: the test need not know them.
fn addresses(plan: &Plan, direction: CallDirection) -> Option<AddressBook> {
    if plan.answer_url.is_empty() && direction == CallDirection::Outbound {
        return Some(AddressBook::loopback());
    }
    AddressBook::new(&plan.answer_url, plan.public_url.as_deref())
}

pub(crate) fn assemble(carrier: String, recorder: &Recorder, ending: &Ending) -> Outcome {
    let duration = recorder.elapsed();
    let Record {
        call_id,
        answered,
        status,
        webhooks,
        callbacks,
        documents,
        streams,
        heard,
        heard_rate,
        interruption,
        keys_pressed,
        tones_heard,
        complaints,
        trace,
    } = recorder.take();
    Outcome {
        carrier,
        call_id,
        answered,
        ended_by: ending.by().unwrap_or(EndedBy::Carrier),
        status,
        duration,
        webhooks,
        callbacks,
        documents,
        streams,
        heard,
        heard_rate,
        interruption,
        keys_pressed,
        tones_heard,
        complaints,
        trace,
    }
}
