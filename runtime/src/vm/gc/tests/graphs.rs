//! What is reachable stays as it is, however often it moves.

use std::collections::HashMap;

use wrun_module::gc::{array, i31};

use super::{BYTES, LEFT, PAIR_SIZE, REFERENCES, RIGHT, VALUE, World};

#[test]
fn a_list_survives_and_what_was_dropped_does_not() {
    let mut world = World::new(64 << 20);
    world.roots.push(0);
    for value in 0..1000 {
        world.roots[0] = world.pair(value, Some(0), None);
        world.pair(u32::MAX, Some(0), None);
    }
    for _ in 0..3 {
        world.collect();
        assert_eq!(world.used(), 1000 * PAIR_SIZE);
        let mut node = world.roots[0];
        for value in (0..1000).rev() {
            assert_eq!(world.get(node, VALUE), value);
            node = world.get(node, LEFT);
        }
        assert_eq!(node, 0);
    }
    world.roots.clear();
    world.collect();
    assert_eq!(world.used(), 0);
}

#[test]
fn a_cycle_stays_one_and_goes_as_a_whole() {
    let mut world = World::new(64 << 20);
    let first = world.pair(1, None, None);
    world.roots.push(first);
    let second = world.pair(2, Some(0), None);
    let first = world.roots[0];
    world.set(first, LEFT, second);
    world.set(first, RIGHT, first);
    for _ in 0..3 {
        world.collect();
        let first = world.roots[0];
        let second = world.get(first, LEFT);
        assert_eq!((world.get(first, VALUE), world.get(second, VALUE)), (1, 2));
        assert_eq!((world.get(second, LEFT), world.get(first, RIGHT)), (first, first));
        assert_eq!(world.used(), 2 * PAIR_SIZE);
    }
    world.roots.clear();
    world.collect();
    assert_eq!(world.used(), 0);
}

#[test]
fn what_is_shared_stays_shared() {
    let mut world = World::new(64 << 20);
    let shared = world.pair(7, None, None);
    world.roots.push(shared);
    for _ in 0..2 {
        let user = world.pair(0, Some(0), Some(0));
        world.roots.push(user);
    }
    world.collect();
    let copies: Vec<u32> = world.roots[1..]
        .iter()
        .flat_map(|&user| [world.get(user, LEFT), world.get(user, RIGHT)])
        .collect();
    assert_eq!(copies, [world.roots[0]; 4]);
    assert_eq!(world.used(), 3 * PAIR_SIZE);
}

#[test]
fn null_and_i31_are_no_objects() {
    let mut world = World::new(64 << 20);
    // Numbers that would lie in the heap if they were references.
    let numbers = [0, 1, -1, 1 << 15, (1 << 15) + 4].map(i31);
    world.roots.extend(numbers);
    world.roots.push(0);
    let holder = world.array(REFERENCES, 5, 20);
    for (index, number) in (0..).zip(numbers) {
        world.set(holder, array::ELEMENTS + 4 * index, number);
    }
    world.roots.push(holder);
    world.collect();
    let holder = world.roots[6];
    assert_eq!(world.roots[..6], [&numbers[..], &[0]].concat());
    for (index, number) in (0..).zip(numbers) {
        assert_eq!(world.get(holder, array::ELEMENTS + 4 * index), number);
    }
}

#[test]
fn a_place_may_be_visited_twice() {
    let mut world = World::new(64 << 20);
    let pair = world.pair(3, None, None);
    let mut root = pair;
    let World { heap, bump, shapes, externals, .. } = &mut world;
    heap.collect(bump, shapes, externals, 0, |evacuation| {
        evacuation.visit(&mut root);
        evacuation.visit(&mut root);
    })
    .unwrap();
    assert_eq!(world.used(), PAIR_SIZE);
    assert_eq!(world.get(root, VALUE), 3);
}

#[test]
fn a_million_nodes_survive_ten_collections() {
    const NODES: u32 = 1 << 20;
    let mut world = World::new(256 << 20);
    world.roots.push(0);
    // A list of nodes that each refer to the one before as well as to themselves.
    for value in 0..NODES {
        let node = world.pair(value, Some(0), None);
        world.set(node, RIGHT, node);
        world.roots[0] = node;
    }
    for _ in 0..10 {
        world.collect();
        assert_eq!(world.used(), u64::from(NODES) * PAIR_SIZE);
    }
    let mut node = world.roots[0];
    for value in (0..NODES).rev() {
        assert_eq!((world.get(node, VALUE), world.get(node, RIGHT)), (value, node));
        node = world.get(node, LEFT);
    }
}

#[test]
fn arrays_move_with_all_their_elements() {
    let mut world = World::new(64 << 20);
    for len in [0, 1, 7, 8, 9, 100_001] {
        let bytes = world.array(BYTES, len, len.next_multiple_of(4));
        for at in 0..len {
            world.heap.write(bytes, array::ELEMENTS + at, [(at % 251) as u8]);
        }
        world.roots = vec![bytes];
        world.collect();
        let bytes = world.roots[0];
        assert_eq!(world.get(bytes, array::LENGTH), len);
        for at in 0..len {
            assert_eq!(world.heap.read(bytes, array::ELEMENTS + at), [(at % 251) as u8], "{at}");
        }
        assert_eq!(world.used(), u64::from((array::ELEMENTS + len).next_multiple_of(8)));
    }
}

/// A generator of numbers that look random (G. Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// What the objects are to look like: for each, by its number, what it refers to.
type Model = HashMap<u32, Vec<Option<u32>>>;

/// Compares all that the roots lead to with the model, object by object.
fn compare(world: &World, model: &Model, roots: &[Option<u32>]) {
    let mut place_of: HashMap<u32, u32> = HashMap::new();
    let mut pending: Vec<(u32, Option<u32>)> =
        world.roots.iter().copied().zip(roots.iter().copied()).collect();
    while let Some((object, expected)) = pending.pop() {
        let Some(name) = expected else {
            assert_eq!(object, 0);
            continue;
        };
        if let Some(&place) = place_of.get(&name) {
            assert_eq!(object, place, "object {name} is in two places");
            continue;
        }
        place_of.insert(name, object);
        let len = world.get(object, array::LENGTH);
        assert_eq!(world.get(object, array::ELEMENTS), i31(name as i32));
        let references = &model[&name];
        assert_eq!(len as usize, references.len() + 1, "the length of object {name}");
        for (index, &reference) in (1..).zip(references) {
            pending.push((world.get(object, array::ELEMENTS + 4 * index), reference));
        }
    }
}

/// Makes, links and forgets objects at random and compares with the model all the time.
fn random_graph(seed: u64, stress: bool, steps: u32) {
    const ROOTS: usize = 24;
    let mut world = World::with_stress(4 << 20, stress);
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
    let mut model = Model::new();
    let mut roots: Vec<Option<u32>> = vec![None; ROOTS];
    world.roots = vec![0; ROOTS];
    for name in 0..steps {
        let len = match random.below(20) {
            0 => random.below(800),
            _ => random.below(6),
        };
        let object = world.array(REFERENCES, len as u32 + 1, 4 * (len as u32 + 1));
        world.set(object, array::ELEMENTS, i31(name as i32));
        let mut references = Vec::new();
        for index in 1..=len as u32 {
            let from = random.below(ROOTS);
            references.push(roots[from]);
            world.set(object, array::ELEMENTS + 4 * index, world.roots[from]);
        }
        model.insert(name, references);
        let to = random.below(ROOTS);
        (roots[to], world.roots[to]) = (Some(name), object);
        // Changes an object that exists: it may refer to a younger one, and to itself.
        let (holder, from) = (random.below(ROOTS), random.below(ROOTS));
        if let Some(name) = roots[holder] {
            let references = model.get_mut(&name).expect("it was made");
            if !references.is_empty() {
                let index = random.below(references.len());
                references[index] = roots[from];
                let offset = array::ELEMENTS + 4 * (index as u32 + 1);
                world.set(world.roots[holder], offset, world.roots[from]);
            }
        }
        if random.below(5) == 0 {
            let root = random.below(ROOTS);
            (roots[root], world.roots[root]) = (None, 0);
        }
        if random.below(500) == 0 {
            world.collect();
        }
        if name % 128 == 0 {
            compare(&world, &model, &roots);
        }
    }
    compare(&world, &model, &roots);
    assert!(world.collections > 3, "only {} collections", world.collections);
}

#[test]
fn random_graphs_stay_as_their_model_says() {
    for seed in 1..=3 {
        random_graph(seed, false, 12_000);
    }
}

#[test]
fn random_graphs_stay_as_their_model_says_when_every_allocation_collects() {
    for seed in 1..=2 {
        random_graph(seed, true, 300);
    }
}
