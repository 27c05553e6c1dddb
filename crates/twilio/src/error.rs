//! Twilio's error codes: what kind of thing went wrong, and what it means.
//!
//! The codes come in fallback requests and status callbacks (`ErrorCode`), in the account's debugger, and in REST errors.
//! The numbers are those of [Twilio's error dictionary](https://www.twilio.com/docs/api/errors); the words are ours.
//!
//! ```
//! use telephony_core::ErrorKind;
//! use telephony_twilio::error::{kind_of_code, meaning_of_code};
//!
//! assert_eq!(kind_of_code(20429), ErrorKind::RateLimited);
//! assert_eq!(meaning_of_code(12100), Some("the TwiML is not well-formed XML"));
//! ```

use telephony_core::ErrorKind;

/// What kind of thing a code stands for. Codes that are not known are the carrier's fault until somebody knows better.
///
/// | codes | kind |
/// |---|---|
/// | 20003, 20008, 20011, 20012, 20101–20107, 20151–20160, 20426 | `Configuration`: credentials, TLS version |
/// | 10001–10003, 20005, 20006, 20010, 20403, 13224, 13225, 13227, 21202, 21203, 21210, 21214–21216, 21219, 21226, 32203–32205 | `Refused`: account, permission or destination |
/// | 10004, 20429 | `RateLimited` |
/// | 20404, 20410 | `NotFound` |
/// | 21220 | `Closed`: the call is over or not up yet |
/// | 20001, 20002, 20004, 20007, 20009, 20413, 20422, 20423, 21201–21213 and the like, 32018, 11100, 117xx, 12xxx, 13xxx, 15003, 31922, 31923, 3194x, 3195x, 64101, 64107 | `InvalidArgument`: what we sent |
/// | 112xx, 3190x, 3191x, 31920, 31921, 31924, 31930, 39001, 64105 | `Transport`: Twilio did not reach us |
/// | 15002, 32014–32016 | `Timeout` |
/// | all others | `Carrier` |
#[must_use]
pub fn kind_of_code(code: u32) -> ErrorKind {
    match code {
        20003 | 20008 | 20011 | 20012 | 20101..=20107 | 20151..=20160 | 20426 => {
            ErrorKind::Configuration
        }
        10001..=10003
        | 20005
        | 20006
        | 20010
        | 20403
        | 13224
        | 13225
        | 13227
        | 21202
        | 21203
        | 21210
        | 21214..=21216
        | 21219
        | 21226
        | 32203..=32205 => ErrorKind::Refused,
        10004 | 20429 => ErrorKind::RateLimited,
        20404 | 20410 => ErrorKind::NotFound,
        21220 => ErrorKind::Closed,
        11200..=11299 | 31901..=31904 | 31910 | 31920 | 31921 | 31924 | 31930 | 39001 | 64105 => {
            ErrorKind::Transport
        }
        15002 | 32014..=32016 => ErrorKind::Timeout,
        11100
        | 11750
        | 11770
        | 12000..=13999
        | 15003
        | 20001
        | 20002
        | 20004
        | 20007
        | 20009
        | 20413
        | 20422
        | 20423
        | 21201..=21263
        | 21626
        | 31922
        | 31923
        | 31931
        | 31940..=31952
        | 32018
        | 64101
        | 64107 => ErrorKind::InvalidArgument,
        _ => ErrorKind::Carrier,
    }
}

/// What a code that a call may meet means, in a few words.
#[must_use]
pub fn meaning_of_code(code: u32) -> Option<&'static str> {
    Some(match code {
        10001 | 20005 => "the account is not active",
        10002 => "a trial account cannot do that",
        10004 => "too many calls at once",
        11100 => "a URL in what we sent is not a valid one",
        11200 => "our answer was not a 2xx, or did not come in time",
        11205 => "our server could not be reached",
        11210 => "the name of our server could not be resolved",
        11215 => "our server redirected too often",
        11220 | 11235..=11237 => "the TLS certificate of our server was not accepted",
        11750 => "the TwiML is larger than 64 kB",
        11770 => "our answer was empty where TwiML is wanted",
        12100 => "the TwiML is not well-formed XML",
        12102 => "the root of the TwiML is not <Response>",
        12200 => "the TwiML does not follow the schema",
        12300 => "our answer was of a media type that is not TwiML",
        13214 => "the caller id of the dial is not valid",
        13223 | 13224 => "the number of the dial is not valid",
        13225 | 21216 => "the number is blocked",
        13227 | 21215 => "the account has no permission for calls to that country",
        13520 => "the text to speak is not valid",
        15002 => "the call waited too long in the queue",
        15003 => "our answer to a callback was not accepted",
        20001 | 20422 => "a parameter is not valid",
        20003 => "the credentials are wrong",
        20006 | 20403 => "the account may not do that",
        20008 => "test credentials cannot do that",
        20009 => "the call is not over yet",
        20010 => "the account has that switched off",
        20011 | 20012 | 20426 => "the TLS version or cipher is too old",
        20404 => "there is no such call or resource",
        20410 => "the resource is gone",
        20429 => "too many requests",
        20500 => "Twilio had a fault of its own",
        20503 => "the service is not available for the moment",
        21201 => "nobody to call was named",
        21202 => "the number to call is a premium number",
        21203 => "the account has no permission for calls abroad",
        21205 => "the URL of the call is not valid",
        21206 => "the keys to send are not valid",
        21208 => "the time to ring is not valid",
        21210 => "the caller id is not a number of the account",
        21211 | 21217 => "the number to call is not valid",
        21212 => "the caller id is not valid",
        21213 => "no caller id was named",
        21214 => "the number cannot be reached",
        21218 => "there is no such TwiML application",
        21219 => "a trial account calls verified numbers only",
        21220 => "the call is not in progress",
        21221..=21225 => "the user name or the password of the SIP call is not valid",
        21226 => "the account may not call SIP addresses",
        21234 | 21263 => "an option of the machine detection is not valid",
        21262 => "machine detection has no URL to report to",
        21626 => "the list of status events is not valid",
        31901..=31904 => "the media socket could not be connected",
        31910 => "the TLS certificate of the media socket was not accepted",
        31920 => "the handshake of the media socket was not answered with 101",
        31921 => "our server closed the media socket",
        31922 | 31923 => "the URL of the media socket is not a valid wss URL",
        31924 => "the WebSocket protocol of the media socket was violated",
        31930 => "the media socket is congested; the caller's audio was dropped",
        31931 => "more than ten minutes of audio were sent ahead",
        31941 => "the stream has a track that is not valid",
        31950 | 31951 => "a message on the media socket was not valid",
        32014 => "the call was ended because no audio came",
        32015 => "the call was ended because it lasted too long",
        32016 => "the destination did not begin to ring in time",
        32018 => "the TwiML is too long for a request",
        64101 => "a parameter of the conversation relay is not valid",
        64105 => "the socket of the conversation relay has ended",
        64107 => "a message of the conversation relay was not valid",
        _ => return None,
    })
}
