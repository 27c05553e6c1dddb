use proptest::prelude::*;

use super::*;

fn unstarted(rate: u32, parameters: Map<String, Value>) -> ExotelWire {
    let ids = Ids {
        stream_sid: "s0".into(),
        call_sid: "c0".into(),
        account_sid: "exampleacct1".into(),
        from: "09990000105".into(),
        to: "04440002319".into(),
    };
    ExotelWire::with_ids(ids, &ExotelAccount::new("exampleacct1"), rate, parameters)
}

fn wire() -> ExotelWire {
    let mut wire = unstarted(8_000, Map::new());
    wire.hello();
    wire.start();
    wire
}

fn json_of(messages: Vec<WireMessage>) -> Value {
    match messages.as_slice() {
        [WireMessage::Text(text)] => serde_json::from_str(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn receive(wire: &mut ExotelWire, message: &Value) -> Received {
    wire.receive(&WireMessage::Text(message.to_string()))
}

fn media(bytes: &[u8]) -> Value {
    json!({"event": "media", "stream_sid": "s0", "media": {"payload": STANDARD.encode(bytes)}})
}

fn codes(received: &Received) -> Vec<&str> {
    received
        .findings
        .iter()
        .map(|finding| finding.code.as_ref())
        .collect()
}

#[test]
fn the_start_is_as_seen_on_the_wire() {
    let mut wire = unstarted(8_000, Map::new());
    assert_eq!(json_of(wire.hello()), json!({"event": "connected"}));
    assert_eq!(wire.stop(StopReason::CallEnded), [], "nothing has begun");
    assert_eq!(
        json_of(wire.start()),
        json!({
            "event": "start",
            "sequence_number": "1",
            "stream_sid": "s0",
            "start": {
                "stream_sid": "s0",
                "call_sid": "c0",
                "account_sid": "exampleacct1",
                "from": "09990000105",
                "to": "04440002319",
                "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
            },
        })
    );
    let parameters = Map::from_iter([("who".to_owned(), json!("Ada"))]);
    let start = json_of(unstarted(16_000, parameters).start());
    assert_eq!(start["start"]["custom_parameters"], json!({"who": "Ada"}));
    assert_eq!(start["start"]["media_format"]["sample_rate"], "16000");
}

#[test]
fn counters_are_texts() {
    let mut wire = wire();
    assert_eq!(
        json_of(wire.audio(&[1, -2], Duration::from_millis(40))),
        json!({
            "event": "media",
            "sequence_number": "2",
            "stream_sid": "s0",
            "media": {"chunk": "1", "timestamp": "40", "payload": "AQD+/w=="},
        })
    );
    assert_eq!(
        json_of(wire.audio(&[0; 800], Duration::ZERO))["media"]["chunk"],
        "2"
    );
    let key = json_of(wire.key('#', Duration::ZERO));
    assert_eq!(key["dtmf"], json!({"digit": "#", "duration": "100"}));
    assert_eq!(key["sequence_number"], "4");
    assert_eq!(
        json_of(wire.mark(&json!("end")))["mark"],
        json!({"name": "end"})
    );
    let stop = json_of(wire.stop(StopReason::CallEnded));
    assert_eq!(
        stop["stop"],
        json!({"call_sid": "c0", "account_sid": "exampleacct1", "reason": "callended"})
    );
    assert_eq!(
        json_of(wire.stop(StopReason::Stopped))["stop"]["reason"],
        "stopped"
    );
}

#[test]
fn good_messages_are_obeyed() {
    let mut wire = wire();
    let received = receive(&mut wire, &media(&[0x01, 0x00].repeat(1_600)));
    assert_eq!(
        received,
        Received::command(AppCommand::Audio(vec![1; 1_600]))
    );
    let full = json!({
        "event": "media", "stream_sid": "s0", "sequence_number": 3,
        "media": {"chunk": "2", "timestamp": "10", "payload": STANDARD.encode([0; 3_200])},
    });
    assert_eq!(codes(&receive(&mut wire, &full)), [""; 0]);
    let mark =
        json!({"event": "mark", "stream_sid": "s0", "sequence_number": "4", "mark": {"name": "a"}});
    assert_eq!(
        receive(&mut wire, &mark),
        Received::command(AppCommand::Mark(json!("a")))
    );
    let clear = json!({"event": "clear", "stream_sid": "s0"});
    assert_eq!(
        receive(&mut wire, &clear),
        Received::command(AppCommand::Clear)
    );
}

#[test]
fn refused_messages_have_their_codes_once() {
    for (message, code) in [
        (json!([]), "invalid-message"),
        (json!({}), "unknown-event"),
        (
            json!({"event": "stop", "stream_sid": "s0"}),
            "unknown-event",
        ),
        (
            json!({"event": "media", "stream_sid": "s0"}),
            "invalid-message",
        ),
        (
            json!({"event": "media", "stream_sid": "s0", "media": {}}),
            "no-payload",
        ),
        (
            json!({"event": "media", "stream_sid": "s0", "media": {"payload": "__8="}}),
            "invalid-base64",
        ),
        (
            json!({"event": "mark", "stream_sid": "s0"}),
            "invalid-message",
        ),
        (
            json!({"event": "mark", "stream_sid": "s0", "mark": {"name": ""}}),
            "no-mark-name",
        ),
        (media(&[0; 100_160]), "chunk-too-long"),
    ] {
        let mut wire = wire();
        let first = receive(&mut wire, &message);
        assert_eq!(
            (first.commands.len(), codes(&first)),
            (0, vec![code]),
            "{code}"
        );
        assert_eq!(receive(&mut wire, &message), Received::default(), "{code}");
    }
    let binary = wire().receive(&WireMessage::Binary(vec![0; 320]));
    assert_eq!(
        (binary.commands.len(), codes(&binary)),
        (0, vec!["binary-message"])
    );
    let early = receive(&mut unstarted(8_000, Map::new()), &media(&[0; 3_200]));
    assert_eq!(
        (early.commands.len(), codes(&early)),
        (0, vec!["message-before-start"])
    );
}

#[test]
fn tolerated_messages_have_their_codes() {
    let payload = STANDARD.encode([0; 3_200]);
    for (message, expected) in [
        (json!({"event": "clear"}), vec!["stream-sid"]),
        (
            json!({"event": "clear", "stream_sid": "s1"}),
            vec!["stream-sid"],
        ),
        (
            json!({"event": "clear", "streamSid": "s0"}),
            vec!["camel-case"],
        ),
        (
            json!({"event": "clear", "streamSid": "s1"}),
            vec!["camel-case", "stream-sid"],
        ),
        (
            json!({"event": "clear", "stream_sid": "s0", "why": "x"}),
            vec!["unknown-member"],
        ),
        (
            json!({"event": "clear", "stream_sid": "s0", "sequence_number": "x"}),
            vec!["odd-counter"],
        ),
        (
            json!({"event": "media", "stream_sid": "s0", "media": {"payload": payload, "track": "outbound"}}),
            vec!["unknown-member"],
        ),
        (
            json!({"event": "media", "stream_sid": "s0", "media": {"payload": payload, "timestamp": 1.5}}),
            vec!["odd-counter"],
        ),
        (media(&[]), vec!["gap"]),
        (media(&[0; 3_300]), vec!["gap"]),
        (media(&[0; 3_201]), vec!["half-sample"]),
        (media(&b"RIFF".repeat(800)), vec!["file-header-in-audio"]),
        // 2 s at once
        (media(&[0; 32_000]), vec!["burst"]),
    ] {
        let received = receive(&mut wire(), &message);
        assert_eq!(
            (received.commands.len(), codes(&received)),
            (1, expected),
            "{message}"
        );
    }
}

#[test]
fn only_short_chunks_in_a_row_are_short() {
    let short = media(&[0; 640]);
    let mut wire = wire();
    assert_eq!(
        codes(&receive(&mut wire, &short)),
        [""; 0],
        "it may be the last one"
    );
    receive(
        &mut wire,
        &json!({"event": "mark", "stream_sid": "s0", "mark": {"name": "a"}}),
    );
    assert_eq!(codes(&receive(&mut wire, &short)), [""; 0]);
    assert_eq!(codes(&receive(&mut wire, &short)), ["short-chunk"]);
}

#[test]
fn paced_audio_is_no_burst_and_a_clear_makes_room() {
    let chunk = media(&[0; 3_200]);
    let mut wire = wire();
    let mut at = Duration::ZERO;
    for _ in 0..5 {
        assert_eq!(codes(&receive(&mut wire, &chunk)), [""; 0]);
    }
    for _ in 0..20 {
        wire.audio(&[0; 800], at);
        wire.audio(&[0; 800], at + Duration::from_millis(100));
        at += Duration::from_millis(200);
        assert_eq!(codes(&receive(&mut wire, &chunk)), [""; 0]);
    }
    receive(&mut wire, &json!({"event": "clear", "stream_sid": "s0"}));
    for _ in 0..5 {
        assert_eq!(codes(&receive(&mut wire, &chunk)), [""; 0]);
    }
    for expected in [vec!["burst"], vec![]] {
        assert_eq!(codes(&receive(&mut wire, &chunk)), expected);
    }
}

proptest! {
    #[test]
    fn receiving_never_panics(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut wire = wire();
        let _ = wire.receive(&WireMessage::Text(text));
        let _ = receive(&mut wire, &media(&bytes));
        let _ = wire.receive(&WireMessage::Binary(bytes));
    }

    #[test]
    fn odd_json_never_panics(name in "event|media|mark|stream_sid|payload", value in ".{0,40}", number in any::<i64>()) {
        let mut wire = wire();
        for event in ["media", "mark", "clear", "start"] {
            let mut message = json!({"event": event});
            message[&name] = json!(value);
            let _ = receive(&mut wire, &message);
            message[event] = json!({"payload": number, &name: [number], "chunk": value});
            let _ = receive(&mut wire, &message);
        }
    }
}
