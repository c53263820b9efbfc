//! How costs grow: each is measured at sizes ten times apart, drawn, and judged.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Bench;
use super::history::Repository;
use super::launch::Figures;
use super::support::receive;

/// One size and what it took, in seconds.
type Point = (f64, f64);

/// A cost, and the same of git where it does such work.
struct Curve {
    file: &'static str,
    of: &'static str,
    unit: &'static str,
    ours: Vec<Point>,
    gits: Vec<Point>,
}

/// Ten times the size may take so many times as long: what is linear takes ten, and a busy machine some more.
const MOST: f64 = 20.0;

/// What takes less is the start of the program, and not judged.
const LEAST: f64 = 0.02;

/// Draws all, and tells the text that shows them and what grows too fast.
pub fn all(bench: &Bench) -> (String, Vec<String>) {
    check_the_check();
    let (mut text, mut faults) = (String::new(), Vec::new());
    for curve in
        [commits(bench), refs(bench), branches(bench), targets(bench), files(bench), waiting(bench), lines(bench)]
    {
        let plots = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance");
        fs::create_dir_all(&plots).expect("it can be made");
        fs::write(plots.join(format!("{}.svg", curve.file)), curve.draw()).expect("it can be written");
        let _ = writeln!(text, "![{}](performance/{}.svg)", curve.of, curve.file);
        faults.extend(curve.fault());
    }
    (text, faults)
}

/// What grows by the square is found, and what is linear is not, be it on a machine that is busy now and then.
fn check_the_check() {
    let curve = |cost: fn(f64) -> f64| {
        let ours = [10.0, 100.0, 1_000.0, 10_000.0].map(|size| (size, cost(size))).into();
        Curve { file: "none", of: "a check", unit: "pieces", ours, gits: Vec::new() }
    };
    assert!(curve(|size| size * size * 1e-6).fault().is_some(), "the square is not found");
    assert!(curve(|size| size * 1e-4).fault().is_none(), "what is linear is found");
    assert!(
        curve(|size| if size < 10_000.0 { size * 1e-4 } else { size * 1.9e-4 }).fault().is_none(),
        "noise is found"
    );
}

fn best(run: impl Fn() -> Figures) -> f64 {
    crate::best(3, run).seconds
}

fn push(bench: &Bench, repository: &Repository, input: &str) -> f64 {
    let path = repository.path.join("pushed");
    fs::write(&path, input).expect("it can be written");
    best(|| bench.launcher.hook(&repository.path, &path))
}

fn git(bench: &Bench, repository: &Repository, words: &[&str]) -> f64 {
    best(|| bench.launcher.git(&repository.path, words, Path::new("/dev/null")))
}

fn commits(bench: &Bench) -> Curve {
    let (mut ours, mut gits) = (Vec::new(), Vec::new());
    let repository = Repository::large(&bench.directory.join("growing.git"), 130_000);
    repository.tell(receive(Duration::ZERO), "gitlab", 1);
    for size in [10, 100, 1_000, 10_000, 100_000] {
        ours.push((size as f64, push(bench, &repository, &repository.update(size))));
        gits.push((size as f64, git(bench, &repository, &["rev-list", "--count", &format!("main~{size}..main")])));
    }
    Curve { file: "commits", of: "an update by so many commits", unit: "commits", ours, gits }
}

fn refs(bench: &Bench) -> Curve {
    let (mut ours, mut gits) = (Vec::new(), Vec::new());
    for size in [100, 1_000, 10_000, 100_000] {
        let repository = Repository::of_branches(&bench.directory.join(format!("refs-{size}.git")), 1, size);
        repository.tell(receive(Duration::ZERO), "gitlab", 1);
        ours.push((size as f64, push(bench, &repository, &repository.branches().push)));
        let words = ["rev-list", "many/0", "--not", "--exclude=refs/heads/many/0", "--all"];
        gits.push((size as f64, git(bench, &repository, &words)));
    }
    Curve { file: "refs", of: "a new branch beside so many refs", unit: "refs", ours, gits }
}

fn branches(bench: &Bench) -> Curve {
    let mut ours = Vec::new();
    for size in [20, 200, 2_000, 20_000] {
        let repository = Repository::of_branches(&bench.directory.join(format!("branches-{size}.git")), size, 2_000);
        repository.tell(receive(Duration::ZERO), "gitlab", 1);
        ours.push((size as f64, push(bench, &repository, &repository.branches().push)));
    }
    Curve {
        file: "branches",
        of: "so many new branches in one push, beside 2,000 refs",
        unit: "branches",
        ours,
        gits: Vec::new(),
    }
}

fn targets(bench: &Bench) -> Curve {
    let mut ours = Vec::new();
    let repository = Repository::small(&bench.directory.join("targets.git"));
    let port = receive(Duration::ZERO);
    for size in [1, 10, 100] {
        repository.tell(port, "gitlab", size);
        ours.push((size as f64, push(bench, &repository, &repository.update(1))));
    }
    Curve { file: "targets", of: "a push of one commit to so many targets", unit: "targets", ours, gits: Vec::new() }
}

fn files(bench: &Bench) -> Curve {
    let (mut ours, mut gits) = (Vec::new(), Vec::new());
    for size in [100, 1_000, 10_000, 100_000] {
        let repository = Repository::of_changes(&bench.directory.join(format!("changes-{size}.git")), size);
        repository.tell(receive(Duration::ZERO), "github", 1);
        ours.push((size as f64, push(bench, &repository, &repository.update(1))));
        let words = ["log", "--format=%H", "--name-status", "--no-renames", "main~1..main"];
        gits.push((size as f64, git(bench, &repository, &words)));
    }
    Curve { file: "files", of: "a commit that touches so many files, format github", unit: "files", ours, gits }
}

fn waiting(bench: &Bench) -> Curve {
    let mut ours = Vec::new();
    for size in [10, 100, 1_000, 10_000] {
        let repository = Repository::of_branches(&bench.directory.join(format!("waiting-{size}.git")), size, 1);
        // Nobody listens there.
        repository.tell(1, "gitlab", 1);
        push(bench, &repository, &repository.branches().push);
        ours.push((size as f64, push(bench, &repository, &repository.update(1))));
    }
    Curve {
        file: "waiting",
        of: "a push of one commit where so many deliveries wait",
        unit: "deliveries",
        ours,
        gits: Vec::new(),
    }
}

fn lines(bench: &Bench) -> Curve {
    let mut ours = Vec::new();
    let repository = Repository::small(&bench.directory.join("lines.git"));
    for size in [200, 2_000, 20_000, 200_000] {
        repository.log(size);
        ours.push((size as f64, best(|| bench.launcher.verb(&repository.path, &["log", "-n", "5"]))));
    }
    Curve {
        file: "lines",
        of: "git webhook log -n 5, with so many lines in the log",
        unit: "lines",
        ours,
        gits: Vec::new(),
    }
}

impl Curve {
    /// What grows faster than what it is the cost of.
    fn fault(&self) -> Option<String> {
        let steps = self.ours.windows(2).filter(|step| step[1].1 > LEAST);
        let too_fast = steps.filter(|step| step[1].1 / step[0].1 > MOST * (step[1].0 / step[0].0) / 10.0);
        let found: Vec<_> = too_fast.map(|step| format!("{} to {} {}", step[0].0, step[1].0, self.unit)).collect();
        (!found.is_empty()).then(|| format!("{} grows too fast from {}", self.of, found.join(", from ")))
    }

    /// Both axes are logarithmic, so that what is linear is a straight line.
    fn draw(&self) -> String {
        let points = || self.ours.iter().chain(&self.gits);
        let (left, right) = (self.ours[0].0.log10(), self.ours.last().map_or(1.0, |last| last.0.log10()));
        let low = points().map(|(_, time)| time.log10()).fold(f64::INFINITY, f64::min).floor();
        let high = points().map(|(_, time)| time.log10()).fold(f64::NEG_INFINITY, f64::max).ceil();
        let x = |size: f64| 70.0 + 480.0 * (size.log10() - left) / (right - left);
        let y = |time: f64| 270.0 - 220.0 * (time.log10() - low) / (high - low);
        let mut svg = String::from(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 320\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"600\" height=\"320\" fill=\"white\"/>\n",
        );
        let _ = writeln!(svg, "<text x=\"300\" y=\"24\" text-anchor=\"middle\" font-size=\"14\">{}</text>", self.of);
        for power in low as i32..=high as i32 {
            let (time, at) = (10_f64.powi(power), y(10_f64.powi(power)));
            let label = if power < 0 { format!("{} ms", time * 1000.0) } else { format!("{time} s") };
            let _ = writeln!(
                svg,
                "<path d=\"M70 {at:.1}H550\" stroke=\"#ddd\"/><text x=\"62\" y=\"{at:.1}\" text-anchor=\"end\">{label}</text>"
            );
        }
        for (size, _) in &self.ours {
            let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"290\" text-anchor=\"middle\">{size}</text>", x(*size));
        }
        let _ = writeln!(svg, "<text x=\"550\" y=\"310\" text-anchor=\"end\">{}</text>", self.unit);
        for (name, points, colour) in [("git-webhook", &self.ours, "#1a7f37"), ("git", &self.gits, "#888888")] {
            let Some(last) = points.last() else { continue };
            let line: Vec<_> = points.iter().map(|(size, time)| format!("{:.1},{:.1}", x(*size), y(*time))).collect();
            let line = line.join(" ");
            let _ = writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
            let (x, y) = (x(last.0), y(last.1) - 6.0);
            let _ =
                writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>");
        }
        svg + "</svg>\n"
    }
}
