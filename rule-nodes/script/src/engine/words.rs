//! What is wrong with a script, in words for its author: with the line and column of the script as it was written.

use boa_engine::ast::scope::Scope;
use boa_engine::interner::Interner;
use boa_engine::parser::lexer::Error as LexError;
use boa_engine::parser::{Error as ParseError, Parser, Source};
use boa_engine::{Context, JsError};

use super::host::{DEPTH_MAX, ROUNDS_MAX};

/// Name of the script in the interpreter's positions.
pub(super) const PATH: &str = "script";
/// Characters of a reason at most: a script may throw anything.
const REASON_CHARS_MAX: usize = 500;

/// Reads a script as what it is to be, the body of a function, before anything of it runs.
///
/// # Errors
/// Why it is none.
pub(super) fn check(source: &str, given: &str, interner: &mut Interner) -> Result<(), String> {
    let what = match read(source, given, interner) {
        Ok(true) => return Ok(()),
        Ok(false) => "it closes a brace that it did not open".to_owned(),
        Err(ParseError::AbruptEnd) => format!("it ends too early at line {}", source.lines().count()),
        Err(ParseError::Lex { err }) => match &err {
            LexError::Syntax(what, place) => format!("{what} at line {}, col {}", place.line_number() - 1, place.column_number()),
            LexError::IO(_) => format!("{err} at line {}", first_unread(source, given, interner)),
        },
        Err(error) => moved(error.to_string(), source),
    };
    Err(cut(format!("the script is not JavaScript: {what}")))
}

/// Whether a script is all within the function whose body it is to be.
fn read(source: &str, given: &str, interner: &mut Interner) -> Result<bool, ParseError> {
    let whole = ["function script(", given, ") {\n", source, "\n}"].concat();
    let script = Parser::new(Source::from_bytes(&whole)).parse_script(&Scope::new_global(), interner)?;
    Ok(script.statements().len() == 1)
}

/// The line where something begins that does not end, such as a text: as many lines as are not read for that reason.
fn first_unread(source: &str, given: &str, interner: &mut Interner) -> usize {
    let ends: Vec<usize> = source.match_indices('\n').map(|(end, _)| end).collect();
    let mut unread = |end: &usize| {
        let read = read(&source[..*end], given, interner);
        matches!(read, Err(ParseError::Lex { err: LexError::IO(_) }))
    };
    1 + ends.partition_point(|end| !unread(end))
}

/// Words of the parser, with the line as its author counts: what stands around a script has one before it and one behind it.
fn moved(text: String, source: &str) -> String {
    let counted = text.rsplit_once(" at line ").and_then(|(what, place)| {
        let (line, column) = place.split_once(", ")?;
        let line = line
            .parse::<usize>()
            .ok()?
            .saturating_sub(1)
            .clamp(1, source.lines().count().max(1));
        Some(format!("{what} at line {line}, {column}"))
    });
    counted.unwrap_or(text)
}

/// Why a script ended before it returned anything.
pub(super) fn thrown(error: &JsError, context: &mut Context) -> String {
    let told = error.to_string();
    let reason = match (error.as_native(), error.as_opaque().and_then(|value| value.as_string())) {
        (Some(native), _) if native.is_runtime_limit() => limit(native.message()),
        (Some(native), _) => native.to_string(),
        (None, Some(text)) => text.to_std_string_lossy(),
        (None, None) => match error.try_native(context) {
            Ok(native) => without_place(native.to_string()),
            Err(_) => first_line(&told).to_owned(),
        },
    };
    match place(&told) {
        Some((line, column)) => format!("{} (line {line}, column {column} of the script)", cut(reason)),
        None => cut(reason),
    }
}

fn limit(message: &str) -> String {
    if message.contains("loop") {
        format!("the script goes round its loops more than {ROUNDS_MAX} times")
    } else {
        format!("the script calls functions inside each other, more than {DEPTH_MAX} deep")
    }
}

/// Where in the script an error comes from: the innermost place that the interpreter knows there.
fn place(told: &str) -> Option<(u32, u32)> {
    let mark = format!("({PATH}:");
    told.lines().filter(|line| line.starts_with("    at ")).find_map(|line| {
        let (_, rest) = line.rsplit_once(&mark)?;
        let (line, column) = rest.strip_suffix(')')?.split_once(':')?;
        let line: u32 = line.parse().ok()?;
        // The function as a whole is in the line before the script's first: that says nothing.
        Some((line.checked_sub(1).filter(|line| *line > 0)?, column.parse().ok()?))
    })
}

/// What an error says, but for the place where it was made, which the interpreter writes behind it.
fn without_place(mut text: String) -> String {
    if let Some(at) = text.rfind(&format!(" ({PATH}:")) {
        text.truncate(at);
    }
    text
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(REASON_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
