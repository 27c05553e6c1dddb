//! How many requests a carrier takes.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::line::lock;

/// At most so many requests in any span of this length (wall time, as the app counts it).
#[derive(Debug)]
pub struct RateLimit {
    most: usize,
    span: Duration,
    taken: Mutex<VecDeque<Instant>>,
}

impl RateLimit {
    /// At most `most` requests in any span of this length; none are taken at 0.
    pub fn new(most: usize, span: Duration) -> Self {
        Self {
            most,
            span,
            taken: Mutex::default(),
        }
    }

    /// Takes one request.
    ///
    /// # Errors
    /// How long to wait until there is room, when there is none.
    pub fn take(&self) -> Result<(), Duration> {
        let now = Instant::now();
        let mut taken = lock(&self.taken);
        while taken
            .front()
            .is_some_and(|first| now.duration_since(*first) >= self.span)
        {
            taken.pop_front();
        }
        if taken.len() >= self.most {
            let first = taken.front().copied().unwrap_or(now);
            return Err(self.span.saturating_sub(now.duration_since(first)));
        }
        taken.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_rolls() {
        let limit = RateLimit::new(2, Duration::from_millis(60));
        assert!(limit.take().is_ok() && limit.take().is_ok());
        let wait = limit.take().unwrap_err();
        assert!(wait <= Duration::from_millis(60), "{wait:?}");
        std::thread::sleep(wait + Duration::from_millis(5));
        assert!(limit.take().is_ok());
        assert!(RateLimit::new(0, Duration::from_secs(1)).take().is_err());
    }
}
