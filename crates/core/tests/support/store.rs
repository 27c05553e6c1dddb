//! A call store on a wall clock that is moved by hand.

use super::{call_id, new_call, secs};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use telephony_core::{
    Clock, ErrorKind, MediaToken, MemoryStore, MemoryStoreOptions, NewCall, OsRandom, Result,
};

/// A wall clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct Hands(Mutex<SystemTime>);

impl Hands {
    pub(crate) fn turn(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub(crate) fn turn_back(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}

impl Clock for Hands {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

pub(crate) fn store_with(options: MemoryStoreOptions) -> (MemoryStore, Arc<Hands>) {
    let start = SystemTime::UNIX_EPOCH + secs(1_800_000_000);
    let clock = Arc::new(Hands(Mutex::new(start)));
    (MemoryStore::new(options, clock.clone()), clock)
}

pub(crate) fn store() -> (MemoryStore, Arc<Hands>) {
    store_with(MemoryStoreOptions::default())
}

pub(crate) fn token() -> MediaToken {
    MediaToken::random(&OsRandom).unwrap()
}

/// A call that the carrier calls `id`.
pub(crate) fn call(id: &str) -> NewCall {
    let mut call = new_call();
    call.call_id = Some(call_id(id));
    call
}

pub(crate) fn kind<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.kind(),
    }
}
