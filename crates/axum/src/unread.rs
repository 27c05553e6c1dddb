//! What is answered without having been served: it leaves a line in the log and is counted, for a wrong URL in a carrier's console
//! looks like this, and so does a load balancer that does not ask who is ready.

use crate::server::{Inner, empty};
use axum::body::Body;
use http::{Response, StatusCode};
use telephony_core::meter::{self, Verdict};
use telephony_core::{AccountLabel, Telephony, WebhookKind, redact};

/// For an account that is not here. Whoever asks chose the label: it is shown only if it can be one, and never counted.
pub(crate) fn unknown_account(
    server: &Inner,
    kind: WebhookKind,
    label: Option<&str>,
) -> Response<Body> {
    let label = label.and_then(|label| AccountLabel::new(label).ok());
    let account = label.map(|label| redact::text(label.as_str()));
    let node = server.calls.store().node();
    tracing::warn!(account, kind = kind.as_str(), %node, "a request is for an account that is not here");
    meter::unread(None, Some(kind), Verdict::Refused);
    empty(StatusCode::NOT_FOUND)
}

/// For an account of ours, below which there is no such route.
pub(crate) fn unknown_route(server: &Inner, carrier: &dyn Telephony) -> Response<Body> {
    let (provider, account) = (carrier.provider(), carrier.account());
    let node = server.calls.store().node();
    tracing::warn!(%provider, %account, %node, "a request is for a route that is not there");
    meter::unread(Some(provider), None, Verdict::Refused);
    empty(StatusCode::NOT_FOUND)
}

/// A body that is too large, too late, or broken.
pub(crate) fn unreadable(
    server: &Inner,
    carrier: &dyn Telephony,
    kind: WebhookKind,
    status: StatusCode,
) -> Response<Body> {
    let (provider, account) = (carrier.provider(), carrier.account());
    let node = server.calls.store().node();
    let (kind_word, code) = (kind.as_str(), status.as_u16());
    tracing::warn!(%provider, %account, kind = kind_word, %node, status = code, "the body of a webhook could not be read");
    meter::unread(Some(provider), Some(kind), Verdict::Malformed);
    empty(status)
}

/// A fault of the carrier's crate, or ours.
pub(crate) fn panicked(
    server: &Inner,
    carrier: &dyn Telephony,
    kind: WebhookKind,
) -> Response<Body> {
    let (provider, account) = (carrier.provider(), carrier.account());
    let node = server.calls.store().node();
    let kind_word = kind.as_str();
    tracing::error!(%provider, %account, kind = kind_word, %node, "the work on a webhook panicked");
    meter::unread(Some(provider), Some(kind), Verdict::Failed);
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A media socket that comes when all streams are being ended.
pub(crate) fn late_socket(server: &Inner, carrier: &dyn Telephony) -> Response<Body> {
    let (provider, account) = (carrier.provider(), carrier.account());
    let node = server.calls.store().node();
    tracing::warn!(%provider, %account, %node, "a media socket is turned away: this node shuts down");
    let kind = WebhookKind::MediaUpgrade;
    meter::unread(Some(provider), Some(kind), Verdict::TurnedAway);
    empty(StatusCode::SERVICE_UNAVAILABLE)
}
