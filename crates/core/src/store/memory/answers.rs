//! The answers that requests got.

use super::MemoryStoreOptions;
use crate::store::{KeptAnswer, RequestName, Turn};
use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;
use tokio::sync::watch;

#[cfg(doc)]
use crate::{CallStore, FirstTime};

/// Requests that were seen, and their answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    // Ordered: a hash table that much comes to and goes from doubles, though it holds no more than before, and everybody waits
    // while it is copied.
    seen: BTreeMap<RequestName, Seen>,
    /// Those of them that are worked on, in the order in which they began and their time is over.
    working: BTreeMap<u64, RequestName>,
    /// The others, in the order in which they were answered and are forgotten.
    kept: VecDeque<RequestName>,
    bytes: usize,
    /// How many requests began.
    turns: u64,
}

#[derive(Debug)]
enum Seen {
    Working(Work),
    Kept {
        until: SystemTime,
        answer: KeptAnswer,
    },
}

#[derive(Debug)]
struct Work {
    number: u64,
    until: SystemTime,
    /// Goes away with it: repeats wait for that, and look again.
    is_going_on: watch::Sender<()>,
}

/// The mark of the turn with that number.
fn turn_of(number: u64) -> Turn {
    Turn::new(number.to_string())
}

impl Seen {
    fn until(&self) -> SystemTime {
        match self {
            Self::Working(work) => work.until,
            Self::Kept { until, .. } => *until,
        }
    }
}

/// What [`CallStore::first_time`] finds: [`FirstTime`], with something to wait for.
pub(super) enum Begin {
    First(Turn),
    Answered(KeptAnswer),
    Busy(watch::Receiver<()>),
}

impl Answers {
    pub(super) fn begin(
        &mut self,
        request: &RequestName,
        now: SystemTime,
        options: &MemoryStoreOptions,
    ) -> Begin {
        self.tidy(now);
        match self.seen.get(request) {
            Some(Seen::Kept { answer, .. }) => return Begin::Answered(answer.clone()),
            Some(Seen::Working(work)) => return Begin::Busy(work.is_going_on.subscribe()),
            None => {}
        }
        self.turns += 1;
        let work = Work {
            number: self.turns,
            until: now + options.policy.answer_time,
            is_going_on: watch::Sender::default(),
        };
        self.seen.insert(request.clone(), Seen::Working(work));
        self.working.insert(self.turns, request.clone());
        self.make_room(options);
        Begin::First(turn_of(self.turns))
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
        let work = match self.seen.get(request) {
            Some(Seen::Kept { .. }) => return,
            Some(Seen::Working(work)) => Some(work),
            None => None,
        };
        let Some(answer) = answer else {
            if work.is_some_and(|work| turn_of(work.number) == *turn) {
                self.remove(request);
            }
            return;
        };
        if let Some(work) = work {
            self.working.remove(&work.number);
        }
        self.bytes += answer.body.len();
        let until = now + options.policy.keep_answers;
        self.seen
            .insert(request.clone(), Seen::Kept { until, answer });
        self.kept.push_back(request.clone());
        self.make_room(options);
    }

    fn make_room(&mut self, options: &MemoryStoreOptions) {
        while self.seen.len() > options.max_answers || self.bytes > options.max_answer_bytes {
            let oldest = self.kept.front().or_else(|| self.working.values().next());
            let Some(oldest) = oldest.cloned() else {
                return;
            };
            self.remove(&oldest);
        }
    }

    /// Forgets what is over.
    pub(super) fn tidy(&mut self, now: SystemTime) {
        loop {
            let oldest = [self.kept.front(), self.working.values().next()];
            let is_over = |name: &&RequestName| {
                let seen = self.seen.get(*name);
                seen.is_some_and(|seen| seen.until() <= now)
            };
            let Some(over) = oldest.into_iter().flatten().find(is_over).cloned() else {
                return;
            };
            self.remove(&over);
        }
    }

    /// The oldest of those that are kept, or any that is worked on.
    fn remove(&mut self, request: &RequestName) {
        match self.seen.remove(request) {
            Some(Seen::Working(work)) => drop(self.working.remove(&work.number)),
            Some(Seen::Kept { answer, .. }) => {
                self.kept.pop_front();
                self.bytes = self.bytes.saturating_sub(answer.body.len());
            }
            None => {}
        }
    }
}
