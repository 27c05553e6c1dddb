//! Credentials and options of one Exotel account.

use serde::{Deserialize, Deserializer, de::Error as _};
use std::str::FromStr;
use telephony_core::audio::{FrameRules, SampleRate};
use telephony_core::{ConfigKey, Error, PublicUrl, Result, Secret, de};

/// Every outbound message is a multiple of this many bytes (Exotel's support article on the Voicebot applet).
const UNIT_BYTES: usize = 320;
/// What an outbound message has normally: the smallest size that Exotel asks for.
const CHUNK_BYTES: usize = 3_200;
/// The most that an outbound message may have.
const MAX_CHUNK_BYTES: usize = 100_000;
/// So many REST requests a minute Exotel takes of an account (documented).
const REQUESTS_PER_MINUTE: u32 = 200;
/// A shorter secret can be guessed.
const MIN_SECRET_CHARS: usize = 8;

/// Credentials and options of one Exotel account.
///
/// | key | | meaning |
/// |---|---|---|
/// | `account_sid` | required | the account's name, as REST paths have it |
/// | `api_key`, `api_token` | required | REST credentials |
/// | `webhook_secret` | required | our own secret, which Exotel's requests carry as `?key=`; several, separated by commas, while it is changed: the first is handed out, all are accepted |
/// | `socket_user`, `socket_password` | both or none | Basic authentication on the media socket |
/// | `media_rate` | 8000 | samples per second: 8000, 16000 or 24000 |
/// | `chunk_bytes` | 3200 | audio per outbound message: a multiple of 320, at most 99840 |
/// | `media_fields` | `full` | `minimal` leaves the counters out of outbound audio messages |
/// | `region` | `singapore` | where the account lives: `singapore` or `mumbai` |
/// | `base_url` | by region | another REST host, for tests |
/// | `requests_per_minute` | 200 | REST requests of all kinds, evenly spaced; who would wait for more than 30 s is refused |
///
/// ```
/// use telephony_exotel::{ExotelConfig, Region};
///
/// let config = ExotelConfig::new("example1", "key", "token", "a-long-random-secret").with_region(Region::Mumbai);
/// assert_eq!(config.rest_url(), "https://api.in.exotel.com");
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExotelConfig {
    account_sid: String,
    api_key: Secret,
    api_token: Secret,
    #[serde(deserialize_with = "de::list")]
    webhook_secret: Vec<Secret>,
    #[serde(default)]
    socket_user: Option<String>,
    #[serde(default)]
    socket_password: Option<Secret>,
    #[serde(default = "default_rate", deserialize_with = "rate")]
    media_rate: SampleRate,
    #[serde(default = "default_chunk", deserialize_with = "size")]
    chunk_bytes: usize,
    #[serde(default, deserialize_with = "word")]
    media_fields: MediaFields,
    #[serde(default, deserialize_with = "word")]
    region: Region,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default = "default_requests", deserialize_with = "requests")]
    requests_per_minute: u32,
}

/// The keys that the configuration knows.
pub const KEYS: &[ConfigKey] = &[
    ConfigKey::required("account_sid"),
    ConfigKey::required("api_key"),
    ConfigKey::required("api_token"),
    ConfigKey::required("webhook_secret"),
    ConfigKey::optional("socket_user"),
    ConfigKey::optional("socket_password"),
    ConfigKey::optional("media_rate"),
    ConfigKey::optional("chunk_bytes"),
    ConfigKey::optional("media_fields"),
    ConfigKey::optional("region"),
    ConfigKey::optional("base_url"),
    ConfigKey::optional("requests_per_minute"),
];

/// Where an account lives. Key, token and account belong to one region; the other's host answers 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Region {
    /// `api.exotel.com`, Exotel's default.
    #[default]
    Singapore,
    /// `api.in.exotel.com`.
    Mumbai,
}

impl FromStr for Region {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word.trim().to_ascii_lowercase().as_str() {
            "singapore" => Ok(Self::Singapore),
            "mumbai" => Ok(Self::Mumbai),
            _ => Err(UnknownWord),
        }
    }
}

/// What an outbound audio message says besides the audio.
///
/// Exotel documents a minimum and a full form and its own samples differ again; some streams are reported to drop early
/// without the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MediaFields {
    /// Sequence number, chunk number and timestamp too.
    #[default]
    Full,
    /// The documented minimum.
    Minimal,
}

impl FromStr for MediaFields {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word.trim().to_ascii_lowercase().as_str() {
            "full" => Ok(Self::Full),
            "minimal" => Ok(Self::Minimal),
            _ => Err(UnknownWord),
        }
    }
}

/// This word is not one of the choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWord;

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this word is not one of the choices")
    }
}

impl std::error::Error for UnknownWord {}

impl ExotelConfig {
    /// An account with default options.
    #[must_use]
    pub fn new(
        account_sid: impl Into<String>,
        api_key: impl Into<String>,
        api_token: impl Into<String>,
        webhook_secret: impl Into<String>,
    ) -> Self {
        Self {
            account_sid: account_sid.into(),
            api_key: Secret::new(api_key.into()),
            api_token: Secret::new(api_token.into()),
            webhook_secret: vec![Secret::new(webhook_secret.into())],
            socket_user: None,
            socket_password: None,
            media_rate: default_rate(),
            chunk_bytes: CHUNK_BYTES,
            media_fields: MediaFields::default(),
            region: Region::default(),
            base_url: None,
            requests_per_minute: default_requests(),
        }
    }

    /// Accepts this secret too, as the `key` of Exotel's requests. Ours are sent with the first one.
    #[must_use]
    pub fn with_further_webhook_secret(mut self, secret: impl Into<String>) -> Self {
        self.webhook_secret.push(Secret::new(secret.into()));
        self
    }

    /// Asks for Basic authentication on the media socket.
    ///
    /// The credentials go into the media URL, from which Exotel takes them out and makes the header. It documents that for
    /// URLs in its console; whether it does so for URLs that come from us is not known, so try it before you rely on it:
    /// where it does not, every socket is refused.
    #[must_use]
    pub fn with_socket_credentials(
        mut self,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.socket_user = Some(user.into());
        self.socket_password = Some(Secret::new(password.into()));
        self
    }

    /// Asks for this rate on the media socket: 8000, 16000 or 24000 Hz.
    #[must_use]
    pub fn with_media_rate(mut self, rate: SampleRate) -> Self {
        self.media_rate = rate;
        self
    }

    /// Sends so many bytes of audio in one message: a multiple of 320, at most 99 840. Exotel advises 3200 or more; smaller
    /// ones end sooner when the caller interrupts.
    #[must_use]
    pub fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Sends this form of audio messages.
    #[must_use]
    pub fn with_media_fields(mut self, fields: MediaFields) -> Self {
        self.media_fields = fields;
        self
    }

    /// The account lives there.
    #[must_use]
    pub fn with_region(mut self, region: Region) -> Self {
        self.region = region;
        self
    }

    /// Sends REST requests to this host: `https://…`, or `http://` on loopback.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sends so many REST requests a minute at most, new calls and all others together: one or more. Exotel takes 200 of an
    /// account; share them out if several processes use it.
    #[must_use]
    pub fn with_requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = requests;
        self
    }

    /// The host of the REST API, without a trailing slash.
    #[must_use]
    pub fn rest_url(&self) -> &str {
        match (&self.base_url, self.region) {
            (Some(url), _) => url.trim().trim_end_matches('/'),
            (None, Region::Singapore) => "https://api.exotel.com",
            (None, Region::Mumbai) => "https://api.in.exotel.com",
        }
    }

    /// The account's name.
    #[must_use]
    pub fn account_sid(&self) -> &str {
        &self.account_sid
    }

    /// Where the account lives.
    #[must_use]
    pub fn region(&self) -> Region {
        self.region
    }

    /// `key:token`, for the `Authorization` header and nothing else.
    pub(crate) fn rest_credentials(&self) -> Secret {
        Secret::new(format!(
            "{}:{}",
            self.api_key.expose(),
            self.api_token.expose()
        ))
    }

    /// All that may be in no text of ours, also if the carrier repeats it. What is so short is part of many words.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        [&self.api_key, &self.api_token]
            .into_iter()
            .chain(&self.webhook_secret)
            .chain(&self.socket_password)
            .map(Secret::expose)
            .filter(|secret| secret.len() >= 4)
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        f64::from(self.requests_per_minute) / 60.0
    }

    pub(crate) fn webhook_secrets(&self) -> &[Secret] {
        &self.webhook_secret
    }

    /// The secret that goes into URLs of ours.
    pub(crate) fn current_secret(&self) -> &str {
        self.webhook_secret.first().map_or("", Secret::expose)
    }

    /// `user:password` of the media socket, where it is asked for.
    pub(crate) fn socket_credentials(&self) -> Option<Secret> {
        let (user, password) = (self.socket_user.as_ref()?, self.socket_password.as_ref()?);
        Some(Secret::new(format!("{user}:{}", password.expose())))
    }

    pub(crate) fn media_rate(&self) -> SampleRate {
        self.media_rate
    }

    pub(crate) fn media_fields(&self) -> MediaFields {
        self.media_fields
    }

    /// How outbound audio is cut.
    pub(crate) fn frames(&self) -> Result<FrameRules> {
        FrameRules::new(UNIT_BYTES, self.chunk_bytes, MAX_CHUNK_BYTES).map_err(|_| {
            fail("`chunk_bytes` must be a multiple of 320, at least 320 and at most 99840")
        })
    }

    /// Checks what serde cannot.
    pub(crate) fn validate(&self) -> Result<()> {
        let plain_sid = !self.account_sid.is_empty() && self.account_sid.bytes().all(is_unreserved);
        if !plain_sid {
            return Err(fail(
                "`account_sid` must have letters, digits and `-._~` only",
            ));
        }
        for (key, secret) in [("api_key", &self.api_key), ("api_token", &self.api_token)] {
            if secret.expose().trim().is_empty() {
                return Err(fail(&format!("`{key}` is empty")));
            }
            if secret.expose().chars().any(char::is_control) {
                return Err(fail(&format!("`{key}` has a line break or the like in it")));
            }
        }
        if self.api_key.expose().contains(':') {
            return Err(fail(
                "`api_key` has a colon in it: key and token are two settings",
            ));
        }
        self.validate_webhook_secrets()?;
        self.validate_socket_credentials()?;
        if !is_offered(self.media_rate) {
            return Err(fail("`media_rate` must be 8000, 16000 or 24000"));
        }
        if self.requests_per_minute == 0 {
            return Err(fail("`requests_per_minute` must be 1 or more"));
        }
        if let Some(url) = &self.base_url
            && PublicUrl::new(url).is_err()
        {
            return Err(fail(
                "`base_url` must look like https://api.example.com; http is for loopback only",
            ));
        }
        self.frames().map(drop)
    }

    /// They are pasted into URLs by hand: with characters that need no escape nobody gets that wrong.
    fn validate_webhook_secrets(&self) -> Result<()> {
        let fits = |secret: &Secret| {
            let text = secret.expose();
            text.len() >= MIN_SECRET_CHARS && text.bytes().all(is_unreserved)
        };
        if self.webhook_secret.is_empty() || !self.webhook_secret.iter().all(fits) {
            return Err(fail(
                "`webhook_secret` must have 8 characters or more, letters, digits and `-._~` only",
            ));
        }
        Ok(())
    }

    fn validate_socket_credentials(&self) -> Result<()> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(is_unreserved);
        match (&self.socket_user, &self.socket_password) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(fail("`socket_password` is missing beside `socket_user`")),
            (None, Some(_)) => Err(fail("`socket_user` is missing beside `socket_password`")),
            (Some(user), Some(password)) if plain(user) && plain(password.expose()) => Ok(()),
            _ => Err(fail(
                "`socket_user` and `socket_password` must have letters, digits and `-._~` only",
            )),
        }
    }
}

/// Whether Exotel offers that rate.
pub(crate) fn is_offered(rate: SampleRate) -> bool {
    matches!(rate.hz(), 8_000 | 16_000 | 24_000)
}

/// Whether the byte stands for itself everywhere in a URL (RFC 3986, 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn fail(detail: &str) -> Error {
    Error::configuration(detail).with_provider(crate::NAME)
}

fn default_rate() -> SampleRate {
    SampleRate::HZ_8000
}

fn default_chunk() -> usize {
    CHUNK_BYTES
}

fn default_requests() -> u32 {
    REQUESTS_PER_MINUTE
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SampleRate, D::Error> {
    u32::try_from(de::number(deserializer)?)
        .ok()
        .and_then(SampleRate::new)
        .ok_or_else(|| D::Error::custom("is not a sample rate"))
}

fn requests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    u32::try_from(de::number(deserializer)?).map_err(|_| D::Error::custom("is too large"))
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    usize::try_from(de::number(deserializer)?).map_err(|_| D::Error::custom("is too large"))
}

fn word<'de, T: FromStr<Err = UnknownWord>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}
