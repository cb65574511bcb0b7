;; All exceptions land in one place; clauses look whether they are theirs.
(module
  (tag $e (param i32))
  (tag $other)
  (func $may_throw (param i32) (result i32) (local.get 0))
  (func (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $may_throw (local.get 0))
      delegate 0
    catch $e
    catch $other
      (i32.const 1)
    catch_all
      (rethrow 0)
    end))
