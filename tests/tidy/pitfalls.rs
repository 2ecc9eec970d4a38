//! The table of `docs/pitfalls.md` tells the truth: each test of it exists and names its pitfall.

use std::collections::BTreeSet;
use std::path::Path;

use super::{assert_none, read};

/// What the broker of one node must show.
const TESTED: [u32; 33] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 30, 31, 32, 33, 35, 36, 38, 39,
    40, 42, 43, 45, 46,
];

/// Number, file and function of each test in the table.
fn table() -> Vec<(u32, String, String)> {
    let text = read(Path::new("docs/pitfalls.md"));
    let mut rows = Vec::new();
    for line in text.lines() {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
        let [number, _, tests] = cells[..] else { continue };
        let Ok(number) = number.trim().parse() else { continue };
        for test in tests.split(',').filter(|test| !test.trim().is_empty()) {
            let (file, function) =
                test.trim().trim_start_matches('`').split_once("` ").expect("`file` function");
            rows.push((number, file.to_owned(), function.trim().to_owned()));
        }
    }
    rows
}

/// The numbers after "Pitfall" in what stands directly above a function.
fn named(source: &str, function: &str) -> Option<Vec<u32>> {
    let above = &source[..source.find(&format!("fn {function}("))?];
    let above = above.rsplit("\n\n").next().unwrap_or(above).replace("///", " ");
    let (_, named) = above.split_once("Pitfall")?;
    let named = named.split(['.', ':']).next().unwrap_or(named);
    Some(named.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect())
}

#[test]
fn every_pitfall_of_the_table_is_named_by_its_tests() {
    let mut broken = Vec::new();
    let mut tested = BTreeSet::new();
    for (number, file, function) in table() {
        let source = read(&Path::new("tests").join(&file));
        match named(&source, &function) {
            Some(numbers) if numbers.contains(&number) => drop(tested.insert(number)),
            found => broken.push(format!("pitfall {number}: {file} {function} names {found:?}")),
        }
    }
    let missing = TESTED.iter().filter(|number| !tested.contains(number));
    broken.extend(missing.map(|number| format!("pitfall {number} has no test")));
    assert_none(&broken);
}
