//! What every back end must do, as one suite: one function for each promise of the [traits](crate::traits). A back end's tests call
//! [`run`] with an empty store, or single functions while it is being written.
//!
//! Every function makes a tenant of its own, so the store may hold other data. Functions panic when a promise is broken: this is test
//! code, in the library only so that back ends outside of this crate can use it. It must not know any back end.

#![allow(clippy::missing_panics_doc)]

pub mod alarms;
pub mod attributes;
pub mod components;
pub mod credentials;
pub mod entities;
pub mod events;
pub mod fixed;
pub mod journal;
pub mod node_state;
pub mod relations;
pub mod rpcs;
mod sample;
pub mod small;
pub mod tap;
pub mod time_series;

use std::sync::Arc;

use crate::Store;

/// The whole suite. Closes the store in the end. Panics at the first promise broken.
pub async fn run(store: Arc<dyn Store>) {
    let store = &*store;
    run_journal(store).await;
    run_entities(store).await;
    credentials::are_found_both_ways(store).await;
    credentials::replace_older_ones(store).await;
    credentials::belong_to_one_device(store).await;
    small::logins_are_found_in_any_case(store).await;
    small::logins_belong_to_one_user(store).await;
    small::settings_are_kept(store).await;
    small::settings_are_initialised_once(store).await;
    small::devices_are_thought_of_until_they_are_forgotten(store).await;
    run_values(store).await;
    run_alarms_and_events(store).await;
    run_rpcs(store).await;
    run_components(store).await;
    node_state::comes_back_as_changed(store).await;
    node_state::another_schema_replaces_it(store).await;
    node_state::is_read_behind_its_changes(store).await;
    node_state::goes_with_its_node(store).await;
    run_relations(store).await;
    journal::a_closed_store_takes_no_more(store).await;
}

async fn run_journal(store: &dyn Store) {
    journal::a_commit_is_readable(store).await;
    journal::batches_take_effect_in_order(store).await;
    journal::mutations_of_a_batch_take_effect_in_order(store).await;
    journal::repeating_a_batch_changes_nothing(store).await;
    journal::an_empty_batch_is_durable(store).await;
    journal::a_dropped_commit_undoes_nothing(store).await;
}

async fn run_entities(store: &dyn Store) {
    entities::come_back_as_saved(store).await;
    entities::count_versions(store).await;
    entities::names_are_unique(store).await;
    entities::a_name_goes_to_one_of_two(store).await;
    entities::lists_filter_and_search(store).await;
    entities::lists_sort(store).await;
    entities::pages_are_complete(store).await;
    entities::deletion_removes_what_belongs_to_it(store).await;
    entities::deletion_leaves_others_alone(store).await;
}

async fn run_values(store: &dyn Store) {
    attributes::come_back_as_written(store).await;
    attributes::scopes_are_apart(store).await;
    attributes::are_chosen_by_key(store).await;
    attributes::are_deleted(store).await;
    time_series::come_back_as_written(store).await;
    time_series::latest_is_the_largest_time(store).await;
    time_series::latest_is_chosen_by_key(store).await;
    time_series::one_reading_of_a_key_is_in_no_history(store).await;
    time_series::a_reading_can_be_in_the_history_alone(store).await;
    time_series::what_is_only_told_is_not_stored(store).await;
    time_series::queries_bound_order_and_limit(store).await;
    time_series::deletion_takes_a_range(store).await;
    time_series::keys_and_entities_are_apart(store).await;
    time_series::readings_expire(store).await;
}

async fn run_alarms_and_events(store: &dyn Store) {
    alarms::one_is_active_for_a_type(store).await;
    alarms::all_active_ones_come_sorted(store).await;
    alarms::an_old_one_does_not_clear_a_new_one(store).await;
    alarms::lists_filter(store).await;
    alarms::lists_have_what_is_shown(store).await;
    alarms::lists_sort_and_page(store).await;
    events::newest_come_first(store).await;
    events::are_bounded_by_time(store).await;
    events::kinds_and_entities_are_apart(store).await;
}

async fn run_rpcs(store: &dyn Store) {
    rpcs::come_back_as_written(store).await;
    rpcs::open_ones_come_in_order(store).await;
    rpcs::lists_filter_and_page(store).await;
    rpcs::are_deleted(store).await;
}

async fn run_components(store: &dyn Store) {
    components::come_back_as_saved(store).await;
    components::count_revisions(store).await;
    components::versions_are_immutable_and_come_newest_first(store).await;
    components::bytes_of_any_size_come_back(store).await;
    components::owners_and_names_are_apart(store).await;
    components::deletion_takes_everything(store).await;
}

async fn run_relations(store: &dyn Store) {
    relations::are_seen_from_both_ends(store).await;
    relations::are_apart_by_type_and_group(store).await;
    relations::of_tenants_are_apart(store).await;
    relations::are_removed_one_by_one_and_by_group(store).await;
    relations::go_with_either_end(store).await;
}
