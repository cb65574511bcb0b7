//! Modules that are scripts: files whose first line begins with `#!`.
//!
//! The kernel starts the interpreter that line names with the script's path and its arguments. What stands behind the
//! line is the module, in any form; a script owns all its arguments.

/// Whether a file with these bytes is a script.
pub(crate) fn is_script(bytes: &[u8]) -> bool {
    bytes.starts_with(b"#!")
}

/// The module in a script. Text keeps its first line, as a comment, so that positions in messages are the file's.
/// Bytes that are no script come back as they are.
pub(crate) fn module(mut bytes: Vec<u8>) -> Vec<u8> {
    if !is_script(&bytes) {
        return bytes;
    }
    let line = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |end| end + 1);
    let is_binary = matches!(bytes.get(line), Some(b'\0' | b'\x7f'));
    if is_binary {
        bytes.drain(..line);
    } else {
        bytes[..2].copy_from_slice(b";;");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::module;

    #[test]
    fn the_first_line_of_a_text_becomes_a_comment() {
        assert_eq!(module(b"#!/bin/env wrun\n(module)".into()), b";;/bin/env wrun\n(module)");
        assert_eq!(module(b"#!/bin/env wrun".into()), b";;/bin/env wrun");
        assert_eq!(module(b"(module)".into()), b"(module)");
    }

    #[test]
    fn the_first_line_of_a_binary_is_cut_off() {
        assert_eq!(module(b"#!/bin/env wrun\n\0asm\x01\0\0\0".into()), b"\0asm\x01\0\0\0");
        assert_eq!(module(b"#!/bin/env wrun\n\x7fELF".into()), b"\x7fELF");
    }
}
