//! Any bytes as a module in the binary format: they are parsed or refused, and nothing else happens.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wrun_module::Features;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(module) = wrun_module::parse(bytes, Features::default()) {
        // What is laid out must be what the module says, however its segments lie.
        let (layout, data) = wrun_module::DataLayout::new(&module);
        for run in &layout.runs {
            assert!(run.start + run.len <= data.len() as u64, "a run outside of the data: {run:?}");
        }
        for copied in &layout.copied {
            assert!(copied.index.index() < module.data.len(), "no such segment: {copied:?}");
            assert!(
                copied.start + copied.len <= data.len() as u64,
                "outside of the data: {copied:?}"
            );
        }
    }
});
