//! The keys of a policy file, read one by one.

use toml::de::DeTable;

use super::section::{Reading, Section};
use super::{ClocksFile, EnvFile, LimitsFile, MountRuleFile, NetworkFile, PolicyFile, RandomFile, ToolRuleFile};
use crate::time::HumanDuration;
use crate::{ByteSize, CallLimits};

impl<'text> Reading<'text> {
    /// What can be understood of `text`, and the problems with the rest.
    pub(crate) fn of(text: &'text str) -> (PolicyFile, Self) {
        let mut reading = Self::new(text);
        if text.len() > PolicyFile::MAX_TEXT {
            reading.report_at(
                0,
                "",
                format_args!(
                    "a policy is at most {}, this is {} bytes",
                    ByteSize::from_bytes(PolicyFile::MAX_TEXT as u64),
                    text.len()
                ),
            );
            return (PolicyFile::default(), reading);
        }
        match DeTable::parse(text) {
            Ok(table) => (Section::read("", table.into_inner(), &mut reading, policy), reading),
            Err(error) => {
                let offset = error.span().map_or(text.len(), |span| span.start);
                reading.report_at(offset, "", error.message());
                (PolicyFile::default(), reading)
            }
        }
    }
}

fn policy(section: &mut Section<'_, '_>) -> PolicyFile {
    PolicyFile {
        description: section.take("description"),
        metering: section.word("metering"),
        canonical_nans: section.take("canonical-nans"),
        mounts: section.tables("mounts", mount_rule),
        env: section.table("env", env),
        tools: section.tables("tools", tool_rule),
        limits: section.table("limits", limits),
        ceilings: section.table("ceilings", limits),
        clocks: section.table("clocks", clocks),
        random: section.table("random", random),
        network: section.table("network", |section| NetworkFile {
            mode: section.word("mode"),
        }),
    }
}

fn mount_rule(section: &mut Section<'_, '_>) -> MountRuleFile {
    MountRuleFile {
        host: section.take("host"),
        access: section.word("access"),
        guest: section.take("guest"),
    }
}

fn env(section: &mut Section<'_, '_>) -> EnvFile {
    EnvFile {
        allow: section.list("allow"),
        set: section.map("set"),
    }
}

fn tool_rule(section: &mut Section<'_, '_>) -> ToolRuleFile {
    ToolRuleFile {
        name: section.take("name"),
        functions: section.optional_list("functions"),
        files: section.word("files"),
        env: section.optional_list("env"),
        limits: section.table("limits", call_limits),
    }
}

fn call_limits(section: &mut Section<'_, '_>) -> CallLimits {
    CallLimits {
        memory: section.take("memory"),
        fuel: section.take("fuel"),
        time: section.take("time").map(|HumanDuration(time)| time),
        output: section.take("output"),
    }
}

fn limits(section: &mut Section<'_, '_>) -> LimitsFile {
    LimitsFile {
        memory: section.take("memory"),
        fuel: section.take("fuel"),
        time: section.take("time").map(|HumanDuration(time)| time),
        cpu: section.take("cpu"),
        disk: section.take("disk"),
        files: section.take("files"),
        processes: section.take("processes"),
        handles: section.take("handles"),
        output: section.take("output"),
    }
}

fn clocks(section: &mut Section<'_, '_>) -> ClocksFile {
    ClocksFile {
        mode: section.word("mode"),
        start: section.take("start"),
    }
}

fn random(section: &mut Section<'_, '_>) -> RandomFile {
    RandomFile {
        mode: section.word("mode"),
        seed: section.take("seed"),
    }
}
