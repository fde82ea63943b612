//! Output types whose fields are those of a domain struct.

/// Declares an output type and how it is made of a domain struct: a field is that of the struct, or what a closure makes of the struct.
macro_rules! view {
    (
        $(#[doc = $about:literal])*
        $name:ident of $domain:ty {
            $($(#[doc = $field_about:literal])* $field:ident: $type:ty $(= $value:expr)?),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(async_graphql::SimpleObject)]
        pub(super) struct $name {
            $($(#[doc = $field_about])* $field: $type),*
        }

        impl From<&$domain> for $name {
            fn from(domain: &$domain) -> Self {
                Self { $($field: view!(@value domain, $domain, $field $(, $value)?)),* }
            }
        }

        impl From<$domain> for $name {
            fn from(domain: $domain) -> Self {
                Self::from(&domain)
            }
        }
    };
    (@value $domain:ident, $type:ty, $field:ident) => { $domain.$field.clone().into() };
    (@value $domain:ident, $type:ty, $field:ident, $value:expr) => {{
        let value: fn(&$type) -> _ = $value;
        value($domain)
    }};
}

pub(super) use view;
