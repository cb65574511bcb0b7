//! [`Table`]: which descriptor a number stands for.
//!
//! The lock is held for looking up and for changing what a number stands for, never while something is done with a
//! descriptor: whoever looked one up has it until the call is over, and a number that comes to stand for something else
//! meanwhile changes nothing for that call. As everywhere, a new descriptor gets the lowest number that is free.

use super::{Descriptor, HostResult};
use rustix::io::Errno;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The descriptors of a guest.
#[derive(Debug, Default)]
pub(crate) struct Table(RwLock<Slots>);

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Option<Arc<Descriptor>>>,
    /// No number below is free.
    free: usize,
}

/// A descriptor that stays what it is for the length of a call.
pub(crate) enum Held<'a> {
    /// Nobody else could close it.
    Alone(&'a Descriptor),
    /// Others may take its number away.
    Shared(Arc<Descriptor>),
}

impl Deref for Held<'_> {
    type Target = Descriptor;

    fn deref(&self) -> &Descriptor {
        match self {
            Held::Alone(descriptor) => descriptor,
            Held::Shared(descriptor) => descriptor,
        }
    }
}

impl Slots {
    fn open(&mut self, fd: u32) -> HostResult<&mut Option<Arc<Descriptor>>> {
        let slot = usize::try_from(fd).ok().and_then(|fd| self.slots.get_mut(fd));
        slot.filter(|slot| slot.is_some()).ok_or_else(|| Errno::BADF.into())
    }
}

impl Table {
    fn read(&self) -> RwLockReadGuard<'_, Slots> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `badf` when it stands for nothing.
    pub(crate) fn get(&self, fd: u32) -> HostResult<Arc<Descriptor>> {
        let table = self.read();
        let slot = usize::try_from(fd).ok().and_then(|fd| table.slots.get(fd));
        slot.and_then(Clone::clone).ok_or_else(|| Errno::BADF.into())
    }

    /// As [`get`](Self::get), for who has the table alone, or shares it. A guest with one thread then pays for one atomic
    /// instruction instead of four, which is a fifth of what writing a byte costs beyond the system call.
    pub(crate) fn hold(table: &mut Arc<Table>, fd: u32) -> HostResult<Held<'_>> {
        if Arc::strong_count(table) > 1 {
            return Ok(Held::Shared(table.get(fd)?));
        }
        let alone =
            Arc::get_mut(table).expect("there is no other, and nobody to make one meanwhile");
        let slots = alone.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        slots.open(fd)?.as_deref().map(Held::Alone).ok_or_else(|| Errno::BADF.into())
    }

    /// Gives a descriptor the lowest number that is free.
    ///
    /// # Errors
    /// `mfile` when there is none.
    pub(crate) fn insert(&self, descriptor: Descriptor) -> HostResult<u32> {
        let mut table = self.write();
        let slot = (table.free..table.slots.len()).find(|&slot| table.slots[slot].is_none());
        let slot = slot.unwrap_or(table.slots.len());
        // Guests take them for signed numbers.
        let fd = i32::try_from(slot).map_err(|_| Errno::MFILE)?.cast_unsigned();
        if slot == table.slots.len() {
            table.slots.push(None);
        }
        table.slots[slot] = Some(Arc::new(descriptor));
        table.free = slot + 1;
        Ok(fd)
    }

    /// Takes a number's descriptor away; it is closed when the last call that uses it is over.
    ///
    /// # Errors
    /// `badf` when it stands for nothing.
    pub(crate) fn remove(&self, fd: u32) -> HostResult<()> {
        let mut table = self.write();
        let removed = table.open(fd)?.take();
        table.free = table.free.min(fd as usize);
        // Closing may take its time, and is nobody else's business.
        drop(table);
        drop(removed);
        Ok(())
    }

    /// Makes `to` stand for what `fd` stands for, and `fd` for nothing.
    ///
    /// # Errors
    /// `badf` when one of them stands for nothing.
    pub(crate) fn renumber(&self, fd: u32, to: u32) -> HostResult<()> {
        let mut table = self.write();
        table.open(to)?;
        let moved = table.open(fd)?.take();
        let replaced = if fd == to {
            table.slots[to as usize] = moved;
            None
        } else {
            table.free = table.free.min(fd as usize);
            std::mem::replace(&mut table.slots[to as usize], moved)
        };
        drop(table);
        drop(replaced);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Descriptor, Errno, Held, Table};
    use crate::host::{FileKind, Stream};

    fn stream() -> Descriptor {
        Descriptor::input(Stream::default())
    }

    #[test]
    fn a_new_descriptor_gets_the_lowest_free_number() {
        let table = Table::default();
        let insert = || table.insert(stream()).expect("room");
        assert_eq!([insert(), insert(), insert(), insert()], [0, 1, 2, 3]);
        table.remove(2).expect("open");
        table.remove(1).expect("open");
        assert_eq!([insert(), insert(), insert()], [1, 2, 4]);
        table.renumber(0, 3).expect("both open");
        assert_eq!([insert(), insert()], [0, 5]);
    }

    #[test]
    fn only_what_is_open_is_found_closed_and_renumbered() {
        let table = Table::default();
        assert_eq!(table.insert(stream()), Ok(0));
        for (fd, to) in [(0, 1), (1, 0), (u32::MAX, 0), (0, u32::MAX)] {
            assert_eq!(table.renumber(fd, to), Err(Errno::BADF.into()));
        }
        assert_eq!(table.renumber(0, 0), Ok(()));
        assert_eq!(table.get(0).expect("still open").kind(), Ok(FileKind::Unknown));
        assert_eq!(table.remove(0), Ok(()));
        assert_eq!(table.remove(0), Err(Errno::BADF.into()));
        assert_eq!(table.get(0).map(|_| ()), Err(Errno::BADF.into()));
    }

    #[test]
    fn a_descriptor_is_held_alone_or_with_others() {
        let mut table = Arc::new(Table::default());
        let fd = table.insert(stream()).expect("room");
        assert!(matches!(Table::hold(&mut table, fd), Ok(Held::Alone(_))));
        assert_eq!(Table::hold(&mut table, 9).map(|_| ()), Err(Errno::BADF.into()));
        let mut clone = Arc::clone(&table);
        let held = Table::hold(&mut clone, fd).expect("open");
        assert!(matches!(held, Held::Shared(_)));
        table.remove(fd).expect("open");
        assert_eq!(held.kind(), Ok(FileKind::Unknown));
        assert_eq!(Table::hold(&mut table, fd).map(|_| ()), Err(Errno::BADF.into()));
    }

    #[test]
    fn what_is_in_use_outlives_its_number() {
        let table = Table::default();
        let fd = table.insert(stream()).expect("room");
        let held = table.get(fd).expect("open");
        table.remove(fd).expect("open");
        assert_eq!(held.kind(), Ok(FileKind::Unknown));
    }
}
