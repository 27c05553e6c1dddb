//! The server that the calls come to: a process of its own, which tells how it is once a second.

use house::Usage;
use house::node::{LISTENING, Node};
use std::sync::Arc;
use std::time::Duration;
use telephony::media::{AppFormat, MediaEvent, StreamOptions, Streamer};
use telephony::redis::{RedisOptions, RedisStore};
use telephony::{
    AccountLimits, Answer, BoxError, CallHandler, CallRecord, CallServer, CallStore, Calls,
    CallsOptions, IncomingCall, MemoryStore, MemoryStoreOptions, Provider, PublicUrl,
    ServerOptions, StorePolicy, SystemClock,
};

/// How long ended calls and answers are remembered here: short, so that what comes and what goes are soon as many.
pub(crate) const KEEP: Duration = Duration::from_secs(20);
/// What the keys in Redis begin with.
pub(crate) const PREFIX: &str = "soak";

/// After that a call to a number that ends in 1 is ended by us.
const OUR_PATIENCE: Duration = Duration::from_secs(1);

/// Starts it, with the accounts of these carriers.
pub(crate) async fn start(load: &crate::load::Load, redis: Option<&str>) -> Result<Node, BoxError> {
    let mut arguments = vec!["--server".to_owned(), redis.unwrap_or("memory").to_owned()];
    arguments.extend(load.carriers().map(|(name, url)| format!("{name}={url}")));
    let program = std::env::current_exe()?;
    let node = Node::start("server", &program, arguments, false).await?;
    load.calls_go_to(&format!("http://{}", node.address));
    Ok(node)
}

/// Is it: `memory` or Redis's URL, then `carrier=URL`.
pub(crate) async fn run(arguments: &[String]) -> Result<(), BoxError> {
    let [redis, carriers @ ..] = arguments else {
        return Err(Usage("the server needs a store".to_owned()).into());
    };
    let end = house::end_signal()?;
    let mut policy = StorePolicy::default();
    (policy.keep_ended, policy.keep_answers) = (KEEP, KEEP);
    policy.limits = AccountLimits::none();
    let mut in_memory = None;
    let store: Arc<dyn CallStore> = match redis.as_str() {
        "memory" => {
            let mut options = MemoryStoreOptions::default();
            options.policy = policy;
            let store = Arc::new(MemoryStore::new(options, Arc::new(SystemClock)));
            in_memory = Some(Arc::clone(&store));
            store
        }
        url => {
            let options = RedisOptions::new(url)
                .with_prefix(PREFIX)
                .with_policy(policy);
            Arc::new(RedisStore::connect(options).await?)
        }
    };
    let (listener, url) = house::free_port().await?;
    let ports = telephony::ports()?;
    let calls = Calls::with(
        PublicUrl::new(&url)?,
        store,
        ports.clone(),
        CallsOptions::default(),
    );
    let mut options = ServerOptions::default();
    options.housekeeping = Duration::from_secs(2);
    let server = CallServer::with(calls, Echo, options);
    for carrier in carriers {
        let (name, url) = carrier.split_once('=').ok_or("a carrier needs a URL")?;
        let provider: Provider = name.parse()?;
        server.add_account(house::simulated::account_at(provider, url, &ports)?);
    }
    println!("{LISTENING}{}", url.trim_start_matches("http://"));
    let telling = async {
        loop {
            let remembered = in_memory.as_ref().map_or(0, |store| store.len());
            println!("{}", Stats::own(server.live_streams(), remembered).line());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        served = server.serve(listener, end) => Ok(served?),
        () = telling => Ok(()),
    }
}

/// Says back what it hears, as it came.
#[derive(Debug)]
struct Echo;

#[async_trait::async_trait]
impl CallHandler for Echo {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    fn stream_options(&self, _call: &CallRecord, options: StreamOptions) -> StreamOptions {
        options
            .with_receive_format(AppFormat::Carrier)
            .with_send_format(AppFormat::Carrier)
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        let is_short = stream.context().to.address().ends_with('1');
        let echo = async {
            while let Some(event) = stream.recv().await {
                if let MediaEvent::Audio(frame) = event
                    && stream.send(frame.payload).await.is_err()
                {
                    break;
                }
            }
        };
        let patience = if is_short {
            OUR_PATIENCE
        } else {
            Duration::from_secs(3600)
        };
        let _ = tokio::time::timeout(patience, echo).await;
    }
}

/// How the server is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) kibibytes: u64,
    pub(crate) cpu: Duration,
    pub(crate) tasks: usize,
    pub(crate) streams: usize,
    /// Calls that are remembered in memory.
    pub(crate) calls: usize,
}

impl Stats {
    fn own(streams: usize, calls: usize) -> Self {
        Self {
            kibibytes: resident().unwrap_or_default(),
            cpu: processor_time().unwrap_or_default(),
            tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
            streams,
            calls,
        }
    }

    fn line(&self) -> String {
        let Self {
            kibibytes,
            tasks,
            streams,
            calls,
            ..
        } = self;
        format!(
            "stats {kibibytes} {} {tasks} {streams} {calls}",
            self.cpu.as_millis()
        )
    }

    /// The last that the server told.
    pub(crate) fn of(node: &Node) -> Result<Self, BoxError> {
        let line = node.last().ok_or("the server says nothing")?;
        let numbers: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [kibibytes, cpu, tasks, streams, calls] = numbers[..] else {
            return Ok(Self::default()); // It is just up.
        };
        let small = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            kibibytes,
            cpu: Duration::from_millis(cpu),
            tasks: small(tasks),
            streams: small(streams),
            calls: small(calls),
        })
    }

    pub(crate) fn mebibytes(&self) -> f64 {
        self.kibibytes as f64 / 1024.0
    }
}

/// Of this process, in KiB. Linux only.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Of this process. Linux only.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // What follows the name, which may hold anything: user and system time are the 12th and 13th, in hundredths of a second.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
