//! The programs of `tests/guests/`, each run by the command as a user runs it. A module here for each guest, of its name;
//! [`every_guest_has_a_test`] sees to that.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// No guest takes longer, even on a busy machine and compiled without optimisation; one that does, hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// Where the guests lie.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

/// A new empty directory for the test called `name`.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("the scratch directory can be made");
    path
}

/// A run of the command, or what is known of it so far.
struct Wrun {
    options: Vec<String>,
    guest: String,
    args: Vec<String>,
    stdin: Vec<u8>,
}

/// A run of the guest in the file called `guest`.
fn wrun(guest: &str) -> Wrun {
    Wrun { options: Vec::new(), guest: guest.into(), args: Vec::new(), stdin: Vec::new() }
}

impl Wrun {
    /// Adds options of the command, which stand before the guest.
    fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(ToString::to_string));
        self
    }

    /// Adds arguments of the guest.
    fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }

    /// What the guest reads.
    fn stdin(mut self, text: &str) -> Self {
        self.stdin = text.into();
        self
    }

    /// Starts it with pipes at all its ends.
    fn start(&self) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wrun"));
        command
            .args(&self.options)
            .arg(directory().join(&self.guest))
            .arg("--")
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let shown = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Running { shown, child }
    }

    /// Runs it to its end.
    fn run(self) -> Finished {
        let mut running = self.start();
        let mut stdin = running.child.stdin.take().expect("standard input is a pipe");
        // A guest that does not read ends with the pipe closed, which is no failure.
        let _ = stdin.write_all(&self.stdin);
        drop(stdin);
        running.finish()
    }
}

/// A command that has been started.
struct Running {
    shown: String,
    child: Child,
}

impl Running {
    /// Waits for its end, and kills it when that does not come.
    fn finish(self) -> Finished {
        let pid = self.child.id().to_string();
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if ended.recv_timeout(LONGEST) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
        });
        let output = self.child.wait_with_output().expect("the command can be waited for");
        drop(done);
        watchdog.join().expect("the watchdog does not panic");
        Finished { shown: self.shown, output }
    }
}

/// A command that has ended, and all it wrote.
struct Finished {
    shown: String,
    output: Output,
}

impl Finished {
    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Fails, and shows all there is to see.
    #[track_caller]
    fn fail(&self, expected: &str) -> ! {
        panic!(
            "expected {expected}\n  command: {}\n  ended with: {}\n  stdout:\n{}\n  stderr:\n{}",
            self.shown,
            self.output.status,
            self.stdout(),
            self.stderr()
        )
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        if self.output.status.code() != Some(code) {
            self.fail(&format!("exit code {code}"));
        }
        self
    }

    #[track_caller]
    fn prints(self, text: &str) -> Self {
        if self.stdout() != text {
            self.fail(&format!("standard output {text:?}"));
        }
        self
    }

    /// Standard error holds these, in this order.
    #[track_caller]
    fn complains(self, pieces: &[&str]) -> Self {
        let stderr = self.stderr();
        let mut rest = stderr.as_str();
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => self.fail(&format!("standard error to name in turn {pieces:?}")),
            }
        }
        self
    }

    /// The way most runs end: well, and silently on standard error.
    #[track_caller]
    fn succeeds(self) -> Self {
        let finished = self.exits(0);
        if !finished.output.stderr.is_empty() {
            finished.fail("nothing on standard error");
        }
        finished
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
        let source = matches!(path.extension().and_then(|e| e.to_str()), Some("c" | "rs" | "wat"));
        if !source {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("names are UTF-8");
        let start = tests.find(&format!("\nmod {name} {{\n"));
        let start =
            start.unwrap_or_else(|| panic!("the guest {name} has no tests in tests/guests.rs"));
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
        let inner = format!("abort_trap.c:{}", line_of(source, "__builtin_trap();"));
        let middle = format!("abort_trap.c:{}", line_of(source, "    inner();"));
        let outer = format!("abort_trap.c:{}", line_of(source, "    middle();"));
        let start = format!("abort_trap.c:{}", line_of(source, "    outer();"));
        wrun("abort_trap.wasm")
            .run()
            .exits(134)
            .prints("before the trap\n")
            .complains(&["error: ", "unreachable"])
            .complains(&["inner", &inner, "middle", &middle, "outer", &outer, "start", &start]);
    }
}

mod args_env {
    use super::*;

    #[test]
    fn arguments_and_variables_arrive_in_order_and_unchanged() {
        wrun("args_env.wasm")
            .options(&["--env", "ONE=1", "--env", "TWO=a=b c"])
            .args(&["first", "", "--dir", "-v", "ü ☃"])
            .run()
            .succeeds()
            .prints("arg first\narg \narg --dir\narg -v\narg ü ☃\nenv ONE=1\nenv TWO=a=b c\n");
    }

    #[test]
    fn the_environment_of_the_host_stays_outside() {
        wrun("args_env.wasm").run().succeeds().prints("");
    }
}

mod cat {
    use super::*;

    #[test]
    fn copies_more_than_a_pipe_holds() {
        let text = "0123456789abcdef".repeat(20_000);
        let mut running = wrun("cat.wasm").start();
        let mut stdin = running.child.stdin.take().expect("standard input is a pipe");
        let input = text.clone();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        running.finish().succeeds().prints(&text);
        writer.join().expect("the writer does not panic").expect("all is read");
    }

    #[test]
    fn answers_line_by_line() {
        let mut running = wrun("cat.wasm").start();
        let mut stdin = running.child.stdin.take().expect("standard input is a pipe");
        let mut stdout = BufReader::new(running.child.stdout.take().expect("so is the output"));
        for line in ["one\n", "two\n", "three\n"] {
            stdin.write_all(line.as_bytes()).expect("the guest reads");
            let mut answer = String::new();
            stdout.read_line(&mut answer).expect("the guest answers");
            assert_eq!(answer, line);
        }
        drop(stdin);
        running.finish().succeeds();
    }
}

mod clock {
    use super::*;

    #[test]
    fn clocks_tick_and_sleeping_sleeps() {
        wrun("clock.wasm")
            .run()
            .succeeds()
            .prints("realtime ok\nmonotonic ok\nresolution ok\nsleep ok\n");
    }
}

mod exit_code {
    use super::*;

    #[test]
    fn the_code_of_the_guest_is_the_code_of_the_command() {
        wrun("exit_code.wasm").run().succeeds().prints("");
        for code in [0, 1, 42, 124, 134, 255] {
            wrun("exit_code.wasm").args(&[&code.to_string()]).run().exits(code).prints("");
        }
    }
}

mod files {
    use super::*;

    /// Runs one operation in `host`, which the guest sees as `/data`.
    fn files(host: &Path, access: &str, args: &[&str]) -> Finished {
        let dir = format!("{}::/data{access}", host.display());
        wrun("files.wasm").options(&["--dir", &dir]).args(args).run()
    }

    #[test]
    fn files_are_made_changed_and_removed() {
        let host = scratch("changed");
        let run = |args: &[&str]| files(&host, "", args);
        run(&["create", "/data/a.txt", "hello"]).succeeds();
        run(&["create", "/data/a.txt", "again"])
            .exits(1)
            .complains(&["create /data/a.txt: EEXIST"]);
        run(&["append", "/data/a.txt", ", world"]).succeeds();
        run(&["read", "/data/a.txt"]).succeeds().prints("hello, world");
        run(&["readat", "/data/a.txt", "7"]).succeeds().prints("world");
        run(&["truncate", "/data/a.txt", "5"]).succeeds();
        run(&["stat", "/data/a.txt"]).succeeds().prints("file 5\n");
        assert_eq!(fs::read_to_string(host.join("a.txt")).expect("it is there"), "hello");
        run(&["write", "/data/a.txt", "new"]).succeeds();
        run(&["rename", "/data/a.txt", "/data/b.txt"]).succeeds();
        run(&["read", "/data/a.txt"]).exits(1).complains(&["read /data/a.txt: ENOENT"]);
        run(&["read", "/data/b.txt"]).succeeds().prints("new");
        run(&["unlink", "/data/b.txt"]).succeeds();
        assert!(!host.join("b.txt").exists());
    }

    #[test]
    fn directories_and_links_are_made_listed_and_removed() {
        let host = scratch("directories");
        let run = |args: &[&str]| files(&host, "", args);
        run(&["mkdir", "/data/sub"]).succeeds();
        run(&["mkdir", "/data/sub"]).exits(1).complains(&["EEXIST"]);
        run(&["stat", "/data/sub"]).succeeds().prints("directory\n");
        run(&["write", "/data/sub/b", "b"]).succeeds();
        run(&["link", "/data/sub/b", "/data/sub/a"]).succeeds();
        run(&["symlink", "a", "/data/sub/c"]).succeeds();
        run(&["stat", "/data/sub/c"]).succeeds().prints("symlink a\n");
        run(&["read", "/data/sub/c"]).succeeds().prints("b");
        run(&["mkdir", "/data/sub/d"]).succeeds();
        run(&["list", "/data/sub"]).succeeds().prints("a\nb\nc\nd/\n");
        run(&["rmdir", "/data/sub"]).exits(1).complains(&["rmdir /data/sub: ENOTEMPTY"]);
        run(&["rmdir", "/data/sub/d"]).succeeds();
        assert!(!host.join("sub/d").exists());
    }

    #[test]
    fn what_is_read_only_stays_as_it_was() {
        let host = scratch("read_only");
        fs::write(host.join("kept"), "kept").expect("the file can be written");
        files(&host, ":ro", &["read", "/data/kept"]).succeeds().prints("kept");
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
            files(&host, ":ro", args).exits(1).prints("").complains(&["files: ", args[0], ": E"]);
        }
        let names: Vec<_> = fs::read_dir(&host).expect("it can be listed").collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(fs::read_to_string(host.join("kept")).expect("it is there"), "kept");
    }

    #[test]
    fn no_way_leads_out_of_a_directory() {
        let outside = scratch("outside");
        let host = outside.join("inside");
        fs::create_dir(&host).expect("it can be made");
        fs::write(outside.join("secret"), "secret").expect("the file can be written");
        std::os::unix::fs::symlink(outside.join("secret"), host.join("absolute")).expect("a link");
        std::os::unix::fs::symlink("../secret", host.join("relative")).expect("another");
        for path in ["/data/../secret", "/data/absolute", "/data/relative", "../secret", "/secret"]
        {
            files(&host, "", &["read", path]).exits(1).prints("");
        }
        files(&host, "", &["write", "/data/relative", "x"]).exits(1);
        assert_eq!(fs::read_to_string(outside.join("secret")).expect("it is there"), "secret");
    }
}

mod grow {
    use super::*;

    #[test]
    fn memory_ends_where_max_memory_says() {
        let finished = wrun("grow.wasm").options(&["--max-memory", "64M"]).run().succeeds();
        let stdout = finished.stdout();
        let count = stdout.strip_prefix("grew by ").and_then(|rest| rest.split(' ').next());
        match count.and_then(|count| count.parse().ok()) {
            Some(48..=63) if stdout.ends_with(" MiB, then ENOMEM\n") => {}
            _ => finished.fail("48 to 63 MiB, then ENOMEM"),
        }
    }
}

mod hello {
    use super::*;

    #[test]
    fn says_hello() {
        wrun("hello.wasm").run().succeeds().prints("hello, world\n");
    }

    #[test]
    fn says_so_without_optimisation_too() {
        wrun("hello.wasm").options(&["-O", "0"]).run().succeeds().prints("hello, world\n");
    }
}

mod noentry {
    use super::*;

    #[test]
    fn its_exports_are_named_when_there_is_nothing_to_start() {
        let finished = wrun("noentry.wat").run();
        if finished.output.status.success() {
            finished.fail("a failure");
        }
        finished.complains(&["error: ", "add", "divide", "split"]);
    }

    #[test]
    fn its_functions_can_be_invoked() {
        wrun("noentry.wat")
            .options(&["--invoke", "add"])
            .args(&["40", "2"])
            .run()
            .succeeds()
            .prints("42\n");
        wrun("noentry.wat")
            .options(&["--invoke", "divide"])
            .args(&["1", "0"])
            .run()
            .exits(134)
            .complains(&["integer divide by zero"]);
        let split = wrun("noentry.wat").options(&["--invoke", "split"]).args(&["4294967298"]).run();
        assert_eq!(split.succeeds().stdout().split_whitespace().collect::<Vec<_>>(), ["1", "2"]);
    }
}

mod nonblock {
    use super::*;

    #[test]
    fn input_that_is_not_there_yet_is_eagain() {
        let mut running = wrun("nonblock.wasm").start();
        let mut stdin = running.child.stdin.take().expect("standard input is a pipe");
        let mut stdout = BufReader::new(running.child.stdout.take().expect("so is the output"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the guest speaks");
        assert_eq!(line, "waited\n");
        stdin.write_all(b"12345").expect("the guest reads");
        drop(stdin);
        line.clear();
        stdout.read_line(&mut line).expect("the guest speaks again");
        assert_eq!(line, "read 5 bytes\n");
        running.finish().succeeds();
    }
}

mod poll {
    use super::*;

    #[test]
    fn input_that_is_there_is_ready() {
        wrun("poll.wasm").args(&["60000"]).stdin("text\n").run().succeeds().prints("ready\n");
    }

    #[test]
    fn waiting_for_input_that_does_not_come_ends_in_time() {
        let started = Instant::now();
        let mut running = wrun("poll.wasm").args(&["200"]).start();
        let stdin = running.child.stdin.take();
        running.finish().succeeds().prints("timeout\n");
        assert!(started.elapsed() >= Duration::from_millis(200));
        drop(stdin);
    }
}

mod random {
    use super::*;

    #[test]
    fn random_bytes_are_random() {
        wrun("random.wasm").run().succeeds().prints("random ok\n");
    }
}

mod reactor {
    use super::*;

    fn invoke(name: &str, args: &[&str]) -> Finished {
        wrun("reactor.wasm").options(&["--invoke", name]).args(args).run().succeeds()
    }

    #[test]
    fn functions_take_and_give_each_type_of_number() {
        invoke("add", &["2147483647", "1"]).prints("-2147483648\n");
        assert_eq!(invoke("mul", &["1.5", "-2"]).stdout().trim().parse(), Ok(-3.0));
        invoke("half", &["5"]).prints("2.5\n");
        invoke("shift", &["1", "40"]).prints("1099511627776\n");
        invoke("greet", &[]).prints("hello from the reactor\n");
    }

    #[test]
    fn it_is_initialised_first() {
        invoke("calls", &[]).prints("101\n");
    }
}

mod stack_overflow {
    use super::*;

    #[test]
    fn endless_recursion_is_a_trap() {
        wrun("stack_overflow.wasm")
            .run()
            .exits(134)
            .prints("descending\n")
            .complains(&["error: ", "call stack exhausted"]);
    }

    #[test]
    fn a_smaller_stack_is_used_up_as_well() {
        wrun("stack_overflow.wasm").options(&["--max-stack", "256K"]).run().exits(134);
    }
}

mod word_count {
    use super::*;

    #[test]
    fn words_of_standard_input_are_counted() {
        wrun("word_count.wasm")
            .stdin("the cat and the dog, and the Bird: THE end of a day")
            .run()
            .succeeds()
            .prints("4 the\n2 and\n1 a\n1 bird\n1 cat\n");
    }

    #[test]
    fn files_are_read_and_a_report_is_written() {
        let host = scratch("words");
        fs::write(host.join("one"), "a b ").expect("the file can be written");
        fs::write(host.join("two"), "b c").expect("the file can be written");
        let dir = format!("{}::/", host.display());
        wrun("word_count.wasm")
            .options(&["--dir", &dir, "--env", "WORD_COUNT_REPORT=/report"])
            .args(&["/one", "/two"])
            .run()
            .succeeds()
            .prints("2 b\n1 a\n1 c\n");
        let mut report = String::new();
        let mut file = fs::File::open(host.join("report")).expect("the report is there");
        file.read_to_string(&mut report).expect("it can be read");
        assert_eq!(report, "4 words, 3 different\n");
    }

    #[test]
    fn a_panic_is_a_message_and_a_trap_with_readable_names() {
        wrun("word_count.wasm").args(&["missing.txt"]).run().exits(134).complains(&[
            "word_count.rs",
            "cannot read missing.txt",
            "word_count::read",
        ]);
    }
}

mod write_loop {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_is_epipe_to_the_guest() {
        let mut running = wrun("write_loop.wasm").start();
        let mut stdout = running.child.stdout.take().expect("standard output is a pipe");
        stdout.read_exact(&mut [0; 64]).expect("the guest writes");
        drop(stdout);
        running.finish().exits(3).complains(&["write_loop: EPIPE"]);
    }

    #[test]
    fn all_lines_arrive() {
        let finished = wrun("write_loop.wasm").args(&["20000"]).run().succeeds();
        assert_eq!(finished.stdout().lines().count(), 20_000);
    }
}
