//! What is told to a store about a call, and what it tells.

use super::NodeId;
use crate::{
    AccountLabel, AfterStream, Answer, CallId, CallKey, CallStatus, CarrierCall, Direction,
    EndReason, Error, ErrorKind, MediaToken, Party, ProviderName, RandomSource, Result, Transition,
};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::time::{Duration, SystemTime};

/// A call to remember.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewCall {
    /// Our id of it.
    pub key: CallKey,
    /// The carrier.
    pub provider: ProviderName,
    /// The account.
    pub account: AccountLabel,
    /// The carrier's id, where it is known already.
    pub call_id: Option<CallId>,
    /// Who started it.
    pub direction: Direction,
    /// Who calls.
    pub from: Party,
    /// Who is called.
    pub to: Party,
    /// Where at the carrier it lives, if not where the account does.
    pub home: Option<String>,
    /// Where it is, where that is known already.
    pub status: Option<CallStatus>,
    /// The app's own data.
    pub data: BTreeMap<String, String>,
    /// What it is to do when the carrier asks for it.
    pub next: Option<Answer>,
}

impl NewCall {
    /// A call from the first to the second of `parties`.
    #[must_use]
    pub fn new(
        key: CallKey,
        provider: ProviderName,
        account: AccountLabel,
        direction: Direction,
        (from, to): (Party, Party),
    ) -> Self {
        Self {
            key,
            provider,
            account,
            call_id: None,
            direction,
            from,
            to,
            home: None,
            status: None,
            data: BTreeMap::new(),
            next: None,
        }
    }

    /// With the carrier's id.
    #[must_use]
    pub fn with_call_id(mut self, id: Option<CallId>) -> Self {
        self.call_id = id;
        self
    }

    /// Lives there at the carrier.
    #[must_use]
    pub fn with_home(mut self, home: Option<String>) -> Self {
        self.home = home;
        self
    }

    /// With what it is to do when the carrier asks for it.
    #[must_use]
    pub fn with_next(mut self, next: Answer) -> Self {
        self.next = Some(next);
        self
    }

    /// With a status that is known already.
    #[must_use]
    pub fn with_status(mut self, status: Option<CallStatus>) -> Self {
        self.status = status;
        self
    }

    /// With the app's own data.
    #[must_use]
    pub fn with_data(mut self, data: BTreeMap<String, String>) -> Self {
        self.data = data;
        self
    }
}

/// A call that is remembered.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallRecord {
    /// Our id of it.
    pub key: CallKey,
    /// The carrier.
    pub provider: ProviderName,
    /// The account.
    pub account: AccountLabel,
    /// The carrier's id, once it is known.
    pub call_id: Option<CallId>,
    /// Where at the carrier it lives, if not where the account does.
    pub home: Option<String>,
    /// Who started it.
    pub direction: Direction,
    /// Who calls.
    pub from: Party,
    /// Who is called.
    pub to: Party,
    /// Where it is.
    pub status: CallStatus,
    /// Where it was, and since when, oldest first. The last is where it is now.
    pub history: Vec<(SystemTime, CallStatus)>,
    /// The app's own data.
    pub data: BTreeMap<String, String>,
    /// How often the carrier was asked to give it something else to do; the number of the last such transfer.
    pub transfers: u32,
    /// The number of the last transfer that took place, or may have. A stream that was
    /// [offered](ClaimedStream::transfers) before does not hang the call up.
    pub moved: u32,
    /// The transfers of which nobody has said yet what came of them, and since when: the last [`MAX_OPEN_TRANSFERS`].
    pub open_transfers: BTreeMap<u32, SystemTime>,
    /// That it is to end, because one of its streams [has](super::CallStore::finish_stream), and neither another stream came
    /// since nor a later transfer took place.
    pub planned_end: Option<PlannedEnd>,
    /// How many media sockets of it are open.
    pub live_streams: u32,
    /// The nodes that hold them.
    pub held_by: Vec<NodeId>,
    /// Why it ended, if it has.
    pub ended: Option<EndReason>,
}

impl CallRecord {
    /// What a store has to say of a call that is opened now. For stores.
    #[must_use]
    pub fn opened(call: NewCall, now: SystemTime) -> Self {
        let status = call.status.unwrap_or(match call.direction {
            Direction::Inbound => CallStatus::Ringing,
            Direction::Outbound => CallStatus::Queued,
        });
        Self {
            key: call.key,
            provider: call.provider,
            account: call.account,
            call_id: call.call_id,
            home: call.home,
            direction: call.direction,
            from: call.from,
            to: call.to,
            status,
            history: vec![(now, status)],
            data: call.data,
            transfers: 0,
            moved: 0,
            open_transfers: BTreeMap::new(),
            planned_end: None,
            live_streams: 0,
            held_by: Vec::new(),
            ended: status.is_terminal().then_some(EndReason::CallEnded(status)),
        }
    }

    /// The call as the carrier knows it, once the carrier's id is known.
    #[must_use]
    pub fn carrier_call(&self) -> Option<CarrierCall> {
        let id = self.call_id.clone()?;
        Some(CarrierCall::new(id).at(self.home.clone()))
    }
}

/// What is to follow from the end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedEnd {
    /// Why the stream ended, and so the call.
    pub reason: EndReason,
    /// How many [transfers](CallRecord::transfers) had begun when the stream was offered. A later one makes something else
    /// of the call.
    pub transfers: u32,
}

impl PlannedEnd {
    /// The call is to end for that reason, unless a later transfer than that takes place.
    #[must_use]
    pub fn new(reason: EndReason, transfers: u32) -> Self {
        Self { reason, transfers }
    }
}

/// How many transfers of which nothing has come yet are remembered of a call.
pub const MAX_OPEN_TRANSFERS: usize = 32;

/// One attempt to take a [media token](MediaToken). Its number tells it from all others, so that what is said late about a
/// claim that is over changes nothing of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The token.
    pub token: MediaToken,
    /// The number of the attempt.
    pub number: u64,
}

impl Claim {
    /// An attempt that nobody else makes.
    ///
    /// # Errors
    /// If the random source fails.
    pub fn random(token: MediaToken, random: &dyn RandomSource) -> Result<Self> {
        let mut bytes = [0; 8];
        random.fill(&mut bytes)?;
        Ok(Self::numbered(token, u64::from_ne_bytes(bytes)))
    }

    /// The attempt with that number.
    #[must_use]
    pub fn numbered(token: MediaToken, number: u64) -> Self {
        Self { token, number }
    }
}

/// What a media token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaGrant {
    /// For how long.
    pub lifetime: Duration,
    /// What comes when the stream is over.
    pub then: AfterStream,
    /// Whether what an earlier answer offered stays good: it is not sure yet that the carrier takes this one.
    pub is_beside: bool,
}

impl MediaGrant {
    /// One media socket within that time; the call ends with it.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            then: AfterStream::HangUp,
            is_beside: false,
        }
    }

    /// The same, while what an earlier answer offered stays good.
    #[must_use]
    pub fn beside(mut self) -> Self {
        self.is_beside = true;
        self
    }

    /// What comes when the stream is over.
    #[must_use]
    pub fn then(mut self, then: AfterStream) -> Self {
        self.then = then;
        self
    }
}

/// A media stream that a token was taken for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClaimedStream {
    /// Its call.
    pub call: CallRecord,
    /// What comes when it is over.
    pub then: AfterStream,
    /// How many [transfers](CallRecord::transfers) of the call had begun when it was offered.
    pub transfers: u32,
}

impl ClaimedStream {
    /// A stream of that call, offered when so many transfers had begun.
    #[must_use]
    pub fn new(call: CallRecord, then: AfterStream, transfers: u32) -> Self {
        Self {
            call,
            then,
            transfers,
        }
    }
}

/// What came of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The carrier took it.
    Taken,
    /// The call is as it was.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl Debug for NewCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCall")
            .field("key", &self.key)
            .field("account", &self.account)
            .field("call_id", &self.call_id)
            .field("direction", &self.direction)
            .field("data", &self.data.keys())
            .finish_non_exhaustive()
    }
}

impl Debug for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRecord")
            .field("key", &self.key)
            .field("account", &self.account)
            .field("call_id", &self.call_id)
            .field("direction", &self.direction)
            .field("status", &self.status)
            .field("data", &self.data.keys())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// What a status report did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusUpdate {
    /// Whether the call moved.
    pub transition: Transition,
    /// Where it is now.
    pub status: CallStatus,
}

/// What a [`CallStore::expire`](super::CallStore::expire) found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Expired {
    /// Calls that never came about, or that nobody heard of for far too long. They are ended as
    /// [`NeverStarted`](EndReason::NeverStarted) now.
    pub never_started: Vec<CallRecord>,
    /// Calls that may be over without our knowing: the carrier should be asked. Each comes again, after twice the time,
    /// until there is news of it. Also calls that our side [ended](CallRecord::ended), or that are [to
    /// end](CallRecord::planned_end), and of which the carrier has not said that they are over.
    pub silent: Vec<CallRecord>,
    /// Streams whose node is lost. They are over now, and their calls [are to end](CallRecord::planned_end) as with
    /// [`finish_stream`](super::CallStore::finish_stream); that is to be seen to by who gets them.
    pub orphaned: Vec<ClaimedStream>,
}

impl Expired {
    /// Nothing found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.never_started.is_empty() && self.silent.is_empty() && self.orphaned.is_empty()
    }
}

/// Changes to the data that the app keeps with a call: set a name's value, or forget it with [`None`].
pub type DataChanges = BTreeMap<String, Option<String>>;

/// How many names of data a call may have.
pub const MAX_DATA_NAMES: usize = 64;
/// The longest value of one, in bytes. A name has 128.
pub const MAX_DATA_VALUE: usize = 4096;
const MAX_DATA_NAME: usize = 128;

/// Checks names and values of data. For stores; how many there are is theirs to count when they are changed.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] if there are more than [`MAX_DATA_NAMES`], a name is empty or longer than 128 bytes, or a
/// value is longer than [`MAX_DATA_VALUE`].
pub fn check_data<'a>(
    data: impl IntoIterator<Item = (&'a String, Option<&'a String>)>,
) -> Result<()> {
    let mut count = 0;
    for (name, value) in data {
        count += 1;
        let is_long = value.is_some_and(|value| value.len() > MAX_DATA_VALUE);
        if count > MAX_DATA_NAMES || name.is_empty() || name.len() > MAX_DATA_NAME || is_long {
            return Err(too_much_data());
        }
    }
    Ok(())
}

/// The error of [`check_data`].
#[must_use]
pub fn too_much_data() -> Error {
    let detail =
        "a call keeps up to 64 names of at most 128 bytes with values of at most 4096 bytes";
    Error::new(ErrorKind::InvalidArgument, "keep data", detail)
}
