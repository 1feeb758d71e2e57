use std::path::PathBuf;
use std::time::Duration;

use crate::{
    Access, ByteSize, Clocks, CpuShare, Denial, Metering, MountRequest, Nans, Policy, Random, Refusal, Request,
};

mod properties;
mod tools;

fn policy(text: &str) -> Policy {
    Policy::from_toml(text).expect("the policy of this test is valid")
}

fn mount(host: &str, guest: &str, access: Access) -> MountRequest {
    MountRequest {
        host: PathBuf::from(host),
        guest: guest.parse().unwrap(),
        access,
    }
}

fn mounting(mounts: &[MountRequest]) -> Request {
    Request {
        mounts: mounts.to_vec(),
        ..Request::default()
    }
}

fn setting(env: &[(&str, &str)]) -> Request {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    Request {
        env,
        ..Request::default()
    }
}

fn denials(policy: &Policy, request: &Request) -> Vec<Denial> {
    match policy.decide(request) {
        Err(Refusal::Denied(denials)) => denials,
        other => panic!("not denied: {other:?}"),
    }
}

fn problems(request: &Request) -> Vec<String> {
    match Policy::standard().decide(request) {
        Err(Refusal::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("not invalid: {other:?}"),
    }
}

#[test]
fn a_mount_without_a_rule_is_denied_with_the_rule_that_would_do() {
    let request = mounting(&[mount("/srv/data", "in", Access::ReadOnly)]);
    let denial = &denials(&policy(""), &request)[0];
    assert_eq!(denial.rule, "mounts");
    assert_eq!(denial.asked, "read-only mount of \"/srv/data\" at /in");
    let rule = "mounts = [{ host = \"/srv/data\", access = \"read-only\", guest = \"/in\" }]";
    assert_eq!(denial.smallest_grant, rule);
}

#[test]
fn a_mount_needs_one_rule_that_allows_all_of_it() {
    let policy = policy(
        "[[mounts]]\nhost = \"/srv/data\"\n\
         [[mounts]]\nhost = \"/srv/data/out\"\naccess = \"read-write\"\nguest = \"/out\"\n",
    );
    for (host, guest, access, allowed) in [
        ("/srv/data", "/x", Access::ReadOnly, true),
        ("/srv/data/", "/x", Access::ReadOnly, true),
        ("/srv//data/./sub", "/x", Access::ReadOnly, true),
        ("/srv/data2", "/x", Access::ReadOnly, false),
        ("/srv/dat", "/x", Access::ReadOnly, false),
        ("/srv", "/x", Access::ReadOnly, false),
        ("/", "/x", Access::ReadOnly, false),
        ("/srv/data", "/x", Access::ReadWrite, false),
        ("/srv/data/out", "/out", Access::ReadWrite, true),
        ("/srv/data/out", "out/sub", Access::ReadWrite, true),
        ("/srv/data/out", "/out2", Access::ReadWrite, false),
        ("/srv/data/out", "/", Access::ReadWrite, false),
        ("/srv/data/out2", "/out", Access::ReadWrite, false),
    ] {
        let decision = policy.decide(&mounting(&[mount(host, guest, access)]));
        assert_eq!(decision.is_ok(), allowed, "{host} {guest} {access}: {decision:?}");
    }
}

#[test]
fn host_paths_that_are_not_canonical_are_refused_whatever_the_policy() {
    for host in ["", "srv", "./srv", "/srv/../etc", "/srv/data/..", "/srv/\0"] {
        let found = problems(&mounting(&[mount(host, "/x", Access::ReadOnly)]));
        assert!(found[0].starts_with("mounts[0].host: must "), "{found:?}");
    }
}

#[test]
fn two_mounts_at_one_place_are_refused_however_it_is_spelled() {
    let twice = ["/data", "./data/"].map(|guest| mount("/srv", guest, Access::ReadOnly));
    assert_eq!(
        problems(&mounting(&twice)),
        ["mounts[1].guest: something else is mounted at /data already"]
    );
}

#[cfg(unix)]
#[test]
fn a_host_path_that_toml_cannot_spell_is_denied_with_a_directory_above_it() {
    use std::os::unix::ffi::OsStringExt;
    let host = PathBuf::from(std::ffi::OsString::from_vec(b"/srv/\xff/x".to_vec()));
    let request = mounting(&[MountRequest {
        host,
        ..mount("/", "/x", Access::ReadOnly)
    }]);
    let grant = &denials(&policy(""), &request)[0].smallest_grant;
    assert!(grant.contains("host = \"/srv\""), "{grant}");
    assert!(policy(grant).decide(&request).is_ok());
}

#[test]
fn listed_env_is_given_beside_what_the_policy_sets() {
    let policy = policy("[env]\nallow = [\"LANG\", \"APP_*\"]\nset = { TZ = \"UTC\", LANG = \"C\" }\n");
    let env = |request| policy.decide(&request).unwrap().grants.env;
    assert_eq!(env(setting(&[])), setting(&[("LANG", "C"), ("TZ", "UTC")]).env);
    let asked = setting(&[("APP_X", "1"), ("LANG", "en"), ("TZ", "UTC")]);
    assert_eq!(env(asked.clone()), asked.env);
}

#[test]
fn unlisted_env_is_denied_by_name_and_without_its_value() {
    let policy = policy("[env]\nallow = [\"APP_*\"]\nset = { TZ = \"UTC\" }\n");
    let denials = denials(&policy, &setting(&[("APP", "hush"), ("A*", "hush"), ("TZ", "hush")]));
    let grants: Vec<_> = denials.iter().map(|denial| denial.smallest_grant.as_str()).collect();
    assert_eq!(
        grants,
        ["env.allow = [\"A*\"]", "env.allow = [\"APP\"]", "env.allow = [\"TZ\"]"]
    );
    assert_eq!(denials[1].rule, "env.allow");
    assert_eq!(denials[1].asked, "environment variable APP");
    assert!(!format!("{denials:?}").contains("hush"));
}

#[test]
fn env_that_no_process_can_have_is_refused() {
    let request = setting(&[("", "x"), ("A=B", "x"), ("A\0", "x"), ("A\n", "x"), ("OK", "\0")]);
    assert_eq!(problems(&request).len(), 5);
    assert!(
        Policy::standard()
            .decide(&setting(&[("A", "many\nlines=fine"), ("Ä", "")]))
            .is_ok()
    );
}

#[test]
fn limits_up_to_the_ceiling_are_given_and_every_one_above_is_denied() {
    let mut request = Request::default();
    let limits = &mut request.limits;
    limits.memory = Some(ByteSize::from_gib(8));
    limits.fuel = Some(u64::MAX);
    limits.time = Some(Duration::from_secs(24 * 3_600));
    limits.cpu = Some(CpuShare::from_millicores(64_000));
    assert_eq!(
        Policy::standard().decide(&request).unwrap().limits.memory,
        ByteSize::from_gib(8)
    );

    let denials = denials(&Policy::strict(), &request);
    let lines: Vec<_> = denials.iter().map(|denial| denial.smallest_grant.as_str()).collect();
    assert_eq!(
        lines,
        [
            "ceilings.memory = \"8 GiB\"",
            "ceilings.fuel = \"18446744073709551615\"",
            "ceilings.time = \"1day\"",
            "ceilings.cpu = 64",
        ]
    );
    assert_eq!(
        denials[0].to_string(),
        "ceilings.memory: memory = \"8 GiB\" is not granted; \
         the smallest grant that would do: ceilings.memory = \"8 GiB\""
    );
}

#[test]
fn the_default_is_the_ceiling_where_none_is_written() {
    let policy = policy("[limits]\nprocesses = 3\n[ceilings]\nhandles = 5\n");
    assert_eq!(policy.ceilings().processes, 3);
    assert_eq!(policy.defaults().handles, 5);
    let mut request = Request::default();
    request.limits.processes = Some(4);
    assert_eq!(denials(&policy, &request)[0].rule, "ceilings.processes");
    request.limits.processes = Some(2);
    assert_eq!(policy.decide(&request).unwrap().limits.processes, 2);
}

#[test]
fn a_fuel_limit_is_denied_where_no_fuel_is_counted() {
    let mut request = Request::default();
    request.limits.fuel = Some(1);
    let denials = denials(&Policy::trusted(), &request);
    assert_eq!(denials[0].rule, "metering");
    assert_eq!(denials[0].smallest_grant, "metering = \"fuel\"");
}

#[test]
fn limits_under_which_nothing_runs_are_refused() {
    let mut request = Request::default();
    request.limits.memory = Some(ByteSize::from_bytes(0));
    request.limits.time = Some(Duration::ZERO);
    request.limits.files = Some(u64::MAX);
    request.limits.disk = Some(ByteSize::from_bytes(0));
    assert_eq!(
        problems(&request),
        [
            "limits.memory: must be more than zero",
            "limits.time: must be more than zero",
            "limits.files: must be at most 9223372036854775807",
        ]
    );
}

#[test]
fn all_denials_are_reported_at_once() {
    let mut request = mounting(&[
        mount("/a", "/a", Access::ReadOnly),
        mount("/b", "/b", Access::ReadWrite),
    ]);
    request.env = setting(&[("A", "1"), ("B", "2")]).env;
    request.limits.processes = Some(1_000);
    request.limits.handles = Some(1_000_000);
    let denials = denials(&policy(""), &request);
    let rules: Vec<_> = denials.iter().map(|denial| denial.rule.as_str()).collect();
    let expected = [
        "mounts",
        "mounts",
        "env.allow",
        "env.allow",
        "ceilings.processes",
        "ceilings.handles",
    ];
    assert_eq!(rules, expected);
}

#[test]
fn clocks_randomness_and_nans_come_from_the_policy() {
    let grants = Policy::strict().decide(&Request::default()).unwrap().grants;
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(grants.clocks, Clocks::Fixed { start });
    assert_eq!(grants.random, Random::Seeded { seed: 42 });
    assert_eq!((grants.metering, grants.nans), (Metering::Fuel, Nans::Canonical));

    let grants = policy("").decide(&Request::default()).unwrap().grants;
    assert_eq!((grants.clocks, grants.random), (Clocks::Real, Random::Real));
    assert_eq!((grants.metering, grants.nans), (Metering::Fuel, Nans::Native));
}

#[test]
fn a_decision_reads_as_json_and_back() {
    let mut request = mounting(&[mount("/srv", "./data", Access::ReadWrite)]);
    request.limits.memory = Some(ByteSize::from_mib(1536));
    let read = serde_json::from_str::<Request>(&serde_json::to_string(&request).unwrap()).unwrap();
    assert_eq!(read, request);

    let decision = Policy::standard().decide(&request).unwrap();
    let json = serde_json::to_value(&decision).unwrap();
    assert_eq!(json["limits"]["memory"], "1536 MiB");
    assert_eq!(json["grants"]["clocks"]["mode"], "real");
    assert_eq!(json["grants"]["mounts"][0]["guest"], "./data");
    assert_eq!(serde_json::from_value::<crate::Decision>(json).unwrap(), decision);
}
