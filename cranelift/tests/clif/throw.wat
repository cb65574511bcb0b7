;; An exception is an object: its tag and its values are written right after it is made.
(module
  (tag $e (param i32 i64 v128 externref))
  (func (param i32 i64 v128 externref)
    (throw $e (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func (param exnref)
    (throw_ref (local.get 0))))
