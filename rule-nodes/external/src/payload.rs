//! The message's data as it is sent.

use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::{Content, Message, Piece, RequestBody};

/// JSON; if `plain`, text without its quotation marks.
pub fn payload(message: &Message, plain: bool) -> RequestBody {
    if plain && message.shape("") == Shape::Text {
        RequestBody::Text(vec![Piece::Text(message.text("").unwrap_or_default())])
    } else {
        RequestBody::Content(Content::whole())
    }
}
