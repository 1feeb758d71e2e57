//! The two interfaces a tool tells the host by. Neither is imported by a tool which does not call it.

#![allow(missing_docs, unreachable_pub, unsafe_code)]

wit_bindgen::generate!({ path: "wit", world: "reports", generate_all });

pub(crate) use self::palisade::tool::progress::report;
pub(crate) use self::wasi::logging::logging::{Level, log};
