//! The rule about signatures that were made for something else.
//!
//! Few signatures cover the method, so a request by another one may well be verified. What must not happen is that it
//! then says something that nobody signed: the form of a POST read from a request of which only the URL is signed, the
//! query of a GET where only the body is.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::Value;
use telephony_core::{
    CallEventKind, CallId, CallStatus, Direction, Parameters, Party, Telephony, WebhookKind,
    WebhookRequest, verify,
};

use crate::conformance::bench::Bench;
use crate::conformance::message::{Message, Webhook, describe, text_of};
use crate::conformance::subject::Part;

const METHODS: [Method; 3] = [Method::GET, Method::POST, Method::PUT];
/// Of these a body or a query that nobody signed is believed most easily.
const READ: [Method; 2] = [Method::GET, Method::POST];
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn other_methods(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    // A secret in the URL vouches for whatever comes with it.
    if !carrier.capabilities().signed_webhooks {
        return;
    }
    for (message, webhook) in bench.webhooks() {
        if webhook.kind() == WebhookKind::MediaUpgrade {
            continue;
        }
        let Some(good) = bench.signed(message, webhook) else {
            continue;
        };
        let name = &message.name;
        let mut changed = by_other_methods(&good);
        let is_covered = |part| bench.subject.covered.contains(&part);
        if is_covered(Part::Body) {
            changed.extend(with_a_body(&good));
        }
        if is_covered(Part::Body) && !is_covered(Part::Query) {
            changed.extend(with_a_query(&good));
        }
        let said = read(bench, carrier, name, good);
        for (how, request) in changed {
            says_nothing_new(bench, carrier, name, &said, &how, request);
        }
        if is_covered(Part::Body) {
            body_of_another(bench, carrier, message, webhook);
        }
    }
}

/// The signature of a request without a body does not vouch for one.
fn body_of_another(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    message: &Message,
    webhook: &Webhook,
) {
    let (Some(sign), Ok(whole)) = (&bench.subject.sign, webhook.request(bench.label.as_str()))
    else {
        return;
    };
    if whole.body.is_empty() {
        return;
    }
    for signed_as in READ {
        let mut bare = whole.clone();
        bare.method = signed_as.clone();
        bare.body = Bytes::new();
        let content_type = bare.headers.remove(header::CONTENT_TYPE);
        sign(&mut bare);
        let said = read(bench, carrier, &message.name, bare.clone());
        for sent_as in READ {
            let mut request = bare.clone();
            request.method = sent_as.clone();
            request.body = whole.body.clone();
            if let Some(content_type) = &content_type {
                let headers = &mut request.headers;
                headers.insert(header::CONTENT_TYPE, content_type.clone());
            }
            let how =
                format!("signed as a {signed_as} without a body, sent as a {sent_as} with one");
            says_nothing_new(bench, carrier, &message.name, &said, &how, request);
        }
    }
}

/// What an app is told of a request. Nothing, if it is refused or cannot be read.
#[derive(Debug, Default, PartialEq)]
struct Said {
    call: Option<Call>,
    /// Which call it is about, and its events.
    told: Option<(Option<CallId>, Vec<String>)>,
}

#[derive(Debug, PartialEq)]
struct Call {
    id: Option<CallId>,
    direction: Direction,
    parties: [Party; 2],
    status: Option<CallStatus>,
}

fn read(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    name: &str,
    request: WebhookRequest,
) -> Said {
    let read = bench.calm(name, "reading it", || {
        let Ok(verified) = verify(&**carrier, request) else {
            return Said::default();
        };
        let call = carrier.accept_call(&verified).ok().map(|call| Call {
            id: call.id().cloned(),
            direction: call.direction(),
            parties: [call.from().clone(), call.to().clone()],
            status: call.status(),
        });
        let callback = carrier.catch_all_status_callback(&verified).ok();
        let told = callback.map(|(id, events)| {
            let kinds = events.iter().map(|event| &event.kind);
            let kinds: Vec<_> = kinds
                .filter(|kind| id.is_some() || is_typed(kind))
                .collect();
            (id, kinds.into_iter().map(describe).collect())
        });
        Said { call, told }
    });
    read.unwrap_or_default()
}

/// That something came, of no call, is nothing that an app would act on.
fn is_typed(kind: &CallEventKind) -> bool {
    !matches!(kind, CallEventKind::Other { .. })
}

fn says_nothing_new(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    name: &str,
    said: &Said,
    how: &str,
    request: WebhookRequest,
) {
    let now = read(bench, carrier, name, request);
    bench.ensure(now.call.is_none() || now.call == said.call, name, || {
        format!("{how}, and it is verified and read as another call")
    });
    let is_silent = match &now.told {
        None => true,
        Some((id, events)) => id.is_none() && events.is_empty(),
    };
    bench.ensure(is_silent || now.told == said.told, name, || {
        format!("{how}, and it is verified and tells other events")
    });
}

type Changed = Vec<(String, WebhookRequest)>;

fn by_other_methods(good: &WebhookRequest) -> Changed {
    let others = METHODS.into_iter().filter(|method| *method != good.method);
    let change = |method: Method| {
        let mut request = good.clone();
        let how = format!("a {} came as a {method}", good.method);
        request.method = method;
        (how, request)
    };
    others.map(change).collect()
}

/// What has no body with one that says something else.
fn with_a_body(good: &WebhookRequest) -> Changed {
    if !good.body.is_empty() {
        return vec![];
    }
    let mut changed = vec![];
    for (what, pairs) in forged(good.query().iter().map(owned).collect()) {
        let fields = pairs.iter().cloned();
        let json = Value::Object(fields.map(|(name, value)| (name, value.into())).collect());
        for (content_type, body) in [
            (FORM, encoded(&pairs)),
            ("application/json", json.to_string()),
        ] {
            for method in READ {
                let mut request = good.clone();
                let how = format!(
                    "a {} without a body came as a {method} with one ({what})",
                    good.method
                );
                request.method = method;
                request.body = Bytes::from(body.clone());
                let headers = &mut request.headers;
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                changed.push((how, request));
            }
        }
    }
    changed
}

/// What has a body with a query, which the signature does not cover, that says something else.
fn with_a_query(good: &WebhookRequest) -> Changed {
    let (url, fragment) = match good.public_url.split_once('#') {
        Some((url, fragment)) => (url, format!("#{fragment}")),
        None => (good.public_url.as_str(), String::new()),
    };
    let border = if url.contains('?') { '&' } else { '?' };
    let mut changed = vec![];
    for (what, pairs) in forged(pairs_of_body(good)) {
        for method in READ {
            let mut request = good.clone();
            let how = format!(
                "a {} came as a {method} with another query ({what})",
                good.method
            );
            request.method = method;
            request.public_url = format!("{url}{border}{}{fragment}", encoded(&pairs));
            changed.push((how, request));
        }
    }
    changed
}

type Pairs = Vec<(String, String)>;

fn pairs_of_body(request: &WebhookRequest) -> Pairs {
    if let Ok(Value::Object(fields)) = serde_json::from_slice(&request.body) {
        let fields = fields.iter();
        return fields
            .map(|(name, value)| (name.clone(), text_of(value)))
            .collect();
    }
    match request.content_type().as_str() {
        FORM => Parameters::from_form(&request.body)
            .iter()
            .map(owned)
            .collect(),
        _ => vec![],
    }
}

/// The same pairs, each time with another value in one of them: what is forged keeps what the carrier knows it by.
fn forged(pairs: Pairs) -> Vec<(String, Pairs)> {
    let with_other_value = |at: usize| {
        let mut other = pairs.clone();
        let (name, value) = &mut other[at];
        value.push('1');
        (format!("`{name}` is another"), other)
    };
    (0..pairs.len()).map(with_other_value).collect()
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
