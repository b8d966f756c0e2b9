//! Every interleaving of the table's steps, up to a bound of preemptions: the production source on cells of loom.
//!
//! On `Whole` cells the properties must hold; on `Torn` ones the checker must find a violation.
//!
//! Each model runs with two kinds of entries: sessions, where a hash match is a match, and indices into a slab, where the
//! records hold the keys and each must have exactly one owner.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../checker/mod.rs"]
mod checker;
mod harness;
mod models;

use common::{slb::Session, table::SlabIndex};

use self::{
    checker::must_fail,
    harness::{Torn, Whole},
    models::*,
};

#[test]
fn two_claims_make_one_entry() {
    claim_and_claim::<Session, Whole>();
    claim_and_claim::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_two_claims() {
    must_fail(claim_and_claim::<Session, Torn>);
    must_fail(claim_and_claim::<SlabIndex, Torn>);
}

#[test]
fn an_expired_entry_is_renewed_or_replaced_never_both() {
    claim_and_refresh_of_the_expired::<Session, Whole>();
    claim_and_refresh_of_the_expired::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_renewal() {
    must_fail(claim_and_refresh_of_the_expired::<Session, Torn>);
    must_fail(claim_and_refresh_of_the_expired::<SlabIndex, Torn>);
}

#[test]
fn bursts_of_two_workers_make_one_entry() {
    batch_and_batch::<Session, Whole>();
    batch_and_batch::<SlabIndex, Whole>();
    batch_and_claim_and_expire::<Session, Whole>();
    batch_and_claim_and_expire::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_bursts_too() {
    must_fail(batch_and_batch::<Session, Torn>);
    must_fail(batch_and_batch::<SlabIndex, Torn>);
}

#[test]
fn two_claims_and_a_sweep_make_one_entry() {
    claim_and_claim_and_expire::<Session, Whole>();
    claim_and_claim_and_expire::<SlabIndex, Whole>();
}

#[test]
fn an_entry_is_refreshed_moved_and_ended_by_one_step_each() {
    refresh_and_reassign_and_expire::<Session, Whole>();
    refresh_and_reassign_and_expire::<SlabIndex, Whole>();
}

#[test]
fn a_read_of_two_moments_is_never_taken_for_an_entry() {
    repeat_and_reassign_and_expire::<Session, Whole>();
    repeat_and_reassign_and_expire::<SlabIndex, Whole>();
}

#[test]
fn a_torn_cell_breaks_the_quick_step_too() {
    must_fail(repeat_and_reassign_and_expire::<Session, Torn>);
    must_fail(repeat_and_reassign_and_expire::<SlabIndex, Torn>);
}

#[test]
fn a_torn_cell_breaks_refresh_move_and_end() {
    must_fail(refresh_and_reassign_and_expire::<Session, Torn>);
    must_fail(refresh_and_reassign_and_expire::<SlabIndex, Torn>);
}

#[test]
fn no_retry_is_lost() {
    refresh_and_refresh::<Whole>();
}

#[test]
fn a_torn_cell_loses_a_retry() {
    must_fail(refresh_and_refresh::<Torn>);
}

#[test]
fn nobody_waits_for_a_stalled_claim() {
    a_stalled_claim_blocks_nobody::<Session, Whole>();
    a_stalled_claim_blocks_nobody::<SlabIndex, Whole>();
}

#[test]
fn what_gives_way_in_a_full_table_is_ended_once_or_stays() {
    claim_and_claim_and_refresh_in_a_full_table::<Whole>();
}

#[test]
fn a_torn_cell_breaks_giving_way() {
    must_fail(claim_and_claim_and_refresh_in_a_full_table::<Torn>);
}

#[test]
fn keys_of_one_identity_do_not_meet() {
    claim_and_claim_of_another_key::<Whole>();
}

#[test]
fn a_torn_cell_loses_a_key() {
    must_fail(claim_and_claim_of_another_key::<Torn>);
}
