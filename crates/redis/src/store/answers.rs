//! Requests that come again, and the answers that they got.

use super::RedisStore;
use crate::record::millis;
use crate::script;
use bytes::Bytes;
use std::time::Duration;
use telephony_core::{FirstTime, KeptAnswer, RequestName, Result, Turn};
use tokio::time::Instant;

/// How often a repeat looks for the answer of the first, at first and in the end.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// The longest that a repeat waits.
const MAX_WAIT: Duration = Duration::from_secs(60);

impl RedisStore {
    pub(super) async fn begin(&self, request: &RequestName, wait: Duration) -> Result<FirstTime> {
        let until = Instant::now() + wait.min(MAX_WAIT);
        let mut pause = PAUSES.0;
        loop {
            let told = self.ask_for_answer(request).await?;
            let left = until.saturating_duration_since(Instant::now());
            if told != FirstTime::InProgress || left.is_zero() {
                return Ok(told);
            }
            // Repeats are rare and answers quick: looking costs less than a channel for each.
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn ask_for_answer(&self, request: &RequestName) -> Result<FirstTime> {
        let number = self.number();
        let mut begin = script::BEGIN.key(self.keys.request(request));
        begin
            .arg(self.now())
            .arg(millis(self.options.policy.answer_time))
            .arg(&number);
        let (code, status, content_type, body): (u8, u16, String, Vec<u8>) =
            self.ask("look for a repeat", begin).await?;
        Ok(match code {
            0 => FirstTime::Yes(Turn::new(number)),
            1 => FirstTime::InProgress,
            _ => {
                let content_type = (!content_type.is_empty()).then_some(content_type.as_str());
                let answer = KeptAnswer::new(status, content_type, Bytes::from(body))?;
                FirstTime::Answered(answer)
            }
        })
    }

    pub(super) async fn keep(
        &self,
        request: &RequestName,
        turn: &Turn,
        answer: Option<KeptAnswer>,
    ) -> Result<()> {
        let mut keep = script::KEEP.key(self.keys.request(request));
        keep.arg(self.now())
            .arg(millis(self.options.policy.keep_answers))
            .arg(turn.as_str());
        match &answer {
            Some(answer) => keep
                .arg(answer.status)
                .arg(answer.content_type.as_deref().unwrap_or_default())
                .arg(&answer.body[..]),
            None => keep.arg("").arg("").arg(""),
        };
        self.ask::<u8>("keep answer", keep).await.map(drop)
    }
}
