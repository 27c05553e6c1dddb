//! The operations of [`Telephony`](telephony_core::Telephony) that ask Vonage for something.

use crate::rest::{
    self, ApplicationToken, CallFilter, CallPage, CallState, RestOperation, StreamAudio, Talk,
    VoiceApi, VonageCallOptions,
};
use crate::{Vonage, ours};
use bytes::Bytes;
use http::Request;
use std::time::SystemTime;
use telephony_core::{
    Answer, CallId, CallLinks, CallSnapshot, CarrierCall, Dtmf, Error, ErrorKind, Handover,
    OutboundCall, PlacedCall, Recording, RecordingAudio, Result, Retry,
};

/// How many pages of 100 calls are looked through for one that may have been placed.
const MOST_PAGES: usize = 10;

impl Vonage {
    pub(crate) async fn place(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        let handover = self.handover(call)?;
        let home = self.home_of_new(call)?;
        let placed = self
            .sender
            .send(
                RestOperation::PlaceCall,
                |token| self.sender.api().place_call(token, call, links),
                rest::placed,
            )
            .await?;
        let mut placed = placed.into_placed_call(call, links);
        placed.call.home = home;
        Ok(placed.with_handover(handover))
    }

    pub(crate) fn handover(&self, call: &OutboundCall) -> Result<Handover> {
        let options = call.extension::<VonageCallOptions>(&self.provider)?;
        let asks = options.is_some_and(VonageCallOptions::asks_answer_url);
        Ok(if asks { Handover::Asks } else { Handover::Sent })
    }

    /// Where a call that is placed will live, if its options say so.
    fn home_of_new(&self, call: &OutboundCall) -> Result<Option<String>> {
        let options = call.extension::<VonageCallOptions>(&self.provider)?;
        let Some(region_url) = options.and_then(VonageCallOptions::region_url) else {
            return Ok(None);
        };
        let api = self.sender.api_at(Some(region_url))?;
        Ok(Some(api.base_url().to_owned()))
    }

    pub(crate) async fn end(&self, call: &CarrierCall) -> Result<()> {
        let api = self.sender.api_of(call)?;
        self.sender
            .send(
                RestOperation::HangUp,
                |token| api.hang_up(token, &call.id),
                rest::hung_up,
            )
            .await
            // One that is gone is over.
            .map(drop)
    }

    pub(crate) async fn give_answer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.steer(RestOperation::Transfer, call, |api, token, id| {
            api.transfer(token, id, answer, links)
        })
        .await?;
        Ok(Handover::Sent)
    }

    pub(crate) async fn press(&self, call: &CarrierCall, keys: &Dtmf) -> Result<()> {
        // Both are half a second of silence.
        let digits = keys.digits().replace('w', "p");
        self.steer(RestOperation::SendDtmf, call, |api, token, id| {
            api.send_dtmf(token, id, &digits)
        })
        .await
    }

    pub(crate) async fn state(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        let api = self.sender.api_of(call)?;
        let state = self
            .sender
            .send(
                RestOperation::FetchCall,
                |token| api.fetch_call(token, &call.id),
                rest::call_state,
            )
            .await?;
        Ok(state.into_snapshot(call.home.clone()))
    }

    /// Vonage cannot look for a number, so its list is read from the moment on, and the last that fits comes first: whoever
    /// asks has not placed the call again yet.
    pub(crate) async fn look_up(
        &self,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        let home = self.home_of_new(call)?;
        // Oldest first: the call is near the beginning, however many were placed after it.
        let mut filter = CallFilter::placed_since(since);
        filter.newest_first = false;
        let mut found = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = self.page(&filter, home.as_deref()).await?;
            let fits = |state: &&CallState| !state.is_older_than(since);
            found.extend(page.that_may_be(call).filter(fits).cloned());
            match page.next_index {
                Some(index) => filter = filter.from_index(index),
                None => return Ok(latest_first(found, home)),
            }
        }
        if found.is_empty() {
            let detail = "it is not among the first 1000 calls since then, and there are more: give a later moment, or \
                          list them with `Vonage::list_calls`";
            return Err(ours(Error::new(ErrorKind::Carrier, "find call", detail)));
        }
        Ok(latest_first(found, home))
    }

    async fn page(&self, filter: &CallFilter, home: Option<&str>) -> Result<CallPage> {
        let api = self.sender.api_at(home)?;
        self.sender
            .send(
                RestOperation::ListCalls,
                |token| api.list_calls(token, filter),
                rest::call_page,
            )
            .await
    }

    pub(crate) async fn audio(&self, recording: &Recording) -> Result<RecordingAudio> {
        let fetched = self
            .sender
            .send(
                RestOperation::FetchRecording,
                |token| self.sender.api().fetch_recording(token, &recording.url),
                rest::recording,
            )
            .await;
        match fetched {
            Ok(file) => Ok(RecordingAudio::new(file.content_type, file.content)),
            // Vonage does not tell one that is not there yet from one that is gone.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error.with_retry(Retry::Safe)),
            Err(error) => Err(error),
        }
    }

    /// Sends a request about a live call whose answer says nothing but that it was taken.
    async fn steer(
        &self,
        operation: RestOperation,
        call: &CarrierCall,
        build: impl Fn(&VoiceApi, &ApplicationToken, &CallId) -> Result<Request<Bytes>> + Send + Sync,
    ) -> Result<()> {
        let api = self.sender.api_of(call)?;
        self.sender
            .send(
                operation,
                |token| build(&api, token, &call.id),
                |response, now| rest::done(operation, response, now),
            )
            .await
    }
}

fn latest_first(mut found: Vec<CallState>, home: Option<String>) -> Vec<CallSnapshot> {
    found.reverse();
    let snapshot = |state: CallState| state.into_snapshot(home.clone());
    found.into_iter().map(snapshot).collect()
}

/// What Vonage can do with a live call and others cannot. Reached by
/// [`downcast_ref`](trait@telephony_core::Telephony#method.downcast_ref); the call is that of
/// [`CallRecord::carrier_call`](telephony_core::CallRecord::carrier_call).
impl Vonage {
    /// Lets the others, a media socket too, not hear this leg.
    ///
    /// # Errors
    /// What Vonage says; [`InvalidArgument`](ErrorKind::InvalidArgument) before anything is sent if the call's home is not a
    /// host of Vonage's.
    pub async fn mute(&self, call: &CarrierCall) -> Result<()> {
        self.steer(RestOperation::Mute, call, VoiceApi::mute).await
    }

    /// Lets the others hear this leg again.
    ///
    /// # Errors
    /// As [`mute`](Self::mute).
    pub async fn unmute(&self, call: &CarrierCall) -> Result<()> {
        self.steer(RestOperation::Unmute, call, VoiceApi::unmute)
            .await
    }

    /// Lets this leg not hear the others, a media socket too.
    ///
    /// # Errors
    /// As [`mute`](Self::mute).
    pub async fn earmuff(&self, call: &CarrierCall) -> Result<()> {
        self.steer(RestOperation::Earmuff, call, VoiceApi::earmuff)
            .await
    }

    /// Lets this leg hear the others again.
    ///
    /// # Errors
    /// As [`mute`](Self::mute).
    pub async fn unearmuff(&self, call: &CarrierCall) -> Result<()> {
        self.steer(RestOperation::Unearmuff, call, VoiceApi::unearmuff)
            .await
    }

    /// Speaks a text into a call, beside what runs. Not sent again if nobody knows whether it was taken: it would be heard
    /// twice.
    ///
    /// # Errors
    /// As [`mute`](Self::mute); [`InvalidArgument`](ErrorKind::InvalidArgument) for a text, language or level that Vonage
    /// does not take.
    pub async fn start_talk(&self, call: &CarrierCall, talk: &Talk) -> Result<()> {
        self.steer(RestOperation::StartTalk, call, |api, token, id| {
            api.start_talk(token, id, talk)
        })
        .await
    }

    /// Stops speaking into a call.
    ///
    /// # Errors
    /// As [`mute`](Self::mute).
    pub async fn stop_talk(&self, call: &CarrierCall) -> Result<()> {
        self.steer(RestOperation::StopTalk, call, VoiceApi::stop_talk)
            .await
    }

    /// Plays an audio file into a call, beside what runs. Not sent again if nobody knows whether it was taken.
    ///
    /// # Errors
    /// As [`mute`](Self::mute); [`InvalidArgument`](ErrorKind::InvalidArgument) for a URL or level that Vonage does not take.
    pub async fn start_stream(&self, call: &CarrierCall, audio: &StreamAudio) -> Result<()> {
        self.steer(RestOperation::StartStream, call, |api, token, id| {
            api.start_stream(token, id, audio)
        })
        .await
    }

    /// Stops playing an audio file into a call.
    ///
    /// # Errors
    /// As [`mute`](Self::mute).
    pub async fn stop_stream(&self, call: &CarrierCall) -> Result<()> {
        self.steer(RestOperation::StopStream, call, VoiceApi::stop_stream)
            .await
    }

    /// Has every key reported to the app as it is pressed. The NCCO must have an `input` with the mode `asynchronous`, so it
    /// is a document of the app's own. `links` are those of the call: [`Calls::links`](telephony_core::Calls::links).
    ///
    /// # Errors
    /// As [`mute`](Self::mute).
    pub async fn subscribe_dtmf(&self, call: &CarrierCall, links: &CallLinks) -> Result<()> {
        self.steer(RestOperation::SubscribeDtmf, call, |api, token, id| {
            api.subscribe_dtmf(token, id, links)
        })
        .await
    }

    /// Has keys not reported any longer.
    ///
    /// # Errors
    /// As [`mute`](Self::mute).
    pub async fn unsubscribe_dtmf(&self, call: &CarrierCall) -> Result<()> {
        self.steer(
            RestOperation::UnsubscribeDtmf,
            call,
            VoiceApi::unsubscribe_dtmf,
        )
        .await
    }

    /// A page of the calls that Vonage knows at the account's own host.
    ///
    /// # Errors
    /// What Vonage says; [`InvalidArgument`](ErrorKind::InvalidArgument) for a filter that it does not take.
    pub async fn list_calls(&self, filter: &CallFilter) -> Result<CallPage> {
        self.page(filter, None).await
    }
}
