//! The answers that requests got.

use super::MemoryStoreOptions;
use crate::store::{KeptAnswer, RequestName, Turn};
use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;
use tokio::sync::watch;

#[cfg(doc)]
use crate::{CallStore, FirstTime};

/// Requests that were seen, and their answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    seen: HashMap<RequestName, Seen>,
    /// In the order in which they are over. A request may be in both, and one that is not over any more is left alone.
    working: VecDeque<(SystemTime, RequestName)>,
    kept: VecDeque<(SystemTime, RequestName)>,
    bytes: usize,
    /// How many there were.
    turns: u64,
}

#[derive(Debug)]
struct Seen {
    until: SystemTime,
    turn: Turn,
    answer: watch::Sender<Option<KeptAnswer>>,
}

/// What [`CallStore::first_time`] finds: [`FirstTime`], with something to wait for.
pub(super) enum Begin {
    First(Turn),
    Answered(KeptAnswer),
    Busy(watch::Receiver<Option<KeptAnswer>>),
}

impl Answers {
    pub(super) fn begin(
        &mut self,
        request: &RequestName,
        now: SystemTime,
        options: &MemoryStoreOptions,
    ) -> Begin {
        self.tidy(now);
        if let Some(seen) = self.seen.get(request) {
            return match &*seen.answer.borrow() {
                Some(answer) => Begin::Answered(answer.clone()),
                None => Begin::Busy(seen.answer.subscribe()),
            };
        }
        self.turns += 1;
        let turn = Turn::new(self.turns.to_string());
        let until = now + options.policy.answer_time;
        let seen = Seen {
            until,
            turn: turn.clone(),
            answer: watch::Sender::new(None),
        };
        self.seen.insert(request.clone(), seen);
        self.working.push_back((until, request.clone()));
        self.make_room(options);
        Begin::First(turn)
    }

    pub(super) fn keep(
        &mut self,
        request: &RequestName,
        turn: &Turn,
        answer: Option<KeptAnswer>,
        now: SystemTime,
        options: &MemoryStoreOptions,
    ) {
        self.tidy(now);
        if self
            .seen
            .get(request)
            .is_some_and(|seen| seen.answer.borrow().is_some())
        {
            return;
        }
        let Some(answer) = answer else {
            if self
                .seen
                .get(request)
                .is_some_and(|seen| seen.turn == *turn)
            {
                self.seen.remove(request);
            }
            return;
        };
        let until = now + options.policy.keep_answers;
        self.bytes += answer.body.len();
        let seen = self.seen.entry(request.clone()).or_insert_with(|| Seen {
            until,
            turn: turn.clone(),
            answer: watch::Sender::new(None),
        });
        seen.until = until;
        seen.answer.send_replace(Some(answer));
        self.kept.push_back((until, request.clone()));
        self.make_room(options);
    }

    fn make_room(&mut self, options: &MemoryStoreOptions) {
        while self.seen.len() > options.max_answers || self.bytes > options.max_answer_bytes {
            let oldest = self.kept.pop_front().or_else(|| self.working.pop_front());
            match oldest {
                Some((_, oldest)) => self.remove(&oldest),
                None => return,
            }
        }
        // What was answered meanwhile is in both.
        while self.working.len() > options.max_answers.saturating_mul(2) {
            if let Some((_, oldest)) = self.working.pop_front() {
                let is_answered = |seen: &Seen| seen.answer.borrow().is_some();
                if !self.seen.get(&oldest).is_some_and(is_answered) {
                    self.remove(&oldest);
                }
            }
        }
    }

    fn tidy(&mut self, now: SystemTime) {
        for kept in [false, true] {
            loop {
                let queue = if kept {
                    &mut self.kept
                } else {
                    &mut self.working
                };
                if queue.front().is_none_or(|(until, _)| *until > now) {
                    break;
                }
                let Some((_, request)) = queue.pop_front() else {
                    break;
                };
                if self
                    .seen
                    .get(&request)
                    .is_some_and(|seen| seen.until <= now)
                {
                    self.remove(&request);
                }
            }
        }
    }

    fn remove(&mut self, request: &RequestName) {
        if let Some(seen) = self.seen.remove(request)
            && let Some(answer) = &*seen.answer.borrow()
        {
            self.bytes = self.bytes.saturating_sub(answer.body.len());
        }
    }
}
