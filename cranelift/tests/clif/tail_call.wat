(module
  (type $f (func (param i32) (result i32)))
  (import "m" "f" (func $imported (type $f)))
  (table funcref (elem $escaping $plain))
  ;; Escapes and has a tail call: the internal convention, and an adapter.
  (func $escaping (type $f) (return_call $internal (local.get 0)))
  ;; Escapes and has none: the native convention.
  (func $plain (type $f) (local.get 0))
  (func $internal (type $f) (return_call $escaping (local.get 0)))
  (func $to_native (type $f) (return_call $plain (local.get 0)))
  (func $to_import (type $f) (return_call $imported (local.get 0)))
  (func $to_table (type $f) (return_call_indirect (type $f) (local.get 0) (local.get 0))))
