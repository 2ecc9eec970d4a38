//! Version ranges as the schemas write them: `0+`, `3-7`, `2`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

/// A range of versions; no end means all later ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: Option<i16>,
}

impl Versions {
    /// Every version.
    pub(crate) const ALL: Self = Self { first: 0, last: None };

    pub(crate) fn parse(text: &LitStr) -> syn::Result<Self> {
        let value = text.value();
        let number = |digits: &str| {
            digits.parse::<i16>().map_err(|_| syn::Error::new_spanned(text, "expected `3`, `3+` or `3-7`"))
        };
        if let Some(first) = value.strip_suffix('+') {
            return Ok(Self { first: number(first)?, last: None });
        }
        let (first, last) = value.split_once('-').unwrap_or((&value, &value));
        Ok(Self { first: number(first)?, last: Some(number(last)?) })
    }

    /// A condition on the variable `version`, `None` where it always holds.
    pub(crate) fn condition(self) -> Option<TokenStream> {
        let first = self.first;
        match self.last {
            None if first == 0 => None,
            None => Some(quote!(version >= #first)),
            Some(last) if first == 0 => Some(quote!(version <= #last)),
            Some(last) if first == last => Some(quote!(version == #last)),
            Some(last) => Some(quote!((#first..=#last).contains(&version))),
        }
    }
}
