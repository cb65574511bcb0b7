;; What an `if` passes on is settled in front of its branch: a test becomes a number, a vector of other lanes bytes.
(module
  (func (param i32 v128) (result i32)
    (i32.eqz (local.get 0))
    (i32x4.add (local.get 1) (local.get 1))
    (local.get 0)
    (if (param i32 v128) (result i32)
      (then (drop))
      (else (drop) (drop) (i32.const 3)))))
