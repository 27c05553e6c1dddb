//! The request that places a call.

use super::options::{ExotelCallOptions, ListenFrom, RecordingChannels, RecordingFormat};
use super::{Form, NO_FLOW, PLACE, Rest, error};
use crate::answer::{Writer, is_web_url, seconds};
use crate::{Region, number, provider_name};
use bytes::Bytes;
use http::Request;
use std::time::Duration;
use telephony_core::{
    AfterStream, Answer, CallLinks, Dial, Error, ErrorKind, Handover, MachineDetection,
    OutboundCall, Party, Redirect, Result, StatusEvents, Step, Stream,
};

/// The longest call, in seconds.
const MAX_TIME_LIMIT: u64 = 14_400;
/// A stream URL is shorter.
const STREAM_URL_CHARS: usize = 600;
const MAX_STREAM_NAME_CHARS: usize = 32;
const MAX_FLOW_CHARS: usize = 64;

impl Rest<'_> {
    /// Places a call, in the [way](crate::rest#the-three-ways-to-place-a-call) that its answer and its [`ExotelCallOptions`] say.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for what Exotel cannot do, [`ErrorKind::InvalidArgument`] for what is against its rules,
    /// [`ErrorKind::Internal`] if the call streams and `links` have no media token.
    pub fn place_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<Request<Bytes>> {
        let none = ExotelCallOptions::default();
        let options = call.extension(&provider_name())?.unwrap_or(&none);
        let way = Way::of(call, options)?;
        check_options(&way, call, options)?;
        if call.machine_detection != MachineDetection::Off {
            return Err(unsupported(
                "Exotel's call API cannot be asked to find out whether a machine answered",
            ));
        }
        let writer = Writer {
            config: self.config,
            links,
        };
        let mut form = Form::default();
        form.add_numbers(&way, Dialled::new(&call.to)?, ExoPhone::new(&call.from)?)?;
        match &way {
            Way::Stream(stream) => {
                let stream = with_parameters(stream, call)?;
                let url = writer.stream_url(&stream).map_err(while_placing)?;
                form.add("StreamUrl", stream_url(&url)?);
                form.add("StreamType", "bidirectional");
                form.add_some("StreamName", options.stream_name.as_deref());
            }
            Way::Flow(app) => form.add("Url", &self.flow_url(app)),
            Way::Number(_) => {}
        }
        if !way.is_straight() {
            form.add("CallType", "trans");
        }
        form.add_some("TimeLimit", way.time_limit(call)?);
        form.add_some("TimeOut", way.ring_timeout(call)?);
        form.add("Record", if call.record { "true" } else { "false" });
        form.add_options(options)?;
        form.add("CustomField", links.call_key().as_str());
        form.add("StatusCallback", &writer.with_key(&links.status_url()));
        for event in way.events(call.status_events) {
            form.add("StatusCallbackEvents[]", event);
        }
        if !way.is_straight() {
            form.add("StatusCallbackContentType", "application/json");
        }
        self.post_form(PLACE, &self.url("Calls/connect.json"), form)
    }

    /// Exotel runs flows of its own only; its console's host differs by region (public code).
    fn flow_url(&self, app: &str) -> String {
        let host = match self.config.region() {
            Region::Singapore => "my.exotel.com",
            Region::Mumbai => "my.in.exotel.com",
        };
        let account = self.config.account_sid();
        format!("http://{host}/{account}/exoml/start_voice/{app}")
    }
}

/// Whether a flow of the console runs the call.
fn is_in_flow(call: &OutboundCall) -> bool {
    // One that cannot be honoured was refused when the request was written.
    let options = call.extension::<ExotelCallOptions>(&provider_name());
    matches!(options, Ok(Some(options)) if options.flow.is_some())
}

/// Where a call lives that was placed in this way.
pub(crate) fn home(call: &OutboundCall) -> Option<String> {
    (!is_in_flow(call)).then(|| NO_FLOW.to_owned())
}

/// How Exotel gets to know what a call is to do that was placed in this way. A flow has no question of its own: if nothing
/// was said but that it runs, whoever asks in it is answered by the app.
pub(crate) fn handover(call: &OutboundCall) -> Handover {
    match call.answer.steps() {
        [Step::Stream(_), ..] if is_in_flow(call) => Handover::Asks,
        _ => Handover::Sent,
    }
}

/// The number that the first one is connected with, if that is what the call does.
pub(super) fn second_number(call: &OutboundCall) -> Option<&Party> {
    match call.answer.steps() {
        [Step::Dial(dial), ..] if !is_in_flow(call) => dial.targets.first(),
        _ => None,
    }
}

/// A number that is dialled: `From` on the wire for the first, `To` for the second.
#[derive(PartialEq)]
struct Dialled<'a>(&'a str);

impl<'a> Dialled<'a> {
    fn new(party: &'a Party) -> Result<Self> {
        digits(party, "Exotel's call API dials phone numbers only").map(Self)
    }
}

/// A number of the account's own that is shown: `CallerId` on the wire.
struct ExoPhone<'a>(&'a str);

impl<'a> ExoPhone<'a> {
    fn new(party: &'a Party) -> Result<Self> {
        digits(
            party,
            "Exotel shows a phone number of the account (ExoPhone) only",
        )
        .map(Self)
    }
}

fn digits<'a>(party: &'a Party, otherwise: &str) -> Result<&'a str> {
    let (Party::Number(number) | Party::LocalNumber(number)) = party else {
        return Err(unsupported(otherwise));
    };
    let digits = number.strip_prefix('+').unwrap_or(number);
    if (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(number)
    } else {
        Err(invalid("a phone number is not made of 3 to 15 digits"))
    }
}

impl Form {
    /// The only place that writes `From`, `To` and `CallerId`.
    fn add_numbers(
        &mut self,
        way: &Way<'_>,
        first: Dialled<'_>,
        shown: ExoPhone<'_>,
    ) -> Result<()> {
        let same = |one: &str, other: &str| number::party(one) == number::party(other);
        if same(first.0, shown.0) {
            return Err(invalid(
                "the number to dial is the number to show: `to` is the other side, `from` is our ExoPhone",
            ));
        }
        self.add("From", first.0);
        if let Way::Number(dial) = way {
            let second = only_target(dial)?;
            if same(second.0, first.0) {
                return Err(invalid("both numbers to connect are the same"));
            }
            if let Some(caller_id) = &dial.caller_id
                && !same(ExoPhone::new(caller_id)?.0, shown.0)
            {
                return Err(unsupported(
                    "Exotel shows one number to both sides: the dial's caller id must be the call's `from`",
                ));
            }
            self.add("To", second.0);
        }
        self.add("CallerId", shown.0);
        Ok(())
    }

    fn add_options(&mut self, options: &ExotelCallOptions) -> Result<()> {
        self.add_some(
            "RecordingChannels",
            options.recording_channels.map(|channels| match channels {
                RecordingChannels::Single => "single",
                RecordingChannels::Dual => "dual",
            }),
        );
        self.add_some(
            "RecordingFormat",
            options.recording_format.map(|format| match format {
                RecordingFormat::Mp3 => "mp3",
                RecordingFormat::Mp3Hq => "mp3-hq",
            }),
        );
        if let Some(url) = &options.wait_url {
            self.add("WaitUrl", web_url(url)?);
        }
        if let Some(listener) = &options.listener {
            self.add("StreamUrl", stream_url(&listener.url)?);
            let begin = match listener.from {
                ListenFrom::FirstLeg => "at Leg1Connect",
                ListenFrom::SecondLeg => "at Leg2Connect",
            };
            self.add("StreamBegin", begin);
        }
        if let Some(playback) = &options.playback {
            let to = if playback.to_both { "Both" } else { "Callee" };
            self.add("StartPlaybackToNew", to);
            self.add("StartPlaybackValueNew", web_url(&playback.url)?);
        }
        Ok(())
    }
}

/// What happens when the call is answered.
enum Way<'a> {
    Stream(&'a Stream),
    Number(&'a Dial),
    Flow(&'a str),
}

impl<'a> Way<'a> {
    fn of(call: &'a OutboundCall, options: &'a ExotelCallOptions) -> Result<Self> {
        match &options.flow {
            Some(app) => {
                check_flow(app, &call.answer)?;
                Ok(Self::Flow(app))
            }
            None => Self::without_flow(&call.answer),
        }
    }

    /// A hang-up behind a stream or a dial is what happens anyway.
    fn without_flow(answer: &'a Answer) -> Result<Self> {
        match answer.steps() {
            [Step::Dial(dial)] | [Step::Dial(dial), Step::HangUp] => Ok(Self::Number(dial)),
            [Step::Stream(stream), Step::HangUp] => Ok(Self::Stream(stream)),
            [Step::Stream(stream)] if stream.then == AfterStream::HangUp => {
                Ok(Self::Stream(stream))
            }
            [Step::Stream(_)] => Err(unsupported(
                "a call straight to the stream ends with it; to go on, use a flow: `ExotelCallOptions::with_flow`",
            )),
            _ => Err(unsupported(
                "Exotel connects a call with a stream, with one number, or with a flow of its console: draw a flow for \
                 this answer and name it with `ExotelCallOptions::with_flow`",
            )),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Stream(_) => "a call straight to the stream",
            Self::Number(_) => "a call to a second number",
            Self::Flow(_) => "a call into a flow",
        }
    }

    fn is_straight(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// The shorter of the two limits keeps both.
    fn time_limit(&self, call: &OutboundCall) -> Result<Option<u64>> {
        let both = match self {
            Self::Number(dial) => [call.max_duration, dial.time_limit],
            _ => [call.max_duration, None],
        };
        let limit = shortest(
            both,
            "the longest duration of a call must be a second or more",
        )?;
        match limit {
            Some(limit) if limit > MAX_TIME_LIMIT => {
                Err(invalid("a call of Exotel lasts 14400 seconds at most"))
            }
            limit => Ok(limit),
        }
    }

    /// One limit goes for both legs, so the shorter of the two keeps both.
    fn ring_timeout(&self, call: &OutboundCall) -> Result<Option<u64>> {
        let both = match self {
            Self::Number(dial) => [call.ring_timeout, dial.ring_timeout],
            Self::Flow(_) => [call.ring_timeout, None],
            Self::Stream(_) if call.ring_timeout.is_some() => {
                return Err(unsupported(
                    "how long a call straight to the stream rings cannot be set; use a flow, or limit its duration",
                ));
            }
            Self::Stream(_) => [None, None],
        };
        shortest(both, "a call must ring for a second or more")
    }

    fn events(&self, wanted: StatusEvents) -> &'static [&'static str] {
        match (wanted, self) {
            (StatusEvents::End, _) => &["terminal"],
            (_, Self::Stream(_)) => &["terminal", "answered", "ringing"],
            _ => &["terminal", "answered"],
        }
    }
}

fn shortest(durations: [Option<Duration>; 2], too_short: &str) -> Result<Option<u64>> {
    match durations.into_iter().flatten().map(seconds).min() {
        Some(0) => Err(invalid(too_short)),
        shortest => Ok(shortest),
    }
}

fn only_target(dial: &Dial) -> Result<Dialled<'_>> {
    match &dial.targets[..] {
        [target] => Dialled::new(target),
        [] => Err(invalid("the dial has no number")),
        _ => Err(unsupported("Exotel connects a call with one number")),
    }
}

/// What a flow does is drawn in the console: an answer that says something else would be dropped without a word.
fn check_flow(app: &str, answer: &Answer) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if app.is_empty() || app.len() > MAX_FLOW_CHARS || !app.bytes().all(plain) {
        return Err(invalid("the app id of the flow is not one"));
    }
    let fits = match answer.steps() {
        [Step::Redirect(Redirect::Here)] => true,
        [Step::Stream(stream)] | [Step::Stream(stream), Step::HangUp] => {
            stream.parameters.is_empty() && stream.rate.is_none()
        }
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(unsupported(
            "a flow does what its applets do: give the call `Answer::redirect()` and answer the applets when they ask",
        ))
    }
}

/// Nothing that was asked for is left out without a word.
fn check_options(way: &Way<'_>, call: &OutboundCall, options: &ExotelCallOptions) -> Result<()> {
    let to_number = matches!(way, Way::Number(_));
    let straight = way.is_straight();
    for (given, fits, name) in [
        (options.stream_name.is_some(), straight, "stream name"),
        (options.wait_url.is_some(), to_number, "wait URL"),
        (options.playback.is_some(), to_number, "playback"),
        (options.listener.is_some(), to_number, "listener"),
        (
            options.recording_format.is_some(),
            to_number,
            "recording format",
        ),
    ] {
        if given && !fits {
            return Err(invalid(&format!("{} takes no {name}", way.name())));
        }
    }
    let recording = options.recording_channels.is_some() || options.recording_format.is_some();
    if recording && !call.record {
        return Err(invalid(
            "there are options for a recording, but the call is not to be recorded",
        ));
    }
    if let Some(name) = &options.stream_name {
        let count = name.chars().count();
        if count == 0 || count > MAX_STREAM_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(invalid("the name of a stream has 1 to 32 characters"));
        }
    }
    if !straight && !call.parameters.is_empty() {
        return Err(unsupported(
            "Exotel hands back one field only, which has the call's key: keep the parameters with your call, or use a stream",
        ));
    }
    Ok(())
}

/// The call's parameters come back with the start of its stream, as the stream's own do.
fn with_parameters(stream: &Stream, call: &OutboundCall) -> Result<Stream> {
    let mut stream = stream.clone();
    for (name, value) in &call.parameters {
        let before = stream.parameters.insert(name.clone(), value.clone());
        if before.is_some_and(|before| before != *value) {
            return Err(invalid(
                "the call and its stream have a parameter of one name with two values",
            ));
        }
    }
    Ok(stream)
}

fn stream_url(url: &str) -> Result<&str> {
    let rest = url
        .strip_prefix("wss://")
        .or_else(|| url.strip_prefix("ws://"));
    let is_url = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    });
    if !is_url {
        return Err(invalid("the URL of a stream must begin with wss://"));
    }
    if url.len() >= STREAM_URL_CHARS {
        return Err(invalid(
            "the URL of a stream must have fewer than 600 characters",
        ));
    }
    Ok(url)
}

fn web_url(url: &str) -> Result<&str> {
    if is_web_url(url) {
        Ok(url)
    } else {
        Err(invalid("the audio must be at an http or https URL"))
    }
}

/// The same error, of this operation.
fn while_placing(cause: Error) -> Error {
    error(cause.kind(), PLACE, cause.detail())
}

fn unsupported(detail: &str) -> Error {
    error(ErrorKind::Unsupported, PLACE, detail)
}

fn invalid(detail: &str) -> Error {
    error(ErrorKind::InvalidArgument, PLACE, detail)
}
