//! What is said: the text of a Greeting applet and the question of a Gather applet.

use super::{TEXT, invalid, is_web_url, json, seconds, unsupported};
use serde::Serialize;
use telephony_core::{Answered, Gather, Play, Prompt, Result, Say};

/// The text to speak, and nothing else.
pub(super) fn say(say: &Say) -> Result<Answered> {
    let text = text(say)?;
    if is_web_url(text.trim()) {
        return Err(invalid(
            "a Greeting applet takes a text that is a URL for audio to play",
        ));
    }
    Ok(Answered::document(TEXT, text.to_owned()))
}

/// The URL of the audio, and nothing else.
pub(super) fn play(play: &Play) -> Result<Answered> {
    Ok(Answered::document(TEXT, audio_url(play)?.to_owned()))
}

#[derive(Serialize)]
struct Body<'a> {
    gather_prompt: GatherPrompt<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_digits: Option<u8>,
    finish_on_key: String,
    input_timeout: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum GatherPrompt<'a> {
    Text(&'a str),
    AudioUrl(&'a str),
}

/// The question. What was entered comes with the request of the flow's next applet.
pub(super) fn gather(gather: &Gather) -> Result<Answered> {
    if gather.speech || !gather.dtmf {
        return Err(unsupported("a Gather applet takes keys only, no speech"));
    }
    let gather_prompt = match &gather.prompts[..] {
        [Prompt::Say(say)] => GatherPrompt::Text(text(say)?),
        [Prompt::Play(play)] => GatherPrompt::AudioUrl(audio_url(play)?),
        [] => return Err(invalid("a Gather applet must have a prompt")),
        _ => return Err(unsupported("a Gather applet has one prompt")),
    };
    if gather.max_digits == Some(0) {
        return Err(invalid("a gather takes one key or more"));
    }
    let finish_on_key = match gather.finish_on_key {
        None => String::new(),
        Some(key @ ('0'..='9' | '*' | '#')) => key.to_string(),
        Some(_) => return Err(invalid("the key that ends a gather is one of 0-9, * and #")),
    };
    let input_timeout = seconds(gather.timeout);
    if input_timeout == 0 {
        return Err(invalid("a gather waits a second or more"));
    }
    json(&Body {
        gather_prompt,
        max_input_digits: gather.max_digits,
        finish_on_key,
        input_timeout,
    })
}

fn text(say: &Say) -> Result<&str> {
    if say.language.is_some() || say.voice.is_some() {
        return Err(unsupported(
            "the language and the voice are set in the applet, not by an answer",
        ));
    }
    if say.text.trim().is_empty() {
        return Err(invalid("the text to speak is empty"));
    }
    Ok(&say.text)
}

fn audio_url(play: &Play) -> Result<&str> {
    if play.times != 1 {
        return Err(unsupported("an applet plays audio once"));
    }
    if !is_web_url(&play.url) {
        return Err(invalid("the audio must be at an http or https URL"));
    }
    Ok(&play.url)
}
