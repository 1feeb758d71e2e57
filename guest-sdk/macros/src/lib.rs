//! The attribute `palisade_guest::tool`; its docs are there.
//!
//! A module becomes a `model::Tool`, and that three things: the text of a WIT world (`wit`), the section with its
//! docs (`docs`), and the code which binds them to the functions (`expand`).

mod docs;
mod expand;
mod model;
mod names;
mod types;
mod wit;

use proc_macro::TokenStream;
use syn::{ItemMod, parse_macro_input};

/// See `palisade_guest::tool`.
#[proc_macro_attribute]
pub fn tool(arguments: TokenStream, module: TokenStream) -> TokenStream {
    let mut module = parse_macro_input!(module as ItemMod);
    let arguments = proc_macro2::TokenStream::from(arguments);
    if !arguments.is_empty() {
        return syn::Error::new_spanned(arguments, "`tool` takes no arguments")
            .into_compile_error()
            .into();
    }
    // Where it is not a tool, the module is left out: what is missing of it would only be complained of again.
    model::Tool::take_from(&mut module)
        .map_or_else(syn::Error::into_compile_error, |tool| expand::module(&tool, &module))
        .into()
}
