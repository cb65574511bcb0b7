//! Sockets: a listener that the guest is given, and what comes in over it.

use crate::guest::{AGAIN, BADF, Guest, INVAL, OK};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use wrun_wasi::WasiCtx;

#[test]
fn a_connection_is_accepted_and_used() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("known");
    let mut guest = Guest::new(WasiCtx::builder().listener(listener).build());
    let mut peer = TcpStream::connect(address).expect("connects");
    assert_eq!(guest.call("sock_accept", &[3, 0, 0x100]), OK);
    let fd = i64::from(guest.u32(0x100));
    assert_eq!(guest.call("fd_fdstat_get", &[fd, 0x200]), OK);
    assert_eq!(guest.get(0x200, 1), [6]);

    peer.write_all(b"ping").expect("sent");
    guest.put_iovec(0x100, 0x300, 64);
    let received: &[(usize, &[u8])] = &[(0x110, &[4, 0, 0, 0]), (0x118, &[0, 0]), (0x300, b"ping")];
    guest.writes("sock_recv", &[fd, 0x100, 1, 1, 0x110, 0x118], received);
    guest.writes("sock_recv", &[fd, 0x100, 1, 0, 0x110, 0x118], received);

    guest.put(0x300, b"pong");
    guest.put_iovec(0x100, 0x300, 4);
    guest.writes("sock_send", &[fd, 0x100, 1, 0, 0x110], &[(0x110, &[4, 0, 0, 0])]);
    guest.writes("sock_shutdown", &[fd, 2], &[]);
    let mut text = String::new();
    peer.read_to_string(&mut text).expect("up to the end");
    assert_eq!(text, "pong");
    guest.fails("sock_shutdown", &[fd, 0], INVAL);
    guest.writes("fd_close", &[fd], &[]);
}

#[test]
fn a_listener_may_not_block() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let mut guest = Guest::new(WasiCtx::builder().listener(listener).build());
    guest.writes("fd_fdstat_set_flags", &[3, 4], &[]);
    guest.fails("sock_accept", &[3, 0, 0x100], AGAIN);
}

#[test]
fn other_descriptors_are_no_sockets() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    guest.put_iovec(0x100, 0x300, 4);
    guest.fails("sock_accept", &[0, 0, 0x110], BADF);
    guest.fails("sock_recv", &[0, 0x100, 1, 0, 0x110, 0x118], BADF);
    guest.fails("sock_send", &[1, 0x100, 1, 0, 0x110], BADF);
    guest.fails("sock_shutdown", &[1, 1], BADF);
}
