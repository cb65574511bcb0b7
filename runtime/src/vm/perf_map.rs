//! [`PerfMap`]: the file in which `perf` looks up the names of code that was made as the process runs.
//!
//! Each line is an address and a length, in hexadecimal digits, and a name. `perf` looks there only for code in memory that no
//! file is mapped to; so whoever is listed here lies in such memory ([`Mapping::copy_of`](super::mapping::Mapping::copy_of),
//! [`Mapping::shared`](super::mapping::Mapping::shared)).
//!
//! What others rely on: lines are appended one at a time and never changed, and no line is longer or stands for less because a name says
//! so: what is no printable character is replaced.

use std::{
    fmt,
    fs::{File, OpenOptions, remove_file},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use wrun_module::{Tier, lazy::STUB_SIZE};

use super::code::VmCode;

/// The file of this process.
#[derive(Debug)]
pub(crate) struct PerfMap {
    file: Mutex<File>,
}

impl PerfMap {
    /// Makes the file, `/tmp/perf-PID.map`, anew.
    ///
    /// # Errors
    /// When it cannot be made, or one of another user is in the way.
    pub(crate) fn create() -> io::Result<Self> {
        let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        // A former process may have had the number. What lies there is never written to: it could be a link.
        match remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Adds a line. Without effect when it cannot be written: the program matters more than its profile.
    fn add(&self, start: usize, len: usize, name: &str, form: &str) {
        let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let line = format!("{start:x} {len:x} {name}{form}\n");
        let mut file = self.file.lock().expect("no thread panics while it holds the lock");
        let _ = file.write_all(line.as_bytes());
    }
}

/// The names of one module's functions, for what is compiled later.
pub(super) struct Names {
    map: Arc<PerfMap>,
    /// By position.
    names: Box<[String]>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("map", &self.map).finish_non_exhaustive()
    }
}

impl Names {
    /// Those that an image has.
    pub(super) fn of(map: Arc<PerfMap>, code: &VmCode) -> Self {
        let (image, bytes) = (code.image(), code.bytes());
        let (info, table) = (&image.metadata.info, image.names(bytes));
        let name = |func| match table.get(func) {
            Some(name) => name.to_owned(),
            None => format!("wasm-function[{func}]"),
        };
        let funcs = info.num_imported_funcs..info.num_imported_funcs + info.num_defined_funcs;
        Self { map, names: funcs.map(name).collect() }
    }

    /// Adds the functions of an image whose `.text` lies at an address.
    pub(super) fn add_image(&self, code: &VmCode, text: usize) {
        let (image, bytes) = (code.image(), code.bytes());
        let (table, baseline) = (image.funcs(bytes), image.baseline(bytes));
        for position in 0..self.names.len() {
            if let Some((offset, len)) = table.get(position).filter(|&(_, len)| len != 0) {
                let form = form(baseline.tier(position as u32));
                self.add(position, form, text + offset as usize, len as usize);
            }
        }
    }

    /// Adds the stubs of all functions, which begin at an address.
    pub(super) fn add_stubs(&self, start: usize) {
        self.map.add(start, self.names.len() * STUB_SIZE as usize, "stubs of functions", "");
    }

    /// Adds a piece of code of the function at a position.
    pub(super) fn add(&self, position: usize, form: &str, start: usize, len: usize) {
        if let Some(name) = self.names.get(position) {
            self.map.add(start, len, name, form);
        }
    }
}

/// What stands behind the name of a function in code of a tier.
pub(super) fn form(tier: Tier) -> &'static str {
    match tier {
        Tier::Baseline => " [baseline]",
        Tier::Optimised => "",
    }
}
