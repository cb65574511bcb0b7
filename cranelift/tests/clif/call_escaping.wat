;; Exported functions are native, all others are called with the internal convention.
(module
  (func $native (export "native") (param i32) (result i32 i32) (local.get 0) (call $internal (local.get 0)))
  (func $internal (param i32) (result i32)
    call $pair drop drop
    (i32.add (call $native (local.get 0))))
  (func $pair (result i32 i64) (i32.const 1) (i64.const 2)))
