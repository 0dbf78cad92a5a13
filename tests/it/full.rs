//! What happens when the disk takes nothing any more? A clear message, no finished replicate lost, and the same bits
//! when there is room again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use diffscope::store::record::State;

use crate::kills::{assert_same, tensors};
use crate::program::{Home, err, out, progress};
use crate::studies::of;

/// What a run that nothing disturbs leaves.
fn expected(home: &Home, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let whole = home.dir("whole");
    home.finish(&whole, 2, more);
    tensors(&whole)
}

/// The command line that trains the small study, for a shell.
fn command_line(home: &Home, dir: &Path, jobs: usize, more: &[&str]) -> String {
    let quoted = |word: &String| format!("'{word}'");
    let arguments: Vec<String> = home.run_arguments(dir, jobs, more).iter().map(quoted).collect();
    format!("'{}' {}", env!("CARGO_BIN_EXE_diffscope"), arguments.join(" "))
}

fn shell(home: &Home, wrapper: &[&str], script: &str) -> Output {
    let words = [wrapper, &["sh", "-c", script]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("XDG_STATE_HOME", home.dir("state")).env("XDG_CONFIG_HOME", home.dir("config"));
    command.output().unwrap()
}

#[test]
fn an_output_that_takes_nothing_ends_the_run_in_good_order() {
    let home = Home::new();
    let expected = expected(&home, &[]);
    let dir = home.dir("s");
    let output = shell(&home, &[], &format!("{} > /dev/full", command_line(&home, &dir, 2, &[])));
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(err(&output).contains("standard output: No space left on device"), "{}", err(&output));
    assert!(progress(&dir).iter().all(|one| one.state != State::Running), "everything was left in good order");
    home.finish(&dir, 2, &[]);
    assert_same(&expected, &tensors(&dir), "after a full output");
}

#[test]
fn a_file_that_may_not_grow_fails_its_replicate_alone_and_can_be_tried_again() {
    let home = Home::new();
    let settings = ["--set", "model.1.name=\"mlp-192x1\"", "--set", "model.1.label=\"wide\""];
    let expected = expected(&home, &settings);
    let dir = home.dir("s");
    // 800 blocks of 512 bytes (some shells: 1024) hold the checkpoints of `net` but not the weights of `wide`.
    let command = command_line(&home, &dir, 1, &settings);
    let output = shell(&home, &[], &format!("trap '' XFSZ; ulimit -f 800; exec {command}"));
    let all = progress(&dir);
    assert_eq!(output.status.code(), Some(3), "{}{}", out(&output), err(&output));
    assert_eq!((of(&all, "net", 0).state, of(&all, "net", 1).state), (State::Finished, State::Finished), "{all:#?}");
    let failed = of(&all, "wide", 0);
    let reason = failed.reason.clone().unwrap_or_default();
    assert!(failed.state == State::Failed && reason.contains("too large"), "{reason}");
    assert!(reason.contains("wide/000/checkpoint.safetensors"), "{reason}");
    home.finish(&dir, 2, &settings);
    assert_same(&expected, &tensors(&dir), "after a limit");
}

/// How a small file system of one's own can be had: by root, or by anybody where user namespaces are allowed.
fn own_mounts(home: &Home) -> Option<&'static [&'static str]> {
    let probe = format!("mount -t tmpfs -o size=1m none '{}'", home.path().display());
    let ways: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-rm"]];
    let works = |way: &&&[&str]| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", &probe]);
        command.output().is_ok_and(|output| output.status.success())
    };
    let way = ways.iter().find(works).copied();
    if way.is_none() {
        eprintln!("SKIPPED: no small file system can be mounted here (it needs root or user namespaces)");
    }
    way
}

/// Runs a study on a file system of its own and does something to it once a replicate is finished; then undoes that and
/// runs it again. Prints both exit codes and copies what the study left when it was stopped, and at the end.
fn disturbed(home: &Home, way: &[&str], disturb: &str, undo: &str) -> (Output, Output) {
    let (mount, out) = (home.dir("mount"), home.dir("out"));
    for folder in [&mount, &out] {
        std::fs::create_dir(folder).unwrap();
    }
    let dir = mount.join("s");
    let command = command_line(home, &dir, 1, &["--set", "train.epochs=12"]);
    let (mount, out) = (mount.display(), out.display());
    let script = format!(
        "mount -t tmpfs -o size=24m none '{mount}' || exit 99
         {command} > '{out}/first' 2> '{out}/first.err' &
         tries=0
         until grep -qs '\"finished\",' '{mount}'/s/replicates/*/*/replicate.json; do
             tries=$((tries + 1)); [ $tries -lt 6000 ] || exit 98; sleep 0.01
         done
         {disturb}
         wait $!
         echo $? > '{out}/first.code'
         {undo}
         cp -r '{mount}/s' '{out}/stopped'
         {command} > '{out}/second' 2> '{out}/second.err'
         echo $? > '{out}/second.code'
         cp -r '{mount}/s' '{out}/whole'"
    )
    .replace("MOUNT", &mount.to_string());
    let all = shell(home, way, &script);
    assert!(all.status.success(), "{:?}: {}{}", all.status, self::out(&all), err(&all));
    let read = |name: &str| std::fs::read_to_string(home.dir("out").join(name)).unwrap();
    let run = |name: &str| Output {
        status: std::os::unix::process::ExitStatusExt::from_raw(
            read(&format!("{name}.code")).trim().parse::<i32>().unwrap() << 8,
        ),
        stdout: read(name).into_bytes(),
        stderr: read(&format!("{name}.err")).into_bytes(),
    };
    (run("first"), run("second"))
}

fn stops_and_goes_on(disturb: &str, undo: &str, says: &str) {
    let home = Home::new();
    let Some(way) = own_mounts(&home) else { return };
    let expected = expected(&home, &["--set", "train.epochs=12"]);
    let (first, second) = disturbed(&home, way, disturb, undo);
    assert_eq!(first.status.code(), Some(1), "{}{}", out(&first), err(&first));
    let message = err(&first);
    assert!(message.contains(says) && message.contains("nothing finished is lost"), "{message}");
    assert!(message.contains("run the same command again") && message.contains("/replicates/"), "{message}");
    let stopped = progress(&home.dir("out").join("stopped"));
    assert!(stopped.iter().any(|one| one.state == State::Finished), "{stopped:#?}");
    assert!(stopped.iter().all(|one| one.state != State::Failed), "no replicate is to blame: {stopped:#?}");
    assert_eq!(second.status.code(), Some(0), "{}{}", out(&second), err(&second));
    assert_same(&expected, &tensors(&home.dir("out").join("whole")), says);
}

#[test]
fn a_disk_that_fills_up_stops_the_study_and_loses_no_finished_replicate() {
    stops_and_goes_on("cat /dev/zero > 'MOUNT/filler' 2> /dev/null", "rm 'MOUNT/filler'", "No space left on device");
}

#[test]
fn a_disk_that_becomes_read_only_stops_the_study_and_loses_no_finished_replicate() {
    // Files are open for writing at any moment, and what has such files cannot be made read-only. So a second view of
    // the folder is made read-only where nobody writes, then laid over the folder at one stroke.
    let (folder, view) = ("'MOUNT/s/replicates'", "'MOUNT/view'");
    let disturb = format!(
        "mkdir {view} && mount --bind {folder} {view} && mount -o remount,ro,bind {view} \
         && mount --bind {view} {folder} || exit 97"
    );
    stops_and_goes_on(&disturb, &format!("umount {folder} {view}"), "Read-only file system");
}

#[test]
fn a_study_that_will_not_fit_or_cannot_be_written_is_refused_before_it_starts() {
    let home = Home::new();
    let Some(way) = own_mounts(&home) else { return };
    std::fs::create_dir(home.dir("mount")).unwrap();
    let mount = home.dir("mount").display().to_string();
    let command = command_line(&home, &home.dir("mount").join("s"), 1, &[]);
    let small = shell(
        &home,
        way,
        &format!("mount -t tmpfs -o size=1m none '{mount}' && {command}; code=$?; ls '{mount}'; exit $code"),
    );
    assert_eq!((small.status.code(), out(&small).as_str()), (Some(1), ""), "{}", err(&small));
    assert!(err(&small).contains("needs about") && err(&small).contains("--dir"), "{}", err(&small));
    let script = format!("mount -t tmpfs -o size=24m,ro none '{mount}' && {command}");
    let closed = shell(&home, way, &script);
    assert_eq!(closed.status.code(), Some(1), "{}", err(&closed));
    assert!(err(&closed).contains("Read-only file system") && err(&closed).contains(&mount), "{}", err(&closed));
}
