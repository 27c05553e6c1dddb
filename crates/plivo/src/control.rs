//! Placing and steering calls: requests that [`rest`](crate::rest) writes, sent, and their answers read.

use crate::rest::{
    Among, CallState, Requests, RestOperation, accepted, call_state, hung_up, is_gone, placed_call,
    unanswered,
};
use crate::{NAME, PlivoConfig};
use bytes::Bytes;
use http::{Request, Response};
use std::sync::Arc;
use std::time::SystemTime;
use telephony_core::{
    Answer, CallLinks, CallSnapshot, CarrierCall, Dtmf, Error, ErrorKind, Handover, Limiter,
    OutboundCall, PlacedCall, Ports, Repeat, RestClient, Result, Retry,
};

/// Where a call is looked for. Who asks has a call that is up or was: one request or two. A call that waits is asked for
/// last, because it can only go forward: if it leaves the queue meanwhile, it is found among the live ones.
const PLACES: [Among; 4] = [Among::Live, Among::Ended, Among::Queued, Among::Live];

/// What sends the requests of the account of `config`.
pub(crate) fn rest_client(config: &PlivoConfig, ports: &Ports) -> RestClient {
    let calls = Limiter::per_second(config.calls_per_second());
    RestClient::new(ports)
        .of(&crate::PROVIDER)
        .with_call_limiter(Arc::new(calls))
}

/// The operations of one account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Control<'a> {
    config: &'a PlivoConfig,
    rest: &'a RestClient,
}

impl<'a> Control<'a> {
    pub(crate) fn new(config: &'a PlivoConfig, rest: &'a RestClient) -> Self {
        Self { config, rest }
    }

    pub(crate) async fn make_call(
        self,
        call: &OutboundCall,
        links: &CallLinks,
    ) -> Result<PlacedCall> {
        let operation = RestOperation::PlaceCall;
        let request = Requests::new(self.config)?.place_call(call, links)?;
        let read = |response: Response<Bytes>, _now| placed_call(call, links, &response);
        self.rest
            .create(operation.name(), request, read)
            .await
            .map_err(|error| unanswered(operation, error))
    }

    /// A call that waits to be dialled is no call yet but a request, and whether it waits is not known before.
    pub(crate) async fn hang_up(self, call: &CarrierCall) -> Result<()> {
        let requests = Requests::new(self.config)?;
        for request in [requests.hang_up(&call.id)?, requests.cancel(&call.id)?] {
            match self.send(RestOperation::HangUp, request).await {
                Err(error) if is_gone(&error) => {}
                result => return result,
            }
        }
        Ok(())
    }

    /// Plivo asks once the stream is over, or at once if there is none.
    pub(crate) async fn transfer(
        self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        let request = Requests::new(self.config)?.transfer(&call.id, answer, links)?;
        self.send(RestOperation::Transfer, request).await?;
        Ok(Handover::AsksAfterStream)
    }

    pub(crate) async fn send_dtmf(self, call: &CarrierCall, keys: &Dtmf) -> Result<()> {
        let request = Requests::new(self.config)?.send_digits(&call.id, keys.digits())?;
        self.send(RestOperation::SendDigits, request).await
    }

    /// A call that nobody knows may have ended this moment: its record is not written at once.
    pub(crate) async fn fetch_call(self, call: &CarrierCall) -> Result<CallSnapshot> {
        let requests = Requests::new(self.config)?;
        for among in PLACES {
            let request = requests.fetch_call(&call.id, among)?;
            match self.ask(request).await {
                Ok(state) => return Ok(state.into_snapshot(call.clone())),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let detail = "Plivo knows no such call; one that has just ended it knows a little later";
        Err(
            Error::new(ErrorKind::NotFound, RestOperation::FetchCall.name(), detail)
                .with_provider(NAME)
                .with_http_status(404)
                .with_retry(Retry::Safe),
        )
    }

    async fn ask(self, request: Request<Bytes>) -> Result<CallState> {
        let read = |response: Response<Bytes>, _now| call_state(&response);
        self.repeat(RestOperation::FetchCall, request, read).await
    }

    async fn send(self, operation: RestOperation, request: Request<Bytes>) -> Result<()> {
        let read = |response: Response<Bytes>, _now| match operation {
            RestOperation::HangUp => hung_up(&response),
            _ => accepted(operation, &response),
        };
        self.repeat(operation, request, read).await
    }

    async fn repeat<T>(
        self,
        operation: RestOperation,
        request: Request<Bytes>,
        read: impl Fn(Response<Bytes>, SystemTime) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let repeat = match operation.is_repeatable() {
            true => Repeat::WhenFailed,
            false => Repeat::WhenNotProcessed,
        };
        self.rest
            .send(operation.name(), request, repeat, read)
            .await
            .map_err(|error| unanswered(operation, error))
    }
}
