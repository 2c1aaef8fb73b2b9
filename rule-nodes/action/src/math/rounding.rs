//! Rounding as people do it: a number as it is written, half away from zero. Pure.

/// Digits behind the point at most.
pub const PRECISION_MAX: u32 = 20;

/// A number with so many digits behind the point.
pub fn rounded(value: f64, precision: u32) -> f64 {
    let written = value.abs().to_string();
    let Some((whole, fraction)) = written.split_once('.') else {
        return value;
    };
    let kept = precision as usize;
    if fraction.len() <= kept {
        return value;
    }
    let (fraction, cut) = fraction.split_at(kept);
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if cut.as_bytes()[0] >= b'5' {
        raise(&mut digits);
    }
    let point = digits.len() - kept;
    digits.insert(point, b'.');
    let text = String::from_utf8(digits).unwrap_or_default();
    text.parse::<f64>().map_or(value, |rounded| rounded.copysign(value))
}

/// Adds one to a number written in digits.
fn raise(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_goes_away_from_zero_as_it_is_written() {
        for (value, precision, expected) in [
            (1.005, 2, 1.01),
            (-1.005, 2, -1.01),
            (2.5, 0, 3.0),
            (0.5, 0, 1.0),
            (0.49, 0, 0.0),
            (9.995, 2, 10.0),
            (99.95, 1, 100.0),
            (1.0 / 3.0, 3, 0.333),
            (7.0, 2, 7.0),
            (1e300, 2, 1e300),
            (1e-300, 2, 0.0),
            (123.456, 20, 123.456),
        ] {
            assert_eq!(rounded(value, precision), expected, "{value} {precision}");
        }
    }
}
