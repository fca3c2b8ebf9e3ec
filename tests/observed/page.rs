//! The tables of docs/observability.md.

use std::collections::BTreeSet;

/// The cells of every row of the table whose head begins so.
pub(crate) fn table(head: &[&str]) -> Vec<Vec<String>> {
    let page = include_str!("../../docs/observability.md");
    let mut rows = page.lines().map(cells);
    rows.by_ref()
        .find(|cells| {
            cells.iter().zip(head).all(|(cell, word)| cell == word) && cells.len() >= head.len()
        })
        .unwrap_or_else(|| panic!("a table with the head {head:?}"));
    let table: Vec<_> = rows.skip(1).take_while(|cells| cells.len() > 1).collect();
    assert!(!table.is_empty());
    table
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let Some(inner) = line
        .strip_prefix('|')
        .and_then(|line| line.strip_suffix('|'))
    else {
        return Vec::new();
    };
    inner
        .split('|')
        .map(|cell| cell.trim().replace('`', ""))
        .collect()
}

/// The words of the first column under a heading.
pub(crate) fn words(heading: &str) -> BTreeSet<String> {
    let page = include_str!("../../docs/observability.md");
    let mut lines = page.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "{heading}");
    let section = lines.take_while(|line| !line.starts_with('#'));
    let rows = section.map(cells).filter(|cells| cells.len() > 1);
    rows.skip(2).map(|cells| cells[0].clone()).collect()
}

/// The names in a cell.
pub(crate) fn names(cell: &str) -> BTreeSet<String> {
    let names = cell.split(',').map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}
