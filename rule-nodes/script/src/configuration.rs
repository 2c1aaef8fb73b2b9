//! The configuration of a script node, in ThingsBoard's form, and the script it stands for.

use node_scriptable::{Scripts, TBEL_REFUSED};
use pacificsoft_sdk::Configuration;

/// What a script node is configured with.
#[derive(Configuration)]
#[config(rename_all = "camelCase")]
pub(crate) struct ScriptConfiguration {
    /// JS. (TBEL, ThingsBoard's own language, is understood where the script is the default one.)
    script_lang: Option<String>,
    /// The body of function(msg, metadata, msgType) in JavaScript.
    js_script: Option<String>,
    /// Not run, except the default one.
    tbel_script: Option<String>,
}

impl From<ScriptConfiguration> for Scripts {
    fn from(own: ScriptConfiguration) -> Self {
        Scripts {
            language: own.script_lang,
            js: own.js_script,
            tbel: own.tbel_script,
            name: "jsScript",
        }
    }
}

/// The script that the configuration of a script node stands for. `default` is what ThingsBoard writes into a new node.
///
/// # Errors
/// Why there is none that runs, in words for the configuration's author.
pub(crate) fn script(configuration: &str, default: &str) -> Result<String, String> {
    let own = ScriptConfiguration::parse(configuration)?;
    let missing = match own.script_lang.as_deref() {
        Some("TBEL") => TBEL_REFUSED,
        _ => "jsScript is missing",
    };
    let chosen = Scripts::from(own).chosen(&[default])?.ok_or_else(|| missing.to_owned())?;
    Ok(chosen.in_javascript(default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_scriptable::SCRIPT_BYTES_MAX;
    use serde_json::json;

    const DEFAULT: &str = "if(msgType === 'A') {\n  return true;\n}";

    #[test]
    fn which_script_runs() {
        let long = "x".repeat(SCRIPT_BYTES_MAX + 1);
        let tbel = Err("scriptLang TBEL is not offered: write the script in JavaScript and set scriptLang to JS");
        let cases = [
            (
                json!({"scriptLang": "JS", "jsScript": "return 1;", "tbelScript": "return 2;"}),
                Ok("return 1;"),
            ),
            (json!({"jsScript": "return 1;"}), Ok("return 1;")),
            (json!({"scriptLang": null, "jsScript": "return 1;"}), Ok("return 1;")),
            (json!({"scriptLang": "JS", "jsScript": " \n"}), Err("jsScript is missing")),
            (json!({"scriptLang": "JS", "tbelScript": "return 2;"}), Err("jsScript is missing")),
            (json!({}), Err("jsScript is missing")),
            (
                json!({"scriptLang": "TBEL", "jsScript": "return 1;", "tbelScript": "return 2;"}),
                tbel,
            ),
            (json!({"scriptLang": "TBEL", "jsScript": "return 1;"}), tbel),
            (
                json!({"scriptLang": "TBEL", "tbelScript": "if(msgType == 'A') {\n    return true;\n}"}),
                Ok(DEFAULT),
            ),
            (
                json!({"scriptLang": "LUA", "jsScript": "return 1;"}),
                Err("scriptLang should be JS, but it is LUA"),
            ),
            (
                json!({"scriptLang": "JS", "jsScript": 5}),
                Err("jsScript should be a text, but it is 5"),
            ),
            (
                json!({"scriptLang": "JS", "jsScript": long}),
                Err("jsScript has 100001 bytes, more than the 100000 allowed"),
            ),
        ];
        for (configuration, expected) in cases {
            let found = script(&configuration.to_string(), DEFAULT);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{configuration}");
        }
    }
}
