(module
  (type $f (func (param i32) (result i32)))
  (table $typed 4 (ref null $f))
  (func $call (param (ref $f)) (result i32) (call_ref $f (i32.const 1) (local.get 0)))
  (func $tail_call (param (ref null $f)) (result i32)
    (return_call_ref $f (i32.const 1) (local.get 0)))
  ;; The type of the table says what its elements are: no comparison of types.
  (func $indirect (param i32) (result i32)
    (call_indirect $typed (type $f) (i32.const 1) (local.get 0)))
  (func $not_null (param (ref null $f)) (result (ref $f)) (ref.as_non_null (local.get 0)))
  (func $on_null (param (ref null $f)) (result i32)
    (block $null
      (return (call_ref $f (i32.const 1) (br_on_null $null (local.get 0)))))
    (i32.const 0))
  (func $on_non_null (param (ref null $f)) (result i32)
    (call_ref $f (i32.const 1)
      (block $some (result (ref $f))
        (br_on_non_null $some (local.get 0))
        (return (i32.const 0))))))
