;; One compare where the memory always has the bytes behind the index, or cannot grow; two where it may not have them.
(module
  (memory $grows i64 1)
  (memory $empty i64 0)
  (memory $fixed i64 2 2)
  (memory $bytes 9 (pagesize 1))
  (func $one_compare (param i64) (result i32) (i32.load $grows offset=65532 (local.get 0)))
  (func $two_compares (param i64) (result i32) (i32.load $empty (local.get 0)))
  (func $constant (param i64) (result i32) (i32.load $fixed offset=4 (local.get 0)))
  (func $never_in_bounds (param i64) (result i32)
    (i32.load $grows offset=0xfffffffffffffffd (local.get 0)))
  (func $small_pages (param i32) (result i32) (i32.load $bytes (local.get 0)))
  (func $sizes (result i64 i32) (memory.size $grows) (memory.size $bytes))
  (func $fill (param i64) (memory.fill $grows (local.get 0) (i32.const 0) (local.get 0))))
