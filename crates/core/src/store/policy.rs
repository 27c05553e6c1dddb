//! For how long things are remembered, and how many calls an account may have: the same for every store.

use crate::{AccountLabel, Error, ErrorKind, Retry};
use std::collections::BTreeMap;
use std::time::Duration;

/// Asking again is put off no longer than this many doublings: with the default, about an hour.
const MAX_DOUBLINGS: u32 = 6;
/// Carriers are not asked again any sooner.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longer than anything here takes, and short enough to be added to a time.
const FOREVER: Duration = Duration::from_secs(366 * 24 * 3600);

/// For how long things are remembered, and how many calls an account may have. Give the same to all nodes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StorePolicy {
    /// How long a call that is over is remembered, for callbacks that come late. Default 10 minutes.
    pub keep_ended: Duration,
    /// After how long without any sign a call is taken for dead, also one with a live stream. Default 5 hours: carriers end
    /// a call after 4 unless they are told otherwise. One that our side ended is asked about for as long, if the carrier has
    /// not said that it is over.
    pub max_silence: Duration,
    /// After how long without news a call has never started: one that is not up yet and for which no media socket came, if
    /// it is outbound or was offered a stream. One that is up may be at what the carrier does instead, and is [asked
    /// about](Self::silent_after) until [`max_silence`](Self::max_silence). Default 10 minutes: no carrier lets it ring longer.
    pub never_started: Duration,
    /// After how long without news of a call without live streams its carrier should be asked. Doubled each time that
    /// nothing new comes of it, up to 64 times as long. Default 60 s.
    pub silent_after: Duration,
    /// How long after our side ended a call, or its stream did, the carrier should be asked if it has not said that it is over.
    /// Doubled each time, up to 64 times as long. Default 10 s.
    pub confirm_after: Duration,
    /// How long a node is taken for alive after it [renewed its lease](super::CallStore::renew_lease). Default 30 s.
    pub lease: Duration,
    /// How long an answer is remembered for repeats of its request. Default 10 minutes.
    pub keep_answers: Duration,
    /// How long a request may be worked on before a repeat of it is taken for the first. Default 20 s: longer than any
    /// carrier waits for an answer.
    pub answer_time: Duration,
    /// The limits of every account that has none of its own.
    pub limits: AccountLimits,
    /// The limits of single accounts.
    pub account_limits: BTreeMap<AccountLabel, AccountLimits>,
}

impl Default for StorePolicy {
    fn default() -> Self {
        Self {
            keep_ended: Duration::from_secs(600),
            max_silence: Duration::from_secs(5 * 3600),
            never_started: Duration::from_secs(600),
            silent_after: Duration::from_secs(60),
            confirm_after: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            keep_answers: Duration::from_secs(600),
            answer_time: Duration::from_secs(20),
            limits: AccountLimits::default(),
            account_limits: BTreeMap::new(),
        }
    }
}

impl StorePolicy {
    /// The limits of that account.
    #[must_use]
    pub fn limits_of(&self, account: &AccountLabel) -> AccountLimits {
        self.account_limits
            .get(account)
            .copied()
            .unwrap_or(self.limits)
    }

    /// How long until the carrier is asked again, having been asked so often without news.
    #[must_use]
    pub fn silent_pause(&self, asked: u32) -> Duration {
        doubled(self.silent_after, asked)
    }

    /// The same of a call that should be over.
    #[must_use]
    pub fn confirm_pause(&self, asked: u32) -> Duration {
        doubled(self.confirm_after, asked)
    }

    /// The same, with times that do not overflow, and no pauses between questions to carriers below 100 ms.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for time in [
            &mut self.keep_ended,
            &mut self.max_silence,
            &mut self.never_started,
            &mut self.silent_after,
            &mut self.confirm_after,
            &mut self.lease,
            &mut self.keep_answers,
            &mut self.answer_time,
        ] {
            *time = (*time).min(FOREVER);
        }
        for pause in [&mut self.silent_after, &mut self.confirm_after] {
            *pause = (*pause).max(SHORTEST_PAUSE);
        }
        self
    }
}

fn doubled(pause: Duration, times: u32) -> Duration {
    let pause = pause.saturating_mul(1 << times.min(MAX_DOUBLINGS));
    pause.min(FOREVER)
}

/// How many calls an account may have. A call that is refused was never opened.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AccountLimits {
    /// Calls at once that have not ended. Default 10,000.
    pub live_calls: Option<u32>,
    /// New calls over time. Default 200 a second, 2,000 at once.
    pub call_rate: Option<CallRate>,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            live_calls: Some(10_000),
            call_rate: Some(CallRate::new(200.0, 2_000)),
        }
    }
}

impl AccountLimits {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            live_calls: None,
            call_rate: None,
        }
    }

    /// So many calls at once that have not ended.
    #[must_use]
    pub fn with_live_calls(mut self, calls: Option<u32>) -> Self {
        self.live_calls = calls;
        self
    }

    /// So many new calls over time.
    #[must_use]
    pub fn with_call_rate(mut self, rate: Option<CallRate>) -> Self {
        self.call_rate = rate;
        self
    }

    /// The error when too many calls are live. For stores.
    #[must_use]
    pub fn too_many() -> Error {
        let detail = "the account has as many live calls as it may have";
        Error::new(ErrorKind::RateLimited, "open call", detail).with_retry(Retry::Safe)
    }

    /// The error when calls come too fast. For stores.
    #[must_use]
    pub fn too_fast(wait: Duration) -> Error {
        let detail = "new calls of the account come faster than they may";
        Error::new(ErrorKind::RateLimited, "open call", detail).with_retry(Retry::After(wait))
    }
}

/// New calls over time: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CallRate {
    /// So many a second in the long run.
    pub per_second: f64,
    /// So many at once.
    pub burst: u32,
}

impl CallRate {
    /// So many a second, and so many at once.
    #[must_use]
    pub fn new(per_second: f64, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// The time that one call takes up, and how far ahead of time calls may be. For stores, which keep one time for each
    /// account: when its calls would have come if they had come evenly.
    #[must_use]
    pub fn interval_and_lead(&self) -> (Duration, Duration) {
        let per_second = if self.per_second.is_finite() {
            self.per_second.clamp(1e-6, 1e6)
        } else {
            1e6
        };
        let interval = Duration::from_secs_f64(1.0 / per_second);
        (interval, interval.saturating_mul(self.burst.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_again_takes_longer_each_time_but_not_for_ever() {
        let policy = StorePolicy::default();
        let pauses: Vec<_> = [0, 1, 2, 6, 7, u32::MAX]
            .map(|asked| policy.silent_pause(asked).as_secs())
            .into();
        assert_eq!(pauses, [60, 120, 240, 3840, 3840, 3840]);
    }

    #[test]
    fn no_rate_divides_by_zero() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            let (interval, lead) = CallRate::new(per_second, 0).interval_and_lead();
            assert!(
                interval > Duration::ZERO && lead == interval,
                "{per_second}"
            );
        }
    }
}
