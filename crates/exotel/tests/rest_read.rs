//! What is asked about calls and streams, and what the answers mean.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{
    CUSTOMER, EXOPHONE, SECOND, SID, call, noon, response, rest, signed_get, wire, with_rest,
};
use common::{assert_kind, links};
use std::time::Duration;
use telephony_core::{
    Answer, AnsweredBy, CallId, CallStatus, Direction, ErrorKind, OutboundCall, Party, PlacedCall,
    Result, Retry, metadata,
};
use telephony_exotel::rest::{CallPage, CallQuery, CallState};

const CALLS: &str = "https://api.exotel.com/v1/Accounts/example1/Calls";

fn placed(body: &str) -> Result<PlacedCall> {
    rest(|rest| {
        rest.read_placed_call(
            &call(Answer::stream()),
            &links(),
            &response(200, body.to_owned()),
            noon(),
        )
    })
}

fn state(body: &str) -> Result<CallState> {
    rest(|rest| rest.read_call(&response(200, body.to_owned()), noon()))
}

fn page(body: &str) -> Result<CallPage> {
    rest(|rest| rest.read_calls(&response(200, body.to_owned()), noon()))
}

#[test]
fn a_call_that_was_taken() {
    let full = format!(
        r#"{{"Call":{{"Sid":"{SID}","ParentCallSid":null,"DateCreated":"2026-01-01 17:30:00","AccountSid":"example1",
        "To":"08033334444","From":"09876501234","PhoneNumberSid":"08033334444","Status":"in-progress","EndTime":null,
        "Duration":null,"Price":null,"Direction":"outbound-api","AnsweredBy":null,"RecordingUrl":null}}}}"#
    );
    let small = format!(
        r#"{{"call":{{"sid":"{SID}","status":"in-progress","phonenumbersid":"08033334444"}}}}"#
    );
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TwilioResponse>\n <Call>\n  <Sid>{SID}</Sid>\n  <ParentCallSid/>\n  \
         <Status>in-progress</Status>\n </Call>\n</TwilioResponse>"
    );
    for body in [
        full,
        small,
        xml,
        format!(r#"{{"Sid":"{SID}","Status":"In-Progress"}}"#),
    ] {
        let placed = placed(&body).unwrap();
        assert_eq!(
            (placed.id().as_str(), placed.status),
            (SID, CallStatus::Initiated),
            "{body}"
        );
        let report = placed.report;
        assert_eq!(report.get(metadata::PROVIDER), Some("exotel"));
        assert_eq!(report.get(metadata::CALL_ID), Some(SID));
        assert_eq!(report.get(metadata::TO_PHONE), Some(CUSTOMER));
        assert_eq!(report.get(metadata::FROM_PHONE), Some(EXOPHONE));
        assert_eq!(report.metric("STATUS"), Some("SUCCESS"));
        let events: Vec<_> = report
            .events
            .iter()
            .map(|event| event.name.as_str())
            .collect();
        assert_eq!(events, ["api-call", "initiated"]);
        assert_eq!(report.events[0].payload, body.as_bytes());
    }
}

#[test]
fn taken_is_never_answered() {
    for (word, status) in [
        ("queued", CallStatus::Queued),
        ("ringing", CallStatus::Initiated),
        ("in-progress", CallStatus::Initiated),
        ("answered", CallStatus::Initiated),
        ("completed", CallStatus::Initiated),
        ("failed", CallStatus::Failed),
        ("busy", CallStatus::Busy),
        ("no-answer", CallStatus::NoAnswer),
        ("canceled", CallStatus::Canceled),
        ("cancelled", CallStatus::Canceled),
        ("something new", CallStatus::Queued),
        ("", CallStatus::Queued),
    ] {
        let body = format!(
            r#"{{"Call":{{"Sid":"{SID}","Status":"{word}","AnsweredBy":"human","Direction":"inbound"}}}}"#
        );
        assert_eq!(placed(&body).unwrap().status, status, "{word}");
    }
}

#[test]
fn any_2xx_takes_a_call() {
    let body = format!(r#"{{"Call":{{"Sid":"{SID}"}}}}"#);
    for status in [200, 201, 202] {
        let response = response(status, body.clone());
        rest(|rest| rest.read_placed_call(&call(Answer::stream()), &links(), &response, noon()))
            .unwrap();
    }
}

#[test]
fn an_answer_without_an_id_leaves_it_open() {
    for body in [
        r#"{"Call":{}}"#,
        r#"{"Call":{"Sid":null}}"#,
        r#"{"Call":{"Sid":""}}"#,
        r#"{"Call":"x"}"#,
        "{}",
        "<TwilioResponse><Call><Sid/></Call></TwilioResponse>",
        "<html><body>ok</body></html>",
        "",
        "OK",
        r#"{"Call":{"Sid":"a"#,
        "[]",
    ] {
        let error = placed(body).unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Carrier, Retry::OutcomeUnknown),
            "{body}"
        );
        assert!(
            error
                .to_string()
                .contains("nobody knows whether the call was placed"),
            "{error}"
        );
        assert_eq!(error.http_status(), Some(200));
    }
}

#[test]
fn one_call_is_asked_for() {
    let request = rest(|rest| rest.fetch_call(&CallId::new(SID).unwrap())).unwrap();
    assert_eq!(
        wire(&request),
        signed_get(&format!("{CALLS}/{SID}.json?details=true"))
    );
    let request = rest(|rest| rest.fetch_call(&CallId::new("../a?b=é#%").unwrap())).unwrap();
    assert_eq!(
        request.uri().to_string(),
        format!("{CALLS}/..%2Fa%3Fb%3D%C3%A9%23%25.json?details=true")
    );
}

const DETAILS: &str = r#"{"Call":{"Sid":"b6","ParentCallSid":null,"DateCreated":"2026-01-01 10:48:33",
    "DateUpdated":"2026-01-01 10:53:33","AccountSid":"example1","To":"07200498000","From":"09876501234",
    "PhoneNumberSid":"08033334444","Status":"completed","StartTime":"2026-01-01 10:48:34","EndTime":"2026-01-01 10:49:50",
    "Duration":"17","Price":"1.500","Direction":"outbound-api","AnsweredBy":null,
    "RecordingUrl":"https://recordings.exotel.com/exotelrecordings/example1/b6.mp3",
    "Details":{"ConversationDuration":8,"Leg1Status":"completed","Leg2Status":"no-answer",
    "Legs":[{"Leg":{"Id":1,"OnCallDuration":21}},{"Leg":{"Id":2,"OnCallDuration":0}}]}}}"#;

#[test]
fn the_details_of_a_call() {
    let state = state(DETAILS).unwrap();
    assert_eq!(state.id.as_str(), "b6");
    assert_eq!(
        (state.status, state.word.as_deref()),
        (Some(CallStatus::Completed), Some("completed"))
    );
    assert_eq!(state.direction, Some(Direction::Outbound));
    let number = |party: &Option<Party>| {
        party
            .as_ref()
            .and_then(|party| party.e164().map(str::to_owned))
    };
    assert_eq!(number(&state.from).as_deref(), Some(CUSTOMER));
    assert_eq!(number(&state.to).as_deref(), Some(SECOND));
    assert_eq!(number(&state.exophone).as_deref(), Some("+918033334444"));
    assert_eq!(state.created.as_deref(), Some("2026-01-01 10:48:33"));
    assert_eq!(state.started.as_deref(), Some("2026-01-01 10:48:34"));
    assert_eq!(state.ended.as_deref(), Some("2026-01-01 10:49:50"));
    assert_eq!(state.duration, Some(Duration::from_secs(17)));
    assert_eq!(state.conversation, Some(Duration::from_secs(8)));
    assert_eq!(state.price.as_deref(), Some("1.500"));
    assert_eq!(state.answered_by, None);
    let legs: Vec<_> = state
        .legs
        .iter()
        .map(|leg| (leg.status, leg.on_call.unwrap().as_secs()))
        .collect();
    assert_eq!(
        legs,
        [
            (Some(CallStatus::Completed), 21),
            (Some(CallStatus::NoAnswer), 0)
        ]
    );
    assert!(state.recording_url.unwrap().ends_with("/b6.mp3"));
    let raw: serde_json::Value = serde_json::from_slice(&state.raw).unwrap();
    assert_eq!(raw["Details"]["Leg2Status"], "no-answer");
}

#[test]
fn the_details_in_xml_and_with_other_types() {
    let xml = "<TwilioResponse><Call><Sid>b6</Sid><Status>no-answer</Status><Duration>5</Duration><Price>0.5</Price>\
        <EndTime>1970-01-01 05:30:00</EndTime><Direction>inbound</Direction><Details>\
        <ConversationDuration>0</ConversationDuration><Leg1Status>no-answer</Leg1Status><Leg2Status/>\
        <Legs><Leg><Id>1</Id><OnCallDuration>0</OnCallDuration></Leg></Legs></Details></Call></TwilioResponse>";
    let json = r#"{"call":{"sid":"b6","status":"NO-ANSWER","duration":5,"price":0.5,"direction":"incoming","endtime":"",
        "details":{"conversationduration":"0","leg1status":"no-answer","leg2status":null,
        "legs":[{"id":"1","oncallduration":"0"}]}}}"#;
    for body in [xml, json] {
        let state = state(body).unwrap();
        assert_eq!(state.status, Some(CallStatus::NoAnswer));
        assert_eq!(
            (state.duration, state.price.as_deref()),
            (Some(Duration::from_secs(5)), Some("0.5"))
        );
        assert_eq!(
            (state.ended, state.direction),
            (None, Some(Direction::Inbound))
        );
        assert_eq!(state.legs.len(), 1);
        assert_eq!(state.legs[0].status, Some(CallStatus::NoAnswer));
        assert_eq!(state.legs[0].on_call, Some(Duration::ZERO));
    }
}

#[test]
fn in_progress_is_believed_of_an_inbound_call_or_when_a_leg_shows_it() {
    for (rest, status) in [
        ("", CallStatus::Initiated),
        (r#","Direction":"outbound-api""#, CallStatus::Initiated),
        (
            r#","Direction":"outbound-api","Details":{"ConversationDuration":0,"Leg1Status":"ringing"}"#,
            CallStatus::Initiated,
        ),
        (r#","Direction":"inbound""#, CallStatus::InProgress),
        (
            r#","Direction":"outbound-api","Details":{"Leg1Status":"in-progress"}"#,
            CallStatus::InProgress,
        ),
        (
            r#","Direction":"outbound-api","Details":{"Leg1Status":"completed"}"#,
            CallStatus::InProgress,
        ),
        (
            r#","Details":{"ConversationDuration":"3"}"#,
            CallStatus::InProgress,
        ),
        (
            r#","Details":{"Legs":[{"Leg":{"OnCallDuration":3}}]}"#,
            CallStatus::InProgress,
        ),
        (r#","AnsweredBy":"HUMAN""#, CallStatus::InProgress),
    ] {
        let body = format!(r#"{{"Call":{{"Sid":"a","Status":"in-progress"{rest}}}}}"#);
        assert_eq!(state(&body).unwrap().status, Some(status), "{rest}");
    }
    let state = state(r#"{"Call":{"Sid":"a","Status":"paused","AnsweredBy":"machine","PreSignedRecordingUrl":"https://x/1","RecordingUrl":"https://x/2"}}"#).unwrap();
    assert_eq!(
        (state.status, state.word.as_deref()),
        (None, Some("paused"))
    );
    assert_eq!(state.answered_by, Some(AnsweredBy::Machine));
    assert_eq!(state.recording_url.as_deref(), Some("https://x/1"));
}

#[test]
fn calls_are_looked_for() {
    let query = CallQuery::new(noon() - Duration::from_secs(86_400), noon())
        .with_call(CallId::new("a").unwrap())
        .with_call(CallId::new("b&c").unwrap())
        .with_dialled(&Party::LocalNumber("09876501234".into()))
        .with_status(CallStatus::NoAnswer)
        .with_page_size(20);
    let request = rest(|rest| rest.list_calls(&query)).unwrap();
    assert_eq!(
        wire(&request),
        signed_get(&format!(
            "{CALLS}.json?Sid=a%2Cb%26c\
             &DateCreated=gte%3A2025-12-31%2017%3A30%3A00%3Blte%3A2026-01-01%2017%3A30%3A00\
             &From=%2B919876501234&Status=no-answer&PageSize=20"
        ))
    );
    let plain = CallQuery::new(noon(), noon()).with_dialled(&Party::parse("1234"));
    let request = rest(|rest| rest.list_calls(&plain)).unwrap();
    assert_eq!(
        request.uri().query(),
        Some("DateCreated=gte%3A2026-01-01%2017%3A30%3A00%3Blte%3A2026-01-01%2017%3A30%3A00")
    );
}

#[test]
fn a_call_of_unknown_outcome_is_looked_for() {
    let query = CallQuery::placed(
        &call(Answer::stream()),
        noon(),
        noon() + Duration::from_secs(35),
    );
    let request = rest(|rest| rest.list_calls(&query)).unwrap();
    assert_eq!(
        wire(&request),
        signed_get(&format!(
            "{CALLS}.json?DateCreated=gte%3A2026-01-01%2017%3A29%3A00%3Blte%3A2026-01-01%2017%3A31%3A35\
             &From=%2B919876501234&Direction=outbound-api&PageSize=100"
        ))
    );
}

#[test]
fn exotels_limits_of_a_search_are_kept() {
    let month = Duration::from_secs(31 * 86_400);
    let list = |query: &CallQuery| rest(|rest| rest.list_calls(query));
    assert!(list(&CallQuery::new(noon() - month, noon())).is_ok());
    let second = Duration::from_secs(1);
    for (first, last) in [(noon() - month - second, noon()), (noon(), noon() - second)] {
        assert_kind(
            list(&CallQuery::new(first, last)),
            ErrorKind::InvalidArgument,
            "a month",
        );
    }
    for size in [0, 101] {
        let query = CallQuery::new(noon(), noon()).with_page_size(size);
        assert_kind(list(&query), ErrorKind::InvalidArgument, "1 to 100");
    }
    let query = (0..101).fold(CallQuery::new(noon(), noon()), |query, _| {
        query.with_call(CallId::new("a").unwrap())
    });
    assert_kind(list(&query), ErrorKind::InvalidArgument, "100 calls");
}

fn list(next: &str) -> String {
    format!(
        r#"{{"Metadata":{{"Total":"3","PageSize":2,"FirstPageUri":"/x","PrevPageUri":null,"NextPageUri":{next}}},"Calls":[
        {{"Sid":"in","Status":"completed","Direction":"inbound","From":"09876501234","To":"08033334444"}},
        {{"Sid":"mine","Status":"completed","Direction":"outbound-api","From":"09876501234","PhoneNumberSid":"08033334444"}},
        {{"Sid":"bare","Status":"failed","From":"9876501234"}},
        {{"Sid":"other","Direction":"outbound-api","From":"07200498000","PhoneNumberSid":"08033334444"}},
        {{"Sid":"line","Direction":"outbound-api","From":"+919876501234","PhoneNumberSid":"08011112222"}},
        {{"Status":"without an id"}}]}}"#
    )
}

#[test]
fn what_is_found_is_compared_with_the_call() {
    let page = page(&list("null")).unwrap();
    assert_eq!(
        (page.calls.len(), page.total, page.has_next()),
        (5, Some(3), false)
    );
    assert!(rest(|rest| rest.next_calls(&page)).unwrap().is_none());
    let ids = |call: &OutboundCall| -> Vec<String> {
        page.placed(call)
            .map(|state| state.id.to_string())
            .collect()
    };
    assert_eq!(ids(&call(Answer::stream())), ["mine", "bare"]);
    let local = OutboundCall::new(
        Party::parse("09876501234"),
        Party::parse("+918033334444"),
        Answer::stream(),
    );
    assert_eq!(ids(&local), ["mine", "bare"]);
    let nobody = OutboundCall::new(
        Party::parse("+919000000000"),
        Party::parse(EXOPHONE),
        Answer::stream(),
    );
    assert_eq!(ids(&nobody), [""; 0]);
}

#[test]
fn lists_in_other_shapes() {
    for (body, ids) in [
        (
            "<TwilioResponse><Metadata><Total>2</Total></Metadata><Calls><Call><Sid>a</Sid></Call><Call><Sid>b</Sid></Call></Calls></TwilioResponse>",
            vec!["a", "b"],
        ),
        (
            "<TwilioResponse><Metadata><Total>1</Total></Metadata><Call><Sid>a</Sid></Call></TwilioResponse>",
            vec!["a"],
        ),
        ("<TwilioResponse><Calls/></TwilioResponse>", vec![]),
        (r#"{"metadata":{"total":0},"calls":[]}"#, vec![]),
        (r#"{"Metadata":{},"Calls":null}"#, vec![]),
        (
            r#"{"Calls":[{"Call":{"Sid":"a"}},7,null,{"Sid":{}}]}"#,
            vec!["a"],
        ),
    ] {
        let page = page(body).unwrap();
        let found: Vec<_> = page.calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(found, ids, "{body}");
    }
    assert_kind(page("{}"), ErrorKind::Carrier, "list of calls");
}

#[test]
fn the_next_page_is_of_the_same_list_or_refused() {
    let next = |config, uri: &str| {
        let page = page(&list(&format!("{uri:?}"))).unwrap();
        with_rest(config, |rest| {
            Ok(rest.next_calls(&page)?.unwrap().uri().to_string())
        })
    };
    let plain = common::config;
    for uri in [
        "/v1/Accounts/example1/Calls.json?After=xyz%3D&PageSize=2",
        "/v1/Accounts/example1/Calls?After=xyz%3D&PageSize=2",
        "https://api.exotel.com/v1/Accounts/example1/Calls.json?After=xyz%3D&PageSize=2",
    ] {
        assert_eq!(
            next(plain(), uri).unwrap(),
            format!("{CALLS}.json?After=xyz%3D&PageSize=2")
        );
    }
    let local = plain().with_base_url("http://127.0.0.1:8080/api");
    assert_eq!(
        next(local, "/v1/Accounts/example1/Calls.json?After=x").unwrap(),
        "http://127.0.0.1:8080/api/v1/Accounts/example1/Calls.json?After=x"
    );
    for uri in [
        "https://evil.example/v1/Accounts/example1/Calls.json?After=x",
        "https://api.exotel.com.evil.example/v1/Accounts/example1/Calls.json?After=x",
        "//evil.example/v1/Accounts/example1/Calls.json?After=x",
        "@evil.example/v1/Accounts/example1/Calls.json?After=x",
        "/v1/Accounts/another/Calls.json?After=x",
        "/v1/Accounts/example1/Calls.json/../../x?After=x",
        "/v1/Accounts/example1/Calls/connect.json?After=x",
        "/v1/Accounts/example1/Calls.json",
        "/v1/Accounts/example1/Calls.json?a b",
        "?After=x",
    ] {
        let result: Result<String> = next(plain(), uri);
        assert_kind(result, ErrorKind::Carrier, "not where the calls");
    }
}

#[test]
fn streams_are_counted() {
    let request = rest(|rest| rest.fetch_active_streams()).unwrap();
    assert_eq!(
        wire(&request),
        signed_get("https://api.exotel.com/v1/Accounts/example1/ActiveStreams")
    );
    let read =
        |body: &str| rest(|rest| rest.read_active_streams(&response(200, body.to_owned()), noon()));
    for (body, wanted) in [
        (
            "<?xml version=\"1.0\"?>\n<TwilioResponse>\n <Stream>\n <ActiveStreamCount>0</ActiveStreamCount>\n <ThrottleLimit>100</ThrottleLimit></Stream></TwilioResponse>",
            (0, Some(100)),
        ),
        (
            r#"{"status":"success","active_streams":12,"max_allowed_streams":"100"}"#,
            (12, Some(100)),
        ),
        (r#"{"Stream":{"ActiveStreamCount":"3"}}"#, (3, None)),
    ] {
        let streams = read(body).unwrap();
        assert_eq!((streams.active, streams.limit), wanted);
    }
    for body in [
        "{}",
        r#"{"active_streams":-1}"#,
        r#"{"active_streams":"many"}"#,
    ] {
        assert_kind(read(body), ErrorKind::Carrier, "number of streams");
    }
}
