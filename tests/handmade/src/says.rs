//! What a component says of itself, true or not, laid out as the contract's records are.

use crate::image::{Image, Span};

/// Bytes of the record of a node type.
pub const RECORD_BYTES: usize = 112;

/// A node type, in whatever words.
#[derive(Clone, Debug)]
pub struct NodeType {
    /// Name.
    pub type_name: Vec<u8>,
    /// Ids.
    pub class_ids: Vec<Vec<u8>>,
    /// Name for people.
    pub title: Vec<u8>,
    /// Family.
    pub family: Vec<u8>,
    /// Help.
    pub details: Vec<u8>,
    /// Relations.
    pub relations: Vec<Vec<u8>>,
    /// Schema.
    pub schema: Vec<u8>,
    /// Default configuration.
    pub configuration: Vec<u8>,
    /// Effects.
    pub effects: Vec<Vec<u8>>,
    /// Form of what it keeps.
    pub state: Vec<u8>,
    /// More: names, each with its value behind it.
    pub extensions: Vec<Vec<u8>>,
}

impl Default for NodeType {
    fn default() -> Self {
        NodeType {
            type_name: b"handmade".to_vec(),
            class_ids: vec![b"test.handmade".to_vec()],
            title: b"handmade".to_vec(),
            family: b"ACTION".to_vec(),
            details: Vec::new(),
            relations: vec![b"Success".to_vec(), b"Failure".to_vec()],
            schema: b"{}".to_vec(),
            configuration: b"{}".to_vec(),
            effects: Vec::new(),
            state: Vec::new(),
            extensions: Vec::new(),
        }
    }
}

impl NodeType {
    /// With another name.
    pub fn named(name: &str) -> Self {
        NodeType {
            type_name: name.as_bytes().to_vec(),
            class_ids: vec![format!("test.{name}").into_bytes()],
            ..NodeType::default()
        }
    }

    /// The record `descriptor`.
    fn record(&self, image: &mut Image) -> Vec<u8> {
        let empty = Span { at: 0, len: 0 };
        let class_ids = image.texts(&self.class_ids);
        let relations = image.texts(&self.relations);
        let effects = image.texts(&self.effects);
        // A pair of texts is laid out as two texts are.
        let extensions = image.texts(&self.extensions);
        let extensions = Span {
            at: extensions.at,
            len: extensions.len / 2,
        };
        let mut text = |bytes: &[u8]| image.text(bytes).words();
        let description = text(b"Made by hand.");
        [
            &text(&self.type_name)[..],
            &class_ids.words(),
            &text(&self.title),
            &text(&self.family),
            &description,
            &text(&self.details),
            &empty.words(),
            &relations.words(),
            &0u32.to_le_bytes(),
            &text(&self.schema),
            &text(&self.configuration),
            &0u32.to_le_bytes(),
            &effects.words(),
            &text(&self.state),
            &extensions.words(),
        ]
        .concat()
    }
}

/// Lays out node types; answers where the list's words stand.
pub fn types(image: &mut Image, types: &[NodeType]) -> u32 {
    let records: Vec<u8> = types.iter().flat_map(|one| one.record(image)).collect();
    let at = image.put(&records);
    let len = u32::try_from(types.len()).unwrap_or(u32::MAX);
    image.span(Span { at, len })
}

/// Lays out the description of an adapter of either kind; answers where it stands.
pub fn adapter(image: &mut Image, name: &[u8]) -> u32 {
    let texts = [name, b"Handmade", b"Made by hand."].map(|bytes| image.text(bytes).words());
    let record = [&texts.concat()[..], &Span { at: 0, len: 0 }.words()].concat();
    image.put(&record)
}
