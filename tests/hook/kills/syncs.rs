//! How often a push waits for the disk, and for what.

use std::fs;
use std::sync::Arc;

use crate::disks::{in_mounts, mount};
use crate::support::{Ends, Journal, Lab, Scene, pre_receive};

/// The system calls of both hooks of a first push that make directories, write something out or give it its name.
fn first_push(lab: &Lab) -> String {
    let trace = lab.world.path("trace");
    let calls = "trace=fdatasync,fsync,syncfs,sync_file_range,mkdirat,renameat";
    let options = ["-o", trace.to_str().unwrap(), "-y", "-s", "256", "-e", calls];
    lab.set(Scene::Announcing);
    let mut text = String::new();
    for (command, steps) in [(pre_receive(&lab.world), 0), (lab.world.hook(), 1)] {
        lab.move_ref(steps);
        let output = lab.run(command, 0, &options);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        text += &fs::read_to_string(&trace).unwrap();
    }
    assert_eq!(lab.journal.take().len(), 1, "{text}");
    text
}

/// The paths that were written out, in their order, as they are below `webhook`.
fn synced(trace: &str) -> Vec<&str> {
    let synced = trace.lines().filter(|line| line.contains("sync"));
    let paths = synced.map(|line| line.split_once('<').unwrap().1.split_once('>').unwrap().0);
    paths.map(|path| path.split_once("/webhook").map_or("", |(_, below)| below)).collect()
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn a_first_push_waits_for_its_records_alone_where_the_file_system_sees_to_new_directories() {
    let lab = Lab::new(Arc::new(Journal::default()));
    let mut stat = lab.world.command("stat", &lab.world.server());
    let kind = String::from_utf8(stat.args(["-f", "-c", "%T", "."]).ends().stdout).unwrap();
    if !["ext2/ext3", "xfs", "btrfs", "f2fs", "zfs", "bcachefs"].contains(&kind.trim()) {
        return eprintln!("left out: {kind} makes no promise");
    }
    let trace = first_push(&lab);
    let synced = synced(&trace);
    assert_eq!(synced.len(), 3, "{trace}");
    assert!(synced[0].starts_with("/v1/intents/.tmp-"), "{trace}");
    assert_eq!(synced[1..], ["/v1/intents", "/v1/receipts"], "{trace}");
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn elsewhere_each_new_directory_is_on_the_disk_before_a_record_in_it_has_its_name() {
    in_mounts("kills::syncs::elsewhere_each_new_directory_is_on_the_disk_before_a_record_in_it_has_its_name", || {
        let lab = Lab::new(Arc::new(Journal::default()));
        let place = lab.world.server().join("webhook");
        lab.set(Scene::Announcing);
        mount(&lab.world, "mode=700");
        let trace = lab.world.path("trace");
        let options = ["-o", trace.to_str().unwrap(), "-y", "-s", "256", "-e", "trace=fsync,mkdirat,renameat"];
        let output = lab.run(pre_receive(&lab.world), 0, &options);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(&trace).unwrap();
        let before: Vec<&str> = text.lines().take_while(|line| !line.contains("/intents>, \".tmp-")).collect();
        assert!(before.len() < text.lines().count(), "{text}");
        for parent in ["", "/v1"] {
            let parent = format!("{}{parent}>", place.display());
            let made = before.iter().rposition(|line| line.contains("mkdirat(") && line.contains(&parent));
            let synced = before.iter().rposition(|line| line.contains("fsync(") && line.contains(&parent));
            assert!(made.is_some() && made < synced, "{parent}: {text}");
        }
    });
}
