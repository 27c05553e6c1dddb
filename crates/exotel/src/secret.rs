//! Who sent a request. Exotel signs nothing: a secret of ours in the URL takes the place of a signature.

use crate::ExotelConfig;
use crate::applet;
use crate::event;
use crate::payload::{KEY, Payload};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, header::AUTHORIZATION};
use telephony_core::{Authenticated, Error, Result, WebhookKind, WebhookRequest};

/// Checks our secret, or on the upgrade of a media socket the Basic credentials where they are configured.
pub(crate) fn authenticate(
    config: &ExotelConfig,
    request: &WebhookRequest,
) -> Result<Authenticated> {
    if request.kind == WebhookKind::MediaUpgrade {
        check_socket(config, request)?;
        return Ok(Authenticated::new());
    }
    check_key(config, request)?;
    let authenticated = Authenticated::new();
    Ok(match replay_key(request) {
        Some(key) => authenticated.with_replay_key(key),
        None => authenticated,
    })
}

/// Exactly one `key` in the query, and it is one of our secrets. All of them are compared, so that the time does not tell
/// which one it was.
fn check_key(config: &ExotelConfig, request: &WebhookRequest) -> Result<()> {
    let query = request.query();
    let mut given = query.get_all(KEY);
    let key = match (given.next(), given.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(refuse("the URL has no `key`")),
        _ => return Err(refuse("the URL has more than one `key`")),
    };
    let is_ours = config
        .webhook_secrets()
        .iter()
        .fold(false, |known, secret| {
            known | secret.matches(key.as_bytes())
        });
    if is_ours {
        Ok(())
    } else {
        Err(refuse("the `key` of the URL is not ours"))
    }
}

/// The query is not looked at: Exotel drops it before it opens the socket (three independent reports from real calls).
fn check_socket(config: &ExotelConfig, request: &WebhookRequest) -> Result<()> {
    let Some(wanted) = config.socket_credentials() else {
        return Ok(()); // The token in the path is what guards the socket.
    };
    let header = request.header(AUTHORIZATION.as_str());
    let header = header.ok_or_else(|| refuse("the upgrade has no Basic credentials"))?;
    let (scheme, credentials) = header.trim().split_once(' ').unwrap_or_default();
    let given = STANDARD.decode(credentials.trim()).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("basic") && wanted.matches(&given) {
        Ok(())
    } else {
        Err(refuse("the Basic credentials of the upgrade are wrong"))
    }
}

/// What repeats of the same request have in common, where that can be told: a flow may well come through the same applet
/// twice, and then nothing but the time differs. Never a phone number: this is shown in `Debug`.
fn replay_key(request: &WebhookRequest) -> Option<String> {
    if request.method == Method::HEAD {
        return None;
    }
    let payload = Payload::read(request).ok()?;
    let call = payload.text("CallSid")?;
    let route = match request.kind {
        WebhookKind::IncomingCall => "call",
        WebhookKind::NextStep => "answer",
        WebhookKind::Status => "status",
        _ => "event",
    };
    let asks = matches!(
        request.kind,
        WebhookKind::IncomingCall | WebhookKind::NextStep
    );
    let applet = payload.text(applet::PARAMETER).unwrap_or_default();
    let time = payload.text("CurrentTime");
    if let Some(stream) = payload.stream().text("StreamSID") {
        let time = time.unwrap_or_default();
        return Some(format!("{route}/{call}/{applet}/{stream}/{time}"));
    }
    if !asks && !event::is_agent_event(&payload) {
        let word = payload.text("EventType").or_else(|| payload.text("Status"));
        if let Some(word) = word {
            return Some(format!("{route}/{call}/{}", word.to_ascii_lowercase()));
        }
    }
    let word = payload.text("EventType").unwrap_or_default();
    Some(format!("{route}/{call}/{applet}/{word}/{}", time?))
}

fn refuse(detail: &str) -> Error {
    Error::unauthenticated(detail).with_provider(crate::NAME)
}
