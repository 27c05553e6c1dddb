//! A tiny load balancer for demonstrations and tests: one address for carriers, and a rule that says which node gets what.
//!
//! It speaks HTTP/1.1 as far as the simulated carriers need it: one request on each connection, bodies with a length.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// No carrier's head is longer.
const LONGEST_HEAD: usize = 64 << 10;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Pass {
    /// It goes to the node at that `host:port`, and the node's answer back.
    To(String),
    /// The carrier is told at once that all is well. The request goes to these nodes so much later, or to none at all:
    /// late, repeated, out of order, lost.
    Later(Vec<(Duration, String)>),
}

type Rule = Arc<dyn Fn(&str) -> Pass + Send + Sync>;

/// How media sockets are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Both ways; who closes is heard.
    Good,
    /// Nothing of the carrier comes through to the node, not even that it closes.
    Deaf,
    /// Nothing comes through, either way.
    Dark,
}

/// A load balancer. Dropping it breaks all connections.
pub struct Front {
    /// What carriers call.
    pub url: String,
    rule: Arc<RwLock<Rule>>,
    line: watch::Sender<Line>,
    task: JoinHandle<()>,
}

impl Front {
    /// On a free port. Until there is a [rule](Self::route) everything is refused.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start() -> io::Result<Self> {
        let (listener, url) = crate::free_port().await?;
        let nowhere: Rule = Arc::new(|_: &str| Pass::To("127.0.0.1:1".to_owned()));
        let rule = Arc::new(RwLock::new(nowhere));
        let (line, watched) = watch::channel(Line::Good);
        let task = tokio::spawn(serve(listener, Arc::clone(&rule), watched));
        Ok(Self {
            url,
            rule,
            line,
            task,
        })
    }

    /// From now on that says where a request goes, by its path.
    pub fn route(&self, rule: impl Fn(&str) -> Pass + Send + Sync + 'static) {
        *self.rule.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
    }

    /// From now on media sockets are passed on like that, those that are open too.
    pub fn media(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

async fn serve(listener: TcpListener, rule: Arc<RwLock<Rule>>, line: watch::Receiver<Line>) {
    // Owned here, so that they end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((carrier, _)) => {
                    let rule = Arc::clone(&*rule.read().unwrap_or_else(PoisonError::into_inner));
                    connections.spawn(pass(carrier, rule, line.clone()));
                }
                // Out of connections for a moment, perhaps.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(carrier: TcpStream, rule: Rule, line: watch::Receiver<Line>) {
    let _ = carrier.set_nodelay(true);
    // A connection that breaks is the carrier's to complain of.
    let _ = try_pass(carrier, rule, line).await;
}

async fn try_pass(
    mut carrier: TcpStream,
    rule: Rule,
    line: watch::Receiver<Line>,
) -> io::Result<()> {
    let asked = tokio::time::timeout(DEADLINE, Asked::read(&mut carrier)).await??;
    match rule(&asked.path) {
        Pass::To(node) => match TcpStream::connect(&node).await {
            Ok(node) if asked.is_upgrade => {
                let _ = node.set_nodelay(true);
                socket(carrier, node, asked, line).await
            }
            Ok(mut node) => {
                node.write_all(&asked.alone()).await?;
                let answer = tokio::io::copy(&mut node, &mut carrier);
                tokio::time::timeout(DEADLINE, answer).await??;
                Ok(())
            }
            Err(_) => reply(&mut carrier, "502 Bad Gateway").await,
        },
        Pass::Later(copies) => {
            reply(&mut carrier, "204 No Content").await?;
            drop(carrier);
            let request = asked.alone();
            let sent = copies
                .into_iter()
                .map(|(wait, node)| later(wait, node, &request));
            futures_util::future::join_all(sent).await;
            Ok(())
        }
    }
}

async fn later(wait: Duration, node: String, request: &[u8]) {
    tokio::time::sleep(wait).await;
    let send = async {
        let mut node = TcpStream::connect(&node).await?;
        node.write_all(request).await?;
        node.read_to_end(&mut Vec::new()).await
    };
    // As a carrier that does not try again.
    let _ = tokio::time::timeout(DEADLINE, send).await;
}

async fn reply(carrier: &mut TcpStream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    carrier.write_all(answer.as_bytes()).await?;
    carrier.shutdown().await
}

async fn socket(
    carrier: TcpStream,
    node: TcpStream,
    asked: Asked,
    line: watch::Receiver<Line>,
) -> io::Result<()> {
    let (from_carrier, to_carrier) = carrier.into_split();
    let (from_node, mut to_node) = node.into_split();
    to_node.write_all(&asked.head).await?;
    to_node.write_all(&asked.body).await?;
    tokio::join!(
        one_way(from_carrier, to_node, line.clone(), |line| line
            != Line::Good),
        one_way(from_node, to_carrier, line, |line| line == Line::Dark)
    );
    Ok(())
}

/// Passes bytes on until one side closes. Where nothing comes through, not even that does.
async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
    is_cut: fn(Line) -> bool,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        let is_lost = is_cut(*line.borrow_and_update());
        match read {
            0 if is_lost => {
                // Whoever waits for a word of the other side waits until the line is good again.
                let _ = line.wait_for(|line| *line == Line::Good).await;
                return;
            }
            0 => return,
            _ if is_lost => {}
            count if to.write_all(&bytes[..count]).await.is_err() => return,
            _ => {}
        }
    }
}

/// A request.
struct Asked {
    path: String,
    is_upgrade: bool,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Asked {
    async fn read(carrier: &mut TcpStream) -> io::Result<Self> {
        let mut head = Vec::new();
        let end = loop {
            if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if head.len() > LONGEST_HEAD || carrier.read_buf(&mut head).await? == 0 {
                return Err(io::Error::other("no request"));
            }
        };
        let mut body = head.split_off(end);
        let text = String::from_utf8_lossy(&head).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let length = header(&text, "content-length").and_then(|length| length.parse().ok());
        while body.len() < length.unwrap_or(0) {
            if carrier.read_buf(&mut body).await? == 0 {
                return Err(io::Error::other("half a request"));
            }
        }
        Ok(Self {
            path,
            is_upgrade: header(&text, "upgrade").is_some(),
            head,
            body,
        })
    }

    /// The request as the only one on its connection.
    fn alone(&self) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.head);
        let is_kept = |line: &&str| !line.to_ascii_lowercase().starts_with("connection:");
        let lines: Vec<_> = text.trim_end().split("\r\n").filter(is_kept).collect();
        let mut request = lines.join("\r\n").into_bytes();
        request.extend_from_slice(b"\r\nconnection: close\r\n\r\n");
        request.extend_from_slice(&self.body);
        request
    }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(value.trim())
}
