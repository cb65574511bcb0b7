;; Offsets that do not fit into a signed 32-bit displacement.
(module
  (memory 1)
  (func (param i32) (result i32) (i32.load offset=0x7fffffff (local.get 0)))
  (func (param i32) (result i32) (i32.load offset=0x80000000 (local.get 0)))
  (func (param i32) (result i32) (i32.load offset=0xffffffff (local.get 0))))
