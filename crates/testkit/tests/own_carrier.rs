//! A carrier of one's own with a REST API of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use serde_json::json;
use support::raw::Ask;
use support::{App, Reply, no_socket};
use telephony_testkit::engine::{
    Call, Flow, NewDocument, Placement, RestApi, RestFailure, RestRequest, RestResponse,
    Switchboard, Webhook,
};
use telephony_testkit::{
    EndedBy, Fault, OnDial, Operation, Persona, Script, ServeError, Simulator,
};

/// A carrier that says hello to whoever answers, at the URL that it was given.
#[derive(Debug)]
struct Polite;

#[async_trait]
impl Persona for Polite {
    fn name(&self) -> &str {
        "polite"
    }

    fn rest(&self) -> Option<Arc<dyn RestApi>> {
        Some(Arc::new(PoliteApi))
    }

    async fn run(&self, call: &Call) {
        call.end(EndedBy::Document);
    }
}

#[derive(Debug)]
struct PoliteApi;

#[async_trait]
impl RestApi for PoliteApi {
    fn operation(&self, request: &RestRequest) -> Operation {
        match request.path.as_str() {
            "/call" => Operation::PlaceCall,
            _ => Operation::Redirect,
        }
    }

    async fn respond(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        if self.operation(request) == Operation::PlaceCall {
            let call = desk.place(Placement::new("one", "us", "them", "dialling"), Hello(text));
            return RestResponse::json(StatusCode::CREATED, &json!({"id": call.id()})).about(&call);
        }
        let diverted = desk.call("one").is_some_and(|call| {
            let url = NewDocument::Fetch {
                url: text,
                method: None,
            };
            call.divert(telephony_testkit::engine::Diversion::new(url))
        });
        RestResponse::new(if diverted {
            StatusCode::OK
        } else {
            StatusCode::GONE
        })
    }

    fn failure(&self, _: &RestRequest, failure: &RestFailure) -> RestResponse {
        RestResponse::new(failure.status)
    }
}

struct Hello(String);

#[async_trait]
impl Flow for Hello {
    async fn run(&self, call: &Call) {
        let answered = match call.on_dial().answers_after() {
            Some(after) => call.pass(after).await.is_ok(),
            None => false,
        };
        if answered {
            call.answered();
            let mut url = self.0.clone();
            loop {
                let hello = Webhook::new("hello", http::Method::POST, url);
                let _ = call.request(&hello).await;
                let _ = call.pass(Duration::from_secs(600)).await;
                match call.take_diversion().map(|diversion| diversion.document) {
                    Some(NewDocument::Fetch { url: next, .. }) => url = next,
                    _ => break,
                }
            }
        }
        call.end(EndedBy::Carrier);
        call.status(if answered { "talked" } else { "missed" });
    }
}

#[tokio::test]
async fn the_shape_fits_other_carriers() {
    let app = App::serve(|_| Reply::status(200), no_socket).await;
    let carrier = Simulator::carrier(Polite)
        .script(Script::new().wait_for_hang_up(Duration::from_secs(10)))
        .serve()
        .await
        .unwrap();
    let post = |path: &str, body: String| {
        Ask::new("POST", carrier.base_url(), path)
            .body("text/plain", body)
            .told()
    };
    carrier.inject(Fault::status(418));
    assert_eq!(post("/call", app.url("/hello")).await.status, 418);
    assert_eq!(post("/call", app.url("/hello")).await.json()["id"], "one");
    while app.seen_at("/hello").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(post("/move", app.url("/again")).await.status, 200);
    while app.seen_at("/again").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(carrier.call("one").unwrap().hang_up());
    let outcome = carrier.outcome("one").await.unwrap();
    assert_eq!(
        (outcome.carrier.as_str(), outcome.status.as_str()),
        ("polite", "talked")
    );
    assert_eq!(
        (outcome.ended_by, outcome.webhooks.len()),
        (EndedBy::App, 2)
    );
    assert_eq!(post("/move", app.url("/again")).await.status, 410);

    assert!(carrier.outcome("two").await.is_none());
    carrier.forget("one");
    assert!(carrier.call("one").is_none() && carrier.calls().is_empty());

    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    assert_eq!(post("/call", app.url("/hello")).await.status, 201);
    assert_eq!(carrier.outcome("one").await.unwrap().status, "missed");
}

/// A carrier whose API nobody has written.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Persona for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    async fn run(&self, call: &Call) {
        call.end(EndedBy::Document);
    }
}

#[tokio::test]
async fn without_an_api_there_is_nothing_to_serve() {
    let error = Simulator::carrier(Silent).serve().await.unwrap_err();
    assert!(matches!(&error, ServeError::NoRestApi(name) if name == "silent"));
    assert!(error.to_string().contains("silent"));
}

#[tokio::test]
async fn a_large_request_is_refused() {
    let carrier = Simulator::carrier(Polite).serve().await.unwrap();
    let body = vec![b'x'; 1024 * 1024 + 1];
    let told = Ask::new("POST", carrier.base_url(), "/call")
        .body("text/plain", body)
        .send()
        .await;
    assert!(told.is_none_or(|told| told.status == 413));
    assert!(carrier.requests().is_empty());
}

#[tokio::test]
async fn calls_end_with_their_carrier() {
    let app = App::serve(|_| Reply::status(200), no_socket).await;
    let carrier = Simulator::carrier(Polite).serve().await.unwrap();
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(Duration::from_secs(60))));
    Ask::new("POST", carrier.base_url(), "/call")
        .body("text/plain", app.url("/hello"))
        .told()
        .await;
    while app.seen_at("/hello").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (base, call) = (carrier.base_url().to_owned(), carrier.call("one").unwrap());
    drop(carrier);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(call.hang_up(), "it was dropped, not ended");
    let host = base.strip_prefix("http://").unwrap();
    assert!(tokio::net::TcpStream::connect(host).await.is_err());
}
