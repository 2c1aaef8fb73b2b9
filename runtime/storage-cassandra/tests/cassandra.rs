//! Against a real Cassandra: the suite every back end passes, and what only this one promises. `cargo xtask test` starts one.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use model::entity::EntityRecord;
use model::{Clock, DeviceId, EntityId, NodeStateChange, RuleNodeId, SystemClock, TenantId, Value};
use storage::{
    EntityStore as _, Journal as _, KeptIn, Mutation, NodeStateStore as _, RowStore as _, SeriesQuery, StorageError, TimeSeriesStore as _,
    conformance,
};
use storage_cassandra::{CassandraConfig, CassandraStore};
use uuid::Uuid;

/// A configuration for the node that serves, with a keyspace; none: there is no node, which is said.
fn config(keyspace: &str) -> Option<CassandraConfig> {
    let Ok(address) = std::env::var("PACIFICSOFT_TEST_CASSANDRA") else {
        eprintln!("NOT TESTED: no Cassandra serves; `cargo xtask test` starts one");
        return None;
    };
    Some(CassandraConfig::new(vec![address], keyspace))
}

async fn open(config: CassandraConfig) -> CassandraStore {
    CassandraStore::open(config).await.expect("opens")
}

fn points(entity: EntityId, ts_ms: i64, value: i64) -> Mutation {
    Mutation::Points {
        entity,
        ts_ms,
        values: vec![("a".into(), Value::Long(value))],
        ttl_s: 0,
        kept: KeptIn::Both,
    }
}

async fn commit(store: &CassandraStore, batch: Vec<Mutation>) {
    store.submit(batch).await.expect("takes the batch").await.expect("makes it durable");
}

fn all() -> SeriesQuery {
    SeriesQuery {
        from_ms: i64::MIN,
        to_ms: i64::MAX,
        limit: 100_000,
        descending: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_keeps_every_promise() {
    let Some(config) = config("suite") else { return };
    conformance::run(Arc::new(open(config).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_hears_of_what_cassandra_has() {
    let Some(mut config) = config("tap") else { return };
    let heard = Arc::new(conformance::tap::Heard::default());
    config.tap = Some(heard.clone());
    conformance::tap::hears_in_order(Arc::new(open(config).await), heard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_keeps_every_promise_with_tiny_limits() {
    let Some(mut config) = config("suite") else { return };
    (config.batches_max, config.requests_max, config.entities_known_max) = (1, 1, 1);
    conformance::run(Arc::new(open(config).await)).await;
}

fn named(id: EntityId, name: &str) -> EntityRecord {
    EntityRecord {
        id,
        version: 0,
        name: name.into(),
        subtype: String::new(),
        customer: None,
        body: serde_json::json!({}),
    }
}

fn device(tenant: TenantId) -> EntityId {
    DeviceId::generate(tenant).entity()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_holds_a_series_that_spans_many_time_buckets() {
    let Some(config) = config("suite") else { return };
    let (store, entity) = (open(config).await, device(TenantId::generate()));
    const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;
    let times: Vec<i64> = (-3..=3).flat_map(|week| [week * WEEK_MS, week * WEEK_MS + 1]).collect();
    commit(&store, times.iter().map(|ts_ms| points(entity, *ts_ms, *ts_ms)).collect()).await;
    let read = async |query: SeriesQuery| -> Vec<i64> {
        let readings = store.series(entity, "a", &query).await.expect("reads");
        readings.into_iter().map(|reading| reading.ts_ms).collect()
    };
    assert_eq!(read(all()).await, times);
    let newest = SeriesQuery {
        limit: 3,
        descending: true,
        ..all()
    };
    assert_eq!(read(newest).await, [3 * WEEK_MS + 1, 3 * WEEK_MS, 2 * WEEK_MS + 1]);
    let delete = Mutation::DeletePoints {
        entity,
        key: "a".into(),
        from_ms: -2 * WEEK_MS + 1,
        to_ms: 3 * WEEK_MS + 1,
    };
    commit(&store, vec![delete]).await;
    let left = [-3 * WEEK_MS, -3 * WEEK_MS + 1, -2 * WEEK_MS, 3 * WEEK_MS + 1];
    assert_eq!(read(all()).await, left);
    let within = SeriesQuery {
        from_ms: -2 * WEEK_MS,
        to_ms: 3 * WEEK_MS + 1,
        ..all()
    };
    assert_eq!(read(within).await, [-2 * WEEK_MS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_gives_a_name_to_one_of_many_peers() {
    let Some(config) = config("suite") else { return };
    let tenant = TenantId::generate();
    let peers = futures::future::join_all((0..4).map(|_| open(config.clone()))).await;
    let saves = peers.iter().map(|peer| peer.save_entity(named(device(tenant), "wanted")));
    let saved = futures::future::join_all(saves).await;
    assert_eq!(saved.iter().filter(|result| result.is_ok()).count(), 1, "{saved:?}");
    let taken = |result: &&Result<u64, StorageError>| matches!(result, Err(StorageError::NameTaken(_)));
    assert_eq!(saved.iter().filter(taken).count(), 3, "{saved:?}");
    // A version, too: whoever saved last is seen by all.
    let found = peers[0]
        .entity_by_name(tenant, model::EntityKind::Device, "wanted")
        .await
        .expect("reads");
    let found = found.expect("found");
    let saves = peers.iter().map(|peer| peer.save_entity(found.clone()));
    let saved = futures::future::join_all(saves).await;
    assert_eq!(saved.iter().filter(|result| matches!(result, Ok(2))).count(), 1, "{saved:?}");
}

/// Hours that are moved by hand.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_gives_a_name_away_that_a_dead_program_claimed() {
    let Some(mut config) = config("suite") else { return };
    let clock = Arc::new(Hand(AtomicI64::new(SystemClock.now_ms())));
    config.clock = clock.clone();
    let (tenant, nobody, somebody) = (TenantId::generate(), uuid::Uuid::now_v7(), TenantId::generate());
    // What a program leaves behind that dies between claim and row.
    let session = scylla::client::session_builder::SessionBuilder::new()
        .known_nodes(&config.nodes)
        .build()
        .await
        .expect("connects");
    let store = open(config).await;
    let claim = "INSERT INTO suite.claims (tenant, space, name, owner_tenant, owner, since) VALUES (?, 6, 'left', ?, ?, ?) IF NOT EXISTS";
    session
        .query_unpaged(claim, (tenant.0, tenant.0, nobody, clock.now_ms()))
        .await
        .expect("claims");
    let refused = store
        .save_entity(named(device(tenant), "left"))
        .await
        .expect_err("it may be at work still");
    assert!(matches!(refused, StorageError::NameTaken(_)), "{refused}");
    clock.0.fetch_add(10 * 60 * 1000, Ordering::Relaxed);
    let id = device(tenant);
    assert_eq!(store.save_entity(named(id, "left")).await.expect("nobody has it"), 1);
    let other = store
        .save_entity(named(device(tenant), "left"))
        .await
        .expect_err("the name is in use");
    assert!(matches!(other, StorageError::NameTaken(_)), "{other}");
    assert!(store.entity(device(somebody)).await.expect("reads").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_knows_which_device_belongs_to_what_a_node_keeps() {
    let Some(config) = config("node_state_devices") else { return };
    let store = open(config).await;
    let node = RuleNodeId::generate(TenantId::generate());
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    let change = |device: Option<Uuid>, replaces: Option<&str>, key: &str| Mutation::NodeState {
        node,
        change: Arc::new(NodeStateChange {
            replaces: replaces.map(Into::into),
            device,
            entries: vec![(key.into(), Some(Bytes::from_static(b"v")))],
            timers: vec![(key.into(), Some(7))],
        }),
    };
    commit(
        &store,
        vec![
            change(Some(one), Some("s"), "a"),
            change(None, None, "b"),
            change(Some(one), None, "c"),
        ],
    )
    .await;
    commit(&store, vec![change(Some(two), None, "c")]).await;
    let state = store.node_state(node).await.expect("reads").expect("is there");
    let devices: Vec<_> = state.entries.iter().map(|kept| kept.device).collect();
    assert_eq!(devices, [Some(one), None, Some(two)], "the last writer's");
    assert_eq!(state.timers.iter().map(|kept| kept.device).collect::<Vec<_>>(), devices);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_keeps_its_form_and_refuses_another() {
    let Some(config) = config("forms") else { return };
    drop(open(config.clone()).await);
    let mut other = config.clone();
    other.bucket = Some(Duration::from_secs(24 * 3600));
    let refused = CassandraStore::open(other).await.expect_err("other buckets").to_string();
    assert!(refused.contains("time buckets of 7 days, not 1"), "{refused}");
    let session = scylla::client::session_builder::SessionBuilder::new()
        .known_nodes(&config.nodes)
        .build()
        .await
        .expect("connects");
    let form = "UPDATE forms.meta SET value = '99' WHERE name = 'version' IF EXISTS";
    session.query_unpaged(form, ()).await.expect("writes");
    let refused = CassandraStore::open(config).await.expect_err("another form").to_string();
    assert!(refused.contains("start a newer program"), "{refused}");
    session.query_unpaged("DROP KEYSPACE forms", ()).await.expect("drops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cassandra_that_is_not_there_is_named() {
    // A port that nobody listens at: bound, and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("its number")
        .port();
    let config = CassandraConfig::new(vec![format!("127.0.0.1:{port}")], "none");
    let refused = CassandraStore::open(config).await.expect_err("nobody is there").to_string();
    assert!(refused.contains(&format!("no node of 127.0.0.1:{port} serves")), "{refused}");
}

/// Rows of every table as they are in the keyspaces of people who use this: a line for each, the table and its JSON.
static GOLDEN: LazyLock<String> =
    LazyLock::new(|| std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.txt")).expect("it is there"));

/// The same time for everything.
struct Then;

impl Clock for Then {
    fn now_ms(&self) -> i64 {
        conformance::fixed::NOW_MS
    }
}

async fn session(config: &CassandraConfig) -> scylla::client::session::Session {
    scylla::client::session_builder::SessionBuilder::new()
        .known_nodes(&config.nodes)
        .build()
        .await
        .expect("connects")
}

async fn texts(session: &scylla::client::session::Session, question: &str) -> Vec<String> {
    let answer = session.query_unpaged(question, ()).await.expect("answers");
    let rows = answer.into_rows_result().expect("rows");
    let rows = rows.rows::<(String,)>().expect("of texts");
    rows.map(|row| row.expect("a text").0).collect()
}

/// All rows of all tables of a keyspace but `meta`, sorted. The number that a save gives itself is the same in all of them.
async fn rows(session: &scylla::client::session::Session, keyspace: &str) -> Vec<String> {
    let tables = format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'");
    let mut all = Vec::new();
    for table in texts(session, &tables).await.into_iter().filter(|table| table != "meta") {
        let found = texts(session, &format!("SELECT JSON * FROM {keyspace}.{table}")).await;
        assert!(!found.is_empty(), "{table} has no row among the golden ones");
        for row in found {
            let mut row: serde_json::Value = serde_json::from_str(&row).expect("JSON");
            if let Some(stamp) = row.get_mut("stamp") {
                *stamp = uuid::Uuid::from_u128(1).to_string().into();
            }
            all.push(format!("{table} {row}"));
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_takes_rows_for_tables_of_ones_own() {
    let Some(config) = config("own_tables") else { return };
    let (store, session) = (open(config.clone()).await, session(&config).await);
    let keyspace = &config.keyspace;
    let save = |tenant, table: &str, columns: serde_json::Value, ttl_s| {
        let serde_json::Value::Object(columns) = columns else {
            panic!("an object")
        };
        let row = storage::Row::new(table, columns, ttl_s).expect("a row");
        let store = store.clone();
        async move { store.save_row(tenant, row).await }
    };
    let unfit = |saved: Result<(), StorageError>| match saved {
        Err(StorageError::Unfit(why)) => why,
        other => panic!("{other:?}"),
    };
    let (ours, theirs) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
    let one = || serde_json::json!({"room": "a", "at": 1_700_000_000_000_i64});
    assert!(unfit(save(ours, "readings", one(), 0).await).contains("no table cs_tb_readings"));

    let columns = "tenant_id uuid, room text, at timestamp, entity uuid, heat double, n int, big bigint, ok boolean, tags list<text>";
    for made in [
        format!("CREATE TABLE {keyspace}.cs_tb_readings ({columns}, PRIMARY KEY ((tenant_id, room), at))"),
        format!("CREATE TABLE {keyspace}.cs_tb_foreign (room text PRIMARY KEY, heat double)"),
        format!("CREATE TABLE {keyspace}.cs_tb_text (tenant_id text PRIMARY KEY, heat double)"),
    ] {
        session.query_unpaged(made, ()).await.expect("made");
    }
    // What is known of a table is believed for a while.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = save(ours, "readings", one(), 0).await {
        assert!(std::time::Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let entity = Uuid::from_u128(3).to_string();
    let full = serde_json::json!({
        "Room": "a", "at": 1_700_000_000_000_i64, "entity": entity, "heat": 21.5, "n": 3, "big": 9_007_199_254_740_993_i64, "ok": true, "tags": ["x", "y"],
    });
    save(ours, "CS_TB_Readings", full, 0).await.expect("saved");
    save(
        theirs,
        "readings",
        serde_json::json!({"room": "a", "at": 1_700_000_000_000_i64, "heat": 1}),
        500,
    )
    .await
    .expect("saved");
    // What is not given, or null, stays.
    save(
        ours,
        "readings",
        serde_json::json!({"room": "a", "at": 1_700_000_000_000_i64, "n": 4, "heat": null}),
        0,
    )
    .await
    .expect("saved");
    let mut stored = texts(&session, &format!("SELECT JSON * FROM {keyspace}.cs_tb_readings")).await;
    stored.sort();
    let stored: Vec<serde_json::Value> = stored.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    assert_eq!(stored.len(), 2, "{stored:?}");
    let by = |tenant: TenantId| stored.iter().find(|row| row["tenant_id"] == tenant.0.to_string()).expect("a row");
    let row = by(ours);
    assert_eq!(
        (&row["entity"], &row["heat"], &row["n"], &row["ok"]),
        (&entity.into(), &21.5.into(), &4.into(), &true.into())
    );
    assert_eq!(
        (&row["big"], &row["tags"]),
        (&9_007_199_254_740_993_i64.into(), &serde_json::json!(["x", "y"]))
    );
    assert_eq!(
        (&by(theirs)["heat"], &by(theirs)["n"]),
        (&1.0.into(), &serde_json::Value::Null),
        "a tenant's row is its own"
    );
    let left = texts(&session, &format!("SELECT JSON TTL(heat) FROM {keyspace}.cs_tb_readings")).await;
    let left: Vec<Option<u64>> = left
        .iter()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).expect("JSON")["ttl(heat)"].as_u64())
        .collect();
    assert!(
        left.contains(&None) && left.iter().flatten().all(|left| (400..=500).contains(left)) && left.len() == 2,
        "{left:?}"
    );

    for (table, columns, says) in [
        (
            "foreign",
            serde_json::json!({"room": "a"}),
            "does not begin with a column tenant_id",
        ),
        (
            "text",
            serde_json::json!({"heat": 1}),
            "does not begin with a column tenant_id of type uuid",
        ),
        (
            "readings",
            serde_json::json!({"room": "a", "at": 1_700_000_000_000_i64, "colour": 1}),
            "no column colour",
        ),
        ("readings", serde_json::json!({"room": "a"}), "the column at of the key"),
        (
            "readings",
            serde_json::json!({"room": "a", "at": 1_700_000_000_000_i64, "n": "many"}),
            "n",
        ),
        (
            "readings",
            serde_json::json!({"room": "a", "at": 1_700_000_000_000_i64, "heat": {"a": 1}}),
            "heat",
        ),
        (
            "readings",
            serde_json::json!({"room": "a", "at": 1_700_000_000_000_i64, "entity": "nobody"}),
            "entity",
        ),
    ] {
        let why = unfit(save(ours, table, columns, 0).await);
        assert!(why.contains(says), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_keeps_the_form_of_every_row() {
    let Some(mut config) = config("golden") else { return };
    config.clock = Arc::new(Then);
    let session = session(&config).await;
    let drop = "DROP KEYSPACE IF EXISTS golden";
    session.query_unpaged(drop, ()).await.expect("drops");
    let store = open(config.clone()).await;
    conformance::fixed::write(&store).await;
    let now = rows(&session, "golden").await;
    for (now, golden) in now.iter().zip(GOLDEN.lines()) {
        assert_eq!(now, golden);
    }
    assert_eq!(now.len(), GOLDEN.lines().count(), "\n{}", now.join("\n"));
    session.query_unpaged(drop, ()).await.expect("drops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_reads_what_was_written_then() {
    let Some(mut config) = config("golden_then") else { return };
    config.clock = Arc::new(Then);
    let session = session(&config).await;
    let drop = "DROP KEYSPACE IF EXISTS golden_then";
    session.query_unpaged(drop, ()).await.expect("drops");
    let store = open(config.clone()).await;
    for line in GOLDEN.lines() {
        let (table, row) = line.split_once(' ').expect("a table and a row");
        let insert = format!("INSERT INTO golden_then.{table} JSON ?");
        session
            .query_unpaged(insert, (row,))
            .await
            .expect("a row that the table still takes");
    }
    conformance::fixed::read(&store).await;
    session.query_unpaged(drop, ()).await.expect("drops");
}
