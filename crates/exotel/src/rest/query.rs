//! Looking for calls.

use super::body::{get, inner, items, text};
use super::time::indian_time;
use super::{CallState, Form, LIST, Rest, error, place};
use crate::number;
use bytes::Bytes;
use http::{Request, Response};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telephony_core::{CallId, CallStatus, Direction, ErrorKind, OutboundCall, Party, Result};

/// Exotel looks through a month at most.
const MAX_WINDOW: Duration = Duration::from_secs(31 * 86_400);
const MAX_PAGE: u32 = 100;
const MAX_IDS: usize = 100;
/// Exotel's clock and ours may differ by so much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Which calls to look for: those that were created within a time of a month at most, within the last six months.
///
/// The times are sent as Indian time, which Exotel's samples for Indian accounts have; it documents no zone. Exotel's pages
/// say that calls that are still going on are left out.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use telephony_core::Party;
/// use telephony_exotel::rest::CallQuery;
///
/// let now = SystemTime::now();
/// let query = CallQuery::new(now - Duration::from_secs(3600), now)
///     .with_dialled(&Party::parse("+919876501234"))
///     .with_page_size(100);
/// ```
#[derive(Debug, Clone)]
pub struct CallQuery {
    created: (SystemTime, SystemTime),
    ids: Vec<CallId>,
    dialled: Option<Party>,
    status: Option<CallStatus>,
    outbound_api: bool,
    page_size: Option<u32>,
}

impl CallQuery {
    /// Calls that were created from `first` until `last`.
    #[must_use]
    pub fn new(first: SystemTime, last: SystemTime) -> Self {
        Self {
            created: (first, last),
            ids: Vec::new(),
            dialled: None,
            status: None,
            outbound_api: false,
            page_size: None,
        }
    }

    /// What may be `call`, of which nobody knows whether Exotel took it: read the answer with [`CallPage::placed`].
    /// `asked_at` is when it was first asked to.
    #[must_use]
    pub fn placed(call: &OutboundCall, asked_at: SystemTime, now: SystemTime) -> Self {
        let mut query = Self::new(
            asked_at.checked_sub(CLOCKS_DIFFER).unwrap_or(UNIX_EPOCH),
            now.checked_add(CLOCKS_DIFFER).unwrap_or(now),
        )
        .with_dialled(&call.to)
        .with_page_size(MAX_PAGE);
        query.outbound_api = true;
        query
    }

    /// Only this call; several times: these, 100 at most.
    #[must_use]
    pub fn with_call(mut self, id: CallId) -> Self {
        self.ids.push(id);
        self
    }

    /// Only calls for which this number was dialled first, or which came in from it. A number that cannot be written in
    /// E.164 is not looked for, as Exotel wants that.
    #[must_use]
    pub fn with_dialled(mut self, number: &Party) -> Self {
        self.dialled = Some(normal(number));
        self
    }

    /// Only calls of this status.
    #[must_use]
    pub fn with_status(mut self, status: CallStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// So many calls a page: 1 to 100. Default 50.
    #[must_use]
    pub fn with_page_size(mut self, calls: u32) -> Self {
        self.page_size = Some(calls);
        self
    }

    fn form(&self) -> Result<Form> {
        let (first, last) = self.created;
        let window = last.duration_since(first).ok();
        if window.is_none_or(|window| window > MAX_WINDOW) {
            return Err(invalid(
                "calls are looked for from one time until a later one, a month at most",
            ));
        }
        if self
            .page_size
            .is_some_and(|size| !(1..=MAX_PAGE).contains(&size))
        {
            return Err(invalid("a page has 1 to 100 calls"));
        }
        if self.ids.len() > MAX_IDS {
            return Err(invalid("100 calls at most are looked for by their ids"));
        }
        let mut form = Form::default();
        if !self.ids.is_empty() {
            let ids: Vec<_> = self.ids.iter().map(CallId::as_str).collect();
            form.add("Sid", &ids.join(","));
        }
        let created = format!("gte:{};lte:{}", indian_time(first), indian_time(last));
        form.add("DateCreated", &created);
        form.add_some("From", self.dialled.as_ref().and_then(Party::e164));
        form.add_some("Status", self.status.map(CallStatus::as_str));
        form.add_some("Direction", self.outbound_api.then_some("outbound-api"));
        form.add_some("PageSize", self.page_size);
        Ok(form)
    }
}

/// Some of the calls that were looked for.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallPage {
    /// The calls, the latest first.
    pub calls: Vec<CallState>,
    /// How many there are on all pages.
    pub total: Option<u64>,
    /// Path and query of the next page.
    next: Option<String>,
}

impl fmt::Debug for CallPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPage")
            .field("calls", &self.calls)
            .field("total", &self.total)
            .field("has_next", &self.has_next())
            .finish()
    }
}

impl CallPage {
    /// Whether there is another page.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// The calls on this page that may be `call`. Several if the number was called several times: take out those that you
    /// know of. None says little, see [`CallQuery`].
    pub fn placed<'a>(&'a self, call: &OutboundCall) -> impl Iterator<Item = &'a CallState> {
        let (dialled, exophone) = (normal(&call.to), normal(&call.from));
        let second = place::second_number(call).map(normal);
        self.calls.iter().filter(move |state| {
            state.direction != Some(Direction::Inbound)
                && state.from.as_ref() == Some(&dialled)
                && state.exophone.as_ref().is_none_or(|own| *own == exophone)
                && (second.is_none() || state.to.is_none() || state.to == second)
        })
    }
}

impl Rest<'_> {
    /// Looks for calls.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the time is longer than a month, or a limit is exceeded.
    pub fn list_calls(&self, query: &CallQuery) -> Result<Request<Bytes>> {
        let query = query.form()?;
        self.get(LIST, &self.url(&format!("Calls.json?{}", query.0)), true)
    }

    /// Asks for the page after `page`, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Carrier`] if Exotel names another place than the list of this account's calls.
    pub fn next_calls(&self, page: &CallPage) -> Result<Option<Request<Bytes>>> {
        let Some(next) = &page.next else {
            return Ok(None);
        };
        let host = self.config.rest_url();
        let path = next.strip_prefix(host).unwrap_or(next);
        let (place, query) = path.split_once('?').unwrap_or((path, ""));
        let ours = self.url("Calls");
        let place = format!("{host}{place}");
        let is_ours = place == ours || place.strip_suffix(".json") == Some(&ours);
        if !is_ours || query.is_empty() || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = "the next page is not where the calls of this account are";
            return Err(error(ErrorKind::Carrier, LIST, detail));
        }
        let url = format!("{ours}.json?{query}");
        self.get(LIST, &url, true).map(Some)
    }

    /// The calls that were found. What has no id is left out.
    ///
    /// # Errors
    /// What Exotel says.
    pub fn read_calls(&self, response: &Response<Bytes>, now: SystemTime) -> Result<CallPage> {
        let tree = self.accepted(LIST, response, now)?;
        let tree = inner(&tree);
        let metadata = get(tree, "Metadata");
        let calls = get(tree, "Calls");
        if metadata.is_none() && calls.is_none() && get(tree, "Call").is_none() {
            return Err(self.incomplete(LIST, response, "list of calls"));
        }
        let said = |name| metadata.and_then(|metadata| text(metadata, name));
        Ok(CallPage {
            calls: items(calls.unwrap_or(tree), "Call")
                .into_iter()
                .filter_map(CallState::read)
                .collect(),
            total: said("Total").and_then(|total| total.parse().ok()),
            next: said("NextPageUri"),
        })
    }
}

/// As Exotel's numbers become when they are read.
fn normal(party: &Party) -> Party {
    match party {
        Party::LocalNumber(text) => number::party(text),
        other => other.clone(),
    }
}

fn invalid(detail: &str) -> telephony_core::Error {
    error(ErrorKind::InvalidArgument, LIST, detail)
}
