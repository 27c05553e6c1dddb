//! A call as the fields of a hash, and back.

use crate::error::unreadable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};
use telephony_core::store::PlannedEnd;
use telephony_core::{
    AccountLabel, AfterStream, CallId, CallKey, CallRecord, CallStatus, Direction, Error,
    ErrorKind, NewCall, NodeId, Party, ProviderName, Result,
};

const READ: &str = "read call";

/// The fields of a hash.
pub(crate) type Fields = HashMap<String, String>;

/// Anything that is kept as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| {
        let detail = "what is to be kept cannot be written down";
        Error::new(ErrorKind::Internal, "write call", detail)
    })
}

/// And back.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    // The error of the parser may hold the text.
    serde_json::from_str(text).map_err(|_| unreadable(READ))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    // Times of a policy are bounded; others are taken for a year.
    const YEAR: u64 = 366 * 24 * 3_600_000;
    u64::try_from(duration.as_millis()).map_or(YEAR, |ms| ms.min(YEAR))
}

pub(crate) fn after_to_text(after: AfterStream) -> &'static str {
    match after {
        AfterStream::HangUp => "h",
        AfterStream::Continue => "c",
    }
}

pub(crate) fn after_from_text(text: &str) -> AfterStream {
    if text == "c" {
        AfterStream::Continue
    } else {
        AfterStream::HangUp
    }
}

/// The fields of a new call that never change, and those that begin with a value.
pub(crate) fn new_fields(call: &NewCall, keep_parties: bool) -> Result<Vec<(String, String)>> {
    let party = |party: &Party| {
        to_json(if keep_parties {
            party
        } else {
            &Party::Withheld
        })
    };
    let mut fields = vec![
        ("pv".to_owned(), call.provider.to_string()),
        ("ac".to_owned(), call.account.to_string()),
        ("dr".to_owned(), call.direction.to_string()),
        ("fr".to_owned(), party(&call.from)?),
        ("to".to_owned(), party(&call.to)?),
    ];
    let mut add = |name: &str, value: Option<String>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("id", call.call_id.as_ref().map(ToString::to_string));
    add("hm", call.home.clone());
    add("nx", call.next.as_ref().map(to_json).transpose()?);
    let data = call.data.iter();
    fields.extend(data.map(|(name, value)| (format!("d:{name}"), value.clone())));
    Ok(fields)
}

/// The carrier's id in a call's fields.
pub(crate) fn call_id(fields: &Fields) -> Result<Option<CallId>> {
    fields.get("id").map(CallId::new).transpose()
}

pub(crate) fn account(fields: &Fields) -> Result<AccountLabel> {
    AccountLabel::new(field(fields, "ac")?)
}

/// The media tokens in a call's fields, with what is said of each.
pub(crate) fn tokens(fields: &Fields) -> impl Iterator<Item = (&str, &str)> {
    fields
        .iter()
        .filter_map(|(name, text)| Some((name.strip_prefix("t:")?, text.as_str())))
}

pub(crate) fn record(key: CallKey, fields: &Fields) -> Result<CallRecord> {
    let direction = match field(fields, "dr")? {
        "outbound" => Direction::Outbound,
        _ => Direction::Inbound,
    };
    let parties = (
        from_json(field(fields, "fr")?)?,
        from_json(field(fields, "to")?)?,
    );
    let provider = ProviderName::new(field(fields, "pv")?);
    let data: BTreeMap<_, _> = fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("d:")?.to_owned(), value.clone())))
        .collect();
    let call = NewCall::new(key, provider, account(fields)?, direction, parties)
        .with_call_id(call_id(fields)?)
        .with_home(fields.get("hm").cloned())
        .with_data(data);
    let mut record = CallRecord::opened(call, SystemTime::UNIX_EPOCH);
    record.status = status(field(fields, "st")?)?;
    record.history = history(field(fields, "hi")?)?;
    record.transfers = count(fields, "tr")?;
    record.moved = count(fields, "mv")?;
    record.open_transfers = open_transfers(fields)?;
    record.planned_end = planned_end(fields)?;
    record.held_by = tokens(fields).filter_map(holder).collect::<Result<_>>()?;
    record.live_streams = u32::try_from(record.held_by.len()).unwrap_or(u32::MAX);
    // Another stream came.
    record.planned_end.take_if(|_| record.live_streams > 0);
    record.held_by.sort();
    record.held_by.dedup();
    record.ended = fields.get("en").map(|text| from_json(text)).transpose()?;
    Ok(record)
}

fn count(fields: &Fields, name: &str) -> Result<u32> {
    match fields.get(name) {
        Some(count) => count.parse().map_err(|_| unreadable(READ)),
        None => Ok(0),
    }
}

/// The transfers that nothing has come of yet: `number:since,number:since`.
fn open_transfers(fields: &Fields) -> Result<BTreeMap<u32, SystemTime>> {
    let entry = |entry: &str| {
        let (number, ms) = entry.split_once(':').ok_or_else(|| unreadable(READ))?;
        let number = number.parse().map_err(|_| unreadable(READ))?;
        Ok((number, time(ms)?))
    };
    let text = fields.get("tp").map_or("", String::as_str);
    text.split(',')
        .filter(|text| !text.is_empty())
        .map(entry)
        .collect()
}

fn planned_end(fields: &Fields) -> Result<Option<PlannedEnd>> {
    let Some(reason) = fields.get("pe") else {
        return Ok(None);
    };
    let transfers = count(fields, "pt")?;
    Ok(Some(PlannedEnd::new(from_json(reason)?, transfers)))
}

fn time(ms: &str) -> Result<SystemTime> {
    let ms = ms.parse().map_err(|_| unreadable(READ))?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    time.ok_or_else(|| unreadable(READ))
}

fn field<'a>(fields: &'a Fields, name: &str) -> Result<&'a str> {
    let value = fields.get(name).map(String::as_str);
    value.ok_or_else(|| unreadable(READ))
}

pub(crate) fn status(word: &str) -> Result<CallStatus> {
    word.parse().map_err(|_| unreadable(READ))
}

fn history(text: &str) -> Result<Vec<(SystemTime, CallStatus)>> {
    let entry = |entry: &str| {
        let (ms, word) = entry.split_once(':').ok_or_else(|| unreadable(READ))?;
        Ok((time(ms)?, status(word)?))
    };
    text.split(',').map(entry).collect()
}

/// The node that holds a token's stream, if one does.
fn holder((_, text): (&str, &str)) -> Option<Result<NodeId>> {
    let mut parts = text.split('|');
    let is_claimed = parts.next() == Some("c");
    is_claimed.then(|| NodeId::parse(parts.nth(4).unwrap_or_default()))
}
