//! Reads the `#[message(..)]` and `#[field(..)]` attributes.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, GenericArgument, Ident, LitInt, LitStr, PathArguments, Type};

use crate::versions::Versions;

/// What stands in `#[message(..)]`.
pub(crate) struct Outermost {
    pub(crate) key: Option<LitInt>,
    pub(crate) response: Option<Type>,
    pub(crate) versions: Versions,
    pub(crate) flexible: Option<Versions>,
}

impl Outermost {
    pub(crate) fn parse(attributes: &[Attribute]) -> syn::Result<Option<Self>> {
        let Some(attribute) = attributes.iter().find(|attribute| attribute.path().is_ident("message")) else {
            return Ok(None);
        };
        let mut outermost = Self { key: None, response: None, versions: Versions::ALL, flexible: None };
        attribute.parse_nested_meta(|meta| outermost.set(&meta))?;
        if outermost.versions.last.is_none() {
            return Err(syn::Error::new_spanned(attribute, "`versions` must have an end"));
        }
        Ok(Some(outermost))
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("key") {
            self.key = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("response") {
            self.response = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("versions") {
            self.versions = versions(meta)?;
        } else if meta.path.is_ident("flexible") {
            self.flexible = Some(versions(meta)?);
        } else {
            return Err(meta.error("expected `key`, `response`, `versions` or `flexible`"));
        }
        Ok(())
    }
}

/// A field and what stands in `#[field(..)]`.
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) versions: Versions,
    /// The versions that allow null; `Some` exactly for an `Option`.
    pub(crate) nullable: Option<Versions>,
    pub(crate) default: Option<Expr>,
    pub(crate) tag: Option<LitInt>,
    /// Written in the older form even where the message is flexible.
    pub(crate) inflexible: bool,
}

impl Field {
    pub(crate) fn parse(field: &syn::Field) -> syn::Result<Self> {
        let name = field.ident.clone().ok_or(syn::Error::new_spanned(field, "a field has a name"))?;
        let mut parsed = Self {
            name,
            versions: Versions::ALL,
            nullable: None,
            default: None,
            tag: None,
            inflexible: false,
        };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
            attribute.parse_nested_meta(|meta| parsed.set(&meta))?;
        }
        if parsed.nullable.is_some() != is_option(&field.ty) {
            return Err(syn::Error::new_spanned(field, "`nullable` and `Option` go together"));
        }
        Ok(parsed)
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("versions") {
            self.versions = versions(meta)?;
        } else if meta.path.is_ident("nullable") {
            let has_value = meta.input.peek(syn::Token![=]);
            self.nullable = Some(if has_value { versions(meta)? } else { Versions::ALL });
        } else if meta.path.is_ident("default") {
            self.default = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("tag") {
            self.tag = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("inflexible") {
            self.inflexible = true;
        } else {
            return Err(meta.error("expected `versions`, `nullable`, `default`, `tag` or `inflexible`"));
        }
        Ok(())
    }

    /// Whether `default = null` is declared.
    pub(crate) fn is_null_by_default(&self) -> bool {
        matches!(&self.default, Some(Expr::Path(path)) if path.path.is_ident("null"))
    }
}

fn versions(meta: &ParseNestedMeta<'_>) -> syn::Result<Versions> {
    Versions::parse(&meta.value()?.parse::<LitStr>()?)
}

fn is_option(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|segment| {
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
        segment.ident == "Option" && matches!(arguments.args.first(), Some(GenericArgument::Type(_)))
    })
}
