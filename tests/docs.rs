//! What docs/carriers.md says in its tables is what the code does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

#[path = "support/signed.rs"]
mod signed;
mod support;

use http::Method;
use signed::{BASE, callbacks, exotel, plivo, request, twilio, vonage};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use support::{EXOTEL_SECRET, settings, twilio_call_form};
use telephony::audio::AudioFormat;
use telephony::{
    AccountLabel, AfterStream, Answer, BoxError, CallEvent, CallEventKind, CallHandler, CallKey,
    CallLinks, Capabilities, DtmfOut, ErrorKind, EventContext, Gather, HangUpBy, IncomingCall,
    LegReport, MediaToken, Operation, OsRandom, Ports, Provider, PublicUrl, RejectReason, Stream,
    Telephony, Verb, Verified, WebhookKind, verify,
};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{ExotelAccount, Script, Simulator};

const GUIDE: &str = include_str!("../docs/carriers.md");
/// What stands in a table for the words that are not in it.
const ANY_OTHER: &str = "any other word";

/// The first table under that heading: its rows, each with its cells, the heading row first.
fn table(heading: &str) -> Vec<Vec<String>> {
    let mut lines = GUIDE.lines().skip_while(|line| *line != heading).skip(1);
    let rows: Vec<_> = lines
        .by_ref()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.starts_with("|---"))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert!(rows.len() > 1, "no table under {heading:?}");
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "under {heading:?}: {row:?}");
    }
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn open(provider: Provider) -> Arc<dyn Telephony> {
    let account = provider.open(None, settings(provider), &Ports::default());
    account.unwrap()
}

fn name(provider: Provider) -> &'static str {
    match provider {
        Provider::Twilio => "Twilio",
        Provider::Vonage => "Vonage",
        Provider::Exotel => "Exotel",
        Provider::Plivo => "Plivo",
        other => panic!("the guide has nothing about {other}"),
    }
}

/// What became of a word, as the tables say it.
fn told(kind: &CallEventKind, word: &str) -> String {
    match kind {
        CallEventKind::Status(report) => format!("status `{:?}`", report.status),
        CallEventKind::Leg(LegReport {
            status: Some(status),
            ..
        }) => format!("leg `{status:?}`"),
        CallEventKind::Leg(_) => "leg without a status".to_owned(),
        CallEventKind::DialEnded(report) => match report.status {
            Some(status) => format!("dial ended, `{status:?}`"),
            None => "dial ended".to_owned(),
        },
        CallEventKind::MachineDetected(by) => format!("machine detected, `{by:?}`"),
        CallEventKind::StreamStarted { .. } => "stream started".to_owned(),
        CallEventKind::StreamStopped(_) => "stream stopped".to_owned(),
        CallEventKind::StreamFailed(_) => "stream failed".to_owned(),
        CallEventKind::Other { name } if name.eq_ignore_ascii_case(word) => {
            "`Other`, by that name".to_owned()
        }
        other => format!("{other:?}"),
    }
}

/// Feeds a word through the carrier and compares what comes out.
fn check_word(carrier: &dyn Telephony, place: &str, word: &str, becomes: &str) {
    let mut seen = 0;
    for request in callbacks(place, word) {
        let ours = format!("/{}/", carrier.provider());
        if !request.public_url.contains(&ours) {
            continue; // Two carriers have a field of that name.
        }
        seen += 1;
        let request = verify(carrier, request).unwrap();
        let (_, events) = carrier.catch_all_status_callback(&request).unwrap();
        let kinds: Vec<_> = events.iter().map(|event| told(&event.kind, word)).collect();
        let carrier = carrier.provider();
        assert_eq!(kinds, [becomes], "{carrier}: {place} says `{word}`");
    }
    assert!(seen > 0, "{place:?} is not a place of {carrier:?}");
}

fn status_table(provider: Provider) -> Vec<Vec<String>> {
    let table = table(&format!("### {}'s status words", name(provider)));
    assert_eq!(table[0], ["where", "word", "becomes"]);
    table[1..].to_vec()
}

#[test]
fn every_status_word_becomes_what_its_table_says() {
    // Words that one carrier has are tried on all: a table with a row for all others must not forget one.
    let mut all_words = BTreeSet::from(["parked".to_owned(), "transcribed".to_owned()]);
    for provider in Provider::ALL {
        for row in status_table(provider) {
            all_words.extend(quoted(&row[1]).into_iter().map(str::to_owned));
        }
    }
    assert!(all_words.len() > 20, "{all_words:?}");

    for provider in Provider::ALL {
        let carrier = open(provider);
        let rows = status_table(provider);
        for row in &rows {
            let [place, words, becomes] = row.as_slice() else {
                panic!("{row:?}");
            };
            if words != ANY_OTHER {
                assert!(!quoted(words).is_empty(), "{row:?}");
                for word in quoted(words) {
                    check_word(&*carrier, place, word, becomes);
                }
                continue;
            }
            let same_place = rows.iter().filter(|row| row[0] == *place);
            let listed: BTreeSet<_> = same_place.flat_map(|row| quoted(&row[1])).collect();
            for word in all_words.iter().filter(|word| !listed.contains(&***word)) {
                check_word(&*carrier, place, word, becomes);
            }
        }
    }
}

#[test]
fn the_case_of_a_status_word_does_not_matter() {
    for (provider, place, word) in [
        (Provider::Twilio, "`CallStatus`", "Completed"),
        (Provider::Vonage, "the caller's leg", "COMPLETED"),
        (Provider::Plivo, "`CallStatus`", "Completed"),
        (
            Provider::Exotel,
            "`Status` or `CallStatus` alone",
            "Completed",
        ),
    ] {
        check_word(&*open(provider), place, word, "status `Completed`");
    }
}

/// An answer with nothing but that step.
fn answer(verb: &str) -> (Verb, Answer) {
    match verb {
        "Stream" => (Verb::Stream, Answer::stream()),
        "Say" => (Verb::Say, Answer::say("Hello.")),
        "Play" => (Verb::Play, Answer::play("https://example.com/a.mp3")),
        "Gather" => (
            Verb::Gather,
            Answer::gather(Gather::digits(1).with_prompt("Press a key.")),
        ),
        "GatherSpeech" => (
            Verb::GatherSpeech,
            Answer::gather(Gather::speech().with_prompt("Say something.")),
        ),
        "Dial" => (Verb::Dial, Answer::dial("+14155550123")),
        "Pause" => (
            Verb::Pause,
            Answer::default().then_pause(Duration::from_secs(1)),
        ),
        "HangUp" => (Verb::HangUp, Answer::hang_up()),
        "Reject" => (Verb::Reject, Answer::reject(RejectReason::Busy)),
        "Redirect" => (Verb::Redirect, Answer::redirect()),
        other => panic!("no test knows the step {other:?}"),
    }
}

/// A call that comes in; on Exotel, from that applet.
fn incoming(carrier: &dyn Telephony, provider: Provider, applet: &str) -> Verified {
    let kind = WebhookKind::IncomingCall;
    let request = match provider {
        Provider::Twilio => twilio(kind, "call", &twilio_call_form("CA1")),
        Provider::Vonage => vonage(
            kind,
            "call",
            serde_json::json!({"uuid": "u1", "conversation_uuid": "CON-1", "from": "447700900000", "to": "447700900001"}),
        ),
        Provider::Plivo => plivo(
            kind,
            "call",
            &[("CallUUID", "c1"), ("CallStatus", "ringing")],
        ),
        _ => exotel(
            kind,
            "call",
            &[
                ("CallSid", "c1"),
                ("CallFrom", "09990000105"),
                ("applet", applet),
            ],
        ),
    };
    verify(carrier, request).unwrap()
}

/// What the carrier makes of an answer to a call that comes in.
fn express(provider: Provider, applet: &str, answer: &Answer) -> telephony::Result<()> {
    let carrier = open(provider);
    let request = incoming(&*carrier, provider, applet);
    let call = carrier.accept_call(&request).unwrap();
    let base = PublicUrl::new(BASE).unwrap();
    let key = CallKey::random(&OsRandom).unwrap();
    let links = CallLinks::new(base, carrier.account().clone(), key)
        .with_media(MediaToken::random(&OsRandom).unwrap());
    carrier.incoming_call(&call, answer, &links).map(drop)
}

const APPLETS: [&str; 5] = ["voicebot", "connect", "gather", "greeting", "passthru"];

#[test]
fn the_steps_that_can_be_expressed_are_those_of_the_capabilities() {
    let table = table("## Which step can be expressed");
    assert_eq!(
        table[0],
        ["step", "`Verb`", "Twilio", "Vonage", "Exotel", "Plivo"]
    );
    let mut verbs = BTreeSet::new();
    for row in &table[1..] {
        let (verb, answer) = answer(quoted(&row[1])[0]);
        verbs.insert(verb);
        for (provider, cell) in Provider::ALL.into_iter().zip(&row[2..]) {
            let yes = match cell.split(',').next() {
                Some("yes") => true,
                Some("no") => false,
                _ => panic!("{row:?}"),
            };
            let capabilities = open(provider).capabilities();
            assert_eq!(capabilities.can(verb), yes, "{provider}: {verb:?}");

            // The applets that the cell names can, no other can; a carrier without applets does as it says.
            let places: &[&str] = match provider {
                Provider::Exotel => &APPLETS,
                _ => &[""],
            };
            for place in places {
                let can = yes && cell.to_ascii_lowercase().contains(place);
                match express(provider, place, &answer) {
                    Ok(()) => assert!(can, "{provider} {place} can {verb:?}"),
                    Err(error) => {
                        assert!(!can, "{provider} {place} cannot {verb:?}: {error}");
                        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                    }
                }
            }
        }
    }
    for provider in Provider::ALL {
        let missing = &open(provider).capabilities().verbs - &verbs;
        assert!(missing.is_empty(), "not in the table: {missing:?}");
    }
}

#[test]
fn what_differs_is_what_the_capabilities_say() {
    let table = table("## What differs in practice");
    let row = |title: &str| {
        let row = table.iter().find(|row| row[0] == title);
        row.unwrap_or_else(|| panic!("no row {title:?}"))[1..].to_vec()
    };
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    for (at, provider) in Provider::ALL.into_iter().enumerate() {
        assert_eq!(table[0][at + 1], name(provider));
        let capabilities = open(provider).capabilities();

        let deadline = capabilities.answer_deadline.unwrap();
        assert_eq!(
            row("the carrier waits for an answer")[at],
            seconds(deadline)
        );
        let handler = (deadline * 6 / 10).min(Duration::from_secs(5));
        assert_eq!(row("your handler has, by default")[at], seconds(handler));

        let limit = match capabilities.max_stream {
            Some(limit) => format!("{} h", limit.as_secs() / 3600),
            None => "no limit known".to_owned(),
        };
        assert_eq!(row("the carrier ends a stream after")[at], limit);

        let is_signed = row("who asks is known by")[at].contains("signature");
        assert_eq!(capabilities.signed_webhooks, is_signed, "{provider}");
        let mulaw = row("audio")[at].starts_with("µ-law, 8 kHz");
        let expected = match mulaw {
            true => vec![AudioFormat::MULAW_8000],
            false => vec![
                AudioFormat::PCM16_8000,
                AudioFormat::PCM16_16000,
                AudioFormat::PCM16_24000,
            ],
        };
        assert_eq!(capabilities.formats, expected, "{provider}");
    }
}

const GENERATED: (&str, &str) = (
    "<!-- From the carriers' capabilities, by tests/docs.rs; TELEPHONY_UPDATE_DOCS=1 cargo test --test docs writes it anew. -->\n",
    "<!-- end -->\n",
);

/// The table of what can be done with a call, made of the capabilities alone.
fn operations_table() -> String {
    let capabilities = Provider::ALL.map(|provider| open(provider).capabilities());
    let yes_no = |operation| {
        let cell = |c: &Capabilities| if c.supports(operation) { "yes" } else { "no" };
        capabilities.each_ref().map(|c| cell(c).to_owned())
    };
    let transfer = capabilities.each_ref().map(|c| match c {
        c if !c.supports(Operation::Transfer) => "no",
        c if c.transfers_after_stream => "when its stream has been closed, which the library does",
        _ => "yes",
    });
    let keys = capabilities.each_ref().map(|c| match c.dtmf_out {
        DtmfOut::Unsupported => "no",
        DtmfOut::Beside => "yes, the stream goes on",
        DtmfOut::InPlace => "if `Dtmf::then` says what comes after: the stream ends",
        _ => panic!("what is that?"),
    });
    let end = capabilities.each_ref().map(|c| match c.hang_up {
        HangUpBy::Rest => "is hung up by REST",
        HangUpBy::ClosingSocket if c.supports(Operation::HangUp) => {
            "ends; if it has not after 5 s, it is hung up by REST"
        }
        HangUpBy::ClosingSocket => "ends",
        HangUpBy::CarrierFlow => "goes on with the carrier's own flow, which must end it",
        _ => panic!("what is that?"),
    });
    let rows = [
        (
            "place a call",
            "`Calls::place`",
            yes_no(Operation::MakeCall),
        ),
        ("hang up", "`Calls::hang_up`", {
            let by = capabilities
                .each_ref()
                .map(|c| match c.supports(Operation::HangUp) {
                    true => "yes",
                    false => "by closing its stream, and the carrier's flow decides",
                });
            by.map(str::to_owned)
        }),
        (
            "give it something else to do",
            "`Calls::transfer`",
            transfer.map(str::to_owned),
        ),
        ("send keys", "`Calls::send_dtmf`", keys.map(str::to_owned)),
        (
            "record it from now on",
            "`Calls::start_recording`",
            yes_no(Operation::Record),
        ),
        (
            "ask what became of it",
            "`Calls::fetch_call`",
            yes_no(Operation::FetchCall),
        ),
        (
            "look whether it was placed",
            "`Calls::find_placed`",
            yes_no(Operation::FindPlaced),
        ),
        (
            "fetch a recording",
            "`Calls::fetch_recording`",
            yes_no(Operation::FetchRecording),
        ),
        (
            "when our side ends its stream, the call",
            "",
            end.map(str::to_owned),
        ),
    ];
    let mut table =
        "| | | Twilio | Vonage | Exotel | Plivo |\n|---|---|---|---|---|---|\n".to_owned();
    for (what, method, [twilio, vonage, exotel, plivo]) in rows {
        table += &format!("| {what} | {method} | {twilio} | {vonage} | {exotel} | {plivo} |\n");
    }
    table
}

#[test]
fn what_can_be_done_with_a_call_is_made_of_the_capabilities() {
    let (before, rest) = GUIDE.split_once(GENERATED.0).unwrap();
    let (written, after) = rest.split_once(GENERATED.1).unwrap();
    let table = operations_table();
    if std::env::var_os("TELEPHONY_UPDATE_DOCS").is_some() {
        let guide = [before, GENERATED.0, &table, GENERATED.1, after].concat();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/carriers.md");
        std::fs::write(path, guide).unwrap();
        return;
    }
    assert_eq!(
        written, table,
        "run TELEPHONY_UPDATE_DOCS=1 cargo test --test docs"
    );
}

#[test]
fn every_setting_is_in_its_table_with_its_variable_and_its_default() {
    let registry = telephony::registry().unwrap();
    for provider in Provider::ALL {
        let entry = registry.get(provider.as_str()).unwrap();
        let table = table(&format!("### {}'s settings", name(provider)));
        let names: Vec<_> = table[1..].iter().map(|row| quoted(&row[0])[0]).collect();
        let known: Vec<_> = entry.keys.iter().map(|key| key.name).collect();
        assert_eq!(names, known, "{provider}");

        let account = format!("{:?}", open(provider));
        for (row, key) in table[1..].iter().zip(entry.keys) {
            let variable = key.variable(entry.name);
            if row[1] == "in a file only" {
                let error = registry.open_from_environment(
                    |asked| {
                        (asked.starts_with(entry.name.to_ascii_uppercase().as_str()))
                            .then(|| "1".to_owned())
                    },
                    &Ports::default(),
                );
                let error = error.unwrap_err().to_string();
                assert!(error.contains("does not have the right form"), "{error}");
            } else {
                assert_eq!(quoted(&row[1]), [variable.as_str()], "{provider}");
            }
            assert_eq!(row[2] == "required", key.required, "{provider}: {row:?}");
            // A default that is said in words is none that could be set.
            if let [default] = quoted(&row[2])[..] {
                let settings = settings(provider).with(key.name, default);
                let same = provider.open(None, settings, &Ports::default()).unwrap();
                assert_eq!(format!("{same:?}"), account, "{provider}: {row:?}");
            }
        }
    }
}

#[test]
fn a_setting_that_is_not_the_default_shows() {
    // Else the comparison with the defaults would prove nothing.
    for (provider, key, value) in [
        (Provider::Vonage, "max_age", "301"),
        (Provider::Vonage, "get_payload_hash", "check"),
        (Provider::Exotel, "chunk_bytes", "640"),
        (Provider::Exotel, "region", "mumbai"),
        (Provider::Plivo, "require_upgrade_signature", "false"),
    ] {
        let other = settings(provider).with(key, value);
        let other = provider.open(None, other, &Ports::default()).unwrap();
        assert_ne!(format!("{other:?}"), format!("{:?}", open(provider)));
    }
}

#[test]
fn the_file_of_settings_can_be_opened() {
    let (_, rest) = GUIDE.split_once("```toml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    let folder = std::env::temp_dir().join(format!("telephony-docs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let key = folder.join("private.key");
    std::fs::write(
        &key,
        "-----BEGIN PRIVATE KEY-----\nunused\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let file = file.replace("\"private.key\"", &format!("{:?}", key.to_str().unwrap()));
    let path = folder.join("accounts.toml");
    std::fs::write(&path, file).unwrap();
    let opened = telephony::from_file(&path, &Ports::default());
    std::fs::remove_dir_all(&folder).unwrap();

    let opened = opened.unwrap();
    let labels: Vec<_> = opened
        .iter()
        .map(|account| (account.account().as_str(), account.provider().as_str()))
        .collect();
    let expected = [
        ("exotel", "exotel"),
        ("plivo", "plivo"),
        ("support", "twilio"),
        ("vonage", "vonage"),
    ];
    assert_eq!(labels, expected);
}

#[test]
fn the_urls_of_the_applets_ask_as_their_table_says() {
    let carrier = open(Provider::Exotel);
    let table = table("## Exotel's applets");
    for row in &table[1..] {
        let Some(url) = quoted(&row[1]).first().map(|url| url.to_string()) else {
            assert_eq!(row[2], "not supported", "{row:?}");
            continue;
        };
        let kind = match url.split('?').next().unwrap().rsplit('/').next() {
            Some("call") => WebhookKind::IncomingCall,
            Some("answer") => WebhookKind::NextStep,
            Some("events") => WebhookKind::Event,
            _ => panic!("{url}"),
        };
        let url = format!(
            "{}&CallSid=c1&CallFrom=09990000105",
            url.replace("SECRET", EXOTEL_SECRET)
        );
        let asked = request(kind, Method::GET, url, String::new());
        let asked = verify(&*carrier, asked).unwrap();
        let base = PublicUrl::new(BASE).unwrap();
        let links = CallLinks::new(
            base,
            AccountLabel::new("exotel").unwrap(),
            CallKey::random(&OsRandom).unwrap(),
        );
        let reply = carrier.reply(&asked, None, &links).unwrap().response;
        assert_eq!(reply.status(), 200, "{row:?}");
        match row[3].as_str() {
            "an empty 200" | "branch A (200)" | "nothing is said" | "–" => {
                assert!(reply.body().is_empty(), "{row:?}");
            }
            "nobody is dialled" => {
                let body: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
                assert_eq!(body["destination"]["numbers"], serde_json::json!([]));
            }
            other => panic!("{other:?}"),
        }
        if row[2].contains("branch B (302)") {
            let answer = Answer::hang_up();
            let reply = carrier.reply(&asked, Some(&answer), &links).unwrap();
            assert_eq!(reply.response.status(), 302);
        }
    }
}

#[test]
fn variables_alone_open_every_carrier() {
    let accounts = |provider: Provider| {
        let values = settings(provider);
        let registry = telephony::registry().unwrap();
        let entry = *registry.get(provider.as_str()).unwrap();
        let from = |name: &str| {
            let key = entry
                .keys
                .iter()
                .find(|key| key.variable(entry.name) == name)?;
            values.clone().take_text(key.name)
        };
        registry.open_from_environment(from, &Ports::default())
    };
    for provider in Provider::ALL {
        let opened = accounts(provider).unwrap();
        assert_eq!(opened.len(), 1);
        assert_eq!(opened[0].account().as_str(), provider.as_str());
    }
    // An empty variable is not set: off if all are, missing if some are.
    let registry = telephony::registry().unwrap();
    let empty = |name: &str| match name {
        "TWILIO_ACCOUNT_SID" => Some("AC1".to_owned()),
        "TWILIO_AUTH_TOKEN" | "VONAGE_API_KEY" => Some(String::new()),
        _ => None,
    };
    let error = registry.open_from_environment(empty, &Ports::default());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("`TWILIO_AUTH_TOKEN`")
    );
}

/// The app of the guide that goes on with the call after its stream.
#[derive(Debug)]
struct HandOver;

#[async_trait::async_trait]
impl CallHandler for HandOver {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Stream::new().then(AfterStream::Continue).into())
    }

    async fn on_event(&self, _context: EventContext, event: CallEvent) -> Option<Answer> {
        match event.kind {
            CallEventKind::NextStep { after } if after == "stream" || after == "connect" => {}
            CallEventKind::StreamStopped(_) => {}
            _ => return None,
        }
        Some(Answer::dial("+14155550123"))
    }
}

#[tokio::test]
async fn after_the_stream_the_same_app_dials_on_every_carrier() {
    let running = support::start(HandOver).await;
    for provider in Provider::ALL {
        let call = match provider {
            Provider::Exotel => {
                let ours = |path: &str| format!("{}/exotel/{path}key={EXOTEL_SECRET}", running.url);
                let flow = [
                    Applet::Voicebot,
                    Applet::passthru(ours("events?")),
                    Applet::connect(ours("answer?applet=connect&")),
                    Applet::Hangup,
                ];
                let account = ExotelAccount::new(support::EXOTEL_SID).with_flow(flow);
                Simulator::exotel(account)
                    .answer_url(ours("call?"))
                    .from("+919990000105")
                    .deadline(Duration::from_secs(20))
            }
            _ => support::call(provider, &running.url),
        };
        let script = Script::new().wait_for_hang_up(Duration::from_secs(15));
        let outcome = call.script(script).call().await;
        let dialled = outcome.documents.iter().any(|document| {
            let mut steps = document.instructions.iter();
            steps.any(|step| serde_json::to_value(step).unwrap()["do"] == "dial")
        });
        assert!(dialled, "{provider}: {}", outcome.trace_lines());
        assert!(outcome.ok(), "{provider}: {:#?}", outcome.complaints);
    }
}
