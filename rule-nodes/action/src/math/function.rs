//! The functions a message can be put through, by their names in configurations. Pure.

use super::expression::Expression;

/// A function of one number, and one of two.
type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

/// A function of numbers.
pub enum Function {
    /// Of one.
    One(OfOne),
    /// Of two.
    Two(OfTwo),
    /// Of two whole numbers; parts behind the point are left out.
    Whole(fn(i64, i64) -> Option<i64>),
    /// Written in the configuration.
    Custom(Expression),
}

/// Functions of one number, by name.
const ONE: [(&str, OfOne); 24] = [
    ("SIN", f64::sin),
    ("SINH", f64::sinh),
    ("COS", f64::cos),
    ("COSH", f64::cosh),
    ("TAN", f64::tan),
    ("TANH", f64::tanh),
    ("ACOS", f64::acos),
    ("ASIN", f64::asin),
    ("ATAN", f64::atan),
    ("EXP", f64::exp),
    ("EXPM1", f64::exp_m1),
    ("SQRT", f64::sqrt),
    ("CBRT", f64::cbrt),
    ("GET_EXP", exponent),
    ("LOG", f64::ln),
    ("LOG10", f64::log10),
    ("LOG1P", f64::ln_1p),
    ("CEIL", f64::ceil),
    ("FLOOR", f64::floor),
    ("ABS", f64::abs),
    ("SIGNUM", signum),
    ("RAD", f64::to_radians),
    ("DEG", f64::to_degrees),
    ("ROUND", f64::round),
];

/// Functions of two numbers, by name.
const TWO: [(&str, OfTwo); 9] = [
    ("ADD", |a, b| a + b),
    ("SUB", |a, b| a - b),
    ("MULT", |a, b| a * b),
    ("DIV", |a, b| a / b),
    ("ATAN2", f64::atan2),
    ("HYPOT", f64::hypot),
    ("MIN", f64::min),
    ("MAX", f64::max),
    ("POW", f64::powf),
];

impl Function {
    /// The function of a name; `CUSTOM`: the one that is written, of the arguments with these names.
    pub fn named(name: &str, written: Option<&str>, arguments: &[String]) -> Result<Self, String> {
        if name == "CUSTOM" {
            let written = written.filter(|text| !text.trim().is_empty()).ok_or("customFunction is empty")?;
            let expression = Expression::parse(written, arguments).map_err(|reason| ["customFunction: ", &reason].concat())?;
            return Ok(Function::Custom(expression));
        }
        let whole: Option<fn(i64, i64) -> Option<i64>> = match name {
            "FLOOR_DIV" => Some(floor_div),
            "FLOOR_MOD" => Some(floor_mod),
            _ => None,
        };
        let function = one(name)
            .map(Function::One)
            .or_else(|| two(name).map(Function::Two))
            .or_else(|| whole.map(Function::Whole))
            .ok_or_else(|| ["operation: there is no ", name].concat())?;
        let wanted = match function {
            Function::One(_) => 1,
            _ => 2,
        };
        if arguments.len() != wanted {
            return Err([
                "operation: ",
                name,
                " takes ",
                if wanted == 1 { "one argument" } else { "two arguments" },
            ]
            .concat());
        }
        Ok(function)
    }

    /// Its value. The arguments are as many as it was made for.
    pub fn of(&self, arguments: &[f64]) -> Result<f64, String> {
        let result = match (self, arguments) {
            (Function::One(function), [a]) => function(*a),
            (Function::Two(function), [a, b]) => function(*a, *b),
            (Function::Whole(function), [a, b]) => match function(*a as i64, *b as i64) {
                Some(result) => result as f64,
                None => return Err("a division by zero".to_owned()),
            },
            (Function::Custom(expression), arguments) => expression.value(arguments),
            _ => return Err("another number of arguments".to_owned()),
        };
        if result.is_finite() {
            Ok(result)
        } else {
            Err("the result is no number".to_owned())
        }
    }
}

/// A function of one number.
pub fn one(name: &str) -> Option<OfOne> {
    ONE.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

/// A function of two numbers.
pub fn two(name: &str) -> Option<OfTwo> {
    TWO.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

/// The exponent to the base of two, without bias.
fn exponent(value: f64) -> f64 {
    let bits = (value.to_bits() >> 52) & 0x7ff;
    f64::from(bits as i32 - 1023)
}

/// −1, 0 or 1.
fn signum(value: f64) -> f64 {
    if value == 0.0 { value } else { value.signum() }
}

fn floor_div(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    let inexact = a.checked_rem(b)? != 0;
    Some(if inexact && ((a < 0) != (b < 0)) { quotient - 1 } else { quotient })
}

fn floor_mod(a: i64, b: i64) -> Option<i64> {
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && ((rest < 0) != (b < 0)) { rest + b } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, values: &[f64]) -> Result<f64, String> {
        let names: Vec<String> = ["x", "y"].iter().take(values.len()).map(|name| (*name).to_owned()).collect();
        Function::named(name, None, &names)?.of(values)
    }

    #[test]
    fn every_operation_has_its_value() {
        let cases: [(&str, &[f64], f64); 44] = [
            ("ADD", &[2.0, 3.5], 5.5),
            ("SUB", &[2.0, 3.5], -1.5),
            ("MULT", &[2.0, 3.5], 7.0),
            ("DIV", &[7.0, 2.0], 3.5),
            ("SIN", &[1.0], 0.841_470_984_807_896_5),
            ("SINH", &[1.0], 1.175_201_193_643_801_4),
            ("COS", &[1.0], 0.540_302_305_868_139_8),
            ("COSH", &[1.0], 1.543_080_634_815_243_7),
            ("TAN", &[1.0], 1.557_407_724_654_902_3),
            ("TANH", &[1.0], 0.761_594_155_955_764_9),
            ("ACOS", &[0.5], std::f64::consts::FRAC_PI_3),
            ("ASIN", &[0.5], std::f64::consts::FRAC_PI_6),
            ("ATAN", &[0.5], 0.463_647_609_000_806_1),
            ("ATAN2", &[0.5, 0.3], 1.030_376_826_524_312_5),
            ("EXP", &[1.0], std::f64::consts::E),
            ("EXPM1", &[1.0], 1.718_281_828_459_045),
            ("SQRT", &[2.25], 1.5),
            ("CBRT", &[27.0], 3.0),
            ("CBRT", &[-8.0], -2.0),
            ("GET_EXP", &[8.0], 3.0),
            ("GET_EXP", &[0.3], -2.0),
            ("GET_EXP", &[-9.5], 3.0),
            ("HYPOT", &[3.0, 4.0], 5.0),
            ("LOG", &[1.0], 0.0),
            ("LOG10", &[1000.0], 3.0),
            ("LOG1P", &[0.0], 0.0),
            ("CEIL", &[1.2], 2.0),
            ("FLOOR", &[-1.2], -2.0),
            ("FLOOR_DIV", &[5.9, 3.0], 1.0),
            ("FLOOR_DIV", &[-5.0, 3.0], -2.0),
            ("FLOOR_DIV", &[-6.0, 3.0], -2.0),
            ("FLOOR_DIV", &[6.0, -4.0], -2.0),
            ("FLOOR_MOD", &[5.0, 3.0], 2.0),
            ("FLOOR_MOD", &[-5.0, 3.0], 1.0),
            ("FLOOR_MOD", &[5.0, -3.0], -1.0),
            ("ABS", &[-1.5], 1.5),
            ("MIN", &[2.0, -3.0], -3.0),
            ("MAX", &[2.0, -3.0], 2.0),
            ("POW", &[2.0, 10.0], 1024.0),
            ("SIGNUM", &[-0.3], -1.0),
            ("SIGNUM", &[0.0], 0.0),
            ("RAD", &[180.0], std::f64::consts::PI),
            ("DEG", &[std::f64::consts::PI], 180.0),
            ("ROUND", &[2.5], 3.0),
        ];
        for (name, values, expected) in cases {
            let result = of(name, values).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            assert!(
                (result - expected).abs() <= 4.0 * f64::EPSILON * expected.abs().max(1.0),
                "{name} {values:?}: {result}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_no_result() {
        for (name, values) in [
            ("DIV", &[1.0, 0.0][..]),
            ("FLOOR_DIV", &[1.0, 0.0]),
            ("FLOOR_MOD", &[1.0, 0.5]),
            ("SQRT", &[-1.0]),
            ("LOG", &[0.0]),
            ("EXP", &[1e4]),
            ("ACOS", &[2.0]),
        ] {
            assert!(of(name, values).is_err(), "{name}");
        }
        for (name, values) in [
            ("ADD", &[1.0][..]),
            ("SIN", &[1.0, 2.0]),
            ("MODULO", &[1.0]),
            ("sin", &[1.0]),
            ("", &[]),
        ] {
            assert!(of(name, values).is_err_and(|told| told.starts_with("operation")), "{name}");
        }
        assert!(of("CUSTOM", &[1.0]).is_err_and(|told| told.contains("customFunction")));
    }
}
