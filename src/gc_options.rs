//! `--max-gc-heap`, and the hidden `--gc-stress`: the options about the objects of all that run modules.

use clap::Args;
use wrun::Config;

use crate::size;

/// The options about objects.
#[derive(Args, Debug)]
pub(crate) struct GcArgs {
    /// Bytes of memory for the program's objects, with a suffix K, M or G [default: 4G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_gc_heap: Option<u64>,

    /// Collect garbage whenever an object is made, to test the engine.
    #[arg(long, hide = true)]
    gc_stress: bool,
}

impl GcArgs {
    /// Sets the options in `config`.
    pub(crate) fn apply(&self, config: &mut Config) {
        if let Some(bytes) = self.max_gc_heap {
            config.max_gc_heap(bytes);
        }
        config.gc_stress(self.gc_stress);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::GcArgs;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        gc: GcArgs,
    }

    #[test]
    fn the_heap_is_as_large_as_asked_for() {
        let gc = |args: &[&str]| {
            Command::try_parse_from(["x"].iter().chain(args)).map(|command| command.gc)
        };
        assert_eq!(gc(&["--max-gc-heap", "64M"]).unwrap().max_gc_heap, Some(64 << 20));
        assert_eq!(gc(&[]).unwrap().max_gc_heap, None);
        assert!(gc(&["--gc-stress"]).unwrap().gc_stress);
        assert!(gc(&["--max-gc-heap", "much"]).is_err());
    }
}
