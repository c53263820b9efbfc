//! Hundreds of generated sets of files.

use super::generate::{Random, Writer, damage, generate};
use super::{Agreement, Files};

/// Runs so many cases, or the one that `CONFIGURATION_CASE` names, or from `CONFIGURATION_CASES` on for long.
fn each_case(count: u64, mut case: impl FnMut(u64) -> Result<(), String>) {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let numbers = match (number("CONFIGURATION_CASE"), number("CONFIGURATION_CASES")) {
        (Some(one), _) => one..one + 1,
        (None, Some(start)) => start..start + 10 * count,
        (None, None) => 0..count,
    };
    let failures: Vec<_> =
        numbers.filter_map(|number| Some(format!("CONFIGURATION_CASE={number}: {}", case(number).err()?))).collect();
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures[..failures.len().min(10)].join("\n"));
}

fn print(written: &[(String, impl AsRef<[u8]>)]) {
    for (name, text) in written {
        println!("=== {name}\n{}", text.as_ref().escape_ascii().to_string().replace("\\n", "\\n\n"));
    }
}

#[test]
fn random_files_are_read_as_git_reads_them() {
    let files = Files::new();
    let (mut read, mut refused, mut values) = (0, 0, 0);
    each_case(300, |number| {
        let written = generate(&files, number);
        match files.compare() {
            Ok(Agreement::Read(keys)) => {
                read += 1;
                values += keys.values().map(Vec::len).sum::<usize>();
            }
            Ok(Agreement::Refused(_)) => refused += 1,
            Err(difference) => {
                print(&written);
                return Err(difference);
            }
        }
        Ok(())
    });
    println!("{read} sets read alike, {values} values; {refused} refused by both");
    assert!(read + refused == 1 || (read > 200 && refused > 30 && values > 1500), "the sets are too poor");
}

#[test]
fn damaged_files_are_read_as_git_reads_them_or_refused() {
    let files = Files::new();
    let (mut read, mut refused) = (0, 0);
    each_case(200, |number| {
        let mut random = Random(number);
        let text = Writer { random: &mut random, includes: Vec::new(), wrong: 0 }.file();
        let damaged = damage(&mut random, &text);
        files.write("user", &damaged);
        match files.compare() {
            Ok(Agreement::Read(_)) => read += 1,
            Ok(Agreement::Refused(_)) => refused += 1,
            // A carriage return that ends no line is white space to git, and an error to us.
            Err(difference) if difference.contains("we do not: bad") && has_lone_return(&damaged) => refused += 1,
            Err(difference) => {
                print(&[("user".into(), damaged)]);
                return Err(difference);
            }
        }
        Ok(())
    });
    println!("{read} files read alike; {refused} refused by both");
    assert!(read + refused <= 1 || (read > 50 && refused > 50), "the files are too poor");
}

fn has_lone_return(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') || text.ends_with(b"\r")
}
