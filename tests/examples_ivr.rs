//! The menu of `examples/ivr.rs` on the other carriers: in one document on Vonage, applet by applet on Exotel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../examples/ivr.rs"]
#[allow(dead_code)]
mod ivr;

use std::time::Duration;
use telephony::{Party, Provider};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{DialResult, ExotelAccount, Outcome, Script, SimulatedCall, Simulator};

const SALES: &str = "+14155550123";
const PATIENCE: Duration = Duration::from_secs(20);

async fn server(provider: Provider) -> house::Loopback {
    let ivr = ivr::Ivr::new(Party::parse(SALES));
    let account = house::simulated::account(provider).unwrap();
    house::Loopback::start(ivr, [account]).await.unwrap()
}

/// The names of the steps that each webhook was answered with.
fn answers(outcome: &Outcome) -> Vec<String> {
    let steps = |document: &telephony_testkit::Document| {
        let json = serde_json::to_value(&document.instructions).unwrap();
        let names = json
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["do"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    outcome.documents.iter().map(steps).collect()
}

fn assert_completed(outcome: &Outcome) {
    assert!(outcome.ok(), "{:?}", outcome.complaints);
    assert_eq!(
        (outcome.answered, outcome.status.as_str()),
        (true, "completed")
    );
}

mod vonage {
    use super::*;

    async fn call(change: impl FnOnce(SimulatedCall) -> SimulatedCall) -> Outcome {
        let server = server(Provider::Vonage).await;
        let call = house::simulated::call(Provider::Vonage, &server.url).speed(10.0);
        let outcome = change(call).deadline(PATIENCE * 2).call().await;
        server.stop().await.unwrap();
        outcome
    }

    #[tokio::test]
    async fn key_1_dials() {
        let script = Script::new().press("1").wait_for_hang_up(PATIENCE);
        let outcome = call(|call| call.script(script)).await;
        assert_completed(&outcome);
        assert_eq!(answers(&outcome), ["say, say, gather", "say, dial"]);
    }

    #[tokio::test]
    async fn nobody_in_sales_is_said() {
        let script = Script::new().press("1").wait_for_hang_up(PATIENCE);
        let outcome = call(|call| call.script(script).dial_result(DialResult::Busy)).await;
        assert_completed(&outcome);
        assert_eq!(answers(&outcome), ["say, say, gather", "say, dial", "say"]);
        assert!(outcome.documents[2].raw.contains("Nobody in sales"));
    }

    #[tokio::test]
    async fn the_menu_is_repeated_twice() {
        let script = Script::new().press("7").wait_for_hang_up(PATIENCE);
        let outcome = call(|call| call.script(script)).await;
        assert_completed(&outcome);
        let menu = "say, say, gather";
        assert_eq!(answers(&outcome), [menu, menu, menu, "say"]);
    }
}

mod exotel {
    use super::*;

    async fn call(keys: &str, change: impl FnOnce(SimulatedCall) -> SimulatedCall) -> Outcome {
        let server = server(Provider::Exotel).await;
        let secret = house::simulated::variables()
            .iter()
            .find(|(name, _)| *name == "EXOTEL_WEBHOOK_SECRET")
            .unwrap()
            .1;
        let url = |route: &str, applet: &str| {
            format!("{}/exotel/{route}?key={secret}&applet={applet}", server.url)
        };
        let account = ExotelAccount::new("exampleacct1").with_flow([
            Applet::gather(url("call", "gather")),
            Applet::connect(url("answer", "connect")),
            Applet::greeting(url("answer", "greeting")),
            Applet::Hangup,
        ]);
        let call = Simulator::exotel(account)
            .answer_url(url("call", "gather"))
            .status_url(format!("{}/exotel/status?key={secret}", server.url))
            .speed(10.0)
            .script(Script::new().press(keys).wait_for_hang_up(PATIENCE));
        let outcome = change(call).deadline(PATIENCE * 2).call().await;
        server.stop().await.unwrap();
        outcome
    }

    #[tokio::test]
    async fn key_1_dials() {
        for result in [DialResult::Completed(PATIENCE / 20), DialResult::NoAnswer] {
            let outcome = call("1", |call| call.dial_result(result)).await;
            assert_completed(&outcome);
            assert_eq!(answers(&outcome), ["gather", "dial", "say"]);
            assert!(outcome.documents[1].raw.contains(SALES));
            assert_eq!(outcome.documents[2].raw, "Goodbye.");
        }
    }

    #[tokio::test]
    async fn another_key_or_none_dials_nobody() {
        for keys in ["7", ""] {
            let outcome = call(keys, |call| call).await;
            assert_completed(&outcome);
            assert_eq!(outcome.documents.len(), 3, "{:?}", outcome.documents);
            assert!(!outcome.documents[1].raw.contains(SALES));
            assert_eq!(outcome.documents[2].raw, "Goodbye.");
        }
    }
}
