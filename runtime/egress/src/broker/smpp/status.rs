//! What a center says of something that it did not do: statuses of SMPP 3.4 in the words of its table (section 5.1.3). Pure.

/// All is well.
pub(super) const OK: u32 = 0;
/// A command that this side does not know.
pub(super) const UNKNOWN_COMMAND: u32 = 0x03;

/// Numbers that each center gives a meaning of its own.
const OWN: std::ops::RangeInclusive<u32> = 0x400..=0x4ff;

/// The table, in its order.
const WORDS: [(u32, &str); 47] = [
    (0x00, "No Error"),
    (0x01, "Message Length is invalid"),
    (0x02, "Command Length is invalid"),
    (0x03, "Invalid Command ID"),
    (0x04, "Incorrect BIND Status for given command"),
    (0x05, "ESME Already in Bound State"),
    (0x06, "Invalid Priority Flag"),
    (0x07, "Invalid Registered Delivery Flag"),
    (0x08, "System Error"),
    (0x0a, "Invalid Source Address"),
    (0x0b, "Invalid Dest Addr"),
    (0x0c, "Message ID is invalid"),
    (0x0d, "Bind Failed"),
    (0x0e, "Invalid Password"),
    (0x0f, "Invalid System ID"),
    (0x11, "Cancel SM Failed"),
    (0x13, "Replace SM Failed"),
    (0x14, "Message Queue Full"),
    (0x15, "Invalid Service Type"),
    (0x33, "Invalid number of destinations"),
    (0x34, "Invalid Distribution List name"),
    (0x40, "Destination flag is invalid"),
    (0x42, "Invalid 'submit with replace' request"),
    (0x43, "Invalid esm_class field data"),
    (0x44, "Cannot Submit to Distribution List"),
    (0x45, "submit_sm or submit_multi failed"),
    (0x48, "Invalid Source address TON"),
    (0x49, "Invalid Source address NPI"),
    (0x50, "Invalid Destination address TON"),
    (0x51, "Invalid Destination address NPI"),
    (0x53, "Invalid system_type field"),
    (0x54, "Invalid replace_if_present flag"),
    (0x55, "Invalid number of messages"),
    (0x58, "Throttling error"),
    (0x61, "Invalid Scheduled Delivery Time"),
    (0x62, "Invalid message validity period"),
    (0x63, "Predefined Message Invalid or Not Found"),
    (0x64, "ESME Receiver Temporary App Error Code"),
    (0x65, "ESME Receiver Permanent App Error Code"),
    (0x66, "ESME Receiver Reject Message Error Code"),
    (0x67, "query_sm request failed"),
    (0xc0, "Error in the optional part of the PDU Body"),
    (0xc1, "Optional Parameter not allowed"),
    (0xc2, "Invalid Parameter Length"),
    (0xc3, "Expected Optional Parameter missing"),
    (0xc4, "Invalid Optional Parameter Value"),
    (0xff, "Unknown Error"),
];

/// A status as it is told: its number, and what is known of it.
pub(super) fn told(status: u32) -> String {
    let known = WORDS.iter().find(|(known, _)| *known == status).map(|(_, words)| *words);
    match known {
        Some(words) => format!("0x{status:08X} ({words})"),
        None if OWN.contains(&status) => format!("0x{status:08X} (of the center's own)"),
        None => format!("0x{status:08X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_number_and_its_words() {
        for (status, text) in [
            (0x0e, "0x0000000E (Invalid Password)"),
            (0x58, "0x00000058 (Throttling error)"),
            (0x9, "0x00000009"),
            (0x400, "0x00000400 (of the center's own)"),
            (0x500, "0x00000500"),
            (u32::MAX, "0xFFFFFFFF"),
        ] {
            assert_eq!(told(status), text);
        }
        assert!(WORDS.is_sorted_by(|(one, _), (other, _)| one < other), "each once");
    }
}
