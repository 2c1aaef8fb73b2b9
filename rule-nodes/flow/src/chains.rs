//! rule chain, output: a message goes into another chain of the tenant, and comes back along relations named as that chain's output nodes.

use pacificsoft_sdk::{Descriptor, Effect, EnterChain, LeaveChain, Message, Outcome, RuleNode};
use serde::Deserialize;

/// Sends messages into another chain.
pub struct RuleChain(EnterChain);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    rule_chain_id: Option<String>,
    #[serde(default)]
    forward_msg_to_default_rule_chain: bool,
}

impl RuleNode for RuleChain {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "rule-chain",
            class_ids: &["org.thingsboard.rule.engine.flow.TbRuleChainInputNode"],
            title: "rule chain",
            family: "FLOW",
            description: "Sends the message into another rule chain.",
            details: "What that chain's output nodes send back leaves along relations with their names. With forwardMsgToDefaultRuleChain the \
                      chain is that of the originator's profile, if the profile names one. Failure: there is no such chain, the message comes \
                      from it, or it is inside of 8 chains already.",
            icon: "subdirectory_arrow_right",
            configuration_schema: r#"{"type":"object","properties":{"ruleChainId":{"type":["string","null"],"description":"UUID of the chain"},"forwardMsgToDefaultRuleChain":{"type":"boolean"}}}"#,
            default_configuration: r#"{"ruleChainId":null,"forwardMsgToDefaultRuleChain":true}"#,
            version: 1,
            custom_relations: true,
            effects: &["enter-chain"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let chain = own.rule_chain_id.filter(|id| !id.is_empty());
        if chain.is_none() && !own.forward_msg_to_default_rule_chain {
            return Err("ruleChainId names no rule chain, and forwardMsgToDefaultRuleChain is off".to_owned());
        }
        if chain.as_deref().is_some_and(|id| !is_uuid(id)) {
            return Err("ruleChainId is no UUID".to_owned());
        }
        Ok(RuleChain(EnterChain {
            chain,
            of_originator: own.forward_msg_to_default_rule_chain,
        }))
    }

    fn process(&mut self, _: &Message) -> Result<Outcome, String> {
        Ok(Outcome::Effect(Effect::EnterChain(self.0.clone())))
    }
}

/// 36 characters: groups of hexadecimal digits with hyphens between.
fn is_uuid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    let fit = |len| {
        parts
            .next()
            .is_some_and(|part| part.len() == len && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    groups.into_iter().all(fit) && text.len() == 36
}

/// Sends messages back.
pub struct Output;

impl RuleNode for Output {
    const RELATIONS: &'static [&'static str] = &["Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "output",
            class_ids: &["org.thingsboard.rule.engine.flow.TbRuleChainOutputNode"],
            title: "output",
            family: "FLOW",
            description: "Sends the message back to the rule chain that sent it into this one.",
            details: "There it leaves along the relation that is named as this node. A message that comes from no rule chain ends here.",
            icon: "logout",
            effects: &["leave-chain"],
            ..Descriptor::new()
        }
    }

    fn open(_: &str) -> Result<Self, String> {
        Ok(Output)
    }

    fn process(&mut self, _: &Message) -> Result<Outcome, String> {
        Ok(Outcome::Effect(Effect::LeaveChain(LeaveChain { relation: None })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    const CHAIN: &str = "784f394c-42b6-435a-983c-b7beff2784f9";

    fn asked(configuration: &str) -> Result<EnterChain, String> {
        let mut node = RuleChain::open(configuration)?;
        match node.process(&TestMessage::telemetry("{}").message()) {
            Ok(Outcome::Effect(Effect::EnterChain(enter))) => Ok(enter),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_chain_is_named_or_is_the_originators() {
        let told = asked(&format!(r#"{{"ruleChainId": "{CHAIN}"}}"#)).expect("valid");
        assert_eq!((told.chain.as_deref(), told.of_originator), (Some(CHAIN), false));
        let told = asked(&format!(r#"{{"ruleChainId": "{CHAIN}", "forwardMsgToDefaultRuleChain": true}}"#)).expect("valid");
        assert_eq!((told.chain.as_deref(), told.of_originator), (Some(CHAIN), true));
        let told = asked(RuleChain::descriptor().default_configuration).expect("valid");
        assert_eq!((told.chain, told.of_originator), (None, true));
        for (wrong, says) in [
            ("{}", "names no rule chain"),
            (r#"{"ruleChainId": ""}"#, "names no rule chain"),
            (r#"{"ruleChainId": "root"}"#, "no UUID"),
            (r#"{"ruleChainId": "784f394c42b6435a983cb7beff2784f9"}"#, "no UUID"),
        ] {
            assert!(asked(wrong).is_err_and(|told| told.contains(says)), "{wrong}");
        }
    }

    #[test]
    fn an_output_is_named_by_its_node() {
        let mut node = Output::open("{}").expect("nothing to say");
        let told = node.process(&TestMessage::telemetry("{}").message());
        assert_eq!(told, Ok(Outcome::Effect(Effect::LeaveChain(LeaveChain { relation: None }))));
    }
}
