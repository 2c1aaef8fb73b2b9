//! What a folder tells of the version of its cluster.

use super::*;

/// A log that a newer program has written tells which version it is of, even if not all of it is understood.
#[tokio::test]
async fn a_log_tells_its_version_before_it_is_read_as_a_whole() {
    use openraft::storage::RaftLogStorage;
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = LogStore::open(dir.path()).expect("opens");
    let version = |store: &LogStore| known_version(store).expect("reads");
    assert_eq!(version(&store), 1);
    let put = |store: &LogStore, index: u64, command: &str| {
        let text = format!(r#"{{"log_id":{{"leader_id":{{"term":2,"node_id":1}},"index":{index}}},"payload":{{"Normal":{command}}}}}"#);
        store.put_raw(index, &text).expect("writes");
    };
    let found =
        r#"{"Found":{"cluster":"00000000-0000-0000-0000-000000000007","server":{"address":"a:1","version":"1+speaks.1-7","weight":100}}}"#;
    put(&store, 5, found);
    // Not all of them speak it: it is in the log, and nothing came of it.
    put(&store, 6, r#"{"Raise":8}"#);
    assert_eq!(version(&store), 1);
    put(&store, 7, r#"{"Raise":7}"#);
    put(&store, 8, r#"{"Unheard":{"of":1}}"#);
    assert_eq!(version(&store), 7);
    assert!(store.get_log_state().await.is_err(), "a word that this program does not know");
}
