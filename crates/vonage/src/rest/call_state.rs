//! What Vonage knows of its calls, and the look-up of one that may or may not have been placed.

use super::response::{filled, nested, text_of_value};
use super::{ESCAPED, RestOperation, invalid};
use crate::time;
use crate::webhook::{members, status_of};
use bytes::Bytes;
use percent_encoding::utf8_percent_encode;
use serde_json::value::RawValue;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telephony_core::{
    CallId, CallSnapshot, CallStatus, CarrierCall, Direction, OutboundCall, Parameters, Party,
    Result,
};

/// The words that Vonage filters by.
const STATUS_WORDS: [&str; 11] = [
    "started",
    "ringing",
    "answered",
    "machine",
    "completed",
    "busy",
    "cancelled",
    "failed",
    "rejected",
    "timeout",
    "unanswered",
];

/// One leg, as Vonage has it. `Debug` shows no address and nothing of the raw text.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct CallState {
    /// The leg.
    pub id: CallId,
    /// The conversation that it is in.
    pub conversation: Option<String>,
    /// Where it is; [`None`] for a word that is no status.
    pub status: Option<CallStatus>,
    /// The word that Vonage has for it, in lower case.
    pub word: Option<String>,
    /// Who started it.
    pub direction: Option<Direction>,
    /// Who calls.
    pub from: Option<Party>,
    /// Who is called; [`None`] for a WebSocket too.
    pub to: Option<Party>,
    /// How long it lasted; once it is completed.
    pub duration: Option<Duration>,
    /// What it cost in all, as Vonage wrote it; once it is completed.
    pub price: Option<String>,
    /// What a minute of it cost, as Vonage wrote it; once it is completed.
    pub rate: Option<String>,
    /// The network of the other side; once it is completed.
    pub network: Option<String>,
    /// When it was answered; once it is completed.
    pub started: Option<SystemTime>,
    /// When it ended; once it is completed.
    pub ended: Option<SystemTime>,
    /// Vonage's own words, with everything else.
    pub raw: Bytes,
}

impl CallState {
    /// [`None`] if it names no leg.
    pub(super) fn read(json: &str) -> Option<Self> {
        let call = members(json)?;
        let text = |name: &str| filled(&call, name).map(str::to_owned);
        let id = filled(&call, "uuid").or_else(|| filled(&call, "call_uuid"))?;
        let word = text("status").map(|word| word.to_lowercase());
        let moment = |name: &str| {
            let seconds = time::seconds_of(filled(&call, name)?)?;
            Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
        };
        Some(Self {
            id: CallId::new(id).ok()?,
            conversation: text("conversation_uuid"),
            status: word.as_deref().and_then(|word| status_of_call(word, &call)),
            word,
            direction: filled(&call, "direction").and_then(direction),
            from: filled(&call, "from").and_then(party),
            to: filled(&call, "to").and_then(party),
            duration: filled(&call, "duration").and_then(seconds),
            price: text("price"),
            rate: text("rate"),
            network: text("network"),
            started: moment("start_time"),
            ended: moment("end_time"),
            raw: Bytes::copy_from_slice(json.as_bytes()),
        })
    }

    /// Whether it may be this call: outbound, to the same party, and from the same one as far as both say. A call to a
    /// WebSocket is to nobody in both.
    #[must_use]
    pub fn may_be(&self, call: &OutboundCall) -> bool {
        let same_from =
            |from: &Party| matches!(call.from, Party::Withheld) || is_same(from, &call.from);
        let same_to = match &self.to {
            Some(to) => is_same(to, &call.to),
            None => call.to == Party::Withheld,
        };
        self.direction != Some(Direction::Inbound)
            && same_to
            && self.from.as_ref().is_none_or(same_from)
    }

    /// Whether it surely was there before this moment, the clocks of Vonage and of ours being a minute apart at most: then
    /// it is not a call that was placed since.
    #[must_use]
    pub fn is_older_than(&self, moment: SystemTime) -> bool {
        let Some(moment) = moment.checked_sub(CallFilter::CLOCK_SLACK) else {
            return false;
        };
        [self.started, self.ended]
            .into_iter()
            .flatten()
            .any(|time| time < moment)
    }

    /// The same as core has it. When it was placed is not in it, because Vonage tells only when it was answered.
    #[must_use]
    pub fn into_snapshot(self, home: Option<String>) -> CallSnapshot {
        CallSnapshot::new(CarrierCall::new(self.id).at(home), self.status)
            .with_parties(self.from, self.to)
            .with_start(self.direction, None)
            .with_duration(self.duration)
            .with_raw(self.raw)
    }
}

impl fmt::Debug for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallState")
            .field("id", &self.id)
            .field("conversation", &self.conversation)
            .field("status", &self.status)
            .field("direction", &self.direction)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// The status that a word of REST means; some spellings of others are understood too.
pub(super) fn status_of_call(word: &str, call: &Parameters) -> Option<CallStatus> {
    status_of(word, filled(call, "detail")).or_else(|| word.parse().ok())
}

pub(super) fn direction(word: &str) -> Option<Direction> {
    match word.to_ascii_lowercase().as_str() {
        "inbound" => Some(Direction::Inbound),
        "outbound" => Some(Direction::Outbound),
        _ => None,
    }
}

/// An endpoint: an object, an array with one (as in the PHP SDK's captures), or a bare number.
fn party(json: &str) -> Option<Party> {
    let first;
    let json = if json.starts_with('[') {
        let endpoints: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        first = text_of_value(endpoints.first()?);
        first.as_str()
    } else {
        json
    };
    let Some(endpoint) = members(json) else {
        let is_address = !json.starts_with(['[', '{']) && !is_websocket(json);
        return is_address.then(|| Party::parse_without_plus(json));
    };
    let address = |name: &str| filled(&endpoint, name).map(str::to_owned);
    let kind = filled(&endpoint, "type").unwrap_or("phone");
    match kind.to_ascii_lowercase().as_str() {
        "app" => address("user").map(Party::Client),
        "vbc" => address("extension").map(Party::Extension),
        "sip" => address("uri").map(Party::Sip),
        "websocket" => None,
        _ => address("number").map(|number| Party::parse_without_plus(&number)),
    }
}

fn is_websocket(address: &str) -> bool {
    let lower = address.to_ascii_lowercase();
    lower.starts_with("ws:") || lower.starts_with("wss:")
}

/// Addresses of SIP may come back in another case.
fn is_same(one: &Party, other: &Party) -> bool {
    match (one, other) {
        (Party::Sip(one), Party::Sip(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

/// Seconds, as a number or as a text, whole or not.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// Which calls to list. Vonage cannot filter by number.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use telephony_vonage::rest::CallFilter;
///
/// // Was it placed? Newest first, from shortly before we asked for it.
/// let filter = CallFilter::placed_since(UNIX_EPOCH + Duration::from_secs(1_767_225_600));
/// // … then `page.that_may_be(&call)`, and `filter.from_index(page.next_index)` for more.
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CallFilter {
    /// In this state, in Vonage's words: `started`, `ringing`, `answered`, `machine`, `completed`, `busy`, `cancelled`,
    /// `failed`, `rejected`, `timeout`, `unanswered`.
    pub status: Option<String>,
    /// From this moment on.
    pub since: Option<SystemTime>,
    /// Until this moment.
    pub until: Option<SystemTime>,
    /// So many on a page: 1 to 100. Default: 10.
    pub page_size: Option<u32>,
    /// From this one on. Default: 0.
    pub record_index: Option<u64>,
    /// Newest first. Default: oldest first.
    pub newest_first: bool,
    /// Of this conversation.
    pub conversation: Option<String>,
}

impl CallFilter {
    /// How far the clocks of Vonage and of ours may be apart.
    const CLOCK_SLACK: Duration = Duration::from_secs(60);

    /// All.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that were placed at this moment, or up to a minute before, or later: newest first, 100 on a page. For finding
    /// out whether a call was placed when nobody knows.
    #[must_use]
    pub fn placed_since(moment: SystemTime) -> Self {
        Self {
            since: moment.checked_sub(Self::CLOCK_SLACK),
            page_size: Some(100),
            newest_first: true,
            ..Self::default()
        }
    }

    /// Those of this conversation (`CON-…`).
    #[must_use]
    pub fn of_conversation(id: impl Into<String>) -> Self {
        Self {
            conversation: Some(id.into()),
            ..Self::default()
        }
    }

    /// The same, from this one on: for [`CallPage::next_index`].
    #[must_use]
    pub fn from_index(mut self, index: u64) -> Self {
        self.record_index = Some(index);
        self
    }

    pub(super) fn query(&self) -> Result<String> {
        let refuse = |detail: &str| Err(invalid(RestOperation::ListCalls.name(), detail));
        let mut pairs: Vec<(&str, String)> = Vec::new();
        if let Some(status) = &self.status {
            if !STATUS_WORDS.contains(&status.as_str()) {
                return refuse("calls are filtered by Vonage's own words for their status");
            }
            pairs.push(("status", status.clone()));
        }
        for (name, moment) in [("date_start", self.since), ("date_end", self.until)] {
            match moment.map(time::utc_text) {
                None => {}
                Some(Some(text)) => pairs.push((name, text)),
                Some(None) => return refuse("a moment must be in the years 1970 to 9999"),
            }
        }
        if let Some(size) = self.page_size {
            if !(1..=100).contains(&size) {
                return refuse("a page has 1 to 100 calls");
            }
            pairs.push(("page_size", size.to_string()));
        }
        if let Some(index) = self.record_index {
            pairs.push(("record_index", index.to_string()));
        }
        if self.newest_first {
            pairs.push(("order", "desc".to_owned()));
        }
        if let Some(conversation) = &self.conversation {
            if conversation.trim().is_empty() {
                return refuse("the conversation has no id");
            }
            pairs.push(("conversation_uuid", conversation.clone()));
        }
        let written = |(name, value): &(&str, String)| {
            format!("{name}={}", utf8_percent_encode(value, ESCAPED))
        };
        Ok(pairs.iter().map(written).collect::<Vec<_>>().join("&"))
    }
}

impl fmt::Debug for CallFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFilter")
            .field("since", &self.since)
            .field("until", &self.until)
            .field("page_size", &self.page_size)
            .field("record_index", &self.record_index)
            .finish_non_exhaustive()
    }
}

/// One page of calls.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CallPage {
    /// The calls; entries that name no leg are left out.
    pub calls: Vec<CallState>,
    /// How many there are on all pages.
    pub count: Option<u64>,
    /// Where the next page begins; [`None`] if this is the last one. The same filter must be asked with it.
    pub next_index: Option<u64>,
}

impl CallPage {
    /// [`None`] if it is not a list of calls, or if it says that there is more but not where: a call that is looked for may
    /// be there.
    pub(super) fn read(json: &str) -> Option<Self> {
        let page = members(json)?;
        let embedded = nested(&page, "_embedded")?;
        let calls: Vec<&RawValue> = match filled(&embedded, "calls") {
            Some(calls) => serde_json::from_str(calls).ok()?,
            None => Vec::new(),
        };
        let number = |name: &str| filled(&page, name).and_then(|text| text.parse::<u64>().ok());
        let (here, count) = (number("record_index").unwrap_or_default(), number("count"));
        let next = nested(&page, "_links").and_then(|links| nested(&links, "next"));
        let next_index = match next.as_ref().and_then(|next| filled(next, "href")) {
            Some(href) => Some(index_of_link(href)?),
            None => {
                let after = here.saturating_add(calls.len().try_into().unwrap_or(u64::MAX));
                (!calls.is_empty() && count.is_some_and(|count| count > after)).then_some(after)
            }
        };
        Some(Self {
            calls: calls
                .iter()
                .filter_map(|call| CallState::read(call.get()))
                .collect(),
            count,
            // A link that does not lead on would be followed for ever.
            next_index: next_index.filter(|index| *index > here),
        })
    }

    /// The calls that may be the one that was to be placed.
    pub fn that_may_be<'a>(
        &'a self,
        call: &'a OutboundCall,
    ) -> impl Iterator<Item = &'a CallState> {
        self.calls.iter().filter(|state| state.may_be(call))
    }
}

/// Of a link to another page only this counts: where the request goes, and what else it asks for, is ours to say.
fn index_of_link(href: &str) -> Option<u64> {
    let (_, query) = href.split('#').next()?.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, index) = pairs.find(|(name, _)| name == "record_index")?;
    index.trim().parse().ok()
}
