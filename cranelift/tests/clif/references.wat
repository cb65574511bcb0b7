(module
  (import "m" "f" (func $imported))
  (elem declare func $imported $defined)
  (func $defined (result funcref funcref externref i32)
    (ref.func $imported) (ref.func $defined) (ref.null extern) (ref.is_null (ref.func $defined))))
