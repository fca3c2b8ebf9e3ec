//! What README.md and docs/command.md print after a command is what that command prints, and the README's table of
//! answers is what its lines are answered.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backend;
mod http;

use std::path::Path;
use std::process::{Command, Stdio};

use backend::{Backend, Place, bare_command, program};

const README: &str = include_str!("../README.md");
const COMMAND: &str = include_str!("../docs/command.md");
const MANIFEST: &str = include_str!("../Cargo.toml");

/// A command as printed, and the lines printed below it.
struct Printed {
    command: String,
    output: Vec<String>,
}

/// Every command in the page's console blocks.
fn printed(page: &str) -> Vec<Printed> {
    let mut all: Vec<Printed> = Vec::new();
    let mut is_console = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(language) => is_console = language == "console",
            None if !is_console => {}
            None => match line.strip_prefix("$ ") {
                Some(command) => all.push(Printed {
                    command: command.to_owned(),
                    output: Vec::new(),
                }),
                // A line in a block without a command of its own shows what another prints.
                None => {
                    if let Some(last) = all.last_mut() {
                        last.output.push(line.to_owned());
                    }
                }
            },
        }
    }
    all
}

/// The one command that holds this text.
fn command_with(page: &str, text: &str) -> Printed {
    let mut found = printed(page);
    found.retain(|printed| printed.command.contains(text));
    assert_eq!(found.len(), 1, "{text}");
    found.remove(0)
}

/// What differs at every start: the seconds in transactions, and with them the hash.
fn masked(line: &str) -> String {
    let mut text = String::new();
    let mut run = String::new();
    for c in line.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() {
            run.push(c);
            continue;
        }
        let is_number = run.len() >= 10 && run.bytes().all(|digit| digit.is_ascii_digit());
        text.push_str(match run.len() {
            40 => "HASH",
            _ if is_number => "SECONDS",
            _ => &run,
        });
        run.clear();
        text.push(c);
    }
    text.trim_end().to_owned()
}

/// Every printed line is there, in order; `…` stands for any lines, or none.
fn assert_printed(printed: &Printed, said: &[String]) {
    let mut rest = said.iter();
    let mut may_skip = false;
    for line in &printed.output {
        if line.trim() == "…" {
            may_skip = true;
            continue;
        }
        let wanted = masked(line);
        let found = if may_skip {
            rest.any(|line| masked(line) == wanted)
        } else {
            rest.next().is_some_and(|line| masked(line) == wanted)
        };
        assert!(
            found,
            "after `{}`, the page says\n{line}\nand the command\n{}",
            printed.command,
            said.join("\n")
        );
        may_skip = false;
    }
    assert!(may_skip || rest.next().is_none(), "it says more: {said:?}");
}

/// The backend of the README's first command, on a free port and a file of its own.
fn demo(place: &Place) -> Backend {
    let mut command = bare_command(&program());
    command
        .env("POSTBACK_DB", place.file())
        .env("POSTBACK_LISTEN", "127.0.0.1:0")
        .env_remove("PHONEXA_TOKEN")
        .env_remove("PHONEXA_LOGIN");
    let backend = Backend::spawn(command, &place.directory().join("log"));
    backend.line("Ctrl-C ends it.");
    backend
}

#[test]
fn the_first_command_prints_what_the_readme_says() {
    let printed = command_with(README, "--example axum_receiver");
    let place = Place::new();
    let backend = demo(&place);
    let (address, file) = (backend.address().to_string(), place.file());
    let as_started = |line: String| {
        line.replace(&address, "127.0.0.1:8080")
            .replace(&file.display().to_string(), "postback.db")
    };
    let said: Vec<_> = backend.lines().into_iter().map(as_started).collect();
    assert_printed(&printed, &said);
    // As the manifest has it: with fewer features cargo refuses it, with more it takes longer.
    let features = printed.command.split("--features ").nth(1).unwrap();
    let features: Vec<_> = features
        .split(',')
        .map(|name| format!("\"{name}\""))
        .collect();
    let required = format!(
        "name = \"axum_receiver\"\nrequired-features = [{}]",
        features.join(", ")
    );
    assert!(MANIFEST.contains(&required), "{required}");
}

#[test]
fn its_lines_are_answered_as_in_the_readmes_table() {
    let place = Place::new();
    let backend = demo(&place);
    let mut lines = backend.lines();
    lines.retain(|line| line.starts_with("curl -i"));
    let prefix = format!("http://{}", backend.address());
    let target = |line: &str| {
        let url = line.split('\'').nth(1).unwrap();
        url.strip_prefix(&prefix).unwrap().to_owned()
    };
    let rows = README
        .lines()
        .skip_while(|line| !line.starts_with("| line | answer |"));
    let rows: Vec<Vec<&str>> = rows
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), lines.len() + 1);
    for (row, line) in rows.iter().zip(lines.iter().chain(lines.first())) {
        let [said, answer, then] = row[..] else {
            panic!("{row:?}")
        };
        let mut target = target(line);
        if said.contains("another amount") {
            target = target.replace("gems=500", "gems=501");
        }
        let found = backend.get(&target);
        let found = format!("{} `{}`", found.status, found.body);
        assert_eq!(answer, found, "{said}");
        let account = backend.player("demo");
        let words: Vec<_> = then.split(|c: char| !c.is_alphanumeric()).collect();
        assert_eq!(account["balance"], words[0], "{said}");
        let pending = words.iter().position(|word| *word == "pending");
        let pending = pending.map_or("0", |place| words[place - 1]);
        assert_eq!(account["pending"], pending, "{said}");
        assert_eq!(account["banned"], words.contains(&"banned"), "{said}");
    }
}

#[test]
fn the_second_command_prints_what_the_pages_say() {
    let place = Place::new();
    let backend = demo(&place);
    let address = format!("http://{}", backend.address());
    for page in [README, COMMAND] {
        let printed = command_with(page, "play all --to");
        let arguments = printed.command.split("play all").nth(1).unwrap();
        assert!(
            printed
                .command
                .starts_with("BITLABS_APP_SECRET=demo-secret-do-not-use ")
        );
        assert_eq!(arguments, " --to http://127.0.0.1:8080");
        let output = Command::new(env!("CARGO_BIN_EXE_postback"))
            .args(["play", "all", "--to", &address])
            .env_clear()
            .env("BITLABS_APP_SECRET", "demo-secret-do-not-use")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said: Vec<_> = lines(&output.stdout);
        // The page of commands shows one row more, of a receiver that is wrong.
        let shown = Printed {
            output: printed
                .output
                .into_iter()
                .filter(|line| !line.contains("WRONG"))
                .chain(["…".to_owned()])
                .collect(),
            command: printed.command,
        };
        assert_printed(&shown, &said);
    }
}

#[test]
fn the_commands_that_need_no_receiver_print_what_their_page_says() {
    let directory = Path::new(env!("CARGO_BIN_EXE_postback")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", directory.display());
    // The list that `import` is shown with.
    let place = Place::new();
    let list = COMMAND.split("```csv\n").nth(1).unwrap();
    let list = list.split("```").next().unwrap();
    std::fs::write(place.directory().join("paid.csv"), list).unwrap();
    let mut exports = String::new();
    let mut tried = 0;
    for printed in printed(COMMAND) {
        if printed.command.starts_with("export ") {
            exports = format!("{exports}{}\n", printed.command);
            continue;
        }
        let name = printed.command.split_whitespace().nth(1).unwrap();
        if !["sign", "verify", "explain", "template", "import"].contains(&name) {
            continue;
        }
        let output = Command::new("sh")
            .args(["-c", &format!("{exports}{}", printed.command)])
            .current_dir(place.directory())
            .env("PATH", &path)
            .env_remove("BITLABS_OFFERS_URL")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut said = lines(&output.stdout);
        while said.last().is_some_and(String::is_empty) {
            said.pop();
        }
        assert_printed(&printed, &said);
        tried += 1;
    }
    assert_eq!(tried, 5);
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}
