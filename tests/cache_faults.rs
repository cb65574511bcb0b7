//! Whatever happens to the cache, programs run, and what they do is right.

#![cfg(feature = "cranelift")]

mod harness;

use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    hash::{BuildHasher, RandomState},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use harness::{World, guests::HELLO};

fn entries(folder: &Path) -> Vec<PathBuf> {
    with_ending(folder, "image")
}

fn with_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the cache");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

/// Runs the program, which works and says nothing else.
#[track_caller]
fn runs(world: &World) {
    world.wrun(["hello.wat"]).run().exits(0).stdout_is("hello\n").stderr_is("");
}

#[track_caller]
fn is_whole(world: &World) {
    world.wrun(["cache", "verify"]).run().exits(0);
}

#[test]
fn damaged_entries_are_replaced() {
    let world = World::with("hello.wat", HELLO);
    runs(&world);
    let [entry] = &entries(world.cache())[..] else { panic!("one entry") };
    let good = fs::read(entry).unwrap();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut damaged: Vec<_> =
        (0..good.len()).step_by(good.len() / 16).map(|at| (at, changed(at))).collect();
    damaged.extend([0, 1, 64, good.len() / 2, good.len() - 1].map(|n| (n, good[..n].to_vec())));
    // As a file system may leave a file behind that was not written when the machine stopped.
    damaged.push((0, vec![0; good.len()]));
    for (at, bytes) in damaged {
        fs::write(entry, &bytes).unwrap();
        runs(&world);
        assert!(fs::read(entry).unwrap() == good, "it was damaged at {at}, and is not as before");
    }
}

#[test]
fn a_cache_that_others_may_write_is_left_alone() {
    let world = World::with("hello.wat", HELLO);
    for mode in [0o777, 0o1777, 0o770] {
        fs::set_permissions(world.cache(), Permissions::from_mode(mode)).unwrap();
        let outcome = world.wrun(["hello.wat"]).run().exits(0).stdout_is("hello\n");
        let outcome = outcome.stderr_has("others may write to it");
        assert_eq!(outcome.err().matches("warning:").count(), 1);
        world.wrun(["--no-cache", "hello.wat"]).run().exits(0).stderr_is("");
        world.wrun(["cache", "clear"]).run().exits(125).stderr_has("others may write to it");
        assert_eq!(fs::read_dir(world.cache()).unwrap().count(), 0);
    }
    fs::set_permissions(world.cache(), Permissions::from_mode(0o755)).unwrap();
    runs(&world);
}

#[test]
fn an_entry_that_others_may_write_is_left_alone_and_replaced() {
    let world = World::with("hello.wat", HELLO);
    runs(&world);
    let [entry] = &entries(world.cache())[..] else { panic!("one entry") };
    fs::set_permissions(entry, Permissions::from_mode(0o666)).unwrap();
    world.wrun(["cache", "verify"]).run().exits(1).stdout_has("others may write to it");
    let outcome = world.wrun(["--preload", "a=hello.wat", "hello.wat"]).run().exits(0);
    let outcome = outcome.stdout_is("hello\n").stderr_has("others may write to it");
    assert_eq!(outcome.err().matches("warning:").count(), 1);
    runs(&world);
    assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_entry_that_is_a_link_is_not_followed() {
    let world = World::with("hello.wat", HELLO);
    runs(&world);
    let [entry] = &entries(world.cache())[..] else { panic!("one entry") };
    fs::rename(entry, world.path("elsewhere")).unwrap();
    symlink(world.path("elsewhere"), entry).unwrap();
    let outcome = world.wrun(["-v", "hello.wat"]).run().exits(0).stdout_is("hello\n");
    outcome.stderr_has("compiled to an image").stderr_has_not("found in the cache");
    assert!(!fs::symlink_metadata(entry).unwrap().is_symlink());
}

#[test]
fn what_belongs_to_another_user_is_left_alone() {
    let world = World::with("hello.wat", HELLO);
    runs(&world);
    let [entry] = &entries(world.cache())[..] else { panic!("one entry") };
    if chown(entry, Some(12345), None).is_err() {
        println!("skipped: only the system's administrator can give files away");
        return;
    }
    let run = || world.wrun(["hello.wat"]).run().exits(0).stdout_is("hello\n");
    run().stderr_has("belongs to another user");
    runs(&world);
    chown(world.cache(), Some(12345), None).unwrap();
    run().stderr_has("belongs to another user");
    chown(world.cache(), Some(0), None).unwrap();

    // The home directory of another user, as `sudo` may leave it in the environment: nothing is made there.
    fs::create_dir(world.path("home")).unwrap();
    chown(world.path("home"), Some(12345), None).unwrap();
    let run = world.wrun(["hello.wat"]).env_remove("WRUN_CACHE_DIR").env_remove("XDG_CACHE_HOME");
    run.env("HOME", world.path("home")).run().exits(0).stdout_is("hello\n").stderr_is("");
    assert_eq!(fs::read_dir(world.path("home")).unwrap().count(), 0);
}

#[test]
fn a_place_where_nothing_can_be_written_is_no_failure() {
    let world = World::with("hello.wat", HELLO);
    for place in ["/proc/wrun", "/dev/null", "/dev/null/wrun", "hello.wat", "hello.wat/x"] {
        let outcome = world.wrun(["--cache-dir", place, "hello.wat"]).run();
        outcome.exits(0).stdout_is("hello\n").stderr_is("");
    }
    fs::set_permissions(world.cache(), Permissions::from_mode(0o500)).unwrap();
    runs(&world);
    // Directories where files should be.
    fs::set_permissions(world.cache(), Permissions::from_mode(0o700)).unwrap();
    runs(&world);
    let [entry] = &entries(world.cache())[..] else { panic!("one entry") };
    fs::remove_file(entry).unwrap();
    fs::create_dir(entry).unwrap();
    fs::set_permissions(entry, Permissions::from_mode(0o700)).unwrap();
    let _ = fs::remove_file(world.cache().join("lock"));
    fs::create_dir(world.cache().join("lock")).unwrap();
    world.wrun(["hello.wat"]).run().exits(0).stdout_is("hello\n").stderr_has("it is no file");
}

#[test]
fn a_full_disk_is_no_failure() {
    let world = World::with("hello.wat", HELLO);
    let mount = |options: &str, then: &str| {
        let line = format!("mount -t tmpfs -o mode=700,{options} tmpfs disk && {then}");
        world.program("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", &line])
    };
    fs::create_dir(world.path("disk")).unwrap();
    if Command::new("unshare").arg("--version").output().is_err()
        || mount("size=64k", "true").run().code() != Some(0)
    {
        println!("skipped: there is no right to mount a small disk here");
        return;
    }
    let wrun = harness::wrun().display();
    let twice = format!("{wrun} --cache-dir disk hello.wat && {wrun} --cache-dir disk hello.wat");
    let check = format!("{twice} && {wrun} cache verify --cache-dir disk && ls disk");
    runs(&world);
    let len = fs::metadata(&entries(world.cache())[0]).unwrap().len();
    let size = |bytes: u64| format!("size={bytes}");
    let sizes = [4 << 10, 8 << 10, len / 4, len / 2, len - (4 << 10)].map(size);
    for room in sizes.into_iter().chain(["nr_inodes=2", "ro"].map(str::to_owned)) {
        let outcome = mount(&room, &check).run().exits(0).stderr_is("");
        assert!(outcome.out().starts_with("hello\nhello\n0 entries"), "{}", outcome.out());
        assert!(!outcome.out().contains(".tmp"), "{room}: {}", outcome.out());
    }
    // The check above would also pass if nothing was ever written.
    mount("size=10M", &check).run().exits(0).stdout_has("1 entry whole");
}

#[test]
fn a_limit_on_the_size_of_files_ends_no_run() {
    let world = World::with("hello.wat", HELLO);
    runs(&world);
    let len = fs::metadata(&entries(world.cache())[0]).unwrap().len();
    // In blocks of 512 bytes. The limit is for the copy in memory as well: what is in the cache needs none.
    let line = format!("ulimit -f {}; exec {} -v hello.wat", len / 1024, harness::wrun().display());
    let outcome = world.program("sh", ["-c", &line]).run().exits(0);
    outcome.stdout_is("hello\n").stderr_has("found in the cache");
}

#[test]
fn sixteen_first_runs_at_once_are_all_right() {
    let world = World::with("hello.wat", large("hello"));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| runs(&world));
        }
    });
    assert_eq!(entries(world.cache()).len(), 1);
    assert!(with_ending(world.cache(), "tmp").is_empty());
    is_whole(&world);
    let outcome = world.wrun(["-v", "hello.wat"]).run().exits(0).stdout_is("hello\n");
    outcome.stderr_has("found in the cache");
}

#[test]
fn killing_a_run_at_any_moment_damages_nothing() {
    let worlds = ["hello", "other"].map(|text| World::with("hello.wat", large(text)));
    let cache = worlds[0].cache();
    let start = |world: &World| {
        let mut command = Command::new(harness::wrun());
        command.arg("hello.wat").current_dir(world.path("")).env("WRUN_CACHE_DIR", cache);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let began = Instant::now();
    assert!(start(&worlds[0]).wait_with_output().unwrap().status.success());
    let whole_run = began.elapsed();

    let (mut killed, mut finished, mut abandoned) = (0, 0, 0);
    // 200 are killed, or were about to be.
    for round in 0..100 {
        // Two processes: in turn of the same module and of two, each time with nothing in the cache, or with all.
        if round % 3 != 2 {
            worlds[0].wrun(["cache", "clear"]).run().exits(0);
        }
        let mut children = [start(&worlds[0]), start(&worlds[round % 2])];
        // Around the end of a run, which is where files are written.
        let mut moments = [random(), random()].map(|at| whole_run.mul_f64(0.4 + 1.2 * at));
        moments.sort_unstable();
        let began = Instant::now();
        for (child, moment) in children.iter_mut().zip(moments) {
            thread::sleep(moment.saturating_sub(began.elapsed()));
            child.kill().unwrap();
        }
        for child in &mut children {
            child.wait().unwrap();
        }
        abandoned += with_ending(cache, "tmp").len();
        for (child, text) in
            children.into_iter().zip(["hello\n", ["hello\n", "other\n"][round % 2]])
        {
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                assert_eq!(String::from_utf8_lossy(&output.stdout), text);
                finished += 1;
            } else {
                killed += 1;
            }
            assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        is_whole(&worlds[0]);
    }
    println!("{killed} killed, {finished} finished, {abandoned} files abandoned");
    assert!(killed > 0);
    // What the dead left behind goes with the next write.
    worlds[0].wrun(["cache", "verify"]).run().exits(0);
    worlds[0].wrun(["-O0", "hello.wat"]).run().exits(0).stdout_is("hello\n");
    assert!(with_ending(cache, "tmp").is_empty());
    for (world, text) in worlds.iter().zip(["hello\n", "other\n"]) {
        let run = || world.wrun(["hello.wat"]).env("WRUN_CACHE_DIR", cache).run().exits(0);
        run().stdout_is(text);
        run().stdout_is(text);
    }
}

/// A program that prints a text and takes a moment to compile and to write.
fn large(text: &str) -> String {
    let mut module = HELLO.replace("hello", text).replace("\"memory\") 1)", "\"memory\") 100)");
    module.truncate(module.trim_end().len() - 1);
    for index in 0..100 {
        let _ = writeln!(
            module,
            "(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const {index})))"
        );
    }
    let _ = writeln!(module, "(data (i32.const 4096) \"{}\"))", "x".repeat(4_000_000));
    module
}

/// A number from 0 to 1.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
