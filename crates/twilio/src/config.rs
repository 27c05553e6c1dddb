//! Credentials and options of one Twilio account.
//!
//! ```
//! use telephony_core::Secret;
//! use telephony_twilio::TwilioConfig;
//!
//! let config = TwilioConfig::new("AC0123", Secret::new("the auth token"))
//!     .with_next_auth_token(Secret::new("the one after the rotation"))
//!     .with_region("ie1", "dublin");
//! config.validate()?;
//! assert_eq!(config.api_url(), "https://api.dublin.ie1.twilio.com");
//! # Ok::<(), telephony_core::Error>(())
//! ```

use crate::NAME;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::collections::BTreeMap;
use telephony_core::{ConfigKey, Error, PublicUrl, Result, Secret, de};

/// The keys of the configuration; in the environment `TWILIO_ACCOUNT_SID` and so on.
///
/// | key | meaning |
/// |---|---|
/// | `account_sid` | the account's SID, required |
/// | `auth_token` | the auth token that signs webhooks, required; a list during a rotation, the current one first |
/// | `api_key_sid`, `api_key_secret` | an API key for REST in the place of the auth token; both or none. Never signs webhooks |
/// | `region`, `edge` | where REST requests go: `ie1` and `dublin`; both or none, for one alone leads to US1 |
/// | `base_url` | another host for REST requests: a proxy, a test server, a Twilio dialect |
/// | `calls_per_second` | how many new calls a second are started at most; default 1, which is what Twilio gives an account unless it raised that. Fewer for each of several nodes: `0.5` |
/// | `subaccounts` | a map from a subaccount's SID to its auth token or tokens; from a file only |
pub const KEYS: &[ConfigKey] = &[
    ConfigKey::required("account_sid"),
    ConfigKey::required("auth_token"),
    ConfigKey::optional("api_key_sid"),
    ConfigKey::optional("api_key_secret"),
    ConfigKey::optional("base_url"),
    ConfigKey::optional("region"),
    ConfigKey::optional("edge"),
    ConfigKey::optional("calls_per_second"),
    ConfigKey::optional("subaccounts"),
];

/// How many new calls a second an account has unless Twilio raised it (Twilio docs); more wait at Twilio, up to a bound.
const CALLS_PER_SECOND: f64 = 1.0;
/// Slower than that is a mistake.
const FEWEST_CALLS_PER_SECOND: f64 = 0.001;

/// Credentials and options of one Twilio account. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioConfig {
    account_sid: String,
    #[serde(rename = "auth_token", deserialize_with = "de::list")]
    auth_tokens: Vec<Secret>,
    api_key_sid: Option<String>,
    api_key_secret: Option<Secret>,
    base_url: Option<String>,
    region: Option<String>,
    edge: Option<String>,
    #[serde(default = "one_a_second", deserialize_with = "rate")]
    calls_per_second: f64,
    #[serde(default)]
    subaccounts: BTreeMap<String, Tokens>,
}

/// The auth tokens of a subaccount.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Tokens(#[serde(deserialize_with = "de::list")] Vec<Secret>);

impl TwilioConfig {
    /// An account and its auth token.
    #[must_use]
    pub fn new(account_sid: impl Into<String>, auth_token: Secret) -> Self {
        Self {
            account_sid: account_sid.into(),
            auth_tokens: vec![auth_token],
            api_key_sid: None,
            api_key_secret: None,
            base_url: None,
            region: None,
            edge: None,
            calls_per_second: CALLS_PER_SECOND,
            subaccounts: BTreeMap::new(),
        }
    }

    /// Takes webhooks signed with this token too. Twilio signs with the primary token only, so during a rotation both the
    /// one that is about to go and the one that is to come are needed.
    #[must_use]
    pub fn with_next_auth_token(mut self, token: Secret) -> Self {
        self.auth_tokens.push(token);
        self
    }

    /// Uses this API key for REST requests.
    #[must_use]
    pub fn with_api_key(mut self, sid: impl Into<String>, secret: Secret) -> Self {
        self.api_key_sid = Some(sid.into());
        self.api_key_secret = Some(secret);
        self
    }

    /// Sends REST requests to this region through this edge (`ie1`, `dublin`). Tokens and keys are per region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>, edge: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self.edge = Some(edge.into());
        self
    }

    /// Sends REST requests to this base URL, whatever the region: `https`, or `http` on loopback.
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

    /// Takes webhooks of this subaccount too: its calls are signed with its own token. Again for the same subaccount adds
    /// another token.
    #[must_use]
    pub fn with_subaccount(mut self, account_sid: impl Into<String>, token: Secret) -> Self {
        self.subaccounts
            .entry(account_sid.into())
            .or_insert_with(|| Tokens(Vec::new()))
            .0
            .push(token);
        self
    }

    /// The account's SID.
    #[must_use]
    pub fn account_sid(&self) -> &str {
        &self.account_sid
    }

    /// How many new calls a second are started at most.
    #[must_use]
    pub fn calls_per_second(&self) -> f64 {
        self.calls_per_second
    }

    /// The base URL of REST requests, without a trailing slash.
    #[must_use]
    pub fn api_url(&self) -> String {
        match (&self.base_url, &self.edge, &self.region) {
            (Some(url), ..) => url.trim().trim_end_matches('/').to_owned(),
            (None, Some(edge), Some(region)) => format!("https://api.{edge}.{region}.twilio.com"),
            _ => "https://api.twilio.com".to_owned(),
        }
    }

    /// The tokens that may sign a request of that account; none if the account is not known.
    pub(crate) fn tokens_of(&self, account_sid: &str) -> Option<&[Secret]> {
        if account_sid == self.account_sid {
            return Some(&self.auth_tokens);
        }
        self.subaccounts
            .get(account_sid)
            .map(|tokens| tokens.0.as_slice())
    }

    /// The tokens of the account itself.
    pub(crate) fn own_tokens(&self) -> &[Secret] {
        &self.auth_tokens
    }

    /// All tokens: the upgrade of a media socket does not say which account it is of.
    pub(crate) fn all_tokens(&self) -> impl Iterator<Item = &Secret> {
        let of_subaccounts = self.subaccounts.values().flat_map(|tokens| &tokens.0);
        self.auth_tokens.iter().chain(of_subaccounts)
    }

    /// The user and the password of REST requests about that account; none if the account is not known. An API key is of
    /// the account itself: a subaccount has its own token.
    pub(crate) fn rest_credentials(&self, account_sid: &str) -> Option<(&str, &Secret)> {
        if account_sid == self.account_sid
            && let (Some(sid), Some(secret)) = (&self.api_key_sid, &self.api_key_secret)
        {
            return Some((sid, secret));
        }
        let (own, tokens) = if account_sid == self.account_sid {
            (self.account_sid.as_str(), self.auth_tokens.as_slice())
        } else {
            let (sid, tokens) = self.subaccounts.get_key_value(account_sid)?;
            (sid.as_str(), tokens.0.as_slice())
        };
        Some((own, tokens.first()?))
    }

    /// Checks what one value alone does not show. [`Twilio::new`](crate::Twilio::new) does it too.
    ///
    /// # Errors
    /// [`Configuration`](telephony_core::ErrorKind::Configuration) that names the key, never its value.
    pub fn validate(&self) -> Result<()> {
        check_sid("account_sid", &self.account_sid)?;
        if self.account_sid.starts_with("SK") {
            return Err(fail(
                "`account_sid` is the SID of an API key: put that into `api_key_sid`, and the account's (AC…) here",
            ));
        }
        if self.auth_tokens.iter().any(is_blank) {
            return Err(fail("`auth_token` is empty"));
        }
        match (&self.api_key_sid, &self.api_key_secret) {
            (None, None) => {}
            (Some(_), None) => return Err(fail("`api_key_sid` needs `api_key_secret`")),
            (None, Some(_)) => return Err(fail("`api_key_secret` needs `api_key_sid`")),
            (Some(sid), Some(secret)) => {
                check_sid("api_key_sid", sid)?;
                if is_blank(secret) {
                    return Err(fail("`api_key_secret` is empty"));
                }
            }
        }
        self.validate_host()?;
        let rate = self.calls_per_second;
        if !rate.is_finite() || rate < FEWEST_CALLS_PER_SECOND {
            return Err(fail("`calls_per_second` must be a number above 0"));
        }
        for (sid, tokens) in &self.subaccounts {
            check_sid("subaccounts", sid)?;
            if *sid == self.account_sid {
                return Err(fail(
                    "`subaccounts` names the account itself: its tokens belong into `auth_token`",
                ));
            }
            if tokens.0.iter().any(is_blank) {
                return Err(fail("`subaccounts` has an empty token"));
            }
        }
        Ok(())
    }

    fn validate_host(&self) -> Result<()> {
        if let Some(url) = &self.base_url
            && PublicUrl::new(url).is_err()
        {
            return Err(fail(
                "`base_url` must look like https://api.example.com (http on loopback only), without query and user",
            ));
        }
        for (name, label) in [("region", &self.region), ("edge", &self.edge)] {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if let Some(label) = label
                && (label.is_empty() || !label.bytes().all(fits))
            {
                return Err(fail(format!(
                    "`{name}` must be a name in lower case such as `ie1` or `dublin`"
                )));
            }
        }
        // Without an edge Twilio takes the request to US1 whatever the region says, and the other way round.
        match (&self.region, &self.edge) {
            (Some(_), None) if self.base_url.is_none() => Err(fail(
                "`region` needs `edge` (for `ie1`: `dublin`), or `base_url`",
            )),
            (None, Some(_)) if self.base_url.is_none() => Err(fail(
                "`edge` needs `region` (for `dublin`: `ie1`), or `base_url`",
            )),
            _ => Ok(()),
        }
    }
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

/// SIDs go into the paths of REST requests. Otherwise they are opaque: dialects of Twilio have other forms.
fn check_sid(key: &str, sid: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if sid.is_empty() || sid.len() > 64 || !sid.bytes().all(fits) {
        return Err(fail(format!(
            "`{key}` must be a SID: letters and digits only"
        )));
    }
    Ok(())
}

fn is_blank(secret: &Secret) -> bool {
    secret.expose().trim().is_empty()
}

fn fail(detail: impl Into<String>) -> Error {
    Error::configuration(detail.into()).with_provider(NAME)
}
