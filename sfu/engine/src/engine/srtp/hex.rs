//! Bytes as the RFCs write them.

/// The bytes of a text of hexadecimal digits, with anything between them.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|digit| Some(digit.to_digit(16)? as u8))
        .collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}
