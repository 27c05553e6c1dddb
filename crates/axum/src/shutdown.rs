//! Shutting down: how long live streams are waited for.

use crate::server::CallServer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long the carriers' calls have to be ended after their streams.
const HANG_UP: Duration = Duration::from_secs(10);
/// What is waited at most for goodbyes; longer ones are cut off.
const LONGEST_GOODBYE: Duration = Duration::from_secs(600);

impl CallServer {
    /// Takes no new calls, gives live ones `grace` to end by themselves, then ends them and waits until they are gone: at
    /// most for the longest goodbye that the options of a live stream allow, the server's own at least and 10 min at the
    /// longest, two writes, and 10 s for hanging up. With the default options that is 30 s more than `grace`. Whether all are
    /// gone.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        let inner = &self.inner;
        inner.calls.drain();
        inner.streams.close();
        inner.tasks.close();
        let over = async {
            inner.streams.wait().await;
            inner.tasks.wait().await;
            inner.calls.settle().await;
            // What that had to tell the app.
            inner.tasks.wait().await;
        };
        let mut over = std::pin::pin!(over);
        if tokio::time::timeout(grace, &mut over).await.is_ok() {
            return true;
        }
        inner.stopping.cancel();
        let since = Instant::now();
        loop {
            let until = since + self.goodbye() + HANG_UP;
            if tokio::time::timeout_at(until, &mut over).await.is_ok() {
                return true;
            }
            // A stream that was just beginning may have a longer one.
            if since + self.goodbye() + HANG_UP <= until {
                return false;
            }
        }
    }

    /// How long streams may take now to end by themselves.
    fn goodbye(&self) -> Duration {
        let stream = &self.inner.options.stream;
        let usual = stream.goodbye + stream.write_deadline * 2;
        let longest = self.inner.goodbyes.longest();
        longest.max(usual).min(LONGEST_GOODBYE)
    }
}

/// The goodbyes that live streams may take, each as often as there are streams with it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Goodbyes(Arc<Mutex<BTreeMap<Duration, usize>>>);

impl Goodbyes {
    /// A stream is up that may take that long, until what is given back is dropped.
    pub(crate) fn add(&self, goodbye: Duration) -> Goodbye {
        self.change(goodbye, |streams| streams + 1);
        Goodbye {
            all: self.clone(),
            goodbye,
        }
    }

    /// The longest that a live stream may take now.
    pub(crate) fn longest(&self) -> Duration {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = all.last_key_value();
        longest.map_or(Duration::ZERO, |(goodbye, _)| *goodbye)
    }

    fn change(&self, goodbye: Duration, to: impl Fn(usize) -> usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = all.entry(goodbye).or_default();
        *streams = to(*streams);
        if *streams == 0 {
            all.remove(&goodbye);
        }
    }
}

/// One live stream's.
#[derive(Debug)]
pub(crate) struct Goodbye {
    all: Goodbyes,
    goodbye: Duration,
}

impl Drop for Goodbye {
    fn drop(&mut self) {
        self.all
            .change(self.goodbye, |streams| streams.saturating_sub(1));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::BoxError;
    use crate::handler::CallHandler;
    use telephony_core::{Answer, IncomingCall, PublicUrl};

    #[derive(Debug)]
    struct App;

    #[async_trait::async_trait]
    impl CallHandler for App {
        async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
            Ok(Answer::hang_up())
        }
    }

    /// How long a shutdown takes while a stream goes on for so long, and whether it was waited for.
    async fn shut_down(expected: &[Duration], takes: Duration) -> (bool, Duration) {
        let server = CallServer::new(PublicUrl::new("https://example.com").unwrap(), App);
        let goodbyes = &server.inner.goodbyes;
        let _expected: Vec<_> = expected.iter().map(|one| goodbyes.add(*one)).collect();
        server.inner.streams.spawn(tokio::time::sleep(takes));
        let began = Instant::now();
        let is_over = server.shutdown(Duration::from_secs(2)).await;
        (is_over, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_waits_for_the_longest_goodbye_and_not_without_end() {
        let (secs, forever) = (Duration::from_secs, Duration::from_secs(1_000_000));
        let at_most = |(is_over, took): (bool, Duration), wanted: u64| {
            assert!(!is_over);
            assert!(took >= secs(wanted) && took < secs(wanted + 1), "{took:?}");
        };
        // The server's own options: 10 s, and twice 5 s.
        at_most(shut_down(&[], forever).await, 2 + 20 + 10);
        at_most(shut_down(&[secs(5)], forever).await, 2 + 20 + 10);
        at_most(shut_down(&[secs(5), secs(60)], forever).await, 2 + 60 + 10);
        at_most(shut_down(&[forever], forever).await, 2 + 600 + 10);
        assert!(shut_down(&[secs(60)], secs(65)).await.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_begins_while_we_shut_down_is_waited_for() {
        let server = CallServer::new(PublicUrl::new("https://example.com").unwrap(), App);
        let inner = Arc::clone(&server.inner);
        server.inner.streams.spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            let _expected = inner.goodbyes.add(Duration::from_secs(60));
            tokio::time::sleep(Duration::from_secs(40)).await;
        });
        assert!(server.shutdown(Duration::ZERO).await);
    }

    #[test]
    fn the_longest_of_the_live_ones_counts() {
        let (all, secs) = (Goodbyes::default(), Duration::from_secs);
        assert_eq!(all.longest(), Duration::ZERO);
        let (short, long) = (all.add(secs(20)), all.add(secs(60)));
        let again = all.add(secs(60));
        assert_eq!(all.longest(), secs(60));
        drop(long);
        assert_eq!(all.longest(), secs(60), "there were two");
        drop(again);
        assert_eq!(all.longest(), secs(20));
        drop(short);
        assert_eq!(all.longest(), Duration::ZERO);
        assert!(all.0.lock().unwrap().is_empty(), "nothing is left over");
    }
}
