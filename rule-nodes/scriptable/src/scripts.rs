//! The scripts of a configuration, in ThingsBoard's form, and which of them runs.

/// Bytes of a script at most.
pub const SCRIPT_BYTES_MAX: usize = 100_000;

/// Scripts as a configuration has them, in both languages.
pub struct Scripts {
    /// None is JS: configurations older than TBEL name no language.
    pub language: Option<String>,
    /// In JavaScript.
    pub js: Option<String>,
    /// In TBEL.
    pub tbel: Option<String>,
    /// The field with the one in JavaScript.
    pub name: &'static str,
}

/// Why a script in TBEL does not run.
pub const TBEL_REFUSED: &str = "scriptLang TBEL is not offered: write the script in JavaScript and set scriptLang to JS";

impl Scripts {
    /// The script in the language that is chosen; none: there is none. `defaults` are what ThingsBoard writes into a new node, one after the
    /// other in JavaScript and in TBEL.
    ///
    /// # Errors
    /// Why it does not run, in words for the configuration's author.
    pub fn chosen(self, defaults: &[&str]) -> Result<Option<Chosen>, String> {
        let (script, is_tbel) = match self.language.as_deref() {
            None | Some("JS") => (self.js, false),
            Some("TBEL") => (self.tbel, true),
            Some(other) => return Err(["scriptLang should be JS, but it is ", other].concat()),
        };
        match script.filter(|script| !is_blank(script)) {
            None => Ok(None),
            Some(script) if script.len() > SCRIPT_BYTES_MAX => Err(format!(
                "{} has {} bytes, more than the {SCRIPT_BYTES_MAX} allowed",
                self.name,
                script.len()
            )),
            Some(script) if defaults.iter().any(|default| means_the_same(&script, default)) => Ok(Some(Chosen::Default)),
            Some(_) if is_tbel => Err(TBEL_REFUSED.to_owned()),
            Some(script) => Ok(Some(Chosen::Own(script))),
        }
    }
}

/// A script that is chosen.
#[derive(Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It says no more than the default one, in whichever language it does.
    Default,
    /// This one, in JavaScript.
    Own(String),
}

impl Chosen {
    /// The script in JavaScript; `default` is the default one.
    pub fn in_javascript(self, default: &str) -> String {
        match self {
            Chosen::Default => default.to_owned(),
            Chosen::Own(script) => script,
        }
    }
}

fn is_blank(script: &str) -> bool {
    script.chars().all(char::is_whitespace)
}

/// Whether a script is the default one but for white space and comments; nothing of either matters in the defaults.
fn means_the_same(script: &str, default: &str) -> bool {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let letters = |text: &str| text.lines().map(code).collect::<String>().split_whitespace().collect::<String>();
    // The defaults of the two languages differ in this one operator, and not in what it says of two texts.
    letters(script).replace("===", "==") == letters(default).replace("===", "==")
}
