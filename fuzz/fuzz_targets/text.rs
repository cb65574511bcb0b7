//! Any text as a module in the text format: what can be translated to the binary format is parsed or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wrun_module::Features;

fuzz_target!(|text: &str| {
    match wat::parse_str(text) {
        Ok(bytes) => {
            let _ = wrun_module::parse(&bytes, Features::default());
        }
        // The message shows the line: of whatever text there is.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
