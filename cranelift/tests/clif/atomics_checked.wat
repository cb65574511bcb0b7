;; memory: checked
(module
  (memory 1 2 shared)
  (func (param i32 i32 i32) (result i32)
    (i32.atomic.rmw.cmpxchg offset=2 (local.get 0) (local.get 1) (local.get 2))))
