use super::{ParseError, parse};
use crate::{Features, FuncIndex};

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("valid text")
}

#[test]
fn functions_escape_by_export_element_global_and_start() {
    let bytes = wasm(
        r#"(module
            (import "m" "f" (func $imported))
            (func $internal)
            (func $exported (export "e"))
            (func $in_table)
            (func $in_global)
            (func $start (call $internal))
            (table 1 funcref)
            (elem (i32.const 0) $in_table)
            (global funcref (ref.func $in_global))
            (start $start))"#,
    );
    let module = parse(&bytes, Features::default()).unwrap();
    let escaping: Vec<_> = module.info.func_refs.iter().map(|decl| decl.func.0).collect();
    assert_eq!(escaping, [2, 3, 4, 5]);
    assert_eq!(module.info.func_ref(FuncIndex(3)), Some(1));
    assert_eq!(module.info.func_ref(FuncIndex(1)), None);
    assert_eq!(module.func_name(FuncIndex(1)), Some("internal"));
}

#[test]
fn a_missing_proposal_is_named() {
    let bytes = wasm("(module (memory 1) (func (memory.discard (i32.const 0) (i32.const 0))))");
    match parse(&bytes, Features::default()) {
        Err(ParseError::Unsupported { proposal: "memory-control", implemented: false, .. }) => {}
        other => panic!("expected a refusal that names memory-control, found {other:?}"),
    }
    let bytes = wasm("(module (func (result v128) v128.const i64x2 0 0))");
    let features = "simd=off".parse().unwrap();
    match parse(&bytes, features) {
        Err(ParseError::Unsupported { proposal: "simd", implemented: true, .. }) => {}
        other => panic!("expected a refusal that names simd, found {other:?}"),
    }
}

#[test]
fn every_prefix_of_a_module_is_refused_or_valid() {
    let bytes = wasm(
        r#"(module (memory 1) (data (i32.const 0) "hello") (func (export "f") (result i32) i32.const 1))"#,
    );
    assert!(parse(&bytes, Features::default()).is_ok());
    for end in 0..bytes.len() {
        // A prefix that ends between two sections is a module too; none may panic.
        let _ = parse(&bytes[..end], Features::default());
    }
    assert!(matches!(parse(&[], Features::default()), Err(ParseError::Invalid { .. })));
}

#[test]
fn components_are_told_apart() {
    let bytes = wasm("(component)");
    assert!(matches!(parse(&bytes, Features::default()), Err(ParseError::Component)));
}

#[test]
fn compact_imports_are_as_those_one_by_one() {
    // Type 0: no parameters. `m` has the functions `a` and `b`; `n` has `c` and `d`, both of type 0.
    let bytes = [
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x19\x02".as_slice(),
        b"\x01m\0\x7f\x02\x01a\0\0\x01b\0\0",
        b"\x01n\0\x7e\0\0\x02\x01c\x01d",
    ]
    .concat();
    let module = parse(&bytes, "compact-imports".parse().unwrap()).unwrap();
    let imports = module.info.imports.iter();
    let names: Vec<_> =
        imports.map(|import| format!("{} {}", import.module, import.name)).collect();
    assert_eq!(names, ["m a", "m b", "n c", "n d"]);
    assert_eq!(module.info.num_imported_funcs, 4);
    match parse(&bytes, Features::default()) {
        Err(ParseError::Unsupported { proposal: "compact-imports", implemented: true, .. }) => {}
        other => panic!("expected a refusal that names the flag, found {other:?}"),
    }
}

#[test]
fn branch_hints_are_read_and_damaged_ones_make_no_difference() {
    let text = r#"(module
        (func (param i32))
        (func (param i32)
            (block (@metadata.code.branch_hint "\01") (br_if 0 (local.get 0)))
            (@metadata.code.branch_hint "\00") (if (local.get 0) (then))))"#;
    let mut bytes = wat::parse_str(text).unwrap();
    let hints = |bytes: &[u8]| {
        let module = parse(bytes, Features::default()).unwrap();
        assert!(module.branch_hints(FuncIndex(0)).is_empty());
        module.branch_hints(FuncIndex(1)).to_vec()
    };
    let taken: Vec<bool> = hints(&bytes).iter().map(|hint| hint.2).collect();
    assert_eq!(taken, [true, false]);
    // The last byte of the section says what is expected, and can be 0 or 1 only.
    let name = b"metadata.code.branch_hint";
    let start = bytes.windows(name.len()).position(|it| it == name).unwrap();
    let end = start - 1 + usize::from(bytes[start - 2]);
    bytes[end - 1] = 7;
    assert_eq!(hints(&bytes), []);
}
