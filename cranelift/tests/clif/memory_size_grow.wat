(module
  (memory 1)
  (func (result i32) (i32.add (memory.grow (memory.size)) (memory.size))))
