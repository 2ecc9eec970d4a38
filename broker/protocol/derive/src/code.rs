//! Prints the implementations.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::attributes::{Field, Outermost};

/// `Default`, `Struct` and `Wire`.
pub(crate) fn wire(name: &Ident, fields: &[Field]) -> TokenStream {
    let defaults = fields.iter().map(|field| {
        let (field_name, default) = (&field.name, default(field));
        quote!(#field_name: #default)
    });
    let (plain, mut tagged): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.tag.is_none());
    // Tags leave in ascending order, whatever the order of declaration.
    tagged.sort_by_key(|field| field.tag.as_ref().and_then(|tag| tag.base10_parse::<u32>().ok()));
    let reads = plain.iter().map(|field| when(field, read_plain(field)));
    let writes = plain.iter().map(|field| when(field, write_plain(field)));
    let (read_tagged, write_tagged) = (read_tagged(&tagged), write_tagged(&tagged));
    quote! {
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#defaults,)* }
            }
        }

        #[automatically_derived]
        impl ::milena_protocol::wire::Struct for #name {}

        #[automatically_derived]
        #[allow(unused_variables, unused_mut)]
        impl ::milena_protocol::wire::Wire for #name {
            fn read(
                decoder: &mut ::milena_protocol::Decoder,
                version: i16,
            ) -> ::core::result::Result<Self, ::milena_protocol::DecodeError> {
                let mut message = Self::default();
                #(#reads)*
                #read_tagged
                Ok(message)
            }

            fn write(&self, encoder: &mut ::milena_protocol::Encoder, version: i16) {
                #(#writes)*
                #write_tagged
            }
        }
    }
}

/// `Message`, and `Request` or `Record` where there is a key.
pub(crate) fn outermost(name: &Ident, outermost: &Outermost) -> TokenStream {
    let Outermost { key, response, versions, flexible } = outermost;
    let (first, last) = (versions.first, versions.last.unwrap_or(versions.first));
    let flexible = match flexible {
        Some(versions) => {
            let first = versions.first;
            quote!(Some(#first))
        }
        None => quote!(None),
    };
    let kind = match (key, response) {
        (Some(key), Some(response)) => quote! {
            #[automatically_derived]
            impl ::milena_protocol::Request for #name {
                const KEY: i16 = #key;
                type Response = #response;
            }
        },
        (Some(key), None) => quote! {
            #[automatically_derived]
            impl ::milena_protocol::Record for #name {
                const KEY: i16 = #key;
            }
        },
        (None, _) => quote!(),
    };
    quote! {
        #[automatically_derived]
        impl ::milena_protocol::Message for #name {
            const NAME: &'static str = stringify!(#name);
            const VERSIONS: ::core::ops::RangeInclusive<i16> = #first..=#last;
            const FLEXIBLE: Option<i16> = #flexible;
        }

        #kind
    }
}

fn default(field: &Field) -> TokenStream {
    match &field.default {
        Some(_) if field.is_null_by_default() => quote!(None),
        Some(value) if field.nullable.is_some() => quote!(Some(#value)),
        Some(value) => quote!(#value),
        None if field.nullable.is_some() => quote!(Some(::core::default::Default::default())),
        None => quote!(::core::default::Default::default()),
    }
}

fn when(field: &Field, statement: TokenStream) -> TokenStream {
    match field.versions.condition() {
        Some(condition) => quote!(if #condition { #statement }),
        None => statement,
    }
}

fn read(field: &Field) -> TokenStream {
    match nullable(field) {
        Some(_) if field.tag.is_some() => {
            quote!(::milena_protocol::wire::Nullable::read_tagged(decoder, version))
        }
        Some(nullable) => quote!(::milena_protocol::wire::read_optional(decoder, version, #nullable)),
        None => quote!(::milena_protocol::wire::Wire::read(decoder, version)),
    }
}

fn write(field: &Field) -> TokenStream {
    let name = &field.name;
    match nullable(field) {
        Some(_) if field.tag.is_some() => {
            quote!(::milena_protocol::wire::Nullable::write_tagged(self.#name.as_ref(), encoder, version);)
        }
        Some(nullable) => {
            quote!(::milena_protocol::wire::write_optional(&self.#name, encoder, version, #nullable);)
        }
        None => quote!(::milena_protocol::wire::Wire::write(&self.#name, encoder, version);),
    }
}

fn nullable(field: &Field) -> Option<TokenStream> {
    field.nullable.map(|versions| versions.condition().unwrap_or(quote!(true)))
}

fn read_plain(field: &Field) -> TokenStream {
    let (name, read) = (&field.name, read(field));
    if !field.inflexible {
        return quote!(message.#name = #read?;);
    }
    quote! {
        let flexible = decoder.set_flexible(false);
        message.#name = #read?;
        decoder.set_flexible(flexible);
    }
}

fn write_plain(field: &Field) -> TokenStream {
    let write = write(field);
    if !field.inflexible {
        return write;
    }
    quote! {
        let flexible = encoder.set_flexible(false);
        #write
        encoder.set_flexible(flexible);
    }
}

fn read_tagged(fields: &[&Field]) -> TokenStream {
    if fields.is_empty() {
        return quote!(decoder.tagged_fields(&mut |_, _| Ok(false))?;);
    }
    let arms = fields.iter().map(|field| {
        let (tag, name, read) = (&field.tag, &field.name, read(field));
        let guard = field.versions.condition().map(|condition| quote!(if #condition));
        quote!(#tag #guard => message.#name = #read?,)
    });
    quote! {
        decoder.tagged_fields(&mut |decoder, tag| {
            match tag {
                #(#arms)*
                _ => return Ok(false),
            }
            Ok(true)
        })?;
    }
}

fn write_tagged(fields: &[&Field]) -> TokenStream {
    if fields.is_empty() {
        return quote!(encoder.no_tagged_fields(););
    }
    let present = fields.iter().map(|field| {
        let (name, default) = (&field.name, default(field));
        let differs = quote!(::milena_protocol::wire::differs(&self.#name, &#default));
        match field.versions.condition() {
            Some(condition) => quote!(#condition && #differs),
            None => differs,
        }
    });
    let writes = fields.iter().enumerate().map(|(index, field)| {
        let (tag, write) = (&field.tag, write(field));
        quote!(if present[#index] { encoder.tagged_field(#tag, &mut |encoder| { #write }); })
    });
    quote! {
        if encoder.flexible() {
            let present = [#(#present),*];
            encoder.uvarint(present.iter().filter(|present| **present).count() as u32);
            #(#writes)*
        }
    }
}
