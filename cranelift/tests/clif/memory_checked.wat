;; memory: checked
;; Base and length are read at each access; a memory that cannot grow has a constant length.
(module
  (memory $grows 1)
  (memory $fixed 2 2)
  (func (param i32) (result i32)
    (i32.add (i32.load offset=4 (local.get 0)) (i32.load $grows (local.get 0))))
  (func (param i32) (result i32) (i32.load $fixed offset=4 (local.get 0)))
  (func $never_in_bounds (param i32) (result i32) (i32.load $fixed offset=131072 (local.get 0))))
