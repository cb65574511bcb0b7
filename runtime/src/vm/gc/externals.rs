//! [`Externals`]: the values of the host's that objects of the heap stand for.
//!
//! An object of the type `EXTERNAL_TYPE` holds a number, which is that of a value here. No two objects hold the same one:
//! a number is given out again only after a collection that has not reached its object.

use std::any::Any;

/// A value of the host's.
pub(crate) type ExternalValue = Box<dyn Any + Send + Sync>;

/// The values, by number.
#[derive(Debug, Default)]
pub(crate) struct Externals {
    values: Vec<Option<ExternalValue>>,
    /// Numbers without value.
    free: Vec<u32>,
    /// One bit for each number: whether the collection that is under way has reached its object.
    reached: Vec<u64>,
}

impl Externals {
    /// Keeps a value and gives its number. When there is none left the value is given back.
    pub(super) fn insert(&mut self, value: ExternalValue) -> Result<u32, ExternalValue> {
        if let Some(number) = self.free.pop() {
            self.values[number as usize] = Some(value);
            return Ok(number);
        }
        let Ok(number) = u32::try_from(self.values.len()) else { return Err(value) };
        self.values.push(Some(value));
        Ok(number)
    }

    /// The value with a number.
    pub(super) fn get(&self, number: u32) -> Option<&(dyn Any + Send + Sync)> {
        self.values.get(number as usize)?.as_deref()
    }

    /// Number of values.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    /// Begins a collection: no object is reached yet.
    pub(super) fn begin(&mut self) {
        self.reached.clear();
        self.reached.resize(self.values.len().div_ceil(64), 0);
    }

    /// Notes that the object with a number was reached.
    pub(super) fn reach(&mut self, number: u32) {
        if let Some(bits) = self.reached.get_mut(number as usize / 64) {
            *bits |= 1 << (number % 64);
        }
    }

    /// Ends a collection: takes out the values whose objects were not reached. They are for the caller to drop, who can
    /// choose a moment at which it does no harm that dropping them runs the user's code, and may panic.
    #[must_use]
    pub(super) fn sweep(&mut self) -> Vec<ExternalValue> {
        let mut dead = Vec::new();
        for (number, value) in self.values.iter_mut().enumerate() {
            let reached = self.reached[number / 64] >> (number % 64) & 1 == 1;
            if !reached && let Some(value) = value.take() {
                dead.push(value);
                self.free.push(number as u32);
            }
        }
        dead
    }
}
