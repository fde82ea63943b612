//! Vector search: the passages whose vectors are nearest to the query's.
//!
//! In a small scope every vector is compared: exact, and measured faster there than the graph. In a large one pgvector's
//! HNSW index is walked ([Malkov and Yashunin 2018](https://arxiv.org/abs/1603.09320)), which is approximate. Vectors have
//! length 1, so cosine, inner product and Euclidean distance give the same order; cosine is used.

use sqlx::PgPool;
use uuid::Uuid;

use super::candidate::{Candidate, VectorCandidate};
use super::index::number_of;
use super::request::SearchRequest;
use crate::Error;
use crate::names::Tag;

/// Maximum number of vectors in scope that are all compared.
pub(super) const MAX_EXACT: i64 = 20_000;

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

/// Counts the vectors of these versions, up to `max`.
pub(super) async fn count(pool: &PgPool, versions: &[Uuid], max: i64) -> Result<i64, Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    Ok(sqlx::query_scalar!(
        r#"-- vectors.count
         select count(*) as "count!" from
           (select from library.vectors where version_id = any ($1) limit $2) as held"#,
        versions,
        max,
    )
    .fetch_one(&mut *connection)
    .await?)
}

/// Returns the nearest passages of these versions by comparing all vectors.
pub(super) async fn exact(
    pool: &PgPool,
    versions: &[Uuid],
    model: &str,
    vector: &str,
    limit: i64,
) -> Result<Vec<VectorCandidate>, Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    // `+ 0` keeps the planner from using the graph index, which returns too few rows under a filter.
    let rows = sqlx::query!(
        r#"-- vectors.exact
         select nearest.passage_id, revision.document_id, nearest.distance as "distance!"
         from (
           select passage_id, (vector <=> $3::text::halfvec) + 0 as distance
           from library.vectors where version_id = any ($1) and model = $2
           order by distance limit $4
         ) as nearest
         join library.search_indices as passage on passage.id = nearest.passage_id
         join library.document_versions as revision on revision.id = passage.document_version_id
         order by nearest.distance, nearest.passage_id"#,
        versions,
        model,
        vector,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(rows.into_iter().map(|row| candidate(row.passage_id, row.document_id, row.distance)).collect())
}

/// Returns the nearest passages of these versions that pass the request's filters by comparing all their vectors.
pub(super) async fn exact_filtered(
    pool: &PgPool,
    versions: &[Uuid],
    model: &str,
    vector: &str,
    request: &SearchRequest,
    limit: i64,
) -> Result<Vec<VectorCandidate>, Error> {
    let tags: Vec<String> = request.tags.iter().map(Tag::to_string).collect();
    let mut connection = store::postgres::acquire(pool).await?;
    let rows = sqlx::query!(
        r#"-- vectors.exact_filtered
         select vector.passage_id, document.id as document_id,
           (vector.vector <=> $3::text::halfvec) + 0 as "distance!"
         from library.vectors as vector
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
        model,
        vector,
        &request.types,
        &request.content_types,
        request.category.map(|category| category.as_str().to_owned()),
        &tags,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(rows.into_iter().map(|row| candidate(row.passage_id, row.document_id, row.distance)).collect())
}

/// Returns approximately the nearest passages of these versions by walking the graph.
pub(super) async fn graph(
    pool: &PgPool,
    versions: &[Uuid],
    model: &str,
    vector: &str,
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
    let rows = sqlx::query!(
        r#"-- vectors.graph
         with nearest as materialized (
           select passage_id, vector <=> $3::text::halfvec as distance
           from library.vectors where version_id = any ($1) and model = $2
           order by vector <=> $3::text::halfvec limit $4
         )
         select nearest.passage_id, revision.document_id, nearest.distance as "distance!"
         from nearest
         join library.search_indices as passage on passage.id = nearest.passage_id
         join library.document_versions as revision on revision.id = passage.document_version_id
         order by nearest.distance, nearest.passage_id"#,
        versions,
        model,
        vector,
        limit,
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(rows.into_iter().map(|row| candidate(row.passage_id, row.document_id, row.distance)).collect())
}

fn candidate(passage: Uuid, document: Uuid, distance: f64) -> VectorCandidate {
    #[expect(clippy::cast_possible_truncation, reason = "the vectors are stored in half precision")]
    let similarity = 1.0 - distance as f32;
    VectorCandidate { candidate: Candidate { passage, document: number_of(document) }, similarity }
}
