//! Placing calls and looking after them: what [`rest`](crate::rest) writes is sent here, and what comes back is read there.

use crate::applet::Applet;
use crate::rest::{
    ActiveStreams, CallPage, CallQuery, FETCH, LIST, LOOK_UP, NO_FLOW, PLACE, RECORDING, Rest,
    STREAMS, home,
};
use crate::{Exotel, ExotelConfig, NAME};
use bytes::Bytes;
use http::Request;
use std::error::Error as _;
use std::sync::Arc;
use std::time::SystemTime;
use telephony_core::{
    Answer, CallLinks, CallSnapshot, CarrierCall, Error, ErrorKind, Handover, Limiter,
    OutboundCall, PlacedCall, Ports, Recording, RecordingAudio, Repeat, RestClient, Result, Retry,
};

const TRANSFER: &str = "transfer call";
/// So many pages of calls are looked through, of 100 calls each.
const MAX_PAGES: usize = 10;

/// Sends the requests of one account. Exotel counts all of them together.
pub(crate) fn client(config: &ExotelConfig, ports: &Ports) -> RestClient {
    let limiter = Arc::new(Limiter::per_second(config.requests_per_second()));
    RestClient::new(ports)
        .of(&crate::provider_name())
        .with_call_limiter(Arc::clone(&limiter))
        .with_request_limiter(limiter)
}

impl Exotel {
    /// How many media streams the account has, and may have: one more is throttled.
    ///
    /// ```
    /// use telephony_core::{Result, Telephony};
    /// use telephony_exotel::Exotel;
    ///
    /// async fn has_room(carrier: &dyn Telephony) -> Result<bool> {
    ///     let Some(exotel) = carrier.downcast_ref::<Exotel>() else {
    ///         return Ok(true); // Another carrier.
    ///     };
    ///     let streams = exotel.fetch_active_streams().await?;
    ///     Ok(streams.limit.is_none_or(|limit| streams.active < limit))
    /// }
    /// ```
    ///
    /// # Errors
    /// What Exotel says.
    pub async fn fetch_active_streams(&self) -> Result<ActiveStreams> {
        let rest = Rest::new(&self.config)?;
        let request = rest.fetch_active_streams()?;
        self.rest
            .send(STREAMS, request, Repeat::WhenFailed, |response, now| {
                rest.read_active_streams(&response, now)
            })
            .await
            .map_err(named)
    }

    pub(crate) async fn place(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        let rest = Rest::new(&self.config)?;
        let request = rest.place_call(call, links)?;
        self.rest
            .create(PLACE, request, |response, now| {
                rest.read_placed_call(call, links, &response, now)
            })
            .await
            .map_err(named)
    }

    /// Nothing is sent: what a Connect or Passthru applet can be told now is told when it asks.
    pub(crate) fn hand_over(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        if call.home.as_deref() == Some(NO_FLOW) {
            let detail = "the call was placed without a flow, so no applet would ask what to do: place it with \
                `ExotelCallOptions::with_flow` and put a Connect applet behind the Voicebot applet; the call is as it was";
            return Err(Error::unsupported(TRANSFER, detail).with_provider(NAME));
        }
        // The Connect applet takes all that the Passthru applet takes.
        let Err(error) = self.writer(links).write(Applet::Connect, answer) else {
            return Ok(Handover::AsksAfterStream);
        };
        let detail = match error.kind() {
            ErrorKind::Unsupported => format!(
                "{}. A transfer dials one to five numbers, hangs up, or is a document for a Connect applet; the call is as it was",
                error.detail()
            ),
            _ => error.detail().to_owned(),
        };
        Err(Error::new(error.kind(), TRANSFER, detail).with_provider(NAME))
    }

    pub(crate) async fn look_at(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        let rest = Rest::new(&self.config)?;
        let request = rest.fetch_call(&call.id)?;
        let state = self
            .rest
            .send(FETCH, request, Repeat::WhenFailed, |response, now| {
                rest.read_call(&response, now)
            })
            .await
            .map_err(named)?;
        Ok(state.snapshot(call.home.clone()))
    }

    /// The oldest first: whoever asks since shortly before the call was placed most likely looks for that one.
    pub(crate) async fn look_for(
        &self,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        let rest = Rest::new(&self.config)?;
        let query = CallQuery::placed(call, since, self.clock.now());
        let mut next = Some(rest.list_calls(&query)?);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(request) = next.take() else { break };
            let page = self.page(rest, request).await?;
            found.extend(page.placed(call).cloned());
            next = rest.next_calls(&page)?;
        }
        if found.is_empty() && next.is_some() {
            let detail = "it is not among the latest 1000 calls since then, and there are more; look from a later moment";
            return Err(Error::new(ErrorKind::InvalidArgument, LIST, detail).with_provider(NAME));
        }
        found.reverse(); // Exotel has the latest first; of what has no time the order is kept.
        found.sort_by_key(|state| (state.created.is_none(), state.created.clone()));
        let snapshots = found.into_iter().map(|state| state.snapshot(home(call)));
        Ok(snapshots.collect())
    }

    async fn page(&self, rest: Rest<'_>, request: Request<Bytes>) -> Result<CallPage> {
        self.rest
            .send(LIST, request, Repeat::WhenFailed, |response, now| {
                rest.read_calls(&response, now)
            })
            .await
            .map_err(named)
    }

    pub(crate) async fn fetch_audio(&self, recording: &Recording) -> Result<RecordingAudio> {
        let rest = Rest::new(&self.config)?;
        let request = rest.fetch_recording(&recording.url)?;
        self.rest
            .send(RECORDING, request, Repeat::WhenFailed, |response, now| {
                match rest.read_recording(&response, now) {
                    // It comes in minutes: the caller waits for that, not the client.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(error)),
                    read => read.map(Ok),
                }
            })
            .await
            .map_err(named)?
    }
}

/// The client's own errors do not know the carrier, and not what to do about a call that may have been placed.
fn named(error: Error) -> Error {
    if error.provider().is_some() {
        return error;
    }
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<Error>());
    let status = error.http_status().or_else(|| cause?.http_status());
    // An answer that was too large to be read is an answer all the same.
    let is_unknown = error.operation() == PLACE
        && (error.retry() == Retry::OutcomeUnknown || error.kind() == ErrorKind::Carrier);
    let (detail, retry) = if is_unknown {
        let detail = format!("{}; {LOOK_UP}", error.detail());
        (detail, Retry::OutcomeUnknown)
    } else {
        (error.detail().to_owned(), error.retry())
    };
    let named = Error::new(error.kind(), error.operation(), detail)
        .with_provider(NAME)
        .with_retry(retry);
    let named = match status {
        Some(status) => named.with_http_status(status),
        None => named,
    };
    named.with_source(error)
}
