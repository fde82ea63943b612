//! Cost of a request: its complexity is charged to the key's rate limit before it is executed and told in `extensions.cost`; its
//! statements are counted, and a field that runs one again and again is found.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextResolve, NextValidation, ResolveInfo,
};
use async_graphql::{Response, ServerError, ServerResult, ValidationResult, Value};
use identity::KeyRateLimit;
use store::statements::StatementCounts;

use crate::http::limits::Limits;

/// Complexity that costs as much of the rate limit as a request does.
const COMPLEXITY_OF_A_POINT: usize = 100;
/// Number of times that one field may run the same statement in a request. More is a read for each node of a list.
const MAX_REPEATS: u32 = 5;

/// Account that a request is charged to.
pub(super) struct Budget {
    pub(super) limits: Limits,
    /// Rate limit of the key; `None` for a person or nobody.
    pub(super) key: Option<KeyRateLimit>,
}

impl Budget {
    /// Charges a request beyond the point that every request costs.
    fn charge(&self, complexity: usize) -> Result<(), ServerError> {
        let points = u32::try_from(complexity / COMPLEXITY_OF_A_POINT).unwrap_or(u32::MAX);
        let Some(key) = self.key else { return Ok(()) };
        let Some(wait) = self.limits.charge(key, points) else { return Ok(()) };
        let mut error = ServerError::new(
            format!(
                "this request costs {points} points more than the rate limit of this API key leaves: wait {wait} seconds, or ask for less"
            ),
            None,
        );
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", "too-many-requests");
        extensions.set("retryAfter", wait);
        Err(error)
    }
}

/// Extension that charges and tells the cost.
pub(super) struct Costs {
    pub(super) max_complexity: usize,
    pub(super) max_depth: usize,
}

impl ExtensionFactory for Costs {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Cost {
            max_complexity: self.max_complexity,
            max_depth: self.max_depth,
            found: Mutex::new(None),
        })
    }
}

struct Cost {
    max_complexity: usize,
    max_depth: usize,
    found: Mutex<Option<ValidationResult>>,
}

#[async_graphql::async_trait::async_trait]
impl Extension for Cost {
    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(context).await?;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        if let Some(budget) = context.data_opt::<Budget>() {
            budget.charge(result.complexity).map_err(|error| vec![error])?;
        }
        Ok(result)
    }

    async fn resolve(
        &self,
        context: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        // Fields of the operation are limited in number, and leaves read nothing.
        let is_nested = info.path_node.parent.is_some_and(|parent| parent.parent.is_some());
        let is_leaf = info.field.selection_set.node.items.is_empty();
        if !is_nested || is_leaf {
            return next.run(context, info).await;
        }
        let Some(counts) = context.data_opt::<StatementCounts>() else {
            return next.run(context, info).await;
        };
        let counts = counts.at(format!("{}.{}", info.parent_type, info.name).into());
        counts.scope(next.run(context, info)).await
    }

    async fn execute(
        &self,
        context: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let Some(counts) = context.data_opt::<StatementCounts>() else {
            return next.run(context, operation_name).await;
        };
        let response = counts.scope(next.run(context, operation_name)).await;
        for repeated in counts.repeated(MAX_REPEATS) {
            metrics::counter!("wenyuan_graphql_n_plus_one_total", "field" => repeated.place.to_string())
                .increment(1);
            if is_new(&repeated.place) {
                tracing::warn!(
                    field = &*repeated.place,
                    statement = repeated.statement,
                    times = repeated.times,
                    "a field of a list runs a statement for each node"
                );
            }
        }
        let found = *self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cost) = found else { return response };
        let told = serde_json::json!({
            "complexity": cost.complexity, "maxComplexity": self.max_complexity,
            "depth": cost.depth, "maxDepth": self.max_depth, "statements": counts.total(),
        });
        response.extension("cost", Value::from_json(told).unwrap_or_default())
    }
}

/// Whether a field is found for the first time, so that it is logged once.
fn is_new(place: &str) -> bool {
    static LOGGED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    logged.insert(place.to_owned())
}
