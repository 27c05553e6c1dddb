//! `<GetDigits>` and `<GetInput>`.

use std::time::Duration;

use crate::complaint::Finding;
use crate::engine::{Ended, Keypad};
use crate::persona::plivo::session::{Next, Session};
use crate::persona::plivo::webhooks::pairs;
use crate::persona::xml::Element;

impl Session<'_> {
    /// When nothing comes, the next element runs, and nobody is asked.
    pub(crate) async fn gather(&mut self, element: &Element) -> Result<Next, Ended> {
        let is_input = element.name == "GetInput";
        let input = element.attribute("inputType").unwrap_or("dtmf").to_owned();
        if is_input {
            self.check_input(element, &input);
        }
        let timeout = match is_input {
            true => element.number("executionTimeout", 15),
            false => element.number("timeout", 5),
        };
        let finish_on = match element.attribute("finishOnKey") {
            None => "#",
            Some("none") => "",
            Some(key) => key,
        };
        let most = element.attribute("numDigits");
        let keypad = Keypad::new(Duration::from_secs(timeout.clamp(1, 3_600)))
            .with_most(most.and_then(|most| most.trim().parse().ok()))
            .with_finish_on(finish_on);
        let prompt = self.call.prompt() * u32::try_from(element.children.len()).unwrap_or(1);
        if !input.split(' ').any(|kind| kind == "dtmf") {
            // Nobody says anything that would be understood.
            self.call.pass(prompt + keypad.timeout).await?;
            return Ok(Next::Element);
        }
        let gathered = self.call.gather(keypad, prompt).await?;
        if gathered.digits.is_empty() {
            return Ok(Next::Element);
        }
        let mut extra = pairs([("Digits", gathered.digits.as_str())]);
        if is_input {
            extra.extend(pairs([("InputType", "dtmf")]));
        }
        Ok(self.action("gather", "GetDigits", element, extra).await)
    }

    fn check_input(&self, element: &Element, input: &str) {
        if !matches!(input, "dtmf" | "speech" | "dtmf speech") {
            self.call.complain(Finding::error(
                "input-type",
                "the inputType of <GetInput> is dtmf, speech or dtmf speech",
            ));
        }
        if element.attribute("action").is_none() {
            self.call
                .complain(Finding::error("no-action", "a <GetInput> has no action"));
        }
        if !(5..=60).contains(&element.number("executionTimeout", 15)) {
            self.call.complain(Finding::error(
                "execution-timeout",
                "the executionTimeout of <GetInput> is from 5 to 60",
            ));
        }
    }
}
