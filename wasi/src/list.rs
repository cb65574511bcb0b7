//! The list of all WASI functions, in the specification's order, and their registration on a linker.
//!
//! An entry names the function's file, its parameters and what they mean ([`Kind`]); from it come the closure that
//! the linker gets, its core signature, and the log's line. Tests hold the list against what the
//! specification's own description (witx) of both snapshots says.

use crate::call::{Snapshot, host_call};
use crate::log::{Function, Kind};
use crate::{
    WasiCtx, args, clock, environ, fd, fd_dir, fd_io, fd_stat, path, poll, proc, random, sched,
    sock,
};
use wrun_runtime::{Caller, Linker, Result};

/// The core type of a parameter of that kind.
macro_rules! core_type {
    (Num64) => {
        i64
    };
    (Delta64) => {
        i64
    };
    (Flags64) => {
        i64
    };
    ($other:ident) => {
        i32
    };
}

/// The argument as the log keeps it: what is 32 bits wide is not negative.
macro_rules! widen {
    (Num64, $value:expr) => {
        $value.cast_unsigned()
    };
    (Delta64, $value:expr) => {
        $value.cast_unsigned()
    };
    (Flags64, $value:expr) => {
        $value.cast_unsigned()
    };
    ($other:ident, $value:expr) => {
        u64::from($value.cast_unsigned())
    };
}

/// The core result: the error number, or nothing.
macro_rules! core_result {
    (errno) => {
        i32
    };
    (never) => {
        ()
    };
}

macro_rules! wasi_functions {
    ($($group:ident::$name:ident($($param:ident: $kind:ident),*) -> $result:ident;)*) => {
        /// Defines the functions of one snapshot on `linker`.
        ///
        /// # Errors
        /// When a name is already defined and `linker` does not allow shadowing.
        pub(crate) fn register<T: 'static>(
            linker: &mut Linker<T>,
            snapshot: Snapshot,
            get: impl Fn(&mut T) -> &mut WasiCtx + Send + Sync + Copy + 'static,
        ) -> Result<()> {
            $(if is_in(snapshot, stringify!($name)) {
                static FUNCTION: Function = Function {
                    name: stringify!($name),
                    params: &[$((stringify!($param), Kind::$kind)),*],
                };
                linker.func_wrap(
                    snapshot.module(),
                    FUNCTION.name,
                    move |mut caller: Caller<'_, T>, $($param: core_type!($kind)),*|
                        -> Result<core_result!($result)>
                    {
                        let args: &[u64] = &[$(widen!($kind, $param)),*];
                        host_call(&mut caller, get, snapshot, &FUNCTION, args, |call| {
                            $group::$name(call, $($param),*)
                        })
                    },
                )?;
            })*
            Ok(())
        }

        /// The names of one snapshot's functions.
        #[cfg(test)]
        fn names(snapshot: Snapshot) -> Vec<&'static str> {
            [$(stringify!($name)),*].into_iter().filter(|name| is_in(snapshot, name)).collect()
        }
    };
}

/// `sock_accept` is the one function that came after `wasi_unstable`.
fn is_in(snapshot: Snapshot, name: &str) -> bool {
    snapshot == Snapshot::Preview1 || name != "sock_accept"
}

wasi_functions! {
    args::args_get(argv: Ptr, argv_buf: Ptr) -> errno;
    args::args_sizes_get(argc: Out32, argv_buf_size: Out32) -> errno;
    environ::environ_get(environ: Ptr, environ_buf: Ptr) -> errno;
    environ::environ_sizes_get(environc: Out32, environ_buf_size: Out32) -> errno;
    clock::clock_res_get(id: Num32, resolution: Out64) -> errno;
    clock::clock_time_get(id: Num32, precision: Num64, time: Out64) -> errno;
    fd::fd_advise(fd: Fd, offset: Num64, len: Num64, advice: Num32) -> errno;
    fd::fd_allocate(fd: Fd, offset: Num64, len: Num64) -> errno;
    fd::fd_close(fd: Fd) -> errno;
    fd::fd_datasync(fd: Fd) -> errno;
    fd_stat::fd_fdstat_get(fd: Fd, stat: Ptr) -> errno;
    fd_stat::fd_fdstat_set_flags(fd: Fd, flags: Flags32) -> errno;
    fd_stat::fd_fdstat_set_rights(fd: Fd, fs_rights_base: Flags64, fs_rights_inheriting: Flags64) -> errno;
    fd_stat::fd_filestat_get(fd: Fd, buf: Ptr) -> errno;
    fd_stat::fd_filestat_set_size(fd: Fd, size: Num64) -> errno;
    fd_stat::fd_filestat_set_times(fd: Fd, atim: Num64, mtim: Num64, fst_flags: Flags32) -> errno;
    fd_io::fd_pread(fd: Fd, iovs: Ptr, iovs_len: Num32, offset: Num64, nread: Out32) -> errno;
    fd_dir::fd_prestat_get(fd: Fd, buf: Ptr) -> errno;
    fd_dir::fd_prestat_dir_name(fd: Fd, path: Ptr, path_len: Num32) -> errno;
    fd_io::fd_pwrite(fd: Fd, iovs: Ptr, iovs_len: Num32, offset: Num64, nwritten: Out32) -> errno;
    fd_io::fd_read(fd: Fd, iovs: Ptr, iovs_len: Num32, nread: Out32) -> errno;
    fd_dir::fd_readdir(fd: Fd, buf: Ptr, buf_len: Num32, cookie: Num64, bufused: Out32) -> errno;
    fd::fd_renumber(fd: Fd, to: Fd) -> errno;
    fd::fd_seek(fd: Fd, offset: Delta64, whence: Num32, newoffset: Out64) -> errno;
    fd::fd_sync(fd: Fd) -> errno;
    fd::fd_tell(fd: Fd, offset: Out64) -> errno;
    fd_io::fd_write(fd: Fd, iovs: Ptr, iovs_len: Num32, nwritten: Out32) -> errno;
    path::path_create_directory(fd: Fd, path: Str, path_len: StrLen) -> errno;
    path::path_filestat_get(fd: Fd, flags: Flags32, path: Str, path_len: StrLen, buf: Ptr) -> errno;
    path::path_filestat_set_times(
        fd: Fd, flags: Flags32, path: Str, path_len: StrLen, atim: Num64, mtim: Num64, fst_flags: Flags32
    ) -> errno;
    path::path_link(
        old_fd: Fd, old_flags: Flags32, old_path: Str, old_path_len: StrLen,
        new_fd: Fd, new_path: Str, new_path_len: StrLen
    ) -> errno;
    path::path_open(
        fd: Fd, dirflags: Flags32, path: Str, path_len: StrLen, oflags: Flags32,
        fs_rights_base: Flags64, fs_rights_inheriting: Flags64, fdflags: Flags32, opened: Out32
    ) -> errno;
    path::path_readlink(fd: Fd, path: Str, path_len: StrLen, buf: Ptr, buf_len: Num32, bufused: Out32) -> errno;
    path::path_remove_directory(fd: Fd, path: Str, path_len: StrLen) -> errno;
    path::path_rename(
        fd: Fd, old_path: Str, old_path_len: StrLen, new_fd: Fd, new_path: Str, new_path_len: StrLen
    ) -> errno;
    path::path_symlink(
        old_path: Str, old_path_len: StrLen, fd: Fd, new_path: Str, new_path_len: StrLen
    ) -> errno;
    path::path_unlink_file(fd: Fd, path: Str, path_len: StrLen) -> errno;
    poll::poll_oneoff(subscriptions: Ptr, events: Ptr, nsubscriptions: Num32, nevents: Out32) -> errno;
    proc::proc_exit(rval: Num32) -> never;
    proc::proc_raise(sig: Num32) -> errno;
    sched::sched_yield() -> errno;
    random::random_get(buf: Ptr, buf_len: Num32) -> errno;
    sock::sock_accept(fd: Fd, flags: Flags32, accepted: Out32) -> errno;
    sock::sock_recv(
        fd: Fd, ri_data: Ptr, ri_data_len: Num32, ri_flags: Flags32, ro_datalen: Out32, ro_flags: Ptr
    ) -> errno;
    sock::sock_send(fd: Fd, si_data: Ptr, si_data_len: Num32, si_flags: Flags32, so_datalen: Out32) -> errno;
    sock::sock_shutdown(fd: Fd, how: Flags32) -> errno;
}

#[cfg(test)]
mod tests {
    use super::{Snapshot, names};
    use crate::WasiCtx;
    use wrun_runtime::{Engine, ExternType, Linker, Store, ValType};

    /// The functions of each snapshot with their core types, as the specification's descriptions (witx) have them.
    const PREVIEW1: &str = include_str!("../tests/signatures/wasi_snapshot_preview1.txt");
    const UNSTABLE: &str = include_str!("../tests/signatures/wasi_unstable.txt");

    /// Name, parameters and results of a line: `name: i32 i64 -> i32`.
    fn parsed(line: &str) -> (&str, Vec<ValType>, Vec<ValType>) {
        let (name, ty) = line.split_once(':').expect("a name");
        let (params, results) = ty.split_once("->").expect("an arrow");
        let types = |types: &str| types.split_whitespace().map(core_type).collect();
        (name, types(params), types(results))
    }

    fn core_type(name: &str) -> ValType {
        match name {
            "i32" => ValType::I32,
            "i64" => ValType::I64,
            _ => panic!("WASI has no {name}"),
        }
    }

    fn hold_against(snapshot: Snapshot, specified: &str) {
        let specified: Vec<_> = specified.lines().map(parsed).collect();
        let specified_names: Vec<&str> = specified.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names(snapshot), specified_names);

        let engine = Engine::default();
        let mut store = Store::new(&engine, WasiCtx::builder().build());
        let mut linker = Linker::new(&engine);
        crate::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)
            .expect("nothing is defined twice");
        for (name, params, results) in specified {
            let found = linker.get(&mut store, snapshot.module(), name).expect("registered");
            let ExternType::Func(ty) = found.ty(&store) else { panic!("{name} is not a function") };
            assert_eq!((ty.params(), ty.results()), (&params[..], &results[..]), "{name}");
        }
    }

    #[test]
    fn the_list_is_preview_1s() {
        hold_against(Snapshot::Preview1, PREVIEW1);
        assert_eq!(names(Snapshot::Preview1).len(), 46);
    }

    #[test]
    fn the_list_without_sock_accept_is_wasi_unstables() {
        hold_against(Snapshot::Unstable, UNSTABLE);
        assert_eq!(names(Snapshot::Unstable).len(), 45);
    }
}
