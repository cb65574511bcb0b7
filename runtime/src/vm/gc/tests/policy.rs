//! When the heap collects, how far it grows, and where it ends.

use wrun_module::gc::{ADDRESS_SPACE, NULL_REGION, array};

use super::{BYTES, PAIR, PAIR_SIZE, VALUE, World};

const MEBIBYTE: u64 = 1 << 20;

#[test]
fn garbage_of_ten_gigabytes_fits_in_a_small_heap() {
    let mut world = World::new(64 * MEBIBYTE);
    let kept = world.pair(42, None, None);
    world.roots.push(kept);
    let (mut allocated, mut size) = (0, 16);
    while allocated < 10_u64 << 30 {
        size = if size >= 32 << 10 { 16 } else { size + 488 };
        let bytes = world.allocate(BYTES, u64::from(size));
        world.set(bytes, array::LENGTH, size - array::ELEMENTS);
        allocated += u64::from(size);
    }
    assert_eq!(world.get(world.roots[0], VALUE), 42);
    assert!(world.collections > 9000, "{}", world.collections);
    assert!(world.used() <= MEBIBYTE, "as little survives, the heap does not grow");
}

#[test]
fn the_heap_grows_with_what_survives_and_shrinks_again() {
    let mut world = World::new(512 * MEBIBYTE);
    for _ in 0..32 {
        let bytes = world.array(BYTES, 0, 0);
        world.roots.push(bytes);
        let large = world.allocate(BYTES, MEBIBYTE);
        world.set(large, array::LENGTH, MEBIBYTE as u32 - array::ELEMENTS);
        world.roots.push(large);
    }
    assert!(world.collections < 8, "{}", world.collections);
    let before = world.collections;
    // With 32 MiB alive there is room for 64 more before the next collection is due.
    world.collect();
    for _ in 0..60 {
        let garbage = world.allocate(BYTES, MEBIBYTE);
        world.set(garbage, array::LENGTH, 0);
    }
    assert_eq!(world.collections, before + 1);
    world.roots.clear();
    world.collect();
    assert_eq!(world.used(), 0);
    let half = world.allocate(BYTES, MEBIBYTE / 2);
    world.set(half, array::LENGTH, 0);
    assert!(world.heap.must_collect(&world.bump, MEBIBYTE));
}

#[test]
fn half_of_the_limit_is_for_objects_to_the_last_byte() {
    for max in [0, 16, 64, 100, 3 * MEBIBYTE] {
        let mut world = World::new(max);
        let room = max / 2 / PAIR_SIZE;
        for value in 0..room as u32 {
            let pair = world.pair(value, None, None);
            world.roots.push(pair);
        }
        assert_eq!(world.try_allocate(PAIR, PAIR_SIZE), None, "{max}");
        for (value, &pair) in (0..).zip(&world.roots) {
            assert_eq!(world.get(pair, VALUE), value);
        }
        // One that goes makes room for one.
        if world.roots.pop().is_some() {
            let pair = world.pair(77, None, None);
            assert_eq!(world.get(pair, VALUE), 77);
            assert!(world.try_allocate(PAIR, PAIR_SIZE).is_some(), "the pair is garbage");
        }
    }
}

#[test]
fn sizes_that_no_heap_has_are_refused() {
    let mut world = World::new(u64::MAX);
    for size in [u64::MAX, u64::MAX - 7, 1 << 63, ADDRESS_SPACE, ADDRESS_SPACE / 2] {
        assert_eq!(world.try_allocate(BYTES, size), None, "{size:#x}");
    }
    let pair = world.pair(1, None, None);
    assert_eq!(world.get(pair, VALUE), 1, "the heap is as good as before");
}

#[test]
fn objects_as_large_as_a_half_move_to_the_other() {
    let mut world = World::new(u64::MAX);
    // For this much the heap has to grow, so that a collection comes first.
    world.collect();
    let half = ADDRESS_SPACE / 2 - u64::from(NULL_REGION);
    let large = world.allocate(BYTES, half);
    // Short to the collector, so that not all of it is copied.
    world.set(large, array::LENGTH, 4);
    world.heap.write(large, (half - 4) as u32, [1, 2, 3, 4]);
    world.heap.write(large, array::ELEMENTS, [5, 6, 7, 8]);
    world.roots.push(large);
    assert_eq!(world.bump.next, ADDRESS_SPACE / 2, "it takes all of the first half");
    for _ in 0..3 {
        world.collect();
        assert_eq!(world.heap.read(world.roots[0], array::ELEMENTS), [5, 6, 7, 8]);
    }
}

#[test]
fn objects_at_the_edges_of_a_half_move() {
    let mut world = World::new(64 * MEBIBYTE);
    let first = world.pair(1, None, None);
    assert_eq!(first, NULL_REGION);
    world.roots.push(first);
    let rest = MEBIBYTE - 2 * PAIR_SIZE;
    let filler = world.allocate(BYTES, rest);
    world.set(filler, array::LENGTH, rest as u32 - array::ELEMENTS);
    let last = world.pair(2, Some(0), None);
    assert_eq!(u64::from(last) + PAIR_SIZE, world.bump.limit, "it takes the last bytes");
    world.roots.push(last);
    assert_eq!(world.collections, 0);
    world.collect();
    assert_eq!(u64::from(world.roots[0]), ADDRESS_SPACE / 2);
    assert_eq!(world.get(world.roots[0], VALUE), 1);
    assert_eq!(world.get(world.roots[1], VALUE), 2);
    assert_eq!(world.get(world.roots[1], super::LEFT), world.roots[0]);
}

#[test]
fn generated_code_may_not_allocate_by_itself_under_stress() {
    let mut world = World::with_stress(64 * MEBIBYTE, true);
    for value in 0..10 {
        assert_eq!(world.bump.limit, 0);
        world.pair(value, None, None);
    }
    assert_eq!(world.collections, 10);
    assert_eq!(World::new(MEBIBYTE).bump.limit, u64::from(NULL_REGION) + MEBIBYTE / 2);
}
