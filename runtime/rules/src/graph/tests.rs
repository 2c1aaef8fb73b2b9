//! What a chain's author hears of each defect, with the node types that are shipped.

use super::*;
use crate::testing::{CREATE_ALARM, FIELD_FILTER, PASS, SAVE_TIME_SERIES, TYPE_SWITCH, metadata, validate};
use serde_json::json;

const SWITCHED: &str = "Post telemetry";

fn errors(metadata: &RuleChainMetadata) -> Vec<ChainError> {
    match validate(metadata) {
        Ok(graph) => graph.check_configurations(),
        Err(errors) => errors,
    }
}

/// A relation that the node type does not have, as the author hears of it.
fn unknown_relation(connection: usize, relation: &str, index: usize, known: &str) -> ChainError {
    ChainError::UnknownRelation {
        connection,
        relation: relation.into(),
        index,
        name: format!("n{index}"),
        known: known.into(),
    }
}

#[test]
fn a_good_chain_keeps_its_wires() {
    let wires = [
        (0, SWITCHED, 1),
        (0, SWITCHED, 2),
        (0, "Other", 3),
        (1, "Success", 3),
        (1, "Failure", 3),
        (0, SWITCHED, 1),
    ];
    let metadata = metadata(Some(0), &[TYPE_SWITCH, SAVE_TIME_SERIES, CREATE_ALARM, PASS], &wires);
    let graph = validate(&metadata).expect("valid");
    assert_eq!((&*graph.name, graph.first, graph.nodes.len()), ("chain under test", Some(0), 4));
    assert_eq!(
        graph.nodes[0].targets(SWITCHED),
        [1, 2],
        "in the order written; what is written twice counts once"
    );
    assert_eq!(graph.nodes[0].targets("Other"), [3]);
    assert_eq!(graph.nodes[1].targets("Failure"), [3]);
    assert_eq!(
        graph.nodes[2].targets("Created"),
        [0usize; 0],
        "a relation that leads nowhere is allowed"
    );
    assert_eq!(graph.nodes[2].node_type.descriptor().type_name, "create-alarm");
    assert_eq!(graph.check_configurations(), []);
}

#[test]
fn nodes_keep_the_ids_they_are_stored_with() {
    let mut metadata = metadata(Some(0), &[PASS, PASS], &[]);
    let stored = Uuid::now_v7();
    metadata.nodes[0].id = Some(model::entity::IdRef::new(model::EntityKind::RuleNode, stored));
    let graph = validate(&metadata).expect("valid");
    assert_eq!(graph.nodes[0].id, RuleNodeId::new(graph.chain.tenant, stored));
    assert_ne!(graph.nodes[1].id.id, Uuid::nil(), "a node of a file gets an id");
}

#[test]
fn an_empty_chain_is_a_chain() {
    let graph = validate(&metadata(None, &[], &[])).expect("valid");
    assert_eq!((graph.first, graph.nodes.len()), (None, 0));
    let without_list = RuleChainMetadata {
        connections: None,
        ..metadata(Some(0), &[PASS], &[])
    };
    assert!(validate(&without_list).is_ok());
}

#[test]
fn each_defect_is_named_with_its_place() {
    let too_many = |what, count, max| ChainError::TooMany { what, count, max };
    let no_such_node = |connection, index| ChainError::NoSuchNode {
        connection,
        relation: "Success".into(),
        index,
        count: 2,
    };
    let cases = [
        (metadata(None, &[PASS; 1001], &[]), vec![too_many("nodes", 1001, 1000)]),
        (
            metadata(None, &[PASS], &[(0, "Success", 0); 10_001]),
            vec![too_many("connections", 10_001, 10_000)],
        ),
        (
            metadata(Some(0), &[PASS, "org.example.Nothing"], &[]),
            vec![ChainError::UnknownType {
                index: 1,
                name: "n1".into(),
                class_id: "org.example.Nothing".into(),
            }],
        ),
        (
            metadata(Some(2), &[PASS, PASS], &[]),
            vec![ChainError::FirstNode { index: 2, count: 2 }],
        ),
        (metadata(Some(0), &[], &[]), vec![ChainError::FirstNode { index: 0, count: 0 }]),
        (
            metadata(Some(0), &[PASS, PASS], &[(0, "Success", 1), (1, "Success", 2)]),
            vec![no_such_node(1, 2)],
        ),
        (metadata(Some(0), &[PASS, PASS], &[(7, "Success", 1)]), vec![no_such_node(0, 7)]),
        (
            metadata(Some(0), &[FIELD_FILTER, PASS], &[(0, "True", 1), (0, "Success", 1)]),
            vec![unknown_relation(1, "Success", 0, "True, False, Failure")],
        ),
    ];
    for (metadata, expected) in cases {
        assert_eq!(errors(&metadata), expected);
    }
}

#[test]
fn every_defect_is_found_at_once_and_says_where() {
    let broken = metadata(Some(9), &["a.B", PASS, "c.D"], &[]);
    let texts: Vec<String> = errors(&broken).iter().map(ToString::to_string).collect();
    let expected = [
        r#"node 0 ("n0"): unknown node type "a.B""#,
        r#"node 2 ("n2"): unknown node type "c.D""#,
        "the first node 9 is none of the 3 nodes",
    ];
    assert_eq!(texts, expected);

    let wires = [(0, "Created", 1), (0, "Success", 5), (1, "True", 0)];
    let texts: Vec<String> = errors(&metadata(Some(0), &[SAVE_TIME_SERIES, PASS], &wires))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(
        texts[0].contains(r#"connection 0: node 0 ("n0") has no relation "Created""#),
        "{texts:?}"
    );
    assert!(
        texts[1].contains(r#"connection 1 ("Success") names node 5, but there are 2 nodes"#),
        "{texts:?}"
    );
    assert!(texts[2].contains(r#"connection 2: node 1 ("n1")"#), "{texts:?}");
}

#[test]
fn configurations_are_tried_on_their_types() {
    let mut metadata = metadata(Some(0), &[CREATE_ALARM, FIELD_FILTER, PASS], &[]);
    metadata.nodes[0].configuration = json!({"alarmType": "hot", "severity": "HIGH"});
    metadata.nodes[1].configuration = json!({"key": "t", "operator": "ABOUT", "value": 1});
    let graph = validate(&metadata).expect("wires are fine");
    let found = graph.check_configurations();
    let [
        ChainError::Configuration { index: 0, name, reason },
        ChainError::Configuration {
            index: 1, reason: other, ..
        },
    ] = &found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!(name, "n0");
    assert!(reason.contains("unknown severity HIGH"), "in the words of the node: {reason}");
    assert!(other.contains("ABOUT"), "{other}");
    assert!(found[0].to_string().starts_with(r#"node 0 ("n0"): "#), "{}", found[0]);
}

#[test]
fn a_type_that_breaks_while_it_opens_is_a_defect_of_its_node() {
    for (class_id, says) in [("test.evil.trap-in-open", "trapped"), ("test.evil.loop-in-open", "1000 ms")] {
        let found = errors(&metadata(Some(1), &[PASS, class_id], &[]));
        let [ChainError::Configuration { index: 1, reason, .. }] = &found[..] else {
            panic!("{found:?}")
        };
        assert!(reason.contains(says), "{reason}");
    }
}

/// Node indices in a [`ChainError::Cycle`], by their quoted names.
fn circling(metadata: &RuleChainMetadata) -> Vec<Vec<usize>> {
    let indices = |text: &str| text.split(", ").filter_map(|part| part.split(' ').nth(1)?.parse().ok()).collect();
    let cycle = |error: &ChainError| match error {
        ChainError::Cycle(text) => indices(text),
        other => panic!("{other:?}"),
    };
    validate(metadata).map_or_else(|errors| errors.iter().map(cycle).collect(), |_| Vec::new())
}

#[test]
fn cycles_need_an_exit() {
    // Nodes, wires, and the sets of nodes that are refused.
    type Case<'a> = (&'a str, &'a [&'a str], &'a [(usize, &'a str, usize)], &'a [&'a [usize]]);
    let cases: [Case; 11] = [
        ("straight", &[PASS, PASS], &[(0, "Success", 1)], &[]),
        (
            "a diamond is no cycle",
            &[PASS; 4],
            &[(0, "Success", 1), (0, "Success", 2), (1, "Success", 3), (2, "Success", 3)],
            &[],
        ),
        ("to itself", &[PASS], &[(0, "Success", 0)], &[&[0]]),
        ("two nodes", &[PASS, PASS], &[(0, "Success", 1), (1, "Success", 0)], &[&[0, 1]]),
        (
            "behind a straight part",
            &[PASS; 3],
            &[(0, "Success", 1), (1, "Success", 2), (2, "Success", 1)],
            &[&[1, 2]],
        ),
        (
            "a relation that leads nowhere ends the message",
            &[FIELD_FILTER],
            &[(0, "True", 0)],
            &[],
        ),
        (
            "a relation that leads out",
            &[FIELD_FILTER, PASS],
            &[(0, "True", 0), (0, "False", 1)],
            &[],
        ),
        ("all relations circle", &[FIELD_FILTER], &[(0, "True", 0), (0, "False", 0)], &[&[0]]),
        (
            "Failure alone is no exit",
            &[PASS, PASS],
            &[(0, "Success", 0), (0, "Failure", 1)],
            &[&[0]],
        ),
        (
            "a retry after Failure is fine: Success ends",
            &[SAVE_TIME_SERIES],
            &[(0, "Failure", 0)],
            &[],
        ),
        (
            "two cycles are two defects",
            &[PASS, PASS],
            &[(0, "Success", 0), (1, "Success", 1)],
            &[&[0], &[1]],
        ),
    ];
    for (name, nodes, wires, refused) in cases {
        let mut found = circling(&metadata(Some(0), nodes, wires));
        found.sort();
        assert_eq!(found, refused, "{name}");
    }
    let text = errors(&metadata(Some(0), &[PASS, PASS], &[(0, "Success", 1), (1, "Success", 0)]))[0].to_string();
    assert_eq!(
        text,
        r#"a cycle without exit: messages circle for ever through node 0 ("n0"), node 1 ("n1")"#
    );
}

#[test]
fn the_largest_chain_is_searched_without_recursion() {
    let nodes = vec![PASS; NODES_MAX];
    let mut wires: Vec<_> = (1..NODES_MAX).map(|index| (index - 1, "Success", index)).collect();
    assert!(validate(&metadata(Some(0), &nodes, &wires)).is_ok());
    wires.push((NODES_MAX - 1, "Success", 0));
    let [all] = &circling(&metadata(Some(0), &nodes, &wires))[..] else {
        panic!("one cycle")
    };
    assert_eq!(all.len(), NODES_MAX);
}
