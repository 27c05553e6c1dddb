//! The trait that every carrier implements.

use crate::media::{MediaCodec, MediaSocket, StreamTicket, Streamer};
use crate::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, CallSnapshot,
    Capabilities, CarrierCall, Dtmf, Error, Handover, IncomingCall, OutboundCall, PlacedCall,
    ProviderName, Recording, RecordingAudio, RecordingId, Result, Verified, WebhookRequest,
};
use async_trait::async_trait;
use std::any::Any;
use std::fmt::Debug;
use std::time::SystemTime;

/// One account of one carrier.
///
/// The webhook methods are pure: no I/O, no clock. What a carrier cannot do is
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before anything is sent, and the call stays up.
///
/// ```
/// use telephony_core::{Answered, Answer, CallLinks, Result, Telephony, WebhookRequest, verify};
///
/// fn answer(carrier: &dyn Telephony, request: WebhookRequest, links: &CallLinks) -> Result<Answered> {
///     let request = verify(carrier, request)?;
///     let call = carrier.accept_call(&request)?;
///     carrier.incoming_call(&call, &Answer::say("Hello.").then_hang_up(), links)
/// }
/// ```
#[async_trait]
pub trait Telephony: Any + Debug + Send + Sync {
    /// The carrier's name.
    fn provider(&self) -> &ProviderName;

    /// The account's label.
    fn account(&self) -> &AccountLabel;

    /// What the carrier can do.
    fn capabilities(&self) -> Capabilities;

    /// Finds out who signed a request; for the upgrade of a media socket too. Called through [`verify`](crate::verify).
    ///
    /// # Errors
    /// [`Unauthenticated`](crate::ErrorKind::Unauthenticated) if it is not from the carrier, for whatever reason.
    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated>;

    /// Reads a call that comes in.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) if something without which there is no call is missing.
    fn accept_call(&self, request: &Verified) -> Result<IncomingCall>;

    /// Writes what to do with a call that came in.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if the carrier cannot express the answer;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is against the carrier's rules.
    fn incoming_call(
        &self,
        call: &IncomingCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Answered>;

    /// Reads a callback about the status of a call.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) if it cannot be read or names no call.
    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>>;

    /// Reads any callback, also one that names no call, and one about the status.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) if it cannot be read at all.
    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)>;

    /// Writes what goes back for any callback: the answer where the carrier takes one there, else, with [`None`], the right
    /// acknowledgement.
    ///
    /// # Errors
    /// As [`incoming_call`](Self::incoming_call), and [`Unsupported`](crate::ErrorKind::Unsupported) if this callback takes
    /// no answer.
    fn reply(
        &self,
        request: &Verified,
        answer: Option<&Answer>,
        links: &CallLinks,
    ) -> Result<Answered>;

    /// The codec for one media stream.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if the carrier's media needs more than a codec.
    fn media_codec(&self, ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>>;

    /// Runs the media stream of a claimed ticket on `socket`: waits for the carrier's start with a deadline, compares ids
    /// and parameters, then hands the stream over.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout), [`Closed`](crate::ErrorKind::Closed) or
    /// [`Transport`](crate::ErrorKind::Transport) if it never starts; [`Unauthenticated`](crate::ErrorKind::Unauthenticated)
    /// if it is the stream of another call.
    async fn streamer(
        &self,
        socket: Box<dyn MediaSocket>,
        ticket: StreamTicket,
    ) -> Result<Box<dyn Streamer>> {
        let codec = self.media_codec(&ticket)?;
        crate::media::drive(socket, codec, ticket).await
    }

    /// Places a call. It must be in the store already: `links` carry its key. Most apps use
    /// [`Calls::place`](crate::Calls::place), which does that.
    ///
    /// # Errors
    /// What the carrier says; [`Retry::OutcomeUnknown`](crate::Retry::OutcomeUnknown) if nobody knows whether it took it.
    async fn make_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        let _ = (call, links);
        Err(unsupported(self.provider(), "place call"))
    }

    /// How the answer of `call` would reach the carrier if it were placed now: whether the carrier asks for it, or gets it
    /// with the call. Sends nothing; asked before the call is placed.
    ///
    /// # Errors
    /// As [`make_call`](Self::make_call), as far as it is known before anything is sent.
    fn plan_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<Handover> {
        let _ = (call, links);
        Ok(Handover::Asks)
    }

    /// The same for a [transfer](Self::transfer).
    ///
    /// # Errors
    /// As there, as far as it is known before anything is sent.
    fn plan_transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        let _ = (call, answer, links);
        Ok(Handover::Asks)
    }

    /// Ends a call. Already gone is success.
    ///
    /// # Errors
    /// What the carrier says.
    async fn hang_up(&self, call: &CarrierCall) -> Result<()> {
        let _ = call;
        Err(unsupported(self.provider(), "hang up"))
    }

    /// Gives a call something else to do, in the place of what it does now: another party ([`Answer::dial`]) or any answer.
    /// Accepted is not done: how it went comes as a [`CallEvent`].
    ///
    /// # Errors
    /// What the carrier says.
    async fn transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        let _ = (call, answer, links);
        Err(unsupported(self.provider(), "transfer call"))
    }

    /// Sends keys into a call. What that does to what the call is doing, the [capabilities](Capabilities::dtmf_out) say.
    ///
    /// # Errors
    /// What the carrier says; [`Unsupported`](crate::ErrorKind::Unsupported) if it needs to know what comes after and
    /// [`Dtmf::then`] does not say it.
    async fn send_dtmf(&self, call: &CarrierCall, keys: &Dtmf, links: &CallLinks) -> Result<()> {
        let _ = (call, keys, links);
        Err(unsupported(self.provider(), "send DTMF"))
    }

    /// Starts a recording of a live call at the carrier, and gives its id.
    ///
    /// # Errors
    /// What the carrier says.
    async fn start_recording(&self, call: &CarrierCall, links: &CallLinks) -> Result<RecordingId> {
        let _ = (call, links);
        Err(unsupported(self.provider(), "start recording"))
    }

    /// Stops a recording.
    ///
    /// # Errors
    /// What the carrier says.
    async fn stop_recording(&self, call: &CarrierCall, recording: &RecordingId) -> Result<()> {
        let _ = (call, recording);
        Err(unsupported(self.provider(), "stop recording"))
    }

    /// Asks what became of a call.
    ///
    /// # Errors
    /// What the carrier says.
    async fn fetch_call(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        let _ = call;
        Err(unsupported(self.provider(), "fetch call"))
    }

    /// Looks for a call that may have been placed: the calls that the carrier knows between these parties since then, those
    /// that are likeliest first. None is a proof only as far as the carrier's list goes; its crate says how far.
    ///
    /// # Errors
    /// What the carrier says.
    async fn find_placed(
        &self,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        let _ = (call, since);
        Err(unsupported(self.provider(), "find call"))
    }

    /// Fetches the audio of a recording, from the carrier's own hosts only.
    ///
    /// # Errors
    /// What the carrier says; [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is somewhere else;
    /// [`NotFound`](crate::ErrorKind::NotFound), with [`Retry::Safe`](crate::Retry::Safe), if it is not there yet.
    async fn fetch_recording(&self, recording: &Recording) -> Result<RecordingAudio> {
        let _ = recording;
        Err(unsupported(self.provider(), "fetch recording"))
    }
}

impl dyn Telephony {
    /// The carrier as its own type, for what only that carrier can do; [`None`] if it is another one.
    ///
    /// ```
    /// use telephony_core::Telephony;
    ///
    /// fn has_more_to_offer<Carrier: Telephony>(account: &dyn Telephony) -> bool {
    ///     account.downcast_ref::<Carrier>().is_some()
    /// }
    /// ```
    #[must_use]
    pub fn downcast_ref<T: Telephony>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

fn unsupported(provider: &ProviderName, operation: &'static str) -> Error {
    Error::unsupported(operation, "this carrier has no such operation").with_provider(provider)
}
