use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// Names that patterns of [`env`] match and do not match.
const NAMES: [&str; 6] = ["A", "AB", "ABC", "B", "A*", "Ä"];

fn size() -> impl Strategy<Value = ByteSize> {
    (1..8u64).prop_map(ByteSize::from_mib)
}

prop_compose! {
    pub(crate) fn limits()(
        memory in option::of(size()),
        fuel in option::of(1..100u64),
        time in option::of((1..100u64).prop_map(Duration::from_millis)),
        output in option::of(size()),
    ) -> CallLimits {
        CallLimits { memory, fuel, time, output }
    }
}

pub(crate) fn files() -> impl Strategy<Value = FileAccess> {
    prop::sample::select(vec![FileAccess::None, FileAccess::ReadOnly, FileAccess::ReadWrite])
}

pub(crate) fn env() -> impl Strategy<Value = Vec<EnvPattern>> {
    vec("A|AB|A\\*|AB\\*|B|Ä\\*|\\*", 0..3)
        .prop_map(|patterns| patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

prop_compose! {
    fn grant()(files in files(), env in env(), limits in limits()) -> CallGrant {
        CallGrant { files, env: env.into(), limits }
    }
}

prop_compose! {
    fn request()(
        files in option::of(files()),
        env in option::of(vec(prop::sample::select(NAMES.to_vec()).prop_map(String::from), 0..4)),
        limits in limits(),
    ) -> CallRequest {
        CallRequest { files, env, limits }
    }
}

fn at_most<T: Ord>(a: Option<T>, b: Option<T>) -> bool {
    b.is_none_or(|b| a.is_some_and(|a| a <= b))
}

fn limits_are_within(a: CallLimits, b: CallLimits) -> bool {
    at_most(a.memory, b.memory) && at_most(a.fuel, b.fuel) && at_most(a.time, b.time) && at_most(a.output, b.output)
}

/// Whether `a` gives no more than `b` in any respect.
pub(crate) fn is_within(a: &CallGrant, b: &CallGrant) -> bool {
    a.files <= b.files
        && NAMES.iter().all(|name| !a.allows_env(name) || b.allows_env(name))
        && limits_are_within(a.limits, b.limits)
}

pub(crate) fn is_same_in_effect(a: &CallGrant, b: &CallGrant) -> bool {
    is_within(a, b) && is_within(b, a)
}

#[test]
fn a_request_for_nothing_in_particular_gets_the_whole_grant() {
    let grant = CallGrant {
        files: FileAccess::ReadOnly,
        env: ["APP_*".parse().unwrap()].into(),
        limits: CallLimits::default(),
    };
    assert_eq!(grant.clone().narrow(&CallRequest::default()), grant);
    assert!(grant.allows_env("APP_MODE") && !grant.allows_env("HOME"));
}

#[test]
fn a_request_for_more_gets_what_the_grant_has() {
    let grant = CallGrant {
        files: FileAccess::ReadOnly,
        env: ["APP_*".parse().unwrap()].into(),
        limits: CallLimits {
            fuel: Some(5),
            ..CallLimits::default()
        },
    };
    let request = CallRequest {
        files: Some(FileAccess::ReadWrite),
        env: Some(vec!["APP_MODE".into(), "HOME".into(), "APP_*".into(), "*".into()]),
        limits: CallLimits {
            fuel: Some(9),
            time: Some(Duration::from_secs(1)),
            ..CallLimits::default()
        },
    };
    let json = serde_json::to_value(grant.narrow(&request)).unwrap();
    let expected = serde_json::json!({
        "files": "read-only", "env": ["APP_MODE"], "limits": { "fuel": 5, "time": "1s" },
    });
    assert_eq!(json, expected);
}

#[test]
fn a_request_reads_as_json_and_knows_its_keys() {
    let request: CallRequest = serde_json::from_str(r#"{"files":"none","limits":{"time":"5s"}}"#).unwrap();
    assert_eq!(request.files, Some(FileAccess::None));
    assert_eq!(request.limits.time, Some(Duration::from_secs(5)));
    assert_eq!(
        serde_json::from_str::<CallRequest>("{}").unwrap(),
        CallRequest::default()
    );
    for json in [r#"{"file":"none"}"#, r#"{"limits":{"cpu":1}}"#, r#"{"files":"all"}"#] {
        assert!(serde_json::from_str::<CallRequest>(json).is_err(), "{json}");
    }
}

proptest! {
    #[test]
    fn narrowing_gives_no_more_than_either_and_no_less_than_both(grant in grant(), request in request()) {
        let narrowed = grant.clone().narrow(&request);
        prop_assert!(is_within(&narrowed, &grant));
        prop_assert!(limits_are_within(narrowed.limits, request.limits));
        let files = request.files.unwrap_or(FileAccess::ReadWrite);
        prop_assert_eq!(narrowed.files, files.min(grant.files));
        for name in NAMES {
            let asked = request.env.as_ref().is_none_or(|names| names.iter().any(|asked| asked == name));
            let spelled = request.env.is_none() || !name.contains('*');
            prop_assert_eq!(narrowed.allows_env(name), grant.allows_env(name) && asked && spelled, "{}", name);
        }
    }

    #[test]
    fn narrowing_twice_is_narrowing_once(grant in grant(), request in request()) {
        let once = grant.narrow(&request);
        prop_assert_eq!(once.clone().narrow(&request), once);
    }

    #[test]
    fn the_order_of_narrowing_does_not_matter(grant in grant(), one in request(), other in request()) {
        let forth = grant.clone().narrow(&one).narrow(&other);
        let back = grant.narrow(&other).narrow(&one);
        prop_assert!(is_same_in_effect(&forth, &back), "{:?} {:?}", forth, back);
    }

    #[test]
    fn narrowing_less_gives_no_more(grant in grant(), first in request(), second in request()) {
        let less = grant.clone().narrow(&first);
        prop_assert!(is_within(&less.narrow(&second), &grant.narrow(&second)));
    }

    #[test]
    fn the_least_of_limits_is_within_both_and_either_way_round(a in limits(), b in limits()) {
        let least = a.least(b);
        prop_assert!(limits_are_within(least, a) && limits_are_within(least, b));
        prop_assert_eq!(least, b.least(a));
        prop_assert_eq!(least, least.least(a));
    }
}
