//! The HTTP server of the simulated carrier.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::engine::http::readable;
use crate::engine::live::LiveCall;
use crate::engine::rest::fault::FaultKind;
use crate::engine::rest::{RestExchange, RestRequest, RestResponse, SharedApi, Switchboard};
use crate::trace::{TraceKind, Way};

/// More connections at once than this wait.
const MOST_CONNECTIONS: usize = 256;
const LARGEST_BODY: usize = 1024 * 1024;
/// A body that is not complete by then never will be.
const SLOWEST_REQUEST: Duration = Duration::from_secs(10);
/// A connection may be idle so long between two requests.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// Between the response and the first message of the call that it placed: on the way to the carrier's telephones.
const BEFORE_CALL: Duration = Duration::from_millis(20);
/// A call whose first callback is not answered by then has none.
const FIRST_CALLBACK: Duration = Duration::from_secs(10);

/// The connection is closed where it is.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct Closed;

/// Serves for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, api: SharedApi, desk: Arc<Switchboard>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (api, desk) = (Arc::clone(&api), Arc::clone(&desk));
                connections.spawn(async move {
                    connection(stream, api, desk).await;
                    drop(place);
                });
            }
            // Too many open files, perhaps: others may close some.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, api: SharedApi, desk: Arc<Switchboard>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let (api, desk) = (Arc::clone(&api), Arc::clone(&desk));
        async move { handle(request, api, desk).await }
    });
    // An error here is a client that went away, or a connection that was closed on purpose.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_IDLE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn handle(
    request: Request<Incoming>,
    api: SharedApi,
    desk: Arc<Switchboard>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let body = match timeout(SLOWEST_REQUEST, Limited::new(body, LARGEST_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT)),
    };
    let request = RestRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    };
    let operation = api.operation(&request);
    let number = desk.asked(RestExchange {
        at: desk.since_opened(),
        operation,
        method: request.method.to_string(),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: without_secrets(readable(&request.headers)),
        body: String::from_utf8_lossy(&request.body).into_owned(),
        status: None,
        call_id: None,
        findings: vec![],
    });
    let fault = desk.fault(operation).map(|fault| fault.kind);
    let closes = matches!(fault, Some(FaultKind::CloseAfter));
    let response = match fault {
        Some(FaultKind::CloseBefore) => return Err(Closed),
        Some(FaultKind::Failure(failure)) => {
            let response = api.failure(&request, &failure);
            match failure.retry_after {
                Some(wait) => response.with_header(RETRY_AFTER, wait.as_secs().to_string()),
                None => response,
            }
        }
        Some(FaultKind::Body {
            status,
            content_type,
            body,
        }) => RestResponse::new(status).with_body(content_type, body),
        Some(FaultKind::Redirect(to)) => {
            RestResponse::new(StatusCode::TEMPORARY_REDIRECT).with_header(LOCATION, to)
        }
        processed => {
            let mut response = api.respond(&request, &desk).await;
            desk.answered(number, |exchange| {
                exchange.call_id = response.call.as_ref().map(LiveCall::id);
                exchange.findings.clone_from(&response.findings);
            });
            if let Some(call) = &response.call {
                trace(call, &request, &response);
                begin(call, processed.as_ref()).await;
            }
            if matches!(processed, Some(FaultKind::Garbage)) {
                response.headers.remove(CONTENT_TYPE);
                response.body = Bytes::from_static(b"{\"sid\": \xff<<html>");
            }
            if let Some(FaultKind::Slow(delay)) = processed {
                sleep(delay).await;
            }
            response
        }
    };
    if closes {
        return Err(Closed);
    }
    desk.answered(number, |exchange| {
        exchange.status = Some(response.status.as_u16());
    });
    let mut reply = Response::new(Full::new(response.body));
    *reply.status_mut() = response.status;
    *reply.headers_mut() = response.headers;
    Ok(reply)
}

/// Lets a call begin that this request has placed; others have begun long ago.
async fn begin(call: &LiveCall, fault: Option<&FaultKind>) {
    match fault {
        Some(FaultKind::AfterFirstCallback) => {
            call.begin();
            let _ = timeout(FIRST_CALLBACK, call.recorder().first_exchange()).await;
        }
        Some(_) => call.begin(),
        None => {
            let call = call.clone();
            // Ends by itself, and does nothing to a call that is gone.
            tokio::spawn(async move {
                sleep(BEFORE_CALL).await;
                call.begin();
            });
        }
    }
}

fn trace(call: &LiveCall, request: &RestRequest, response: &RestResponse) {
    let query = match request.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    call.trace_rest(
        Way::FromApp,
        TraceKind::Request,
        format!("{} {}{query}", request.method, request.path),
        readable(&request.headers),
        &request.body,
    );
    call.trace_rest(
        Way::ToApp,
        TraceKind::Response,
        response.status.to_string(),
        readable(&response.headers),
        &response.body,
    );
    for finding in &response.findings {
        call.complain(finding.clone());
    }
}

fn without_secrets(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    for (name, value) in &mut headers {
        if name.eq_ignore_ascii_case("authorization") {
            *value = value.split(' ').next().unwrap_or_default().to_owned();
        }
    }
    headers
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
