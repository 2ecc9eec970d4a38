//! The derive behind `#[derive(Message)]`: a struct with versioned fields becomes code that reads and writes it.
//!
//! The attributes are documented in `milena_protocol::wire`. The code that comes out is a list of calls into that module,
//! one per field, so that three hundred messages stay cheap to compile.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields};

mod attributes;
mod code;
mod versions;

/// Implements `Wire`, `Struct` and `Default`, and with a `#[message(..)]` attribute `Message` and `Request` or `Record`.
#[proc_macro_derive(Message, attributes(message, field))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn derive(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(input, "a message is a struct"));
    };
    let fields = match &data.fields {
        Fields::Named(named) => {
            named.named.iter().map(attributes::Field::parse).collect::<syn::Result<Vec<_>>>()?
        }
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => return Err(syn::Error::new_spanned(input, "a message has named fields")),
    };
    let wire = code::wire(&input.ident, &fields);
    let outermost = match attributes::Outermost::parse(&input.attrs)? {
        Some(outermost) => code::outermost(&input.ident, &outermost),
        None => quote!(),
    };
    Ok(quote!(#wire #outermost))
}
