;; A table that can grow and one that cannot; the type is looked up once.
(module
  (type $f (func (param i32) (result i32)))
  (table $grows 1 funcref)
  (table $fixed 10 10 funcref)
  (func (param i32) (result i32)
    (call_indirect $grows (type $f)
      (call_indirect $fixed (type $f) (local.get 0) (local.get 0))
      (local.get 0))))
