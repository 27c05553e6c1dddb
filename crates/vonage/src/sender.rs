//! Sending the requests of one account: with a token, within the rate, repeated where that is safe.

use crate::config::VonageConfig;
use crate::rest::{ApplicationToken, RestKey, RestOperation, TokenCache, VoiceApi};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use telephony_core::{
    CarrierCall, Clock, Error, Limiter, Ports, RandomSource, Repeat, RestClient, Result, Retry,
};

/// How many requests other than new calls an account may send (Vonage's page on throughput).
const REQUESTS_PER_SECOND: f64 = 15.0;

/// Sends the requests of one account. `Debug` shows no secret.
pub(crate) struct Sender {
    api: VoiceApi,
    client: RestClient,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    // Held for one look or one signature, never across an await.
    signer: Mutex<Signer>,
}

/// The key is parsed once, when it is first needed.
#[derive(Default)]
struct Signer {
    key: Option<RestKey>,
    cache: TokenCache,
}

impl Sender {
    /// For that account, with limiters of its own.
    pub(crate) fn new(config: &VonageConfig, ports: &Ports) -> Result<Self> {
        let calls = Limiter::per_second(f64::from(config.calls_per_second));
        let requests = Limiter::per_second(REQUESTS_PER_SECOND);
        Ok(Self {
            api: VoiceApi::new(config)?,
            client: RestClient::new(ports)
                .of(&crate::provider_name())
                .with_call_limiter(Arc::new(calls))
                .with_request_limiter(Arc::new(requests)),
            clock: Arc::clone(&ports.clock),
            random: Arc::clone(&ports.random),
            signer: Mutex::default(),
        })
    }

    /// The requests of the account, where the account lives.
    pub(crate) fn api(&self) -> &VoiceApi {
        &self.api
    }

    /// The requests of the account in that region, if one is named.
    ///
    /// # Errors
    /// As [`VoiceApi::at_region`]: before anything is sent.
    pub(crate) fn api_at(&self, region_url: Option<&str>) -> Result<Cow<'_, VoiceApi>> {
        match region_url {
            Some(region_url) => self.api.at_region(region_url).map(Cow::Owned),
            None => Ok(Cow::Borrowed(&self.api)),
        }
    }

    /// The requests of the account where this call lives.
    ///
    /// # Errors
    /// As [`api_at`](Self::api_at).
    pub(crate) fn api_of(&self, call: &CarrierCall) -> Result<Cow<'_, VoiceApi>> {
        self.api_at(call.home.as_deref())
    }

    /// Builds a request, sends it and reads the answer. If Vonage does not take a token that was good before (the clock was
    /// set, the key was changed), a fresh one is tried, once: what was refused for its token was not done, so that is safe
    /// for every operation.
    ///
    /// # Errors
    /// What `build` says, before anything is sent; what `read` says, or the HTTP client.
    pub(crate) async fn send<T: Send>(
        &self,
        operation: RestOperation,
        build: impl Fn(&ApplicationToken) -> Result<Request<Bytes>> + Send + Sync,
        read: impl Fn(&Response<Bytes>, SystemTime) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let (token, is_kept) = self.token()?;
        let error = match self.send_once(operation, build(&token)?, &read).await {
            Err(error) if is_unauthorized(&error) => error,
            result => return result,
        };
        self.forget(&token);
        if !is_kept {
            return Err(error);
        }
        let (token, _) = self.token()?;
        let result = self.send_once(operation, build(&token)?, &read).await;
        if result.as_ref().is_err_and(is_unauthorized) {
            self.forget(&token);
        }
        result
    }

    async fn send_once<T>(
        &self,
        operation: RestOperation,
        request: Request<Bytes>,
        read: &(impl Fn(&Response<Bytes>, SystemTime) -> Result<T> + Send + Sync),
    ) -> Result<T> {
        let name = operation.name();
        let read = |response: Response<Bytes>, now| read(&response, now);
        let result = if operation == RestOperation::PlaceCall {
            self.client.create(name, request, read).await
        } else {
            let repeat = if operation.is_repeatable() {
                Repeat::WhenFailed
            } else {
                Repeat::WhenNotProcessed
            };
            self.client.send(name, request, repeat, read).await
        };
        result.map_err(|error| explained(operation, error))
    }

    /// A token that is good now, and whether it was good before.
    fn token(&self) -> Result<(ApplicationToken, bool)> {
        let now = self.clock.now();
        let mut signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = signer.cache.fresh(now) {
            return Ok((token.clone(), true));
        }
        let key = match signer.key.take() {
            Some(key) => key,
            None => self.api.key()?,
        };
        let key = signer.key.insert(key);
        let token = key.token(self.api.application_id(), &self.unique_id()?, now)?;
        Ok((signer.cache.keep(token).clone(), false))
    }

    /// Gives this token up, unless there is another one already.
    fn forget(&self, token: &ApplicationToken) {
        let mut signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        if signer.cache.fresh(self.clock.now()) == Some(token) {
            signer.cache.forget();
        }
    }

    /// A random UUID, as Vonage's SDKs give their tokens.
    fn unique_id(&self) -> Result<String> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).map_err(crate::ours)?;
        let value = u128::from_be_bytes(bytes);
        let versioned = value & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{versioned:032x}");
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        Ok(format!("{a}-{b}-{c}-{d}-{e}"))
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

fn is_unauthorized(error: &Error) -> bool {
    error.http_status() == Some(StatusCode::UNAUTHORIZED.as_u16())
}

/// The error as Vonage's. One of a request that was lost on its way says what to do, as an answer's does.
fn explained(operation: RestOperation, error: Error) -> Error {
    if error.retry() != Retry::OutcomeUnknown || error.http_status().is_some() {
        return crate::ours(error);
    }
    let detail = format!("{}; {}", error.detail(), operation.when_unknown());
    crate::ours(
        Error::new(error.kind(), operation.name(), detail)
            .with_retry(Retry::OutcomeUnknown)
            .with_source(error),
    )
}
