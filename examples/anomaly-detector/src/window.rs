//! The last values of a device, kept as bytes: eight for each, oldest first.

/// Values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window(Vec<f64>);

impl Window {
    /// Of what was kept; a rest that is no value is let go.
    pub fn read(bytes: &[u8]) -> Self {
        let values = bytes
            .chunks_exact(8)
            .filter_map(|chunk| chunk.try_into().ok())
            .map(f64::from_le_bytes);
        Window(values.filter(|value| value.is_finite()).collect())
    }

    /// As it is kept.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Values it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one; of more than so many the oldest are forgotten.
    pub fn push(&mut self, value: f64, max: usize) {
        self.0.push(value);
        let beyond = self.0.len().saturating_sub(max);
        self.0.drain(..beyond);
    }

    /// Average and standard deviation; 0 while nothing is known.
    pub fn figures(&self) -> (f64, f64) {
        if self.0.is_empty() {
            return (0.0, 0.0);
        }
        let count = self.0.len() as f64;
        let mean = self.0.iter().sum::<f64>() / count;
        let variance = self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn the_oldest_are_forgotten_and_bytes_are_read_back() {
        let mut window = Window::default();
        assert!(window.is_empty() && window.figures() == (0.0, 0.0));
        for value in [1.0, 2.0, 4.0, 6.0] {
            window.push(value, 3);
        }
        assert_eq!(window.len(), 3);
        let (mean, deviation) = window.figures();
        assert!((mean - 4.0).abs() < 1e-12 && (deviation - (8.0f64 / 3.0).sqrt()).abs() < 1e-12);
        let mut bytes = window.bytes();
        bytes.extend([1, 2, 3]);
        assert_eq!(Window::read(&bytes), window);
        assert!(Window::read(&f64::NAN.to_le_bytes()).is_empty());
    }
}
