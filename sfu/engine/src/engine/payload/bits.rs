//! Reading numbers of any number of bits, most significant first.

/// What is left to be read.
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// Of the first bit that was not read.
    at: usize,
}

impl<'a> Bits<'a> {
    /// All bits of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next number of `width` bits, at most 32; `None` at the end.
    pub fn take(&mut self, width: usize) -> Option<u32> {
        if self.at + width > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0;
        for _ in 0..width {
            let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
            value = value << 1 | u32::from(bit);
            self.at += 1;
        }
        Some(value)
    }

    /// The next bit.
    pub fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit != 0)
    }

    /// The next number below `count`, in as few bits as it needs: `ns(n)` of the AV1 specification,
    /// section 4.10.7.
    pub fn take_below(&mut self, count: u32) -> Option<u32> {
        let width = 32 - count.leading_zeros();
        let short = (1u64 << width) as u32 - count;
        let value = self.take(width.saturating_sub(1) as usize)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.take(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_across_bytes_up_to_the_end() {
        let mut bits = Bits::new(&[0b1010_0000, 0b1111_0001]);
        assert_eq!(bits.flag(), Some(true));
        assert_eq!(bits.take(2), Some(0b01));
        assert_eq!(bits.take(9), Some(0b0_0000_1111));
        assert_eq!(bits.take(0), Some(0));
        assert_eq!(bits.take(5), None);
        assert_eq!(bits.take(4), Some(1));
        assert_eq!(bits.flag(), None);
    }

    #[test]
    fn numbers_below_a_count_take_as_few_bits_as_they_need() {
        // Of five: 0, 1 and 2 in two bits, 3 and 4 in three.
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000]);
        let read: Vec<_> = (0..5).map(|_| bits.take_below(5)).collect();
        assert_eq!(read, [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(Bits::new(&[]).take_below(1), Some(0));
        assert_eq!(Bits::new(&[]).take_below(2), None);
    }
}
