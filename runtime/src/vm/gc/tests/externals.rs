//! Values of the host's live as long as their objects, and are dropped once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wrun_module::gc::{EXTERNAL_TYPE, external};

use super::World;

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl World {
    fn external(&mut self, drops: &Arc<AtomicUsize>) -> u32 {
        let object = self.allocate(EXTERNAL_TYPE, external::SIZE.into());
        let number = self.externals.insert(Box::new(Counted(drops.clone())));
        let number = number.unwrap_or_else(|_| panic!("there are numbers left"));
        self.set(object, external::NUMBER, number);
        object
    }
}

#[test]
fn values_are_dropped_once_when_their_objects_are_gone() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut world = World::new(64 << 20);
    for _ in 0..100 {
        let object = world.external(&drops);
        world.roots.push(object);
    }
    world.collect();
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    world.roots.truncate(30);
    world.collect();
    assert_eq!(drops.load(Ordering::Relaxed), 70);
    world.collect();
    assert_eq!(drops.load(Ordering::Relaxed), 70);
    drop(world);
    assert_eq!(drops.load(Ordering::Relaxed), 100);
}

#[test]
fn values_are_kept_by_objects_that_refer_to_theirs() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut world = World::new(64 << 20);
    let object = world.external(&drops);
    world.roots.push(object);
    let holder = world.pair(0, None, Some(0));
    world.roots[0] = holder;
    world.collect();
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    let object = world.get(world.roots[0], super::RIGHT);
    let number = world.get(object, external::NUMBER);
    assert!(world.externals.get(number).is_some_and(|value| value.is::<Counted>()));
    world.roots.clear();
    world.collect();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert!(world.externals.get(number).is_none());
}

#[test]
fn numbers_are_used_again() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut world = World::new(4 << 20);
    for _ in 0..1_000_000 {
        world.external(&drops);
    }
    assert!(world.collections > 3);
    world.collect();
    assert_eq!(world.externals.len(), 0);
    let object = world.external(&drops);
    assert!(world.get(object, external::NUMBER) < 500_000);
}
