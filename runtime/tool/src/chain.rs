//! Putting a node into a rule chain, before one that is there: what came to that one comes to the new one first. Pure but for [`put`].

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::told::NodeType;

/// Where to put a node.
#[derive(Clone, Debug)]
pub struct Place {
    /// The chain's name; none: the root chain.
    pub chain: Option<String>,
    /// The name of a node of it.
    pub before: String,
}

/// Looks whether chain and node are there, before anything is changed.
///
/// # Errors
/// When one is not, with those that are.
pub fn check(client: &Client, place: &Place) -> Result<()> {
    let (_, id) = found(&client.all("/api/ruleChains")?, place)?;
    let metadata: Json = client.get(&format!("/api/ruleChain/{id}/metadata"))?;
    position(metadata["nodes"].as_array().context("the rule chain has no nodes")?, &place.before).map(drop)
}

/// Puts a node of a type into a chain, unless there is one already. Answers what was done, in words.
///
/// # Errors
/// When chain or node are not there, or the server refuses the chain.
pub fn put(client: &Client, place: &Place, node_type: &NodeType) -> Result<String> {
    let (name, id) = found(&client.all("/api/ruleChains")?, place)?;
    let mut metadata: Json = client.get(&format!("/api/ruleChain/{id}/metadata"))?;
    let class_id = node_type.class_ids.first().context("the node type has no class id")?;
    let descriptor: Json = client.get(&format!("/api/component/{class_id}"))?;
    let configuration = &descriptor["configurationDescriptor"]["nodeDefinition"]["defaultConfiguration"];
    if !insert(&mut metadata, &place.before, node_type, configuration)? {
        return Ok(format!("rule chain {name:?} has a node of it already"));
    }
    let _: Json = client.post("/api/ruleChain/metadata", &metadata)?;
    Ok(format!(
        "rule chain {name:?} has the node {:?} now, before {:?}{}",
        node_type.title,
        place.before,
        if opens(node_type) {
            "; a message that fails at it goes on as it was"
        } else {
            ""
        }
    ))
}

/// Name and id of the chain that is meant.
fn found(chains: &[Json], place: &Place) -> Result<(String, String)> {
    let is_meant = |chain: &&Json| match &place.chain {
        Some(name) => chain["name"] == name.as_str(),
        None => chain["root"] == true,
    };
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    match chains.iter().find(is_meant) {
        Some(chain) => Ok((text(&chain["name"]), text(&chain["id"]["id"]))),
        None => {
            let names: Vec<&str> = chains.iter().filter_map(|chain| chain["name"].as_str()).collect();
            let wanted = place.chain.as_deref().unwrap_or("marked as root");
            bail!("there is no rule chain {wanted:?}; there are {}", names.join(", "))
        }
    }
}

/// Where a node is, by its name.
fn position(nodes: &[Json], name: &str) -> Result<usize> {
    let names = || nodes.iter().filter_map(|node| node["name"].as_str()).collect::<Vec<_>>().join(", ");
    let at = nodes.iter().position(|node| node["name"] == name);
    at.with_context(|| format!("the rule chain has no node {name:?}; it has {}", names()))
}

/// Whether a failure at a node of the type leaves the message as it was: a new node that does not do yet what it should costs nothing.
fn opens(node_type: &NodeType) -> bool {
    node_type.relations.iter().any(|relation| relation == "Success")
}

/// Changes a chain; false: it has a node of the type already.
fn insert(metadata: &mut Json, before: &str, node_type: &NodeType, configuration: &Json) -> Result<bool> {
    let class_id = node_type.class_ids.first();
    let nodes = metadata["nodes"].as_array_mut().context("the rule chain has no nodes")?;
    if nodes.iter().any(|node| node["type"].as_str() == class_id.map(String::as_str)) {
        return Ok(false);
    }
    let next = position(nodes, before)?;
    let new = nodes.len();
    let policy = opens(node_type).then(|| json!({"failurePolicy": {"type": "FAIL_OPEN", "relation": "Success"}}));
    nodes.push(json!({
        "additionalInfo": policy,
        "type": class_id,
        "name": node_type.title,
        "configuration": configuration,
        "debugSettings": null,
        "singletonMode": false,
        "configurationVersion": 0,
    }));
    if metadata["firstNodeIndex"] == next {
        metadata["firstNodeIndex"] = json!(new);
    }
    let connections = metadata["connections"]
        .as_array_mut()
        .context("the rule chain has no connections")?;
    for connection in connections.iter_mut().filter(|connection| connection["toIndex"] == next) {
        connection["toIndex"] = json!(new);
    }
    for relation in node_type.relations.iter().filter(|relation| *relation != "Failure") {
        connections.push(json!({"fromIndex": new, "toIndex": next, "type": relation}));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn node_type() -> NodeType {
        NodeType {
            type_name: "mine".to_owned(),
            class_ids: vec!["org.example.Mine".to_owned()],
            title: "mine".to_owned(),
            relations: ["True", "False", "Failure"].map(str::to_owned).to_vec(),
        }
    }

    fn chain() -> Json {
        json!({
            "firstNodeIndex": 0,
            "nodes": [{"name": "switch", "type": "a"}, {"name": "save", "type": "b"}],
            "connections": [{"fromIndex": 0, "toIndex": 1, "type": "Post telemetry"}],
        })
    }

    #[test]
    fn a_node_is_put_between_two() {
        let mut metadata = chain();
        assert!(insert(&mut metadata, "save", &node_type(), &json!({"limit": 5})).unwrap());
        assert_eq!(metadata["firstNodeIndex"], 0);
        assert_eq!(
            (&metadata["nodes"][2]["type"], &metadata["nodes"][2]["configuration"]["limit"]),
            (&json!("org.example.Mine"), &json!(5))
        );
        let connection = |from: usize, to: usize, relation: &str| json!({"fromIndex": from, "toIndex": to, "type": relation});
        assert_eq!(
            metadata["connections"],
            json!([
                connection(0, 2, "Post telemetry"),
                connection(2, 1, "True"),
                connection(2, 1, "False")
            ])
        );
        assert!(!insert(&mut metadata, "save", &node_type(), &Json::Null).unwrap(), "once is enough");
    }

    #[test]
    fn before_the_first_it_becomes_the_first() {
        let mut metadata = chain();
        insert(&mut metadata, "switch", &node_type(), &json!({})).unwrap();
        assert_eq!(metadata["firstNodeIndex"], 2);
        let refused = insert(&mut chain(), "nowhere", &node_type(), &json!({})).unwrap_err().to_string();
        assert!(refused.contains("switch, save"), "{refused}");
    }
}
