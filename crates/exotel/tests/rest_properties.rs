//! No answer makes a reader panic, no call makes a request that Exotel could misread, and nothing shows what it must not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::rest::{CUSTOMER, EXOPHONE, call, noon, response, rest, with_rest};
use common::{config, links};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response};
use proptest::prelude::*;
use telephony_core::{Answer, CallId, OutboundCall, Parameters, Party, Stream};
use telephony_exotel::rest::{CallQuery, ListenFrom, Listener, Playback};
use telephony_exotel::{ExotelCallOptions, NAME};

const HIDDEN: [&str; 8] = [
    "9876501234",
    "8033334444",
    "7200498000",
    common::SECRET,
    common::TOKEN,
    "rest-api-key",
    "rest-api-token",
    "cmVzdC1hcGkta2V5",
];

/// Everything that reads an answer, and what comes of it as it would be logged.
fn read(response: &Response<Bytes>) -> String {
    rest(|rest| {
        let placed = rest.read_placed_call(&call(Answer::stream()), &links(), response, noon());
        let page = rest.read_calls(response, noon());
        let mut shown = format!("{placed:?}{page:?}");
        if let Ok(page) = &page {
            shown += &format!("{:?}", page.placed(&call(Answer::stream())).count());
            shown += &rest
                .next_calls(page)
                .map_or_else(|error| format!("{error} {error:?}"), |_| String::new());
        }
        let state = rest.read_call(response, noon());
        if let Err(error) = &state {
            shown += &error.to_string();
        }
        let streams = rest.read_active_streams(response, noon());
        let recording = rest.read_recording(response, noon()).map(|_| ());
        shown + &format!("{state:?}{streams:?}{recording:?}")
    })
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "(Call|Calls|Sid|Status|From|To|Direction|Details|Legs|Leg|Leg1Status|Duration|OnCallDuration|Metadata|NextPageUri)",
        "(RestException|Message|Code|response|error_data|error|Error|Stream|active_streams|TwilioResponse|request_id)",
        "[a-zA-Z]{0,8}",
    ]
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "(completed|in-progress|429|500|1e999|outbound-api|a|/v1/Accounts/example1/Calls\\?a|.{0,12})".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::vec((names(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// The same as XML.
fn xml(name: &str, value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Array(items) => items.iter().for_each(|item| xml(name, item, out)),
        Value::Object(members) => {
            *out += &format!("<{name}>");
            members
                .iter()
                .filter(|(name, _)| !name.is_empty())
                .for_each(|(name, value)| xml(name, value, out));
            *out += &format!("</{name}>");
        }
        Value::String(text) => {
            *out += &format!("<{name}>{}</{name}>", text.replace(['<', '&', '\r'], ""))
        }
        other => *out += &format!("<{name}>{other}</{name}>"),
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(
        status in 100_u16..999,
        body in proptest::collection::vec(any::<u8>(), 0..200),
        text in "[{<\\[].{0,100}",
        after in "[ -~]{0,40}",
    ) {
        for body in [Bytes::from(body), Bytes::from(text)] {
            for status in [200, status] {
                let mut response = response(status, body.clone());
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_str(&after).unwrap());
                read(&response);
            }
        }
    }

    #[test]
    fn no_tree_makes_a_reader_panic(status in 100_u16..999, tree in tree()) {
        let mut text = String::new();
        xml("TwilioResponse", &tree, &mut text);
        for body in [tree.to_string(), text] {
            read(&response(200, body.clone()));
            read(&response(status, body));
        }
    }

    #[test]
    fn nothing_that_exotel_repeats_is_shown(
        status in prop_oneof![Just(200_u16), Just(400), Just(403), Just(500)],
        before in "[a-z ]{0,260}",
        hidden in 0..HIDDEN.len() - 1,
        shape in 0..4,
    ) {
        let hidden = HIDDEN[hidden];
        let hidden = if hidden == common::TOKEN { "wss://voice.example.com/media-token-media-token" } else { hidden };
        let said = format!("{before} {hidden}");
        let value: serde_json::Value = match shape {
            0 => serde_json::json!({"RestException": {"Status": status, "Message": said, "Code": said}}),
            1 => serde_json::json!({"error": said, "request_id": hidden}),
            2 => serde_json::json!({"Call": {"Sid": "a", "From": hidden, "To": hidden, "RecordingUrl": said, "Price": said}}),
            _ => serde_json::json!({"Calls": [{"Sid": "a", "From": hidden}], "Metadata": {"NextPageUri": said}}),
        };
        let mut body = String::new();
        xml("TwilioResponse", &value, &mut body);
        for body in [value.to_string(), body] {
            let shown = read(&response(status, body));
            for hidden in HIDDEN {
                prop_assert!(!shown.contains(hidden), "{} in {}", hidden, shown);
            }
        }
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_request(
        to in ".{0,18}", from in ".{0,18}", second in ".{0,18}", text in ".{0,40}", parameter in "[ -~]{0,20}",
    ) {
        let parties = || (Party::LocalNumber(to.clone()), Party::Number(from.clone()));
        let options = ExotelCallOptions::new()
            .with_wait_url(format!("https://x.example/{text}"))
            .with_playback(Playback::to_both(format!("https://x.example/{text}")))
            .with_listener(Listener::new(format!("wss://x.example/{text}"), ListenFrom::FirstLeg));
        let (dialled, shown) = parties();
        let two = OutboundCall::new(dialled, shown, Answer::dial(second.as_str())).with_extension(NAME, options);
        let (dialled, shown) = parties();
        let stream = Stream::new().with_parameter("a", parameter);
        let straight = OutboundCall::new(dialled, shown, stream.into())
            .with_extension(NAME, ExotelCallOptions::new().with_stream_name(text.clone()));
        let good = OutboundCall::new(Party::parse(CUSTOMER), Party::parse(EXOPHONE), Answer::stream())
            .with_extension(NAME, ExotelCallOptions::new().with_stream_name(text.clone()));
        for call in [two, straight, good] {
            let Ok(request) = rest(|rest| rest.place_call(&call, &links())) else { continue };
            let form = Parameters::from_form(request.body());
            let mut names: Vec<_> = form.iter().map(|(name, _)| name).filter(|name| *name != "StatusCallbackEvents[]").collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), count);
            prop_assert_eq!(form.get("From"), Some(call.to.address()));
            prop_assert_eq!(form.get("CallerId"), Some(call.from.address()));
            prop_assert_eq!(form.get("StreamName").unwrap_or(&text), &text);
        }
    }

    #[test]
    fn an_id_stays_in_its_place(id in ".{1,60}") {
        if let Ok(id) = CallId::new(&id) {
            let request = rest(|rest| rest.fetch_call(&id)).unwrap();
            let path = request.uri().path().strip_prefix("/v1/Accounts/example1/Calls/").unwrap();
            prop_assert!(!path.contains('/') && path.ends_with(".json"));
            prop_assert_eq!(request.uri().query(), Some("details=true"));
        }
    }

    #[test]
    fn credentials_go_nowhere_else(
        scheme in "(https|http|HTTPS|wss)://",
        host in "[a-z0-9.@:\\\\%/-]{0,20}(exotel\\.com|amazonaws\\.com|evil\\.example)?[a-z0-9.@:\\\\%-]{0,12}",
        path in "(/[ -~]{0,20})?",
    ) {
        let url = format!("{scheme}{host}{path}");
        if let Ok(request) = rest(|rest| rest.fetch_recording(&url)) {
            let host = request.uri().host().unwrap().to_ascii_lowercase();
            prop_assert!(host == "exotel.com" || host.ends_with(".exotel.com") || host.ends_with(".amazonaws.com"), "{}", url);
            if request.headers().contains_key("authorization") {
                prop_assert!(["api.exotel.com", "api.in.exotel.com", "recordings.exotel.com", "recordings.in.exotel.com"].contains(&host.as_str()), "{}", url);
            }
        }
    }
}

#[test]
fn options_queries_and_requests_show_nothing() {
    let options = ExotelCallOptions::new()
        .with_flow("9876501234")
        .with_stream_name("rest-api-key")
        .with_wait_url("https://x.example/rest-api-token")
        .with_playback(Playback::to_callee("https://x.example/rest-api-token"))
        .with_listener(Listener::new(
            "wss://x.example/rest-api-token",
            ListenFrom::FirstLeg,
        ));
    let query = CallQuery::placed(&call(Answer::stream()), noon(), noon());
    let shown = with_rest(
        config().with_socket_credentials("bot", "pass-word"),
        |rest| {
            let request = rest.place_call(&call(Answer::stream()), &links()).unwrap();
            format!("{rest:?} {:?}", request.headers())
        },
    );
    let shown = format!("{options:?} {options:#?} {query:?} {shown}");
    for hidden in HIDDEN.into_iter().chain(["pass-word"]) {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}
