//! Placing and steering calls: requests that [`rest`](crate::rest) writes, sent, and their answers read.

use crate::rest::{
    AudioFile, CallPage, CallState, Delivery, RecordingChange, RecordingOptions, Requests,
    RestOperation, accepted, call_page, call_state, hung_up, is_gone, may_wait_still, placed_call,
    recording_audio, started_recording, unanswered,
};
use crate::{NAME, TwilioConfig};
use bytes::Bytes;
use http::{Request, Response};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telephony_core::{
    Answer, CallLinks, CallSnapshot, CarrierCall, Dtmf, Error, Handover, Limiter, OutboundCall,
    Party, PlacedCall, Ports, Recording, RecordingAudio, RecordingId, Repeat, RestClient, Result,
};

/// How many pages of calls are read at most, each of 50.
const MAX_PAGES: usize = 10;
/// How much earlier than it should be a call may seem to be placed: our clock and Twilio's differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// What sends the requests of the account of `config`.
pub(crate) fn rest_client(config: &TwilioConfig, ports: &Ports) -> RestClient {
    let calls = Limiter::per_second(config.calls_per_second());
    RestClient::new(ports)
        .of(&crate::PROVIDER)
        .with_call_limiter(Arc::new(calls))
}

/// The operations of one account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Control<'a> {
    config: &'a TwilioConfig,
    rest: &'a RestClient,
}

impl<'a> Control<'a> {
    pub(crate) fn new(config: &'a TwilioConfig, rest: &'a RestClient) -> Self {
        Self { config, rest }
    }

    pub(crate) fn plan_call(self, call: &OutboundCall, links: &CallLinks) -> Result<Handover> {
        let directed = Requests::new(self.config)?.place_call(call, links)?;
        Ok(handover(&directed.delivery))
    }

    pub(crate) fn plan_transfer(
        self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        let directed = self.requests(call)?.transfer(&call.id, answer, links)?;
        Ok(handover(&directed.delivery))
    }

    pub(crate) async fn make_call(
        self,
        call: &OutboundCall,
        links: &CallLinks,
    ) -> Result<PlacedCall> {
        let operation = RestOperation::PlaceCall;
        let directed = Requests::new(self.config)?.place_call(call, links)?;
        let handover = handover(&directed.delivery);
        let read = |response: Response<Bytes>, now| placed_call(call, links, &response, now);
        let placed = self
            .rest
            .create(operation.name(), directed.request, read)
            .await
            .map_err(|error| unanswered(operation, error))?;
        Ok(placed.with_handover(handover))
    }

    /// A call that waits to be dialled is not ended but given up, and whether it waits is not known before.
    pub(crate) async fn hang_up(self, call: &CarrierCall) -> Result<()> {
        let operation = RestOperation::HangUp;
        let requests = self.requests(call)?;
        let hang_up = requests.hang_up(&call.id)?;
        if self.send(operation, hang_up, may_wait_still).await? {
            let cancel = requests.cancel(&call.id)?;
            self.send(operation, cancel, hung_up).await?;
        }
        Ok(())
    }

    pub(crate) async fn transfer(
        self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        let operation = RestOperation::Transfer;
        let directed = self.requests(call)?.transfer(&call.id, answer, links)?;
        let handover = handover(&directed.delivery);
        self.send(operation, directed.request, |response, now| {
            accepted(operation, response, now)
        })
        .await?;
        Ok(handover)
    }

    pub(crate) async fn send_dtmf(
        self,
        call: &CarrierCall,
        keys: &Dtmf,
        links: &CallLinks,
    ) -> Result<()> {
        let operation = RestOperation::SendDigits;
        let Some(then) = keys.next() else {
            let detail = "Twilio ends what the call is doing to send keys, a stream too: say with `Dtmf::then` what comes after; \
                          nothing was sent";
            return Err(Error::unsupported(operation.name(), detail).with_provider(NAME));
        };
        let requests = self.requests(call)?;
        let directed = requests.send_digits(&call.id, keys.digits(), then, links)?;
        // Our answer URL knows nothing of the keys.
        if directed.delivery != Delivery::Inline {
            let detail = "what comes after the keys is too long for one request (4,000 characters): let it be `Answer::redirect()`, \
                          and answer what Twilio asks then";
            return Err(operation.invalid(detail));
        }
        self.send(operation, directed.request, |response, now| {
            accepted(operation, response, now)
        })
        .await
    }

    pub(crate) async fn start_recording(
        self,
        call: &CarrierCall,
        links: &CallLinks,
        options: &RecordingOptions,
    ) -> Result<RecordingId> {
        let request = self
            .requests(call)?
            .start_recording(&call.id, links, options)?;
        self.send(RestOperation::StartRecording, request, started_recording)
            .await
    }

    /// A recording that is over is stopped: it ends with its call, and a request may arrive twice.
    pub(crate) async fn stop_recording(
        self,
        call: &CarrierCall,
        recording: &RecordingId,
    ) -> Result<()> {
        match self
            .change_recording(call, recording, RecordingChange::Stop)
            .await
        {
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    pub(crate) async fn change_recording(
        self,
        call: &CarrierCall,
        recording: &RecordingId,
        change: RecordingChange,
    ) -> Result<()> {
        let operation = RestOperation::ChangeRecording;
        let requests = self.requests(call)?;
        let request = requests.change_recording(&call.id, recording.as_str(), change)?;
        self.send(operation, request, |response, now| {
            accepted(operation, response, now)
        })
        .await
    }

    pub(crate) async fn fetch_call(self, call: &CarrierCall) -> Result<CallSnapshot> {
        let request = self.requests(call)?.fetch_call(&call.id)?;
        let state = self
            .send(RestOperation::FetchCall, request, call_state)
            .await?;
        Ok(snapshot(&state, call.home.clone()))
    }

    /// The oldest first: `since` is shortly before the call was placed.
    pub(crate) async fn find_placed(
        self,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        let since = since.checked_sub(CLOCKS_DIFFER).unwrap_or(since);
        let requests = Requests::new(self.config)?;
        let mut next = Some(requests.find_calls(&call.from, &call.to)?);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(request) = next else { break };
            let page: CallPage = self
                .send(RestOperation::FindCalls, request, call_page)
                .await?;
            let candidates = page.placed_since(since);
            let candidates = candidates.filter(|state| is_between(state, call));
            found.extend(candidates.map(|state| snapshot(state, None)));
            next = match page.reaches_back_to(since) {
                true => None,
                false => requests.next_calls(&page)?,
            };
        }
        found.reverse();
        Ok(found)
    }

    pub(crate) async fn fetch_recording(self, recording: &Recording) -> Result<RecordingAudio> {
        let operation = RestOperation::FetchRecording;
        let requests = Requests::new(self.config)?;
        let file = AudioFile::default();
        let request = match (recording.url.trim(), &recording.id) {
            ("", Some(id)) => requests.recording_audio(id, file, None)?,
            ("", None) => return Err(operation.invalid("nothing was recorded")),
            (url, _) => requests.recording_audio_at(url, file, None)?,
        };
        let file = self.send(operation, request, recording_audio).await?;
        Ok(RecordingAudio::new(Some(file.content_type), file.audio))
    }

    /// About the account that the call is of: a subaccount's calls are found under that only.
    fn requests<'c>(self, call: &'c CarrierCall) -> Result<Requests<'c>>
    where
        'a: 'c,
    {
        match &call.home {
            Some(subaccount) => Requests::for_subaccount(self.config, subaccount),
            None => Requests::new(self.config),
        }
    }

    async fn send<T>(
        self,
        operation: RestOperation,
        request: Request<Bytes>,
        read: impl Fn(&Response<Bytes>, SystemTime) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let repeat = match operation.is_repeatable() {
            true => Repeat::WhenFailed,
            false => Repeat::WhenNotProcessed,
        };
        let read = |response: Response<Bytes>, now| read(&response, now);
        self.rest
            .send(operation.name(), request, repeat, read)
            .await
            .map_err(|error| unanswered(operation, error))
    }
}

fn handover(delivery: &Delivery) -> Handover {
    match delivery {
        Delivery::AnswerUrl(_) => Handover::Asks,
        // An application has URLs of its own, and ours is not asked.
        Delivery::Inline | Delivery::Application => Handover::Sent,
    }
}

/// Whether the call may be between these two. Twilio was asked for such calls only; a dialect of it may not listen.
fn is_between(state: &CallState, call: &OutboundCall) -> bool {
    let may_be = |said: &Option<Party>, wanted: &Party| match (said, wanted) {
        (Some(Party::Number(said)), Party::Number(wanted)) => said == wanted,
        _ => true,
    };
    may_be(&state.from, &call.from) && may_be(&state.to, &call.to)
}

fn snapshot(state: &CallState, home: Option<String>) -> CallSnapshot {
    let call = CarrierCall::new(state.id.clone()).at(home);
    CallSnapshot::new(call, state.status)
        .with_parties(state.from.clone(), state.to.clone())
        .with_start(state.direction, state.created_at.or(state.started_at))
        .with_duration(state.duration)
        .with_raw(state.raw.clone())
}
