use std::path::Path;

use super::*;

fn load(flags: Globals, variables: &[(&str, &str)]) -> Result<Config, Failure> {
    Config::load(&flags, &|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("palisade.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn each_layer_lies_over_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "state-dir = \"/file\"\nlisten = \"127.0.0.1:1\"\npolicy = \"strict\"",
    );
    let path = PathBuf::from(&file);

    let config = load(Globals::default(), &[("PALISADE_CONFIG", &file), ("HOME", "/home/me")]).unwrap();
    assert_eq!(
        *config.state_dir().unwrap(),
        Setting {
            value: "/file".into(),
            origin: Origin::File(path.clone())
        }
    );
    assert_eq!(
        config.policy,
        Setting {
            value: "strict".into(),
            origin: Origin::File(path)
        }
    );
    assert_eq!(config.artefact_cache, Setting::default(ByteSize::from_gib(4)));

    let variables = [
        ("PALISADE_CONFIG", &*file),
        ("PALISADE_STATE_DIR", "/variable"),
        ("PALISADE_LISTEN", "127.0.0.1:2"),
    ];
    let config = load(Globals::default(), &variables).unwrap();
    assert_eq!(
        config.state_dir().unwrap().origin,
        Origin::Environment("PALISADE_STATE_DIR")
    );
    assert_eq!(config.listen.value.port(), 2);

    let flags = Globals {
        state_dir: Some("/flag".into()),
        ..Globals::default()
    };
    let config = load(flags, &variables).unwrap();
    assert_eq!(
        *config.state_dir().unwrap(),
        Setting {
            value: "/flag".into(),
            origin: Origin::Flag("--state-dir")
        }
    );
}

#[test]
fn state_is_kept_where_xdg_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "");
    let state_dir = |variables: &[(&str, &str)]| {
        let variables = [&[("PALISADE_CONFIG", &*file)], variables].concat();
        load(Globals::default(), &variables)
            .unwrap()
            .state_dir()
            .map(|found| found.value.clone())
            .ok()
    };
    assert_eq!(
        state_dir(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]),
        Some("/s/palisade".into())
    );
    assert_eq!(
        state_dir(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]),
        Some("/h/.local/state/palisade".into())
    );
    assert_eq!(state_dir(&[]), None);
}

#[test]
fn every_problem_of_the_file_is_told_with_its_key() {
    let text = "
        state-dir = \"relative\"
        listen = \"localhost\"
        host-names = [\"tools.test\", \"tools.test:80\", 7]
        polcy = \"x\"
        [defaults]
        memory = \"lots\"
        time = \"0s\"
        [ceilings]
        memroy = 1
        [retention]
        artefact-cache = 7
    ";
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), text);
    let failure = load(Globals::default(), &[("PALISADE_CONFIG", &file)]).unwrap_err();
    for key in [
        " state-dir: ",
        " listen: ",
        " host-names[1]: ",
        " host-names[2]: ",
        " polcy: ",
        " defaults.memory: ",
        " ceilings.memroy: ",
        " retention.artefact-cache: ",
    ] {
        assert!(failure.message().contains(key), "{key} in {}", failure.message());
    }
}

#[test]
fn limits_are_read_as_in_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[defaults]\nmemory = \"3 MiB\"\nfuel = \"unlimited\"\n[ceilings]\ncpu = 0.5\n";
    let file = written(folder.path(), text);
    let config = load(Globals::default(), &[("PALISADE_CONFIG", &file)]).unwrap();
    assert_eq!(config.host_limits.defaults.memory, Some(ByteSize::from_mib(3)));
    assert_eq!(
        config.host_limits.ceilings.cpu,
        Some(palisade::policy::CpuShare::from_millicores(500))
    );
    assert_eq!(config.host_limits.ceilings.memory, None);
}

#[test]
fn a_named_file_must_be_there_and_variables_must_make_sense() {
    assert!(load(Globals::default(), &[("PALISADE_CONFIG", "/nowhere/palisade.toml")]).is_err());
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "");
    let failure = load(
        Globals::default(),
        &[("PALISADE_CONFIG", &file), ("PALISADE_LISTEN", "x")],
    )
    .unwrap_err();
    assert!(failure.message().contains("PALISADE_LISTEN"), "{}", failure.message());
}

#[test]
fn a_policy_beside_the_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "policy = \"mine.toml\"");
    let config = load(Globals::default(), &[("PALISADE_CONFIG", &file)]).unwrap();
    assert_eq!(Path::new(&config.policy.value), folder.path().join("mine.toml"));
}
