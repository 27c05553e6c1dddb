//! Answers as the carrier's own document.
//!
//! | step | JSON |
//! |---|---|
//! | stream | `{"stream": URL, "parameters": …}`, then `{"hang_up": true}` unless the answer says to continue |
//! | say | `{"say": text}` |
//! | hang up | `{"hang_up": true}` |

use super::NAME;
use serde_json::{Value, json};
use telephony_core::audio::SampleRate;
use telephony_core::media::StreamTicket;
use telephony_core::{AfterStream, Answer, Answered, CallLinks, Error, Result, Step, Stream};

/// Writes what to do with a call.
pub(super) fn write(answer: &Answer, links: &CallLinks) -> Result<Answered> {
    if answer.as_document().is_some() {
        return Err(unsupported("Acme has no documents of its own"));
    }
    let mut steps = Vec::new();
    for step in answer.steps() {
        match step {
            Step::Stream(stream) => write_stream(stream, links, &mut steps)?,
            Step::Say(say) => steps.push(json!({"say": say.text})),
            Step::HangUp => steps.push(json!({"hang_up": true})),
            other => {
                let detail = format!("Acme has no step `{}`", other.name());
                return Err(unsupported(&detail));
            }
        }
    }
    let body = json!({"steps": steps, "status_url": links.status_url()});
    Ok(Answered::document("application/json", body.to_string()))
}

fn write_stream(stream: &Stream, links: &CallLinks, steps: &mut Vec<Value>) -> Result<()> {
    if stream.rate.is_some_and(|rate| rate != SampleRate::HZ_16000) {
        return Err(unsupported("Acme streams at 16000 Hz only"));
    }
    // The library compares this with the call's when the stream starts.
    let mut parameters = stream.parameters.clone();
    let key = links.call_key().to_string();
    parameters.insert(StreamTicket::KEY_PARAMETER.to_owned(), key);
    steps.push(json!({"stream": links.media_url()?, "parameters": parameters}));
    if stream.then == AfterStream::HangUp {
        steps.push(json!({"hang_up": true}));
    }
    Ok(())
}

fn unsupported(detail: &str) -> Error {
    Error::unsupported("write answer", detail).with_provider(NAME)
}
