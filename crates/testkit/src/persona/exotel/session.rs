//! One call: the applets in their order.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::complaint::Finding;
use crate::engine::{Call, Ended, LiveCall, clock, random, resolve};
use crate::outcome::EndedBy;
use crate::persona::exotel::ExotelAccount;
use crate::persona::exotel::applet::Applet;
use crate::persona::exotel::callback::CallbackBody;
use crate::persona::exotel::dial::Dialled;
use crate::persona::exotel::number::written;
use crate::persona::exotel::passthru::{Branch, StreamReport};

/// Parameters, in the order in which they are sent.
pub(crate) type Parameters = Vec<(String, String)>;

/// One call through one account.
pub(crate) struct Session<'a> {
    pub(crate) account: &'a ExotelAccount,
    pub(crate) call: &'a Call,
    pub(crate) call_sid: String,
    /// The end of all ids of this call.
    tail: String,
    pub(crate) created: String,
    /// `CallStatus`
    pub(crate) status: &'static str,
    pub(crate) answered: Option<Instant>,
    /// Who ends the call if the flow is over now.
    pub(crate) ended_by: EndedBy,
    /// What the last Voicebot applet did.
    pub(crate) stream: Option<StreamReport>,
    /// What the last Gather applet collected.
    pub(crate) digits: Option<String>,
    /// What the last Connect applet did.
    pub(crate) dialled: Option<Dialled>,
    pub(crate) parties: Parties,
    pub(crate) callback: Option<Callback>,
    /// `CustomField`, of calls that the app has placed.
    pub(crate) custom_field: Option<String>,
    /// The stream that the request has named.
    pub(crate) stream_url: Option<String>,
    /// Who answered, of calls that the app has placed.
    pub(crate) answered_by: Option<&'static str>,
}

/// Who is called what.
#[derive(Clone)]
pub(crate) struct Parties {
    /// `From` and `To`.
    pub(crate) from: String,
    pub(crate) to: String,
    /// `CallFrom` and `CallTo`.
    pub(crate) call_from: String,
    pub(crate) call_to: String,
    /// `Direction` of applets, and of the API.
    pub(crate) direction: &'static str,
    pub(crate) api_direction: &'static str,
}

/// Where status callbacks go, which, and how.
#[derive(Clone)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) events: Vec<String>,
    pub(crate) body: CallbackBody,
}

/// India is 5½ hours ahead; the timestamps do not name the zone.
const INDIA: Duration = Duration::from_secs(5 * 3_600 + 1_800);
/// A flow whose branches lead in circles would never end.
const MOST_APPLETS: usize = 100;

impl<'a> Session<'a> {
    /// A call that came in.
    pub(crate) fn incoming(account: &'a ExotelAccount, call: &'a Call) -> Self {
        let (from, to) = (call.from().to_owned(), call.to().to_owned());
        let parties = Parties {
            call_from: from.clone(),
            call_to: to.clone(),
            from,
            to,
            direction: "incoming",
            api_direction: "inbound",
        };
        let mut session = Self::new(account, call, new_call_sid(), parties);
        session.callback = call.status_url().map(|url| Callback {
            url,
            events: account.status_events.clone(),
            body: account.callback_body,
        });
        session
    }

    pub(crate) fn new(
        account: &'a ExotelAccount,
        call: &'a Call,
        call_sid: String,
        parties: Parties,
    ) -> Self {
        let tail = call_sid.get(28..).unwrap_or_default().to_owned();
        Self {
            account,
            call,
            call_sid,
            tail,
            created: now(),
            status: "ringing",
            answered: None,
            ended_by: EndedBy::Document,
            stream: None,
            digits: None,
            dialled: None,
            parties,
            callback: None,
            custom_field: None,
            stream_url: None,
            answered_by: None,
        }
    }

    pub(crate) async fn run(mut self) {
        self.call.identify(&self.call_sid);
        self.enter("ringing", "ringing").await;
        let flow = self.follow().await;
        let status = match (flow, self.answered.is_some(), self.ended_by) {
            (Err(Ended), false, _) => "canceled",
            (Ok(()), false, EndedBy::Carrier) => "failed",
            _ => "completed",
        };
        self.finish(status).await;
    }

    pub(crate) async fn finish(&mut self, status: &'static str) {
        // If somebody was faster, it was they who ended the call.
        self.call.end(self.ended_by);
        self.finish_recordings();
        self.enter(status, "terminal").await;
    }

    /// Recordings end with the call.
    fn finish_recordings(&self) {
        let call = self.call.live();
        call.recordings(|recordings| {
            for recording in recordings.iter_mut().filter(|known| known.is_running()) {
                recording.finish(call, "completed");
            }
        });
    }

    /// Where the recording of the call is, once there is one.
    pub(crate) fn recording_url(&self) -> String {
        recording_url(self.account, self.call.live()).unwrap_or_default()
    }

    pub(crate) async fn follow(&mut self) -> Result<(), Ended> {
        let mut flow = VecDeque::from(self.account.flow.clone());
        for _ in 0..MOST_APPLETS {
            self.call.check()?;
            let went = match flow.pop_front() {
                Some(Applet::Voicebot) => self.voicebot().await,
                Some(Applet::Connect { url }) => self.connect(&url).await,
                Some(Applet::Gather { url }) => self.gather(&url).await,
                Some(Applet::Greeting { url }) => self.greeting(&url).await,
                Some(Applet::Passthru { url, asynchronous }) => {
                    if self.passthru(url.as_deref(), asynchronous).await == Branch::B {
                        flow = VecDeque::from(self.account.branch_b.clone());
                    }
                    Ok(())
                }
                Some(Applet::Hangup) | None => return Ok(()),
            };
            if went.is_err() {
                self.tell_of_the_end(flow).await;
                return Err(Ended);
            }
        }
        self.call.complain(Finding::error(
            "endless-flow",
            format!("one call led through {MOST_APPLETS} applets"),
        ));
        self.ended_by = EndedBy::Carrier;
        Ok(())
    }

    /// The caller is gone, and still the Passthru applets that come next tell of it. Their answers lead nowhere.
    async fn tell_of_the_end(&mut self, flow: VecDeque<Applet>) {
        self.status = "completed";
        for applet in flow {
            let Applet::Passthru { url, asynchronous } = applet else {
                return;
            };
            self.passthru(url.as_deref(), asynchronous).await;
        }
    }

    /// An applet works: the caller hears something.
    pub(crate) async fn answer(&mut self) {
        if self.answered.is_none() {
            self.answered = Some(Instant::now());
            self.enter("in-progress", "answered").await;
            self.call.answered();
        }
    }

    /// An applet could not do its work: a complaint, and the flow goes on at the next one.
    pub(crate) fn fail(&mut self, finding: Finding) {
        self.call.complain(finding);
        self.ended_by = EndedBy::Carrier;
    }

    // What requests are made of.

    /// The URL of an applet, under the public base.
    pub(crate) fn url(&self, reference: &str) -> Result<String, Finding> {
        let base = self.call.answer_url();
        resolve(&base, reference)
            .map(|url| self.call.http.addresses().public_url(&url))
            .ok_or_else(|| Finding::error("bad-applet-url", "the URL of an applet cannot be read"))
    }

    /// The parameters that every request of an applet has.
    pub(crate) fn call_parameters(&self) -> Parameters {
        let parties = &self.parties;
        let mut parameters = pairs([
            ("CallSid", self.call_sid.as_str()),
            ("CallFrom", &written(&parties.call_from)),
            ("CallTo", &written(&parties.call_to)),
            ("Direction", parties.direction),
            ("Created", &self.created),
            ("From", &written(&parties.from)),
            ("To", &written(&parties.to)),
            ("CurrentTime", &now()),
        ]);
        if let Some(field) = &self.custom_field {
            parameters.extend(pairs([("CustomField", field.as_str())]));
        }
        parameters
    }

    /// With what the applets before have found out.
    pub(crate) fn flow_parameters(&self) -> Parameters {
        let mut parameters = self.call_parameters();
        parameters.extend(pairs([
            ("CallStatus", self.status),
            ("StartTime", &self.created),
            // A constant, which means: not known yet.
            ("EndTime", "1970-01-01 05:30:00"),
        ]));
        match &self.dialled {
            Some(dialled) => parameters.extend(dialled.parameters()),
            None => parameters.extend(pairs([
                ("DialCallDuration", "0"),
                ("CallType", "call-attempt"),
            ])),
        }
        if let Some(digits) = &self.digits {
            // The quotes belong to the value.
            parameters.push(("digits".into(), format!("\"{digits}\"")));
        }
        parameters
    }

    /// 32 characters of which not all are hexadecimal digits.
    pub(crate) fn new_id(&self) -> String {
        format!("{}{}", random::hex::<14>(), self.tail)
    }

    /// Since the call was answered, in whole seconds of call time.
    pub(crate) fn seconds(&self) -> u64 {
        self.answered.map_or(0, |since| self.seconds_since(since))
    }

    pub(crate) fn seconds_since(&self, since: Instant) -> u64 {
        self.call.tempo().call(since.elapsed()).as_secs_f64().ceil() as u64
    }
}

/// A new id of a call.
pub(crate) fn new_call_sid() -> String {
    format!("{}{}", random::hex::<14>(), id_tail(random::bytes()))
}

/// Where the recording of a call is, once it is over.
pub(crate) fn recording_url(account: &ExotelAccount, call: &LiveCall) -> Option<String> {
    let base = call.base_url().unwrap_or("https://recordings.exotel.com");
    call.recordings(|recordings| {
        let recording = recordings.iter().find(|known| !known.is_running())?;
        let account = &account.account_sid;
        Some(format!(
            "{base}/exotelrecordings/{account}/{}.mp3",
            recording.id
        ))
    })
}

/// A moment, as Exotel writes it.
pub(crate) fn moment(moment: std::time::SystemTime) -> String {
    clock::local(moment, INDIA)
}

/// Now, as Exotel writes it.
pub(crate) fn now() -> String {
    clock::local_now(INDIA)
}

/// Parameters from pairs.
pub(crate) fn pairs<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Parameters {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Four characters such as `19co`: the last one is never a hexadecimal digit.
fn id_tail(bytes: [u8; 3]) -> String {
    let digit = |value: u32| char::from_digit(value, 36).unwrap_or('z');
    let [first, second, last] = bytes.map(u32::from);
    [
        '1',
        digit(first % 36),
        digit(second % 36),
        digit(16 + last % 20),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_end_like_hexadecimal_numbers() {
        for byte in 0..=u8::MAX {
            let tail = id_tail([byte; 3]);
            assert_eq!(tail.len(), 4);
            assert!(tail.ends_with(|last| ('g'..='z').contains(&last)), "{tail}");
        }
    }
}
