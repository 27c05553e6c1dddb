//! The call store of the [telephony](https://docs.rs/telephony) crates for many nodes, on Redis 6 or newer, or Valkey.
//!
//! Any node answers any webhook, a stream ends on whichever node it runs as soon as any of them hears that its call is over,
//! and what a lost node leaves behind is found by another one.
//!
//! ```no_run
//! use std::sync::Arc;
//! use telephony_core::{Calls, CallsOptions, Ports, PublicUrl};
//! use telephony_redis::{RedisOptions, RedisStore};
//!
//! # async fn start() -> telephony_core::Result<()> {
//! let options = RedisOptions::new("redis://127.0.0.1:6379").with_node_name("pod-7");
//! let store = Arc::new(RedisStore::connect(options).await?); // one for each process
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let calls = Calls::with(base, store, Ports::default(), CallsOptions::default());
//! # Ok(()) }
//! ```
//!
//! What a server does with a store, and what happens to calls that nobody hears of, is in [`telephony_core::store`].
//!
//! # What Redis must be like
//! * Version 6 or newer, for its protocol RESP3, or Valkey. All tests ran on Redis 6.2.14 and 7.0.15, and on Valkey 9.1.2 but
//!   for those of TLS; nothing else was tried.
//! * `maxmemory-policy noeviction`: what is evicted is a call that nobody finds again.
//! * Kept on disk (`appendonly yes`) if a restart shall not lose the calls. Without that, streams that are live go on and
//!   end on their own, but no callback finds their calls any more.
//! * If its users have limited rights (Redis 6.2 or newer): `~telephony:* ~{telephony:* resetchannels &telephony:* +@read +@write
//!   +@pubsub +@scripting +@connection +time` is enough, with `+cluster|slots` on a cluster.
//! * Phone numbers are in it, unless [`keep_parties`](RedisOptions::keep_parties) is off, and media tokens and answers
//!   are: who reads it can listen in on calls that begin. Protect it like the app itself.
//!
//! # Connections, outages
//! Each process has two connections: one for commands, of which up to 1,024 are under way at once, and one for messages.
//! Both come back by themselves, with pauses from 50 ms up to 1 s between attempts. While there is none, every operation
//! fails at once with [`ErrorKind::Store`](telephony_core::ErrorKind::Store) and
//! [`Retry::Safe`](telephony_core::Retry::Safe); when a connection is lost under way, the operation is repeated once on the
//! next one, which scripts recognise by its number, so that it is not done twice. If there is no next one, or no answer in
//! time, it fails with [`Retry::OutcomeUnknown`](telephony_core::Retry::OutcomeUnknown). A last status is then repeated for
//! as long as two requests may take, so that the app hears of it.
//!
//! No request to Redis takes longer than [`operation_timeout`](RedisOptions::operation_timeout), the repeat on the next
//! connection included. An operation is one to three of them as a rule, one after the other; opening a call is five, or seven
//! if another node opens the same one at that moment; looking for what is due is 65, and more for what is found. The first
//! one that fails ends the operation, but for the search, which goes on with what can be asked for. Waiting for an
//! end has no limit.
//!
//! An end is published to the nodes that wait for it. When the connection for messages was lost, everyone who waits looks
//! again, spread over a second; who could not look tries again after two seconds; and everybody looks in any case after
//! [`poll`](RedisOptions::poll). After an outage of everybody, no node
//! takes another for lost before each had a whole lease to come back.
//!
//! # What is in Redis
//! With the default prefix and times. Every key expires by itself; the times are for those that nobody took out, which
//! [`expire`](telephony_core::CallStore::expire) does earlier: 10 minutes after a call has ended, or 5 hours if its carrier
//! never confirms that. Sizes are as measured with
//! `MEMORY USAGE` on Redis 7.0.
//!
//! | key | what | expires | bytes |
//! |---|---|---|---|
//! | `{telephony:N}:call:KEY`, N from 0 to 31 | a call: a hash | 6 h 10 min after the last news; 1 h 10 min after its end, or 6 h if its carrier has not confirmed that | 1,600, and the app's data |
//! | `{telephony:N}:due` | when the calls of that slot are to be forgotten or given up: a sorted set | 7 h 10 min after the last change | 140 a call |
//! | `{telephony:N}:asks` | when the carriers of those that have no live stream are to be asked: a sorted set | the same | 140 a call |
//! | `telephony:id:ACCOUNT:{HASH}` | the call of a carrier's id | 12 h 20 min after the last status | 140 |
//! | `telephony:token:{TOKEN}` | the call of a media token | 7 h 10 min after the token's own time | 120 |
//! | `{telephony:account:LABEL}:live` | an account's live calls: a sorted set, if they are limited | 6 h 10 min after the last call | 120 a call |
//! | `{telephony:account:LABEL}:rate` | when its calls would have come evenly, if they are limited | when they may come at once again | 100 |
//! | `{telephony:nodes}:until`, `:since` | which nodes live | 6 h 10 min after the last sign | 100 a node |
//! | `{telephony:nodes}:held:NODE` | the streams that it holds: a set | the same | 100 a stream |
//! | `telephony:request:ACCOUNT:{HASH}` | a request and its answer | 20 s while it is worked on, then 10 min | 170, and the answer's body |
//!
//! A call with one stream and one kept answer takes 2.8 KB in all, with the answers to all its callbacks some 4 KB; 100,000
//! calls, ended ones of the last 10 minutes included, 280 to 410 MB. A call costs 23 scripts from its webhook to its end, and
//! 1.5 ms of one core of a small, busy machine with all that belongs to it, so that one Redis carries some hundred new calls a
//! second there; looking again ([`poll`](RedisOptions::poll)) costs one script for each live stream in 15 s.
//!
//! # Cluster
//! With the feature `cluster` and [`cluster`](RedisOptions::cluster). All that is said of one call is in one slot, with what
//! is due there, so each operation on a call is one atomic step. What leads to a call (its carrier's id, its tokens), the
//! accounts' counters and the nodes' leases are in other slots, and are written in an order in which a node that dies in
//! between leaves nothing wrong: who finds an id finds its call; of many who open the same call one wins; a stream is noted
//! as held before it is. At worst a call that nobody has seen is left over, and found as a silent one, or a live call is not
//! counted. A failover loses what the old primary had not passed on yet: a token that was claimed just then could be claimed
//! again.
//!
//! Messages come through one node, which a cluster passes all of them on to. When that one is lost the store subscribes at the
//! next of those that were configured, then of those that the cluster tells of: at once if it died, after some 4 s if it says
//! nothing any more. While a primary is lost and has no successor, what it holds cannot be asked for and the rest goes on, if
//! the cluster lets it (`cluster-require-full-coverage no`). At the start, and after an outage of all, one of the nodes that
//! were configured must be there.
//!
//! # TLS
//! With the feature `tls` and a `rediss://` URL, for both connections and all nodes of a cluster. The server's certificate must
//! be signed by one of the platform's roots, or by those of [`with_ca`](RedisOptions::with_ca) and no others, and must be for
//! the host of the URL; of a cluster, for the addresses that its nodes announce. A server that wants to know who we are is shown
//! [`with_client_certificate`](RedisOptions::with_client_certificate). There is no way to skip the check.
//!
//! ```no_run
//! # fn options() -> Result<telephony_redis::RedisOptions, std::io::Error> {
//! use telephony_redis::{ClientCertificate, RedisOptions};
//!
//! let own = ClientCertificate::new(std::fs::read("app.crt")?, std::fs::read("app.key")?);
//! let options = RedisOptions::new("rediss://redis.internal:6379")
//!     .with_ca(std::fs::read("ca.crt")?)
//!     .with_client_certificate(own);
//! # Ok(options) }
//! ```
//!
//! # Features
//! Both are off by default. `tls`: `rediss://` URLs, with rustls and ring. `cluster`: [Redis Cluster](#cluster).
//!
//! The client is the `redis` crate: it is the official one, kept well, speaks to Valkey too, and is small without its default
//! features. Its own connection manager is not used: it makes those who ask wait while it tries, where we rather refuse.

mod endpoint;
mod error;
mod hub;
mod keys;
mod link;
#[cfg(feature = "cluster")]
mod nodes;
mod options;
mod record;
mod script;
mod store;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub use options::{ClientCertificate, RedisOptions};
pub use store::RedisStore;
