//! Rules about what a webhook says.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use telephony_core::{
    Answer, CallEvent, Error, ErrorKind, Telephony, Verified, WebhookKind, WebhookRequest, verify,
};

use crate::conformance::bench::Bench;
use crate::conformance::message::{ExpectedCall, Message, Webhook, describe};
use crate::conformance::noise::Noise;
use crate::conformance::trusting::taken_for_genuine;

/// So many spoilt copies of each message are read.
const SPOILT: usize = 200;
const KINDS: [WebhookKind; 5] = [
    WebhookKind::IncomingCall,
    WebhookKind::NextStep,
    WebhookKind::Status,
    WebhookKind::Event,
    WebhookKind::MediaUpgrade,
];

pub(super) fn calls(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, webhook) in bench.webhooks() {
        let name = &message.name;
        let Some(verified) = bench.verified(carrier, message, webhook) else {
            continue;
        };
        if webhook.expect.unreadable && webhook.kind() == WebhookKind::IncomingCall {
            let refused = carrier.accept_call(&verified).err();
            let fine = refused.is_some_and(|error| error.kind() == ErrorKind::Malformed);
            bench.ensure(fine, name, || "it is not malformed".into());
        }
        let Some(expected) = &webhook.expect.call else {
            continue;
        };
        // Twice: what was read once does not change.
        for _ in 0..2 {
            match bench.calm(name, "accept_call", || carrier.accept_call(&verified)) {
                Some(Ok(call)) => compare_call(bench, name, expected, &call),
                Some(Err(error)) => bench.fail(name, format!("it is no call: {error}")),
                None => {}
            }
        }
    }
}

fn compare_call(
    bench: &Bench<'_>,
    name: &str,
    expected: &ExpectedCall,
    call: &telephony_core::IncomingCall,
) {
    let differs = |what: &str| bench.fail(name, format!("the call's {what} is another"));
    if call.id().map(|id| id.as_str()) != expected.id.as_deref() {
        differs("id");
    }
    if call.direction().as_str() != expected.direction {
        differs("direction");
    }
    for (what, party, wanted) in [
        ("caller", call.from(), &expected.from),
        ("callee", call.to(), &expected.to),
    ] {
        let same = match wanted.as_deref() {
            None => true,
            Some("withheld") => party.address().is_empty(),
            Some(address) => party.address() == address,
        };
        if !same {
            differs(what);
        }
    }
    let status = call.status().map(|status| status.as_str());
    if expected.status.is_some() && status != expected.status.as_deref() {
        differs("status");
    }
    if *call.account() != bench.label || call.provider().as_str() != bench.subject.name {
        differs("account");
    }
}

pub(super) fn events(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, webhook) in bench.webhooks() {
        let name = &message.name;
        if webhook.expect.unreadable && webhook.kind() != WebhookKind::IncomingCall {
            unreadable(bench, carrier, message, webhook);
        }
        let Some(expected) = &webhook.expect.events else {
            continue;
        };
        let Some(verified) = bench.verified(carrier, message, webhook) else {
            continue;
        };
        let read = bench.calm(name, "catch_all_status_callback", || {
            carrier.catch_all_status_callback(&verified)
        });
        let (id, events) = match read {
            Some(Ok(read)) => read,
            Some(Err(error)) => {
                bench.fail(name, format!("it cannot be read: {error}"));
                continue;
            }
            None => continue,
        };
        let told = tell(&events);
        bench.ensure(told == *expected, name, || {
            format!("it tells {told:?} and should {expected:?}")
        });
        let wanted = webhook.expect.id.as_deref();
        let same = wanted.is_none() || id.as_ref().map(|id| id.as_str()) == wanted;
        bench.ensure(same, name, || "it is about another call".into());
        for event in &events {
            let same = event.call_id.is_none() || event.call_id == id;
            bench.ensure(same, name, || {
                "an event is about another call than the callback".into()
            });
            let kept = event.raw == verified.request().body;
            bench.ensure(kept, name, || "an event does not keep the body".into());
        }
        if webhook.kind() == WebhookKind::Status {
            status_callback(bench, carrier, name, &verified, &told);
        }
    }
}

/// The status route says the same as the one that takes everything.
fn status_callback(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    name: &str,
    verified: &Verified,
    told: &[String],
) {
    let read = bench.calm(name, "status_callback", || {
        carrier.status_callback(verified)
    });
    match read {
        Some(Ok(events)) => bench.ensure(tell(&events) == told, name, || {
            "`status_callback` tells something else than `catch_all_status_callback`".into()
        }),
        Some(Err(error)) => bench.fail(name, format!("`status_callback` cannot read it: {error}")),
        None => {}
    }
}

fn unreadable(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    message: &Message,
    webhook: &Webhook,
) {
    let Some(verified) = bench.verified(carrier, message, webhook) else {
        return;
    };
    let refused = carrier.catch_all_status_callback(&verified).err();
    let fine = refused.is_some_and(|error| error.kind() == ErrorKind::Malformed);
    bench.ensure(fine, &message.name, || "it is not malformed".into());
}

fn tell(events: &[CallEvent]) -> Vec<String> {
    events.iter().map(|event| describe(&event.kind)).collect()
}

pub(super) fn never_panic(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let mut noise = Noise::new(0x5eed_0001);
    for (message, webhook) in bench.webhooks() {
        let Some(good) = bench.signed(message, webhook) else {
            continue;
        };
        for _ in 0..SPOILT {
            let mut request = spoilt(&good, &mut noise);
            request.kind = KINDS[noise.below(KINDS.len())];
            read_anything(bench, carrier, &message.name, request);
        }
    }
    for length in [0, 1, 2, 7, 64, 4096] {
        let body = Bytes::from(noise.bytes(length));
        for content_type in ["", "application/json", "application/x-www-form-urlencoded"] {
            for kind in KINDS {
                let mut request = blank(kind, body.clone());
                if let Ok(value) = content_type.parse() {
                    request.headers.insert("content-type", value);
                }
                read_anything(bench, carrier, "noise", request);
            }
        }
    }
}

fn read_anything(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    name: &str,
    request: WebhookRequest,
) {
    let Some(links) = bench.links() else { return };
    let as_sent = request.clone();
    bench.calm(name, "verifying a spoilt copy", || {
        verify(&**carrier, as_sent).is_ok()
    });
    let Ok(verified) = taken_for_genuine(carrier, request) else {
        return;
    };
    let check = |what: &str, error: Option<Error>| {
        if let Some(error) = error {
            bench.see_error(name, &error);
            let kind = error.kind();
            let fine = matches!(kind, ErrorKind::Malformed | ErrorKind::Unsupported);
            bench.ensure(fine, name, || {
                format!("`{what}` of a spoilt copy fails as {kind:?}, not as Malformed")
            });
        }
    };
    bench.calm(name, "reading a spoilt copy", || {
        check("accept_call", carrier.accept_call(&verified).err());
        check("status_callback", carrier.status_callback(&verified).err());
        let caught = carrier.catch_all_status_callback(&verified);
        check("catch_all_status_callback", caught.err());
        check("reply", carrier.reply(&verified, None, &links).err());
    });
    bench.calm(name, "answering a spoilt copy", || {
        let answer = Answer::stream();
        carrier.reply(&verified, Some(&answer), &links).is_ok()
    });
}

fn blank(kind: WebhookKind, body: Bytes) -> WebhookRequest {
    WebhookRequest {
        method: http::Method::POST,
        public_url: format!("{}/noise", crate::conformance::BASE_URL),
        headers: http::HeaderMap::new(),
        body,
        received_at: std::time::SystemTime::UNIX_EPOCH,
        kind,
    }
}

/// A copy of which the body, the query or a header is not as it was.
fn spoilt(good: &WebhookRequest, noise: &mut Noise) -> WebhookRequest {
    let mut request = good.clone();
    let is_json = serde_json::from_slice::<Value>(&good.body).ok();
    match (noise.below(4), is_json) {
        (0..=2, Some(mut json)) => {
            noise.spoil_json(&mut json);
            request.body = json.to_string().into();
        }
        (0..=1, None) if good.body.is_empty() => {
            let (path, query) = good
                .public_url
                .split_once('?')
                .unwrap_or((&good.public_url, ""));
            request.public_url = format!("{path}?{}", spoilt_form(query, noise));
        }
        (0..=1, None) => {
            let form = String::from_utf8_lossy(&good.body).into_owned();
            request.body = spoilt_form(&form, noise).into();
        }
        (2, None) => {
            let url = noise.spoil(good.public_url.as_bytes());
            request.public_url = String::from_utf8_lossy(&url).into_owned();
        }
        _ => request.body = noise.spoil(&good.body).into(),
    }
    if noise.below(8) == 0 {
        request.headers.remove("content-type");
    }
    request
}

fn spoilt_form(form: &str, noise: &mut Noise) -> String {
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    let at = noise.below(pairs.len());
    match noise.below(4) {
        0 if !pairs.is_empty() => drop(pairs.remove(at)),
        1 => {
            let pair = (noise.text(), noise.text());
            pairs.insert(at, pair);
        }
        _ if !pairs.is_empty() => pairs[at].1 = noise.text(),
        _ => {}
    }
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

pub(super) fn replies(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let Some(links) = bench.links_without_media() else {
        return;
    };
    for (message, webhook) in bench.webhooks() {
        let name = &message.name;
        if webhook.kind() == WebhookKind::MediaUpgrade || webhook.expect.unreadable {
            continue;
        }
        let Some(verified) = bench.verified(carrier, message, webhook) else {
            continue;
        };
        let reply = bench.calm(name, "reply", || carrier.reply(&verified, None, &links));
        match reply {
            Some(Ok(reply)) => {
                let status = reply.response.status();
                bench.ensure(status.is_success(), name, || {
                    format!("with nothing to say the reply is {status}")
                });
            }
            Some(Err(error)) => bench.fail(name, format!("there is no reply: {error}")),
            None => {}
        }
    }
}

pub(super) fn shown(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, webhook) in bench.webhooks() {
        let name = &message.name;
        let Some(verified) = bench.verified(carrier, message, webhook) else {
            continue;
        };
        bench.see(name, "the request", verified.request());
        bench.see(name, "the verified request", &verified);
        if let Ok(call) = carrier.accept_call(&verified) {
            bench.see(name, "the call", &call);
            bench.see(name, "the caller", call.from());
        }
        if let Ok((_, events)) = carrier.catch_all_status_callback(&verified) {
            for event in &events {
                bench.see(name, "an event", event);
                bench.see_text(name, "an event's name", event.name());
            }
        }
    }
}
