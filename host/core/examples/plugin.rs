//! Calls a plug-in with values of Rust's own types, and gives it a function of ours:
//! `cargo run --example plugin -- shop.wasm`, as `cargo xtask guests` compiles `tests/guests/wasm/shop`.

use std::collections::HashMap;

use palisade::policy::Policy;
use palisade::wasmtime::component::HasSelf;
use palisade::{Host, HostConfig, Plugin, PluginState, Program, SandboxSpec};

use bindings::{Discounts, Line};

mod bindings {
    palisade::wasmtime::component::bindgen!({
        wasmtime_crate: palisade::wasmtime,
        exports: { default: async },
        inline: "
            package example:shop;

            interface catalog {
                price: func(name: string) -> option<u32>;
            }

            world discounts {
                import catalog;
                record line { name: string, count: u32 }
                export total: func(order: list<line>) -> result<u32, string>;
            }
        ",
    });
}

/// What the plug-in may ask for.
struct Catalog {
    cents: HashMap<&'static str, u32>,
}

impl bindings::example::shop::catalog::Host for Catalog {
    fn price(&mut self, name: String) -> Option<u32> {
        self.cents.get(name.as_str()).copied()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: plugin shop.wasm")?;
    let plugin = Plugin::new(&Program::from_file(path)?, |linker| {
        Discounts::add_to_linker::<_, HasSelf<Catalog>>(linker, PluginState::data_mut)
    });

    let state = tempfile::tempdir()?;
    let host = Host::open(HostConfig::new(state.path()))?;
    let sandbox = host.create(SandboxSpec::new(Policy::standard()))?;

    let catalog = Catalog {
        cents: HashMap::from([("apple", 30), ("pear", 45)]),
    };
    let order = [("apple", 10), ("pear", 2)].map(|(name, count)| Line {
        name: name.into(),
        count,
    });
    let (total, outcome) = sandbox
        .with_plugin(&plugin, catalog, move |store, instance| {
            Box::pin(async move {
                // One instance for both calls.
                let discounts = Discounts::new(&mut *store, &instance)?;
                let total = discounts.call_total(&mut *store, &order).await?;
                let unknown = Line {
                    name: "quince".into(),
                    count: 1,
                };
                let refused = discounts.call_total(&mut *store, &[unknown]).await?;
                Ok((total, refused))
            })
        })
        .await?;

    println!("{:?} after {:?}", outcome.ending, outcome.usage);
    let (total, refused) = total.ok_or("the plug-in did not come to its end")?;
    println!("the order costs {} cents", total?);
    println!("another: {}", refused.expect_err("nobody sells quinces"));
    sandbox.destroy().await?;
    Ok(())
}
