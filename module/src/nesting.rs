//! How the loops of a function are nested.
//!
//! Loops are named by the offsets of their instructions from the start of the body. Bodies are valid; of one that cannot be
//! read nothing is said.

use wasmparser::{FunctionBody, Operator};

/// The loops around the instruction at an offset of a body, the outermost first.
pub(crate) fn loops_around(body: &FunctionBody<'_>, offset: u32) -> Vec<u32> {
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
            Ok(
                Operator::Block { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. }
                | Operator::Try { .. },
            ) => open.push(None),
            Ok(Operator::End | Operator::Delegate { .. }) => {
                open.pop();
            }
            Ok(_) => {}
            Err(_) => return Vec::new(),
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use wasmparser::Operator;

    use super::loops_around;
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
}
