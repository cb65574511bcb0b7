//! The guest of the tests: it imports every function of a snapshot and exports it again, so that a test can call it
//! with any arguments and look at the memory before and after.

use std::fmt::Write;
use std::path::Path;
use wrun_runtime::{Engine, Func, Instance, Linker, Memory, Module, Result, Store, Val, ValType};
use wrun_wasi::{DirAccess, WasiCtx, WasiCtxBuilder};

/// The error numbers that the tests meet.
pub(crate) const OK: i32 = 0;
pub(crate) const ACCES_OR_PERM: i32 = 63;
pub(crate) const AGAIN: i32 = 6;
pub(crate) const BADF: i32 = 8;
pub(crate) const EXIST: i32 = 20;
pub(crate) const ILSEQ: i32 = 25;
pub(crate) const INVAL: i32 = 28;
pub(crate) const ISDIR: i32 = 31;
pub(crate) const LOOP: i32 = 32;
pub(crate) const NAMETOOLONG: i32 = 37;
pub(crate) const NOENT: i32 = 44;
pub(crate) const NODEV: i32 = 43;
pub(crate) const NOSYS: i32 = 52;
pub(crate) const NOTDIR: i32 = 54;
pub(crate) const NOTEMPTY: i32 = 55;
pub(crate) const NOTSUP: i32 = 58;
pub(crate) const NOTCAPABLE: i32 = 76;
pub(crate) const PIPE: i32 = 64;
pub(crate) const ROFS: i32 = 69;
pub(crate) const SPIPE: i32 = 70;

/// Rights of `path_open`.
pub(crate) const READ: i64 = 1 << 1;
pub(crate) const WRITE: i64 = 1 << 6;

/// What memory is filled with, to see what a call writes.
const FILLING: u8 = 0xAA;

/// A running guest.
pub(crate) struct Guest {
    pub(crate) store: Store<WasiCtx>,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    /// A guest of preview 1.
    pub(crate) fn new(ctx: WasiCtx) -> Guest {
        Guest::of("wasi_snapshot_preview1", ctx)
    }

    /// A guest of `wasi_unstable`.
    pub(crate) fn unstable(ctx: WasiCtx) -> Guest {
        Guest::of("wasi_unstable", ctx)
    }

    /// A guest of preview 1 with `dir` as descriptor 3, under the name `/`.
    pub(crate) fn in_dir(dir: &Path) -> Guest {
        Guest::new(ctx_in_dir(dir))
    }

    fn of(snapshot: &str, ctx: WasiCtx) -> Guest {
        let engine = Engine::default();
        let module = Module::new(&engine, text(snapshot)).expect("the guest compiles");
        let mut linker = Linker::new(&engine);
        wrun_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("an empty linker");
        let mut store = Store::new(&engine, ctx);
        let instance = linker.instantiate(&mut store, &module).expect("all imports are there");
        let memory = instance.get_memory(&mut store, "memory").expect("the guest has a memory");
        let mut guest = Guest { store, instance, memory };
        guest.put(0, &vec![FILLING; guest.memory.data_size(&guest.store)]);
        guest
    }

    /// Calls a function; its error number.
    pub(crate) fn call(&mut self, name: &str, args: &[i64]) -> i32 {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}{args:?}: {error:?}"))
    }

    /// Calls a function that may end the guest.
    pub(crate) fn try_call(&mut self, name: &str, args: &[i64]) -> Result<i32> {
        let func: Func = self.instance.get_func(&mut self.store, name).expect("a WASI function");
        let ty = func.ty(&self.store);
        assert_eq!(ty.params().len(), args.len(), "arguments of {name}");
        let args: Vec<Val> = ty
            .params()
            .iter()
            .zip(args)
            .map(|(ty, &arg)| match ty {
                ValType::I32 => Val::I32(arg as i32),
                _ => Val::I64(arg),
            })
            .collect();
        let mut results = vec![Val::I32(0); ty.results().len()];
        func.call(&mut self.store, &args, &mut results)?;
        Ok(results.first().map_or(OK, Val::unwrap_i32))
    }

    /// Calls a function that succeeds, and asserts that it writes exactly these bytes at these places.
    pub(crate) fn writes(&mut self, name: &str, args: &[i64], expected: &[(usize, &[u8])]) {
        let mut memory = self.all();
        assert_eq!(self.call(name, args), OK, "{name}{args:?}");
        for &(at, bytes) in expected {
            memory[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let found = self.all();
        if let Some(at) = (0..memory.len()).find(|&at| found[at] != memory[at]) {
            let around = at.saturating_sub(8)..(at + 24).min(memory.len());
            panic!(
                "{name}{args:?}: at {at:#x} expected {:02x?}, found {:02x?}",
                &memory[around.clone()],
                &found[around]
            );
        }
    }

    /// Calls a function that fails with that number, and asserts that it writes nothing.
    pub(crate) fn fails(&mut self, name: &str, args: &[i64], errno: i32) {
        let memory = self.all();
        assert_eq!(self.call(name, args), errno, "{name}{args:?}");
        assert!(memory == self.all(), "{name}{args:?} failed and wrote");
    }

    /// Puts bytes into memory.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.memory.write(&mut self.store, at as u64, bytes).expect("inside the memory");
    }

    /// Puts a buffer list of one buffer at `at`.
    pub(crate) fn put_iovec(&mut self, at: usize, address: u32, len: u32) {
        self.put(at, &address.to_le_bytes());
        self.put(at + 4, &len.to_le_bytes());
    }

    /// Bytes of memory.
    pub(crate) fn get(&self, at: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read(&self.store, at as u64, &mut bytes).expect("inside the memory");
        bytes
    }

    /// All bytes of memory.
    fn all(&self) -> Vec<u8> {
        self.get(0, self.memory.data_size(&self.store))
    }

    /// A number of four bytes.
    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at, 4).try_into().expect("four bytes"))
    }

    /// A number of eight bytes.
    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at, 8).try_into().expect("eight bytes"))
    }

    /// Opens `path` beneath descriptor 3: the error number, and the descriptor on success.
    pub(crate) fn open(
        &mut self,
        path: &str,
        oflags: i64,
        rights: i64,
    ) -> std::result::Result<i64, i32> {
        self.open_with(3, 0, path, oflags, rights, 0)
    }

    /// Opens `path` beneath any descriptor with all there is to say.
    pub(crate) fn open_with(
        &mut self,
        dir: i64,
        dirflags: i64,
        path: &str,
        oflags: i64,
        rights: i64,
        fdflags: i64,
    ) -> std::result::Result<i64, i32> {
        self.put(0xF000, path.as_bytes());
        let len = path.len() as i64;
        let args = [dir, dirflags, 0xF000, len, oflags, rights, rights, fdflags, 0xFFF0];
        match self.call("path_open", &args) {
            OK => Ok(self.u32(0xFFF0).into()),
            errno => Err(errno),
        }
    }

    /// Calls a function whose arguments are descriptors, flags and paths, with the paths put into memory.
    pub(crate) fn with_paths(&mut self, name: &str, args: &[Arg<'_>]) -> i32 {
        let mut at = 0xE000;
        let mut numbers = Vec::new();
        for arg in args {
            match arg {
                Arg::N(number) => numbers.push(*number),
                Arg::P(path) => {
                    self.put(at, path.as_bytes());
                    numbers.extend([at as i64, path.len() as i64]);
                    at += path.len();
                }
            }
        }
        self.call(name, &numbers)
    }

    /// Writes `bytes` to a descriptor: the error number, and how many were written.
    pub(crate) fn write(&mut self, fd: i64, bytes: &[u8]) -> std::result::Result<u32, i32> {
        self.put(0x4000, bytes);
        self.put_iovec(0x100, 0x4000, bytes.len() as u32);
        match self.call("fd_write", &[fd, 0x100, 1, 0x108]) {
            OK => Ok(self.u32(0x108)),
            errno => Err(errno),
        }
    }

    /// Reads up to `len` bytes from a descriptor.
    pub(crate) fn read(&mut self, fd: i64, len: u32) -> std::result::Result<Vec<u8>, i32> {
        self.put_iovec(0x100, 0x4000, len);
        match self.call("fd_read", &[fd, 0x100, 1, 0x108]) {
            OK => Ok(self.get(0x4000, self.u32(0x108) as usize).to_vec()),
            errno => Err(errno),
        }
    }
}

/// An argument of [`Guest::with_paths`].
pub(crate) enum Arg<'a> {
    /// A number.
    N(i64),
    /// A path: its address and length.
    P(&'a str),
}

/// A builder with `dir` as descriptor 3, under the name `/`.
pub(crate) fn with_dir(dir: &Path, access: DirAccess) -> WasiCtxBuilder {
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(dir, "/", access).expect("the directory is there");
    builder
}

/// A context with `dir` as descriptor 3.
pub(crate) fn ctx_in_dir(dir: &Path) -> WasiCtx {
    with_dir(dir, DirAccess::ReadWrite).build()
}

/// A temporary directory.
pub(crate) fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// The guest's text, from what the specification's own description of the functions says.
fn text(snapshot: &str) -> String {
    let functions = match snapshot {
        "wasi_unstable" => include_str!("../signatures/wasi_unstable.txt"),
        _ => include_str!("../signatures/wasi_snapshot_preview1.txt"),
    };
    let (mut imports, mut funcs) = (String::new(), String::new());
    for function in functions.lines() {
        let (name, ty) = function.split_once(':').expect("a name");
        let (params, results) = ty.split_once("->").expect("an arrow");
        let ty = format!("(param {}) (result {})", params.trim(), results.trim());
        let args = (0..params.split_whitespace().count())
            .fold(String::new(), |text, i| text + &format!("local.get {i} "));
        // Writing to a string cannot fail.
        let _ = writeln!(imports, r#"(import "{snapshot}" "{name}" (func ${name} {ty}))"#);
        let _ = writeln!(funcs, r#"(func (export "{name}") {ty} {args} call ${name})"#);
    }
    let memory = if crate::SHARED { "2 2 shared" } else { "2" };
    format!(r#"(module {imports} (memory (export "memory") {memory}) {funcs})"#)
}
