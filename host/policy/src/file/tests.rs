use proptest::prelude::*;

use crate::{Limits, Policy, PolicyFile, Request};

/// The problems of a policy text, as its author sees them.
fn problems(text: &str) -> Vec<String> {
    let problems = Policy::from_toml(text).expect_err("this policy has problems");
    problems.iter().map(ToString::to_string).collect()
}

fn only_problem(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

#[test]
fn an_empty_policy_grants_nothing_but_the_default_limits() {
    let policy = Policy::from_toml("").unwrap();
    let decision = policy.decide(&Request::default()).unwrap();
    assert_eq!(decision.limits, Limits::default());
    assert!(decision.grants.mounts.is_empty() && decision.grants.env.is_empty());
    assert_eq!(policy.ceilings(), Limits::default());
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_text() {
    let text = r#"
descriptoin = "for nobody"
metering = "tiem"

[[mounts]]
host = "data"
access = "write"

[[mounts]]
guest = "../etc"
why = "because"

[env]
allow = ["A", 3, "B=C"]
set = { "" = "x", OK = 1 }

[limits]
memroy = "1 GiB"
memory = "8 GiB"
processes = -1
time = "0s"

[ceilings]
memory = "4 GiB"
cpu = 0.0005

[clocks]
mode = "fixed"

[random]
seed = 1

[network]
mode = "on"
"#;
    let expected = [
        "line 2, column 1: descriptoin: no such key; did you mean `description`?",
        "line 3, column 12: metering: unknown variant `tiem`, expected `fuel` or `time`",
        "line 6, column 8: mounts[0].host: must be an absolute path",
        "line 7, column 10: mounts[0].access: unknown variant `write`, expected `read-only` or `read-write`",
        "line 9, column 1: mounts[1].host: missing; write `/` to allow any directory",
        "line 10, column 9: mounts[1].guest: \"../etc\" is not a path in a guest: `..` has no place in it",
        "line 11, column 1: mounts[1].why: no such key; the keys here are host, access, guest",
        "line 14, column 15: env.allow[1]: invalid type: integer `3`, expected a string",
        "line 14, column 18: env.allow[2]: \"B=C\" is not a pattern of variable names: a name has no `=`",
        "line 15, column 14: env.set.\"\": a name has at least one character",
        "line 15, column 24: env.set.OK: invalid type: integer `1`, expected a string",
        "line 18, column 1: limits.memroy: no such key; did you mean `memory`?",
        "line 19, column 10: limits.memory: \"8 GiB\" is above the ceiling of \"4 GiB\"",
        "line 20, column 13: limits.processes: invalid value: integer `-1`, expected u32",
        "line 21, column 8: limits.time: must be more than zero",
        "line 25, column 7: ceilings.cpu: \"0.0005\" is not a number of cores: write one such as 0.25 or 2, \
         in thousandths at the finest",
        "line 27, column 1: clocks.start: missing, and a fixed clock starts somewhere",
        "line 30, column 1: random.mode: must be \"seeded\" where there is a seed",
        "line 34, column 8: network.mode: \"on\" cannot be enforced, only \"off\" can",
    ];
    let found = problems(text);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn a_syntax_error_is_one_problem_with_its_place() {
    let problem = only_problem("[limits]\nmemory = \"1 GiB\nfuel = x\n");
    assert!(problem.starts_with("line 2, column "), "{problem}");
    let problem = only_problem("a = 1\na = 2\n");
    assert!(problem.starts_with("line 2, column "), "{problem}");
}

#[test]
fn a_table_of_a_wrong_type_hides_nothing_else() {
    let text = "mounts = [1, { host = \"x\" }]\nenv = 2\nlimits = []\nclocks = { mode = 3 }\n\
                random = { mode = { real = {} } }\n";
    let expected = [
        "line 1, column 11: mounts[0]: expected a table, found integer",
        "line 1, column 23: mounts[1].host: must be an absolute path",
        "line 2, column 7: env: expected a table, found integer",
        "line 3, column 10: limits: expected a table, found array",
        "line 4, column 19: clocks.mode: invalid type: integer `3`, expected a string",
        "line 5, column 19: random.mode: invalid type: map, expected a string",
    ];
    assert_eq!(problems(text), expected);
    assert_eq!(
        only_problem("mounts = {}"),
        "line 1, column 10: mounts: expected an array, found table"
    );
}

#[test]
fn a_limit_under_which_nothing_runs_is_a_problem() {
    for (key, zero) in [
        ("memory", "0"),
        ("fuel", "0"),
        ("time", "\"0s\""),
        ("cpu", "0"),
        ("processes", "0"),
        ("handles", "0"),
    ] {
        for section in ["limits", "ceilings"] {
            let problem = only_problem(&format!("[{section}]\n{key} = {zero}\n"));
            assert!(
                problem.contains(&format!("{section}.{key}: must be more than zero")),
                "{problem}"
            );
        }
    }
    for key in ["disk", "files", "output"] {
        assert!(Policy::from_toml(&format!("[limits]\n{key} = 0\n")).is_ok(), "{key}");
    }
}

#[test]
fn every_problem_of_a_tool_is_reported_at_its_key() {
    let text = r#"
[[tools]]
name = "files"
functions = ["read", 3, "a*b"]
files = "all"
env = ["A=B"]
limits = { memory = "0 MiB", fuel = "unlimited", time = 5, cpu = 1 }

[[tools]]
functions = "read"
network = "on"

[[tools]]
name = "files"
limits = { fuel = 0, time = "0s", output = 0 }

[[tools]]
name = "a\nb"
limits.fuel = 9223372036854775808
"#;
    let expected = [
        "line 4, column 22: tools[0].functions[1]: invalid type: integer `3`, expected a string",
        "line 4, column 25: tools[0].functions[2]: \"a*b\" is not a pattern of names: \
         a `*` may only be its last character",
        "line 5, column 9: tools[0].files: unknown variant `all`, expected one of `none`, `read-only`, `read-write`",
        "line 6, column 8: tools[0].env[0]: \"A=B\" is not a pattern of variable names: a name has no `=`",
        "line 7, column 21: tools[0].limits.memory: must be more than zero",
        "line 7, column 37: tools[0].limits.fuel: invalid type: string \"unlimited\", expected u64",
        "line 7, column 57: tools[0].limits.time: invalid type: integer `5`, expected a string",
        "line 7, column 60: tools[0].limits.cpu: no such key; the keys here are memory, fuel, time, output",
        "line 9, column 1: tools[1].name: missing; write `*` for every tool",
        "line 10, column 13: tools[1].functions: expected an array, found string",
        "line 11, column 1: tools[1].network: no such key; the keys here are name, functions, files, env, limits",
        "line 14, column 8: tools[2].name: tools[0] has the same name",
        "line 15, column 19: tools[2].limits.fuel: must be more than zero",
        "line 15, column 29: tools[2].limits.time: must be more than zero",
        "line 18, column 8: tools[3].name: \"a\\nb\" is not a pattern of names: a name has no control characters",
        "line 19, column 15: tools[3].limits.fuel: must be at most 9223372036854775807",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn the_tools_of_a_policy_are_shown_with_every_value() {
    let policy = Policy::from_toml("[[tools]]\nname = \"files\"\nlimits.time = \"5s\"\n").unwrap();
    let shown = "[[tools]]\nname = \"files\"\nfunctions = [\"*\"]\nfiles = \"none\"\nenv = []\n\n\
                 [tools.limits]\ntime = \"5s\"\n";
    assert!(policy.to_toml().contains(shown), "{}", policy.to_toml());
    assert_eq!(Policy::from_toml(&policy.to_toml()), Ok(policy));
}

#[test]
fn a_fuel_limit_that_nothing_counts_is_a_problem() {
    for section in ["limits", "ceilings"] {
        let problem = only_problem(&format!("metering = \"time\"\n[{section}]\nfuel = 5\n"));
        assert!(
            problem.contains(&format!("{section}.fuel: nothing counts fuel")),
            "{problem}"
        );
    }
    let problem = only_problem("metering = \"time\"\n[[tools]]\nname = \"*\"\nlimits.fuel = 5\n");
    assert!(
        problem.contains("tools[0].limits.fuel: nothing counts fuel"),
        "{problem}"
    );
    let unlimited = "metering = \"time\"\n[limits]\nfuel = \"unlimited\"\n";
    assert!(Policy::from_toml(unlimited).is_ok());
}

#[test]
fn integers_that_toml_cannot_write_back_are_problems() {
    for text in [
        "limits.files = 9223372036854775808",
        "random = { mode = \"seeded\", seed = 18446744073709551615 }",
    ] {
        let problem = only_problem(text);
        assert!(problem.contains("must be at most 9223372036854775807"), "{problem}");
    }
}

#[test]
fn host_directories_are_absolute_and_without_parent_steps() {
    for host in ["", "data", "./data", "/srv/../etc", "/srv/..", "/a\\u0000b"] {
        let problem = only_problem(&format!("[[mounts]]\nhost = \"{host}\"\n"));
        assert!(
            problem.starts_with("line 2, column 8: mounts[0].host: must "),
            "{problem}"
        );
    }
}

#[test]
fn a_text_of_more_than_a_mebibyte_is_refused() {
    let full = format!("#{}", " ".repeat((1 << 20) - 1));
    assert!(Policy::from_toml(&full).is_ok());
    assert!(only_problem(&format!("{full} ")).contains("at most 1 MiB"));
}

#[test]
fn hostile_texts_end_in_few_short_problems() {
    let many_keys: String = (0..80_000).map(|n| format!("k{n} = 1\n")).collect();
    let texts = [
        "[".repeat(1 << 20),
        format!("a = {}", "[".repeat(1 << 19)),
        format!("limits = {}", "{a=".repeat(300_000)),
        format!("{} = 1", "a.".repeat(1 << 18) + "a"),
        format!("\"{}\" = 1", "k".repeat(1 << 19)),
        format!("metering = \"{}\"", "k".repeat(1 << 19)),
        format!("mounts = [{}]", "1,".repeat(1 << 18)),
        format!("\"a\\nb\" = \"{}\"", "\\n".repeat(1 << 10)),
        many_keys,
    ];
    for text in texts {
        let problems = problems(&text);
        assert!(problems.len() <= 101);
        let is_short_line = |line: &String| line.len() < 1_000 && !line.contains('\n');
        assert!(problems.iter().all(is_short_line), "{problems:?}");
    }
}

#[test]
fn parsing_reports_what_is_misspelled_and_validating_what_contradicts() {
    assert!(PolicyFile::parse("[limits]\nmemory = 3.5\n").is_err());
    let file = PolicyFile::parse("[limits]\nmemory = \"9 GiB\"\n[ceilings]\nmemory = \"1 GiB\"\n");
    let problems = file.unwrap().validate().unwrap_err();
    assert_eq!(problems[0].key, "limits.memory");
    assert_eq!(problems[0].position, None);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}|[a-z\\[\\]{}=\"'., \n0-9-]{0,200}") {
        let _ = Policy::from_toml(&text);
    }

    #[test]
    fn no_bytes_in_place_of_others_make_it_panic(
        at in 0..600usize,
        bytes in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut text = include_bytes!("../../../../policies/strict.toml").to_vec();
        let at = at.min(text.len());
        let end = (at + bytes.len()).min(text.len());
        text.splice(at..end, bytes);
        let _ = Policy::from_toml(&String::from_utf8_lossy(&text));
    }

    #[test]
    fn any_value_at_any_key_is_taken_or_is_a_problem_at_that_key(
        section in prop::sample::select(vec!["limits", "ceilings", "clocks", "random", "env", "network"]),
        key in "memory|fuel|time|cpu|files|mode|start|seed|allow|set|[a-z]{1,6}",
        value in "-?[0-9]{1,20}|[0-9]{1,3}\\.[0-9]{1,4}|true|\"[a-zA-Z0-9 *=:-]{0,20}\"|\\[\\]|\\{\\}|nan|inf|1979-05-27",
    ) {
        if let Err(problems) = Policy::from_toml(&format!("[{section}]\n{key} = {value}\n")) {
            let there = |problem: &crate::Problem| problem.key.is_empty() || problem.key.starts_with(section);
            prop_assert!(problems.iter().all(there), "{:?}", problems);
        }
    }
}
