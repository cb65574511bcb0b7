;; memory: checked
(module
  (memory 1)
  (func (param i32) (result i32) (i32.load offset=0xffffffff (local.get 0))))
