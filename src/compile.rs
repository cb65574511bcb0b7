//! `wrun compile`: a module becomes an image, which starts without being compiled.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{self, ExitCode},
};

use clap::Args;

use crate::{
    cache::{Cache, CacheArgs},
    diagnosis,
    engine_options::{CompilerArgs, engine_with_progress},
    exit::Exit,
    input::Input,
    output::OutputArgs,
    render::Failure,
};

/// The arguments of `wrun compile`.
#[derive(Args, Debug)]
pub(crate) struct CompileArgs {
    /// The module, in the binary or the text format; `-` is standard input.
    #[arg(value_name = "MODULE")]
    module: OsString,

    /// Where the image goes; `-` is standard output.
    #[arg(short, long, value_name = "IMAGE")]
    output: PathBuf,

    /// The machine the image is for, instead of this one.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,

    #[command(flatten)]
    compiler: CompilerArgs,

    #[command(flatten)]
    cache: CacheArgs,
}

impl CompileArgs {
    /// Compiles the module and writes the image.
    ///
    /// # Errors
    /// When the module cannot be compiled, or the image not be written.
    pub(crate) fn execute(self, output: &OutputArgs) -> Result<ExitCode, Failure> {
        let input = Input::open(&self.module)?;
        let name = input.name().to_owned();
        let binary = input.into_binary()?;
        let (engine, progress) = engine_with_progress(self.compiler.config(), output)?;
        let failure = |error| diagnosis::of_error(error, &name);
        // Code for other machines is of no use to any run here.
        let cache = match self.target {
            None => Cache::for_run(&self.cache, &engine),
            Some(_) => None,
        };
        let Some(cache) = cache else {
            let image = engine.precompile(&binary, self.target.as_deref());
            progress.finish();
            self.write(&image.map_err(failure)?)?;
            return Ok(ExitCode::SUCCESS);
        };
        let name = name.trim_matches('`');
        let image = engine.precompile_with_known(&binary, &cache.known(name, binary.len()));
        progress.finish();
        let image = image.map_err(failure)?;
        self.write(&image)?;
        // Not being kept is no failure.
        let _ = cache.store(cache.key(&binary), image, name);
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, image: &[u8]) -> Result<(), Failure> {
        if self.output == Path::new("-") {
            let mut out = io::stdout().lock();
            return out
                .write_all(image)
                .and_then(|()| out.flush())
                .map_err(|error| Failure::output(&error));
        }
        write_whole(&self.output, image).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write `{}`", self.output.display()))
                .cause(error.to_string())
        })
    }
}

/// Writes a file so that it is there whole or not at all: somebody may be running the image that it replaces.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        // A device, a pipe: there is nothing to replace. Of a directory the system complains.
        return fs::write(path, bytes);
    }
    let Some(file_name) = path.file_name() else { return fs::write(path, bytes) };
    let mut beside = file_name.to_owned();
    beside.push(format!(".{}.part", process::id()));
    let beside = path.with_file_name(beside);
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::write_whole;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_whole(folder.path(), b"three").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
