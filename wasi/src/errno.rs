//! Error numbers: the specification's names for them, and which one the host's own errors become.
//!
//! Source: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#errno>. Both snapshots agree.

use crate::host::HostError;
use rustix::io::Errno as HostErrno;

/// What a WASI function answers: zero, or why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const SUCCESS: Errno = Errno::named("success");
    pub(crate) const AGAIN: Errno = Errno::named("again");
    pub(crate) const ILSEQ: Errno = Errno::named("ilseq");
    pub(crate) const INVAL: Errno = Errno::named("inval");
    pub(crate) const IO: Errno = Errno::named("io");
    pub(crate) const NAMETOOLONG: Errno = Errno::named("nametoolong");
    pub(crate) const NOSYS: Errno = Errno::named("nosys");
    pub(crate) const NOTCAPABLE: Errno = Errno::named("notcapable");
    pub(crate) const NOTDIR: Errno = Errno::named("notdir");
    pub(crate) const NOTSUP: Errno = Errno::named("notsup");
    pub(crate) const OVERFLOW: Errno = Errno::named("overflow");

    /// The number that the specification calls so; only for names in [`NAMES`].
    pub(crate) const fn named(name: &str) -> Errno {
        let mut code = 0;
        while code < NAMES.len() {
            if is_equal(NAMES[code].as_bytes(), name.as_bytes()) {
                return Errno(code as i32);
            }
            code += 1;
        }
        panic!("the specification has no error of this name");
    }

    /// The specification's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Errno::SUCCESS => "ok",
            Errno(code) => {
                usize::try_from(code).ok().and_then(|i| NAMES.get(i)).copied().unwrap_or("unknown")
            }
        }
    }

    /// The number for an error of the host's; `io` for one that the specification has no name for.
    #[cold]
    pub(crate) fn of_host(error: HostError) -> Errno {
        match error {
            HostError::NotCapable => Errno::NOTCAPABLE,
            HostError::System(host) => {
                let known = HOST.iter().find(|(from, _)| *from == host);
                known.map_or(Errno::IO, |&(_, errno)| errno)
            }
        }
    }
}

/// Whether two names are the same; what the standard library has for it is not for constants.
const fn is_equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut i = 0;
    while i < one.len() {
        if one[i] != other[i] {
            return false;
        }
        i += 1;
    }
    true
}

impl From<Errno> for i32 {
    fn from(errno: Errno) -> i32 {
        errno.0
    }
}

/// For the one function without a result.
impl From<Errno> for () {
    fn from(_: Errno) {}
}

/// The names in the specification's order: the position is the number.
const NAMES: [&str; 77] = [
    "success",
    "2big",
    "acces",
    "addrinuse",
    "addrnotavail",
    "afnosupport",
    "again",
    "already",
    "badf",
    "badmsg",
    "busy",
    "canceled",
    "child",
    "connaborted",
    "connrefused",
    "connreset",
    "deadlk",
    "destaddrreq",
    "dom",
    "dquot",
    "exist",
    "fault",
    "fbig",
    "hostunreach",
    "idrm",
    "ilseq",
    "inprogress",
    "intr",
    "inval",
    "io",
    "isconn",
    "isdir",
    "loop",
    "mfile",
    "mlink",
    "msgsize",
    "multihop",
    "nametoolong",
    "netdown",
    "netreset",
    "netunreach",
    "nfile",
    "nobufs",
    "nodev",
    "noent",
    "noexec",
    "nolck",
    "nolink",
    "nomem",
    "nomsg",
    "noprotoopt",
    "nospc",
    "nosys",
    "notconn",
    "notdir",
    "notempty",
    "notrecoverable",
    "notsock",
    "notsup",
    "notty",
    "nxio",
    "overflow",
    "ownerdead",
    "perm",
    "pipe",
    "proto",
    "protonosupport",
    "prototype",
    "range",
    "rofs",
    "spipe",
    "srch",
    "stale",
    "timedout",
    "txtbsy",
    "xdev",
    "notcapable",
];

/// The one table of the host's errors: what the system says, and what the guest gets.
const HOST: [(HostErrno, Errno); 75] = [
    (HostErrno::TOOBIG, Errno::named("2big")),
    (HostErrno::ACCESS, Errno::named("acces")),
    (HostErrno::ADDRINUSE, Errno::named("addrinuse")),
    (HostErrno::ADDRNOTAVAIL, Errno::named("addrnotavail")),
    (HostErrno::AFNOSUPPORT, Errno::named("afnosupport")),
    (HostErrno::AGAIN, Errno::named("again")),
    (HostErrno::ALREADY, Errno::named("already")),
    (HostErrno::BADF, Errno::named("badf")),
    (HostErrno::BADMSG, Errno::named("badmsg")),
    (HostErrno::BUSY, Errno::named("busy")),
    (HostErrno::CANCELED, Errno::named("canceled")),
    (HostErrno::CHILD, Errno::named("child")),
    (HostErrno::CONNABORTED, Errno::named("connaborted")),
    (HostErrno::CONNREFUSED, Errno::named("connrefused")),
    (HostErrno::CONNRESET, Errno::named("connreset")),
    (HostErrno::DEADLK, Errno::named("deadlk")),
    (HostErrno::DESTADDRREQ, Errno::named("destaddrreq")),
    (HostErrno::DOM, Errno::named("dom")),
    (HostErrno::DQUOT, Errno::named("dquot")),
    (HostErrno::EXIST, Errno::named("exist")),
    (HostErrno::FAULT, Errno::named("fault")),
    (HostErrno::FBIG, Errno::named("fbig")),
    (HostErrno::HOSTUNREACH, Errno::named("hostunreach")),
    (HostErrno::IDRM, Errno::named("idrm")),
    (HostErrno::ILSEQ, Errno::named("ilseq")),
    (HostErrno::INPROGRESS, Errno::named("inprogress")),
    (HostErrno::INTR, Errno::named("intr")),
    (HostErrno::INVAL, Errno::named("inval")),
    (HostErrno::IO, Errno::named("io")),
    (HostErrno::ISCONN, Errno::named("isconn")),
    (HostErrno::ISDIR, Errno::named("isdir")),
    (HostErrno::LOOP, Errno::named("loop")),
    (HostErrno::MFILE, Errno::named("mfile")),
    (HostErrno::MLINK, Errno::named("mlink")),
    (HostErrno::MSGSIZE, Errno::named("msgsize")),
    (HostErrno::MULTIHOP, Errno::named("multihop")),
    (HostErrno::NAMETOOLONG, Errno::named("nametoolong")),
    (HostErrno::NETDOWN, Errno::named("netdown")),
    (HostErrno::NETRESET, Errno::named("netreset")),
    (HostErrno::NETUNREACH, Errno::named("netunreach")),
    (HostErrno::NFILE, Errno::named("nfile")),
    (HostErrno::NOBUFS, Errno::named("nobufs")),
    (HostErrno::NODEV, Errno::named("nodev")),
    (HostErrno::NOENT, Errno::named("noent")),
    (HostErrno::NOEXEC, Errno::named("noexec")),
    (HostErrno::NOLCK, Errno::named("nolck")),
    (HostErrno::NOLINK, Errno::named("nolink")),
    (HostErrno::NOMEM, Errno::named("nomem")),
    (HostErrno::NOMSG, Errno::named("nomsg")),
    (HostErrno::NOPROTOOPT, Errno::named("noprotoopt")),
    (HostErrno::NOSPC, Errno::named("nospc")),
    (HostErrno::NOSYS, Errno::named("nosys")),
    (HostErrno::NOTCONN, Errno::named("notconn")),
    (HostErrno::NOTDIR, Errno::named("notdir")),
    (HostErrno::NOTEMPTY, Errno::named("notempty")),
    (HostErrno::NOTRECOVERABLE, Errno::named("notrecoverable")),
    (HostErrno::NOTSOCK, Errno::named("notsock")),
    (HostErrno::OPNOTSUPP, Errno::named("notsup")),
    (HostErrno::NOTTY, Errno::named("notty")),
    (HostErrno::NXIO, Errno::named("nxio")),
    (HostErrno::OVERFLOW, Errno::named("overflow")),
    (HostErrno::OWNERDEAD, Errno::named("ownerdead")),
    (HostErrno::PERM, Errno::named("perm")),
    (HostErrno::PIPE, Errno::named("pipe")),
    (HostErrno::PROTO, Errno::named("proto")),
    (HostErrno::PROTONOSUPPORT, Errno::named("protonosupport")),
    (HostErrno::PROTOTYPE, Errno::named("prototype")),
    (HostErrno::RANGE, Errno::named("range")),
    (HostErrno::ROFS, Errno::named("rofs")),
    (HostErrno::SPIPE, Errno::named("spipe")),
    (HostErrno::SRCH, Errno::named("srch")),
    (HostErrno::STALE, Errno::named("stale")),
    (HostErrno::TIMEDOUT, Errno::named("timedout")),
    (HostErrno::TXTBSY, Errno::named("txtbsy")),
    (HostErrno::XDEV, Errno::named("xdev")),
];

#[cfg(test)]
mod tests {
    use super::{Errno, HOST, HostErrno, NAMES};

    #[test]
    fn the_names_are_the_specifications_in_its_order() {
        let specified: Vec<&str> = include_str!("../tests/signatures/errno.txt").lines().collect();
        assert_eq!(NAMES[..], specified);
    }

    #[test]
    fn every_error_has_one_number() {
        for (index, (host, errno)) in HOST.iter().enumerate() {
            assert_eq!(Errno::of_host((*host).into()), *errno);
            let same = HOST.iter().position(|(known, number)| known == host || number == errno);
            assert_eq!(same, Some(index), "{}", errno.name());
        }
        assert_eq!(Errno::of_host(HostErrno::UCLEAN.into()), Errno::IO);
    }
}
