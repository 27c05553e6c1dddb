//! Rules about what can be done with a call.

use std::sync::Arc;
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::events::Event;
use telephony_core::{
    AccountLabel, Answer, Answered, CallLinks, Document, ErrorKind, Gather, Party, Redirect,
    RejectReason, Result, Step, Stream, Telephony, Verb, Verified, WebhookKind, verify,
};

use crate::conformance::MEDIA_TOKEN;
use crate::conformance::bench::Bench;
use crate::scripted::ScriptedHttp;

/// Texts that would break a document that does not escape them.
const HOSTILE: &[&str] = &[
    "</Response><Hangup/>",
    "\"><Redirect>https://evil.example.com</Redirect><x y=\"",
    "]]> & &amp; <![CDATA[ %00 {{media_url}}",
    "\\\"}],\"event\":\"x",
    "a\u{0}b\u{b}c\u{ffff}",
    "two\r\nlines\t\u{2028}",
    "\u{1f4de} naïve \u{202e}",
];

/// A step by its verb.
fn steps(party: &Party) -> Vec<(Verb, Answer)> {
    vec![
        (Verb::Stream, Answer::stream()),
        (Verb::Say, Answer::say("Hello.")),
        (Verb::Play, Answer::play("https://example.com/a.mp3")),
        (
            Verb::Gather,
            Answer::gather(Gather::digits(1).with_prompt("Press a key.")),
        ),
        (
            Verb::GatherSpeech,
            Answer::gather(Gather::speech().with_prompt("Say something.")),
        ),
        (Verb::Dial, Answer::dial(party.clone())),
        (
            Verb::Pause,
            Answer::default().then_pause(Duration::from_secs(1)),
        ),
        (Verb::HangUp, Answer::hang_up()),
        (Verb::Reject, Answer::reject(RejectReason::Busy)),
        (Verb::Redirect, Answer::redirect()),
    ]
}

/// Requests that take an answer, by their names.
fn questions(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) -> Vec<(String, Verified)> {
    let asks = |kind| matches!(kind, WebhookKind::IncomingCall | WebhookKind::NextStep);
    let webhooks = bench.webhooks();
    let asking = webhooks.filter(|(_, it)| asks(it.kind()) && !it.expect.unreadable);
    asking
        .filter_map(|(message, webhook)| {
            let verified = bench.verified(carrier, message, webhook)?;
            Some((message.name.clone(), verified))
        })
        .collect()
}

fn express(
    carrier: &Arc<dyn Telephony>,
    asked: &Verified,
    answer: &Answer,
    links: &CallLinks,
) -> Result<Answered> {
    match asked.request().kind {
        WebhookKind::IncomingCall => {
            let call = carrier.accept_call(asked)?;
            carrier.incoming_call(&call, answer, links)
        }
        _ => carrier.reply(asked, Some(answer), links),
    }
}

pub(super) fn claimed(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let (Some(links), Some(without)) = (bench.links(), bench.links_without_media()) else {
        return;
    };
    let questions = questions(bench, carrier);
    for (verb, answer) in steps(&bench.subject.parties.1) {
        if !carrier.capabilities().can(verb) {
            continue;
        }
        let mut expressed = false;
        let mut errors = vec![];
        for (name, asked) in &questions {
            let said = bench.calm(name, &format!("{verb:?}"), || {
                express(carrier, asked, &answer, &links)
            });
            match said {
                Some(Ok(answered)) => {
                    expressed = true;
                    let status = answered.response.status();
                    bench.ensure(status.is_success() || status.is_redirection(), name, || {
                        format!("the answer {verb:?} is {status}")
                    });
                    bench.see(name, "the answer", &answered);
                    well_formed(bench, name, &answered);
                    if verb == Verb::Stream {
                        bench.ensure(all_of(&answered).contains(MEDIA_TOKEN), name, || {
                            "the answer with a stream does not have our media URL in it".into()
                        });
                        let refused = express(carrier, asked, &answer, &without).is_err();
                        bench.ensure(refused, name, || {
                            "a stream without a media token is written all the same".into()
                        });
                    }
                }
                Some(Err(error)) => errors.push(error.to_string()),
                None => {}
            }
        }
        bench.ensure(expressed, &format!("{verb:?}"), || {
            format!("it is claimed, and no message takes it: {errors:?}")
        });
    }
}

pub(super) fn unclaimed(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let Some(links) = bench.links() else { return };
    let questions = questions(bench, carrier);
    for (verb, answer) in steps(&bench.subject.parties.1) {
        if carrier.capabilities().can(verb) {
            continue;
        }
        for (name, asked) in &questions {
            let said = bench.calm(name, &format!("{verb:?}"), || {
                express(carrier, asked, &answer, &links)
            });
            let kind = said.map(|said| said.err().map(|error| error.kind()));
            bench.ensure(kind == Some(Some(ErrorKind::Unsupported)), name, || {
                format!("{verb:?} is not claimed, and gives {kind:?}, not Unsupported")
            });
        }
    }
}

pub(super) fn hostile(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let Some(links) = bench.links() else { return };
    for (name, asked) in questions(bench, carrier) {
        for (what, answer) in HOSTILE.iter().flat_map(|text| hostile_answers(text)) {
            let said = bench.calm(&name, what, || express(carrier, &asked, &answer, &links));
            match said {
                Some(Ok(answered)) => well_formed(bench, &name, &answered),
                Some(Err(error)) => {
                    bench.see_error(&name, &error);
                    let kind = error.kind();
                    let fine = matches!(kind, ErrorKind::Unsupported | ErrorKind::InvalidArgument);
                    bench.ensure(fine, &name, || {
                        format!("{what}: it is refused as {kind:?}, not as InvalidArgument or Unsupported")
                    });
                }
                None => {}
            }
        }
        let foreign = Answer::document(Document::new("no-such-carrier", "<Response/>"));
        let kind = express(carrier, &asked, &foreign, &links).err();
        let kind = kind.map(|error| error.kind());
        let fine = matches!(
            kind,
            Some(ErrorKind::Unsupported | ErrorKind::InvalidArgument)
        );
        bench.ensure(fine, &name, || {
            format!("another carrier's document gives {kind:?}")
        });
    }
    foreign_call(bench, carrier, &links);
}

fn hostile_answers(text: &str) -> Vec<(&'static str, Answer)> {
    let url = format!("https://example.com/{text}");
    let redirect = Step::Redirect(Redirect::To(url.clone()));
    vec![
        ("a text", Answer::say(text).then_hang_up()),
        (
            "a voice",
            Answer::say(
                telephony_core::Say::new("x")
                    .with_voice(text)
                    .with_language(text),
            ),
        ),
        ("a file", Answer::play(url)),
        (
            "a stream's parameter",
            Stream::new().with_parameter("note", text).into(),
        ),
        (
            "a stream's parameter's name",
            Stream::new().with_parameter(text, "x").into(),
        ),
        ("a client", Answer::dial(Party::Client(text.to_owned()))),
        (
            "a SIP address",
            Answer::dial(Party::Sip(format!("sip:{text}"))),
        ),
        ("a number", Answer::dial(Party::Number(text.to_owned()))),
        (
            "a hint",
            Answer::gather(Gather::speech().with_prompt(text).with_hint(text)),
        ),
        ("a redirect", Answer::new([redirect])),
    ]
}

/// A call of one account is not answered by another.
fn foreign_call(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>, links: &CallLinks) {
    let other = AccountLabel::new("another-account")
        .and_then(|label| bench.open_as(Some(label), &ScriptedHttp::new()));
    let Ok(other) = other else { return };
    for (message, webhook) in bench.webhooks() {
        if webhook.kind() != WebhookKind::IncomingCall {
            continue;
        }
        let Some(request) = bench.signed(message, webhook) else {
            continue;
        };
        let call = verify(&**carrier, request).and_then(|asked| carrier.accept_call(&asked));
        let Ok(call) = call else { continue };
        let answer = Answer::hang_up();
        let kind = other.incoming_call(&call, &answer, links).err();
        let kind = kind.map(|error| error.kind());
        bench.ensure(
            kind == Some(ErrorKind::InvalidArgument),
            &message.name,
            || format!("another account answers the call: {kind:?}"),
        );
    }
}

/// The response and the commands beside it, as one text.
fn all_of(answered: &Answered) -> String {
    let bodies = answered.commands.iter().map(|command| command.body());
    let bodies = std::iter::once(answered.response.body()).chain(bodies);
    bodies.map(|body| String::from_utf8_lossy(body)).collect()
}

/// A document that says that it is XML or JSON is.
fn well_formed(bench: &Bench<'_>, name: &str, answered: &Answered) {
    let body = answered.response.body();
    let content_type = answered.response.headers().get("content-type");
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let fine = match content_type.unwrap_or_default() {
        _ if body.is_empty() => true,
        kind if kind.contains("xml") => is_xml(body),
        kind if kind.contains("json") => serde_json::from_slice::<serde_json::Value>(body).is_ok(),
        _ => true,
    };
    bench.ensure(fine, name, || "the document is not well-formed".into());
}

fn is_xml(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let mut reader = Reader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let (mut depth, mut roots) = (0_usize, 0_usize);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return depth == 0 && roots == 1 && text.chars().all(fits),
            Ok(Event::Start(_)) => {
                roots += usize::from(depth == 0);
                depth += 1;
            }
            Ok(Event::Empty(_)) => roots += usize::from(depth == 0),
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
