//! The rules that every [`CallStore`] keeps, as checks that run against any of them.
//!
//! ```
//! use async_trait::async_trait;
//! use std::sync::Arc;
//! use std::time::Duration;
//! use telephony_core::{CallStore, MemoryStore, MemoryStoreOptions, NodeId, OsRandom, StorePolicy};
//! use telephony_testkit::store::{Hands, StoreBench, StoreUnderTest};
//!
//! struct Memory;
//! struct MemoryUnderTest(MemoryStore, Arc<Hands>);
//!
//! #[async_trait]
//! impl StoreBench for Memory {
//!     async fn fresh(&self, policy: StorePolicy) -> Box<dyn StoreUnderTest> {
//!         let mut options = MemoryStoreOptions::default();
//!         options.policy = policy;
//!         let clock = Arc::new(Hands::default());
//!         Box::new(MemoryUnderTest(MemoryStore::new(options, clock.clone()), clock))
//!     }
//! }
//!
//! #[async_trait]
//! impl StoreUnderTest for MemoryUnderTest {
//!     async fn node(&self, name: &str) -> Arc<dyn CallStore> {
//!         Arc::new(self.0.as_node(NodeId::random(name, &OsRandom).unwrap()))
//!     }
//!
//!     async fn pass(&self, time: Duration) {
//!         self.1.turn(time);
//!     }
//!
//!     async fn left(&self) -> usize {
//!         self.0.len()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! telephony_testkit::store::check(&Memory).await.unwrap();
//! # }
//! ```

mod calls;
mod ground;
mod limits;
mod many;
mod streams;
mod time;
mod transfers;

pub use ground::{Broken, Hands, StoreBench, StoreUnderTest};

use ground::{Ground, Verdict};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

#[cfg(doc)]
use telephony_core::CallStore;

/// How long one rule may take: a store that hangs breaks it.
const DEADLINE: Duration = Duration::from_secs(60);

type Check = for<'a> fn(&'a dyn StoreBench) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it says.
    pub name: &'static str,
    check: Check,
}

/// Makes rules of functions that take a [`Ground`].
macro_rules! rules {
    ($($module:ident::$rule:ident,)*) => {
        &[$(Rule {
            name: stringify!($rule),
            check: |bench| Box::pin(async move { $module::$rule(&Ground::on(bench).await).await }),
        },)*]
    };
}

/// All of them.
pub const RULES: &[Rule] = rules![
    calls::a_call_is_remembered_as_it_was_opened,
    calls::a_repeated_request_finds_the_call_of_the_first,
    calls::accounts_do_not_share_ids,
    calls::one_key_is_one_call,
    calls::the_carriers_id_is_attached_once,
    calls::of_many_who_open_the_same_call_all_get_the_same,
    calls::late_and_repeated_reports_change_nothing,
    calls::a_terminal_status_ends_the_call_on_every_node,
    calls::the_first_reason_stays,
    calls::a_call_that_is_opened_as_over_is_over,
    calls::a_call_that_nobody_knows_is_not_found,
    calls::what_comes_next_is_taken_once,
    calls::the_apps_data_changes_and_is_bounded,
    streams::a_token_is_claimed_once,
    streams::what_is_said_late_of_a_claim_is_not_said_of_the_next,
    streams::a_token_is_for_one_account,
    streams::a_new_token_voids_older_ones_that_nobody_took,
    streams::a_token_lives_only_so_long,
    streams::there_is_no_stream_for_a_call_that_is_over,
    streams::of_many_claims_one_wins,
    streams::a_stream_is_held_by_its_node_until_it_is_over,
    streams::a_call_may_have_many_streams_one_after_the_other,
    streams::streams_are_stopped_while_the_call_goes_on,
    transfers::a_stream_is_part_of_the_transfer_that_offered_it,
    transfers::only_a_transfer_that_was_taken_voids_what_was_offered,
    transfers::what_came_of_transfers_is_remembered,
    streams::the_streams_of_a_lost_node_are_given_to_one_other,
    streams::after_an_outage_of_all_every_node_may_come_back_first,
    time::what_ended_is_remembered_and_then_forgotten,
    time::a_silent_call_is_told_of_and_again_after_twice_the_time,
    time::a_call_with_a_live_stream_is_not_silent,
    time::a_call_that_our_side_ended_is_told_of_until_the_carrier_says_so,
    time::a_call_that_is_to_end_is_told_of_until_it_has,
    time::another_stream_or_a_later_transfer_takes_back_that_a_call_is_to_end,
    time::a_call_that_never_started_is_given_up,
    time::a_call_that_nobody_hears_of_is_given_up,
    time::what_may_not_be_asked_about_yet_hides_nothing,
    time::what_expires_is_given_to_one_asker,
    limits::a_repeated_request_gets_the_first_answer,
    limits::who_was_too_late_ends_no_turn_but_its_own,
    limits::a_repeat_waits_for_the_first,
    limits::of_many_repeats_one_is_the_first,
    limits::an_account_has_only_so_many_live_calls,
    limits::calls_come_only_so_fast,
    many::a_thousand_calls_end_once_and_leave_nothing,
];

impl Rule {
    /// Runs it on a fresh store.
    ///
    /// # Errors
    /// If the store breaks it.
    pub async fn check(&self, bench: &dyn StoreBench) -> Result<(), Broken> {
        let verdict = tokio::time::timeout(DEADLINE, (self.check)(bench)).await;
        let why = match verdict {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why.to_string(),
            Err(_) => format!("it takes longer than {} s", DEADLINE.as_secs()),
        };
        Err(Broken {
            rule: self.name,
            why,
        })
    }
}

/// Runs all rules, each on a fresh store.
///
/// # Errors
/// The first rule that the store breaks.
pub async fn check(bench: &dyn StoreBench) -> Result<(), Broken> {
    for rule in RULES {
        rule.check(bench).await?;
    }
    Ok(())
}
