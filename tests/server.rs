//! The HTTP server at its edges: who is let in, what is answered when something is wrong, and who gets the media socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod support;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{
    EXOTEL_SECRET, Reply, TWILIO_SID, TWILIO_TOKEN, http, start, start_with, twilio,
    twilio_call_form, twilio_signature,
};
use telephony::media::{MediaEvent, Streamer};
use telephony::{
    Answer, BoxError, CallEvent, CallHandler, CallStatus, EndReason, EventContext, IncomingCall,
    Provider, RejectReason, ServerOptions,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

/// How the app under test answers.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Stream,
    Fail,
    Late,
    Panic,
    Unsupported,
}

/// What the app sees of a stream.
#[derive(Debug, PartialEq)]
enum Seen {
    Started,
    Ended(EndReason),
}

#[derive(Debug)]
struct App {
    mood: Mood,
    calls: Arc<AtomicUsize>,
    ends: mpsc::Sender<Seen>,
}

impl App {
    fn new(mood: Mood) -> (Self, Arc<AtomicUsize>, mpsc::Receiver<Seen>) {
        let (ends, ended) = mpsc::channel(8);
        let calls = Arc::new(AtomicUsize::new(0));
        (
            Self {
                mood,
                calls: Arc::clone(&calls),
                ends,
            },
            calls,
            ended,
        )
    }
}

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.mood {
            Mood::Stream => Ok(Answer::stream()),
            Mood::Fail => Err("no reason".into()),
            Mood::Late => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(Answer::stream())
            }
            Mood::Panic => panic!("on purpose"),
            // A call can be refused only before anything else.
            Mood::Unsupported => {
                Ok(Answer::say("Hello.").then(telephony::Step::Reject(RejectReason::Busy)))
            }
        }
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        while let Some(event) = stream.recv().await {
            let seen = match event {
                MediaEvent::Started => Seen::Started,
                MediaEvent::Stopped { reason } => Seen::Ended(reason),
                _ => continue,
            };
            let _ = self.ends.send(seen).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_verified_is_403_with_an_empty_body_and_the_app_hears_nothing() {
    let (app, calls, _) = App::new(Mood::Stream);
    let house = start(app).await;
    let form = "CallSid=CA1&From=client:a&To=client:b&Direction=inbound&CallStatus=ringing";
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let forged = ("x-twilio-signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let url = |path: &str| format!("{}{path}", house.url);
    let json_type = ("content-type", "application/json");
    let replies: Vec<Reply> = vec![
        http("POST", &url("/twilio/call"), &[form_type], form).await,
        http("POST", &url("/twilio/call"), &[form_type, forged], form).await,
        http("GET", &url("/twilio/call?CallSid=CA1"), &[forged], "").await,
        http(
            "POST",
            &url("/vonage/call"),
            &[json_type],
            r#"{"uuid":"a","to":"b","from":"c"}"#,
        )
        .await,
        http(
            "GET",
            &url("/exotel/call?CallSid=a&CallFrom=b&key=wrong-but-long-enough-0123"),
            &[],
            "",
        )
        .await,
        http("GET", &url("/exotel/call?CallSid=a&CallFrom=b"), &[], "").await,
        http("POST", &url("/twilio/status"), &[form_type], form).await,
        http(
            "POST",
            &url("/twilio/answer/0123456789abcdefghijkl"),
            &[form_type],
            form,
        )
        .await,
    ];
    for reply in replies {
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (403, ""),
            "{}",
            reply.head
        );
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_verified_and_cannot_be_read_is_400() {
    let (app, calls, _) = App::new(Mood::Stream);
    let house = start(app).await;
    let reply = twilio(
        &format!("{}/twilio/call", house.url),
        &[("AccountSid", TWILIO_SID), ("From", "client:a")],
    )
    .await;
    assert_eq!(reply.status, 400, "a call without a CallSid");
    let reply = http(
        "GET",
        &format!("{}/exotel/call?CallSid=a&key={EXOTEL_SECRET}", house.url),
        &[],
        "",
    )
    .await;
    assert_eq!(reply.status, 400, "a call without a caller");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn accounts_and_routes_that_are_not_there_are_404() {
    let (app, ..) = App::new(Mood::Stream);
    let house = start(app).await;
    for path in ["/acme/call", "/twilio/unknown", "/", "/twilio"] {
        assert_eq!(
            http("POST", &format!("{}{path}", house.url), &[], "")
                .await
                .status,
            404,
            "{path}"
        );
    }
    house
        .server
        .remove_account(house.server.accounts()[0].account());
    assert_eq!(
        http("POST", &format!("{}/exotel/call", house.url), &[], "")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let (app, ..) = App::new(Mood::Stream);
    let mut options = ServerOptions::default();
    options.max_body = 1000;
    options.body_deadline = Duration::from_millis(200);
    let house = start_with(app, options).await;
    let url = format!("{}/twilio/call", house.url);
    assert_eq!(http("POST", &url, &[], &"x".repeat(1001)).await.status, 413);
    // One byte is promised and never comes.
    let mut stream = TcpStream::connect(house.url.trim_start_matches("http://"))
        .await
        .unwrap();
    let request = b"POST /twilio/call HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request)
        .await
        .unwrap();
    let mut answer = [0; 64];
    let read = tokio::io::AsyncReadExt::read(&mut stream, &mut answer);
    let read = tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer[..read].starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer[..read])
    );
}

#[tokio::test]
async fn the_fallback_goes_out_when_the_app_has_no_answer_that_can_be_given() {
    for mood in [Mood::Fail, Mood::Late, Mood::Panic, Mood::Unsupported] {
        let (app, ..) = App::new(mood);
        let mut options = ServerOptions::default();
        options.handler_deadline = Some(Duration::from_millis(300));
        options.fallback = Answer::say("Try again later.").then_hang_up();
        let house = start_with(app, options).await;
        let reply = twilio(
            &format!("{}/twilio/call", house.url),
            &twilio_call_form("CA1"),
        )
        .await;
        assert_eq!(reply.status, 200, "{mood:?}");
        assert!(
            reply.body.contains("<Say>Try again later.</Say><Hangup/>"),
            "{mood:?}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn one_account_does_not_verify_for_another() {
    let (app, calls, _) = App::new(Mood::Stream);
    let house = start(app).await;
    let other = telephony::Settings::new()
        .with("account_sid", "AC00000000000000000000000000000002")
        .with("auth_token", "x");
    let label = telephony::AccountLabel::new("other").unwrap();
    house.server.add_account(
        Provider::Twilio
            .open(Some(label), other, &telephony::Ports::default())
            .unwrap(),
    );
    // Signed with the token of the first account, for the URL of the second.
    let reply = twilio(
        &format!("{}/other/call", house.url),
        &twilio_call_form("CA1"),
    )
    .await;
    assert_eq!(reply.status, 403);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

type Socket = WebSocketStream<TcpStream>;

/// Opens a media socket as Twilio does; the HTTP status if it is refused.
async fn open(url: &str) -> Result<Socket, u16> {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert(
        "x-twilio-signature",
        twilio_signature(TWILIO_TOKEN, url, &[]).parse().unwrap(),
    );
    let host = url.trim_start_matches("ws://").split('/').next().unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn begin(socket: &mut Socket, call_sid: &str) {
    let start = json!({
        "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
        "start": {
            "accountSid": TWILIO_SID, "streamSid": "MZ1", "callSid": call_sid, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        },
    });
    let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
    for message in [connected, start] {
        socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }
}

/// The media URL in the answer to a call.
async fn media_url(house: &support::Running, call_sid: &str) -> String {
    let reply = twilio(
        &format!("{}/twilio/call", house.url),
        &twilio_call_form(call_sid),
    )
    .await;
    let url = reply
        .body
        .split("<Stream url=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(
        url.starts_with("ws://127.0.0.1"),
        "http becomes ws on loopback: {url}"
    );
    url.to_owned()
}

async fn report(house: &support::Running, call_sid: &str, status: &str) -> u16 {
    let mut form = twilio_call_form(call_sid);
    form.retain(|(name, _)| *name != "CallStatus");
    form.push(("CallStatus", status));
    twilio(&format!("{}/twilio/status", house.url), &form)
        .await
        .status
}

#[tokio::test]
async fn a_token_is_good_for_one_socket_of_one_live_call() {
    let (app, _, mut ended) = App::new(Mood::Stream);
    let house = start(app).await;
    let url = media_url(&house, "CA1").await;
    let forged = format!("{}x", &url[..url.len() - 1]);
    assert_eq!(
        open(&forged).await.err(),
        Some(404),
        "a token that was never given out"
    );

    let mut socket = open(&url).await.unwrap();
    begin(&mut socket, "CA1").await;
    assert_eq!(ended.recv().await, Some(Seen::Started));
    assert_eq!(open(&url).await.err(), Some(409), "a second socket");

    let began = Instant::now();
    assert_eq!(report(&house, "CA1", "completed").await, 204);
    let reason = tokio::time::timeout(Duration::from_secs(1), ended.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        reason,
        Seen::Ended(EndReason::CallEnded(CallStatus::Completed))
    );
    let closed = tokio::time::timeout(Duration::from_secs(1), async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return true;
            }
        }
        false
    });
    assert!(closed.await.unwrap(), "the socket is closed the normal way");
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(open(&url).await.err(), Some(410), "the call is over");
}

#[tokio::test]
async fn an_upgrade_with_a_wrong_signature_is_403() {
    let (app, ..) = App::new(Mood::Stream);
    let house = start(app).await;
    let url = media_url(&house, "CA1").await;
    let mut request = url.as_str().into_client_request().unwrap();
    request.headers_mut().insert(
        "x-twilio-signature",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap(),
    );
    let stream = TcpStream::connect(house.url.trim_start_matches("http://"))
        .await
        .unwrap();
    let refused = tokio_tungstenite::client_async(request, stream).await;
    assert!(matches!(refused, Err(WsError::Http(response)) if response.status() == 403));
    assert!(open(&url).await.is_ok(), "and the token is still good");
}

#[tokio::test]
async fn a_failed_start_gives_the_token_back_and_a_foreign_start_does_not() {
    let (app, _, mut ended) = App::new(Mood::Stream);
    let house = start(app).await;
    let url = media_url(&house, "CA1").await;
    let mut socket = open(&url).await.unwrap();
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    let mut again = retry_open(&url).await;
    begin(&mut again, "CA-of-somebody-else").await;
    while let Some(Ok(_)) = again.next().await {}
    assert_eq!(open(&url).await.err(), Some(409), "the token stays taken");
    assert!(ended.try_recv().is_err(), "the app never saw the stream");
}

/// Opens as soon as the token is free again.
async fn retry_open(url: &str) -> Socket {
    for _ in 0..100 {
        if let Ok(socket) = open(url).await {
            return socket;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the token was not given back");
}

#[tokio::test]
async fn shutting_down_ends_streams_and_takes_no_calls() {
    let (app, calls, mut ended) = App::new(Mood::Stream);
    let house = start(app).await;
    assert_eq!(
        http("GET", &format!("{}/healthz", house.url), &[], "")
            .await
            .status,
        200
    );
    assert_eq!(
        http("GET", &format!("{}/readyz", house.url), &[], "")
            .await
            .status,
        200
    );
    let mut socket = open(&media_url(&house, "CA1").await).await.unwrap();
    begin(&mut socket, "CA1").await;
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    assert_eq!(ended.recv().await, Some(Seen::Started));
    assert_eq!(house.server.live_streams(), 1);
    let grace = Duration::from_millis(100);
    assert!(house.server.shutdown(grace).await, "all streams are gone");
    assert_eq!(ended.recv().await, Some(Seen::Ended(EndReason::Shutdown)));
    reading.await.unwrap();
    assert_eq!(
        http("GET", &format!("{}/healthz", house.url), &[], "")
            .await
            .status,
        200
    );
    assert_eq!(
        http("GET", &format!("{}/readyz", house.url), &[], "")
            .await
            .status,
        503
    );
    assert_eq!(
        twilio(
            &format!("{}/twilio/call", house.url),
            &twilio_call_form("CA2")
        )
        .await
        .status,
        503
    );
    let next = format!("{}/twilio/answer", house.url);
    let unknown = twilio(&next, &twilio_call_form("CA3")).await;
    assert_eq!(unknown.status, 503);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// An app that takes its time with events.
#[derive(Debug)]
struct Slow {
    done: mpsc::Sender<String>,
}

#[async_trait::async_trait]
impl CallHandler for Slow {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Err("no call is expected".into())
    }

    async fn on_event(&self, _context: EventContext, event: CallEvent) -> Option<Answer> {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let _ = self.done.send(event.name().to_owned()).await;
        None
    }
}

#[tokio::test]
async fn the_deadline_is_of_the_request_and_the_app_comes_to_an_end_with_its_events() {
    let (done, mut ends) = mpsc::channel(16);
    let mut options = ServerOptions::default();
    options.handler_deadline = Some(Duration::from_millis(400));
    let house = start_with(Slow { done }, options).await;
    // One request with several events in it: a status, a dial, keys and a recording.
    let query = "CallSid=a1&CallFrom=09812345670&CallTo=08047654321&CallStatus=completed&DialCallStatus=completed\
                 &digits=%221%22&RecordingUrl=https://recordings.example.com/a.mp3";
    let url = format!(
        "{}/exotel/events?key={EXOTEL_SECRET}&applet=passthru&{query}",
        house.url
    );
    let began = Instant::now();
    assert_eq!(http("GET", &url, &[], "").await.status, 200);
    assert!(
        began.elapsed() < Duration::from_millis(800),
        "{:?}",
        began.elapsed()
    );
    let mut told = Vec::new();
    while let Ok(Some(name)) = tokio::time::timeout(Duration::from_secs(1), ends.recv()).await {
        told.push(name);
    }
    assert!(
        told.len() >= 3,
        "all events come to an end, late or not: {told:?}"
    );
}

#[tokio::test]
async fn a_head_asks_the_app_nothing() {
    let (app, calls, _) = App::new(Mood::Stream);
    let house = start(app).await;
    let url = format!(
        "{}/exotel/call?key={EXOTEL_SECRET}&CallSid=a&CallFrom=b",
        house.url
    );
    assert_eq!(http("HEAD", &url, &[], "").await.status, 200);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_default_fallback_leaves_no_carrier_without_an_answer() {
    let (app, ..) = App::new(Mood::Fail);
    let house = start(app).await;
    let exotel = format!(
        "{}/exotel/call?key={EXOTEL_SECRET}&CallSid=a&CallFrom=b",
        house.url
    );
    assert_eq!(
        http("GET", &exotel, &[], "").await.status,
        200,
        "its own flow decides"
    );
    let reply = twilio(
        &format!("{}/twilio/call", house.url),
        &twilio_call_form("CA1"),
    )
    .await;
    assert!(reply.body.contains("<Hangup/>"), "{}", reply.body);
}

#[tokio::test]
async fn a_repeated_request_leaves_one_stream() {
    let (app, ..) = App::new(Mood::Stream);
    let house = start(app).await;
    let first = media_url(&house, "CA1").await;
    let second = media_url(&house, "CA1").await;
    assert_eq!(
        open(&first).await.err(),
        Some(404),
        "the carrier follows the last answer"
    );
    assert!(open(&second).await.is_ok());
}

#[tokio::test]
async fn a_path_that_is_no_text_is_verified_like_any_other() {
    let (app, ..) = App::new(Mood::Stream);
    let house = start(app).await;
    let reply = http("POST", &format!("{}/twilio/answer/%FF", house.url), &[], "").await;
    assert_eq!((reply.status, reply.body.as_str()), (403, ""));
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let (app, ..) = App::new(Mood::Stream);
    let mut options = ServerOptions::default();
    options.head_deadline = Duration::from_millis(200);
    let house = start_with(app, options).await;
    for beginning in [&b""[..], b"GET /healthz HT"] {
        let mut stream = TcpStream::connect(house.url.trim_start_matches("http://"))
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, beginning)
            .await
            .unwrap();
        let mut rest = Vec::new();
        let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
        assert!(
            tokio::time::timeout(Duration::from_secs(5), closed)
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn times_without_end_can_be_written_as_the_longest_duration() {
    let (app, ..) = App::new(Mood::Stream);
    let mut options = ServerOptions::default();
    options.handler_deadline = Some(Duration::MAX);
    options.handler_grace = Duration::MAX;
    options.stream.goodbye = Duration::MAX;
    options.stream.write_deadline = Duration::MAX;
    let house = start_with(app, options).await;
    let mut socket = open(&media_url(&house, "CA1").await).await.unwrap();
    begin(&mut socket, "CA1").await;
    socket.close(None).await.unwrap();
}
