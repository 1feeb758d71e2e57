//! What the tests of palisade share: one host, the compiled guests, and ways to say what a guest did.

mod alone;
mod guest;
mod told;

pub use alone::alone;
pub use guest::{Abi, command, guest, host, limited, run, sandbox, script, spec, state_dir, wat};
pub use told::Told;

/// Runs each of these `async fn(Abi)` twice, for preview 1 and for preview 2.
#[macro_export]
macro_rules! both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn p1() {
                super::$name($crate::Abi::P1).await;
            }

            #[tokio::test]
            async fn p2() {
                super::$name($crate::Abi::P2).await;
            }
        }
    )*};
}
