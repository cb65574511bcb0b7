;; Accesses without any check: the base is loaded once.
(module
  (memory 1)
  (func (param i32 i64) (result i32)
    (i64.store offset=8 (local.get 0) (local.get 1))
    (i32.store8 (local.get 0) (i32.eqz (local.get 0)))
    (i32.add (i32.load16_u (local.get 0)) (i32.load offset=4 (local.get 0)))))
