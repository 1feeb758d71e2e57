//! What a caller asks for, unchecked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palisade_policy::{Access, CallGrant, CallLimits, CallRequest, GuestPath, LimitsRequest, Policy};
use serde_json::Value;

use crate::backend::Work;
use crate::{Bytes, Device, Output, Program, Stdin, Tool};

/// A sandbox as somebody asks for it. Whether it is granted is the policy's to say when it is created.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// Who says what is granted.
    pub policy: Arc<Policy>,
    /// Host directories to be seen by guests, each at a place of its own.
    pub mounts: Vec<MountSpec>,
    /// Environment variables by name. With those of the policy they have at most 128 KiB, as `NAME=VALUE` and a NUL.
    pub env: BTreeMap<String, String>,
    /// Limits which differ from the policy's defaults.
    pub limits: LimitsRequest,
}

/// A host directory to be seen by guests.
#[derive(Debug, Clone)]
pub struct MountSpec {
    /// The directory; symbolic links in its path are followed, and the directory they lead to is judged.
    pub host: PathBuf,
    /// Where guests see it.
    pub guest: GuestPath,
    /// What guests may do there.
    pub access: Access,
}

impl SandboxSpec {
    /// An empty sandbox under `policy`: its own files, no mounts, no environment, the policy's limits.
    pub fn new(policy: impl Into<Arc<Policy>>) -> Self {
        Self {
            policy: policy.into(),
            mounts: Vec::new(),
            env: BTreeMap::new(),
            limits: LimitsRequest::default(),
        }
    }

    /// Asks for `host`, a directory, to be seen at `guest`.
    #[must_use]
    pub fn mount(mut self, host: impl AsRef<Path>, guest: GuestPath, access: Access) -> Self {
        self.mounts.push(MountSpec {
            host: host.as_ref().to_owned(),
            guest,
            access,
        });
        self
    }

    /// Asks for an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Asks for limits other than the policy's defaults.
    #[must_use]
    pub fn limits(mut self, limits: LimitsRequest) -> Self {
        self.limits = limits;
        self
    }
}

/// One program to run in a sandbox.
#[derive(Debug)]
pub struct Command {
    pub(crate) program: Program,
    pub(crate) name: Arc<str>,
    pub(crate) args: Vec<String>,
    pub(crate) stdin: (Stdin, Device),
    pub(crate) stdout: (Output, Device),
    pub(crate) stderr: (Output, Device),
    pub(crate) limits: CallLimits,
    pub(crate) work: Work,
    /// What it gets of what its sandbox has; `None`: all.
    pub(crate) granted: Option<CallGrant>,
}

impl Command {
    /// Runs `program` without arguments and input, and drops its output.
    pub fn new(program: &Program) -> Self {
        Self {
            program: program.clone(),
            name: program.shared_name(),
            args: Vec::new(),
            stdin: Default::default(),
            stdout: Default::default(),
            stderr: Default::default(),
            limits: CallLimits::default(),
            work: Work::Run,
            granted: None,
        }
    }

    /// The name that the program sees as its own, its argument 0; the file's name by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into().into();
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Where its standard input comes from; empty by default.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin.0 = stdin;
        self
    }

    /// What happens to what it prints; dropped by default.
    #[must_use]
    pub fn stdout(mut self, output: Output) -> Self {
        self.stdout.0 = output;
        self
    }

    /// What happens to what it prints to standard error; dropped by default.
    #[must_use]
    pub fn stderr(mut self, output: Output) -> Self {
        self.stderr.0 = output;
        self
    }

    /// The most that it may use, within the sandbox's own limits.
    #[must_use]
    pub fn limits(mut self, limits: CallLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What the program takes its standard input, output and error for; streams by default.
    #[must_use]
    pub fn devices(mut self, stdin: Device, stdout: Device, stderr: Device) -> Self {
        self.stdin.1 = stdin;
        self.stdout.1 = stdout;
        self.stderr.1 = stderr;
        self
    }
}

/// One call of a tool's function.
#[derive(Debug)]
pub struct Call {
    pub(crate) tool: Tool,
    pub(crate) function: String,
    pub(crate) arguments: Value,
    pub(crate) bytes: Bytes,
    pub(crate) request: CallRequest,
}

impl Call {
    /// Calls `function` of `tool` with an object of arguments by name.
    pub fn new(tool: &Tool, function: impl Into<String>, arguments: impl Into<Value>) -> Self {
        Self {
            tool: tool.clone(),
            function: function.into(),
            arguments: arguments.into(),
            bytes: Bytes::default(),
            request: CallRequest::default(),
        }
    }

    /// Narrows what this call gets: never to more than the policy grants to the tool, and the sandbox has.
    #[must_use]
    pub fn narrow(mut self, request: CallRequest) -> Self {
        self.request = request;
        self
    }

    /// How lists of bytes are given in the answer; as base64 by default.
    #[must_use]
    pub fn bytes(mut self, bytes: Bytes) -> Self {
        self.bytes = bytes;
        self
    }
}
