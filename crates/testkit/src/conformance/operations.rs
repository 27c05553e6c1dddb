//! Rules about placing and steering calls.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use telephony_core::{
    Answer, CallId, CarrierCall, Dtmf, Error, ErrorKind, Operation, OutboundCall, Recording,
    RecordingId, Result, Retry, Telephony,
};

use crate::conformance::bench::Bench;
use crate::conformance::message::{Message, Rest};
use crate::conformance::noise::Noise;
use crate::conformance::{CALL_KEY, RECEIVED_AT};
use crate::scripted::ScriptedHttp;

/// The operations as the messages of the kit write them.
pub(super) const NAMES: [&str; 9] = [
    "make-call",
    "hang-up",
    "transfer",
    "send-dtmf",
    "start-recording",
    "stop-recording",
    "fetch-call",
    "find-placed",
    "fetch-recording",
];
/// So many spoilt copies of each answer are read.
const SPOILT: usize = 60;

pub(super) fn operation_of(name: &str) -> Option<Operation> {
    Some(match name {
        "make-call" => Operation::MakeCall,
        "hang-up" => Operation::HangUp,
        "transfer" => Operation::Transfer,
        "send-dtmf" => Operation::SendDtmf,
        "start-recording" | "stop-recording" => Operation::Record,
        "fetch-call" => Operation::FetchCall,
        "find-placed" => Operation::FindPlaced,
        "fetch-recording" => Operation::FetchRecording,
        _ => return None,
    })
}

/// What an operation is about.
struct About {
    call: CarrierCall,
    recording: String,
    url: String,
}

impl About {
    fn of(rest: Option<&Rest>) -> Result<Self> {
        let asked = rest.map(|rest| &rest.asked);
        let id = asked.and_then(|asked| asked.call.as_deref());
        let home = asked.and_then(|asked| asked.home.clone());
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        Ok(Self {
            call: CarrierCall::new(CallId::new(id.unwrap_or("conformance-call"))?).at(home),
            recording: text(asked.and_then(|asked| asked.recording.as_ref())),
            url: text(asked.and_then(|asked| asked.url.as_ref())),
        })
    }
}

/// What an operation gave, as far as the kit compares it.
#[derive(Debug, Default)]
pub(super) struct Done {
    id: Option<String>,
    status: Option<String>,
    /// What else must hold, and does not.
    wrong: Option<&'static str>,
}

async fn run(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    name: &str,
    about: &About,
) -> Result<Done> {
    let links = bench
        .links()
        .ok_or_else(|| Error::configuration("no links"))?;
    let (from, to) = bench.subject.parties.clone();
    let call = OutboundCall::new(to.clone(), from, Answer::stream());
    let recording = RecordingId::new(match about.recording.as_str() {
        "" => "conformance-recording",
        id => id,
    })?;
    let id_of = |id: &CallId| Some(id.to_string());
    let nothing = |()| Done::default();
    match name {
        "make-call" => {
            let placed = carrier.make_call(&call, &links).await?;
            let wrong = if placed.key.as_str() != CALL_KEY {
                Some("the placed call does not have our key")
            } else if placed.status.rank() > 1 {
                Some("a call that was only taken is further than dialled")
            } else {
                None
            };
            bench.see("make-call", "the placed call", &placed);
            Ok(Done {
                id: id_of(placed.id()),
                status: Some(placed.status.to_string()),
                wrong,
            })
        }
        "hang-up" => carrier.hang_up(&about.call).await.map(nothing),
        "transfer" => {
            let answer = Answer::dial(to);
            let handover = carrier.transfer(&about.call, &answer, &links).await?;
            let after = carrier.capabilities().transfers_after_stream;
            let says = handover == telephony_core::Handover::AsksAfterStream;
            let wrong =
                (after != says).then_some("the handover is not what `transfers_after_stream` says");
            Ok(Done {
                wrong,
                ..Done::default()
            })
        }
        "send-dtmf" => {
            let keys = Dtmf::new("8305921")?.then(Answer::stream());
            bench.see("send-dtmf", "the keys", &keys);
            carrier
                .send_dtmf(&about.call, &keys, &links)
                .await
                .map(nothing)
        }
        "start-recording" => {
            let id = carrier.start_recording(&about.call, &links).await?;
            Ok(Done {
                id: Some(id.to_string()),
                ..Done::default()
            })
        }
        "stop-recording" => carrier
            .stop_recording(&about.call, &recording)
            .await
            .map(nothing),
        "fetch-call" => {
            let told = carrier.fetch_call(&about.call).await?;
            bench.see("fetch-call", "the snapshot", &told);
            Ok(Done {
                id: id_of(&told.call.id),
                status: told.status.map(|status| status.to_string()),
                wrong: None,
            })
        }
        "find-placed" => {
            let since = SystemTime::UNIX_EPOCH + Duration::from_secs(RECEIVED_AT);
            let found = carrier.find_placed(&call, since).await?;
            bench.see("find-placed", "the calls", &found);
            Ok(Done {
                id: found.first().and_then(|told| id_of(&told.call.id)),
                ..Done::default()
            })
        }
        "fetch-recording" => {
            let recording = Recording::new(
                Some(about.recording.clone()).filter(|id| !id.is_empty()),
                about.url.clone(),
            );
            let audio = carrier.fetch_recording(&recording).await?;
            bench.see("fetch-recording", "the recording", &audio);
            Ok(Done {
                wrong: audio.audio.is_empty().then_some("the recording is empty"),
                ..Done::default()
            })
        }
        _ => Err(Error::configuration("this is no operation")),
    }
}

/// An HTTP client with the answers of a message, of which the last one may be another.
pub(super) fn answering(rest: &Rest, last: Option<Vec<u8>>) -> ScriptedHttp {
    let mut http = ScriptedHttp::new();
    let count = rest.asked.answers.len();
    for (at, answer) in rest.asked.answers.iter().enumerate() {
        let mut headers: Vec<(&str, &str)> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        if answer.headers.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        let body = match &last {
            Some(other) if at + 1 == count => other.clone(),
            _ => answer.body().into_bytes(),
        };
        http = http.answer_with(answer.status, headers, body);
    }
    http
}

/// What came of an operation with that client; nothing if it panicked.
pub(super) fn outcome(
    bench: &Bench<'_>,
    message: &str,
    name: &str,
    rest: Option<&Rest>,
    http: &ScriptedHttp,
) -> Option<Result<Done>> {
    let carrier = match bench.open(http) {
        Ok(carrier) => carrier,
        Err(error) => {
            bench.fail(message, format!("the account cannot be opened: {error}"));
            return None;
        }
    };
    let about = match About::of(rest) {
        Ok(about) => about,
        Err(error) => {
            bench.fail(message, error.to_string());
            return None;
        }
    };
    let result = bench.wait(message, run(bench, &carrier, name, &about))?;
    if let Err(error) = &result {
        bench.see_error(message, error);
    }
    guarded(bench, message, http);
    Some(result)
}

/// Secrets go into headers and bodies, never into a URL, and never in clear.
fn guarded(bench: &Bench<'_>, message: &str, http: &ScriptedHttp) {
    for request in http.requests() {
        let uri = request.uri();
        bench.ensure(uri.scheme_str() == Some("https"), message, || {
            "a request is not sent by https".into()
        });
        let leaks = |secret: &String| {
            // What protects webhooks that are not signed has to be in the URLs of ours that a body names.
            uri.to_string().contains(secret.as_str())
        };
        bench.ensure(!bench.subject.secrets.iter().any(leaks), message, || {
            "a request has a secret in its URL".into()
        });
    }
}

pub(super) fn claimed(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, rest) in bench.rest() {
        let http = answering(rest, None);
        let name = rest.asked.operation.as_str();
        if let Some(result) = outcome(bench, &message.name, name, Some(rest), &http) {
            compare(bench, message, rest, result);
        }
    }
    if carrier.capabilities().supports(Operation::HangUp) {
        let http = ScriptedHttp::new().otherwise(404, "");
        let result = outcome(bench, "hang-up", "hang-up", None, &http);
        let fine = matches!(result, None | Some(Ok(_)));
        bench.ensure(fine, "hang-up", || {
            format!("a call that is gone (404) is not hung up: {result:?}")
        });
    }
}

fn compare(bench: &Bench<'_>, message: &Message, rest: &Rest, result: Result<Done>) {
    let name = &message.name;
    let expect = &rest.expect;
    let wanted = expect.outcome.as_deref().unwrap_or("ok");
    let got = match &result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    bench.ensure(got == wanted, name, || match &result {
        Err(error) => format!("the outcome is {got} and should be {wanted}: {error}"),
        Ok(_) => format!("the outcome is {got} and should be {wanted}"),
    });
    if let Ok(done) = result {
        if let Some(wrong) = done.wrong {
            bench.fail(name, wrong);
        }
        let same =
            |wanted: &Option<String>, got: &Option<String>| wanted.is_none() || wanted == got;
        bench.ensure(same(&expect.id, &done.id), name, || {
            format!("the id is {:?}", done.id)
        });
        bench.ensure(same(&expect.status, &done.status), name, || {
            format!("the status is {:?}", done.status)
        });
    }
}

pub(super) fn unclaimed(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for name in NAMES {
        let claimed = operation_of(name).is_some_and(|it| carrier.capabilities().supports(it));
        if claimed {
            continue;
        }
        let http = ScriptedHttp::new().otherwise(200, "{}");
        let Some(result) = outcome(bench, name, name, None, &http) else {
            continue;
        };
        let kind = result.err().map(|error| error.kind());
        bench.ensure(kind == Some(ErrorKind::Unsupported), name, || {
            format!("it is not claimed, and gives {kind:?}, not Unsupported")
        });
        let sent = http.requests().len();
        bench.ensure(sent == 0, name, || {
            format!("it is not claimed, and sends {sent} requests")
        });
    }
}

pub(super) fn broken(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    if carrier.capabilities().supports(Operation::MakeCall) {
        lost_answers(bench);
    }
    let mut noise = Noise::new(0x5eed_0002);
    for (message, rest) in bench.rest() {
        let Some(last) = rest.asked.answers.last() else {
            continue;
        };
        for _ in 0..SPOILT {
            let body = match serde_json::from_str(&last.body()) {
                Ok(mut json) if noise.below(3) > 0 => {
                    noise.spoil_json(&mut json);
                    json.to_string().into_bytes()
                }
                _ => noise.spoil(last.body().as_bytes()),
            };
            let http = answering(rest, Some(body)).otherwise(500, "{\"message\": [");
            outcome(
                bench,
                &message.name,
                &rest.asked.operation,
                Some(rest),
                &http,
            );
        }
    }
}

/// What must not place a second call, and what may.
fn lost_answers(bench: &Bench<'_>) {
    const NAME: &str = "make-call";
    let lost: [(&str, ScriptedHttp); 4] = [
        ("the connection breaks", ScriptedHttp::new().reset()),
        ("no answer comes", ScriptedHttp::new().no_answer()),
        ("it answers 500", ScriptedHttp::new().answer(500, "{}")),
        (
            "its answer cannot be read",
            ScriptedHttp::new().answer(201, "<html>"),
        ),
    ];
    for (how, http) in lost {
        let http = http.otherwise(500, "");
        let result = outcome(bench, NAME, NAME, None, &http);
        let retry = result.map(|result| result.err().map(|error| error.retry()));
        bench.ensure(retry == Some(Some(Retry::OutcomeUnknown)), NAME, || {
            format!("{how}: it gives {retry:?}, not OutcomeUnknown")
        });
        let sent = http.requests().len();
        bench.ensure(sent == 1, NAME, || {
            format!("{how}: the call is placed {sent} times")
        });
    }
    let good = bench.rest().find(|(_, rest)| {
        let is_ok = rest.expect.outcome.as_deref().is_none_or(|it| it == "ok");
        rest.asked.operation == NAME && is_ok && rest.asked.answers.len() == 1
    });
    let Some((message, rest)) = good else { return };
    let Some(answer) = rest.asked.answers.first() else {
        return;
    };
    let again: [(&str, ScriptedHttp); 2] = [
        ("no connection is made", ScriptedHttp::new().no_connection()),
        ("it answers 429", ScriptedHttp::new().answer(429, "{}")),
    ];
    for (how, http) in again {
        let http = http.answer(answer.status, answer.body());
        let result = outcome(bench, &message.name, NAME, Some(rest), &http);
        let sent = http.requests().len();
        let fine = matches!(result, Some(Ok(_))) && sent == 2;
        bench.ensure(fine, &message.name, || {
            format!("{how}: the call is not placed again ({sent} requests)")
        });
    }
}

/// Errors of the carrier's that repeat what they were told.
pub(super) fn shown(bench: &Bench<'_>) {
    let secret = bench.subject.secrets.first().cloned().unwrap_or_default();
    let (from, to) = (&bench.subject.parties.0, &bench.subject.parties.1);
    let said = format!(
        "The call from {} to {} cannot be made with {secret}",
        from.address(),
        to.address()
    );
    for (message, rest) in bench.rest() {
        outcome(
            bench,
            &message.name,
            &rest.asked.operation,
            Some(rest),
            &answering(rest, None),
        );
        for status in [400, 401, 403, 404, 409, 500] {
            let body = serde_json::json!({
                "message": said, "error": said, "title": said, "detail": said, "code": said,
                "RestException": {"Message": said, "Code": said},
            });
            let http = ScriptedHttp::new().otherwise(status, body.to_string());
            outcome(
                bench,
                &message.name,
                &rest.asked.operation,
                Some(rest),
                &http,
            );
        }
    }
}
