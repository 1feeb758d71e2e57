//! Plug-ins: components which the embedder calls with values of its own types, and which call functions of its.

use std::time::Duration;

use palisade::policy::{ByteSize, LimitsRequest, Policy};
use palisade::wasmtime::component::{Linker, TypedFunc};
use palisade::wasmtime::{self, StoreContextMut};
use palisade::{
    Ending, Host, HostConfig, Kind, Limit, Outcome, Plugin, PluginState, Program, Sandbox, SandboxSpec, State,
};
use palisade_tests::*;

/// A component which asks a function of its embedder's, as often as it is told, and does what it should not.
const TEXT: &str = r#"(component
    (import "ask" (func $ask (param "number" u32) (result u32)))
    (core func $ask (canon lower (func $ask)))
    (core module $m
        (import "" "ask" (func $ask (param i32) (result i32)))
        (memory 1)
        (global $calls (mut i32) (i32.const 0))
        (func (export "ask") (param i32) (result i32) (call $ask (local.get 0)))
        (func (export "ask-often") (param i32)
            (loop $more
                (drop (call $ask (i32.const 0)))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if $more (i32.gt_s (local.get 0) (i32.const 0)))))
        (func (export "count") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (global.get $calls))
        (func $deep (export "deep") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
                (else (call $ask (i32.const 7)))))
        (func (export "grow") (result i32) (memory.grow (i32.const 10000)))
        (func (export "trap") unreachable))
    (core instance $i (instantiate $m (with "" (instance (export "ask" (func $ask))))))
    (func (export "ask") (param "number" u32) (result u32) (canon lift (core func $i "ask")))
    (func (export "ask-often") (param "times" u32) (canon lift (core func $i "ask-often")))
    (func (export "count") (result u32) (canon lift (core func $i "count")))
    (func (export "deep") (param "calls" u32) (result u32) (canon lift (core func $i "deep")))
    (func (export "grow") (result s32) (canon lift (core func $i "grow")))
    (func (export "trap") (canon lift (core func $i "trap"))))"#;

/// The embedder's side: what it adds to every number, and how long it thinks.
struct Answers {
    add: u32,
    wait: Duration,
}

const AT_ONCE: Answers = Answers {
    add: 1,
    wait: Duration::ZERO,
};

fn link(linker: &mut Linker<PluginState<Answers>>) -> wasmtime::Result<()> {
    linker.root().func_wrap_async(
        "ask",
        |mut store: StoreContextMut<'_, PluginState<Answers>>, (number,): (u32,)| {
            Box::new(async move {
                let Answers { add, wait } = *store.data_mut().data_mut();
                assert_ne!(number, 66, "the embedder panics");
                if number == 7 {
                    std::hint::black_box([7_u8; 1 << 20]);
                }
                tokio::time::sleep(wait).await;
                wasmtime::ensure!(number != 13, "nobody asks for 13");
                Ok((number + add,))
            })
        },
    )
}

fn plugin() -> Plugin<Answers> {
    Plugin::new(&wat("plugin", TEXT), link)
}

/// Calls one function which takes a number or nothing.
async fn call<P>(
    sandbox: &Sandbox,
    plugin: &Plugin<Answers>,
    answers: Answers,
    function: &'static str,
    p: P,
) -> (Option<u32>, Outcome)
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync + 'static,
{
    let called = sandbox.with_plugin(plugin, answers, move |store, instance| {
        Box::pin(async move {
            let function: TypedFunc<P, (u32,)> = instance.get_typed_func(&mut *store, function)?;
            Ok(function.call_async(&mut *store, p).await?.0)
        })
    });
    called.await.unwrap()
}

async fn do_it<P>(sandbox: &Sandbox, answers: Answers, function: &'static str, p: P) -> Outcome
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync + 'static,
{
    let plugin = plugin();
    let called = sandbox.with_plugin(&plugin, answers, move |store, instance| {
        Box::pin(async move {
            let function: TypedFunc<P, ()> = instance.get_typed_func(&mut *store, function)?;
            function.call_async(&mut *store, p).await
        })
    });
    let (done, outcome) = called.await.unwrap();
    assert_eq!(done.is_some(), outcome.ending == Ending::Returned);
    outcome
}

#[tokio::test]
async fn a_plugin_calls_its_embedder() {
    let (answer, outcome) = call(&sandbox(spec()), &plugin(), AT_ONCE, "ask", (41_u32,)).await;
    assert_eq!((answer, outcome.ending), (Some(42), Ending::Returned));
}

#[tokio::test]
async fn only_where_it_was_given_the_function() {
    let plugin: Plugin<()> = Plugin::new(&wat("plugin", TEXT), |_| Ok(()));
    let sandbox = sandbox(spec());
    let called = sandbox.with_plugin(&plugin, (), |_, _| Box::pin(async { Ok(()) }));
    let error = called.await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert!(error.to_string().contains("`ask`"), "{error}");
    // Nor does a tool get it.
    let error = host().tools().add("asking", wat("plugin", TEXT)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert!(error.to_string().contains("`ask`"), "{error}");
}

#[tokio::test]
async fn an_instance_is_kept_for_as_long_as_it_is_visited_and_no_longer() {
    let (sandbox, plugin) = (sandbox(spec()), plugin());
    for _ in 0..2 {
        let counted = sandbox.with_plugin(&plugin, AT_ONCE, |store, instance| {
            Box::pin(async move {
                let count: TypedFunc<(), (u32,)> = instance.get_typed_func(&mut *store, "count")?;
                let first = count.call_async(&mut *store, ()).await?.0;
                Ok((first, count.call_async(&mut *store, ()).await?.0))
            })
        });
        assert_eq!(counted.await.unwrap().0, Some((1, 2)));
    }
    assert_eq!(sandbox.usage().memory, ByteSize::from_bytes(0));
}

#[tokio::test]
async fn one_plugin_serves_policies_which_count_differently() {
    let plugin = plugin();
    // They count fuel, and time.
    for policy in [Policy::standard(), Policy::trusted()] {
        let sandbox = host().create(SandboxSpec::new(policy)).unwrap();
        assert_eq!(call(&sandbox, &plugin, AT_ONCE, "ask", (1_u32,)).await.0, Some(2));
    }
}

#[tokio::test]
async fn what_ends_a_plugin_is_told() {
    let trapped = do_it(&sandbox(spec()), AT_ONCE, "trap", ()).await;
    assert!(
        matches!(&trapped.ending, Ending::Trapped(why) if why.contains("unreachable")),
        "{trapped:?}"
    );
    let (answer, refused) = call(&sandbox(spec()), &plugin(), AT_ONCE, "ask", (13_u32,)).await;
    assert_eq!(answer, None);
    assert!(
        matches!(&refused.ending, Ending::Trapped(why) if why.contains("nobody asks for 13")),
        "{refused:?}"
    );
    let (_, missing) = call(&sandbox(spec()), &plugin(), AT_ONCE, "no-such", (1_u32,)).await;
    assert!(
        matches!(&missing.ending, Ending::Trapped(why) if why.contains("export")),
        "{missing:?}"
    );
}

#[tokio::test]
async fn its_limits_hold_in_the_embedder_too() {
    let slow = Answers {
        add: 0,
        wait: Duration::from_secs(60),
    };
    let limits = LimitsRequest {
        time: Some(Duration::from_millis(200)),
        ..LimitsRequest::default()
    };
    let (answer, outcome) = call(&limited(limits), &plugin(), slow, "ask", (1_u32,)).await;
    assert_eq!((answer, outcome.ending), (None, Ending::LimitReached(Limit::Time)));

    let limits = LimitsRequest {
        fuel: Some(1_000_000),
        ..LimitsRequest::default()
    };
    // A call costs a thousand units.
    let outcome = do_it(&limited(limits.clone()), AT_ONCE, "ask-often", (900_u32,)).await;
    assert_eq!(outcome.ending, Ending::Returned);
    assert!(outcome.usage.fuel >= Some(900_000), "{:?}", outcome.usage);
    let outcome = do_it(&limited(limits), AT_ONCE, "ask-often", (1100_u32,)).await;
    assert_eq!(outcome.ending, Ending::LimitReached(Limit::Fuel));
}

#[tokio::test]
async fn its_memory_is_the_sandboxs() {
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(64)),
        ..LimitsRequest::default()
    };
    let (sandbox, plugin) = (limited(limits), plugin());
    let grown = sandbox.with_plugin(&plugin, AT_ONCE, |store, instance| {
        Box::pin(async move {
            let grow: TypedFunc<(), (i32,)> = instance.get_typed_func(&mut *store, "grow")?;
            Ok(grow.call_async(&mut *store, ()).await?.0)
        })
    });
    let (grown, outcome) = grown.await.unwrap();
    assert_eq!(grown, Some(-1));
    assert_eq!(outcome.limits_hit, [Limit::Memory]);
}

#[tokio::test]
async fn a_module_is_no_plugin() {
    let module: Program = wat("module", r#"(module (func (export "_start")))"#);
    let plugin: Plugin<()> = Plugin::new(&module, |_| Ok(()));
    let sandbox = sandbox(spec());
    let called = sandbox.with_plugin(&plugin, (), |_, _| Box::pin(async { Ok(()) }));
    assert_eq!(called.await.unwrap_err().kind(), Kind::InvalidInput);
}

/// The guest has used all of its part of the stack.
#[tokio::test]
async fn a_function_of_the_embedder_has_stack_left() {
    let (sandbox, plugin) = (sandbox(spec()), plugin());
    let mut calls = 100_000_u32;
    loop {
        let (answer, outcome) = call(&sandbox, &plugin, AT_ONCE, "deep", (calls,)).await;
        match outcome.ending {
            Ending::Trapped(_) => calls -= calls / 50,
            ending => {
                assert_eq!((answer, ending), (Some(8), Ending::Returned));
                break;
            }
        }
    }
    assert!(calls > 10_000 && calls < 100_000, "{calls}");
}

#[tokio::test]
async fn a_panic_of_the_embedder_is_its_own_and_fails_the_sandbox() {
    let (sandbox, plugin) = (sandbox(spec()), plugin());
    let panicking = {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { call(&sandbox, &plugin, AT_ONCE, "ask", (66_u32,)).await })
    };
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(sandbox.state(), State::Failed);
    assert!(sandbox.processes().is_empty());
}

#[tokio::test]
async fn a_kill_ends_a_plugin_which_waits_for_its_embedder() {
    let (sandbox, plugin) = (sandbox(spec()), plugin());
    let slow = Answers {
        add: 0,
        wait: Duration::from_secs(60),
    };
    let calling = {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { call(&sandbox, &plugin, slow, "ask", (1_u32,)).await })
    };
    while sandbox.processes().is_empty() {
        tokio::task::yield_now().await;
    }
    sandbox.stop().await.unwrap();
    let (answer, outcome) = calling.await.unwrap();
    assert_eq!((answer, outcome.ending), (None, Ending::Killed));
}

/// Each engine has such a thread for as long as it lives.
fn engines() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.trim() == "palisade-epoch").count()
}

#[test]
fn a_plugin_keeps_nothing_of_a_host_that_is_gone() {
    alone("plugins::a_plugin_keeps_nothing_of_a_host_that_is_gone", async {
        let plugin = plugin();
        for _ in 0..3 {
            let state = tempfile::tempdir().unwrap();
            let host = Host::open(HostConfig::new(state.path())).unwrap();
            let sandbox = host.create(spec()).unwrap();
            assert_eq!(call(&sandbox, &plugin, AT_ONCE, "ask", (1_u32,)).await.0, Some(2));
            assert!(engines() > 0);
            sandbox.destroy().await.unwrap();
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while engines() > 0 && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(engines(), 0);
        drop(plugin);
    });
}
