//! Which tools may be called, in examples and on random policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::policy;
use super::properties::{granting, tool_rule};
use crate::call::tests::{files, is_same_in_effect, is_within, limits};
use crate::{
    ByteSize, CallGrant, CallLimits, Denial, FileAccess, Policy, PolicyFile, Request, ToolGrants, ToolRuleFile,
};

const TOOLS: [&str; 4] = ["files", "file", "data-json", "ping"];
const FUNCTIONS: [&str; 4] = ["read", "list", "link", "write"];

fn grants(policy: &Policy) -> ToolGrants {
    policy.decide(&Request::default()).unwrap().grants.tools
}

fn denial(policy: &Policy, tool: &str, function: &str) -> Denial {
    grants(policy)
        .judge(tool, function)
        .expect_err("this call is not allowed")
}

/// What the policy says of every call.
fn judgements(policy: &Policy) -> BTreeMap<(&str, &str), Result<CallGrant, Denial>> {
    let grants = grants(policy);
    let calls = TOOLS
        .iter()
        .flat_map(|tool| FUNCTIONS.map(|function| (*tool, function)));
    calls.map(|call| (call, grants.judge(call.0, call.1))).collect()
}

#[test]
fn without_tools_no_call_is_allowed() {
    let denial = denial(&policy(""), "files", "read");
    assert_eq!(denial.rule, "tools");
    assert_eq!(denial.asked, "call of read in the tool files");
    let grant = "tools = [{ name = \"files\", functions = [\"read\"] }]";
    assert_eq!(denial.smallest_grant, grant);
    let granted = grants(&policy(grant)).judge("files", "read").unwrap();
    assert_eq!((granted.files, granted.env), (FileAccess::None, Arc::default()));
}

#[test]
fn the_name_of_a_tool_grants_all_its_functions_and_nothing_of_the_sandbox() {
    let grants = grants(&policy("[[tools]]\nname = \"files\"\n"));
    for function in FUNCTIONS {
        let nothing = CallGrant {
            files: FileAccess::None,
            env: Arc::default(),
            limits: CallLimits::default(),
        };
        assert_eq!(grants.judge("files", function), Ok(nothing));
    }
}

#[test]
fn a_call_gets_what_its_entry_says() {
    let policy = policy(
        "[[tools]]\nname = \"files\"\nfunctions = [\"read\", \"li*\"]\nfiles = \"read-only\"\nenv = [\"LANG\"]\n\
         limits = { fuel = 1_000_000_000, time = \"5s\", memory = \"64 MiB\", output = \"1 MiB\" }\n",
    );
    let grant = grants(&policy).judge("files", "list").unwrap();
    let limits = CallLimits {
        memory: Some(ByteSize::from_mib(64)),
        fuel: Some(1_000_000_000),
        time: Some(Duration::from_secs(5)),
        output: Some(ByteSize::from_mib(1)),
    };
    assert_eq!((grant.files, grant.limits), (FileAccess::ReadOnly, limits));
    assert!(grant.allows_env("LANG") && !grant.allows_env("HOME"));
}

#[test]
fn the_most_exact_name_decides_wherever_it_stands() {
    let entries = [
        "{ name = \"*\", files = \"read-only\" }",
        "{ name = \"data-*\", functions = [\"read\"], files = \"read-write\" }",
        "{ name = \"data-json\", functions = [] }",
    ];
    let mut reversed = entries;
    reversed.reverse();
    for entries in [entries, reversed] {
        let grants = grants(&policy(&format!("tools = [{}]", entries.join(", "))));
        assert_eq!(grants.judge("files", "write").unwrap().files, FileAccess::ReadOnly);
        assert_eq!(grants.judge("data-csv", "read").unwrap().files, FileAccess::ReadWrite);
        assert!(grants.judge("data-csv", "write").is_err());
        assert!(grants.judge("data-json", "read").is_err());
    }
}

#[test]
fn an_unlisted_function_is_denied_by_the_entry_of_its_tool() {
    let policy = policy(
        "tools = [{ name = \"*\" }, { name = \"files\", functions = [\"list\"], files = \"read-only\", \
         env = [\"LANG\"], limits.fuel = 5 }]",
    );
    let denial = denial(&policy, "files", "read");
    assert_eq!(denial.rule, "tools[1].functions");
    assert_eq!(denial.asked, "call of read in the tool files");
    let grant = "tools = [{ name = \"files\", functions = [\"list\", \"read\"], files = \"read-only\", env = [\"LANG\"], \
                 limits = { fuel = 5 } }]";
    assert_eq!(denial.smallest_grant, grant);
}

#[test]
fn a_grant_beside_a_pattern_keeps_what_the_pattern_says() {
    let policy =
        policy("tools = [{ name = \"*\", functions = [\"list\"], files = \"read-only\", env = [], limits.fuel = 5 }]");
    let denial = denial(&policy, "files", "read");
    assert_eq!(denial.rule, "tools[0].functions");
    let grant = "tools = [{ name = \"files\", functions = [\"list\", \"read\"], files = \"read-only\", env = [], \
                 limits = { fuel = 5 } }]";
    assert_eq!(denial.smallest_grant, grant);
}

#[test]
fn a_denial_is_one_line_whatever_is_called() {
    for name in ["", "a\nb", "a*b", "\"", "'\"'", "\u{7f}", "é"] {
        for text in ["", "[[tools]]\nname = \"*\"\nfunctions = []\n"] {
            let policy = policy(text);
            let denial = denial(&policy, name, name);
            assert!(!denial.to_string().contains(char::is_control), "{denial}");
            let allowed = grants(&granting(&policy, &[denial])).judge(name, name);
            assert!(allowed.is_ok(), "{name:?}: {allowed:?}");
        }
    }
}

#[test]
fn grants_of_tools_are_checked_when_they_are_read() {
    let grants = grants(&policy(
        "tools = [{ name = \"files\", files = \"read-write\", env = [\"LANG\"], limits.time = \"5s\" }]",
    ));
    let json = serde_json::to_string(&grants).unwrap();
    let expected = r#"[{"name":"files","functions":["*"],"files":"read-write","env":["LANG"],"limits":{"time":"5s"}}]"#;
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<ToolGrants>(&json).unwrap(), grants);
    for json in [
        r#"[{"functions":["read"]}]"#,
        r#"[{"name":"a*b"}]"#,
        r#"[{"name":"a"},{"name":"a"}]"#,
        r#"[{"name":"a","limits":{"fuel":0}}]"#,
        r#"[{"name":"a","limits":{"fuel":18446744073709551615}}]"#,
        r#"[{"name":"a","network":"on"}]"#,
    ] {
        assert!(serde_json::from_str::<ToolGrants>(json).is_err(), "{json}");
    }
}

fn tools() -> impl Strategy<Value = Vec<ToolRuleFile>> {
    let names = "files|fi\\*|data-\\*|data-json|\\*";
    btree_map(names, tool_rule(), 0..4).prop_map(|rules| {
        let named = rules.into_iter().map(|(name, rule)| ToolRuleFile {
            name: Some(name.parse().unwrap()),
            ..rule
        });
        named.collect()
    })
}

fn with_tools(tools: Vec<ToolRuleFile>) -> Policy {
    let file = PolicyFile {
        tools,
        ..PolicyFile::default()
    };
    file.validate().unwrap()
}

prop_compose! {
    /// A rule as a narrower policy has it.
    fn narrower(rule: ToolRuleFile)(
        keep in any::<[bool; 2]>(),
        files in files(),
        limits in limits(),
    ) -> ToolRuleFile {
        let mut rule = rule.clone();
        let mut kept = keep.into_iter().cycle();
        if let Some(functions) = &mut rule.functions {
            functions.retain(|_| kept.next() == Some(true));
        } else if keep[0] {
            rule.functions = Some(vec!["read".parse().unwrap()]);
        }
        rule.files = rule.files.map(|known| known.min(files));
        if let Some(env) = &mut rule.env {
            env.retain(|_| kept.next() == Some(true));
        }
        rule.limits = rule.limits.least(limits);
        rule
    }
}

prop_compose! {
    fn policy_and_narrower()(tools in tools())(
        narrow in tools.iter().cloned().map(narrower).collect::<Vec<_>>(),
        wide in Just(tools),
    ) -> (Policy, Policy) {
        (with_tools(wide), with_tools(narrow))
    }
}

proptest! {
    #[test]
    fn narrower_entries_never_allow_more((wide, narrow) in policy_and_narrower()) {
        let wide = judgements(&wide);
        for (call, judgement) in judgements(&narrow) {
            if let Ok(less) = judgement {
                let more = &wide[&call];
                let is_less = more.as_ref().is_ok_and(|more| is_within(&less, more));
                prop_assert!(is_less, "{:?}: {:?} {:?}", call, less, more);
            }
        }
    }

    #[test]
    fn the_order_of_entries_does_not_matter(tools in tools().prop_shuffle()) {
        let allowed = |tools| judgements(&with_tools(tools)).into_values().map(Result::ok).collect::<Vec<_>>();
        let mut reversed = tools.clone();
        reversed.reverse();
        prop_assert_eq!(allowed(tools), allowed(reversed));
    }

    #[test]
    fn the_smallest_grant_allows_one_call_more_and_leaves_the_others(tools in tools()) {
        let policy = with_tools(tools);
        let before = judgements(&policy);
        for (call, denial) in before.iter().filter_map(|(call, judgement)| Some((call, judgement.as_ref().err()?))) {
            for (other, after) in judgements(&granting(&policy, std::slice::from_ref(denial))) {
                match (&before[&other], after) {
                    (Ok(before), Ok(after)) => prop_assert!(is_same_in_effect(before, &after), "{:?}", other),
                    (Err(_), after) => prop_assert_eq!(after.is_ok(), other == *call, "{:?} {:?}", other, denial),
                    (Ok(_), Err(after)) => prop_assert!(false, "{:?} {:?}", other, after),
                }
            }
        }
    }
}
