//! [`I31`]: integers of 31 bits, which references can be instead of referring to something.

use std::fmt;

/// An integer of 31 bits, signed or unsigned as its reader likes. It is a value: it needs no store.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct I31(u32);

impl I31 {
    /// The integer, when it has no more than 31 bits.
    pub fn new_i32(value: i32) -> Option<I31> {
        let wrapped = Self::wrapping_i32(value);
        (wrapped.get_i32() == value).then_some(wrapped)
    }

    /// The integer, when it has no more than 31 bits.
    pub fn new_u32(value: u32) -> Option<I31> {
        let wrapped = Self::wrapping_u32(value);
        (wrapped.get_u32() == value).then_some(wrapped)
    }

    /// The lower 31 bits, as `ref.i31` takes them.
    pub fn wrapping_i32(value: i32) -> I31 {
        Self::wrapping_u32(value as u32)
    }

    /// The lower 31 bits.
    pub fn wrapping_u32(value: u32) -> I31 {
        I31(value & (u32::MAX >> 1))
    }

    /// Its value as a signed integer, as `i31.get_s` gives it.
    pub fn get_i32(self) -> i32 {
        (self.0 << 1) as i32 >> 1
    }

    /// Its value as an unsigned integer, as `i31.get_u` gives it.
    pub fn get_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for I31 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("I31").field(&self.get_i32()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::I31;

    #[test]
    fn the_upper_bit_is_cut_off_or_refused() {
        for value in [0, 1, -1, (1 << 30) - 1, -1 << 30] {
            assert_eq!(I31::new_i32(value).map(I31::get_i32), Some(value));
            assert_eq!(I31::wrapping_i32(value).get_u32(), value as u32 & 0x7fff_ffff);
        }
        for value in [1 << 30, i32::MAX, i32::MIN, (-1 << 30) - 1] {
            assert_eq!(I31::new_i32(value), None);
        }
        assert_eq!(I31::new_u32(0x7fff_ffff).map(I31::get_i32), Some(-1));
        assert_eq!(I31::new_u32(0x8000_0000), None);
        assert_eq!(I31::wrapping_u32(u32::MAX), I31::wrapping_i32(-1));
        assert_eq!(I31::wrapping_i32(i32::MIN).get_i32(), 0);
    }
}
