//! The Gather applet: a prompt and keys.

use std::time::Duration;

use crate::complaint::Finding;
use crate::document::Instruction;
use crate::engine::{Ended, Keypad, WebhookReply};
use crate::outcome::EndedBy;
use crate::persona::exotel::fetch::json_object;
use crate::persona::exotel::members::Members;
use crate::persona::exotel::session::Session;

/// What to collect.
#[derive(Debug, PartialEq)]
struct Menu {
    keypad: Keypad,
    /// How often the caller hears the prompt again who has pressed nothing.
    repeats: u64,
}

/// What Exotel takes when the app does not say.
const MOST_DIGITS: u64 = 255;
const FINISH_ON: &str = "#";
const TIMEOUT: u64 = 5;

impl Session<'_> {
    pub(crate) async fn gather(&mut self, url: &str) -> Result<(), Ended> {
        self.digits = None;
        let menu = match self.ask_what_to_gather(url).await {
            Ok(menu) => menu,
            Err(finding) => {
                self.fail(finding);
                return Ok(());
            }
        };
        self.call.check()?;
        self.ended_by = EndedBy::Document;
        self.answer().await;
        for _ in 0..=menu.repeats {
            let gathered = self
                .call
                .gather(menu.keypad.clone(), self.call.prompt())
                .await?;
            if !gathered.digits.is_empty() || gathered.finished_on.is_some() {
                self.digits = Some(gathered.digits);
                break;
            }
        }
        Ok(())
    }

    async fn ask_what_to_gather(&self, url: &str) -> Result<Menu, Finding> {
        let url = self.url(url)?;
        let parameters = self.flow_parameters();
        self.fetch(
            "gather",
            &url,
            |purpose, url| {
                self.get(purpose, url, &parameters)
                    .with_header("Exotel-Version", "1.0")
            },
            |purpose, reply| self.read_menu(purpose, reply),
        )
        .await
    }

    fn read_menu(&self, purpose: &str, reply: &WebhookReply) -> Result<Menu, Finding> {
        let result = json_object(purpose, reply).and_then(|members| {
            let (menu, findings) = menu(Members::of(members));
            self.call.complain_all(findings);
            menu
        });
        self.keep(
            purpose,
            reply,
            result.is_ok().then_some(Instruction::Gather { prompts: 1 }),
        );
        result
    }
}

fn menu(mut members: Members) -> (Result<Menu, Finding>, Vec<Finding>) {
    let prompted = prompt("gather_prompt", &mut members);
    prompt("repeat_gather_prompt", &mut members);
    let most = members.count("max_input_digits").unwrap_or(MOST_DIGITS);
    if !(1..=MOST_DIGITS).contains(&most) {
        members.find(Finding::error(
            "wrong-value",
            format!("\"max_input_digits\" is not between 1 and {MOST_DIGITS}"),
        ));
    }
    let finish_on = members
        .text("finish_on_key")
        .unwrap_or_else(|| FINISH_ON.into());
    if finish_on.chars().count() > 1
        || !finish_on
            .chars()
            .all(|key| key.is_ascii_digit() || "*#".contains(key))
    {
        members.find(Finding::error(
            "wrong-value",
            "\"finish_on_key\" is not one key, or empty",
        ));
    }
    let timeout = members.count("input_timeout").unwrap_or(TIMEOUT).min(3_600);
    let repeats = members.count("repeat_menu").unwrap_or(0).min(100);
    let keypad = Keypad::new(Duration::from_secs(timeout))
        .with_most(Some(most.clamp(1, MOST_DIGITS) as usize))
        .with_finish_on(finish_on);
    let menu = prompted.then_some(Menu { keypad, repeats }).ok_or_else(|| {
        Finding::error(
            "no-prompt",
            "the answer has no \"gather_prompt\" with a text or an audio_url",
        )
    });
    let findings = members.finish("the answer of a Gather URL");
    (menu, findings)
}

/// Whether there is a prompt of this name.
fn prompt(name: &str, members: &mut Members) -> bool {
    let Some(mut prompt) = members.object(name) else {
        return false;
    };
    let (text, audio) = (prompt.text("text"), prompt.text("audio_url"));
    for finding in prompt.finish("a prompt") {
        members.find(finding);
    }
    text.or(audio)
        .is_some_and(|prompt| !prompt.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> (Result<Menu, Finding>, Vec<String>) {
        let Value::Object(members) = value else {
            panic!("no object");
        };
        let (menu, findings) = menu(Members::of(members));
        (
            menu,
            findings
                .into_iter()
                .map(|finding| finding.code.into_owned())
                .collect(),
        )
    }

    #[test]
    fn everything_that_is_documented_is_read() {
        let (menu, codes) = read(json!({
            "gather_prompt": {"text": "One for sales"},
            "max_input_digits": 1,
            "finish_on_key": "",
            "input_timeout": 6,
            "repeat_menu": 2,
            "repeat_gather_prompt": {"audio_url": "https://voice.example.com/again.wav"},
        }));
        assert_eq!(codes, [""; 0]);
        let keypad = Keypad::new(Duration::from_secs(6)).with_most(Some(1));
        assert_eq!(menu.unwrap(), Menu { keypad, repeats: 2 });
        let (menu, _) =
            read(json!({"gather_prompt": {"audio_url": "https://voice.example.com/a.wav"}}));
        let keypad = Keypad::new(Duration::from_secs(5))
            .with_most(Some(255))
            .with_finish_on("#");
        assert_eq!(menu.unwrap(), Menu { keypad, repeats: 0 });
    }

    #[test]
    fn a_prompt_is_required() {
        for answer in [
            json!({}),
            json!({"gather_prompt": "One for sales"}),
            json!({"gather_prompt": {}}),
            json!({"gather_prompt": {"text": " "}}),
        ] {
            assert_eq!(
                read(answer.clone()).0.unwrap_err().code,
                "no-prompt",
                "{answer}"
            );
        }
    }

    #[test]
    fn odd_members_are_complained_of() {
        for (name, value, code) in [
            ("max_input_digits", json!(0), "wrong-value"),
            ("max_input_digits", json!("1"), "wrong-type"),
            ("finish_on_key", json!("##"), "wrong-value"),
            ("finish_on_key", json!("x"), "wrong-value"),
            ("input_timeout", json!(-1), "wrong-type"),
            ("numDigits", json!(1), "unknown-member"),
        ] {
            let mut answer = json!({"gather_prompt": {"text": "x"}});
            answer[name] = value;
            assert_eq!(read(answer).1, [code], "{name}");
        }
    }
}
