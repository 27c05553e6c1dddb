//! A server that shuts down lets streams say what they were given time for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::{call, start_with};
use telephony::media::{StreamOptions, Streamer};
use telephony::{Answer, BoxError, CallHandler, CallRecord, IncomingCall, Provider, ServerOptions};
use telephony_testkit::Script;
use tokio::sync::Notify;

/// Longer than a shutdown takes by the server's own options, in seconds.
const SPEECH: usize = 12;

/// Has much to say, and asks for the time.
#[derive(Debug)]
struct App {
    has_spoken: Arc<Notify>,
}

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    fn stream_options(&self, _call: &CallRecord, mut options: StreamOptions) -> StreamOptions {
        options.goodbye = Duration::from_secs(30);
        options.send_queue = Duration::from_secs(30);
        options
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        let rate = 8_000;
        stream
            .send(vec![0; SPEECH * rate * 2].into())
            .await
            .unwrap();
        self.has_spoken.notify_one();
        while stream.recv().await.is_some() {}
    }
}

#[tokio::test]
async fn a_goodbye_that_the_app_asked_for_is_waited_for() {
    let has_spoken = Arc::new(Notify::new());
    let mut options = ServerOptions::default();
    options.stream.goodbye = Duration::ZERO;
    options.stream.write_deadline = Duration::from_millis(100);
    let app = App {
        has_spoken: Arc::clone(&has_spoken),
    };
    let house = start_with(app, options).await;
    let script = Script::new().silence(Duration::from_secs(30));
    let caller = call(Provider::Twilio, &house.url).script(script);
    let caller = tokio::spawn(caller.call());
    has_spoken.notified().await;
    assert!(
        house.server.shutdown(Duration::ZERO).await,
        "it was not waited for"
    );
    caller.abort();
}
