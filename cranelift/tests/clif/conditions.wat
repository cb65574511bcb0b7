;; Tests are not extended where only their being zero matters.
(module
  (func (param i32 i32) (result i32)
    (if (result i32) (i32.eqz (i32.lt_s (local.get 0) (local.get 1)))
      (then (select (i32.const 1) (i32.const 2) (i32.eq (local.get 0) (i32.const 3))))
      (else (i32.ge_u (local.get 0) (local.get 1)))))
  (func (param i32)
    (if (local.get 0) (then (unreachable)))
    (if (local.get 0) (then) (else (return))))
  (func (param i32) (result i32) (i32.const 5)
    (if (param i32) (result i32) (local.get 0) (then (i32.clz)))))
