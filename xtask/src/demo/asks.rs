//! What the demo asks the server with curl alone.

/// One command of curl. In its arguments `{url}`, `{key}`, `{sandbox}`, `{guests}` and `{scratch}` become what they are.
pub(super) struct Ask {
    pub title: &'static str,
    pub arguments: &'static [&'static str],
    /// Each of these stands in the answer.
    pub printed: &'static [&'static str],
}

const fn ask(title: &'static str, arguments: &'static [&'static str], printed: &'static [&'static str]) -> Ask {
    Ask {
        title,
        arguments,
        printed,
    }
}

const JSON: &str = "content-type: application/json";

/// The first makes the sandbox which the others are about.
pub(super) const ASKS: &[Ask] = &[
    ask(
        "With curl alone: a sandbox, with a label and a limit, which goes by itself when nobody uses it for ten minutes",
        &[
            "{url}/v1/sandboxes",
            "-H",
            JSON,
            "-d",
            r#"{"labels": {"made-by": "demo"}, "limits": {"memory": "256 MiB"}, "idle_seconds": 600}"#,
        ],
        &["\"state\":\"ready\"", "256 MiB"],
    ),
    ask(
        "A program is put into it",
        &[
            "-T",
            "{guests}/rg.wasm",
            "{url}/v1/sandboxes/{sandbox}/files?path=/rg.wasm",
        ],
        &["size_bytes"],
    ),
    ask(
        "And a directory, as a tar",
        &[
            "-T",
            "{scratch}/policies.tar",
            "{url}/v1/sandboxes/{sandbox}/files/tar?path=/",
            "-H",
            "content-type: application/x-tar",
        ],
        &["\"files\":3"],
    ),
    ask(
        "The program runs, and what it prints is told as it prints it",
        &[
            "-N",
            "{url}/v1/sandboxes/{sandbox}/processes",
            "-H",
            JSON,
            "-d",
            r#"{"program": "/rg.wasm", "args": ["--no-ignore", "^metering", "/policies"]}"#,
        ],
        &["\"started\"", "strict.toml:metering", "\"ending\":{\"exited\":0}"],
    ),
    ask(
        "A part of a file",
        &[
            "-r",
            "0-40",
            "{url}/v1/sandboxes/{sandbox}/files?path=/policies/strict.toml",
        ],
        &["#"],
    ),
    ask(
        "A tool is added",
        &[
            "-T",
            "{guests}/text.wasm",
            "{url}/v1/tools/demo-text",
            "-H",
            "content-type: application/wasm",
        ],
        &["\"digest\"", "\"functions\""],
    ),
    ask(
        "And called, in an instance of its own",
        &[
            "{url}/v1/sandboxes/{sandbox}/call",
            "-H",
            JSON,
            "-d",
            r#"{"tool": "demo-text", "function": "digest", "arguments": {"algorithm": "sha256", "text": "hello"}}"#,
        ],
        &[
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "\"usage\"",
        ],
    ),
    ask(
        "Refused: more than the policy grants, with the rule",
        &[
            "-X",
            "PATCH",
            "{url}/v1/sandboxes/{sandbox}",
            "-H",
            JSON,
            "-d",
            r#"{"limits": {"memory": "1 TiB"}}"#,
        ],
        &["ceilings.memory", "smallest_grant"],
    ),
    ask(
        "What it uses",
        &["{url}/v1/sandboxes/{sandbox}/usage"],
        &["\"totals\"", "\"history\""],
    ),
    ask(
        "The figures of the host",
        &["{url}/metrics"],
        &["palisade_processes_ended_total"],
    ),
    ask(
        "A snapshot of its files, with a name",
        &[
            "{url}/v1/sandboxes/{sandbox}/snapshots",
            "-H",
            JSON,
            "-d",
            r#"{"name": "good", "description": "as it was unpacked"}"#,
        ],
        &["\"names\":[\"good\"]"],
    ),
    ask(
        "Then all is broken on purpose: a directory is removed",
        &["-X", "DELETE", "{url}/v1/sandboxes/{sandbox}/files?path=/policies"],
        &[],
    ),
    ask(
        "And the program is overwritten",
        &[
            "-T",
            "{scratch}/policies.tar",
            "{url}/v1/sandboxes/{sandbox}/files?path=/rg.wasm",
        ],
        &["size_bytes"],
    ),
    ask(
        "Back to the snapshot, and how long that took",
        &[
            "{url}/v1/sandboxes/{sandbox}/rollback",
            "-H",
            JSON,
            "-d",
            r#"{"to": "good"}"#,
        ],
        &["/policies/strict.toml", "\"kind\":\"added\"", "\"elapsed_ms\""],
    ),
    ask(
        "All is there again, and runs",
        &[
            "-N",
            "{url}/v1/sandboxes/{sandbox}/processes",
            "-H",
            JSON,
            "-d",
            r#"{"program": "/rg.wasm", "args": ["--no-ignore", "^metering", "/policies"]}"#,
        ],
        &["strict.toml:metering", "\"ending\":{\"exited\":0}"],
    ),
];

/// What comes after the steps, about the same sandbox.
pub(super) const LAST: &[Ask] = &[
    ask(
        "With curl again: stopped",
        &["-X", "POST", "{url}/v1/sandboxes/{sandbox}/stop"],
        &["\"state\":\"stopped\""],
    ),
    ask("Gone", &["-X", "DELETE", "{url}/v1/sandboxes/{sandbox}"], &[]),
];

/// What stands in the events which were told meanwhile.
pub(super) const WATCHED: &[&str] = &[
    "event: process-started",
    "event: process-ended",
    "event: request-denied",
    "event: snapshot-taken",
    "event: rolled-back",
];
