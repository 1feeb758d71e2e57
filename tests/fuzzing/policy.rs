//! Policy files: whatever is in one, it is a policy that writes itself back, or a list of problems.

use palisade::policy::{Policy, Request};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Attempt;
use super::mutate::mutate;

const SHIPPED: [&str; 3] = [
    include_str!("../../policies/strict.toml"),
    include_str!("../../policies/default.toml"),
    include_str!("../../policies/trusted.toml"),
];

pub(crate) fn start() -> Attempt {
    Box::new(|random: &mut ChaCha8Rng| {
        let mut bytes = SHIPPED[random.random_range(0..SHIPPED.len())].as_bytes().to_vec();
        mutate(random, &mut bytes, &SHIPPED.map(str::as_bytes), 64 << 10);
        let text = String::from_utf8_lossy(&bytes);
        match Policy::from_toml(&text) {
            Ok(policy) => {
                let again = Policy::from_toml(&policy.to_toml());
                assert_eq!(again.as_ref(), Ok(&policy), "it does not write itself back:\n{text}");
                let _decided = policy.decide(&Request::default());
            }
            Err(problems) => {
                assert!(!problems.is_empty(), "refused without a reason:\n{text}");
                for problem in problems {
                    assert!(!problem.to_string().is_empty());
                }
            }
        }
    })
}
