//! The configuration of a script node, in ThingsBoard's form, and the script it stands for.

use pacificsoft_sdk::Configuration;

/// Bytes of a script at most.
pub(crate) const SCRIPT_BYTES_MAX: usize = 100_000;

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

/// The script that a configuration stands for. `default` is what ThingsBoard writes into a new node, in both languages.
///
/// # Errors
/// Why there is none that runs, in words for the configuration's author.
pub(crate) fn script(configuration: &str, default: &str) -> Result<String, String> {
    let own = ScriptConfiguration::parse(configuration)?;
    let script = match own.script_lang.as_deref() {
        // Configurations older than TBEL name no language.
        None | Some("JS") => own.js_script.filter(|script| !is_blank(script)).ok_or("jsScript is missing")?,
        Some("TBEL") => own
            .tbel_script
            .filter(|script| means_the_same(script, default))
            .ok_or("scriptLang TBEL is not offered: write the script in JavaScript and set scriptLang to JS")?,
        Some(other) => return Err(["scriptLang should be JS, but it is ", other].concat()),
    };
    if script.len() > SCRIPT_BYTES_MAX {
        return Err(format!(
            "jsScript has {} bytes, more than the {SCRIPT_BYTES_MAX} allowed",
            script.len()
        ));
    }
    Ok(script)
}

fn is_blank(script: &str) -> bool {
    script.chars().all(char::is_whitespace)
}

/// Whether a script is the default one but for white space; none that is left out matters in the defaults.
fn means_the_same(script: &str, default: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    // The defaults of the two languages differ in this one operator, and not in what it says of two texts.
    letters(script).replace("===", "==") == letters(default).replace("===", "==")
}

#[cfg(test)]
mod tests {
    use super::*;
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
                Ok("if(msgType == 'A') {\n    return true;\n}"),
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
