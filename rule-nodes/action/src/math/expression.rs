//! Functions that are written down: `(x - 32) * 5 / 9`. Read once, kept as a list of steps on a stack. Pure, and bounded: by the length of
//! the text, and by how deep it nests.
//!
//! Numbers, names of arguments, `pi` and `e`; `+ - * / % ^` with the usual precedence (`^` binds to the right, and before a sign); brackets;
//! the operations of one and of two numbers as functions, by their names in small letters, and by those that are common elsewhere.

use super::function;

/// Bytes of a text at most.
const TEXT_BYTES_MAX: usize = 4_096;
/// Brackets, signs and powers inside of each other at most.
const DEPTH_MAX: usize = 64;

/// Names of functions that are others in configurations.
const ALSO: [(&str, &str); 10] = [
    ("ln", "LOG"),
    ("log", "LOG"),
    ("lg", "LOG10"),
    ("log10", "LOG10"),
    ("log1p", "LOG1P"),
    ("toradian", "RAD"),
    ("todegree", "DEG"),
    ("getexp", "GET_EXP"),
    ("sgn", "SIGNUM"),
    ("mul", "MULT"),
];

/// A function that was written down.
pub struct Expression(Vec<Step>);

/// On a stack of numbers.
#[derive(Clone, Copy)]
enum Step {
    Number(f64),
    Argument(usize),
    One(fn(f64) -> f64),
    Two(fn(f64, f64) -> f64),
}

impl Expression {
    /// Reads a text in which arguments have these names.
    pub fn parse(text: &str, arguments: &[String]) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err("it is longer than 4096 bytes".to_owned());
        }
        let mut reader = Reader {
            rest: text,
            arguments,
            steps: Vec::new(),
            depth: 0,
        };
        reader.sum()?;
        match reader.peek() {
            None => Ok(Expression(reader.steps)),
            Some(other) => Err(unexpected(other)),
        }
    }

    /// Its value, which may be none: the caller looks.
    pub fn value(&self, arguments: &[f64]) -> f64 {
        let mut stack = Vec::new();
        for step in &self.0 {
            let value = match step {
                Step::Number(value) => *value,
                Step::Argument(index) => arguments.get(*index).copied().unwrap_or(f64::NAN),
                Step::One(function) => function(pop(&mut stack)),
                Step::Two(function) => {
                    let second = pop(&mut stack);
                    function(pop(&mut stack), second)
                }
            };
            stack.push(value);
        }
        pop(&mut stack)
    }
}

fn pop(stack: &mut Vec<f64>) -> f64 {
    stack.pop().unwrap_or(f64::NAN)
}

fn unexpected(letter: char) -> String {
    let mut text = "there is something unexpected: ".to_owned();
    text.push(letter);
    text
}

/// Reads from the front.
struct Reader<'a> {
    rest: &'a str,
    arguments: &'a [String],
    steps: Vec<Step>,
    depth: usize,
}

impl Reader<'_> {
    /// The next letter that is no blank.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, letter: char) -> bool {
        let is_next = self.peek() == Some(letter);
        if is_next {
            self.rest = &self.rest[letter.len_utf8()..];
        }
        is_next
    }

    fn expect(&mut self, letter: char) -> Result<(), String> {
        if self.take(letter) {
            return Ok(());
        }
        let mut text = "it lacks a ".to_owned();
        text.push(letter);
        Err(text)
    }

    /// Goes one level deeper.
    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        if self.depth >= DEPTH_MAX {
            return Err("it nests deeper than 64 levels".to_owned());
        }
        self.depth += 1;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn sum(&mut self) -> Result<(), String> {
        self.product()?;
        loop {
            let function: fn(f64, f64) -> f64 = match self.peek() {
                Some('+') => |a, b| a + b,
                Some('-') => |a, b| a - b,
                _ => return Ok(()),
            };
            self.rest = &self.rest[1..];
            self.product()?;
            self.steps.push(Step::Two(function));
        }
    }

    fn product(&mut self) -> Result<(), String> {
        self.signed()?;
        loop {
            let function: fn(f64, f64) -> f64 = match self.peek() {
                Some('*') => |a, b| a * b,
                Some('/') => |a, b| a / b,
                Some('%') => |a, b| a % b,
                _ => return Ok(()),
            };
            self.rest = &self.rest[1..];
            self.signed()?;
            self.steps.push(Step::Two(function));
        }
    }

    /// A sign is weaker than a power: `-2^2` is −4.
    fn signed(&mut self) -> Result<(), String> {
        if self.take('-') {
            self.deeper(Self::signed)?;
            self.steps.push(Step::One(|value| -value));
            return Ok(());
        }
        if self.take('+') {
            return self.deeper(Self::signed);
        }
        self.power()
    }

    fn power(&mut self) -> Result<(), String> {
        self.atom()?;
        if self.take('^') {
            self.deeper(Self::signed)?;
            self.steps.push(Step::Two(f64::powf));
        }
        Ok(())
    }

    fn atom(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Err("it ends too early".to_owned()),
            Some('(') => {
                self.expect('(')?;
                self.deeper(Self::sum)?;
                self.expect(')')
            }
            Some(letter) if letter.is_ascii_digit() || letter == '.' => self.number(),
            Some(letter) if letter.is_alphabetic() || letter == '_' => self.name(),
            Some(other) => Err(unexpected(other)),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits((end + 1 + sign).min(bytes.len()));
            if exponent > end + 1 + sign {
                end = exponent;
            }
        }
        let (text, rest) = self.rest.split_at(end);
        let value: f64 = text.parse().map_err(|_| [text, " is no number"].concat())?;
        self.rest = rest;
        self.steps.push(Step::Number(value));
        Ok(())
    }

    fn name(&mut self) -> Result<(), String> {
        let end = self.rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if let Some(index) = self.arguments.iter().position(|argument| argument == name) {
            self.steps.push(Step::Argument(index));
            return Ok(());
        }
        if !self.take('(') {
            let value = match name {
                "pi" | "π" => std::f64::consts::PI,
                "e" => std::f64::consts::E,
                _ => return Err(["there is no argument ", name].concat()),
            };
            self.steps.push(Step::Number(value));
            return Ok(());
        }
        let small = name.to_lowercase();
        let also = ALSO.iter().find(|(known, _)| *known == small).map(|(_, other)| *other);
        let wanted = also.map_or_else(|| small.to_uppercase(), str::to_owned);
        self.deeper(Self::sum)?;
        let step = match (function::one(&wanted), function::two(&wanted)) {
            (Some(function), _) => Step::One(function),
            (None, Some(function)) => {
                self.expect(',')?;
                self.deeper(Self::sum)?;
                Step::Two(function)
            }
            (None, None) => return Err(["there is no function ", name].concat()),
        };
        self.expect(')')?;
        self.steps.push(step);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, arguments: &[(&str, f64)]) -> Result<f64, String> {
        let names: Vec<String> = arguments.iter().map(|(name, _)| (*name).to_owned()).collect();
        let values: Vec<f64> = arguments.iter().map(|(_, value)| *value).collect();
        Ok(Expression::parse(text, &names)?.value(&values))
    }

    #[test]
    fn expressions_mean_what_they_mean_elsewhere() {
        let arguments = [("x", 5.0), ("y", -2.0), ("temp_1", 77.0)];
        for (text, expected) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("10 - 4 - 3", 3.0),
            ("100 / 10 / 2", 5.0),
            ("7 % 4 * 2", 6.0),
            ("2 ^ 3 ^ 2", 512.0),
            ("-2 ^ 2", -4.0),
            ("2 ^ -1", 0.5),
            ("--x + +y", 3.0),
            ("2 * -y", 4.0),
            (".5 + 1. + 1e2 + 2.5E-1", 101.75),
            ("(temp_1 - 32) * 5 / 9", 25.0),
            ("sqrt(x + 4) + abs(y)", 5.0),
            ("max(x, min(y, 1)) + pow(2, 3)", 13.0),
            ("sin(pi / 2) + ln(e)", 2.0),
            ("SQRT(16)+Floor(2.7)", 6.0),
            ("log10(1000) + lg(10)", 4.0),
            ("\t x\n*y ", -10.0),
            ("2*e", 2.0 * std::f64::consts::E),
        ] {
            let told = value(text, &arguments).unwrap_or_else(|reason| panic!("{text}: {reason}"));
            assert!((told - expected).abs() < 1e-12, "{text}: {told}");
        }
        assert_eq!(value("e + pi", &[("e", 1.0), ("pi", 2.0)]), Ok(3.0), "arguments come first");
        assert_eq!(value("ä + 1", &[("ä", 1.0)]), Ok(2.0));
        assert!(value("x / 0", &arguments).expect("text").is_infinite());
    }

    #[test]
    fn what_cannot_be_read_is_refused_saying_why() {
        for (text, says) in [
            ("", "too early"),
            ("1 +", "too early"),
            ("(1", "lacks a )"),
            ("1)", "unexpected: )"),
            ("x y", "unexpected: y"),
            ("2x", "unexpected: x"),
            ("z + 1", "no argument z"),
            ("sine(1)", "no function sine"),
            ("max(1)", "lacks a ,"),
            ("sin(1, 2)", "lacks a )"),
            (".", "no number"),
            ("1..2", "unexpected: ."),
            ("1 & 2", "unexpected: &"),
            ("€", "unexpected: €"),
            ("floor_div(1, 2)", "no function"),
        ] {
            let told = value(text, &[("x", 1.0), ("y", 1.0)]).expect_err(text);
            assert!(told.contains(says), "{text}: {told}");
        }
    }

    #[test]
    fn depth_and_length_have_limits() {
        for nested in ["(", "-", "sin(", "1^"] {
            let text = |count: usize| {
                let closing = if nested.ends_with('(') { ")".repeat(count) } else { String::new() };
                [nested.repeat(count), "1".to_owned(), closing].concat()
            };
            assert!(value(&text(DEPTH_MAX), &[]).is_ok(), "{nested}");
            assert!(
                value(&text(DEPTH_MAX + 1), &[]).is_err_and(|told| told.contains("deeper")),
                "{nested}"
            );
            assert!(value(&text(1_000), &[]).is_err(), "{nested}");
        }
        assert!(value(&["1+".repeat(2_047), "1".to_owned()].concat(), &[]).is_ok());
        assert!(value(&"1+".repeat(2_049), &[]).is_err_and(|told| told.contains("longer")));
    }
}
