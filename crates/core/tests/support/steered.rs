//! A carrier that can be asked for everything, and notes what it is asked.

use super::carrier::Dummy;
use super::{account, call_id, claim, secs};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AfterStream, Answer, Answered, Authenticated, CallEvent, CallId, CallKey, CallLinks,
    CallRecord, CallSnapshot, CallStatus, CallStore, Calls, CallsOptions, Capabilities,
    CarrierCall, ClaimedStream, Direction, Dtmf, DtmfOut, FailedCall, Handover, HangUpBy,
    IncomingCall, MediaGrant, MediaToken, MemoryStore, NewCall, Operation, OsRandom, OutboundCall,
    Party, PlacedCall, Ports, ProviderName, PublicUrl, Report, Result, Telephony, Verified,
    WebhookRequest,
};

/// What the carrier says to everything that changes a call.
pub(crate) type Says = fn() -> Result<Handover>;

/// A carrier that notes what it is asked, with what the store knew then.
#[derive(Debug)]
pub(crate) struct Steered {
    dummy: Dummy,
    capabilities: Capabilities,
    store: Arc<dyn CallStore>,
    says: Mutex<Says>,
    /// How long it takes.
    delay: Duration,
    asked: Mutex<Vec<String>>,
    pub(crate) known: Mutex<Option<CallRecord>>,
    /// The media token that came with the last request.
    pub(crate) offered: Mutex<Option<MediaToken>>,
    /// What it plans, if not what it then does.
    pub(crate) planned: Mutex<Option<Handover>>,
    /// What it says of a call's state.
    pub(crate) state: Mutex<CallStatus>,
}

impl Steered {
    async fn ask(&self, what: String, key: Option<&CallKey>) -> Result<Handover> {
        self.asked.lock().unwrap().push(what);
        if let Some(key) = key {
            let known = self.store.find(key).await.unwrap();
            *self.known.lock().unwrap() = known;
        }
        tokio::time::sleep(self.delay).await;
        let says = *self.says.lock().unwrap();
        says()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn note_offer(&self, links: &CallLinks) {
        let url = links.media_url().ok();
        let token = url.and_then(|url| MediaToken::parse(url.rsplit('/').next()?).ok());
        *self.offered.lock().unwrap() = token;
    }

    /// Unless it fails, it does what was planned.
    fn plan(&self) -> Handover {
        let planned = *self.planned.lock().unwrap();
        planned.unwrap_or_else(|| self.says.lock().unwrap()().unwrap_or(Handover::Sent))
    }

    pub(crate) fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }
}

#[async_trait]
impl Telephony for Steered {
    fn provider(&self) -> &ProviderName {
        self.dummy.provider()
    }

    fn account(&self) -> &telephony_core::AccountLabel {
        self.dummy.account()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        self.dummy.authenticate(request)
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        self.dummy.accept_call(request)
    }

    fn incoming_call(&self, c: &IncomingCall, a: &Answer, l: &CallLinks) -> Result<Answered> {
        self.dummy.incoming_call(c, a, l)
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        self.dummy.status_callback(request)
    }

    fn catch_all_status_callback(&self, r: &Verified) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        self.dummy.catch_all_status_callback(r)
    }

    fn reply(&self, r: &Verified, a: Option<&Answer>, l: &CallLinks) -> Result<Answered> {
        self.dummy.reply(r, a, l)
    }

    fn media_codec(&self, ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        self.dummy.media_codec(ticket)
    }

    fn plan_call(&self, _: &OutboundCall, links: &CallLinks) -> Result<Handover> {
        assert!(links.media_url().is_ok(), "a plan has all that is sent");
        Ok(self.plan())
    }

    fn plan_transfer(&self, _: &CarrierCall, _: &Answer, _: &CallLinks) -> Result<Handover> {
        Ok(self.plan())
    }

    async fn make_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        let media = if links.media_url().is_ok() {
            " with media"
        } else {
            ""
        };
        let key = links.call_key();
        let handover = self.ask(format!("place{media}"), Some(key)).await?;
        let (id, status) = (call_id("CA1"), CallStatus::Initiated);
        let raw = bytes::Bytes::from_static(b"{}");
        let report = Report::placed(self.provider(), &call.from, &call.to, &id, status, raw);
        let carriers = CarrierCall::new(id).at(Some("region-1".to_owned()));
        Ok(PlacedCall::new(key.clone(), carriers, status, report).with_handover(handover))
    }

    async fn hang_up(&self, call: &CarrierCall) -> Result<()> {
        let home = call.home.as_deref().unwrap_or("-");
        self.ask(format!("hang up {} at {home}", call.id), None)
            .await
            .map(drop)
    }

    async fn transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.note_offer(links);
        let what = format!("transfer {} to {} steps", call.id, answer.steps().len());
        let handover = self.ask(what, Some(links.call_key())).await;
        // The carrier may ask before it has answered us.
        if matches!(handover, Ok(Handover::Asks)) {
            let next = self.store.take_next(links.call_key(), "request-1").await?;
            assert_eq!(next.as_ref(), Some(answer));
        }
        handover
    }

    async fn fetch_call(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        self.ask(format!("look at {}", call.id), None).await?;
        let status = *self.state.lock().unwrap();
        Ok(CallSnapshot::new(call.clone(), Some(status)))
    }

    async fn send_dtmf(&self, call: &CarrierCall, keys: &Dtmf, links: &CallLinks) -> Result<()> {
        let media = if links.media_url().is_ok() {
            " with media"
        } else {
            ""
        };
        self.note_offer(links);
        let what = format!("send {} to {}{media}", keys.digits(), call.id);
        self.ask(what, None).await.map(drop)
    }
}

pub(crate) fn able() -> Capabilities {
    Capabilities::new()
        .with_operations([
            Operation::MakeCall,
            Operation::HangUp,
            Operation::Transfer,
            Operation::SendDtmf,
        ])
        .with_dtmf_out(DtmfOut::InPlace)
        .with_hang_up(HangUpBy::ClosingSocket)
}

pub(crate) fn calls(capabilities: Capabilities, delay: Duration) -> (Calls, Arc<Steered>) {
    calls_in(Arc::new(MemoryStore::default()), capabilities, delay)
}

pub(crate) fn calls_in(
    store: Arc<dyn CallStore>,
    capabilities: Capabilities,
    delay: Duration,
) -> (Calls, Arc<Steered>) {
    calls_with(store, Ports::default(), capabilities, delay)
}

pub(crate) fn calls_with(
    store: Arc<dyn CallStore>,
    ports: Ports,
    capabilities: Capabilities,
    delay: Duration,
) -> (Calls, Arc<Steered>) {
    let base = PublicUrl::new("https://voice.example.com").unwrap();
    let options = CallsOptions::default();
    let calls = Calls::with(base, Arc::clone(&store), ports, options);
    let carrier = Arc::new(Steered {
        dummy: Dummy::new("dummy", "main", "token"),
        capabilities,
        store,
        says: Mutex::new(|| Ok(Handover::Sent)),
        delay,
        asked: Mutex::default(),
        known: Mutex::default(),
        offered: Mutex::default(),
        planned: Mutex::default(),
        state: Mutex::new(CallStatus::InProgress),
    });
    calls.add_account(Arc::clone(&carrier) as Arc<dyn Telephony>);
    (calls, carrier)
}

pub(crate) fn outbound(answer: Answer) -> OutboundCall {
    let (to, from) = (Party::parse("+14155550199"), Party::parse("+14155550100"));
    OutboundCall::new(to, from, answer).with_parameter("order", "17")
}

pub(crate) async fn place(
    calls: &Calls,
    label: &str,
    call: OutboundCall,
) -> Result<PlacedCall, FailedCall> {
    calls.place(&account(label), call).await
}

/// A call that came in, with a stream that is up.
pub(crate) async fn live(calls: &Calls, then: AfterStream) -> (CallKey, ClaimedStream, MediaToken) {
    let new = NewCall::new(
        CallKey::random(&OsRandom).unwrap(),
        ProviderName::from_static("dummy"),
        account("main"),
        Direction::Inbound,
        (Party::Withheld, Party::Withheld),
    );
    let new = new.with_call_id(Some(call_id("CA2")));
    let key = calls.store().open(new).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(secs(60)).then(then);
    calls.store().mint_token(&key, &token, grant).await.unwrap();
    let claimed = calls
        .store()
        .claim_token(&account("main"), &claim(&token))
        .await;
    (key, claimed.unwrap(), token)
}
