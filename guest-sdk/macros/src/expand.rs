//! The code which binds a module to its world.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::{FnArg, ItemMod, Pat};

use crate::model::{Function, Tool};
use crate::types::Type;
use crate::{docs, wit};

/// Before the names which the core module exports, as of the component model's naming `cm32p2`. Without it a function
/// called `read` or `write` would take the place of libc's, since an exported name is also the linker's.
const PREFIX: &str = "cm32p2||";

/// The module with its bindings.
pub(crate) fn module(tool: &Tool, module: &ItemMod) -> TokenStream {
    let ItemMod {
        attrs,
        vis,
        ident,
        content,
        ..
    } = module;
    let items = content.iter().flat_map(|(_, items)| items);
    let wit = wit::text(tool);
    let types = tool.types.iter().map(|definition| &definition.ident);
    let exports = exports(tool);
    let section = section(tool);
    quote! {
        #(#attrs)*
        #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
        #vis mod #ident {
            #[doc(hidden)]
            #[allow(missing_docs, unreachable_pub, unsafe_code, unused, clippy::all)]
            mod palisade_bindings {
                ::palisade_guest::__private::generate!({
                    inline: #wit,
                    runtime_path: "::palisade_guest::__private::rt",
                    export_prefix: #PREFIX,
                    additional_derives: [PartialEq],
                    generate_unused_types: true,
                });
            }
            #(pub use palisade_bindings::#types;)*
            #(#items)*
            #exports
            #section
        }
    }
}

/// The functions are exported in WebAssembly only: elsewhere, as in tests, the names would be those of the program.
fn exports(tool: &Tool) -> TokenStream {
    let functions = tool.functions.iter().map(implementation);
    let post_returns = tool
        .functions
        .iter()
        .filter(|function| is_post_return_needed(tool, function))
        .map(post_return);
    quote! {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)]
        const _: () = {
            struct Exported;
            impl palisade_bindings::Guest for Exported {
                #(#functions)*
            }
            palisade_bindings::export!(Exported with_types_in palisade_bindings);
            #(#post_returns)*
        };
    }
}

fn implementation(function: &Function) -> TokenStream {
    let signature = &function.signature;
    let (ident, output) = (&signature.ident, &signature.output);
    let parameters = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    });
    let names: Vec<_> = parameters.clone().map(|input| name_of(&input.pat)).collect();
    let types = parameters.map(|input| &input.ty);
    quote! {
        fn #ident(#(#names: #types),*) #output {
            self::#ident(#(#names),*)
        }
    }
}

fn name_of(pattern: &Pat) -> TokenStream {
    match pattern {
        Pat::Ident(pattern) => {
            let ident = &pattern.ident;
            quote!(#ident)
        }
        other => quote!(#other),
    }
}

/// Frees what a function returned, once the host has read it. The bindings' own is under a name which `cm32p2` does not
/// have. A result which needs it holds memory, so is more than one value, and so returned by its address.
fn post_return(function: &Function) -> TokenStream {
    let name = Literal::string(&format!("{PREFIX}{}_post", function.name));
    let ident = format_ident!("post_return_{}", function.signature.ident);
    let generated = format_ident!("__post_return_{}", function.signature.ident);
    quote! {
        #[unsafe(export_name = #name)]
        unsafe extern "C" fn #ident(result: *mut u8) {
            unsafe { palisade_bindings::#generated::<Exported>(result) }
        }
    }
}

fn is_post_return_needed(tool: &Tool, function: &Function) -> bool {
    function
        .result
        .as_ref()
        .is_some_and(|result| holds_memory(tool, result))
}

fn holds_memory(tool: &Tool, ty: &Type) -> bool {
    match ty {
        Type::Primitive(name) => *name == "string",
        Type::List(_) => true,
        Type::Named(name) => {
            let definition = tool.definition(name);
            definition.is_some_and(|definition| definition.member_types().any(|ty| holds_memory(tool, ty)))
        }
        _ => ty.parts().into_iter().any(|part| holds_memory(tool, part)),
    }
}

/// Not `#[used]`, which would put the bytes into the memory too.
fn section(tool: &Tool) -> TokenStream {
    let bytes = docs::section(tool);
    let length = bytes.len();
    let bytes = Literal::byte_string(&bytes);
    let name = docs::SECTION;
    quote! {
        #[cfg(target_family = "wasm")]
        #[allow(dead_code, unsafe_code)]
        const _: () = {
            #[unsafe(link_section = #name)]
            static DOCS: [u8; #length] = *#bytes;
        };
    }
}
