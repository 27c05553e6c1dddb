//! Whatever is asked and answered over REST, nothing panics, and the token stays with those that it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use http::Response;
use proptest::prelude::*;
use serde_json::{Value, json};
use telephony_core::{Answer, CallId, ErrorKind, OutboundCall, Party, Retry};
use telephony_vonage::rest::{
    self, ApplicationToken, CallFilter, RestKey, RestOperation, StreamAudio, Talk, VoiceApi,
    WebsocketTarget,
};
use telephony_vonage::{NAME, VonageCallOptions};

fn api() -> VoiceApi {
    VoiceApi::new(&config()).unwrap()
}

fn token() -> ApplicationToken {
    ApplicationToken::from_text("head.claims.signature", at(NOW), at(NOW + 900))
}

fn response(status: u16, retry_after: &str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status.try_into().unwrap();
    if let Ok(value) = retry_after.parse() {
        response.headers_mut().insert("retry-after", value);
    }
    response
}

fn read_all(response: &Response<Bytes>) {
    let now = at(NOW);
    let placed = rest::placed(response, now);
    if let Ok(placed) = &placed {
        assert!(!matches!(
            placed.status.as_str(),
            "in-progress" | "completed" | "ringing"
        ));
    }
    if let Err(error) = &placed {
        let unsure = response.status().is_success() || response.status().is_server_error();
        assert_eq!(
            error.retry() == Retry::OutcomeUnknown,
            unsure || response.status() == 408
        );
    }
    let call = OutboundCall::new(Party::Withheld, Party::Withheld, Answer::stream());
    let _ = placed.map(|placed| placed.into_placed_call(&call, &links()));
    let _ = rest::call_state(response, now).map(|state| state.may_be(&call));
    let _ = rest::hung_up(response, now);
    let _ = rest::recording(response, now);
    if let Ok(page) = rest::call_page(response, now) {
        let _ = page.that_may_be(&call).count();
        if let Some(index) = page.next_index {
            let next = CallFilter::new().from_index(index);
            assert!(api().list_calls(&token(), &next).is_ok());
        }
    }
    for operation in RestOperation::ALL {
        let _ = rest::done(operation, response, now);
        let error = rest::failure(operation, response, now);
        assert!(!error.to_string().contains(['\n', '\r']));
    }
}

/// Bodies that are nearly right: known members with values of any kind.
fn bodies() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "uuid",
        "call_uuid",
        "status",
        "direction",
        "conversation_uuid",
        "to",
        "from",
        "type",
        "number",
        "uri",
        "user",
        "extension",
        "duration",
        "start_time",
        "end_time",
        "rate",
        "price",
        "count",
        "record_index",
        "_links",
        "next",
        "href",
        "_embedded",
        "calls",
        "title",
        "detail",
        "error_title",
        "invalid_parameters",
        "name",
        "reason",
        "instance",
    ]);
    let words = prop::sample::select(vec![
        "completed",
        "started",
        "websocket",
        "sip",
        "[",
        "{",
        "-1",
        "1e999",
        "18446744073709551615",
        "9999-12-31 23:59:60",
        "/calls?record_index=7",
        "?record_index=18446744073709551616",
        "https://e.com/#",
        "wss://e.com/m/t",
        "",
    ]);
    let leaf = prop_oneof![
        words.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let value = leaf.prop_recursive(4, 24, 4, {
        let names = names.clone();
        move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(names.clone(), inner, 0..5)
                    .prop_map(|members| json!(members)),
            ]
        }
    });
    prop::collection::hash_map(names, value, 0..8).prop_map(|members| json!(members))
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        status in 200_u16..600,
        retry_after in ".{0,40}",
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        read_all(&response(status, &retry_after, body));
    }

    #[test]
    fn any_object_is_read_or_refused(status in 200_u16..600, seconds in any::<u64>(), body in bodies()) {
        read_all(&response(status, &seconds.to_string(), body.to_string().into_bytes()));
    }

    #[test]
    fn any_key_is_read_or_refused(text in ".*", base64 in "[A-Za-z0-9+/=]{0,200}", pkcs1 in any::<bool>()) {
        let label = if pkcs1 { "RSA PRIVATE KEY" } else { "PRIVATE KEY" };
        for pem in [text, format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----")] {
            prop_assert_eq!(RestKey::parse(&pem).unwrap_err().kind(), ErrorKind::Configuration);
        }
    }

    /// Whatever a URL looks like, the token goes to Vonage or nowhere.
    #[test]
    fn the_token_goes_to_vonage_only(
        before in "(https?|wss|//|HTTPS)?(://|:|/)?[ -~]{0,12}",
        domain in "(\\.)?(vonage|nexmo)\\.com",
        after in "[ -~]{0,12}",
    ) {
        let url = format!("{before}{domain}{after}");
        let mut hosts = Vec::new();
        if let Ok(request) = api().fetch_recording(&token(), &url) {
            hosts.push(request.uri().clone());
        }
        if let Ok(region) = api().at_region(&url) {
            let id = CallId::new("u-1").unwrap();
            hosts.push(region.hang_up(&token(), &id).unwrap().uri().clone());
        }
        for uri in hosts {
            let host = uri.host().unwrap().to_ascii_lowercase();
            let is_theirs = ["vonage.com", "nexmo.com"]
                .iter()
                .any(|domain| host == *domain || host.ends_with(&format!(".{domain}")));
            prop_assert!(is_theirs && uri.scheme_str() == Some("https"), "{}", uri);
        }
    }

    /// Whatever the id, the request stays under the path of calls.
    #[test]
    fn an_id_never_leaves_its_segment(id in "\\PC{1,30}") {
        let id = CallId::new(&id).unwrap();
        if let Ok(request) = api().fetch_call(&token(), &id) {
            let path = request.uri().path().to_owned();
            let segment = path.strip_prefix("/v1/calls/").unwrap();
            prop_assert!(!segment.is_empty() && !segment.contains('/') && !matches!(segment, "." | ".."));
            prop_assert_eq!(request.uri().query(), None);
        }
    }

    /// Whatever is asked, the request is JSON or an error that shows nothing.
    #[test]
    fn any_call_is_written_or_refused(to in ".{0,30}", from in ".{0,30}", text in ".{0,40}", kind in 0..6_u8) {
        let party = |text: &str| match kind {
            0 => Party::Number(text.to_owned()),
            1 => Party::Sip(format!("sip:{text}")),
            2 => Party::Client(text.to_owned()),
            3 => Party::Extension(text.to_owned()),
            4 => Party::Withheld,
            _ => Party::parse(text),
        };
        let options = match kind {
            0 => VonageCallOptions::new().with_dtmf_answer(&text).with_shaken(&text),
            1 => VonageCallOptions::new().with_sip_header(&text, &text).with_user_to_user(&text),
            4 => VonageCallOptions::new().with_websocket(WebsocketTarget::new(format!("wss://{text}")).with_header(&text, &text)),
            _ => VonageCallOptions::new(),
        };
        let from = if kind == 4 { Party::parse("+447700900000") } else { Party::parse(&from) };
        let call = OutboundCall::new(party(&to), from, Answer::say(text.clone())).with_extension(NAME, options);
        let (api, token, id) = (api(), token(), CallId::new("u-1").unwrap());
        let requests = [
            api.place_call(&token, &call, &links()),
            api.send_dtmf(&token, &id, &text),
            api.start_talk(&token, &id, &Talk::new(text.clone())),
            api.start_stream(&token, &id, &StreamAudio::new(text.clone())),
            api.transfer_to_url(&token, &id, &text),
        ];
        for request in requests.into_iter().flatten() {
            prop_assert!(serde_json::from_slice::<Value>(request.body()).unwrap().is_object());
        }
    }
}
