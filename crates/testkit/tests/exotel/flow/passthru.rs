//! A Passthru tells the app where the call is, and takes the branch that it wants.

use std::time::Duration;

use super::{account, app, simulated};
use crate::support::{App, Reply, assert_clean, codes, no_socket};
use telephony_testkit::EndedBy;
use telephony_testkit::persona::exotel::Applet;

#[tokio::test]
async fn a_passthru_chooses_the_branch() {
    let flow = [
        Applet::passthru("/passthru"),
        Applet::greeting("/a"),
        Applet::Hangup,
    ];
    for (status, greeted, code) in [
        (200, "/a", None),
        (302, "/b", None),
        (500, "/a", Some("passthru-status")),
        (204, "/a", Some("passthru-status")),
        (301, "/a", Some("passthru-status")),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/passthru" => Reply::status(status),
                _ => Reply::new(200, "text/plain", "Hello"),
            },
            no_socket,
        )
        .await;
        let account = account(flow.clone()).with_branch_b([Applet::greeting("/b"), Applet::Hangup]);
        let outcome = simulated(&app, account).call().await;
        assert_eq!(codes(&outcome), code.into_iter().collect::<Vec<_>>());
        assert_eq!(app.seen_at(greeted).len(), 2, "{status}");
        assert_eq!(
            app.seen_at("/a").len() + app.seen_at("/b").len(),
            2,
            "{status}"
        );
        assert_eq!(
            (outcome.ended_by, outcome.status.as_str()),
            (EndedBy::Document, "completed")
        );
    }
}

#[tokio::test]
async fn branch_b_hangs_up_unless_told_otherwise() {
    let app = app("/passthru", Reply::status(302)).await;
    let outcome = simulated(
        &app,
        account([Applet::passthru("/passthru"), Applet::greeting("/a")]),
    )
    .call()
    .await;
    assert_clean(&outcome);
    assert!(!outcome.answered && app.seen_at("/a").is_empty());
    assert_eq!(outcome.ended_by, EndedBy::Document);
}

#[tokio::test]
async fn an_asynchronous_passthru_is_not_waited_for() {
    let app = app(
        "/passthru",
        Reply::status(302).after(Duration::from_millis(600)),
    )
    .await;
    let flow = [Applet::asynchronous_passthru("/passthru"), Applet::Hangup];
    let call = simulated(&app, account(flow)).start();
    let handle = call.handle();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(handle.is_over());
    let outcome = call.outcome().await;
    // A redirect is no acknowledgement, and leads nowhere.
    assert_eq!(codes(&outcome), ["callback-status"]);
    assert!(outcome.webhooks.is_empty());
    assert_eq!(outcome.callbacks[0].purpose, "passthru");
}

#[tokio::test]
async fn without_a_url_nobody_is_told() {
    let app = app("/none", Reply::status(404)).await;
    let outcome = simulated(&app, account([Applet::idle_passthru(), Applet::Hangup]))
        .call()
        .await;
    assert_clean(&outcome);
    assert!(outcome.webhooks.is_empty());
}

#[tokio::test]
async fn a_flow_in_circles_is_ended() {
    let app = app("/passthru", Reply::status(302)).await;
    let account =
        account([Applet::passthru("/passthru")]).with_branch_b([Applet::passthru("/passthru")]);
    let outcome = simulated(&app, account).call().await;
    assert_eq!(codes(&outcome), ["endless-flow"]);
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
}

#[tokio::test]
async fn an_applet_url_must_be_one() {
    let app = app("/none", Reply::status(404)).await;
    for applet in [
        Applet::passthru("http://a b/"),
        Applet::connect("http://a b/"),
        Applet::gather("http://a b/"),
        Applet::greeting("http://a b/"),
    ] {
        let outcome = simulated(&app, account([applet, Applet::Hangup]))
            .call()
            .await;
        assert_eq!(codes(&outcome), ["bad-applet-url"]);
    }
}
