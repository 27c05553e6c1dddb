//! What comes again: requests that are answered as the first time, and news that the app knows.

use super::Webhook;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use telephony_core::{
    Answered, CallEvent, CallEventKind, CallRecord, FirstTime, KeptAnswer, RequestName, Result,
    Verified, WebhookKind, WebhookRequest,
};

impl Webhook<'_> {
    /// Some carriers repeat what they found out with every later report. [`None`] if the app knows it.
    pub(super) async fn once(
        &self,
        record: &CallRecord,
        event: CallEvent,
    ) -> Result<Option<CallEvent>> {
        let CallEventKind::MachineDetected(by) = &event.kind else {
            return Ok(Some(event));
        };
        let name = RequestName::new(record.account.clone(), format!("{} {by:?}", record.key));
        let first = self.store().first_time(&name, Duration::ZERO).await?;
        let FirstTime::Yes(turn) = first else {
            return Ok(None);
        };
        let known = KeptAnswer::new(200, None, Bytes::new())?;
        self.store().keep_answer(&name, &turn, Some(known)).await?;
        Ok(Some(event))
    }
}

/// What tells a request from others where the carrier has nothing that does: its URL and body, as 128 bits in hex. The same
/// on all nodes, whatever built them, and not to be made to fit by who chooses a body.
fn fingerprint(request: &WebhookRequest) -> String {
    let url = request.public_url.as_bytes();
    let length = u64::try_from(url.len()).unwrap_or(u64::MAX);
    let digest = Sha256::new()
        .chain_update(length.to_be_bytes())
        .chain_update(url)
        .chain_update(&request.body)
        .finalize();
    let hex = |byte: &u8| format!("{byte:02x}");
    digest.iter().take(16).map(hex).collect()
}

/// What a request is called that may come again and must be answered as the first time: by the carrier's own token, or, if
/// it only tells something, by all that it says. Two questions that say the same may be two: a key that was pressed twice.
pub(super) fn repeatable(request: &Verified) -> Option<RequestName> {
    let name = match (&request.authenticated().replay_key, request.request().kind) {
        (Some(key), _) => key.clone(),
        (None, WebhookKind::Status | WebhookKind::Event) => fingerprint(request.request()),
        (None, _) => return None,
    };
    Some(RequestName::new(request.account().clone(), name))
}

/// The answer as it can be given again: what has headers of its own cannot.
pub(super) fn to_keep(answered: &Answered) -> Option<KeptAnswer> {
    let response = &answered.response;
    let headers = response.headers();
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str());
    let others = headers.len() - usize::from(content_type.is_some());
    let content_type = content_type.transpose().ok()?;
    let status = response.status().as_u16();
    let kept = KeptAnswer::new(status, content_type, response.body().clone());
    // What another node could do better is not kept.
    let is_good = others == 0 && !response.status().is_server_error();
    kept.ok().filter(|_| is_good)
}

pub(super) fn again(kept: KeptAnswer) -> Answered {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut answered = Answered::empty(status);
    *answered.response.body_mut() = kept.body;
    let content_type = kept.content_type.map(HeaderValue::try_from);
    if let Some(Ok(content_type)) = content_type {
        let headers = answered.response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_never_changes_and_tells_where_the_url_ends() {
        let of = |url: &str, body: &'static str| {
            let request = WebhookRequest {
                method: http::Method::POST,
                public_url: url.to_owned(),
                headers: http::HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
                received_at: std::time::SystemTime::UNIX_EPOCH,
                kind: WebhookKind::Status,
            };
            fingerprint(&request)
        };
        let status = of("https://example.com/main/status", "CallSid=1");
        assert_eq!(status, "f48c7432ca509ba05ca2250a958ea2e3");
        assert_eq!(status, of("https://example.com/main/status", "CallSid=1"));
        assert_ne!(status, of("https://example.com/main/statusCall", "Sid=1"));
    }
}
