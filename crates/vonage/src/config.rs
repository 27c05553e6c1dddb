//! What an account is configured with.
//!
//! ```
//! use telephony_vonage::VonageConfig;
//!
//! let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg==\n-----END PRIVATE KEY-----\n";
//! let config = VonageConfig::new("a1b2c3d", "aaaaaaaa-bbbb-cccc-dddd-0123456789ab", key, "the signature secret")
//!     .with_signature_secret("the one before it was rotated");
//! let shown = format!("{config:?}");
//! assert!(!shown.contains("the signature secret") && !shown.contains("rotated") && !shown.contains("MIIE"));
//! ```

pub(crate) mod private_key;

use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{ConfigKey, Error, PublicUrl, Result, Secret, de};

/// The keys that the configuration knows; in the environment `VONAGE_API_KEY` and so on.
///
/// | key | meaning | default |
/// |---|---|---|
/// | `api_key` | the account's API key, compared with the claim of that name in every signature | required |
/// | `application_id` | the Voice application, compared with the claim of that name where it is there | required |
/// | `private_key` | the application's private key: PEM text, where `\n` may stand for a line break, or the path to a PEM file | required |
/// | `signature_secret` | what Vonage signs webhooks with; several during a rotation, with commas between them | required |
/// | `allow_get` | take signed webhooks by GET too; see [`with_get`](VonageConfig::with_get) for what that gives up | `false` |
/// | `get_payload_hash` | with `allow_get`: `check` compares the payload hash with the query, `off` does not | `off` |
/// | `media_rate` | sample rate of media sockets: 8000, 16000 or 24000 Hz | 16000 |
/// | `websocket_authorization` | `vonage`: media sockets are opened with a signature; `none`: without | `vonage` |
/// | `require_upgrade_token` | refuse a media socket that is opened without a signature | `false` |
/// | `max_age` | how old a signature may be, in seconds | 300 |
/// | `max_ahead` | how far Vonage's clock may be ahead of ours, in seconds | 30 |
/// | `base_url` | REST host, for a region or a simulator: `https://…`, or `http://…` on loopback | `https://api.nexmo.com` |
/// | `calls_per_second` | how many calls are placed per second at most; the account's limit, less what dials in answers need | 3 |
pub const KEYS: &[ConfigKey] = &[
    ConfigKey::required("api_key"),
    ConfigKey::required("application_id"),
    ConfigKey::required("private_key"),
    ConfigKey::required("signature_secret"),
    ConfigKey::optional("allow_get"),
    ConfigKey::optional("get_payload_hash"),
    ConfigKey::optional("media_rate"),
    ConfigKey::optional("websocket_authorization"),
    ConfigKey::optional("require_upgrade_token"),
    ConfigKey::optional("max_age"),
    ConfigKey::optional("max_ahead"),
    ConfigKey::optional("base_url"),
    ConfigKey::optional("calls_per_second"),
];

/// The rates that a media socket can have (Vonage's OpenAPI of the Voice API, 1.10.0).
pub(crate) const RATES: [SampleRate; 3] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
];

/// What an account is configured with; see [`KEYS`]. `Debug` shows no secret.
///
/// The private key is for REST. Here it is only checked that it looks like one; it is parsed when REST
/// needs it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VonageConfig {
    pub(crate) api_key: String,
    pub(crate) application_id: String,
    pub(crate) private_key: Secret,
    #[serde(rename = "signature_secret", deserialize_with = "de::list")]
    pub(crate) signature_secrets: Vec<Secret>,
    #[serde(default, deserialize_with = "de::flag")]
    pub(crate) allow_get: bool,
    #[serde(default)]
    pub(crate) get_payload_hash: GetPayloadHash,
    #[serde(default = "default_rate", deserialize_with = "rate")]
    pub(crate) media_rate: SampleRate,
    #[serde(default)]
    pub(crate) websocket_authorization: WebsocketAuthorization,
    #[serde(default, deserialize_with = "de::flag")]
    pub(crate) require_upgrade_token: bool,
    #[serde(default = "default_max_age", deserialize_with = "de::seconds")]
    pub(crate) max_age: Duration,
    #[serde(default = "default_max_ahead", deserialize_with = "de::seconds")]
    pub(crate) max_ahead: Duration,
    #[serde(default)]
    pub(crate) base_url: Option<String>,
    #[serde(default = "default_calls", deserialize_with = "calls")]
    pub(crate) calls_per_second: u32,
}

/// What is done with the payload hash of a webhook by GET.
///
/// How Vonage writes a query as the JSON that it hashes is only roughly published: the types of numbers and of nested
/// values are not. So nobody can promise that a genuine request passes the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GetPayloadHash {
    /// It is not looked at.
    #[default]
    Off,
    /// It must be there and be the hash of one of the ways to write the query as JSON.
    Check,
}

/// What Vonage is told to send in the `Authorization` header when it opens a media socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WebsocketAuthorization {
    /// A signature as on webhooks.
    #[default]
    Vonage,
    /// Nothing is said about it.
    None,
}

impl VonageConfig {
    /// The defaults, with what there is no account without. `private_key` is PEM text or the path to a PEM file.
    #[must_use]
    pub fn new(
        api_key: impl Into<String>,
        application_id: impl Into<String>,
        private_key: impl Into<String>,
        signature_secret: impl Into<String>,
    ) -> Self {
        Self {
            api_key: api_key.into(),
            application_id: application_id.into(),
            private_key: Secret::new(private_key.into()),
            signature_secrets: vec![Secret::new(signature_secret.into())],
            allow_get: false,
            get_payload_hash: GetPayloadHash::Off,
            media_rate: default_rate(),
            websocket_authorization: WebsocketAuthorization::Vonage,
            require_upgrade_token: false,
            max_age: default_max_age(),
            max_ahead: default_max_ahead(),
            base_url: None,
            calls_per_second: default_calls(),
        }
    }

    /// Another signature secret that is good too, while secrets are rotated.
    #[must_use]
    pub fn with_signature_secret(mut self, secret: impl Into<String>) -> Self {
        self.signature_secrets.push(Secret::new(secret.into()));
        self
    }

    /// Takes webhooks by GET too, and does this with their payload hash.
    ///
    /// A GET has no body, so with [`GetPayloadHash::Off`] the signature proves who made it and when, but **not what it
    /// says**: whoever sees one such request can send its token with any query for as long as
    /// [`max_age`](Self::with_window) allows. Have Vonage use POST.
    #[must_use]
    pub fn with_get(mut self, payload_hash: GetPayloadHash) -> Self {
        self.allow_get = true;
        self.get_payload_hash = payload_hash;
        self
    }

    /// The sample rate of media sockets: 8000, 16000 or 24000 Hz. Default 16000 Hz.
    #[must_use]
    pub fn with_media_rate(mut self, rate: SampleRate) -> Self {
        self.media_rate = rate;
        self
    }

    /// What Vonage sends in the `Authorization` header when it opens a media socket.
    #[must_use]
    pub fn with_websocket_authorization(mut self, authorization: WebsocketAuthorization) -> Self {
        self.websocket_authorization = authorization;
        self
    }

    /// Refuses a media socket that is opened without a signature. Without this the token in the URL is enough, because it
    /// is not certain that Vonage signs every upgrade.
    #[must_use]
    pub fn with_required_upgrade_token(mut self) -> Self {
        self.require_upgrade_token = true;
        self
    }

    /// How old a signature may be (default 300 s), and how far ahead of our clock (default 30 s). Vonage publishes neither.
    #[must_use]
    pub fn with_window(mut self, max_age: Duration, max_ahead: Duration) -> Self {
        self.max_age = max_age;
        self.max_ahead = max_ahead;
        self
    }

    /// Another REST host: `https://…`, or `http://…` on loopback.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// How many calls are placed per second at most. Default 3, as Vonage's own for an account. Vonage counts dials in answers
    /// too, and those of every node.
    #[must_use]
    pub fn with_calls_per_second(mut self, calls: u32) -> Self {
        self.calls_per_second = calls;
        self
    }

    /// The configuration with the private key as PEM text, if it can be used.
    pub(crate) fn checked(mut self) -> Result<Self> {
        for (name, empty) in [
            ("api_key", self.api_key.trim().is_empty()),
            ("application_id", self.application_id.trim().is_empty()),
            ("private_key", self.private_key.expose().trim().is_empty()),
            (
                "signature_secret",
                self.signature_secrets.is_empty()
                    || self
                        .signature_secrets
                        .iter()
                        .any(|secret| secret.expose().trim().is_empty()),
            ),
        ] {
            if empty {
                return Err(Error::configuration(format!("`{name}` is empty")));
            }
        }
        if !RATES.contains(&self.media_rate) {
            return Err(Error::configuration(
                "`media_rate` must be 8000, 16000 or 24000",
            ));
        }
        if self.calls_per_second == 0 {
            return Err(Error::configuration("`calls_per_second` must be 1 or more"));
        }
        if let Some(url) = &self.base_url {
            let url = PublicUrl::new(url)
                .map_err(|error| Error::configuration(format!("`base_url`: {}", error.detail())))?;
            self.base_url = Some(url.as_str().to_owned());
        }
        self.private_key = private_key::read(&self.private_key)?;
        Ok(self)
    }
}

impl fmt::Debug for VonageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VonageConfig")
            .field("api_key", &self.api_key)
            .field("application_id", &self.application_id)
            .field("private_key", &self.private_key)
            .field("signature_secret", &self.signature_secrets)
            .field("allow_get", &self.allow_get)
            .field("get_payload_hash", &self.get_payload_hash)
            .field("media_rate", &self.media_rate)
            .field("websocket_authorization", &self.websocket_authorization)
            .field("require_upgrade_token", &self.require_upgrade_token)
            .field("max_age", &self.max_age)
            .field("max_ahead", &self.max_ahead)
            .field("base_url", &self.base_url)
            .field("calls_per_second", &self.calls_per_second)
            .finish()
    }
}

fn default_rate() -> SampleRate {
    SampleRate::HZ_16000
}

/// Vonage's page on calls per second.
fn default_calls() -> u32 {
    3
}

fn default_max_age() -> Duration {
    Duration::from_secs(300)
}

fn default_max_ahead() -> Duration {
    Duration::from_secs(30)
}

fn calls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    u32::try_from(de::number(deserializer)?).map_err(|_| D::Error::custom("is too many"))
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SampleRate, D::Error> {
    let hz = de::number(deserializer)?;
    RATES
        .into_iter()
        .find(|rate| u64::from(rate.hz()) == hz)
        .ok_or_else(|| D::Error::custom("is not 8000, 16000 or 24000"))
}
