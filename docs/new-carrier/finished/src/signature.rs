//! Who signed a request: `acme-signature` is the HMAC-SHA256 of the time, a dot and the body, in hexadecimal.

use super::NAME;
use super::config::AcmeConfig;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::time::{Duration, UNIX_EPOCH};
use telephony_core::{Authenticated, Error, Result, Secret, WebhookRequest};

/// For how long a signature is good.
const WINDOW: Duration = Duration::from_secs(300);

/// Finds out who signed a request.
pub(super) fn authenticate(config: &AcmeConfig, request: &WebhookRequest) -> Result<Authenticated> {
    let header = |name| {
        request
            .header(name)
            .ok_or_else(|| refuse("it is not signed"))
    };
    let (time, given) = (header("acme-timestamp")?, header("acme-signature")?);
    let expected = Secret::new(sign(&config.secret, time, &request.body)?);
    if !expected.matches(given.as_bytes()) {
        return Err(refuse("the signature does not match: check `secret`"));
    }
    let since = time.parse().ok().map(Duration::from_secs);
    let signed_at = since.and_then(|since| UNIX_EPOCH.checked_add(since));
    let signed_at = signed_at.ok_or_else(|| refuse("the timestamp is not in seconds"))?;
    let age = request.received_at.duration_since(signed_at);
    if age.unwrap_or_else(|ahead| ahead.duration()) > WINDOW {
        return Err(refuse("the signature is too old, or a clock is wrong"));
    }
    Ok(Authenticated::new().with_signed_at(signed_at))
}

fn sign(secret: &Secret, time: &str, body: &[u8]) -> Result<String> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .map_err(|_| refuse("`secret` cannot be a key"))?;
    let tag = mac
        .chain_update(time)
        .chain_update(".")
        .chain_update(body)
        .finalize();
    let hex = |byte: &u8| format!("{byte:02x}");
    Ok(tag.into_bytes().iter().map(hex).collect())
}

fn refuse(detail: &str) -> Error {
    Error::unauthenticated(detail).with_provider(NAME)
}
