//! A message's metadata: a small map from text to text.

use std::sync::Arc;

/// Text by key, sorted. Small maps dominate (device name, device type, time), so a sorted list is the whole structure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(Arc<str>, Arc<str>)>);

impl Metadata {
    /// No entries.
    pub fn new() -> Self {
        Metadata::default()
    }

    /// No entries, room for some.
    pub fn with_capacity(capacity: usize) -> Self {
        Metadata(Vec::with_capacity(capacity))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.shared(key).map(|value| &**value)
    }

    /// The value of a key, to be kept without copying it.
    pub fn shared(&self, key: &str) -> Option<&Arc<str>> {
        self.position(key).ok().map(|index| &self.0[index].1)
    }

    /// Sets a value.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: impl Into<Arc<str>>) {
        let key = key.into();
        match self.position(&key) {
            Ok(index) => self.0[index].1 = value.into(),
            Err(index) => self.0.insert(index, (key, value.into())),
        }
    }

    /// Removes a value.
    pub fn remove(&mut self, key: &str) -> Option<Arc<str>> {
        self.position(key).ok().map(|index| self.0.remove(index).1)
    }

    /// All entries, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(have, _)| (**have).cmp(key))
    }
}

impl<K: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut metadata = Metadata::new();
        for (key, value) in entries {
            metadata.insert(key, value);
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_value_of_a_key_and_sorts() {
        let metadata: Metadata = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(metadata.get("b"), Some("3"));
        assert_eq!(metadata.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(metadata.get("c"), None);
    }
}
