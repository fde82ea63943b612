//! Vector search: the passages whose vectors are nearest to the query's.
//!
//! In a small scope every vector is compared: exact, and measured faster there than the graph. In a large one pgvector's
//! HNSW index is walked ([Malkov and Yashunin 2018](https://arxiv.org/abs/1603.09320)), which is approximate. Vectors have
//! length 1, so cosine, inner product and Euclidean distance give the same order; cosine is used. The built-in model has a table of its
//! own, and the models of endpoints another, with an index for each dimension.

use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::candidate::{Candidate, VectorCandidate};
use super::index::{content_number, number_of};
use super::request::SearchRequest;
use crate::Error;
use crate::embedder::{Embedder, INDEXED_DIMENSIONS, VectorTable};
use crate::names::Tag;

/// Maximum number of vectors in scope that are all compared.
pub(super) const MAX_EXACT: i64 = 20_000;

/// A query as a model embedded it.
pub(super) struct QueryVector<'a> {
    pub(super) model: &'a Embedder,
    /// In pgvector's text form.
    pub(super) vector: &'a str,
}

/// Returns the breadth of the graph search (`hnsw.ef_search`). Wider is slower and more exact: measured at 300,000 vectors, 40 takes 2 to 5 ms, 100
/// takes 2 to 7 ms and 400 takes 18 to 33 ms.
pub(super) fn breadth_for(budget_milliseconds: u64) -> u32 {
    match budget_milliseconds {
        0..5 => 40,
        5..20 => 100,
        20..50 => 200,
        _ => 400,
    }
}

/// Counts the vectors of these versions by a model, up to `max`.
pub(super) async fn count(
    pool: &PgPool,
    versions: &[Uuid],
    model: &Embedder,
    max: i64,
) -> Result<i64, Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    macro_rules! count {
        ($table:literal) => {
            sqlx::query_scalar!(
                r#"-- vectors.count
                 select count(*) as "count!" from (select from "#
                    + $table
                    + " where version_id = any ($1) and model = $2 limit $3) as held",
                versions,
                model.id(),
                max,
            )
            .fetch_one(&mut *connection)
            .await?
        };
    }
    Ok(match model.table() {
        VectorTable::BuiltIn => count!("library.vectors"),
        VectorTable::Endpoint => count!("library.endpoint_vectors"),
    })
}

/// A passage near the query.
#[derive(FromRow)]
struct NearRow {
    passage_id: Uuid,
    document_id: Uuid,
    version_id: Uuid,
    sha256: Vec<u8>,
    distance: f64,
}

/// Returns the nearest passages of these versions by comparing all vectors.
pub(super) async fn exact(
    pool: &PgPool,
    versions: &[Uuid],
    query: &QueryVector<'_>,
    limit: i64,
) -> Result<Vec<VectorCandidate>, Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    macro_rules! exact {
        ($table:literal) => {
            // `+ 0` keeps the planner from using the graph index, which returns too few rows under a filter.
            sqlx::query_as!(
                NearRow,
                r#"-- vectors.exact
                 select nearest.passage_id as "passage_id!", revision.document_id, revision.version_id, passage.sha256,
                   nearest.distance as "distance!"
                 from (
                   select passage_id, (vector <=> $3::text::halfvec) + 0 as distance
                   from "# + $table + r#" where version_id = any ($1) and model = $2
                   order by distance limit $4
                 ) as nearest
                 join library.search_indices as passage on passage.id = nearest.passage_id
                 join library.document_versions as revision on revision.id = passage.document_version_id
                 order by nearest.distance, nearest.passage_id"#,
                versions,
                query.model.id(),
                query.vector,
                limit,
            )
            .fetch_all(&mut *connection)
            .await?
        };
    }
    let rows = match query.model.table() {
        VectorTable::BuiltIn => exact!("library.vectors"),
        VectorTable::Endpoint => exact!("library.endpoint_vectors"),
    };
    Ok(candidates(rows, query.model))
}

/// Returns the nearest passages of these versions that pass the request's filters by comparing all their vectors.
pub(super) async fn exact_filtered(
    pool: &PgPool,
    versions: &[Uuid],
    query: &QueryVector<'_>,
    request: &SearchRequest,
    limit: i64,
) -> Result<Vec<VectorCandidate>, Error> {
    let tags: Vec<String> = request.tags.iter().map(Tag::to_string).collect();
    let mut connection = store::postgres::acquire(pool).await?;
    macro_rules! exact_filtered {
        ($table:literal) => {
            sqlx::query_as!(
                NearRow,
                r#"-- vectors.exact_filtered
                 select vector.passage_id, document.id as document_id, vector.version_id, passage.sha256,
                   (vector.vector <=> $3::text::halfvec) + 0 as "distance!"
                 from "# + $table + r#" as vector
                 join library.search_indices as passage on passage.id = vector.passage_id
                 join library.document_versions as revision on revision.id = passage.document_version_id
                 join library.documents as document on document.id = revision.document_id
                 where vector.version_id = any ($1) and vector.model = $2
                   and (cardinality($4::text[]) = 0 or revision.type = any ($4))
                   and (cardinality($5::text[]) = 0 or passage.content_type = any ($5))
                   and ($6::text is null or document.category = $6)
                   and document.tags @> $7
                 order by "distance!", vector.passage_id
                 limit $8"#,
                versions,
                query.model.id(),
                query.vector,
                &request.types,
                &request.content_types,
                request.category.map(|category| category.as_str().to_owned()),
                &tags,
                limit,
            )
            .fetch_all(&mut *connection)
            .await?
        };
    }
    let rows = match query.model.table() {
        VectorTable::BuiltIn => exact_filtered!("library.vectors"),
        VectorTable::Endpoint => exact_filtered!("library.endpoint_vectors"),
    };
    Ok(candidates(rows, query.model))
}

/// Returns approximately the nearest passages of these versions by walking the graph.
pub(super) async fn graph(
    pool: &PgPool,
    versions: &[Uuid],
    query: &QueryVector<'_>,
    limit: i64,
    breadth: u32,
) -> Result<Vec<VectorCandidate>, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    // For this transaction only. Relaxed order lets the walk go on when the filter has removed most of its rows.
    sqlx::query!(
        "-- vectors.breadth
         select set_config('hnsw.ef_search', $1, true) as breadth,
           set_config('hnsw.iterative_scan', 'relaxed_order', true) as scan",
        breadth.to_string(),
    )
    .fetch_one(&mut *transaction)
    .await?;
    let rows = match query.model.table() {
        VectorTable::BuiltIn => {
            sqlx::query_as!(
                NearRow,
                r#"-- vectors.graph
                 with nearest as materialized (
                   select passage_id, vector <=> $3::text::halfvec as distance
                   from library.vectors where version_id = any ($1) and model = $2
                   order by vector <=> $3::text::halfvec limit $4
                 )
                 select nearest.passage_id as "passage_id!", revision.document_id, revision.version_id, passage.sha256,
                   nearest.distance as "distance!"
                 from nearest
                 join library.search_indices as passage on passage.id = nearest.passage_id
                 join library.document_versions as revision on revision.id = passage.document_version_id
                 order by nearest.distance, nearest.passage_id"#,
                versions,
                query.model.id(),
                query.vector,
                limit,
            )
            .fetch_all(&mut *transaction)
            .await?
        }
        VectorTable::Endpoint => graph_of_endpoint(&mut transaction, versions, query, limit).await?,
    };
    transaction.commit().await?;
    Ok(candidates(rows, query.model))
}

/// Walks the graph of the model's dimension. The dimension is a part of the index, and so of the statement.
async fn graph_of_endpoint(
    connection: &mut PgConnection,
    versions: &[Uuid],
    query: &QueryVector<'_>,
    limit: i64,
) -> Result<Vec<NearRow>, Error> {
    let stored = query.model.stored_dimensions();
    let dimensions = INDEXED_DIMENSIONS.into_iter().find(|indexed| *indexed == stored);
    let dimensions =
        dimensions.ok_or_else(|| Error::Internal(format!("vectors of {stored} values have no index")))?;
    let statement = format!(
        "-- vectors.graph_endpoint
         with nearest as materialized (
           select passage_id, vector::halfvec({dimensions}) <=> $3::text::halfvec({dimensions}) as distance
           from library.endpoint_vectors
           where vector_dims(vector) = {dimensions} and version_id = any ($1) and model = $2
           order by vector::halfvec({dimensions}) <=> $3::text::halfvec({dimensions}) limit $4
         )
         select nearest.passage_id, revision.document_id, revision.version_id, passage.sha256, nearest.distance
         from nearest
         join library.search_indices as passage on passage.id = nearest.passage_id
         join library.document_versions as revision on revision.id = passage.document_version_id
         order by nearest.distance, nearest.passage_id"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(versions)
        .bind(query.model.id())
        .bind(query.vector)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

fn candidates(rows: Vec<NearRow>, model: &Embedder) -> Vec<VectorCandidate> {
    let candidate = |row: NearRow| {
        #[expect(clippy::cast_possible_truncation, reason = "the vectors are stored in half precision")]
        let similarity = model.scaled_similarity(1.0 - row.distance as f32);
        let candidate = Candidate {
            passage: row.passage_id,
            document: number_of(row.document_id),
            version: number_of(row.version_id),
            content: content_number(&row.sha256),
        };
        VectorCandidate { candidate, similarity }
    };
    rows.into_iter().map(candidate).collect()
}
