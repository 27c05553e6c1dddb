//! The token that REST asks for: a JWT of the Voice application, signed with its private key (RS256).

use super::{invalid, ours};
use crate::config::private_key::{Body, with_line_breaks};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Serialize;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telephony_core::{Error, ErrorKind, Result, Secret};

const OPERATION: &str = "sign token";

/// The application's private key, parsed. `Debug` shows nothing of it. Signing takes the same time whatever the key
/// (it is *ring*'s).
pub struct RestKey(RsaKeyPair);

impl RestKey {
    /// Reads PEM: PKCS#8 (`BEGIN PRIVATE KEY`), as Vonage gives it out, or PKCS#1 (`BEGIN RSA PRIVATE KEY`). Line breaks may
    /// be written as `\n`. RSA with at least 2048 bits.
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration), with nothing of what was given.
    pub fn parse(pem: &str) -> Result<Self> {
        let pem = with_line_breaks(pem);
        let body = Body::of(pem.trim())
            .ok_or_else(|| unusable("it is not an unencrypted private key in PEM"))?;
        let der = STANDARD
            .decode(&body.base64)
            .map_err(|_| unusable("what is between its lines is not base64"))?;
        let pair = if body.is_pkcs1 {
            RsaKeyPair::from_der(&der)
        } else {
            RsaKeyPair::from_pkcs8(&der)
        };
        match pair {
            Ok(pair) => Ok(Self(pair)),
            // One of ring's fixed words, such as `InvalidEncoding`.
            Err(why) => Err(unusable(&format!(
                "it is not an RSA key of 2048 to 4096 bits that can be read ({why})"
            ))),
        }
    }

    /// Signs a token that is good for [15 minutes](ApplicationToken::LIFETIME) from `now`. `jti` must be another one for
    /// every token: a UUID or another random text.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if `jti` is empty; [`Internal`](ErrorKind::Internal) if the clock is
    /// before 1970 or signing fails.
    pub fn token(
        &self,
        application_id: &str,
        jti: &str,
        now: SystemTime,
    ) -> Result<ApplicationToken> {
        if jti.trim().is_empty() {
            return Err(invalid(OPERATION, "a token needs a `jti`"));
        }
        let since_1970 = now
            .duration_since(UNIX_EPOCH)
            .map_err(|_| fault("the clock is before 1970"))?;
        let issued = Duration::from_secs(since_1970.as_secs());
        let expires = issued
            .checked_add(ApplicationToken::LIFETIME)
            .ok_or_else(|| fault("the clock is too far ahead"))?;
        let claims = Claims {
            application_id,
            iat: issued.as_secs(),
            exp: expires.as_secs(),
            jti,
        };
        let claims =
            serde_json::to_vec(&claims).map_err(|_| fault("the claims could not be written"))?;
        let mut text = [br#"{"alg":"RS256","typ":"JWT"}"#, claims.as_slice()]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join(".");
        let signature = self.sign(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        let at = |since: Duration| UNIX_EPOCH.checked_add(since);
        let (Some(issued), Some(expires)) = (at(issued), at(expires)) else {
            return Err(fault("the clock is too far ahead"));
        };
        Ok(ApplicationToken::from_text(text, issued, expires))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        // This padding uses no randomness: the same message gives the same signature.
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| fault("signing failed"))?;
        Ok(signature)
    }
}

impl fmt::Debug for RestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestKey(***)")
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    application_id: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

fn unusable(why: &str) -> Error {
    ours(Error::configuration(format!("`private_key`: {why}")))
}

fn fault(detail: &str) -> Error {
    ours(Error::new(ErrorKind::Internal, OPERATION, detail))
}

/// A signed token with the times between which it is good. `Debug` does not show the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationToken {
    text: Secret,
    issued: SystemTime,
    expires: SystemTime,
}

impl ApplicationToken {
    /// How long a token is good: 15 minutes, Vonage's own default. It takes 30 seconds to 24 hours.
    pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
    /// How long before its end a token is given up: a request may have to wait for its turn, and is repeated with the token
    /// that it has.
    pub const RENEWED_BEFORE: Duration = Duration::from_secs(5 * 60);

    /// A token that was signed elsewhere.
    pub fn from_text(text: impl Into<String>, issued: SystemTime, expires: SystemTime) -> Self {
        Self {
            text: Secret::new(text.into()),
            issued,
            expires,
        }
    }

    /// The token itself: for sending, never for showing.
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// When Vonage stops taking it.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// Whether it can be used now. Not if the clock was set back behind its time of issue either: Vonage might find it to
    /// be from the future.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        let left = self.expires.duration_since(now).unwrap_or_default();
        now >= self.issued && left > Self::RENEWED_BEFORE
    }

    /// The value of `Authorization`, which `Debug` does not show.
    pub(super) fn header(&self, operation: &'static str) -> Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.text.expose()))
            .map_err(|_| invalid(operation, "the token is not one"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Keeps a token until shortly before it ends.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use telephony_vonage::rest::{ApplicationToken, TokenCache};
///
/// let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
/// let mut cache = TokenCache::default();
/// assert!(cache.fresh(now).is_none()); // sign one
/// cache.keep(ApplicationToken::from_text("a.b.c", now, now + ApplicationToken::LIFETIME));
/// assert!(cache.fresh(now + Duration::from_secs(599)).is_some());
/// assert!(cache.fresh(now + Duration::from_secs(600)).is_none()); // renew
/// ```
#[derive(Debug, Clone, Default)]
pub struct TokenCache {
    kept: Option<ApplicationToken>,
}

impl TokenCache {
    /// The kept token; [`None`] if it is time for a new one.
    #[must_use]
    pub fn fresh(&self, now: SystemTime) -> Option<&ApplicationToken> {
        self.kept.as_ref().filter(|token| token.is_fresh(now))
    }

    /// Keeps this one from now on.
    pub fn keep(&mut self, token: ApplicationToken) -> &ApplicationToken {
        self.kept.insert(token)
    }

    /// Gives the kept one up, after a 401 for instance.
    pub fn forget(&mut self) {
        self.kept = None;
    }
}
