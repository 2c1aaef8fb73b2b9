//! Every statement, by name, with its use. All are prepared once, when the store is opened.

/// What a statement is for: consistency, time-outs and repetition go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Reads at a quorum.
    Read,
    /// Reads what transactions have decided, those included that nobody has finished.
    Settled,
    /// Writes with a time of its own: repeating it changes nothing.
    Write,
    /// Decides by a light-weight transaction. Whether a decision that timed out was taken is found out by its caller.
    Decide,
}

macro_rules! queries {
    ($($kind:ident { $($name:ident = $text:expr;)* })*) => {
        /// A statement.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the statements say it")]
        pub(crate) enum Query { $($($name,)*)* }

        impl Query {
            /// Each with its use and text, in the order of their numbers.
            pub(crate) const ALL: &'static [(Query, Use, &'static str)] = &[$($((Query::$name, Use::$kind, $text),)*)*];
        }
    };
}

queries! {
    Write {
        PutPoint = "INSERT INTO points (tenant, kind, id, bucket, key, ts, value) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?";
        DeletePoints = "DELETE FROM points USING TIMESTAMP ? \
            WHERE tenant = ? AND kind = ? AND id = ? AND bucket = ? AND key = ? AND ts >= ? AND ts < ?";
        DropPoints = "DELETE FROM points USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ? AND bucket = ?";
        PutSeries = "INSERT INTO series (tenant, kind, id, key, bucket) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DropSeries = "DELETE FROM series USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ?";
        PutAttribute = "INSERT INTO attributes (tenant, kind, id, scope, key, value) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DeleteAttribute = "DELETE FROM attributes USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ? AND scope = ? AND key = ?";
        DropAttributes = "DELETE FROM attributes USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ?";
        PutAlarm = "INSERT INTO alarms (tenant, id, body) VALUES (?, ?, ?) USING TIMESTAMP ?";
        PutAlarmBucket = "INSERT INTO alarm_buckets (tenant, bucket) VALUES (?, ?) USING TIMESTAMP ?";
        PutAlarmByTime = "INSERT INTO alarms_by_time (tenant, bucket, created, id, body) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
        PutActiveAlarm = "INSERT INTO active_alarms (tenant, kind, id, alarm_type, alarm) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DeleteActiveAlarm = "DELETE FROM active_alarms USING TIMESTAMP ? \
            WHERE tenant = ? AND kind = ? AND id = ? AND alarm_type = ? AND alarm = ?";
        PutRpc = "INSERT INTO rpcs (tenant, device, id, body) VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
        DeleteRpc = "DELETE FROM rpcs USING TIMESTAMP ? WHERE tenant = ? AND device = ? AND id = ?";
        DropRpcs = "DELETE FROM rpcs USING TIMESTAMP ? WHERE tenant = ? AND device = ?";
        PutRpcDevice = "INSERT INTO rpc_devices (tenant, id, device) VALUES (?, ?, ?) USING TIMESTAMP ?";
        DeleteRpcDevice = "DELETE FROM rpc_devices USING TIMESTAMP ? WHERE tenant = ? AND id = ?";
        PutOpenRpc = "INSERT INTO open_rpcs (tenant, device, id) VALUES (?, ?, ?) USING TIMESTAMP ?";
        DeleteOpenRpc = "DELETE FROM open_rpcs USING TIMESTAMP ? WHERE tenant = ? AND device = ? AND id = ?";
        DropOpenRpcs = "DELETE FROM open_rpcs USING TIMESTAMP ? WHERE tenant = ? AND device = ?";
        PutReminder = "INSERT INTO reminders (tenant, device) VALUES (?, ?) USING TIMESTAMP ?";
        DeleteReminder = "DELETE FROM reminders USING TIMESTAMP ? WHERE tenant = ? AND device = ?";
        PutEvent = "INSERT INTO events (tenant, kind, id, event_kind, bucket, ts, event, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DropEvents = "DELETE FROM events USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ? AND event_kind = ? AND bucket = ?";
        PutEventBucket = "INSERT INTO event_buckets (tenant, kind, id, event_kind, bucket) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DropEventBuckets = "DELETE FROM event_buckets USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ?";
        PutNodeState = "INSERT INTO node_states (tenant, kind, id, part, name, value, device) \
            VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DeleteNodeState = "DELETE FROM node_states USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ? AND part = ? AND name = ?";
        DropNodeState = "DELETE FROM node_states USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ?";
        PutRelation = "INSERT INTO relations (tenant, kind, id, grp, relation_type, other_kind, other, info) \
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DeleteRelation = "DELETE FROM relations USING TIMESTAMP ? \
            WHERE tenant = ? AND kind = ? AND id = ? AND grp = ? AND relation_type = ? AND other_kind = ? AND other = ?";
        DropRelations = "DELETE FROM relations USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ? AND grp = ?";
        PutRelationTo = "INSERT INTO relations_to (tenant, kind, id, grp, relation_type, other_kind, other, info) \
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DeleteRelationTo = "DELETE FROM relations_to USING TIMESTAMP ? \
            WHERE tenant = ? AND kind = ? AND id = ? AND grp = ? AND relation_type = ? AND other_kind = ? AND other = ?";
        DropRelationsTo = "DELETE FROM relations_to USING TIMESTAMP ? WHERE tenant = ? AND kind = ? AND id = ? AND grp = ?";
        PutPiece = "INSERT INTO component_pieces (tenant, name, digest, position, bytes) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
        DropPieces = "DELETE FROM component_pieces USING TIMESTAMP ? WHERE tenant = ? AND name = ? AND digest = ?";
    }
    Read {
        SeriesOf = "SELECT key, bucket FROM series WHERE tenant = ? AND kind = ? AND id = ?";
        SeriesOfKeys = "SELECT key, bucket FROM series WHERE tenant = ? AND kind = ? AND id = ? AND key IN ?";
        BucketsOf = "SELECT bucket FROM series WHERE tenant = ? AND kind = ? AND id = ? AND key = ? AND bucket >= ? AND bucket <= ?";
        NewestPoint = "SELECT ts, value FROM points WHERE tenant = ? AND kind = ? AND id = ? AND bucket = ? AND key = ? LIMIT 1";
        PointsDown = "SELECT ts, value FROM points \
            WHERE tenant = ? AND kind = ? AND id = ? AND bucket = ? AND key = ? AND ts >= ? AND ts < ? LIMIT ?";
        PointsUp = "SELECT ts, value FROM points \
            WHERE tenant = ? AND kind = ? AND id = ? AND bucket = ? AND key = ? AND ts >= ? AND ts < ? ORDER BY key DESC, ts ASC LIMIT ?";
        Attributes = "SELECT key, value FROM attributes WHERE tenant = ? AND kind = ? AND id = ? AND scope = ?";
        AttributesOfKeys = "SELECT key, value FROM attributes WHERE tenant = ? AND kind = ? AND id = ? AND scope = ? AND key IN ?";
        Alarm = "SELECT body FROM alarms WHERE tenant = ? AND id = ?";
        AlarmBuckets = "SELECT bucket FROM alarm_buckets WHERE tenant = ? AND bucket >= ? AND bucket <= ?";
        AlarmsByTime = "SELECT body FROM alarms_by_time WHERE tenant = ? AND bucket = ?";
        ActiveAlarms = "SELECT alarm_type, alarm FROM active_alarms WHERE tenant = ? AND kind = ? AND id = ?";
        ActiveAlarmsOfType = "SELECT alarm_type, alarm FROM active_alarms WHERE tenant = ? AND kind = ? AND id = ? AND alarm_type = ?";
        Rpc = "SELECT body FROM rpcs WHERE tenant = ? AND device = ? AND id = ?";
        Rpcs = "SELECT body FROM rpcs WHERE tenant = ? AND device = ?";
        RpcIds = "SELECT id FROM rpcs WHERE tenant = ? AND device = ?";
        RpcDevice = "SELECT device FROM rpc_devices WHERE tenant = ? AND id = ?";
        OpenRpcs = "SELECT id FROM open_rpcs WHERE tenant = ? AND device = ?";
        Reminders = "SELECT tenant, device FROM reminders";
        TableColumns = "SELECT column_name, kind, position, type FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?";
        EventBuckets = "SELECT bucket FROM event_buckets \
            WHERE tenant = ? AND kind = ? AND id = ? AND event_kind = ? AND bucket >= ? AND bucket <= ?";
        AllEventBuckets = "SELECT event_kind, bucket FROM event_buckets WHERE tenant = ? AND kind = ? AND id = ?";
        EventTimes = "SELECT ts, event FROM events \
            WHERE tenant = ? AND kind = ? AND id = ? AND event_kind = ? AND bucket = ? AND ts >= ? AND ts <= ?";
        Event = "SELECT body FROM events WHERE tenant = ? AND kind = ? AND id = ? AND event_kind = ? AND bucket = ? AND ts = ? AND event = ?";
        NodeState = "SELECT part, name, value, device FROM node_states WHERE tenant = ? AND kind = ? AND id = ?";
        Relation = "SELECT info FROM relations \
            WHERE tenant = ? AND kind = ? AND id = ? AND grp = ? AND relation_type = ? AND other_kind = ? AND other = ?";
        RelationsFrom = "SELECT relation_type, other_kind, other, info FROM relations \
            WHERE tenant = ? AND kind = ? AND id = ? AND grp = ? LIMIT ?";
        RelationsFromOfType = "SELECT relation_type, other_kind, other, info FROM relations \
            WHERE tenant = ? AND kind = ? AND id = ? AND grp = ? AND relation_type = ? LIMIT ?";
        RelationsTo = "SELECT relation_type, other_kind, other, info FROM relations_to \
            WHERE tenant = ? AND kind = ? AND id = ? AND grp = ? LIMIT ?";
        RelationsToOfType = "SELECT relation_type, other_kind, other, info FROM relations_to \
            WHERE tenant = ? AND kind = ? AND id = ? AND grp = ? AND relation_type = ? LIMIT ?";
        Entity = "SELECT version, name, subtype, customer, body FROM entities WHERE tenant = ? AND kind = ? AND shard = ? AND id = ?";
        EntitiesSeen = "SELECT id, name, subtype, customer, created FROM entities WHERE tenant = ? AND kind = ? AND shard = ?";
        Claim = "SELECT owner_tenant, owner FROM claims WHERE tenant = ? AND space = ? AND name = ?";
        Credentials = "SELECT credentials_id, body FROM credentials WHERE tenant = ? AND device = ?";
        Login = "SELECT body FROM logins WHERE email = ?";
        Setting = "SELECT value FROM settings WHERE name = ?";
        Component = "SELECT body FROM components WHERE tenant = ? AND name = ?";
        Components = "SELECT body FROM components WHERE tenant = ?";
        ComponentVersions = "SELECT digest, body FROM component_versions WHERE tenant = ? AND name = ?";
        ComponentVersion = "SELECT body FROM component_versions WHERE tenant = ? AND name = ? AND digest = ?";
        Pieces = "SELECT bytes FROM component_pieces WHERE tenant = ? AND name = ? AND digest = ?";
    }
    Settled {
        EntityState = "SELECT version, name, stamp FROM entities WHERE tenant = ? AND kind = ? AND shard = ? AND id = ?";
        ClaimState = "SELECT owner_tenant, owner, since FROM claims WHERE tenant = ? AND space = ? AND name = ?";
        CredentialsState = "SELECT credentials_id, stamp FROM credentials WHERE tenant = ? AND device = ?";
        LoginState = "SELECT owner_tenant, owner FROM logins WHERE email = ?";
        SettingState = "SELECT value FROM settings WHERE name = ?";
        ComponentState = "SELECT revision, stamp FROM components WHERE tenant = ? AND name = ?";
        ComponentVersionState = "SELECT stamp FROM component_versions WHERE tenant = ? AND name = ? AND digest = ?";
    }
    Decide {
        CreateEntity = "INSERT INTO entities (version, name, subtype, customer, created, body, stamp, tenant, kind, shard, id) \
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS";
        ReplaceEntity = "UPDATE entities SET version = ?, name = ?, subtype = ?, customer = ?, created = ?, body = ?, stamp = ? \
            WHERE tenant = ? AND kind = ? AND shard = ? AND id = ? IF version = ?";
        DeleteEntity = "DELETE FROM entities WHERE tenant = ? AND kind = ? AND shard = ? AND id = ? IF EXISTS";
        CreateClaim = "INSERT INTO claims (tenant, space, name, owner_tenant, owner, since) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS";
        RenewClaim = "UPDATE claims SET owner_tenant = ?, owner = ?, since = ? \
            WHERE tenant = ? AND space = ? AND name = ? IF owner_tenant = ? AND owner = ? AND since = ?";
        DeleteClaim = "DELETE FROM claims WHERE tenant = ? AND space = ? AND name = ? IF owner_tenant = ? AND owner = ?";
        CreateCredentials = "INSERT INTO credentials (credentials_id, body, stamp, tenant, device) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
        ReplaceCredentials = "UPDATE credentials SET credentials_id = ?, body = ?, stamp = ? WHERE tenant = ? AND device = ? IF stamp = ?";
        DeleteCredentials = "DELETE FROM credentials WHERE tenant = ? AND device = ? IF EXISTS";
        CreateLogin = "INSERT INTO logins (body, owner_tenant, owner, email) VALUES (?, ?, ?, ?) IF NOT EXISTS";
        ReplaceLogin = "UPDATE logins SET body = ? WHERE email = ? IF owner_tenant = ? AND owner = ?";
        DeleteLogin = "DELETE FROM logins WHERE email = ? IF EXISTS";
        CreateSetting = "INSERT INTO settings (value, name) VALUES (?, ?) IF NOT EXISTS";
        ReplaceSetting = "UPDATE settings SET value = ? WHERE name = ? IF EXISTS";
        CreateComponent = "INSERT INTO components (revision, body, stamp, tenant, name) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
        ReplaceComponent = "UPDATE components SET revision = ?, body = ?, stamp = ? WHERE tenant = ? AND name = ? IF revision = ?";
        DeleteComponent = "DELETE FROM components WHERE tenant = ? AND name = ? IF EXISTS";
        CreateComponentVersion = "INSERT INTO component_versions (body, stamp, tenant, name, digest) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
        DeleteComponentVersion = "DELETE FROM component_versions WHERE tenant = ? AND name = ? AND digest = ? IF EXISTS";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_stand_where_their_number_says() {
        for (at, (query, ..)) in Query::ALL.iter().enumerate() {
            assert_eq!(*query as usize, at);
        }
    }

    #[test]
    fn statements_are_what_their_use_says() {
        for (query, of, text) in Query::ALL {
            let (reads, decides, timed) = (
                text.starts_with("SELECT "),
                text.contains(" IF "),
                text.contains("USING TIMESTAMP ?"),
            );
            let expected = match of {
                Use::Read | Use::Settled => (true, false, false),
                Use::Write => (false, false, true),
                Use::Decide => (false, true, false),
            };
            assert_eq!((reads, decides, timed), expected, "{query:?}");
        }
    }
}
