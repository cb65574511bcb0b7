//! How the loops of a function are nested.
//!
//! Loops are named by the offsets of their instructions from the start of the body. Bodies are valid; of one that cannot be
//! read nothing is said.

use std::collections::HashSet;

use wasmparser::{FunctionBody, Operator};

/// The loops around the instruction at an offset of a body, the outermost first.
pub fn loops_around(body: &FunctionBody<'_>, offset: u32) -> Vec<u32> {
    let Ok(mut reader) = body.get_operators_reader() else { return Vec::new() };
    // For each block that is open where it begins, if it is a loop.
    let mut open: Vec<Option<u32>> = Vec::new();
    while !reader.eof() {
        let at = (reader.original_position() - body.range().start) as u32;
        if at >= offset {
            return open.into_iter().flatten().collect();
        }
        match reader.read() {
            Ok(Operator::Loop { .. }) => open.push(Some(at)),
            Ok(operator) if begins_block(&operator) => open.push(None),
            Ok(operator) if ends_block(&operator) => {
                open.pop();
            }
            Ok(_) => {}
            Err(_) => return Vec::new(),
        }
    }
    Vec::new()
}

/// The locals that are assigned in the loop at an offset of a body, in what it holds included; nothing when the body cannot be read, or
/// no loop is there.
pub fn assigned_in_loop(body: &FunctionBody<'_>, offset: u32) -> Option<HashSet<u32>> {
    let mut reader = body.get_operators_reader().ok()?;
    while ((reader.original_position() - body.range().start) as u32) < offset {
        reader.read().ok()?;
    }
    let Ok(Operator::Loop { .. }) = reader.read() else { return None };
    let mut assigned = HashSet::new();
    let mut depth = 1;
    while depth > 0 {
        match reader.read().ok()? {
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                assigned.insert(local_index);
            }
            operator if begins_block(&operator) => depth += 1,
            operator if ends_block(&operator) => depth -= 1,
            _ => {}
        }
    }
    Some(assigned)
}

fn begins_block(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. }
    )
}

fn ends_block(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::End | Operator::Delegate { .. })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use wasmparser::Operator;

    use super::{assigned_in_loop, loops_around};
    use crate::{Features, parse};

    #[test]
    fn loops_are_around_what_they_hold() {
        let text = r#"(module (func (param i32) (local i64)
            (loop $a
                (block (loop $b (br_if $b (local.get 0))))
                (if (local.get 0) (then (loop $c (loop $d (br_if $a (local.get 0))))))
                (block))
            (loop $e)))"#;
        let binary = wat::parse_str(text).expect("a module");
        let module = parse(&binary, Features::default()).expect("valid");
        let body = &module.bodies[0];
        let mut loops = Vec::new();
        let mut reader = body.get_operators_reader().expect("a body");
        while !reader.eof() {
            let at = (reader.original_position() - body.range().start) as u32;
            if matches!(reader.read(), Ok(Operator::Loop { .. })) {
                loops.push(at);
            }
        }
        let [a, b, c, d, e] = loops[..] else { panic!("five loops, found {loops:?}") };
        let around = |offset| loops_around(body, offset);
        assert_eq!((around(a), around(b), around(c)), (vec![], vec![a], vec![a]));
        assert_eq!((around(d), around(e), around(u32::MAX)), (vec![a, c], vec![], vec![]));
    }
    #[test]
    fn what_is_assigned_in_a_loop_is_found_at_any_depth() {
        let text = r#"(module (func (param i32) (local i32 i32 i32 i32)
            (local.set 1 (i32.const 1))
            (loop $a
                (local.set 2 (local.tee 3 (local.get 1)))
                (block (loop (if (local.get 0) (then (local.set 0 (i32.const 0))) (else (nop))))))
            (local.set 4 (i32.const 1))))"#;
        let binary = wat::parse_str(text).expect("a module");
        let module = parse(&binary, Features::default()).expect("valid");
        let body = &module.bodies[0];
        let mut reader = body.get_operators_reader().expect("a body");
        let mut found = Vec::new();
        while !reader.eof() {
            let at = (reader.original_position() - body.range().start) as u32;
            if matches!(reader.read(), Ok(Operator::Loop { .. })) {
                found.push(assigned_in_loop(body, at));
            } else {
                assert_eq!(assigned_in_loop(body, at), None, "no loop at {at}");
            }
        }
        assert_eq!(found, [Some(HashSet::from([0, 2, 3])), Some(HashSet::from([0]))]);
    }
}
