//! The macro that turns rows into [`Key`](super::Key) statics and one slice over them.

/// Declares keys: `/// documentation` then `IDENT "name" Type = default, valid, update, importance;`, with a trailing
/// `internal` for keys that DescribeConfigs hides.
macro_rules! keys {
    ($(#[doc = $doc:literal] $ident:ident $name:literal $kind:ident = $default:expr, $valid:expr, $update:ident,
       $importance:ident $($internal:ident)?;)*) => {
        $(
            #[doc = $doc]
            pub static $ident: $crate::config::Key = $crate::config::Key {
                name: $name,
                value_type: $crate::config::Type::$kind,
                default: $default,
                valid: $valid,
                update: $crate::config::Update::$update,
                importance: $crate::config::Importance::$importance,
                internal: $crate::config::table::internal!($($internal)?),
                documentation: $doc.trim_ascii_start(),
            };
        )*
        /// Every key of this table.
        pub static KEYS: &[&$crate::config::Key] = &[$(&$ident),*];
    };
}

macro_rules! internal {
    () => {
        false
    };
    (internal) => {
        true
    };
}

pub(crate) use {internal, keys};
