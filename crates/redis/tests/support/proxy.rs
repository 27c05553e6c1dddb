//! Between a store and its Redis: holds back one request, or swallows the answer to it.

use super::Server;
use std::sync::{Arc, Mutex};
use telephony_redis::RedisOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

type IsMeant = Box<dyn Fn(&str) -> bool + Send>;

/// What becomes of the next request that is meant.
enum Trap {
    Hold {
        is_meant: IsMeant,
        came: oneshot::Sender<()>,
        go_on: oneshot::Receiver<()>,
    },
    Swallow {
        is_meant: IsMeant,
        answered: oneshot::Sender<()>,
    },
}

#[derive(Clone, Default)]
struct Traps(Arc<Mutex<Option<Trap>>>);

impl Traps {
    /// The trap, if that request is meant.
    fn sprung(&self, request: &[u8]) -> Option<Trap> {
        let request = String::from_utf8_lossy(request);
        let mut set = self.0.lock().unwrap();
        let is_meant = match set.as_ref()? {
            Trap::Hold { is_meant, .. } | Trap::Swallow { is_meant, .. } => is_meant(&request),
        };
        if is_meant { set.take() } else { None }
    }
}

/// Passes everything on to one Redis. While that is away, connections are closed at once.
pub(crate) struct Proxy {
    port: u16,
    traps: Traps,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let traps = Traps::default();
        let (to, own) = (server.port(), traps.clone());
        let task = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if let Ok(redis) = TcpStream::connect(("127.0.0.1", to)).await {
                    lines.spawn(pass_on(client, redis, own.clone()));
                }
            }
        });
        Self { port, traps, task }
    }

    /// The options, but through this.
    pub(crate) fn between(&self, mut options: RedisOptions) -> RedisOptions {
        options.url = format!("redis://127.0.0.1:{}", self.port).into();
        options
    }

    /// Holds back the next request that is meant: comes when it came, and it goes on when the sender is used.
    pub(crate) fn hold(
        &self,
        is_meant: impl Fn(&str) -> bool + Send + 'static,
    ) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((came, has_come), (go, go_on)) = (oneshot::channel(), oneshot::channel());
        self.set(Trap::Hold {
            is_meant: Box::new(is_meant),
            came,
            go_on,
        });
        (has_come, go)
    }

    /// Swallows the answer to the next request that is meant, and all after it: comes when Redis has given it.
    pub(crate) fn swallow_answer(
        &self,
        is_meant: impl Fn(&str) -> bool + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let (answered, was_answered) = oneshot::channel();
        self.set(Trap::Swallow {
            is_meant: Box::new(is_meant),
            answered,
        });
        was_answered
    }

    fn set(&self, trap: Trap) {
        *self.traps.0.lock().unwrap() = Some(trap);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Until one side is gone.
async fn pass_on(client: TcpStream, redis: TcpStream, traps: Traps) {
    let ((from_client, to_client), (from_redis, to_redis)) =
        (client.into_split(), redis.into_split());
    let (swallow, swallowed) = oneshot::channel();
    tokio::select! {
        () = requests(from_client, to_redis, traps, swallow) => {}
        () = answers(from_redis, to_client, swallowed) => {}
    }
}

/// A request comes in one piece: they are small, and this is the loopback.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    traps: Traps,
    swallow: oneshot::Sender<oneshot::Sender<()>>,
) {
    let (mut buffer, mut swallow) = (vec![0; 1 << 16], Some(swallow));
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        match traps.sprung(&buffer[..read]) {
            Some(Trap::Hold { came, go_on, .. }) => {
                let _ = came.send(());
                let _ = go_on.await;
            }
            Some(Trap::Swallow { answered, .. }) => {
                let _ = swallow.take().map(|swallow| swallow.send(answered));
            }
            None => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut swallowed: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let (mut buffer, mut is_swallowing) = (vec![0; 1 << 16], false);
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // The heartbeat may have been under way already.
        let is_heartbeat = &buffer[..read] == b"+PONG\r\n";
        if !is_heartbeat && let Ok(answered) = swallowed.try_recv() {
            is_swallowing = true;
            let _ = answered.send(());
        }
        if !is_swallowing && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
