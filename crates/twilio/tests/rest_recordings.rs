//! The audio of recordings: what is asked, where, and with whose credentials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{BASIC, config, get, text};
use http::header;
use proptest::prelude::*;
use telephony_core::{ErrorKind, Secret};
use telephony_twilio::TwilioConfig;
use telephony_twilio::rest::{AudioFile, RecordingChannels, Requests};

const FOLDER: &str =
    "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Recordings";

#[test]
fn by_id() {
    let config = config();
    let requests = Requests::new(&config).unwrap();
    for (file, channels, path) in [
        (AudioFile::Wav, None, "RE1.wav"),
        (AudioFile::Mp3, None, "RE1.mp3"),
        (
            AudioFile::Wav,
            Some(RecordingChannels::Mono),
            "RE1.wav?RequestedChannels=1",
        ),
        (
            AudioFile::Mp3,
            Some(RecordingChannels::Dual),
            "RE1.mp3?RequestedChannels=2",
        ),
    ] {
        let request = requests.recording_audio("RE1", file, channels).unwrap();
        assert_eq!(
            text(&request),
            get(&format!("Recordings/{path}"), "audio/*")
        );
    }
    assert!(
        requests
            .recording_audio("..", AudioFile::Wav, None)
            .is_err()
    );
}

fn at(config: &TwilioConfig, url: &str) -> telephony_core::Result<String> {
    let requests = Requests::new(config).unwrap();
    let request = requests.recording_audio_at(url, AudioFile::Wav, None)?;
    Ok(request.uri().to_string())
}

#[test]
fn by_the_url_that_twilio_gives() {
    for url in [
        format!("{FOLDER}/RE1"),
        format!("{FOLDER}/RE1.wav"),
        format!("{FOLDER}/RE1.mp3"),
        format!("{FOLDER}/RE1.json"),
        format!(" {FOLDER}/RE1#fragment "),
        FOLDER.replace("https://", "HTTPS://") + "/RE1",
        FOLDER.replace("api.twilio", "API.Twilio") + "/RE1",
        FOLDER.replace(".com", ".com:443") + "/RE1",
        // `media_url` of the API may say http.
        FOLDER.replace("https", "http") + "/RE1",
        FOLDER.replace("api.", "api.dublin.ie1.") + "/RE1",
    ] {
        assert_eq!(at(&config(), &url).unwrap(), format!("{FOLDER}/RE1.wav"));
    }
    let of_call = FOLDER.replace("/Recordings", "/Calls/CA1/Recordings");
    assert_eq!(
        at(&config(), &format!("{of_call}/RE1")).unwrap(),
        format!("{of_call}/RE1.wav")
    );
    let config = config();
    let requests = Requests::new(&config).unwrap();
    let both = Some(RecordingChannels::Dual);
    let request = requests.recording_audio_at(&format!("{FOLDER}/RE1?a=b"), AudioFile::Mp3, both);
    assert_eq!(
        text(&request.unwrap()),
        get("Recordings/RE1.mp3?a=b&RequestedChannels=2", "audio/*")
    );
}

#[test]
fn always_on_the_configured_host() {
    let path = "/2010-04-01/Accounts/AC1/Recordings/RE1";
    let simulator = config().with_base_url("http://127.0.0.1:8080");
    let dialect = config().with_base_url("https://space.example.com/api/laml/");
    let regional = config().with_region("ie1", "dublin");
    for (config, given, asked) in [
        (
            &simulator,
            "https://api.twilio.com",
            "http://127.0.0.1:8080",
        ),
        (&simulator, "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        (
            &dialect,
            "https://api.twilio.com",
            "https://space.example.com/api/laml",
        ),
        (
            &dialect,
            "https://space.example.com/api/laml",
            "https://space.example.com/api/laml",
        ),
        (
            &dialect,
            "http://SPACE.example.com/other",
            "https://space.example.com/other",
        ),
        (
            &regional,
            "https://api.twilio.com",
            "https://api.dublin.ie1.twilio.com",
        ),
        (
            &regional,
            "https://api.ie1.twilio.com",
            "https://api.dublin.ie1.twilio.com",
        ),
    ] {
        assert_eq!(
            at(config, &format!("{given}{path}")).unwrap(),
            format!("{asked}{path}.wav"),
            "{given}"
        );
    }
}

#[test]
fn no_credentials_for_anybody_else() {
    let path = "/2010-04-01/Accounts/AC1/Recordings/RE1";
    for start in [
        "https://evil.example.com",
        "https://api.twilio.com.evil.example.com",
        "https://evilapi.twilio.com.example",
        "https://notapi.twilio.com",
        "https://apitwilio.com",
        "https://api.eviltwilio.com",
        "https://evil.example.com/api.twilio.com",
        "https://evil.example.com?x=https://api.twilio.com",
        "https://evil.example.com#api.twilio.com",
        "https://api.twilio.com@evil.example.com",
        "https://user:hunter2@api.twilio.com",
        "https://api.twilio.com:8443",
        "http://api.twilio.com:8080",
        "https://api.twilio.com.",
        "https://api.twilio.com\\@evil.example.com",
        "https://api.twilio.com%2eevil.example.com",
        "https://api.twilio.com%00.evil.example.com",
        "https://api.tw\u{456}lio.com",
        "https://127.0.0.1",
        "https://[::1]",
        "ftp://api.twilio.com",
        "file://",
        "//api.twilio.com",
        "api.twilio.com",
        "",
    ] {
        let error = at(&config(), &format!("{start}{path}")).expect_err(start);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{start}");
        assert_eq!(error.operation(), "fetch recording");
        assert!(!error.to_string().contains("evil"), "{error}");
    }
    // A configured host does not make its neighbours good.
    let simulator = config().with_base_url("http://127.0.0.1:8080");
    for start in [
        "http://127.0.0.1:8081",
        "https://127.0.0.1:1",
        "http://localhost:8080",
    ] {
        assert!(
            at(&simulator, &format!("{start}{path}")).is_err(),
            "{start}"
        );
    }
}

#[test]
fn nothing_but_recordings() {
    for path in [
        "",
        "/",
        "/2010-04-01/Accounts/AC1.json",
        "/2010-04-01/Accounts/AC1/Calls/CA1.json",
        "/2010-04-01/Accounts/AC1/Recordings",
        "/2010-04-01/Accounts/AC1/Recordings/",
        "/2010-04-01/Accounts/AC1/Recordings/.wav",
        "/2010-04-01/Accounts/AC1/Recordings/RE1/Transcriptions",
        "/2010-04-01/Accounts/../../Recordings/RE1",
        "/2010-04-01/Accounts/%2e%2E/Recordings/RE1",
        "/2010-04-01/Accounts/AC1/Recordings/..%2FCalls",
        "/2010-04-01/Accounts/AC1/Recordings/..%5CCalls",
        "/2010-04-01/Accounts/AC1/Recordings/..",
        "/Recordings/RE1",
    ] {
        let url = format!("https://api.twilio.com{path}");
        let error = at(&config(), &url).expect_err(path);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{path}");
    }
}

#[test]
fn a_subaccounts_recording_with_its_own_token() {
    let config = config().with_subaccount("AC2", Secret::new("subaccount-token"));
    let requests = Requests::new(&config).unwrap();
    let authorization = |account: &str| {
        let url = format!("https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/RE1");
        let request = requests.recording_audio_at(&url, AudioFile::Wav, None);
        let request = request.unwrap();
        let value = &request.headers()[header::AUTHORIZATION];
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    };
    assert_eq!(authorization("AC2"), "Basic QUMyOnN1YmFjY291bnQtdG9rZW4=");
    assert_eq!(authorization(common::ACCOUNT), BASIC);
    assert_eq!(authorization("AC3"), BASIC);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_url_only_the_configured_host_is_asked(
        url in "(https?://)?(api[.])?(twilio[.]com|evil[.]example|127[.]0[.]0[.]1)?[@:/\\\\?#.%a-z0-9]{0,12}(/2010-04-01/Accounts/AC1/Recordings/RE1)?",
        rest in ".{0,20}",
    ) {
        for (config, host) in [
            (config(), "api.twilio.com"),
            (config().with_base_url("http://127.0.0.1:8080"), "127.0.0.1"),
        ] {
            let requests = Requests::new(&config).unwrap();
            for url in [url.clone(), format!("{url}{rest}")] {
                if let Ok(request) = requests.recording_audio_at(&url, AudioFile::Wav, None) {
                    prop_assert_eq!(request.uri().host(), Some(host));
                    prop_assert!(request.uri().path().contains("/Recordings/"));
                }
            }
        }
    }
}
