//! Rules about every policy and every request, tried on random ones.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::call::tests as call;
use crate::{
    Access, ByteSize, ClockMode, ClocksFile, CpuShare, Denial, EnvFile, FuelLimit, Limits, LimitsFile, LimitsRequest,
    Metering, MountRequest, MountRuleFile, Nans, Policy, PolicyFile, RandomFile, RandomMode, Refusal, Request,
    ToolRuleFile,
};

/// Few names, so that rules and requests meet.
fn host() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!["a", "b", "a2"]), 0..4).prop_map(|names| format!("/{}", names.join("/")))
}

fn access() -> impl Strategy<Value = Access> {
    prop::sample::select(vec![Access::ReadOnly, Access::ReadWrite])
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["A", "AB", "ABC", "B", "A*", "Ä"]).prop_map(String::from)
}

fn size() -> impl Strategy<Value = ByteSize> {
    (1u64..8, 0u32..60).prop_map(|(mantissa, shift)| ByteSize::from_bytes(mantissa << shift))
}

prop_compose! {
    fn limits_request()(
        memory in option::of(size()),
        fuel in option::of(1..u64::MAX),
        time in option::of((1..10_000_000u64).prop_map(Duration::from_millis)),
        cpu in option::of((1..100_000u32).prop_map(CpuShare::from_millicores)),
        disk in option::of(size()),
        files in option::of(0..10_000_000u64),
        processes in option::of(1..2_000u32),
        handles in option::of(1..20_000u32),
        output in option::of(size()),
    ) -> LimitsRequest {
        LimitsRequest { memory, fuel, time, cpu, disk, files, processes, handles, output }
    }
}

fn limits_file() -> impl Strategy<Value = LimitsFile> {
    limits_request().prop_map(|limits| LimitsFile {
        memory: limits.memory,
        fuel: limits.fuel.map(FuelLimit::AtMost),
        time: limits.time,
        cpu: limits.cpu,
        disk: limits.disk,
        files: limits.files,
        processes: limits.processes,
        handles: limits.handles,
        output: limits.output,
    })
}

prop_compose! {
    fn mount_rule()(host in host(), access in option::of(access()), guest in option::of(host()))
    -> MountRuleFile {
        MountRuleFile { host: Some(host), access, guest: guest.map(|guest| guest.parse().unwrap()) }
    }
}

prop_compose! {
    fn env()(
        allow in vec("A|AB|A\\*|B|Ä\\*|\\*", 0..3),
        set in btree_map(name(), "\\PC{0,5}|a\nb", 0..3),
    ) -> EnvFile {
        EnvFile { allow: allow.iter().map(|pattern| pattern.parse().unwrap()).collect(), set }
    }
}

prop_compose! {
    /// An entry of `[[tools]]` without a name.
    pub(super) fn tool_rule()(
        functions in option::of(vec("read|li\\*|list|\\*", 0..3)),
        files in option::of(call::files()),
        env in option::of(call::env()),
        limits in call::limits(),
    ) -> ToolRuleFile {
        let parsed = |functions: Vec<String>| functions.iter().map(|pattern| pattern.parse().unwrap()).collect();
        ToolRuleFile { name: None, functions: functions.map(parsed), files, env, limits }
    }
}

prop_compose! {
    fn policy_file()(
        description in option::of(any::<String>()),
        metering in option::of(prop::sample::select(vec![Metering::Fuel, Metering::Time])),
        nans in option::of(prop::sample::select(vec![Nans::Native, Nans::Canonical])),
        mounts in vec(mount_rule(), 0..4),
        env in env(),
        tools in btree_map("[a-c]{1,2}\\*?|\\*", tool_rule(), 0..3),
        limits in limits_file(),
        ceilings in limits_file(),
        seed in option::of(0..i64::MAX as u64),
    ) -> PolicyFile {
        let mut file = PolicyFile { description, metering, mounts, env, ceilings, ..PolicyFile::default() };
        file.canonical_nans = nans;
        file.tools = tools
            .into_iter()
            .map(|(name, rule)| ToolRuleFile { name: Some(name.parse().unwrap()), ..rule })
            .collect();
        file.limits = lowered(limits, &file.ceilings);
        if metering == Some(Metering::Time) {
            (file.limits.fuel, file.ceilings.fuel) = (None, None);
            file.tools.iter_mut().for_each(|rule| rule.limits.fuel = None);
        }
        if let Some(seed) = seed {
            file.random = RandomFile { mode: Some(RandomMode::Seeded), seed: Some(seed) };
            let start = "2026-01-01T00:00:00.5Z".parse().unwrap();
            file.clocks = ClocksFile { mode: Some(ClockMode::Fixed), start: Some(start) };
        }
        file
    }
}

prop_compose! {
    fn request()(
        mounts in vec((host(), host(), access()), 0..4),
        env in btree_map(name(), "x|y", 0..3),
        limits in limits_request(),
    ) -> Request {
        // One mount for each place.
        let mounts: BTreeMap<_, _> =
            mounts.into_iter().map(|(host, guest, access)| (guest, (host, access))).collect();
        let mounts = mounts.into_iter().map(|(guest, (host, access))| {
            MountRequest { host: host.into(), guest: guest.parse().unwrap(), access }
        });
        Request { mounts: mounts.collect(), env, limits }
    }
}

/// A request of which a policy is likely to allow each part.
fn modest_request() -> impl Strategy<Value = Request> {
    (request(), any::<[bool; 3]>()).prop_map(|(mut request, keep)| {
        request.mounts.truncate(usize::from(keep[0]));
        if !keep[1] {
            request.env.clear();
        }
        if !keep[2] {
            request.limits = LimitsRequest::default();
        }
        request
    })
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `limits`, none of them above its ceiling.
fn lowered(limits: LimitsFile, ceilings: &LimitsFile) -> LimitsFile {
    let under = |limit: Option<ByteSize>, ceiling| limit.and_then(|limit| least(Some(limit), ceiling));
    LimitsFile {
        memory: under(limits.memory, ceilings.memory),
        fuel: limits.fuel.and_then(|fuel| least(Some(fuel), ceilings.fuel)),
        time: limits.time.and_then(|time| least(Some(time), ceilings.time)),
        cpu: limits.cpu.and_then(|cpu| least(Some(cpu), ceilings.cpu)),
        disk: under(limits.disk, ceilings.disk),
        files: limits.files.and_then(|files| least(Some(files), ceilings.files)),
        processes: limits.processes.and_then(|n| least(Some(n), ceilings.processes)),
        handles: limits.handles.and_then(|n| least(Some(n), ceilings.handles)),
        output: under(limits.output, ceilings.output),
    }
}

/// Both the ceilings and `lower`, whichever is less.
fn narrower(ceilings: LimitsFile, lower: LimitsFile) -> LimitsFile {
    LimitsFile {
        memory: least(ceilings.memory, lower.memory),
        fuel: least(ceilings.fuel, lower.fuel),
        time: least(ceilings.time, lower.time),
        cpu: least(ceilings.cpu, lower.cpu),
        disk: least(ceilings.disk, lower.disk),
        files: least(ceilings.files, lower.files),
        processes: least(ceilings.processes, lower.processes),
        handles: least(ceilings.handles, lower.handles),
        output: least(ceilings.output, lower.output),
    }
}

prop_compose! {
    /// A policy, and the same one with lower ceilings, fewer and narrower mounts, and fewer variables.
    fn policy_and_narrower()(
        file in policy_file(),
        lower in limits_file(),
        keep in any::<[bool; 8]>(),
        below in host(),
    ) -> (Policy, Policy) {
        let wide = file.validate().unwrap();
        let mut file = wide.to_file();
        file.ceilings = narrower(file.ceilings, lower);
        if wide.metering() == Metering::Time {
            file.ceilings.fuel = None;
        }
        file.limits = lowered(file.limits, &file.ceilings);
        let mut kept = keep.into_iter().cycle();
        file.mounts.retain(|_| kept.next() == Some(true));
        file.env.allow.retain(|_| kept.next() == Some(true));
        for (rule, narrow) in file.mounts.iter_mut().zip(keep) {
            if narrow {
                rule.host = rule.host.take().map(|host| format!("{host}{below}"));
                rule.access = Some(Access::ReadOnly);
            }
        }
        (wide, file.validate().unwrap())
    }
}

/// Whether `a` allows no more than `b` in any limit.
fn is_within(a: &Limits, b: &Limits) -> bool {
    a.memory <= b.memory
        && FuelLimit::from(a.fuel) <= FuelLimit::from(b.fuel)
        && a.time <= b.time
        && a.cpu <= b.cpu
        && a.disk <= b.disk
        && a.files <= b.files
        && a.processes <= b.processes
        && a.handles <= b.handles
        && a.output <= b.output
}

/// The policy of `file` with the smallest grants of `denials` written into it.
pub(super) fn granting(policy: &Policy, denials: &[Denial]) -> Policy {
    let mut table: toml::Table = policy.to_toml().parse().unwrap();
    for denial in denials {
        let grant = denial.smallest_grant.parse().expect("a smallest grant is TOML");
        merge(&mut table, grant);
    }
    Policy::from_toml(&table.to_string()).unwrap()
}

fn merge(table: &mut toml::Table, grant: toml::Table) {
    for (key, value) in grant {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(grant)) => merge(known, grant),
            (Some(toml::Value::Array(known)), toml::Value::Array(grant)) => {
                grant.into_iter().for_each(|entry| add(known, entry));
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Takes the place of the entry of the same name where there is one: only those of `[[tools]]` have names.
fn add(known: &mut Vec<toml::Value>, entry: toml::Value) {
    let is_same = |known: &&mut toml::Value| known.get("name").is_some_and(|name| entry.get("name") == Some(name));
    match known.iter_mut().find(is_same) {
        Some(known) => *known = entry,
        None => known.push(entry),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_narrower_policy_never_grants_more(
        (wide, narrow) in policy_and_narrower(),
        request in prop_oneof![1 => request(), 4 => modest_request()],
    ) {
        if let Ok(less) = narrow.decide(&request) {
            let more = wide.decide(&request);
            prop_assert!(more.is_ok(), "only the narrower one allows it: {:?}", more);
            let more = more.unwrap();
            prop_assert_eq!(less.grants, more.grants);
            prop_assert!(is_within(&less.limits, &more.limits));
        }
    }

    #[test]
    fn a_decision_gives_what_was_asked_and_nothing_above_a_ceiling(
        file in policy_file(),
        request in prop_oneof![1 => request(), 4 => modest_request()],
    ) {
        let policy = file.clone().validate().unwrap();
        prop_assert!(is_within(&policy.defaults(), &policy.ceilings()));
        if let Ok(decision) = policy.decide(&request) {
            prop_assert!(is_within(&decision.limits, &policy.ceilings()));
            prop_assert_eq!(&decision.grants.mounts, &request.mounts);
            let known = |(name, value): (&String, &String)| {
                request.env.get(name).or(file.env.set.get(name)) == Some(value)
            };
            prop_assert!(decision.grants.env.iter().all(known));
            prop_assert!(file.env.set.keys().all(|name| decision.grants.env.contains_key(name)));
        }
    }

    #[test]
    fn the_smallest_grants_are_enough(file in policy_file(), request in request()) {
        let policy = file.validate().unwrap();
        match policy.decide(&request) {
            Ok(_) => {}
            Err(Refusal::Denied(denials)) => {
                let allowed = granting(&policy, &denials).decide(&request);
                prop_assert!(allowed.is_ok(), "{:?} after {:?}", allowed, denials);
            }
            Err(Refusal::Invalid(problems)) => prop_assert!(false, "{:?}", problems),
        }
    }

    #[test]
    fn a_policy_reads_back_as_it_was_written(file in policy_file()) {
        let text = toml::to_string(&file).unwrap();
        let parsed = PolicyFile::parse(&text);
        prop_assert_eq!(parsed.as_ref(), Ok(&file));
        let policy = file.validate().unwrap();
        let read = Policy::from_toml(&policy.to_toml());
        prop_assert_eq!(read.as_ref(), Ok(&policy));
        prop_assert_eq!(policy.to_file().validate(), Ok(policy));
    }
}
