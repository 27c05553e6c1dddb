//! Credentials and options of one Plivo account.
//!
//! ```
//! use telephony_core::Secret;
//! use telephony_plivo::PlivoConfig;
//!
//! let config = PlivoConfig::new("MA0123", Secret::new("the auth token"))
//!     .with_next_auth_token(Secret::new("the one after the rotation"));
//! config.validate()?;
//! assert_eq!(config.api_url(), "https://api.plivo.com");
//! # Ok::<(), telephony_core::Error>(())
//! ```

use crate::NAME;
use serde::{Deserialize, Deserializer, de::Error as _};
use telephony_core::{ConfigKey, Error, PublicUrl, Result, Secret, de};

/// The keys of the configuration; in the environment `PLIVO_AUTH_ID` and so on.
///
/// | key | meaning |
/// |---|---|
/// | `auth_id` | the account's id, required: `MA…`, or `SA…` for a subaccount |
/// | `auth_token` | the token that signs webhooks and is the password of REST requests, required; a list during a rotation, the current one first |
/// | `require_upgrade_signature` | refuse a media socket that comes without a signature; default `true` |
/// | `base_url` | another host for REST requests: a proxy, a simulated Plivo |
/// | `calls_per_second` | how many new calls a second are started at most; default 1. Fewer for each of several nodes: `0.5` |
pub const KEYS: &[ConfigKey] = &[
    ConfigKey::required("auth_id"),
    ConfigKey::required("auth_token"),
    ConfigKey::optional("require_upgrade_signature"),
    ConfigKey::optional("base_url"),
    ConfigKey::optional("calls_per_second"),
];

/// What Plivo gives an account differs; more than it gives wait at Plivo.
const CALLS_PER_SECOND: f64 = 1.0;
/// Slower than that is a mistake.
const FEWEST_CALLS_PER_SECOND: f64 = 0.001;

/// Credentials and options of one Plivo account. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlivoConfig {
    auth_id: String,
    #[serde(rename = "auth_token", deserialize_with = "de::list")]
    auth_tokens: Vec<Secret>,
    #[serde(default = "yes", deserialize_with = "de::flag")]
    require_upgrade_signature: bool,
    base_url: Option<String>,
    #[serde(default = "one_a_second", deserialize_with = "rate")]
    calls_per_second: f64,
}

impl PlivoConfig {
    /// An account and its auth token.
    #[must_use]
    pub fn new(auth_id: impl Into<String>, auth_token: Secret) -> Self {
        Self {
            auth_id: auth_id.into(),
            auth_tokens: vec![auth_token],
            require_upgrade_signature: true,
            base_url: None,
            calls_per_second: CALLS_PER_SECOND,
        }
    }

    /// Takes webhooks signed with this token too: during a rotation, or with the main account's for a subaccount.
    #[must_use]
    pub fn with_next_auth_token(mut self, token: Secret) -> Self {
        self.auth_tokens.push(token);
        self
    }

    /// Takes media sockets that come without a signature: the token in their path guards them all the same. A signature
    /// that is there must be right.
    #[must_use]
    pub fn with_unsigned_upgrades(mut self) -> Self {
        self.require_upgrade_signature = false;
        self
    }

    /// Sends REST requests to this base URL: `https`, or `http` on loopback.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Starts so many new calls a second at most. Default 1.
    #[must_use]
    pub fn with_calls_per_second(mut self, calls: f64) -> Self {
        self.calls_per_second = calls;
        self
    }

    /// The account's id.
    #[must_use]
    pub fn auth_id(&self) -> &str {
        &self.auth_id
    }

    /// How many new calls a second are started at most.
    #[must_use]
    pub fn calls_per_second(&self) -> f64 {
        self.calls_per_second
    }

    /// The base URL of REST requests, without a trailing slash.
    #[must_use]
    pub fn api_url(&self) -> &str {
        match &self.base_url {
            Some(url) => url.trim().trim_end_matches('/'),
            None => "https://api.plivo.com",
        }
    }

    /// The tokens that may sign a request, the current one first.
    pub(crate) fn tokens(&self) -> &[Secret] {
        &self.auth_tokens
    }

    pub(crate) fn requires_upgrade_signature(&self) -> bool {
        self.require_upgrade_signature
    }

    /// Checks what one value alone does not show. [`Plivo::new`](crate::Plivo::new) does it too.
    ///
    /// # Errors
    /// [`Configuration`](telephony_core::ErrorKind::Configuration) that names the key, never its value.
    pub fn validate(&self) -> Result<()> {
        let id = &self.auth_id;
        // It goes into the path of REST requests.
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(fail("`auth_id` must be letters and digits: MA… or SA…"));
        }
        let is_blank = |token: &Secret| token.expose().trim().is_empty();
        if self.auth_tokens.is_empty() || self.auth_tokens.iter().any(is_blank) {
            return Err(fail("`auth_token` is empty"));
        }
        if let Some(url) = &self.base_url
            && PublicUrl::new(url).is_err()
        {
            return Err(fail(
                "`base_url` must look like https://api.example.com (http on loopback only), without query and user",
            ));
        }
        let rate = self.calls_per_second;
        if !rate.is_finite() || rate < FEWEST_CALLS_PER_SECOND {
            return Err(fail("`calls_per_second` must be a number above 0"));
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

fn one_a_second() -> f64 {
    CALLS_PER_SECOND
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(f64),
    Text(String),
}

/// A number, also as text: in the environment everything is.
fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => Ok(number),
        NumberOrText::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| D::Error::custom("is not a number")),
    }
}

fn fail(detail: &str) -> Error {
    Error::configuration(detail).with_provider(NAME)
}
