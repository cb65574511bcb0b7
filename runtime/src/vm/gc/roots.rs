//! [`HostRoots`]: the references that the host holds, which the collector keeps alive and up to date.
//!
//! What the host has is never the reference itself but the place of one here. There are two kinds: those on the *stack*
//! are valid until the scope that they were made in ends and cost next to nothing; *owned* ones are valid until the last
//! clone of their token is dropped, on whichever thread.
//!
//! A place on the stack is used again when its scope has ended. Each has the number of the generation it was filled in, and
//! a new generation begins whenever places are given up, so that place and generation together name one reference for ever:
//! a handle that has outlived its scope finds nothing, and never another object.

use std::sync::{Arc, Weak};

/// A reference on the stack.
#[derive(Clone, Copy, Debug)]
struct Slot {
    reference: u32,
    generation: u64,
}

/// Names a reference on the stack of one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotName {
    index: u32,
    generation: u64,
}

/// How many references are on the stack: what a scope notes when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScopeMark(usize);

/// Keeps an owned reference alive for as long as there is one.
pub(crate) type OwnedToken = Arc<()>;

/// An owned reference.
#[derive(Debug)]
struct Owned {
    reference: u32,
    /// Dead when nobody holds the reference any more.
    token: Weak<()>,
}

/// The references that the host holds.
#[derive(Debug, Default)]
pub(crate) struct HostRoots {
    stack: Vec<Slot>,
    generation: u64,
    owned: Vec<Owned>,
    /// Places in `owned` that are not in use.
    free: Vec<u32>,
    /// When so many places in `owned` are in use, it is time to look which are not any more.
    look_at: usize,
}

impl HostRoots {
    /// Pushes a reference.
    ///
    /// # Panics
    /// When 2³² are on the stack.
    #[inline]
    pub(super) fn push(&mut self, reference: u32) -> SlotName {
        let index = u32::try_from(self.stack.len()).expect("fewer than 2^32 references in a scope");
        self.stack.push(Slot { reference, generation: self.generation });
        SlotName { index, generation: self.generation }
    }

    /// The reference with a name; nothing once its scope has ended.
    #[inline]
    pub(super) fn get(&self, name: SlotName) -> Option<u32> {
        let slot = self.stack.get(name.index as usize)?;
        (slot.generation == name.generation).then_some(slot.reference)
    }

    /// Begins a scope.
    #[inline]
    pub(crate) fn begin_scope(&self) -> ScopeMark {
        ScopeMark(self.stack.len())
    }

    /// Ends a scope, and with it all that have begun since.
    #[inline]
    pub(crate) fn end_scope(&mut self, mark: ScopeMark) {
        if self.stack.len() > mark.0 {
            self.stack.truncate(mark.0);
            self.generation += 1;
        }
    }

    /// Keeps a reference until the last clone of the token is dropped, and gives its place.
    ///
    /// # Panics
    /// When there are 2³².
    pub(super) fn own(&mut self, reference: u32) -> (u32, OwnedToken) {
        if self.free.is_empty() && self.owned.len() >= self.look_at {
            self.find_free();
            self.look_at = 2 * (self.owned.len() - self.free.len()).max(16);
        }
        let token = OwnedToken::default();
        let owned = Owned { reference, token: Arc::downgrade(&token) };
        let index = match self.free.pop() {
            Some(index) => {
                self.owned[index as usize] = owned;
                index
            }
            None => {
                self.owned.push(owned);
                u32::try_from(self.owned.len() - 1).expect("fewer than 2^32 owned references")
            }
        };
        (index, token)
    }

    /// The owned reference at a place, whose token is held.
    pub(super) fn get_owned(&self, index: u32, token: &OwnedToken) -> Option<u32> {
        let owned = self.owned.get(index as usize)?;
        std::ptr::eq(owned.token.as_ptr(), Arc::as_ptr(token)).then_some(owned.reference)
    }

    fn find_free(&mut self) {
        self.free.clear();
        let places = self.owned.iter().zip(0..);
        let dead = places.filter(|(owned, _)| owned.token.strong_count() == 0);
        self.free.extend(dead.map(|(_, index)| index));
    }

    /// Shows every reference to a collection that is under way.
    pub(super) fn visit(&mut self, mut visit: impl FnMut(&mut u32)) {
        self.stack.iter_mut().for_each(|slot| visit(&mut slot.reference));
        let alive = self.owned.iter_mut().filter(|owned| owned.token.strong_count() > 0);
        alive.for_each(|owned| visit(&mut owned.reference));
        self.find_free();
    }
}

#[cfg(test)]
mod tests {
    use super::HostRoots;

    #[test]
    fn a_name_is_good_until_its_scope_ends_and_never_names_another_reference() {
        let mut roots = HostRoots::default();
        let outer = roots.push(8);
        let scope = roots.begin_scope();
        let inner = roots.push(16);
        assert_eq!((roots.get(outer), roots.get(inner)), (Some(8), Some(16)));
        roots.end_scope(scope);
        assert_eq!((roots.get(outer), roots.get(inner)), (Some(8), None));
        let next = roots.push(24);
        assert_eq!((roots.get(inner), roots.get(next)), (None, Some(24)));
        assert_eq!(next.index, inner.index, "the place is used again");
    }

    #[test]
    fn an_empty_scope_costs_no_generation() {
        let mut roots = HostRoots::default();
        let name = roots.push(8);
        let scope = roots.begin_scope();
        roots.end_scope(scope);
        assert_eq!(roots.generation, 0);
        assert_eq!(roots.get(name), Some(8));
    }

    #[test]
    fn the_end_of_a_scope_ends_those_in_it() {
        let mut roots = HostRoots::default();
        let outer = roots.begin_scope();
        let name = roots.push(8);
        let inner = roots.begin_scope();
        roots.end_scope(outer);
        roots.end_scope(inner);
        assert_eq!(roots.get(name), None);
        assert!(roots.stack.is_empty());
    }

    #[test]
    fn owned_references_live_as_long_as_a_clone_of_their_token() {
        let mut roots = HostRoots::default();
        let (first, token) = roots.own(8);
        let clone = token.clone();
        drop(token);
        let mut seen = Vec::new();
        roots.visit(|reference| {
            seen.push(*reference);
            *reference = 48;
        });
        assert_eq!(seen, [8]);
        assert_eq!(roots.get_owned(first, &clone), Some(48), "it is where the object was moved to");
        drop(clone);
        roots.visit(|_| panic!("nobody holds it"));
        let (second, token) = roots.own(16);
        assert_eq!(second, first, "the place is used again");
        assert_eq!(roots.get_owned(second, &token), Some(16));
        assert_eq!(roots.get_owned(second, &super::OwnedToken::default()), None);
    }

    #[test]
    fn places_of_dropped_owned_references_are_found_without_a_collection() {
        let mut roots = HostRoots::default();
        for _ in 0..10_000 {
            drop(roots.own(8));
        }
        assert!(roots.owned.len() <= 64, "{}", roots.owned.len());
    }
}
