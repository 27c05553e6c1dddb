//! The conformance kit: what every carrier's crate has to obey, as tests that any crate can run.
//!
//! A crate gives the function that registers it, the settings of one account, and the messages that its carrier documents;
//! [`conformance!`](crate::conformance!) makes one test of each [`Rule`] of that. The capabilities decide what is looked
//! at: whatever is claimed must work and have a message that shows it, whatever is not claimed must be refused before
//! anything is sent.
//!
//! ```no_run
//! use telephony_core::{Registry, Settings, WebhookRequest};
//! use telephony_testkit::Conformance;
//!
//! # fn register(_: &mut Registry) -> telephony_core::Result<()> { Ok(()) }
//! # fn sign(_: &mut WebhookRequest) {}
//! fn acme() -> Conformance {
//!     Conformance::new("acme", register, Settings::new().with("secret", "a-secret-for-tests"))
//!         .with_secret("a-secret-for-tests")
//!         .signed_by(sign) // by a recipe of the test's own
//!         .with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"))
//! }
//!
//! telephony_testkit::conformance!(acme);
//! ```
//!
//! # Messages
//! Each is a JSON object, in a file of the folder or given to [`Conformance::with_message`]. It says where it is from, and
//! holds one of three things beside what is expected of it:
//!
//! ```json
//! {"source": "https://docs.example.com/calls",
//!  "webhook": {"kind": "incoming-call", "path": "call", "form": {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550199"}},
//!  "expect": {"call": {"id": "CA1", "direction": "inbound", "from": "+14155550100", "to": "+14155550199"}}}
//!
//! {"source": "…",
//!  "media": {"messages": [{"event": "start"}, {"event": "audio", "payload": "//8="}],
//!            "echo": {"audio": {"event": "audio", "payload": "$PAYLOAD"}, "mark": {"event": "mark", "name": "$NAME"}},
//!            "sends": {"audio": {"event": "play", "payload": "$PAYLOAD"}, "clear": {"event": "clear"}}},
//!  "expect": {"media": ["start", "audio 2"]}}
//!
//! {"source": "…",
//!  "rest": {"operation": "hang-up", "call": "CA1", "answers": [{"status": 204}]},
//!  "expect": {"outcome": "ok", "asks": [{"request": "POST /calls/CA1", "form": {"Status": "completed"}}]}}
//! ```
//!
//! * **webhook**: `kind` is `incoming-call`, `next-step`, `status`, `event` or `media-upgrade`. The URL is
//!   [`BASE_URL`], the account's label and `path`, in which `{key}` is [`CALL_KEY`] and `{token}` is [`MEDIA_TOKEN`]; or
//!   it is all of `url`. `method` is POST unless it says otherwise; the body is `form` (an object or a list of pairs),
//!   `json` or `body`; `headers` are more headers; `at` is when it came, in seconds since 1970.
//!   `expect` has `call` (what `accept_call` reads), `events` (what the callback tells, see [`describe`]), or `unreadable`.
//! * **media**: one of the first messages must start the stream. `{"$binary": "…"}` is a binary message in base64, a text is sent
//!   as it is. `echo` says how audio and a mark of ours would come back, `sends` how audio, marks and a clear of ours look;
//!   `$PAYLOAD` and `$NAME` stand for the audio in base64 and the mark's name. `expect` has `media`, and `call` with the id
//!   that the start tells.
//! * **rest**: what the carrier answers to an [operation](telephony_core::Operation) in kebab case (`make-call`,
//!   `hang-up`, `transfer`, `send-dtmf`, `start-recording`, `stop-recording`, `fetch-call`, `find-placed`,
//!   `fetch-recording`). `expect` has `outcome` (`ok`, or the [kind](telephony_core::ErrorKind) of the error), `asks`,
//!   `id` and `status`.
//!
//! `asks` are the requests that the operation sends, in their order, each compared with all that is sent but the host and the headers.
//! Write them from the carrier's documentation, not from what the crate sends. One that is a text is a method and a path, with
//! neither a query nor a body: `"DELETE /calls/CA1"`. Any other is an object:
//!
//! ```json
//! {"request": "POST /calls", "query": {"page": 1}, "form": {"To": "+14155550199", "Event": ["ringing", "answered"]}}
//! {"request": "PUT /calls/CA1", "json": {"digits": "8305921"}}
//! ```
//!
//! `form`, `json` or `body` (a text) is the body; the content type must be that of a form or of JSON. Neither the fields of
//! a query or form nor the members of a JSON object have an order, and a list in a query or form is a name that is there
//! several times; the items of a JSON array have one. `$ANY` stands for a value that does not matter. The kit calls from
//! and to the [parties](Conformance::with_parties), answers with [a stream](telephony_core::Answer::stream), transfers to
//! a [dial](telephony_core::Answer::dial) of the callee, and sends the keys `8305921` and a stream after them; its clock stands at
//! [`RECEIVED_AT`].

mod answers;
mod ask;
mod asked;
mod bench;
mod borrowed;
mod folder;
mod media;
mod message;
mod noise;
mod operations;
mod reading;
mod rule;
mod settings;
mod shown;
mod stream;
mod subject;
mod template;
mod trusting;
mod verdict;
mod verification;

pub use self::message::describe;
pub use self::rule::Rule;
pub use self::subject::{Conformance, Part};
pub use self::verdict::{Broken, Failure};

/// The public URL under which the kit's webhooks come.
pub const BASE_URL: &str = "https://voice.example.com";
/// The key of the kit's call.
pub const CALL_KEY: &str = "conformance-call-key-1";
/// The media token of the kit's call.
pub const MEDIA_TOKEN: &str = "conformance-token-0001";
/// When the kit's webhooks come, in seconds since 1970, unless a message says otherwise.
pub const RECEIVED_AT: u64 = 1_780_000_000;

/// Makes a test of each [`Rule`] for the [`Conformance`] that the named function gives.
#[macro_export]
macro_rules! conformance {
    ($subject:path) => {
        $crate::conformance! { @tests $subject;
            conformance_messages Messages,
            conformance_settings Settings,
            conformance_good_requests GoodRequests,
            conformance_mutations Mutations,
            conformance_foreign_requests ForeignRequests,
            conformance_other_methods OtherMethods,
            conformance_calls Calls,
            conformance_events Events,
            conformance_readers_never_panic ReadersNeverPanic,
            conformance_replies Replies,
            conformance_claimed_steps ClaimedSteps,
            conformance_unclaimed_steps UnclaimedSteps,
            conformance_hostile_answers HostileAnswers,
            conformance_claimed_operations ClaimedOperations,
            conformance_operation_requests OperationRequests,
            conformance_unclaimed_operations UnclaimedOperations,
            conformance_broken_operations BrokenOperations,
            conformance_media_messages MediaMessages,
            conformance_media_never_panics MediaNeverPanics,
            conformance_media_round_trip MediaRoundTrip,
            conformance_frames Frames,
            conformance_clear_and_marks ClearAndMarks,
            conformance_stream_life StreamLife,
            conformance_redaction Redaction,
        }
    };
    (@tests $subject:path; $($name:ident $rule:ident,)*) => {
        $(
            #[test]
            fn $name() -> ::std::result::Result<(), $crate::conformance::Broken> {
                $subject().check($crate::conformance::Rule::$rule)
            }
        )*
        /// A rule that was added to the kit must be added to the list of tests, too.
        #[test]
        fn conformance_has_a_test_for_each_rule() {
            let tested = [$($crate::conformance::Rule::$rule),*];
            assert_eq!(tested, $crate::conformance::Rule::ALL);
        }
    };
}
