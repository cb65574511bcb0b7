//! The programs of `tests/guests/`, each run by the command as a user runs it. A module here for each guest, of its name;
//! [`every_guest_has_a_test`] sees to that.

mod harness;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use harness::{Outcome, World};

/// Where the guests lie.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

/// The words of a command line: options, the guest in the file called `guest`, its arguments.
fn words(options: &[&str], guest: &str, args: &[&str]) -> Vec<String> {
    let path = directory().join(guest).to_str().expect("the path is UTF-8").to_owned();
    let options = options.iter().map(ToString::to_string);
    let args = args.iter().map(ToString::to_string);
    options.chain([path, "--".into()]).chain(args).collect()
}

/// Runs a guest to its end in `world`, with nothing to read.
fn run_in(world: &World, options: &[&str], guest: &str, args: &[&str]) -> Outcome {
    world.wrun(words(options, guest, args)).run()
}

/// Runs a guest that needs no files.
fn run(options: &[&str], guest: &str, args: &[&str]) -> Outcome {
    run_in(&World::new(), options, guest, args)
}

/// The way most runs end: well, and silently on standard error.
#[track_caller]
fn succeeds(outcome: Outcome) -> Outcome {
    outcome.exits(0).stderr_is("")
}

/// Standard error holds these, in this order.
#[track_caller]
fn complains(outcome: &Outcome, pieces: &[&str]) {
    let text = outcome.err();
    let mut rest = text.as_str();
    for piece in pieces {
        let at = rest.find(piece);
        let at = at.unwrap_or_else(|| panic!("expected {pieces:?} in this order in:\n{text}"));
        rest = &rest[at + piece.len()..];
    }
}

/// A guest that is talked to while it runs.
struct Dialogue {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Dialogue {
    fn start(guest: &str, args: &[&str]) -> Self {
        let mut child = Command::new(harness::wrun())
            .arg("--no-cache")
            .args(words(&[], guest, args))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command can be started");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        Self { child, stdin, stdout }
    }

    fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(text.as_bytes()).expect("the guest reads");
    }

    /// The next line, without waiting for more than it.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the guest writes text");
        line
    }

    /// Closes the guest's input, and gives the exit code and what was written to standard error.
    fn end(mut self) -> (Option<i32>, String) {
        drop((self.stdin, self.stdout));
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("standard error is a pipe");
        pipe.read_to_string(&mut stderr).expect("errors are text");
        (self.child.wait().expect("the command ends").code(), stderr)
    }
}

/// The number of the line of `source` that holds `text`.
fn line_of(source: &str, text: &str) -> usize {
    source.lines().position(|line| line.contains(text)).expect("the source has the line") + 1
}

#[test]
fn every_guest_has_a_test() {
    let tests = include_str!("guests.rs");
    let mut guests = 0;
    for entry in fs::read_dir(directory()).expect("the guests' directory can be read") {
        let path = entry.expect("its entries too").path();
        if !matches!(path.extension().and_then(|e| e.to_str()), Some("c" | "rs" | "wat")) {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("names are UTF-8");
        let start = tests.find(&format!("\nmod {name} {{\n"));
        let start = start.unwrap_or_else(|| panic!("no module {name} in tests/guests.rs"));
        let body = tests[start..].split("\n}\n").next().expect("a split has a first piece");
        assert!(body.contains("#[test]"), "the module {name} in tests/guests.rs has no test");
        guests += 1;
    }
    assert!(guests >= 16, "found only {guests} guests");
}

mod abort_trap {
    use super::*;

    #[test]
    fn a_trap_shows_functions_and_lines_and_keeps_the_output_before_it() {
        let source = include_str!("guests/abort_trap.c");
        let at = |text| format!("abort_trap.c:{}", line_of(source, text));
        let outcome = run(&[], "abort_trap.wasm", &[]).exits(134).stdout_is("before the trap\n");
        complains(&outcome, &["error: ", "unreachable"]);
        complains(
            &outcome,
            &[
                "inner",
                &at("__builtin_trap();"),
                "middle",
                &at("    inner();"),
                "outer",
                &at("    middle();"),
                "start",
                &at("    outer();"),
            ],
        );
    }
}

mod args_env {
    use super::*;

    #[test]
    fn arguments_and_variables_arrive_in_order_and_unchanged() {
        let options = ["--env", "ONE=1", "--env", "TWO=a=b c"];
        let args = ["first", "", "--dir", "-v", "ü ☃"];
        succeeds(run(&options, "args_env.wasm", &args))
            .stdout_is("arg first\narg \narg --dir\narg -v\narg ü ☃\nenv ONE=1\nenv TWO=a=b c\n");
    }

    #[test]
    fn the_environment_of_the_host_stays_outside() {
        succeeds(run(&[], "args_env.wasm", &[])).stdout_is("");
    }
}

mod cat {
    use super::*;

    #[test]
    fn copies_more_than_a_pipe_holds() {
        let text = "0123456789abcdef".repeat(20_000);
        let outcome = World::new().wrun(words(&[], "cat.wasm", &[])).stdin(text.as_bytes()).run();
        succeeds(outcome).stdout_is(&text);
    }

    #[test]
    fn answers_line_by_line() {
        let mut cat = Dialogue::start("cat.wasm", &[]);
        for line in ["one\n", "two\n", "three\n"] {
            cat.write(line);
            assert_eq!(cat.line(), line);
        }
        assert_eq!(cat.end(), (Some(0), String::new()));
    }
}

mod clock {
    use super::*;

    #[test]
    fn clocks_tick_and_sleeping_sleeps() {
        succeeds(run(&[], "clock.wasm", &[]))
            .stdout_is("realtime ok\nmonotonic ok\nresolution ok\nsleep ok\n");
    }
}

mod exit_code {
    use super::*;

    #[test]
    fn the_code_of_the_guest_is_the_code_of_the_command() {
        succeeds(run(&[], "exit_code.wasm", &[])).stdout_is("");
        for code in [0, 1, 42, 124, 134, 255] {
            run(&[], "exit_code.wasm", &[&code.to_string()])
                .exits(code)
                .stdout_is("")
                .stderr_is("");
        }
    }
}

mod files {
    use super::*;

    /// Runs one operation in the folder of `world`, which the guest sees as `/data`.
    fn files(world: &World, args: &[&str]) -> Outcome {
        run_in(world, &["--dir", ".::/data"], "files.wasm", args)
    }

    /// What must fail, with the errno that the guest prints.
    #[track_caller]
    fn fails(outcome: Outcome, errno: &str) {
        outcome.exits(1).stdout_is("").stderr_has(&format!(": {errno}"));
    }

    #[test]
    fn files_are_made_changed_and_removed() {
        let world = World::new();
        let run = |args: &[&str]| files(&world, args);
        succeeds(run(&["create", "/data/a.txt", "hello"]));
        fails(run(&["create", "/data/a.txt", "again"]), "EEXIST");
        succeeds(run(&["append", "/data/a.txt", ", world"]));
        succeeds(run(&["read", "/data/a.txt"])).stdout_is("hello, world");
        succeeds(run(&["readat", "/data/a.txt", "7"])).stdout_is("world");
        succeeds(run(&["truncate", "/data/a.txt", "5"]));
        succeeds(run(&["stat", "/data/a.txt"])).stdout_is("file 5\n");
        assert_eq!(world.read("a.txt"), b"hello");
        succeeds(run(&["write", "/data/a.txt", "new"]));
        succeeds(run(&["rename", "/data/a.txt", "/data/b.txt"]));
        fails(run(&["read", "/data/a.txt"]), "ENOENT");
        succeeds(run(&["read", "/data/b.txt"])).stdout_is("new");
        succeeds(run(&["unlink", "/data/b.txt"]));
        assert!(!world.path("b.txt").exists());
    }

    #[test]
    fn directories_and_links_are_made_listed_and_removed() {
        let world = World::new();
        let run = |args: &[&str]| files(&world, args);
        succeeds(run(&["mkdir", "/data/sub"]));
        fails(run(&["mkdir", "/data/sub"]), "EEXIST");
        succeeds(run(&["stat", "/data/sub"])).stdout_is("directory\n");
        succeeds(run(&["write", "/data/sub/b", "b"]));
        succeeds(run(&["link", "/data/sub/b", "/data/sub/a"]));
        succeeds(run(&["symlink", "a", "/data/sub/c"]));
        succeeds(run(&["stat", "/data/sub/c"])).stdout_is("symlink a\n");
        succeeds(run(&["read", "/data/sub/c"])).stdout_is("b");
        succeeds(run(&["mkdir", "/data/sub/d"]));
        succeeds(run(&["list", "/data/sub"])).stdout_is("a\nb\nc\nd/\n");
        fails(run(&["rmdir", "/data/sub"]), "ENOTEMPTY");
        succeeds(run(&["rmdir", "/data/sub/d"]));
        assert!(!world.path("sub/d").exists());
    }

    #[test]
    fn what_is_read_only_stays_as_it_was() {
        let world = World::with("kept", "kept");
        let run = |args: &[&str]| run_in(&world, &["--dir", ".::/data:ro"], "files.wasm", args);
        succeeds(run(&["read", "/data/kept"])).stdout_is("kept");
        for args in [
            &["create", "/data/new", "x"][..],
            &["write", "/data/kept", "x"],
            &["append", "/data/kept", "x"],
            &["truncate", "/data/kept", "0"],
            &["mkdir", "/data/sub"],
            &["unlink", "/data/kept"],
            &["rename", "/data/kept", "/data/moved"],
            &["link", "/data/kept", "/data/linked"],
            &["symlink", "kept", "/data/linked"],
        ] {
            fails(run(args), "EROFS");
        }
        let names: Vec<_> = fs::read_dir(world.path(".")).expect("it can be listed").collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(world.read("kept"), b"kept");
    }

    #[test]
    fn no_way_leads_out_of_a_directory() {
        let world = World::with("secret", "secret").file("inside/own", "own");
        let link = |to: PathBuf, name| {
            std::os::unix::fs::symlink(to, world.path(name)).expect("a link can be made");
        };
        link(world.path("secret"), "inside/absolute");
        link("../secret".into(), "inside/relative");
        let run = |args: &[&str]| run_in(&world, &["--dir", "inside::/data"], "files.wasm", args);
        succeeds(run(&["read", "/data/own"])).stdout_is("own");
        for path in ["/data/../secret", "/data/absolute", "/data/relative", "../secret", "/secret"]
        {
            run(&["read", path]).exits(1).stdout_is("").stderr_has("files: read");
        }
        run(&["write", "/data/relative", "x"]).exits(1);
        assert_eq!(world.read("secret"), b"secret");
    }
}

mod grow {
    use super::*;

    /// How many MiB the guest could allocate before it was told that there are no more.
    fn allocated(max_memory: &str) -> u32 {
        let out = succeeds(run(&["--max-memory", max_memory], "grow.wasm", &[])).out();
        let count =
            out.strip_prefix("grew by ").and_then(|it| it.strip_suffix(" MiB, then ENOMEM\n"));
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{out}"))
    }

    #[test]
    fn memory_ends_where_max_memory_says() {
        // C's allocator asks for ever larger pieces, and gives up at the first one that it does not get.
        let (small, large) = (allocated("64M"), allocated("256M"));
        assert!((16..48).contains(&small), "{small} MiB of 64");
        assert!((64..240).contains(&large), "{large} MiB of 256");
    }

    #[test]
    fn a_memory_that_begins_larger_than_allowed_is_refused() {
        run(&["--max-memory", "1M"], "grow.wasm", &[]).exits(125).stderr_has("memory");
    }
}

mod hello {
    use super::*;

    #[test]
    fn says_hello() {
        succeeds(run(&[], "hello.wasm", &[])).stdout_is("hello, world\n");
    }

    #[test]
    fn says_so_without_optimisation_too() {
        succeeds(run(&["-O", "0"], "hello.wasm", &[])).stdout_is("hello, world\n");
    }
}

mod noentry {
    use super::*;

    #[test]
    fn its_exports_are_named_when_there_is_nothing_to_start() {
        let outcome = run(&[], "noentry.wat", &[]).exits(126);
        complains(&outcome, &["error: ", "add", "divide", "split"]);
    }

    #[test]
    fn its_functions_can_be_invoked() {
        let invoke = |name, args: &[&str]| run(&["--invoke", name], "noentry.wat", args);
        succeeds(invoke("add", &["40", "2"])).stdout_is("42\n");
        succeeds(invoke("split", &["4294967298"])).stdout_is("1\n2\n");
        invoke("divide", &["1", "0"]).exits(134).stderr_has("integer divide by zero");
    }
}

mod nonblock {
    use super::*;

    #[test]
    fn input_that_is_not_there_yet_is_eagain() {
        let mut guest = Dialogue::start("nonblock.wasm", &[]);
        assert_eq!(guest.line(), "waited\n");
        guest.write("12345");
        guest.stdin = None;
        assert_eq!(guest.line(), "read 5 bytes\n");
        assert_eq!(guest.end(), (Some(0), String::new()));
    }
}

mod poll {
    use super::*;

    #[test]
    fn input_that_is_there_is_ready() {
        let words = words(&[], "poll.wasm", &["60000"]);
        succeeds(World::new().wrun(words).stdin("text\n").run()).stdout_is("ready\n");
    }

    #[test]
    fn waiting_for_input_that_does_not_come_ends_in_time() {
        let mut guest = Dialogue::start("poll.wasm", &["200"]);
        assert_eq!(guest.line(), "timeout\n");
        assert_eq!(guest.end(), (Some(0), String::new()));
    }
}

mod random {
    use super::*;

    #[test]
    fn random_bytes_are_random() {
        succeeds(run(&[], "random.wasm", &[])).stdout_is("random ok\n");
    }
}

mod reactor {
    use super::*;

    fn invoke(name: &str, args: &[&str]) -> Outcome {
        succeeds(run(&["--invoke", name], "reactor.wasm", args))
    }

    #[test]
    fn functions_take_and_give_each_type_of_number() {
        invoke("add", &["2147483647", "1"]).stdout_is("-2147483648\n");
        assert_eq!(invoke("mul", &["1.5", "-2"]).out().trim().parse(), Ok(-3.0));
        invoke("half", &["5"]).stdout_is("2.5\n");
        invoke("shift", &["1", "40"]).stdout_is("1099511627776\n");
        invoke("greet", &[]).stdout_is("hello from the reactor\n");
    }

    #[test]
    fn it_is_initialised_first() {
        invoke("calls", &[]).stdout_is("101\n");
    }
}

mod stack_overflow {
    use super::*;

    #[test]
    fn endless_recursion_is_a_trap() {
        for options in [&[][..], &["--max-stack", "256K"], &["--max-stack", "64M"], &["-O", "0"]] {
            let outcome = run(options, "stack_overflow.wasm", &[]).exits(134);
            outcome.stdout_is("descending\n").stderr_has("call stack exhausted");
        }
    }
}

mod threads {
    use super::*;

    #[test]
    fn threads_made_by_a_toolchain_share_data_and_have_their_own() {
        let outcome = succeeds(run(&["--wasi", "threads"], "threads.wasm", &[]));
        let threads: String = (1..=4).map(|id| format!("thread {id} counted to 1001\n")).collect();
        outcome.stdout_is(&(threads + "together 4000, the main thread 1\n"));
    }

    #[test]
    fn a_trap_or_exit_in_a_thread_is_the_programs() {
        let outcome = run(&["--wasi", "threads"], "threads.wasm", &["trap"]).exits(134);
        complains(&outcome, &["the program trapped: unreachable", "wasm backtrace"]);
        run(&["--wasi", "threads"], "threads.wasm", &["exit"]).exits(7).stderr_is("");
    }
}

mod word_count {
    use super::*;

    #[test]
    fn words_of_standard_input_are_counted() {
        let text = "the cat and the dog, and the Bird: THE end of a day";
        let outcome = World::new().wrun(words(&[], "word_count.wasm", &[])).stdin(text).run();
        succeeds(outcome).stdout_is("4 the\n2 and\n1 a\n1 bird\n1 cat\n");
    }

    #[test]
    fn files_are_read_and_a_report_is_written() {
        let world = World::with("one", "a b ").file("two", "b c");
        let options = ["--dir", ".::/", "--env", "WORD_COUNT_REPORT=/report"];
        succeeds(run_in(&world, &options, "word_count.wasm", &["/one", "/two"]))
            .stdout_is("2 b\n1 a\n1 c\n");
        assert_eq!(world.read("report"), b"4 words, 3 different\n");
    }

    #[test]
    fn a_panic_is_a_message_and_a_trap_with_readable_names() {
        let outcome = run(&[], "word_count.wasm", &["missing.txt"]).exits(134);
        complains(&outcome, &["word_count.rs", "cannot read missing.txt", "word_count::read"]);
    }
}

mod write_loop {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_is_epipe_to_the_guest() {
        let mut guest = Dialogue::start("write_loop.wasm", &[]);
        assert!(!guest.line().is_empty());
        assert_eq!(guest.end(), (Some(3), "write_loop: EPIPE\n".to_owned()));
    }

    #[test]
    fn all_lines_arrive() {
        let outcome = succeeds(run(&[], "write_loop.wasm", &["20000"]));
        assert_eq!(outcome.out().lines().count(), 20_000);
    }
}
