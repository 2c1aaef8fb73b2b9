//! aws lambda: calls a function with the message's data; its answer becomes the data.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, RuleNode};
use serde::Deserialize;

use super::Account;
use crate::payload::payload;

/// The node.
pub struct AwsLambda {
    account: Account,
    endpoint: String,
    function: Template,
    qualifier: Template,
    fails_with_function: bool,
    timeout_ms: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    access_key: String,
    secret_key: String,
    region: String,
    function_name: String,
    #[serde(default)]
    qualifier: Option<String>,
    #[serde(default)]
    connection_timeout: u32,
    #[serde(default)]
    request_timeout: u32,
    #[serde(default)]
    tell_failure_if_func_throws_exc: bool,
    #[serde(default)]
    endpoint: Option<String>,
}

impl RuleNode for AwsLambda {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "aws-lambda",
            class_ids: &["org.thingsboard.rule.engine.aws.lambda.TbAwsLambdaNode"],
            title: "aws lambda",
            family: "EXTERNAL",
            description: "Calls a function of Amazon Lambda; its answer becomes the data.",
            details: "Metadata of the answer: requestId. Name and qualifier of the function may hold ${metadata key} and $[data key], the keys \
                      ${secret:name}: no component sees one. The service has to be on the tenant's list, such as \
                      https://lambda.eu-west-1.amazonaws.com; endpoint names another place where it is. connectionTimeout and requestTimeout, in \
                      seconds, count together.",
            icon: "call_made",
            configuration_schema: r#"{"type":"object","required":["accessKey","secretKey","region","functionName"],"properties":{"accessKey":{"type":"string","minLength":1},"secretKey":{"type":"string","minLength":1},"region":{"type":"string","minLength":1},"functionName":{"type":"string","minLength":1},"qualifier":{"type":["string","null"]},"connectionTimeout":{"type":"integer","minimum":0},"requestTimeout":{"type":"integer","minimum":0},"tellFailureIfFuncThrowsExc":{"type":"boolean"},"endpoint":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"accessKey":"${secret:aws-access-key-id}","secretKey":"${secret:aws-secret-access-key}","region":"us-east-1","functionName":"my-function","qualifier":"$LATEST","connectionTimeout":10,"requestTimeout":5,"tellFailureIfFuncThrowsExc":false}"#,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.function_name.is_empty() {
            return Err("functionName is empty".to_owned());
        }
        let account = Account::open(&own.region, &own.access_key, &own.secret_key)?;
        Ok(AwsLambda {
            endpoint: account.endpoint("lambda", own.endpoint),
            account,
            function: Template::parse(&own.function_name),
            qualifier: Template::parse(&own.qualifier.unwrap_or_default()),
            fails_with_function: own.tell_failure_if_func_throws_exc,
            timeout_ms: own.connection_timeout.saturating_add(own.request_timeout).saturating_mul(1_000),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let function = self.function.fill(message);
        let mut publish = self
            .account
            .publish("lambda", &self.endpoint, function, payload(message, false), message);
        publish = publish.with_option("qualifier", self.qualifier.fill(message));
        if self.fails_with_function {
            publish = publish.with_option("fails-with-function", "true");
        }
        publish.timeout_ms = self.timeout_ms;
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{options, published};
    use super::*;

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let configuration = r#"{"accessKey": "a", "secretKey": "${secret:aws}", "region": "eu-west-1", "functionName": "f-${deviceName}",
            "qualifier": "$LATEST", "connectionTimeout": 10, "requestTimeout": 5, "tellFailureIfFuncThrowsExc": true}"#;
        let told = published::<AwsLambda>(configuration);
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str(), told.timeout_ms),
            ("https://lambda.eu-west-1.amazonaws.com", "f-D1", 15_000)
        );
        assert_eq!(
            options(&told),
            [
                ("service", "lambda"),
                ("region", "eu-west-1"),
                ("qualifier", "$LATEST"),
                ("fails-with-function", "true")
            ]
        );
        assert!(AwsLambda::open(AwsLambda::descriptor().default_configuration).is_ok());
        assert!(AwsLambda::open(&configuration.replace("f-${deviceName}", "")).is_err());
    }
}
