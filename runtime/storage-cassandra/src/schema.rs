//! The tables, as the steps that make them. A step is never changed once it is released: a new form of what is stored is a new step.
//!
//! Partition keys begin with the tenant, but for the settings of the system. Names that are unique are rows of `claims`: whoever has
//! the row has the name, if the owner's own row says so too. What is written in batches carries a time of its own and is never decided
//! by a transaction; `entities`, `claims`, `credentials`, `logins`, `settings`, `components` and `component_versions` are always.
//!
//! Servers of a cluster are upgraded one by one, over one keyspace. A step that programs of the version before cannot work with says since
//! which version of the cluster it is taken: none of them is left then. Until the first server starts after that, a program works with
//! the form before.
//!
//! `points` holds all keys of an entity within a bucket side by side, so that a message is one write however many keys it has.
//! `series` and `event_buckets` tell which buckets there are. `active_alarms`, `open_rpcs` and `reminders` are short-lived hints, checked
//! against what they point to: their tombstones may go after a day.

/// Number of the last step.
pub(crate) const VERSION: i32 = 1;

/// The table that tells which steps were taken. It comes before all of them.
pub(crate) const META: &str = "CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value text)";

/// From one form to the next.
pub(crate) struct Step {
    /// The form that it leads to.
    pub(crate) form: i32,
    /// The version of the cluster since which it is taken.
    pub(crate) since: u32,
    /// To be carried out in order; all of them may be repeated. `{days}`: days of a bucket.
    pub(crate) statements: &'static [&'static str],
}

/// All of them.
pub(crate) const STEPS: [Step; 1] = [Step {
    form: 1,
    since: 1,
    statements: &FIRST,
}];

/// The form that a keyspace is brought to; `cluster`: the version of the cluster, none: one program has it for itself.
pub(crate) fn wanted(steps: &[Step], cluster: Option<u32>) -> i32 {
    let taken = steps.iter().take_while(|step| cluster.is_none_or(|cluster| step.since <= cluster));
    taken.map(|step| step.form).max().unwrap_or_default()
}

const FIRST: [&str; 24] = [
    "CREATE TABLE IF NOT EXISTS settings (name text PRIMARY KEY, value blob)",
    "CREATE TABLE IF NOT EXISTS claims (tenant uuid, space tinyint, name text, owner_tenant uuid, owner uuid, since bigint, \
     PRIMARY KEY ((tenant, space, name)))",
    "CREATE TABLE IF NOT EXISTS entities (tenant uuid, kind tinyint, shard tinyint, id uuid, version bigint, name text, subtype text, \
     customer uuid, created bigint, body text, stamp uuid, PRIMARY KEY ((tenant, kind, shard), id))",
    "CREATE TABLE IF NOT EXISTS credentials (tenant uuid, device uuid, credentials_id text, body text, stamp uuid, \
     PRIMARY KEY ((tenant, device)))",
    "CREATE TABLE IF NOT EXISTS logins (email text PRIMARY KEY, owner_tenant uuid, owner uuid, body text)",
    "CREATE TABLE IF NOT EXISTS attributes (tenant uuid, kind tinyint, id uuid, scope tinyint, key text, value blob, \
     PRIMARY KEY ((tenant, kind, id), scope, key))",
    "CREATE TABLE IF NOT EXISTS series (tenant uuid, kind tinyint, id uuid, key text, bucket bigint, \
     PRIMARY KEY ((tenant, kind, id), key, bucket)) WITH CLUSTERING ORDER BY (key ASC, bucket DESC)",
    "CREATE TABLE IF NOT EXISTS points (tenant uuid, kind tinyint, id uuid, bucket bigint, key text, ts bigint, value blob, \
     PRIMARY KEY ((tenant, kind, id, bucket), key, ts)) WITH CLUSTERING ORDER BY (key ASC, ts DESC) \
     AND compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS', 'compaction_window_size': {days}}",
    "CREATE TABLE IF NOT EXISTS alarms (tenant uuid, id uuid, body text, PRIMARY KEY ((tenant, id)))",
    "CREATE TABLE IF NOT EXISTS alarm_buckets (tenant uuid, bucket bigint, PRIMARY KEY ((tenant), bucket))",
    "CREATE TABLE IF NOT EXISTS alarms_by_time (tenant uuid, bucket bigint, created bigint, id uuid, body text, \
     PRIMARY KEY ((tenant, bucket), created, id)) WITH CLUSTERING ORDER BY (created DESC, id DESC)",
    "CREATE TABLE IF NOT EXISTS active_alarms (tenant uuid, kind tinyint, id uuid, alarm_type text, alarm uuid, \
     PRIMARY KEY ((tenant, kind, id), alarm_type, alarm)) WITH gc_grace_seconds = 86400",
    "CREATE TABLE IF NOT EXISTS rpcs (tenant uuid, device uuid, id uuid, body text, PRIMARY KEY ((tenant, device), id))",
    "CREATE TABLE IF NOT EXISTS rpc_devices (tenant uuid, id uuid, device uuid, PRIMARY KEY ((tenant, id)))",
    "CREATE TABLE IF NOT EXISTS open_rpcs (tenant uuid, device uuid, id uuid, PRIMARY KEY ((tenant, device), id)) \
     WITH gc_grace_seconds = 86400",
    "CREATE TABLE IF NOT EXISTS reminders (tenant uuid, device uuid, PRIMARY KEY ((tenant), device)) WITH gc_grace_seconds = 86400",
    "CREATE TABLE IF NOT EXISTS event_buckets (tenant uuid, kind tinyint, id uuid, event_kind tinyint, bucket bigint, \
     PRIMARY KEY ((tenant, kind, id), event_kind, bucket)) WITH CLUSTERING ORDER BY (event_kind ASC, bucket DESC)",
    "CREATE TABLE IF NOT EXISTS events (tenant uuid, kind tinyint, id uuid, event_kind tinyint, bucket bigint, ts bigint, event uuid, \
     body text, PRIMARY KEY ((tenant, kind, id, event_kind, bucket), ts, event)) WITH CLUSTERING ORDER BY (ts DESC, event DESC)",
    "CREATE TABLE IF NOT EXISTS node_states (tenant uuid, kind tinyint, id uuid, part tinyint, name text, value blob, device uuid, \
     PRIMARY KEY ((tenant, kind, id), part, name))",
    "CREATE TABLE IF NOT EXISTS relations (tenant uuid, kind tinyint, id uuid, grp tinyint, relation_type text, other_kind tinyint, \
     other uuid, info text, PRIMARY KEY ((tenant, kind, id), grp, relation_type, other_kind, other))",
    "CREATE TABLE IF NOT EXISTS relations_to (tenant uuid, kind tinyint, id uuid, grp tinyint, relation_type text, other_kind tinyint, \
     other uuid, info text, PRIMARY KEY ((tenant, kind, id), grp, relation_type, other_kind, other))",
    "CREATE TABLE IF NOT EXISTS components (tenant uuid, name text, revision bigint, body text, stamp uuid, \
     PRIMARY KEY ((tenant), name))",
    "CREATE TABLE IF NOT EXISTS component_versions (tenant uuid, name text, digest blob, body text, stamp uuid, \
     PRIMARY KEY ((tenant, name), digest))",
    "CREATE TABLE IF NOT EXISTS component_pieces (tenant uuid, name text, digest blob, position int, bytes blob, \
     PRIMARY KEY ((tenant, name, digest), position))",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_to_the_version() {
        assert!(STEPS.is_sorted_by(|a, b| a.form < b.form && a.since <= b.since));
        assert_eq!(STEPS.last().expect("a step").form, VERSION);
        assert_eq!(wanted(&STEPS, None), VERSION);
    }

    #[test]
    fn a_step_waits_until_all_servers_can_work_with_it() {
        let step = |form, since| Step {
            form,
            since,
            statements: &[],
        };
        let steps = [step(1, 1), step(2, 1), step(3, 3), step(4, 5)];
        for (cluster, form) in [(Some(1), 2), (Some(2), 2), (Some(3), 3), (Some(4), 3), (Some(5), 4), (None, 4)] {
            assert_eq!(wanted(&steps, cluster), form, "{cluster:?}");
        }
    }

    #[test]
    fn statements_may_be_repeated() {
        for statement in STEPS.iter().flat_map(|step| step.statements) {
            assert!(statement.contains(" IF NOT EXISTS "), "{statement}");
        }
    }
}
